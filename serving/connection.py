"""One connection of a caller: uvicorn's own, but what comes before a body is bounded in size and in time, and so is an answer
that nobody reads.

uvicorn bounds none of them. Measured without these bounds: a head of one line of 100 MB kept the event loop, and with it every
camera, waiting for 8 s, and a connection that sends half a head stayed open for good.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024
HEAD_SECONDS = 20.0
UNREAD_SECONDS = 60.0


class Connection(HttpToolsProtocol):
    """Closed when its bytes bring neither a head to its end nor a body forward, when a head takes too long, or when the caller
    reads nothing of what waits for it.
    """

    _got_on = False
    _fruitless = 0
    _in_head = True
    _too_slow: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._too_slow = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._is_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._await_reading(self.transport.get_write_buffer_size())
        super().pause_writing()

    def resume_writing(self) -> None:
        self._is_read()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        self._got_on = False
        super().data_received(data)
        # Trailers after a body are counted too, which no callback tells of before they are complete.
        self._fruitless = 0 if self._got_on else self._fruitless + len(data)
        if self.transport.is_closing():
            return
        if self._fruitless > LARGEST_HEAD:
            self.send_400_response(f"The head of a request takes no more than {LARGEST_HEAD} bytes.")
        elif self._in_head and self._too_slow is None:
            self._too_slow = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._got_on = True
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._got_on = True
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: an upgrade that is not taken up is an ordinary request, and anybody could fill the log with it."""

    def _await_reading(self, waiting: int) -> None:
        self._unread = self.loop.call_later(UNREAD_SECONDS, self._look_whether_read, waiting)

    def _look_whether_read(self, before: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting < before:
            self._await_reading(waiting)
        else:
            self.transport.abort()

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _stop_waiting(self) -> None:
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None

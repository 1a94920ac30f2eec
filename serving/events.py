"""Server-sent events: what was stored, as it is stored. A client that reads too slowly is dropped, never waited for."""

import asyncio
from collections.abc import AsyncIterator

from fastapi.sse import ServerSentEvent
from pydantic import BaseModel

from data.wording import text
from serving.gauges import Gauges
from serving.problem import ProblemError

_QUEUE = 256
# A frame is told to each of them on the event loop: a thousand kept every camera waiting for 0.1 s.
_MOST_CLIENTS = 256


class Events:
    """Publish and subscribe on the event loop's thread."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges
        self._clients: dict[asyncio.Queue[ServerSentEvent | None], bool] = {}
        self._open = 0
        self._closed = False

    def check_room(self) -> None:
        """Raises a 503 problem when as many streams are open as there is room for."""
        if self._open >= _MOST_CLIENTS:
            raise ProblemError(
                503,
                text(
                    f"{_MOST_CLIENTS} event streams are open already; close pages that nobody looks at, then try again",
                    f"已開啟 {_MOST_CLIENTS} 個事件串流；請關閉無人查看的頁面後再試一次",
                ),
                {"Retry-After": "30"},
            )

    def publish(self, kind: str, message: BaseModel, blind: BaseModel | None = None) -> None:
        """Send `message` as JSON to every client, but `blind`, where there is one, to whom the model's word is kept from."""
        if not self._clients:
            return
        sent, instead = (
            ServerSentEvent(event=kind, raw_data=one.model_dump_json(by_alias=True))
            for one in (message, blind or message)
        )
        for client, hides in list(self._clients.items()):
            try:
                client.put_nowait(instead if hides else sent)
            except asyncio.QueueFull:
                self._gauges.events_dropped.inc()
                self._end(client)

    async def subscribe(self, hides: bool = False) -> AsyncIterator[ServerSentEvent]:
        """Events from now on, until the client is dropped or the server stops; the client then connects again.

        With `hides`, the model's word on what waits to be reviewed blind is kept from it.
        """
        queue: asyncio.Queue[ServerSentEvent | None] = asyncio.Queue(_QUEUE)
        if self._closed:
            return
        self._clients[queue] = hides
        self._open += 1
        self._gauges.event_clients.inc()
        try:
            yield ServerSentEvent(comment="connected", retry=1000)
            while (sent := await queue.get()) is not None:
                yield sent
        finally:
            self._clients.pop(queue, None)
            self._open -= 1
            self._gauges.event_clients.dec()

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closed = True
        for client in list(self._clients):
            self._end(client)

    def _end(self, client: asyncio.Queue[ServerSentEvent | None]) -> None:
        self._clients.pop(client, None)
        while not client.empty():
            client.get_nowait()
        client.put_nowait(None)

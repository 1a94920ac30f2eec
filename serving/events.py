"""Server-sent events: what was stored, as it is stored. A client that reads too slowly is dropped, never waited for."""

import asyncio
from collections.abc import AsyncIterator

from fastapi.sse import ServerSentEvent
from pydantic import BaseModel

from serving.gauges import Gauges

_QUEUE = 256


class Events:
    """Publish and subscribe on the event loop's thread."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges
        self._clients: set[asyncio.Queue[ServerSentEvent | None]] = set()
        self._closed = False

    def publish(self, kind: str, message: BaseModel) -> None:
        """Send `message` as JSON to every client."""
        if not self._clients:
            return
        sent = ServerSentEvent(event=kind, raw_data=message.model_dump_json(by_alias=True))
        for client in list(self._clients):
            try:
                client.put_nowait(sent)
            except asyncio.QueueFull:
                self._gauges.events_dropped.inc()
                self._end(client)

    async def subscribe(self) -> AsyncIterator[ServerSentEvent]:
        """Events from now on, until the client is dropped or the server stops; the client then connects again."""
        queue: asyncio.Queue[ServerSentEvent | None] = asyncio.Queue(_QUEUE)
        if self._closed:
            return
        self._clients.add(queue)
        self._gauges.event_clients.inc()
        try:
            yield ServerSentEvent(comment="connected", retry=1000)
            while (sent := await queue.get()) is not None:
                yield sent
        finally:
            self._clients.discard(queue)
            self._gauges.event_clients.dec()

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closed = True
        for client in list(self._clients):
            self._end(client)

    def _end(self, client: asyncio.Queue[ServerSentEvent | None]) -> None:
        self._clients.discard(client)
        while not client.empty():
            client.get_nowait()
        client.put_nowait(None)

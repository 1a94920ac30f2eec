"""uvicorn with a Service: it stops at once while browsers hold event streams open, and ends with exit code 0 when told to."""

import asyncio
import signal
import socket
from contextlib import suppress
from types import FrameType

import uvicorn

from serving.api import create_app
from serving.service import Service
from serving.settings import Settings

_DRAIN_SECONDS = 20
_POLL_SECONDS = 0.02


class Server(uvicorn.Server):
    """`run()` serves until SIGTERM or Ctrl-C, then answers what is in progress and closes the service.

    Raises InputError at once for a database, image store or assumptions file that cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.service = Service.open(settings)
        app = create_app(settings, self.service.tracing.provider)
        app.state.service = self.service
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.service.line.draining = True
        self.service.events.close()
        # Until the last frame is answered the server still listens, to answer others 503 instead of not at all.
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self.service.line.in_progress:
                    await asyncio.sleep(_POLL_SECONDS)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # uvicorn would raise the signal again after the drain; a server that stopped as told has not failed.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

"""uvicorn with a Service: it stops at once while browsers hold event streams open, and ends with exit code 0 when told to."""

import gc
import signal
import socket
from types import FrameType

import cv2
import uvicorn

from serving.api import create_app
from serving.service import Service
from serving.settings import Settings

_DRAIN_SECONDS = 20


class Server(uvicorn.Server):
    """`run()` serves until SIGTERM or Ctrl-C, then answers what is in progress and closes the service.

    Raises InputError at once for a database, image store or assumptions file that cannot be used.
    """

    def __init__(self, settings: Settings, service: Service | None = None) -> None:
        self.service = Service.open(settings) if service is None else service
        app = create_app(settings)
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
        self.service.events.close()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Frames are decoded side by side: a second thread within one would only be waited for.
        cv2.setNumThreads(1)
        # What start-up made stays: the collector need not look through it again for every few hundred frames.
        gc.collect()
        gc.freeze()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # uvicorn would raise the signal again after the drain; a server that stopped as told has not failed.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

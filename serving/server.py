"""uvicorn with a Service: it stops at once while browsers hold event streams open, and ends with exit code 0 when told to."""

import asyncio
import gc
import signal
import socket
import ssl
import sys
from contextlib import suppress
from types import FrameType

import cv2
import uvicorn
from threadpoolctl import threadpool_limits

from data.errors import InputError
from serving.api import create_app
from serving.connection import Connection
from serving.gate import Gate
from serving.service import Service
from serving.settings import Settings, Tls

_DRAIN_SECONDS = 20
# For what else is under way when the frames are answered: nobody listens meanwhile, and a body may never come to its end.
_OTHERS_SECONDS = 5
_POLL_SECONDS = 0.02
# Objects that hold others, more made than let go; Python's own is 700.
_COLLECTED_EVERY = 5_000


class Server(uvicorn.Server):
    """`run()` serves until SIGTERM or Ctrl-C, then answers what is in progress and closes the service.

    Raises InputError at once for a certificate, database, image store or assumptions file that cannot be used.
    """

    def __init__(self, settings: Settings, service: Service | None = None) -> None:
        _check_certificate(settings.tls)
        self.service = Service.open(settings) if service is None else service
        self.app = create_app(settings, self.service.tracing.provider)
        self.app.state.service = self.service
        super().__init__(
            uvicorn.Config(
                # Around all of it: what answers a request that failed is outside of the application's own middleware.
                Gate(self.app, settings),
                host=settings.host,
                port=settings.port,
                access_log=False,
                log_config=None,
                http=Connection,
                ws="none",
                proxy_headers=settings.tls.proxy is not None,
                forwarded_allow_ips=settings.tls.proxy,
                ssl_certfile=settings.tls.certificate,
                ssl_keyfile=settings.tls.private_key,
                server_header=False,
                timeout_graceful_shutdown=_OTHERS_SECONDS,
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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Frames are decoded side by side: a second thread within one would only be waited for.
        cv2.setNumThreads(1)
        # And BLAS, whose second thread spins between the small products of a batch, took 2 to 3 ms of CPU a frame.
        threadpool_limits(limits=1, user_api="blas")
        # What start-up made stays: the collector need not look through it again for every few hundred frames.
        gc.collect()
        gc.freeze()
        # A page that reads fifty thousand rows made it look through everything else several times, 60 ms each: a tenth of all
        # time. A row is let go without it.
        gc.set_threshold(_COLLECTED_EVERY, 10, 10)
        await super().startup(sockets)
        if self.started and sys.stdout.isatty():
            print(f"{self._address} answers; {self._decides}. Ctrl-C stops it.", flush=True)  # noqa: T201 - to a person

    @property
    def _address(self) -> str:
        settings = self.service.settings
        host = settings.host if settings.is_loopback else settings.hosts[0]
        return f"{'http' if settings.tls.certificate is None else 'https'}://{host}:{settings.port}"

    @property
    def _decides(self) -> str:
        bundle = self.service.engine.bundle
        if bundle is None:
            return f"it holds every part, for there is no model: {self.service.line.why_no_model}"
        return f"{bundle.manifest.name} {bundle.manifest.version} decides"

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # uvicorn would raise the signal again after the drain; a server that stopped as told has not failed.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def _check_certificate(tls: Tls) -> None:
    if tls.certificate is not None:
        try:
            # a pass phrase would be asked for at the terminal, at every restart
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                tls.certificate, tls.private_key, password=lambda: ""
            )
        except OSError as error:
            raise InputError(
                f"certificate {tls.certificate} with key {tls.private_key} cannot be used ({error}); both must be PEM "
                "files that belong together, the key without a pass phrase"
            ) from error

"""What every request passes: who may call (loopback names, no foreign page), how much may be sent, and safe headers."""

import math
from urllib.parse import SplitResult, urlsplit

import structlog
import uuid_utils
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.wording import Text, text
from serving.access import SAFE
from serving.problem import ProblemError, problem_response
from serving.settings import Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# JSON is read on the event loop: 30 MB of it kept every camera waiting for 1.4 s.
_LARGEST_JSON = 4 * 1024 * 1024
# Of whom nobody knows yet who it is: thousands of bodies at once must not fill the memory.
_SIGN_IN, _LARGEST_SIGN_IN = "/v1/session", 16 * 1024

# Mantine sets style attributes; images come as blobs that the UI prefetched.
_CSP = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_HEADERS = [
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# Or browsers keep what has a date for a tenth of its age: the page of an old build, whose files are gone.
_NO_CACHE = (b"cache-control", b"no-cache")
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class Gate:
    """ASGI middleware. Without authentication, the Host and Origin checks are what keeps other web pages out."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._largest = settings.largest_upload_bytes
        self._hosts = _LOOPBACK | {host.lower() for host in settings.hosts}
        self._headers = [*_HEADERS, *([_HSTS] if settings.https else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid_utils.uuid7())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        extra = [*self._headers, (b"x-request-id", request_id.encode())]

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                if not any(name == b"cache-control" for name, _ in headers):
                    extra.append(_NO_CACHE)
                message["headers"] = [*headers, *extra]
            await send(message)

        received, headers = 0, Headers(scope=scope)
        largest = min(self._largest, _most_of(scope["path"], headers))

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > largest:
                # not a ProblemError, which FastAPI takes for JSON that cannot be read
                raise HTTPException(413, _too_large(largest).en)
            return message

        try:
            self._check(scope["method"], headers, largest)
        except ProblemError as error:
            response = problem_response(error.status, error.said, scope["path"])
            await response(scope, receive, send_guarded)
            return
        await self._app(scope, receive_limited, send_guarded)

    def _check(self, method: str, headers: Headers, largest: float) -> None:
        host = ", ".join(headers.getlist("host"))
        if _split(f"//{host}").hostname not in self._hosts:
            raise ProblemError(400, f"Host {host!r} is not this server; call {' or '.join(sorted(self._hosts))}")
        origin = headers.get("origin")
        if method not in SAFE and origin is not None and _split(origin).netloc != host:
            raise ProblemError(403, f"a page of {origin} may not change anything here")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > largest:
            raise ProblemError(413, _too_large(largest))


def _most_of(path: str, headers: Headers) -> float:
    if path == _SIGN_IN:
        return _LARGEST_SIGN_IN
    return _LARGEST_JSON if "json" in headers.get("content-type", "").partition(";")[0].lower() else math.inf


def _too_large(largest: float) -> Text:
    return text(
        f"the body is larger than the {largest:,.0f} bytes taken; send a smaller one",
        f"內容超過上限 {largest:,.0f} 位元組；請縮小後重新送出",
    )


def _split(url: str) -> SplitResult:
    """The parts of a URL; empty ones of what is none, so that it is of no host that is served here."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")

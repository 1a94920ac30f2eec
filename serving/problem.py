"""Every error that goes over HTTP is problem+json (RFC 9457), and its detail says what to do."""

import math
from collections.abc import Mapping
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from serving.engine import OverloadedError
from serving.schema import Problem
from serving.store import StorageError

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """An answer that is not the one asked for: HTTP status, what to do about it, and extra headers."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem_response(
    status: int, detail: str, instance: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, instance=instance)
    return Response(problem.model_dump_json(), status, headers, MEDIA_TYPE)


async def on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error.status, error.detail, request.url.path, error.headers)


async def on_overloaded(request: Request, error: Exception) -> Response:
    assert isinstance(error, OverloadedError)
    seconds = math.ceil(error.retry_after)
    detail = f"too many frames at once; post it again in {seconds} s, nothing was stored"
    return problem_response(503, detail, request.url.path, {"Retry-After": str(seconds)})


async def on_storage_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StorageError)
    return problem_response(
        503, f"{error}; free or repair the disk, then send again", request.url.path, {"Retry-After": "5"}
    )


async def on_database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    detail = f"the database does not answer ({error.orig}); try again, the server connects by itself when it is back"
    return problem_response(503, detail, request.url.path, {"Retry-After": "5"})


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"nothing at {request.url.path}; /docs lists what there is"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not possible at {request.url.path}; /docs lists what is"
    return problem_response(error.status_code, detail, request.url.path, error.headers)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(422, explain_fields(error.errors()), request.url.path)


async def on_unexpected(request: Request, error: Exception) -> Response:  # noqa: ARG001 - logged by the server
    return problem_response(500, "the server failed; its log has the cause under this request id", request.url.path)


def explain_fields(errors: object) -> str:
    """Validation errors as one line that names every field at fault."""
    assert isinstance(errors, list | tuple)
    parts = []
    for item in errors:
        field = ".".join(str(step) for step in item["loc"] if step not in ("query", "body", "path", "header"))
        message = (
            "unknown field" if item["type"] == "extra_forbidden" else str(item["msg"]).removeprefix("Value error, ")
        )
        message = "missing" if item["type"] == "missing" else message
        parts.append(f"{field}: {message}" if field else message)
    return "; ".join(parts)

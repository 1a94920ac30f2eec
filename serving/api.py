"""The application: the routes of version 1, the pages beside them, and what every error is answered with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from opentelemetry.trace import TracerProvider
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serving import problem
from serving.access import Access, undeclared
from serving.assets import Assets
from serving.engine import OverloadedError
from serving.oidc import remember_attempts
from serving.pages import DOCS_ASSETS, UI, missing_ui, pages
from serving.routes import (
    alarms,
    audit,
    audits,
    baselines,
    drift,
    events,
    history,
    holds,
    inspections,
    keys,
    kpis,
    line_holds,
    metrics,
    models,
    people,
    reports,
    retention,
    reviews,
    roi,
    session,
    studies,
    thresholds,
)
from serving.routes.parameters import problems
from serving.schema import Problem
from serving.settings import Settings
from serving.store import StorageError
from serving.tracing import UNTRACED

# What any route may be answered by what stands before it; a route that says more of a status says it itself.
v1 = APIRouter(
    prefix="/v1",
    responses=problems(
        _400="The request cannot be read, or calls the server by another name.",
        _401="Nobody is signed in, or the key is not known.",
        _403="The caller may not do this.",
        _413="The body is larger than the server takes.",
        _422="A field is missing or wrong; `detail` names it.",
        _429="Too many requests: again after Retry-After seconds.",
        _503="The database does not answer: again after Retry-After seconds.",
    ),
)
_NOUNS = (
    inspections,
    history,
    reviews,
    audits,
    metrics,
    roi,
    kpis,
    baselines,
    reports,
    studies,
    models,
    alarms,
    line_holds,
    drift,
    audit,
    holds,
    retention,
    thresholds,
    events,
    session,
    people,
    keys,
)
for noun in _NOUNS:
    v1.include_router(noun.routes)


@cache
def _included() -> APIRouter:
    """FastAPI derives what a route takes once for each inclusion: once in a process, instead of with every application."""
    included = APIRouter()
    included.include_router(v1)
    included.include_router(pages)
    return included


def create_app(settings: Settings, tracer_provider: TracerProvider | None = None) -> FastAPI:
    """The application. `serving.server.Server` puts a Service into its state before the first request."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(app.state.service.views.watch())
        yield
        watch.cancel()
        await asyncio.to_thread(app.state.service.close)

    app = FastAPI(
        title="Verdict line",
        version="1",
        summary="Visual quality control for a production line",
        docs_url=None,
        redoc_url=None,
        routes=_included().routes,
        lifespan=lifespan,
        telemetry={
            "tracing": tracer_provider is not None,
            "tracer_provider": tracer_provider,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: scope["path"] in UNTRACED,
        },
        exception_handlers={
            problem.ProblemError: problem.on_problem,
            OverloadedError: problem.on_overloaded,
            StorageError: problem.on_storage_error,
            OperationalError: problem.on_database_error,
            InterfaceError: problem.on_database_error,
            PoolTimeout: problem.on_database_error,
            HTTPException: problem.on_http_exception,
            ClientDisconnect: problem.on_disconnect,
            RequestValidationError: problem.on_invalid_request,
            Exception: problem.on_unexpected,
        },
    )
    if settings.oidc is not None:
        app.add_middleware(remember_attempts, https=settings.https)
    app.add_middleware(Access, settings=settings)
    app.mount("/docs/assets", StaticFiles(directory=DOCS_ASSETS))
    if UI.is_dir():
        app.mount("/assets", Assets(UI / "assets"))
        app.frontend("/", directory=UI, fallback="index.html")
    else:
        app.include_router(missing_ui)
    if missing := undeclared(app.routes):
        raise RuntimeError(f"serving/access.py does not say who may call {', '.join(missing)}")
    app.openapi = _openapi_with_problem(app)  # type: ignore[method-assign] # FastAPI's own way to extend the document
    return app


def _openapi_with_problem(app: FastAPI) -> Any:
    """The document with the schema that errors refer to; see `serving.routes.parameters.problems`."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        document["components"]["schemas"]["Problem"] = jsonable_encoder(Problem.model_json_schema(), exclude_none=True)
        return document

    return openapi

"""What is not the API: health, Prometheus, API documentation without any outside request, and a word when there is no UI."""

from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from serving.problem import problem_response
from serving.service import service_of

UI = Path(__file__).parent / "static"
DOCS_ASSETS = Path(fastapi_offline.__file__).parent / "static"

_DOCS = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Verdict line: API</title>
<link rel="icon" href="/docs/assets/favicon.png"><link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head>
<body><div id="docs"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>
"""
_DOCS_START = "SwaggerUIBundle({url: '/openapi.json', dom_id: '#docs', deepLinking: true, validatorUrl: null});\n"
_NO_UI = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Verdict line</title></head>
<body><h1>The inspector UI is not built</h1><p>Run <code>make setup</code>, then start the server again.
The API works without it: <a href="/docs">API documentation</a>.</p></body></html>
"""

# Load balancers ask with either.
_PROBE = ["GET", "HEAD"]

pages = APIRouter(include_in_schema=False)
missing_ui = APIRouter(include_in_schema=False)


@pages.api_route("/healthz", methods=_PROBE)
async def healthz() -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


@pages.api_route("/readyz", methods=_PROBE)
async def readyz(request: Request) -> Response:
    """Frames are decided; otherwise 503 with the reason. What the next start could not do is among the warnings: a server that
    decides is ready all the same."""
    service = service_of(request)
    why_not = service.why_not_ready
    if why_not is not None:
        return problem_response(503, f"not ready: {why_not}", "/readyz")
    assert service.engine.bundle is not None
    manifest = service.engine.bundle.manifest
    return JSONResponse(
        {
            "ready": True,
            "model": {"name": manifest.name, "version": manifest.version},
            "warnings": service.bundle_watch.warnings,
            "repair": service.repair.report.model_dump(mode="json"),
        }
    )


@pages.get("/metrics")
async def prometheus(request: Request) -> Response:
    """Prometheus text format."""
    return Response(service_of(request).gauges.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


@pages.get("/docs")
async def docs() -> Response:
    """Swagger UI from the assets that `fastapi-offline` ships."""
    return HTMLResponse(_DOCS)


@pages.get("/docs/start.js")
async def docs_start() -> Response:
    """A file of its own, because the content security policy forbids inline scripts."""
    return Response(_DOCS_START, media_type="text/javascript")


@missing_ui.get("/")
async def no_ui() -> Response:
    return HTMLResponse(_NO_UI)

"""The HTTP interface, version 1: every route on one page. What a route does lives in the module that its body calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from data.verdict import Verdict
from serving import inspections, metrics, problem, roi
from serving.engine import OverloadedError
from serving.gate import Gate
from serving.pages import DOCS_ASSETS, UI, missing_ui, pages
from serving.reviews import add_review
from serving.schema import (
    FrameInfo,
    Inspection,
    InspectionPage,
    ModelInfo,
    Name,
    Part,
    Problem,
    PromoteRequest,
    QualityMetrics,
    Review,
    ReviewQueue,
    ReviewRequest,
    RoiReport,
    ThroughputMetrics,
    UtcTime,
)
from serving.service import Service, service_of
from serving.settings import Settings
from serving.store import StorageError

_IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
IMAGE_TYPES = ("image/jpeg", "image/png", "image/bmp", "image/tiff", "image/webp")


def _problems(**meaning: str) -> dict[int | str, dict[str, Any]]:
    return {int(status[1:]): {"model": Problem, "description": text} for status, text in meaning.items()}


def _frame_parameters() -> list[dict[str, Any]]:
    schema = FrameInfo.model_json_schema()
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "required": False, "schema": field}
        for name, field in schema["properties"].items()
    ]
    key = {"type": "string", "maxLength": 200}
    parameters.append(
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": key,
            "description": "the same key with the same content gets the same answer again",
        }
    )
    return parameters


def _frame_body() -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    fields = FrameInfo.model_json_schema()["properties"]
    form = {"type": "object", "required": ["image"], "properties": {"image": binary, **fields}}
    content = {media_type: {"schema": binary} for media_type in IMAGE_TYPES}
    return {"required": True, "content": {**content, "multipart/form-data": {"schema": form}}}


Serving = Annotated[Service, Depends(service_of)]
Since = Annotated[UtcTime | None, Query(description="from this time on, included")]
Until = Annotated[UtcTime | None, Query(description="up to this time, not included")]
Id = Annotated[str, Path(max_length=64)]

v1 = APIRouter(prefix="/v1", responses=_problems(_422="A field is missing or wrong; `detail` names it."))


@v1.post(
    "/inspections",
    operation_id="post_inspection",
    status_code=201,
    response_model=Inspection,
    tags=["inspections"],
    responses=_problems(
        _409="The Idempotency-Key was used for another frame.",
        _413="The image is larger than the server takes.",
        _503="Overloaded, or the disk is full: post again after Retry-After seconds; nothing was stored.",
    ),
    openapi_extra={"parameters": _frame_parameters(), "requestBody": _frame_body()},
)
async def post_inspection(request: Request) -> Response:
    """Decide one frame. The body is the image itself (metadata in the query) or a multipart form.

    The answer is sent once the inspection is on disk. What cannot be decided is answered NO_DECISION with the reason.
    """
    service = service_of(request)
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= 200:
        raise problem.ProblemError(422, "Idempotency-Key: 1 to 200 characters")
    fields: dict[str, Any] = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=1, max_fields=len(FrameInfo.model_fields)) as form:
            upload = form.get("image")
            if not isinstance(upload, UploadFile):
                raise problem.ProblemError(422, "image: missing; send the image as the form's file field `image`")
            content = await upload.read()
            fields.update((name, value) for name, value in form.items() if name != "image")
    else:
        content = await request.body()
    try:
        info = FrameInfo.model_validate(fields)
    except ValidationError as error:
        raise problem.ProblemError(422, problem.explain_fields(error.errors())) from error
    inspection = await service.line.inspect(info, content, key)
    return Response(inspection.model_dump_json(by_alias=True), 201, media_type="application/json")


@v1.get("/inspections", operation_id="list_inspections", tags=["inspections"])
def list_inspections(
    service: Serving,
    line: Name | None = None,
    part_id: Name | None = None,
    lot: Name | None = None,
    verdict: Annotated[list[Verdict] | None, Query()] = None,
    since: Since = None,
    until: Until = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> InspectionPage:
    """Inspections, newest first."""
    with service.store.reading() as connection:
        filters = inspections.Filters(line, part_id, lot, verdict, since, until)
        return inspections.list_page(connection, filters, cursor, limit)


@v1.get(
    "/inspections/{id}",
    operation_id="get_inspection",
    tags=["inspections"],
    responses=_problems(_404="No such inspection."),
)
def get_inspection(service: Serving, id: Id) -> Inspection:  # noqa: A002 - the API's name
    """One inspection with the review that stands."""
    with service.store.reading() as connection:
        return inspections.get(connection, id)


@v1.get(
    "/inspections/{id}/image",
    operation_id="get_inspection_image",
    tags=["inspections"],
    response_class=Response,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **_problems(_404="No such inspection."),
    },
)
def get_inspection_image(service: Serving, id: Id) -> Response:  # noqa: A002
    """The frame, byte for byte as it was posted."""
    with service.store.reading() as connection:
        image = inspections.get(connection, id).image
    return Response(service.images.get(image.sha256), media_type=image.media_type, headers=_IMMUTABLE)


@v1.get(
    "/inspections/{id}/heatmap",
    operation_id="get_inspection_heatmap",
    tags=["inspections"],
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **_problems(_404="No such inspection, or it has no heatmap."),
    },
)
def get_inspection_heatmap(service: Serving, id: Id) -> Response:  # noqa: A002
    """Where the model saw evidence: a transparent PNG to stretch over the whole image."""
    with service.store.reading() as connection:
        stored, image = inspections.get_heatmap(connection, id), inspections.get(connection, id).image
    assert image.width is not None and image.height is not None
    png = inspections.render_heatmap(stored, image.width, image.height)
    return Response(png, media_type="image/png", headers=_IMMUTABLE)


@v1.get("/parts/{part_id}", operation_id="get_part", tags=["inspections"], responses=_problems(_404="No such part."))
def get_part(service: Serving, part_id: Annotated[str, Path(max_length=128)]) -> Part:
    """The whole story of a part."""
    with service.store.reading() as connection:
        return inspections.get_part(connection, part_id, service.settings)


@v1.get("/reviews/queue", operation_id="review_queue", tags=["reviews"])
def review_queue(
    service: Serving,
    reviewer: Annotated[Name | None, Query(description="skip what this person called UNSURE")] = None,
    line: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ReviewQueue:
    """What to look at next, by the expected cost of leaving the verdict as it is.

    First NO_DECISION (nothing is known, and the line waits: escape cost + overkill cost), then by
    p x escape cost for REVIEW and (1 - p) x overkill cost for REJECT; older parts first among equals.
    """
    with service.store.reading() as connection:
        return inspections.get_queue(connection, reviewer, line, limit)


@v1.put(
    "/reviews/{client_id}",
    operation_id="put_review",
    tags=["reviews"],
    responses=_problems(_404="No such inspection.", _409="Another review has this client_id."),
)
async def put_review(service: Serving, client_id: UUID, review: ReviewRequest) -> Review:
    """Record a decision; a repeat is harmless, and a later review supersedes the one before. A null decision undoes it."""
    costs = service.settings.costs
    writing = service.store.submit(lambda connection: add_review(connection, client_id, review, costs))
    stored, new = await asyncio.wrap_future(writing)
    if new:
        service.gauges.reviews.inc()
        service.events.publish("review", stored)
    return stored


@v1.get("/metrics/quality", operation_id="quality_metrics", tags=["metrics"])
def quality_metrics(
    service: Serving,
    line: Name | None = None,
    since: Since = None,
    until: Until = None,
    bucket_seconds: Annotated[int | None, Query(ge=1, le=604_800)] = None,
) -> QualityMetrics:
    """Counts, rates with 95 % Wilson intervals and a series over time; the last 24 hours unless told otherwise."""
    with service.store.reading() as connection:
        return metrics.quality(connection, *metrics.period(since, until), line, bucket_seconds)


@v1.get("/metrics/throughput", operation_id="throughput_metrics", tags=["metrics"])
def throughput_metrics(service: Serving, since: Since = None, until: Until = None) -> ThroughputMetrics:
    """Frames, parts, rate and latency of each line, and the pace of reviews; the last 24 hours unless told otherwise."""
    with service.store.reading() as connection:
        return metrics.throughput(connection, *metrics.period(since, until))


@v1.get("/roi", operation_id="get_roi", tags=["metrics"])
def get_roi(service: Serving) -> RoiReport:
    """What the system is worth: by the assumptions file, and with what was measured here in their place."""
    with service.store.reading() as connection:
        return roi.report(connection, service.assumptions, service.settings.enough_reviews)


@v1.get("/models", operation_id="list_models", tags=["models"])
def list_models(service: Serving) -> list[ModelInfo]:
    """The bundles on this server, newest first."""
    return service.models.list()


@v1.post(
    "/models",
    operation_id="promote_model",
    tags=["models"],
    responses=_problems(
        _404="No such version.", _409="The bundle was refused, and why; the present one keeps deciding."
    ),
)
def promote_model(service: Serving, promotion: PromoteRequest) -> ModelInfo:
    """Verify, load and warm a bundle, then let it decide; the parts on the line notice nothing.

    It must miss no target and be shown to be better than the present model on the same test images. A version that
    decided here before needs neither: that is a roll-back. `force` overrules, and is kept with the reason.
    """
    return service.models.promote(promotion)


@v1.get("/events", operation_id="events", tags=["events"], response_class=EventSourceResponse)
async def events(service: Serving) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `inspection` with an Inspection, `review` with a Review, as they are stored."""
    async for event in service.events.subscribe():
        yield event


def create_app(settings: Settings) -> FastAPI:
    """The application. `serving.server.Server` puts a Service into its state before the first request."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(app.state.service.close)

    app = FastAPI(
        title="Verdict line",
        version="1",
        summary="Visual quality control for a production line",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers={
            problem.ProblemError: problem.on_problem,
            OverloadedError: problem.on_overloaded,
            StorageError: problem.on_storage_error,
            HTTPException: problem.on_http_exception,
            RequestValidationError: problem.on_invalid_request,
            Exception: problem.on_unexpected,
        },
    )
    app.add_middleware(Gate, largest_bytes=settings.largest_upload_bytes)
    app.include_router(v1)
    app.include_router(pages)
    app.mount("/docs/assets", StaticFiles(directory=DOCS_ASSETS))
    if UI.is_dir():
        app.frontend("/", directory=UI, fallback="index.html")
    else:
        app.include_router(missing_ui)
    app.openapi = _openapi_with_problems(app)  # type: ignore[method-assign]
    return app


def _openapi_with_problems(app: FastAPI) -> Any:
    """FastAPI declares every body of an error application/json; ours are problem+json."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        for operations in document["paths"].values():
            for operation in operations.values():
                for status, response in operation["responses"].items():
                    content = response.get("content", {})
                    if status[0] in "45" and "application/json" in content:
                        content[problem.MEDIA_TYPE] = content.pop("application/json")
        return document

    return openapi

"""Frames in, inspections and the parts they are of out."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from data.image import MEDIA_TYPES
from data.verdict import Verdict
from data.wording import text
from serving import heatmap, history, inspections, problem, similar
from serving.blindness import in_review
from serving.caller import Calling, caller_of
from serving.review_schema import Past, SimilarCases
from serving.role import Permission
from serving.routes.parameters import Id, Looking, Serving, Since, Until, problems
from serving.schema import TEXT, FrameInfo, Inspection, InspectionPage, Name, Part, Review
from serving.service import service_of
from serving.thumbnail import thumbnail

_IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}


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
    content = {media_type: {"schema": binary} for media_type in MEDIA_TYPES.values()}
    return {"required": True, "content": {**content, "multipart/form-data": {"schema": form}}}


routes = APIRouter(tags=["inspections"])


@routes.post(
    "/inspections",
    operation_id="post_inspection",
    status_code=201,
    response_model=Inspection,
    responses=problems(
        _400="The form cannot be read, or the server is called by another name.",
        _409="The Idempotency-Key was used for another frame.",
        _413="The image is larger than the server takes.",
        _429="The camera sends more frames a second than it may: post again after Retry-After seconds.",
        _503="Overloaded, the image too slow, or disk or database fail: post again after Retry-After seconds; nothing stored.",
        _507="The disk is nearly full: make room, then post again; nothing was stored.",
    ),
    openapi_extra={"parameters": _frame_parameters(), "requestBody": _frame_body()},
)
async def post_inspection(request: Request) -> Response:
    """Decide one frame. The body is the image itself (metadata in the query) or a multipart form.

    The answer is sent once the inspection is on disk. What cannot be decided is answered NO_DECISION with the reason.
    """
    service = service_of(request)
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise problem.ProblemError(422, "Idempotency-Key: given more than once; send one for each frame")
    key = keys[0] if keys else None
    if key is not None and not 0 < len(key) <= 200:
        raise problem.ProblemError(422, "Idempotency-Key: 1 to 200 characters")
    service.space.check()
    given: list[tuple[str, Any]] = request.query_params.multi_items()
    caller = caller_of(request).name
    async with service.arrivals.one(caller or (request.client.host if request.client else "")):
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            content, fields_of_form = await _read_form(request)
            given += fields_of_form
        else:
            content = await request.body()
    fields = dict(given)
    if len(fields) < len(given):
        twice = next(name for name, _ in given if [one for one, _ in given].count(name) > 1)
        raise problem.ProblemError(422, f"{twice}: given more than once; send each field once")
    try:
        info = FrameInfo.model_validate(fields)
    except ValidationError as error:
        raise problem.ProblemError(422, problem.explain_fields(error.errors())) from error
    inspection = await service.line.inspect(info, content, key, caller)
    return Response(inspection.model_dump_json(by_alias=True), 201, media_type="application/json")


async def _read_form(request: Request) -> tuple[bytes, list[tuple[str, Any]]]:
    """The image of a multipart form, and its other fields. Raises 400 and 422 problems that say how to send it."""
    how = 'send the image as the form\'s file field `image`, with a filename="..."'
    try:
        # One more than there are, so that an image without a file name is told as that.
        async with request.form(max_files=1, max_fields=len(FrameInfo.model_fields) + 1) as form:
            upload = form.get("image")
            if not isinstance(upload, UploadFile):
                raise problem.ProblemError(422, f"image: missing; {how}")
            return await upload.read(), [(name, value) for name, value in form.multi_items() if name != "image"]
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        why = error.detail.rstrip(".")
        raise problem.ProblemError(
            400, f"the form cannot be read: {why}; {how}, each other field once, and name the boundary in Content-Type"
        ) from error


@routes.get("/inspections", operation_id="list_inspections")
def list_inspections(
    service: Serving,
    sight: Looking,
    line: Name | None = None,
    part_id: Name | None = None,
    lot: Name | None = None,
    verdict: Annotated[list[Verdict] | None, Query()] = None,
    since: Since = None,
    until: Until = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> InspectionPage:
    """Inspections, newest first. An inspector sees what waits to be reviewed blind as REVIEW, and under no verdict's filter."""
    with service.store.reading() as connection:
        filters = inspections.Filters(line, part_id, lot, verdict, since, until)
        return inspections.list_page(connection, filters, cursor, limit, sight)


@routes.get(
    "/inspections/{id}",
    operation_id="get_inspection",
    responses=problems(_404="No such inspection.", _410="Retention removed it."),
)
def get_inspection(service: Serving, caller: Calling, sight: Looking, id: Id) -> Inspection:
    """One inspection with the review that stands; a camera reads back those that its own key posted.

    While it waits to be reviewed blind, what the model said is kept from inspectors; without authentication, from everybody.
    """
    with service.store.reading() as connection:
        if caller.name is not None and not caller.may(Permission.READ):
            return inspections.get_posted_by(connection, id, caller.name)
        shown = in_review(sight, service.settings.reviewing, caller.name is not None)
        return inspections.get(connection, id, shown)


@routes.get(
    "/inspections/{id}/image",
    operation_id="get_inspection_image",
    response_class=Response,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **problems(
            _404="No such inspection.", _410="Retention removed the image, or the inspection; `detail` says when."
        ),
    },
)
def get_inspection_image(service: Serving, id: Id) -> Response:
    """The frame, byte for byte as it was posted."""
    with service.store.reading() as connection:
        image = inspections.get_image(connection, id)
    return Response(service.images.get(image.sha256), media_type=image.media_type, headers=_IMMUTABLE)


@routes.get(
    "/inspections/{id}/heatmap",
    operation_id="get_inspection_heatmap",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **problems(_404="No such inspection, or it has no heatmap.", _410="Retention removed it."),
    },
)
def get_inspection_heatmap(service: Serving, caller: Calling, sight: Looking, id: Id) -> Response:
    """Where the model saw evidence: a transparent PNG to stretch over the whole image."""
    with service.store.reading() as connection:
        if in_review(sight, service.settings.reviewing, caller.name is not None).hidden_ids(connection, [id]):
            raise problem.ProblemError(
                404,
                text(
                    f"inspection {id} is reviewed blind: its heatmap shows once it is decided",
                    f"檢驗 {id} 採盲判：判定之後才會顯示熱圖",
                ),
            )
        stored, image = inspections.get_heatmap(connection, id), inspections.get(connection, id).image
    assert image.width is not None and image.height is not None
    png = heatmap.render(stored, image.width, image.height)
    return Response(png, media_type="image/png", headers=_IMMUTABLE)


@routes.get(
    "/inspections/{id}/thumbnail",
    operation_id="get_inspection_thumbnail",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        **problems(_404="No such inspection, or no image that can be decoded.", _410="Retention removed it."),
    },
)
def get_inspection_thumbnail(service: Serving, id: Id) -> Response:
    """A small copy of the frame, 256 pixels at most."""
    with service.store.reading() as connection:
        image = inspections.get_image(connection, id)
    small = thumbnail(service.images.get(image.sha256), service.settings.most_pixels)
    return Response(small, media_type="image/jpeg", headers=_IMMUTABLE)


@routes.get(
    "/inspections/{id}/reviews",
    operation_id="list_reviews",
    responses=problems(_404="No such inspection.", _410="Retention removed it."),
)
def list_reviews(service: Serving, sight: Looking, id: Id) -> list[Review]:
    """Every review of it, oldest first, also those superseded and withdrawn. While it waits for a second opinion, inspectors
    see their own.
    """
    with service.store.reading() as connection:
        return history.list_reviews(connection, id, sight)


@routes.get(
    "/inspections/{id}/similar",
    operation_id="get_similar",
    responses=problems(_404="No such inspection.", _410="Retention removed it."),
)
def get_similar(
    service: Serving,
    id: Id,
    limit: Annotated[int, Query(ge=1, le=50)] = 6,
) -> SimilarCases:
    """Past cases that look alike, with what people decided, and a good part to compare with."""
    with service.store.reading() as connection:
        return similar.find_similar(connection, id, limit)


@routes.get(
    "/inspections/{id}/past",
    operation_id="get_past",
    responses=problems(_404="No such inspection.", _410="Retention removed it."),
)
def get_past(service: Serving, sight: Looking, id: Id) -> Past:
    """The part's other frames, its lot so far, and its line in the hour before."""
    with service.store.reading() as connection:
        return similar.get_past(connection, id, sight)


@routes.get("/parts/{part_id:path}", operation_id="get_part", responses=problems(_404="No such part."))
def get_part(service: Serving, sight: Looking, part_id: Annotated[str, Path(max_length=128, pattern=TEXT)]) -> Part:
    """The whole story of a part."""
    with service.store.reading() as connection:
        return inspections.get_part(connection, part_id, service.settings, sight)

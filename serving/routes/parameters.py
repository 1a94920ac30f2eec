"""What routes share: the service that they speak for, parameters that several take, and how errors are described."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request

from serving.blindness import Sight
from serving.caller import Calling
from serving.problem import MEDIA_TYPE
from serving.role import Role
from serving.schema import TEXT, UtcTime
from serving.service import Service, service_of

Serving = Annotated[Service, Depends(service_of)]
Since = Annotated[UtcTime | None, Query(description="from this time on, included")]
Until = Annotated[UtcTime | None, Query(description="up to this time, not included")]
Id = Annotated[str, Path(max_length=64, pattern=TEXT)]


def _sight(service: Serving, caller: Calling) -> Sight:
    return Sight(service.settings.reviewing.blind_share, hides=caller.role is Role.INSPECTOR, name=caller.name)


Looking = Annotated[Sight, Depends(_sight)]
"""What the caller may see of what the model said; see serving.blindness."""


_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def problems(**meaning: str) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: `_404="No such part."` says when a route answers that status with a Problem.

    By reference, not as FastAPI's `model`: each of these, hundreds in all, would build a serializer at every start.
    """
    return {int(status[1:]): {"description": text, "content": _PROBLEM} for status, text in meaning.items()}


async def _body(request: Request) -> bytes:
    return await request.body()


CsvBody = Annotated[bytes, Depends(_body)]
"""The body as it was sent; the route says `openapi_extra=CSV`."""

CSV: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}},
}

"""Audits of passed parts: how they are drawn, challenge parts, and what came back from the field."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query

from serving import challenges, field_returns, sampling
from serving.caller import Calling
from serving.quality_schema import (
    AuditPlan,
    Challenge,
    ChallengeRequest,
    FieldReturn,
    FieldReturnsAdded,
    FieldReturnsRequest,
)
from serving.routes.parameters import Serving, problems
from serving.schema import Name

routes = APIRouter(tags=["audits of passed parts"])


@routes.get("/sampling", operation_id="get_audit_plan")
def get_audit_plan(service: Serving) -> AuditPlan:
    """With which chance a passed frame is drawn at present, and how far the reviews of those drawn have come."""
    with service.store.reading() as connection:
        return sampling.report(connection, service.settings.audit, service.sampler.probabilities)


@routes.get("/challenges", operation_id="list_challenges")
def list_challenges(service: Serving) -> list[Challenge]:
    """The challenge parts, newest first."""
    with service.store.reading() as connection:
        return challenges.list_all(connection)


@routes.put(
    "/challenges/{part_id:path}",
    operation_id="put_challenge",
    responses=problems(_403="Not who is signed in.", _409="The part was inspected before as an ordinary one."),
)
async def put_challenge(
    service: Serving, caller: Calling, part_id: Annotated[Name, Path()], request: ChallengeRequest
) -> Challenge:
    """Say what a part truly is, before it is put on the line; its frames are reviewed blind and count as no production."""
    caller.answers_to(request.person)
    writing = service.store.submit(lambda connection: challenges.register(connection, part_id, request))
    challenge = await asyncio.wrap_future(writing)
    await asyncio.to_thread(service.sampler.load_challenges)
    return challenge


@routes.get("/returns", operation_id="list_field_returns")
def list_field_returns(service: Serving, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[FieldReturn]:
    """Parts found defective in the field, newest first."""
    with service.store.reading() as connection:
        return field_returns.list_newest(connection, limit)


@routes.post("/returns", operation_id="add_field_returns", responses=problems(_403="Not who is signed in."))
async def add_field_returns(service: Serving, caller: Calling, request: FieldReturnsRequest) -> FieldReturnsAdded:
    """Report parts found defective in the field; a part that was reported before is left as it is."""
    caller.answers_to(request.person)
    return await asyncio.wrap_future(
        service.store.submit(lambda connection: field_returns.add(connection, request.returns, request.person))
    )


@routes.post("/returns/csv", operation_id="upload_field_returns", responses=problems(_403="Not who is signed in."))
async def upload_field_returns(
    service: Serving,
    caller: Calling,
    person: Annotated[Name, Query()],
    content: Annotated[bytes, Body(media_type="text/csv")],
) -> FieldReturnsAdded:
    """The same as a CSV: columns part_id, found_at, and if you like defect_class, cost, note. Nothing is kept of a wrong file."""
    caller.answers_to(person)
    returns = await asyncio.to_thread(field_returns.read_csv, content)
    return await asyncio.wrap_future(
        service.store.submit(lambda connection: field_returns.add(connection, returns, person))
    )

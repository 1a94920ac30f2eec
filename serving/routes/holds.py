"""Legal holds: what is not removed, whatever its age."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from serving import holds
from serving.caller import Calling
from serving.hold_schema import Hold, HoldRequest
from serving.routes.parameters import Id, Serving, problems
from serving.schema import Name, Reason

routes = APIRouter(tags=["retention"])


@routes.get("/holds", operation_id="list_holds")
def list_holds(
    service: Serving, lifted: Annotated[bool, Query(description="also those that were lifted")] = False
) -> list[Hold]:
    """The legal holds in force, newest first."""
    with service.store.reading() as connection:
        return holds.list_all(connection, lifted)


@routes.post("/holds", operation_id="set_hold", status_code=201)
async def set_hold(service: Serving, caller: Calling, request: HoldRequest) -> Hold:
    """Keep a part, a lot or a stretch of time (when a frame was received or captured) until the hold is lifted."""
    caller.answers_to(request.person)
    return await asyncio.wrap_future(service.store.submit(lambda connection: holds.set_hold(connection, request)))


@routes.delete(
    "/holds/{id}",
    operation_id="lift_hold",
    responses=problems(_404="No such hold.", _409="It was lifted before."),
)
async def lift_hold(
    service: Serving,
    caller: Calling,
    id: Id,
    person: Annotated[Name, Query()],
    reason: Annotated[Reason, Query()],
) -> Hold:
    """End a hold; it stays on record, with who lifted it and why."""
    caller.answers_to(person)
    lifting = service.store.submit(lambda connection: holds.lift_hold(connection, id, person, reason))
    return await asyncio.wrap_future(lifting)

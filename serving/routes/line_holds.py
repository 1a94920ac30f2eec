"""Lines that a person stopped: what is made meanwhile is kept."""

from typing import Annotated

from fastapi import APIRouter, Query

from serving import line_holds
from serving.caller import Calling
from serving.hold_schema import LineHold, LineHoldRequest
from serving.routes.parameters import Id, Serving, problems
from serving.schema import Name, Reason

routes = APIRouter(tags=["lines"])


@routes.get("/line-holds", operation_id="list_line_holds")
def list_line_holds(
    service: Serving,
    released: Annotated[bool | None, Query(description="only those that are over, or are not")] = None,
    line: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[LineHold]:
    """Holds of lines, newest first."""
    with service.store.reading() as connection:
        return line_holds.find(connection, released, line, limit)


@routes.post(
    "/line-holds",
    operation_id="hold_line",
    status_code=201,
    responses=problems(_409="The line is on hold."),
)
async def hold_line(service: Serving, caller: Calling, request: LineHoldRequest) -> LineHold:
    """Put a line on hold: its frames are still decided and stored, and every answer says to keep the part.

    The verdict stays the model's; `line_hold` beside it is what the line must obey. Repeats of an earlier Idempotency-Key
    say so too while the line is held.
    """
    caller.answers_to(request.person)
    service.line.check_line(request.line)
    return await service.line_holds.hold(request)


@routes.delete(
    "/line-holds/{id}",
    operation_id="release_line",
    responses=problems(_404="No such hold.", _409="It was released before."),
)
async def release_line(
    service: Serving,
    caller: Calling,
    id: Id,
    person: Annotated[Name, Query()],
    reason: Annotated[Reason, Query()],
) -> LineHold:
    """Let a line run again. What was made while it was on hold keeps saying so, for good."""
    caller.answers_to(person)
    return await service.line_holds.release(id, person, reason)

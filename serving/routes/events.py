"""What happens on the server, as it happens."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from serving.caller import Calling
from serving.routes.parameters import Looking, Serving, problems

routes = APIRouter(tags=["events"])


async def _room(service: Serving) -> None:
    """Before the answer begins: a stream that has begun cannot be refused."""
    service.events.check_room()


@routes.get(
    "/events",
    operation_id="events",
    response_class=EventSourceResponse,
    dependencies=[Depends(_room)],
    responses=problems(_503="As many streams are open as the server has room for."),
)
async def events(service: Serving, caller: Calling, sight: Looking) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `inspection` with an Inspection, `review` with a Review, `alarm` with an Alarm, `line_hold` with a
    LineHold, as they are stored.
    """
    async for event in service.events.subscribe(sight.hides):
        if not await service.credentials.stands(caller):
            return
        yield event

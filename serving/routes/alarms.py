"""What persists at a camera and needs a person."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from serving import alarms
from serving.caller import Calling
from serving.routes.parameters import Id, Serving, problems
from serving.schema import AcknowledgeRequest, Alarm, Name

routes = APIRouter(tags=["alarms"])


@routes.get("/alarms", operation_id="list_alarms")
def list_alarms(
    service: Serving,
    cleared: Annotated[bool | None, Query(description="only those that are cleared, or are not")] = None,
    line: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[Alarm]:
    """Alarms about cameras, newest first: faults that persist, and drift. They clear by themselves."""
    with service.store.reading() as connection:
        return alarms.find(connection, cleared, line, limit)


@routes.put(
    "/alarms/{id}/acknowledgement",
    operation_id="acknowledge_alarm",
    responses=problems(_404="No such alarm.", _409="It was acknowledged before."),
)
async def acknowledge_alarm(
    service: Serving,
    caller: Calling,
    id: Id,  # noqa: A002 - the API's name
    acknowledgement: AcknowledgeRequest,
) -> Alarm:
    """Say that a person knows of an alarm and what is done about it; it stands until the frames are healthy again."""
    caller.answers_to(acknowledgement.person)
    writing = service.store.submit(lambda connection: alarms.acknowledge(connection, id, acknowledgement))
    alarm = await asyncio.wrap_future(writing)
    service.events.publish("alarm", alarm)
    return alarm

"""What persists at a camera and needs a person."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from serving import alarms
from serving.alarm_schema import AcknowledgeRequest, Alarm
from serving.caller import Calling
from serving.routes.parameters import Id, Looking, Serving, problems
from serving.schema import Name

routes = APIRouter(tags=["alarms"])


@routes.get("/alarms", operation_id="list_alarms")
def list_alarms(
    service: Serving,
    sight: Looking,
    cleared: Annotated[bool | None, Query(description="only those that are cleared, or are not")] = None,
    line: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[Alarm]:
    """Alarms about cameras, newest first: faults that persist, and drift. They clear by themselves.

    Inspectors are told what is wrong with the camera, not which frame said so: they may have to review it blind.
    """
    with service.store.reading() as connection:
        found = alarms.find(connection, cleared, line, limit)
    return [alarms.without_frame(alarm) for alarm in found] if sight.hides else found


@routes.put(
    "/alarms/{id}/acknowledgement",
    operation_id="acknowledge_alarm",
    responses=problems(_404="No such alarm.", _409="It was acknowledged before."),
)
async def acknowledge_alarm(
    service: Serving,
    caller: Calling,
    sight: Looking,
    id: Id,
    acknowledgement: AcknowledgeRequest,
) -> Alarm:
    """Say that a person knows of an alarm and what is done about it; it stands until the frames are healthy again."""
    caller.answers_to(acknowledgement.person)
    writing = service.store.submit(lambda connection: alarms.acknowledge(connection, id, acknowledgement))
    alarm = await asyncio.wrap_future(writing)
    told = alarms.without_frame(alarm)
    service.events.publish("alarm", alarm, told)
    return told if sight.hides else alarm

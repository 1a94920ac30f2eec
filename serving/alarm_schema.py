"""What goes over HTTP about alarms."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from data.input_health import Fault
from serving.schema import Message, Name, Reason


class AlarmKind(StrEnum):
    """What an alarm is about."""

    CAMERA_FAULT = "CAMERA_FAULT"
    SCORE_DRIFT = "SCORE_DRIFT"
    EMBEDDING_DRIFT = "EMBEDDING_DRIFT"
    SPC = "SPC"


class Alarm(Message):
    """Something that persists at one camera. It clears by itself; acknowledging says that a person knows and what is done."""

    id: str
    kind: AlarmKind
    line: str
    station: str
    camera: str
    fault: Fault | None = Field(description="of a CAMERA_FAULT, the newest one when it was raised")
    reason: str = Field(description="in English")
    inspection_id: str | None = Field(
        description="the frame that raised it; null for inspectors, who may have to review it blind"
    )
    raised_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledgement: str | None


class AcknowledgeRequest(Message):
    reason: Reason
    person: Name

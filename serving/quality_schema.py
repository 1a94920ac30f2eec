"""What goes over HTTP about quality: audits, figures, control charts and agreement."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from serving.schema import Message, Name, UtcTime

Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]


class ChallengeRequest(Message):
    """A part whose truth is known, about to be put on the line."""

    defective: bool
    defect_class: Name | None = None
    note: Note = ""
    person: Name


class Challenge(ChallengeRequest):
    """A part that is, or was, on the line to try model and people."""

    part_id: str
    registered_at: datetime


class FieldReturn(Message):
    """A part found defective after it was shipped; a row of the CSV."""

    part_id: Name
    found_at: UtcTime
    defect_class: Name | None = None
    cost: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="what it cost, in the plant's currency"
    )
    note: Note = ""


class FieldReturnsRequest(Message):
    """Field returns, and who reports them."""

    returns: list[FieldReturn] = Field(min_length=1, max_length=10_000)
    person: Name


class FieldReturnsAdded(Message):
    """What came of a report."""

    added: int
    known_before: int = Field(description="reported before; nothing changed for them")
    not_inspected: int = Field(description="added, but no frame of the part was inspected here")
    passed: int = Field(description="added, and passed here: escapes")


class AuditPlan(Message):
    """How passed frames are drawn at present."""

    per_day: float
    probabilities: list[float] = Field(description="chance of a passed frame to be drawn, by score band, safest first")
    waiting: int = Field(description="drawn, and not yet decided")
    decided: int
    challenges: int

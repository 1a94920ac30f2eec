"""What goes over HTTP about legal holds and lines on hold."""

from datetime import datetime
from typing import Self

from pydantic import model_validator

from serving.schema import InvalidError, Message, Name, Reason, UtcTime


class HoldRequest(Message):
    """Exactly one of a part, a lot and a stretch of time, which may be open at one end."""

    part_id: Name | None = None
    lot: Name | None = None
    since: UtcTime | None = None
    until: UtcTime | None = None
    person: Name
    reason: Reason

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        in_time = self.since is not None or self.until is not None
        if [self.part_id is not None, self.lot is not None, in_time].count(True) != 1:
            raise InvalidError(
                "give one of part_id, lot, and a time range (since, until)",
                "零件、批號與時間範圍（since、until）三者須擇一",
            )
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidError(
                f"since: {self.since.isoformat()} is not before until, {self.until.isoformat()}",
                f"since：{self.since.isoformat()} 不早於 until（{self.until.isoformat()}）",
            )
        return self


class Hold(Message):
    """A legal hold: what it names is not removed until it is lifted."""

    id: str
    part_id: str | None
    lot: str | None
    since: datetime | None
    until: datetime | None
    reason: str
    person: str
    set_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    lift_reason: str | None


class LineHoldRequest(Message):
    line: Name
    reason: Reason
    person: Name


class LineHold(Message):
    """A line on hold: its frames are decided and stored, and every answer says to keep the part until it is released."""

    id: str
    line: str
    reason: str
    person: str
    held_at: datetime
    released_at: datetime | None
    released_by: str | None
    release_reason: str | None

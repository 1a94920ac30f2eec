"""What goes over HTTP about the audit trail."""

from datetime import date, datetime

from pydantic import Field, JsonValue

from serving.audit import Action
from serving.schema import Message, ModelRef


class AuditConcerns(Message):
    """What an entry is about, as far as there are names for it beside its subject."""

    inspection_id: str | None = Field(default=None, description="null where retention has removed it")
    part_id: str | None = None
    lot: str | None = None
    product: str | None = None
    line: str | None = None
    station: str | None = None
    camera: str | None = None
    model: ModelRef | None = None
    name: str | None = Field(default=None, description="of a study, a baseline or an assumption")
    first_day: date | None = Field(default=None, description="of imported counts or figures")
    last_day: date | None = None


class AuditEntry(Message):
    """One entry of the audit trail: who changed what, when, from what to what, and why."""

    sequence: int
    at: datetime
    action: Action
    subject: str = Field(description="what was changed, such as a review's client_id")
    concerns: AuditConcerns
    person: str
    old: dict[str, JsonValue] | None
    new: dict[str, JsonValue] | None
    reason: str
    hash: str


class AuditPage(Message):
    items: list[AuditEntry]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class AuditBreak(Message):
    """A place where the trail does not hold."""

    sequence: int | None
    what: str


class AuditCheck(Message):
    """Whether the chain holds, as it was last verified in the background."""

    running: bool
    checked_at: datetime | None = Field(description="null until the first check has ended")
    holds: bool | None
    entries: int | None
    head: str | None = Field(description="hash of the newest entry; note it elsewhere, and a cut-off end is found too")
    broken: list[AuditBreak]
    unnamed: int = Field(description="broken places beyond those listed")

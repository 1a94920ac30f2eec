"""What goes over HTTP, version 1: the shapes of requests and answers. Times are UTC, offset-aware RFC 3339."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from data.box import Box
from data.decide import InForce
from data.input_health import Fault
from data.region import Region
from data.verdict import ReviewDecision, Verdict
from data.wording import text


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise InvalidError("out of the range of years 1 to 9999 in UTC", "超出 UTC 西元 1 至 9999 年的範圍") from error


UtcTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""Given with any offset, kept and answered in UTC."""


FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9998, 12, 31)


Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
"""Of the plant; when it begins and ends can be told in UTC whatever the time zone."""


LARGEST_INTEGER = 2**31 - 1
"""that PostgreSQL keeps"""


# PostgreSQL keeps no text with a zero character in it.
TEXT = r"^[^\x00]*$"


Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=TEXT)]


Id = Annotated[str, Field(max_length=64, pattern=TEXT)]


# No control characters; nor U+FFFD, which any bytes that are no UTF-8 arrive as: two serial numbers would become one part.
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f\ufffd]+$")]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class FrameInfo(Message):
    """Where a frame comes from; query parameters, or fields of a multipart form."""

    product: Name
    line: Name
    station: Name
    camera: Name = Field(description="which view of the part this is")
    part_id: Name = Field(description="serial number of the part")
    lot: Name
    captured_at: UtcTime


class InvalidError(ValueError):
    """What a validator finds wrong with a request that people make, in both languages; as a string it is English."""

    def __init__(self, en: str, zh_hant: str) -> None:
        super().__init__(en)
        self.said = text(en, zh_hant)


class Rule(StrEnum):
    """What retention removes, in this order: whole inspections, images of flagged or audited frames, images of passed frames."""

    ROWS = "rows"
    FLAGGED_IMAGES = "flagged_images"
    PASSED_IMAGES = "passed_images"


class AuditKind(StrEnum):
    """Why a person looks at a frame that need not wait: drawn among the passed, or of a part whose truth is known."""

    SAMPLE = "SAMPLE"
    CHALLENGE = "CHALLENGE"


class Cause(StrEnum):
    """Why there is no decision on a frame."""

    UNREADABLE = "UNREADABLE"
    NO_MODEL = "NO_MODEL"
    TIMEOUT = "TIMEOUT"
    MODEL_FAILED = "MODEL_FAILED"
    CAMERA = "CAMERA"


class ModelRef(Message):
    """Which bundle decided."""

    name: str
    version: str


MOST_BOXES = 50
"""of one review; who marks more marks the whole part"""


class StoredImage(Message):
    """The frame as it was posted; width and height are null when it could not be decoded.

    `kept` is false for a passed frame that came while the disk was nearly full: its image was not kept.
    """

    sha256: str
    media_type: str
    bytes: int
    width: int | None
    height: int | None
    kept: bool = True
    removed_at: datetime | None = Field(
        default=None, description="when retention removed the file; null while it is there"
    )
    removed_rule: Rule | None = Field(default=None, description="by which rule of retention")


class Review(Message):
    """One person's decision on an inspection. Reviews are never changed: a later one supersedes the one before."""

    client_id: UUID
    inspection_id: str
    decision: ReviewDecision | None = Field(
        description="null withdraws the review before it (undo); the one that that superseded stands again"
    )
    defect_class: str | None
    boxes: list[Box] = Field(
        description="where the person marked defects, in pixels of the upright original; mostly none"
    )
    note: str
    reviewer: str
    seconds: float | None = Field(description="how long the person looked")
    blind: bool | None = Field(description="decided before seeing what the model said; null for old reviews")
    decided_at: datetime
    received_at: datetime
    supersedes: UUID | None = Field(description="client_id of the review before it on the same inspection")


class ReviewRequest(Message):
    """PUT body; the client chooses the UUID in the path, so a repeat is harmless."""

    inspection_id: Id
    decision: ReviewDecision | None
    defect_class: Name | None = None
    boxes: list[Box] = Field(
        default=[],
        max_length=MOST_BOXES,
        description="where defects are, each from x0, y0 up to but without x1, y1, in pixels of the upright original image; "
        "`label` is the defect class, empty where it is not told. A false call and a withdrawal have none",
    )
    note: str = Field(default="", max_length=2000, pattern=TEXT)
    reviewer: Name
    seconds: float | None = Field(default=None, ge=0, le=86_400)
    blind: bool = Field(default=False, description="the model's verdict was hidden until this was decided")
    seen_review: UUID | None = Field(
        default=None,
        description="client_id of the review that the person saw standing, null for none. When it is given and somebody else's "
        "stands by now, this one is refused with 412, unless a second opinion is asked for; left out, it supersedes whatever "
        "stands",
    )
    decided_at: UtcTime

    @model_validator(mode="after")
    def _marks_a_defect(self) -> Self:
        if self.boxes and self.decision in (None, ReviewDecision.FALSE_CALL):
            raise InvalidError(
                "boxes: they mark defects, and a false call or a withdrawal has none; leave them out, or choose another decision",
                "boxes：方框用來標示缺陷，誤判或撤回不得附方框；請移除方框，或改選其他判定",
            )
        return self


class LineHoldRef(Message):
    """Why a part is kept whatever its verdict: the hold of its line."""

    id: str
    reason: str


class Inspection(Message):
    """One model's decision on one frame, with everything that explains it."""

    id: str
    received_at: datetime
    captured_at: datetime
    product: str
    line: str
    station: str
    camera: str
    part_id: str
    lot: str
    verdict: Verdict
    cause: Cause | None = Field(description="why there is no decision; null when there is one")
    fault: Fault | None = Field(
        description="what is wrong with the camera or its frame, so that a person decides; null for healthy ones",
    )
    reason: str | None = Field(
        description="the cause or the fault in particular, or why the frame looks unknown, in English"
    )
    defect_probability: float | None
    novelty: float | None = Field(
        description="distance from everything seen in training, relative to the limit: above 1 the frame looks unknown "
        "and a person decides, whatever the defect probability; null when the model cannot tell"
    )
    class_name: str | None = Field(alias="class", description="most probable class, a defect class when flagged")
    class_probability: dict[str, float]
    thresholds: InForce | None
    regions: list[Region]
    model: ModelRef | None
    latency_ms: float = Field(description="from the last byte received to the commit")
    image: StoredImage
    review: Review | None = Field(description="the review that stands, null when nobody has decided")
    line_hold: LineHoldRef | None = Field(
        default=None,
        description="a person put the line on hold: keep the part, whatever the verdict, as for NO_DECISION; null while it runs",
    )


class InspectionPage(Message):
    items: list[Inspection]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class ViewState(StrEnum):
    """Whether an expected view of a part has come, may still come within its time window, or should have."""

    SEEN = "SEEN"
    AWAITED = "AWAITED"
    OVERDUE = "OVERDUE"


class View(Message):
    """An expected view of a part. `due_at` is the end of the time window, which the part's first view at the station began."""

    product: str
    station: str
    camera: str
    state: ViewState
    due_at: datetime


class OverduePart(Message):
    """A part with views missing beyond their time window: it is held. Sent as the event `part_overdue`."""

    part_id: str
    product: str
    station: str
    line: str
    missing_views: list[str]
    due_at: datetime


class Tombstone(Message):
    """What remains of an inspection that retention removed."""

    id: str
    part_id: str
    received_at: datetime
    station: str
    camera: str
    verdict: Verdict
    removed_at: datetime
    rule: Rule


class Part(Message):
    """The whole story of one part: its frames with their reviews. With an expected view missing, it is never passed."""

    part_id: str
    verdict: Verdict = Field(
        description="the worst of all its frames, in whatever order they came: a view taken again makes no rejected part good, "
        "a person does. Products that share the part_id count together"
    )
    missing_views: list[str]
    views: list[View] = Field(description="the expected views, in the recipe's order; empty where no recipe names any")
    inspections: list[Inspection] = Field(description="the newest 200, oldest first")
    removed: list[Tombstone] = Field(
        default=[],
        description="inspections that retention removed, the newest 200, oldest first; their verdicts still count",
    )
    left_out: int = Field(default=0, description="older frames that are not listed; their verdicts still count")
    line_hold: LineHoldRef | None = Field(
        default=None, description="of the newest frame that was taken while its line was on hold"
    )


class Problem(Message):
    """RFC 9457 problem details; `detail` says what to do about it, in English."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    detail_zh_hant: str | None = Field(
        default=None, description="the same in Traditional Chinese, where people meet the refusal; an extension member"
    )
    instance: str | None = None

"""What goes over HTTP, version 1: the shapes of requests and answers. Times are UTC, offset-aware RFC 3339."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from data.box import Box
from data.decide import Guarantee, InForce, Thresholds
from data.input_health import Fault
from data.region import Region
from data.verdict import ReviewDecision, Verdict
from data.wording import Text, text
from serving.audit import Action
from serving.role import Permission, Role


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of the range of years 1 to 9999 in UTC") from error


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


class Rate(Message):
    """A share with its denominator and 95 % Wilson interval; value is null, with the reason, when it is not known."""

    value: float | None
    low: float | None
    high: float | None
    numerator: int | None
    denominator: int
    why_unknown: Text | None = None


class QualityBucket(Message):
    """Counts of one stretch of time that starts at `start`."""

    start: datetime
    inspected: int
    passed: int
    review: int
    rejected: int
    no_decision: int
    defects_confirmed: int
    false_calls: int


class QualityMetrics(Message):
    """Counts and rates of a period. Counts are of frames; reviews are those that stand."""

    since: datetime
    until: datetime
    line: str | None
    inspected: int
    passed: int
    review: int
    rejected: int
    no_decision: int
    waiting: int = Field(description="flagged and not yet decided by a person")
    defects_confirmed: int
    false_calls: int
    defects_accepted: int
    unsure: int
    flag_rate: Rate
    confirmed_rate: Rate = Field(description="confirmed defects among reviewed flagged frames: precision of the flags")
    false_call_rate: Rate = Field(description="false calls among all inspected; exact once every flag is reviewed")
    escape_rate: Rate
    by_class: dict[str, int] = Field(description="confirmed defects by class, for the Pareto chart")
    bucket_seconds: int
    series: list[QualityBucket]


class TrendPoint(Message):
    """Frames of one stretch of time that starts at `start`, and how many of them were not passed."""

    start: datetime
    inspected: int
    flagged: int


class LineTrend(Message):
    line: str
    points: list[TrendPoint] = Field(description="one for every stretch of the period, also where there was no frame")


class Trend(Message):
    """How each line ran lately."""

    since: datetime
    until: datetime
    bucket_seconds: int
    lines: list[LineTrend]


class LineThroughput(Message):
    line: str
    inspected: int
    parts: int = Field(description="whose first frame on this line came within the period")
    parts_per_hour: float
    latency_p50_ms: float | None = Field(description="from counts in steps of a tenth, so at most that much off")
    latency_p95_ms: float | None
    last_received_at: datetime | None


class ThroughputMetrics(Message):
    since: datetime
    until: datetime
    lines: list[LineThroughput]
    review_seconds_median: float | None
    review_seconds_n: int
    reviews_per_hour: float


class RecipeRef(Message):
    """Which recipe: a product at a station."""

    product: Name
    station: Name


class ModelInfo(Message):
    """A bundle on this server."""

    name: str
    version: str
    created_at: datetime
    precision: str
    defect_classes: list[str]
    active: bool = Field(description="it decides wherever no recipe has a model of its own")
    decides_for: list[RecipeRef] = Field(
        description="the recipes that it decides for by a promotion or setting of theirs"
    )
    shadow: bool = Field(default=False, description="scores the same frames silently")
    previous: bool = Field(default=False, description="decided before the active one: where a roll-back leads")
    thresholds: Thresholds
    guarantee: Guarantee
    metrics: dict[str, float]


class PromotionKind(StrEnum):
    """Why a model was let in: it is better, or it decided here before, or a person overruled what spoke against it."""

    PROMOTED = "PROMOTED"
    ROLLED_BACK = "ROLLED_BACK"
    FORCED = "FORCED"


class PromoteRequest(Message):
    version: str = Field(max_length=128, pattern=TEXT)
    reason: Reason
    person: Name | None = Field(default=None, description="who answers for it; the caller, when that is known")
    force: bool = Field(
        default=False,
        description="go ahead although it misses a target or is not shown to be better; kept with the reason",
    )
    recipe: RecipeRef | None = Field(
        default=None, description="let it decide for this recipe alone; without it, wherever no recipe has its own"
    )


Password = Annotated[str, Field(max_length=1024)]


class SignIn(Message):
    name: Name
    password: Password


class ChangePassword(Message):
    present: Password
    new: Password


class SessionInfo(Message):
    """Who is calling, and what that allows."""

    auth: bool = Field(description="false: everyone is admin under the name that they give")
    oidc: bool = Field(description="GET /v1/session/oidc signs in with the plant's identity provider")
    name: str | None = Field(description="null when nobody is signed in, and without authentication")
    role: Role | None
    permissions: list[Permission]
    must_change_password: bool = Field(description="true: nothing else is possible before")
    csrf_token: str | None = Field(description="to send as X-CSRF-Token with every request that changes something")


class Person(Message):
    """Somebody who may sign in, or might once."""

    id: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    must_change_password: bool
    oidc: bool = Field(description="signs in with the identity provider, and has no password here")


class AddPerson(Message):
    name: Name
    role: Role


class ChangePerson(Message):
    """What is left out stays as it is."""

    role: Role | None = None
    disabled: bool | None = None


class OneTimePassword(Message):
    """Shown this once; it must be changed at the next sign-in."""

    person: Person
    password: str


class Key(Message):
    """An API key, without its secret."""

    id: str
    name: str
    role: Role
    rate_limit: float | None = Field(description="requests a second; null is without limit")
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")


class AddKey(Message):
    name: Name
    role: Role = Role.CAMERA
    rate_limit: float | None = Field(default=None, gt=0, le=10_000)


class NewKey(Message):
    """Shown this once."""

    key: Key
    secret: str


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


class RetentionClass(Message):
    """What one rule would remove now."""

    rule: Rule
    days: float | None = Field(description="null keeps it for ever")
    inspections: int
    images: int = Field(description="files that no other inspection needs")
    image_bytes: int
    held: int = Field(description="old enough, but kept by a legal hold")
    waiting: int = Field(description="old enough, but kept because a person has yet to decide")


class RetentionPlan(Message):
    """What retention would remove now, by rule."""

    at: datetime
    classes: list[RetentionClass]


class RetentionRequest(Message):
    """Why retention is to run now, instead of when its time comes."""

    reason: Reason
    person: Name | None = Field(default=None, description="who answers for it; the caller, when that is known")


class ShadowRequest(Message):
    """Which bundle is to score the line's frames silently."""

    version: str = Field(max_length=128, pattern=TEXT)
    reason: Reason
    person: Name


class ShadowInfo(Message):
    """A bundle that scores, or scored, the frames that another decided."""

    number: int = Field(description="by which a baseline names this time of shadowing")
    name: str
    version: str
    reason: str
    person: str
    started_at: datetime
    ended_at: datetime | None


class VerdictPair(Message):
    """How many frames got these two verdicts."""

    active: Verdict
    shadow: Verdict
    frames: int


class Difference(Message):
    """A frame on which the two disagree."""

    inspection: Inspection
    shadow_verdict: Verdict
    shadow_defect_probability: float


class ReviewedPairs(Message):
    """The two models on frames that a person has decided; right is to flag a defect, or to pass a good part."""

    n: int
    both_right: int
    only_active_right: int
    only_shadow_right: int
    neither_right: int
    mcnemar_p: float | None = Field(
        description="chance of so uneven a split of the frames that only one decided rightly, were the two equally good "
        "(exact, two-sided; frames of one part change sides together); null when there is no such frame"
    )


class ShadowComparison(Message):
    """Both models on the same frames. Flagged is whatever is not PASS."""

    shadow: ShadowInfo | None = Field(description="null when no bundle has been a shadow here")
    frames: int
    pairs: list[VerdictPair]
    agreement: Rate
    active_flags: Rate
    shadow_flags: Rate
    flag_change: float | None = Field(description="shadow's share of flags minus the active one's")
    flag_change_low: float | None = Field(description="95 % interval (Agresti and Min 2005)")
    flag_change_high: float | None
    reviewed: ReviewedPairs
    latency_p50_ms: float | None = Field(description="of the shadow's own run on one frame, at low priority")
    differences: list[Difference] = Field(description="the newest frames with other verdicts, at most 50")
    notes: list[Text]


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


class DriftCheck(Message):
    """One statistic of a window of frames; above its limit something changed."""

    statistic: Literal["psi", "distance"] = Field(
        description="psi: population stability index of the scores; distance: of the mean embedding, in standard deviations"
    )
    against: Literal["training", "promotion"] = Field(
        description="held-out images of the training, or the camera's first frames after the last promotion"
    )
    span: Literal["window", "recent"] = Field(description="the whole window, or its newest tenth")
    frames: int
    value: float
    limit: float


class Histogram(Message):
    """Shares of frames by defect probability; bin i lies between edges i - 1 and i, the outer bins end at 0 and 1."""

    edges: list[float]
    reference: list[float]
    window: list[float]
    against: Literal["training", "promotion"]


class DriftExample(Message):
    """A frame of the window; the smaller its novelty the more typical it is."""

    inspection_id: str
    part_id: str
    defect_probability: float
    novelty: float | None


class DriftPoint(Message):
    at: datetime
    frames: int
    checks: list[DriftCheck]


class CameraDrift(Message):
    """One camera: its newest window, and how the statistics went."""

    line: str
    station: str
    camera: str
    model: ModelRef
    updated_at: datetime
    frames: int
    checks: list[DriftCheck]
    histogram: Histogram | None
    typical: list[DriftExample]
    unusual: list[DriftExample]
    history: list[DriftPoint] = Field(description="oldest first, the newest 60")


class DriftReport(Message):
    """Every camera that has sent frames for long enough."""

    window: int = Field(description="frames in a full window")
    step: int = Field(description="frames between two looks")
    reference: int = Field(description="frames after a promotion that become the camera's own reference")
    false_alarm: float
    cameras: list[CameraDrift]


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

"""What goes over HTTP about quality: audits, figures, control charts and agreement."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from data.wording import Text
from serving.quality.charts import ChartKind, Rule
from serving.schema import LARGEST_INTEGER, TEXT, Inspection, InvalidError, Message, ModelRef, Name, UtcTime

Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=TEXT)]


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


class PlannedBand(Message):
    """One score band of passed frames: how they are drawn at present, and what came of all that were."""

    score_from: float = Field(description="defect probability relative to the pass limit")
    score_below: float
    probability: float
    drawn: int
    decided: int


class AuditPlan(Message):
    """How passed frames are drawn at present."""

    per_day: float
    drawn_in_24_hours: int
    bands: list[PlannedBand] = Field(description="safest first")
    probabilities: list[float] = Field(description="chance of a passed frame to be drawn, by score band, safest first")
    waiting: int = Field(description="drawn, and not yet decided")
    decided: int
    challenges: int


class GroupBy(StrEnum):
    """What figures are given for each of."""

    LINE = "line"
    STATION = "station"
    PRODUCT = "product"
    LOT = "lot"
    SHIFT = "shift"
    MODEL = "model"


FigureKey = Literal[
    "fpy",
    "rty",
    "dpmo",
    "outgoing_ppm",
    "escape_rate",
    "escaped",
    "overkill",
    "review_load",
    "precision",
    "review_seconds",
    "takt",
    "pace",
    "oee_quality",
    "copq_prevention",
    "copq_appraisal",
    "copq_internal",
    "copq_external",
]


class Figure(Message):
    """One figure with its 95 % interval, how many observations it rests on, and which; unknown ones say why."""

    key: FigureKey
    unit: Literal["share", "per_million", "count", "seconds", "money"]
    value: float | None
    low: float | None
    high: float | None
    n: int
    rests_on: Text
    why_unknown: Text | None


class FigureGroup(Message):
    """The figures of one line, station, product, lot, shift or model version; `name` is empty for everything together."""

    name: str
    inspected: int
    figures: list[Figure]
    by_class: dict[str, int] = Field(description="confirmed defects by class")


class QualityFigures(Message):
    """Figures of a period. A unit is one part at one station; frames of challenge parts count nowhere but in the escapes."""

    since: datetime
    until: datetime
    by: GroupBy | None
    currency: str
    groups: list[FigureGroup]
    more: int = Field(description="groups left out, those with the fewest frames")


class BandAudits(Message):
    """Audits of the passed frames of one score band."""

    score_from: float = Field(description="defect probability relative to the pass limit")
    score_below: float
    passed: int
    audited: int
    waiting: int
    defective: int
    share: float | None = Field(description="of the passed that are defective")


class EscapeMetrics(Message):
    """How many defective frames passed, estimated from audits drawn with known chances; serving/quality/escape.py has the method.

    The rate counts challenge parts and known escapes (field returns, defects that somebody found) in its denominator; `escaped`
    is of production alone.
    """

    since: datetime
    until: datetime
    rate: Figure
    bound: float | None = Field(
        description="the rate is below this with 95 % certainty, by Bonferroni and Clopper-Pearson; null without any audit"
    )
    escaped: Figure
    audited: int
    needed: int = Field(description="audits before a rate is told")
    waiting: int = Field(description="drawn, and not decided yet")
    bands: list[BandAudits]
    confirmed: int = Field(description="decided flagged frames that people confirmed, or whose part came back")
    flagged_waiting: int
    known: int = Field(
        description="passed frames of parts that came back or that somebody found defective, beside the audits"
    )
    challenges_passed: int
    challenges_flagged: int
    naive_rate: float | None = Field(description="what counting known escapes only would say")
    notes: list[Text]


class SpcPoint(Message):
    """One point: `n` frames in a row, of which `count` are flagged (or that many regions, on a u chart)."""

    started_at: datetime
    ended_at: datetime
    n: int
    count: int
    value: float
    low: float | None = Field(
        description="three-sigma limits for this n; null before they are frozen, as all that follows"
    )
    high: float | None
    score: float | None = Field(description="standard deviations above the centre line")
    ewma: float | None = Field(description="exponentially weighted mean of the scores")
    ewma_limit: float | None
    cusum_upper: float | None
    cusum_lower: float | None
    signals: list[Rule]


class SpcChart(Message):
    """The chart of one camera, product, model version and thresholds, with limits frozen from its own first points."""

    line: str
    station: str
    camera: str
    product: str
    model: ModelRef
    threshold_change: int | None = Field(description="of the thresholds in force; null for the model's own")
    kind: ChartKind
    centre: float | None = Field(description="null until there are enough points")
    spread: float | None = Field(
        description="Laney's sigma_z: how many times chance alone the points vary; 1 on other charts"
    )
    baseline: int = Field(description="points from which the limits are, or will be, frozen")
    frozen_at: datetime | None
    points: list[SpcPoint] = Field(description="oldest first, the newest 200")


class SpcMetrics(Message):
    """Control charts of every camera that has sent a whole point."""

    subgroup: int = Field(description="frames that make one point")
    alarm_rules: list[Rule]
    cusum_limit: float
    charts: list[SpcChart]


class Share(Message):
    """A share with its exact 95 % interval (Clopper-Pearson); null when there is nothing to share."""

    value: float | None
    low: float | None
    high: float | None
    hits: int
    n: int


class Kappa(Message):
    """A kappa with its 95 % interval: at least 0.75 is good, 0.9 preferred."""

    value: float
    low: float
    high: float


class AppraiserAgreement(Message):
    """One appraiser; `name` is a pseudonym, or null for the model."""

    name: str | None
    within: Share | None = Field(description="parts with the same call in every trial; null for a single trial")
    within_kappa: Kappa | None
    kappa: Kappa | None = Field(description="against the standard; null when no truth is known or all calls are alike")
    effectiveness: Share
    miss: Share
    false_alarm: Share


class Comparison(Message):
    """People and the model on the same calls (McNemar): right where the truth is known, otherwise both calls of defective."""

    n: int
    both: int
    only_people: int
    only_model: int
    neither: int
    p: float | None = Field(
        description="chance of so uneven a split if both were equally good; null when they never differ"
    )


class AgreementMetrics(Message):
    """How far people agree with themselves, each other, the truth and the model."""

    source: Literal["study", "reviews"]
    study_id: str | None
    parts: int
    people: int
    trials: int
    missing: int = Field(
        description="answers that a study still waits for; its figures are of the parts all have answered"
    )
    between: Share | None
    between_kappa: Kappa | None
    all_against: Share | None
    all_against_kappa: Kappa | None
    appraisers: list[AppraiserAgreement]
    comparison: Comparison | None
    notes: list[Text]


class StudyKind(StrEnum):
    """What people see in a study."""

    ALONE = "ALONE"
    """the image alone: agreement, and how people do before the system (one trial is a baseline session)"""
    WITH_AI = "WITH_AI"
    """each part in every other trial with what the model said, for half of the parts in the odd trials"""


class StudyRequest(Message):
    """A study: parts whose truth is known, half of them defective where there are enough, called by people, timed."""

    name: Name
    kind: StudyKind = StudyKind.ALONE
    people: list[Name] = Field(min_length=1, max_length=20)
    parts: int = Field(default=50, ge=2, le=500)
    trials: int = Field(default=3, ge=1, le=10)
    person: Name

    @model_validator(mode="after")
    def _different_people(self) -> Self:
        if len(set(self.people)) < len(self.people):
            raise InvalidError("people: each one once", "人員：每人只能列一次")
        return self

    @model_validator(mode="after")
    def _as_often_with_as_without(self) -> Self:
        if self.kind is StudyKind.WITH_AI and self.trials % 2:
            raise InvalidError(
                f"trials: {self.trials}; a study with the model needs an even number, half of them without it",
                f"次數：{self.trials}；顯示模型判定的研究須為偶數次，其中一半不顯示",
            )
        return self


class Study(Message):
    """A study and how far it has come."""

    id: str
    name: str
    kind: StudyKind
    people: list[str]
    trials: int
    parts: int
    created_at: datetime
    answered: dict[str, int] = Field(description="answers of each person, of parts x trials")


class StudyTask(Message):
    """What a person sees next in a study. `inspection_id` is null when the person is through."""

    trial: int
    number: int
    inspection_id: str | None
    aid: Inspection | None = Field(
        description="what the model said, where this call is made with it; null: image alone"
    )
    answered: int
    of: int


class StudyAnswer(Message):
    """One call in a study."""

    person: Name
    trial: int = Field(ge=1, le=LARGEST_INTEGER)
    number: int = Field(ge=0, le=LARGEST_INTEGER)
    defective: bool
    seconds: float | None = Field(default=None, ge=0, le=86_400)

"""What goes over HTTP about baselines, roll-outs, imported history and what the change can be put down to."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from data.record import Record
from data.wording import Text
from serving.metrics_schema import Rate
from serving.schema import LARGEST_INTEGER, Day, InvalidError, Message, Name, Reason

Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
_DAY_SECONDS = 86_400


class HistoryRow(Record):
    """What one line made of one product on one day of the plant, known from before this system or from outside it."""

    day: Day
    line: Name
    product: Name
    inspected: Count
    flagged: Count | None = Field(default=None, description="held for a person by whatever inspected then")
    false_calls: Count | None = Field(default=None, description="flagged, and good after all")
    confirmed: Count | None = Field(default=None, description="flagged, and truly defective")
    audited: Count | None = Field(default=None, description="passed parts, drawn at random and looked at again")
    audit_defects: Count | None = Field(default=None, description="of these, truly defective")
    escapes: Count | None = Field(default=None, description="came back from the field, by the day of manufacture")
    inspector_seconds: FiniteFloat | None = Field(
        default=None,
        ge=0,
        le=LARGEST_INTEGER,
        description="that all inspectors together took for these parts, looks at flags and audits among them; empty where nobody "
        "knows",
    )

    @model_validator(mode="after")
    def _parts_of_a_whole(self) -> Self:
        for part, whole in (
            ("flagged", "inspected"),
            ("false_calls", "flagged"),
            ("confirmed", "flagged"),
            ("audited", "inspected"),
            ("audit_defects", "audited"),
            ("escapes", "inspected"),
        ):
            less, more = getattr(self, part), getattr(self, whole)
            if less is not None and more is not None and less > more:
                raise InvalidError(
                    f"{part} is {less}, more than {whole}, {more}", f"{part} 為 {less}，多於 {whole} 的 {more}"
                )
        if self.audit_defects is not None and self.audited is None:
            raise InvalidError(
                "audit_defects without audited: of how many parts?", "有 audit_defects 而沒有 audited：抽查了多少件？"
            )
        if self.inspector_seconds is not None and self.inspector_seconds > self.inspected * _DAY_SECONDS:
            raise InvalidError(
                f"inspector_seconds is {self.inspector_seconds:g} for {self.inspected} inspected parts: more than a day for each",
                f"inspector_seconds 為 {self.inspector_seconds:g}，而 inspected 僅 {self.inspected}：每件超過一天",
            )
        return self


class Imported(Message):
    """What an import added."""

    rows: int
    first_day: date
    last_day: date


class BaselineKind(StrEnum):
    """Where a baseline's figures come from."""

    HISTORY = "HISTORY"
    """imported counts of days before the system"""
    SESSION = "SESSION"
    """inspections recorded here while the old way still decided, with people looking at the flags as always"""
    SHADOW = "SHADOW"
    """the frames of a shadow run: what decided then is the baseline of what ran silently beside it"""
    STUDY = "STUDY"
    """people's calls without the model in a study: what escapes people alone, and which good parts they reject"""


class FreezeBaseline(Message):
    """Days of the plant, the last one included. A shadow run and a study bring their own days."""

    name: Name
    kind: BaselineKind
    first_day: Day | None = None
    last_day: Day | None = None
    shadow: int | None = Field(
        default=None, ge=1, le=LARGEST_INTEGER, description="number of the shadow run, for SHADOW alone"
    )
    study: Name | None = Field(default=None, description="id of the study, for STUDY alone")
    person: Name
    reason: Reason

    @model_validator(mode="after")
    def _a_period(self) -> Self:
        if (self.kind is BaselineKind.STUDY) != (self.study is not None):
            raise InvalidError(
                "study: needed for a STUDY baseline, and for no other", "study：研究基準期必填，其他基準期不可填"
            )
        if self.kind is BaselineKind.STUDY:
            if self.shadow is not None or self.first_day is not None or self.last_day is not None:
                raise InvalidError(
                    "a STUDY baseline takes the days of its study", "研究基準期的日期取自該研究，不可另填"
                )
            return self
        if self.kind is BaselineKind.SHADOW:
            if self.shadow is None or self.first_day is not None or self.last_day is not None:
                raise InvalidError(
                    "a SHADOW baseline needs the shadow run, and takes its days",
                    "影子模式基準期須指定影子模式，日期取自該次影子模式",
                )
            return self
        if self.first_day is None or self.last_day is None:
            raise InvalidError(
                "first_day and last_day are missing: a baseline is of a period", "缺少第一天與最後一天：基準期須有期間"
            )
        if self.first_day > self.last_day:
            raise InvalidError(
                f"first_day: {self.first_day} is after last_day, {self.last_day}",
                f"第一天 {self.first_day} 晚於最後一天 {self.last_day}",
            )
        return self


class TimedDay(Message):
    """One day of which it is known how long inspectors took, all together."""

    day: date
    inspected: int
    seconds: float


class TimedDays(Message):
    """Days of which it is known how long inspectors took, all together."""

    days: int
    inspected: int
    seconds: float
    each: list[TimedDay] = Field(
        default_factory=list, description="empty in a baseline that was frozen before days were kept one by one"
    )

    @model_validator(mode="before")
    @classmethod
    def _frozen_before(cls, given: Any) -> Any:
        # A frozen baseline is never rewritten: the audit trail tells of it as it was.
        return (
            {name: one for name, one in given.items() if name != "squared_errors"} if isinstance(given, dict) else given
        )


class LineCounts(Message):
    """Counts of one product on one line, summed over a period. What nobody counted is null."""

    line: str
    product: str
    inspected: int
    flagged: int | None
    reviewed: int | None = Field(
        description="flagged parts that a person decided, those accepted as they are among them"
    )
    false_calls: int | None
    confirmed: int | None
    audited: int | None = Field(
        description="passed parts that a person looked at; where they were drawn with different chances, how many would tell "
        "as much had all had the same (Kish)"
    )
    audit_defects: float | None = Field(description="of these, truly defective, each by the weight of its chance")
    escapes: int | None
    units: int | None = Field(default=None, description="parts at a station; of a study, parts that people called")
    looks: int | None = Field(
        default=None,
        description="times that people looked at one of them, or have still to look: at flags and for audits",
    )
    timed: int | None = Field(
        default=None, description="looks whose time is known; of a study, parts, each with the mean of its calls"
    )
    seconds: float | None = Field(default=None, description="of the timed looks together")
    squared_seconds: float | None = Field(default=None, description="their sum of squares")
    timed_days: TimedDays | None = Field(
        default=None, description="of imported counts, whose single looks nobody timed"
    )


class Baseline(Message):
    """A frozen period: its figures stay what they were when it was frozen."""

    id: str
    name: str
    kind: BaselineKind
    since: datetime
    until: datetime
    first_day: date = Field(description="of the plant")
    last_day: date = Field(description="included")
    counts: list[LineCounts]
    person: str
    reason: str
    frozen_at: datetime


class Change(Message):
    """One rate before and after on the same lines and products, those before in the proportions of those after; relative is
    after / before - 1, with its 95 % interval."""

    key: Literal["false_call_rate", "escape_rate", "overkill_rate", "returns_rate", "caught_rate", "review_seconds"] = (
        Field(
            description="a share, but for review_seconds: seconds that people look for each inspected part, with what waits"
        )
    )
    before: Rate
    after: Rate
    relative: float | None
    low: float | None
    high: float | None


class BaselineComparison(Message):
    """A frozen baseline against a later period, like for like."""

    baseline: Baseline
    since: datetime
    until: datetime
    after_from: Literal["measured", "history"]
    lines: list[str] = Field(description="in both periods; only these are compared")
    changes: list[Change]
    caveats: list[Text] = Field(description="what these data cannot support, in plain sentences")


class RolloutRequest(Message):
    """From this day of the plant on, the system decides on the line."""

    line: Name
    day: Day
    person: Name
    reason: Reason


class Rollout(Message):
    id: str
    line: str
    day: date
    person: str
    reason: str
    set_at: datetime


class PanelPoint(Message):
    """One line in one week."""

    line: str
    week: date = Field(description="its Monday")
    count: int
    exposure: int
    treated: bool


class Attribution(Message):
    """Staggered difference-in-differences: what the lines changed more than those that did not have the system yet."""

    outcome: Literal["escapes", "false_calls", "confirmed"]
    lines: int
    weeks: int
    effect: float | None = Field(description="relative change that goes with the system, -0.35 = 35 % fewer")
    low: float | None = Field(description="95 % interval")
    high: float | None
    p_value: float | None = Field(
        description="randomisation inference: share of the possible orders of roll-out with at least as strong a change"
    )
    orders: int = Field(description="different orders of roll-out that were possible")
    tried: int = Field(description="orders that were tried; all of them, or a random sample")
    before_after: float | None = Field(description="the naive change of the lines with the system, for comparison")
    points: list[PanelPoint]
    caveats: list[Text]

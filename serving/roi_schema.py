"""What goes over HTTP about the return on investment."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field, FiniteFloat

from data.wording import Text
from serving.schema import TEXT, Message, Name, Reason
from serving.spread import Spread

Category = Literal["efficiency", "cost", "revenue", "quality", "development", "implementation", "run"]
"""Innovation and employees are the other two of six: they are tracked as they are, and never summed into money."""


class RoiInput(Message):
    """One number that the ROI rests on: assumed (with its source and author) or measured here (with its n)."""

    key: str
    value: float
    unit: Text
    kind: Literal["assumed", "measured"]
    source: Text
    author: str
    n: int | None = Field(description="how many observations a measured value rests on")
    low: float | None = Field(description="5 % of its distribution lie below; null for a number without spread")
    high: float | None = Field(description="5 % of its distribution lie above")
    assumed_value: float = Field(description="what the assumptions say, for comparison")
    version: int | None = Field(
        description="of the assumptions when it was last changed; null in the case study and a what-if"
    )
    changed_at: datetime | None
    reason: str | None = Field(description="of the last change")
    least: float = Field(description="smallest value that the number can have")
    most: float = Field(description="largest value that it can have")


class RoiLine(Message):
    """One benefit or cost, in the report's currency a year; negative benefits are burdens."""

    key: str
    category: Category
    run_rate: float
    first_year: float
    formula: Text
    measured: bool = Field(description="whether any number in it was measured here")


class CashFlow(Message):
    """One month of the plan; month 0 is what is paid once, before the first."""

    month: int
    benefit: float
    cost: float
    cumulative: float


class Copq(Message):
    """Cost of poor quality by category, a year at full run rate."""

    category: Literal["prevention", "appraisal", "internal_failure", "external_failure"]
    before: float
    after: float


class Alternative(Message):
    """The first-year return when it is counted otherwise."""

    key: Literal["external_only", "full_run_rate"]
    first_year_roi: float


class Driver(Message):
    """What the first-year return would be at the ends of one number's spread, all others as they are."""

    key: str
    low: float = Field(description="the number's 5 % point")
    high: float = Field(description="the number's 95 % point")
    roi_at_low: float
    roi_at_high: float


class ReturnHistogram(Message):
    """How the draws are spread; bin i lies between edges i and i + 1. The outermost 0.5 % on each side are left out."""

    edges: list[float]
    counts: list[int]


class RoiOdds(Message):
    """What the first-year return may be, given how far each number may be off."""

    draws: int
    p5: float
    p50: float
    p95: float
    target: float
    reaches_target: float = Field(description="share of the draws whose first-year return is at least the target")
    loses: float = Field(description="share of the draws with a negative first-year return")
    npv_p5: float
    npv_p50: float
    npv_p95: float
    histogram: ReturnHistogram
    drivers: list[Driver] = Field(description="tornado: the widest swing first")
    certain: list[str] = Field(
        description="numbers without a spread, the same in all draws: the odds are as if they were known for sure"
    )


class RoiScenario(Message):
    """The figures for one set of inputs."""

    name: Literal["case_study", "measured", "what_if"]
    defect_reduction: float = Field(description="relative change of escaped defects, 0.35 = 35 % fewer")
    escape_savings: float = Field(description="currency a year at full run rate")
    throughput_gain: float
    outgoing_ppm_before: float = Field(description="escaped defects in a million shipped parts")
    outgoing_ppm_after: float
    benefits: list[RoiLine]
    costs: list[RoiLine]
    copq: list[Copq]
    first_year_benefit: float
    first_year_cost: float
    first_year_roi: float = Field(description="(benefit - cost) / cost; 3.0 = 300 %")
    payback_months: float | None
    npv: float
    irr: float | None = Field(description="of whole years' cash flows; null when there is none")
    cash_flow: list[CashFlow]
    alternatives: list[Alternative]
    odds: RoiOdds
    inputs: list[RoiInput]


class Contradiction(Message):
    """An assumption that what was measured here speaks against."""

    key: str
    assumed: float
    measured: float
    low: float = Field(description="95 % interval of the measured value")
    high: float
    n: int
    text: Text


class RoiReport(Message):
    """The assumptions as their file gives them, and the plant's own with what was measured here put in their place."""

    name: Text = Field(description="what the assumptions file is called, such as Case study")
    currency: str
    computed_at: datetime
    today: date = Field(description="the plant's, by which its weeks and months of reports are told")
    version: int = Field(description="of the assumptions in the database")
    case_study: RoiScenario
    measured: RoiScenario
    contradictions: list[Contradiction]
    notes: list[Text] = Field(description="what the figures cannot say yet, in plain sentences")


class WhatIf(Message):
    """Other values for some of the plant's numbers; nothing is kept."""

    values: dict[str, FiniteFloat] = Field(max_length=64)


class ChangeAssumption(Message):
    """A new version of one number; what is left out stays as it is."""

    value: FiniteFloat | None = None
    source: str | None = Field(default=None, min_length=1, max_length=500, pattern=TEXT)
    kind: Literal["assumed", "measured"] | None = None
    spread: Spread | None = Field(default=None, description="left out, a triangle moves along with the value")
    person: Name
    reason: Reason


class AssumptionVersion(Message):
    """One number as it was set or changed once."""

    version: int
    key: str
    value: float
    unit: Text
    kind: Literal["assumed", "measured"]
    source: Text
    author: str
    spread: Spread | None
    reason: str
    set_at: datetime

"""What goes over HTTP about figures that are tracked beside the money, and about which line comes next."""

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from data.record import Record
from data.wording import Text
from serving.assumptions import LARGEST
from serving.metrics_schema import Rate
from serving.schema import LARGEST_INTEGER, TEXT, Day, InvalidError, Message, Name

Amount = Annotated[float, Field(gt=0, le=LARGEST)]
KpiKey = Literal["survey", "nps", "staff_kept", "customers_kept", "npi_days", "ai_assisted_products"]


class KpiRow(Record):
    """One imported figure of one day: a survey's mean, a score, days, a count."""

    kpi: KpiKey
    day: Day
    value: FiniteFloat
    n: PositiveInt | None = Field(default=None, le=LARGEST_INTEGER, description="answers or cases that it rests on")
    source: str = Field(min_length=1, max_length=500, pattern=TEXT)

    @model_validator(mode="after")
    def _within_its_scale(self) -> Self:
        low, high = {
            "survey": (1, 5),
            "nps": (-100, 100),
            "staff_kept": (0, 1),
            "customers_kept": (0, 1),
        }.get(self.kpi, (0, float("inf")))
        if not low <= self.value <= high:
            raise InvalidError(
                f"value: {self.kpi} goes from {low:g} to {high:g}, found {self.value:g}",
                f"value：{self.kpi} 的範圍為 {low:g} 至 {high:g}，填入的是 {self.value:g}",
            )
        return self


class KpiPoint(Message):
    day: date
    value: float
    n: int | None
    source: str


class Kpi(Message):
    """An imported figure over time, oldest first."""

    key: KpiKey
    category: Literal["innovation", "employees", "customers"]
    points: list[KpiPoint]


class NewClass(Message):
    """A defect class that people named before any model here knew it."""

    name: str
    first_named_at: datetime
    known_at: datetime | None = Field(description="when a model that knows it was first put in charge; null: not yet")
    days: float = Field(description="from the first review that named it until then, or until now")


class Kpis(Message):
    """Tracked, and never summed into money."""

    override_rate: Rate = Field(description="decisions of people against a verdict of PASS or REJECT")
    new_classes: list[NewClass]
    imported: list[Kpi]


class Candidate(Record):
    """A place where the next camera could stand."""

    name: Name
    volume: Amount = Field(description="parts a year")
    defective_rate: float = Field(gt=0, lt=1, description="share of truly defective parts, best guess")
    defective_rate_low: float | None = Field(default=None, gt=0, lt=1)
    defective_rate_high: float | None = Field(default=None, gt=0, lt=1)
    escape_rate: float = Field(ge=0, le=1, description="share of the defective parts that is passed today")
    escape_cost: Amount = Field(description="an escape, in the plant's currency")
    escape_cost_low: Amount | None = None
    escape_cost_high: Amount | None = None
    cost: Amount = Field(description="cameras, integration, labels and training of staff, once")
    run: Annotated[float, Field(ge=0, le=LARGEST)] = Field(default=0, description="running costs a year")
    labelled_images: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    defect_images: int = Field(default=0, ge=0, le=LARGEST, description="of these, with a defect")
    camera: bool = Field(default=False, description="a camera is there already")
    strategic_fit: int = Field(default=3, ge=1, le=5, description="5: the plant's next products depend on it")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("defective_rate", "escape_cost"):
            value = getattr(self, name)
            low, high = getattr(self, f"{name}_low"), getattr(self, f"{name}_high")
            if (low is not None and low > value) or (high is not None and high < value):
                raise InvalidError(
                    f"{name}: {value:g} is not between its low and high", f"{name}：{value:g} 不在其下限與上限之間"
                )
        if self.defect_images > self.labelled_images:
            raise InvalidError(
                f"defect_images: {self.defect_images} of only {self.labelled_images} labelled images",
                f"defect_images：缺陷影像 {self.defect_images} 張，但已標註的影像只有 {self.labelled_images} 張",
            )
        return self


MOST_CANDIDATES = 200


class CandidateRequest(Message):
    candidates: list[Candidate] = Field(min_length=1, max_length=MOST_CANDIDATES)


class RankedCandidate(Message):
    """A candidate with what the first three years would bring, and how ready its data are."""

    candidate: Candidate
    expected: float = Field(description="mean net present value of the draws")
    p5: float
    p50: float
    p95: float
    loses: float = Field(description="share of the draws with a negative net present value")
    readiness: float = Field(description="0..1: camera, labelled images, and images with defects")
    missing: list[Text] = Field(description="what the data lack")
    expected_rank: int
    readiness_rank: int
    step: Literal["pilot", "next", "later", "collect_data", "not_worth"] = Field(
        description="where to start, where to go then, and what to leave"
    )


class Ranking(Message):
    """Candidates, the most valuable first."""

    currency: str
    years: int
    items: list[RankedCandidate]
    notes: list[Text]

"""What goes over HTTP about a comparison of people, the model, and people who see the model, on the same parts."""

from typing import Literal

from pydantic import Field

from data.wording import Text
from serving.quality_schema import Comparison, StudyKind
from serving.schema import Message

Who = Literal["people", "model", "people_with_model"]


class Estimate(Message):
    """A mean over `n` parts with its 95 % interval; null until `n` reaches `needed`."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    needed: int


class Reader(Message):
    """How well, and how fast, one of the three calls the parts."""

    who: Who
    sensitivity: Estimate = Field(description="of defective parts called defective; 1 minus it is the miss rate")
    specificity: Estimate = Field(description="of good parts called good; 1 minus it is the false-alarm rate")
    seconds: Estimate | None = Field(description="for one part; null for the model")


class PairedGap(Message):
    """`first` minus `second` on the same parts."""

    first: Who
    second: Who
    sensitivity: Estimate
    specificity: Estimate
    seconds: Estimate | None
    right: Comparison = Field(description="parts that they call rightly, people by the call of most (McNemar)")


class StudyComparison(Message):
    """A study's result against its known truth, over the parts that all people called in all trials."""

    study_id: str
    kind: StudyKind
    defective: int
    good: int
    missing: int
    readers: list[Reader]
    gaps: list[PairedGap]
    notes: list[Text]

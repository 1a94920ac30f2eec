"""What goes over HTTP about rates of verdicts and throughput."""

from datetime import datetime

from pydantic import Field

from data.wording import Text
from serving.schema import Message


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
    bucket_seconds: int = Field(
        description="of more than an hour, where they make up a day or are made of days, they go by the plant's clock, so "
        "that one with a clock change is an hour shorter or longer"
    )
    series: list[QualityBucket] = Field(
        description="one for every stretch of the period up to now, also where there was no frame; empty when there was none"
    )


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

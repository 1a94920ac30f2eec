"""One measured figure, never without the interval that says how far to trust it."""

from pydantic import Field

from data.record import Record


class Metric(Record):
    """A rate or score with its 95 % interval and the number of images that it rests on."""

    value: float
    low: float
    high: float
    n: int = Field(ge=0)

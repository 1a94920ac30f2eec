"""One measured figure, never without the interval that says how far to trust it."""

from pydantic import BaseModel, ConfigDict, Field


class Metric(BaseModel):
    """A rate or score with its 95 % interval and the number of images that it rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float
    n: int = Field(ge=0)

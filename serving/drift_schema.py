"""What goes over HTTP about drift."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from serving.schema import Message, ModelRef

Against = Literal["training", "promotion"]


class DriftCheck(Message):
    """One statistic of a window of frames; above its limit something changed."""

    statistic: Literal["psi", "distance"] = Field(
        description="psi: population stability index of the scores; distance: of the mean embedding, in standard deviations"
    )
    against: Against = Field(
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
    against: Against


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

"""What goes over HTTP about thresholds and their changes."""

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from data.decide import Guarantee, InForce, Thresholds
from data.operating import OperatingCurve
from serving.model_schema import RecipeRef
from serving.schema import InvalidError, Message, ModelRef, Name, Reason


class ThresholdRequest(Message):
    """Other thresholds for the model that decides, from the next frame on."""

    pass_below: float = Field(ge=0, le=1)
    reject_from: float = Field(ge=0, le=2, description="above 1 nothing is rejected without a person")
    model: ModelRef = Field(description="that the person saw deciding; refused with 409 when another one does by now")
    person: Name
    reason: Reason
    recipe: RecipeRef | None = Field(
        default=None,
        description="for this recipe alone; without it, wherever no recipe has thresholds or a model of its own",
    )
    without_guarantee: bool = Field(
        default=False, description="go ahead although no guarantee covers these thresholds; needs the right to"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.pass_below > self.reject_from:
            raise InvalidError(
                f"pass_below {self.pass_below} is above reject_from {self.reject_from}",
                f"合格上限 {self.pass_below} 高於剔退下限 {self.reject_from}",
            )
        return self


class ThresholdChange(Message):
    """One change: from what to what, by whom and why."""

    change: int
    model: ModelRef
    old: Thresholds
    new: Thresholds
    guaranteed: bool
    person: str
    reason: str
    set_at: datetime


class ThresholdsHere(Message):
    """At which thresholds the model decides for a recipe, or wherever none has its own; what they promise, and how it came so."""

    recipe: RecipeRef | None
    model: ModelRef
    own: Thresholds = Field(description="the model's, as its training chose them")
    in_force: InForce
    promised: Guarantee = Field(description="at the model's own thresholds")
    guarantee: Guarantee | None = Field(
        description="at the thresholds in force, counted anew on the held-out images; null: nothing tells"
    )
    curve: OperatingCurve | None = Field(
        description="held-out images below each possible threshold; null: this model carries no curve"
    )
    changes: list[ThresholdChange] = Field(description="newest first, at most 50, those for other models too")

"""What goes over HTTP about automation bias: what seeing the model's verdict does to the calls of people."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from data.verdict import Verdict
from data.wording import Text
from serving.quality_schema import Share
from serving.schema import Message


class Observed(Share):
    """A share; `value` stays null, and the interval with it, until `n` reaches `needed`."""

    needed: int


class Gap(Message):
    """A difference of two shares with its 95 % interval (Newcombe's hybrid score); null while either has too few."""

    value: float | None
    low: float | None
    high: float | None


class Overrides(Message):
    """How often people decided against one verdict of the model; `shown` tells whether they saw it first."""

    verdict: Verdict
    shown: bool
    against: Observed


class DecisionTimes(Message):
    """How long people looked before they decided, in seconds; quantiles are null while there are too few."""

    shown: bool
    n: int
    needed: int
    p10: float | None
    p50: float | None
    p90: float | None
    counts: list[int] = Field(description="decisions by `edges`: below the first, between each two, from the last on")


class PersonBias(Message):
    """One person's calls; only where the settings allow it, and under a pseudonym unless they allow names."""

    name: str
    decisions: int
    agreed_shown: Observed
    agreed_blind: Observed
    caught: Observed
    median_seconds: float | None


class BiasMetrics(Message):
    """Whether people follow the model rather than their eyes.

    Which flagged frames are decided blind is drawn by chance, so the two groups differ in nothing but what people saw: the gap
    is what the verdict on the screen does. Only the first decision on each frame counts.
    """

    since: datetime
    until: datetime
    agreed_shown: Observed = Field(description="flagged frames called defective, with the verdict on the screen")
    agreed_blind: Observed = Field(description="flagged frames called defective, without it")
    gap: Gap = Field(description="shown minus blind: above 0, people call more defects because the model did")
    overrides: list[Overrides]
    caught: Observed = Field(description="challenge parts known defective that people called defective, blind")
    cleared: Observed = Field(description="challenge parts known good that people called good, blind")
    model_caught: Observed = Field(description="the same challenge parts, flagged by the model")
    model_cleared: Observed = Field(description="the same challenge parts, passed by the model")
    second: Observed = Field(description="second opinions, blind, that were the same as the first one")
    first_defect_only: int = Field(description="second opinions of good where the first was defective")
    second_defect_only: int = Field(description="the other way round")
    switched: Observed = Field(description="blind calls that the same person changed after the model's verdict showed")
    switched_to_model: int = Field(description="of these, so that they agreed with the model")
    edges: list[float] = Field(description="seconds")
    times: list[DecisionTimes]
    people_shown: Literal["none", "pseudonyms", "names"]
    people: list[PersonBias]
    notes: list[Text]

"""What goes over HTTP about models, their promotions and shadows."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from data.decide import Guarantee, Thresholds
from data.verdict import Verdict
from data.wording import Text
from serving.metrics_schema import Rate
from serving.schema import TEXT, Inspection, Message, Name, Reason


class RecipeRef(Message):
    """Which recipe: a product at a station."""

    product: Name
    station: Name


class ModelInfo(Message):
    """A bundle on this server."""

    name: str
    version: str
    created_at: datetime
    precision: str
    defect_classes: list[str]
    active: bool = Field(description="it decides wherever no recipe has a model of its own")
    decides_for: list[RecipeRef] = Field(
        description="the recipes that it decides for by a promotion or setting of theirs"
    )
    shadow: bool = Field(default=False, description="scores the same frames silently")
    previous: bool = Field(default=False, description="decided before the active one: where a roll-back leads")
    amiss: Text | None = Field(
        default=None,
        description="what is wrong on disk with the files of a bundle in use: it works from memory, and the next start "
        "could not take it",
    )
    thresholds: Thresholds
    guarantee: Guarantee
    metrics: dict[str, float]


class PromotionKind(StrEnum):
    """Why a model was let in: it is better, or it decided here before, or a person overruled what spoke against it."""

    PROMOTED = "PROMOTED"
    ROLLED_BACK = "ROLLED_BACK"
    FORCED = "FORCED"


class PromoteRequest(Message):
    version: str = Field(max_length=128, pattern=TEXT)
    reason: Reason
    person: Name | None = Field(default=None, description="who answers for it; the caller, when that is known")
    force: bool = Field(
        default=False,
        description="go ahead although it misses a target or is not shown to be better; kept with the reason",
    )
    recipe: RecipeRef | None = Field(
        default=None, description="let it decide for this recipe alone; without it, wherever no recipe has its own"
    )


class ShadowRequest(Message):
    """Which bundle is to score the line's frames silently."""

    version: str = Field(max_length=128, pattern=TEXT)
    reason: Reason
    person: Name


class ShadowInfo(Message):
    """A bundle that scores, or scored, the frames that another decided."""

    number: int = Field(description="by which a baseline names this time of shadowing")
    name: str
    version: str
    reason: str
    person: str
    started_at: datetime
    ended_at: datetime | None


class VerdictPair(Message):
    """How many frames got these two verdicts."""

    active: Verdict
    shadow: Verdict
    frames: int


class Difference(Message):
    """A frame on which the two disagree."""

    inspection: Inspection
    shadow_verdict: Verdict
    shadow_defect_probability: float


class ReviewedPairs(Message):
    """The two models on frames that a person has decided; right is to flag a defect, or to pass a good part."""

    n: int
    both_right: int
    only_active_right: int
    only_shadow_right: int
    neither_right: int
    mcnemar_p: float | None = Field(
        description="chance of so uneven a split of the frames that only one decided rightly, were the two equally good "
        "(exact, two-sided; frames of one part change sides together); null when there is no such frame"
    )


class ShadowComparison(Message):
    """Both models on the same frames. Flagged is whatever is not PASS.

    Shares are of frames; their intervals (Wilson, with the frames' effective number by Korn and Graubard 1998) take frames of
    one part together, as that of `flag_change` does.
    """

    shadow: ShadowInfo | None = Field(description="null when no bundle has been a shadow here")
    frames: int
    pairs: list[VerdictPair]
    agreement: Rate
    active_flags: Rate
    shadow_flags: Rate
    flag_change: float | None = Field(description="shadow's share of flags minus the active one's")
    flag_change_low: float | None = Field(
        description="95 % interval (Agresti and Min 2005), frames of one part taken together"
    )
    flag_change_high: float | None
    reviewed: ReviewedPairs
    latency_p50_ms: float | None = Field(description="of the shadow's own run on one frame, at low priority")
    differences: list[Difference] = Field(description="the newest frames with other verdicts, at most 50")
    notes: list[Text]

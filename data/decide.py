"""From a defect probability to a verdict, and from held-out predictions to the two thresholds with their guarantee."""

import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.stats import binom

from data.verdict import Verdict


class Thresholds(BaseModel):
    """Below `pass_below` PASS, from `reject_from` REJECT, between REVIEW.

    `pass_below` 0 passes nothing; a `reject_from` above 1 rejects nothing without a person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pass_below: float = Field(ge=0, le=1)
    reject_from: float = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.pass_below > self.reject_from:
            raise ValueError(f"pass_below {self.pass_below} is above reject_from {self.reject_from}")
        return self


class Bound(BaseModel):
    """A one-sided limit on an error rate, `rate <= limit` with confidence `1 - delta`, over `n` held-out images.

    `allowed` is how many of the n may err at the threshold; None when n is too small for any promise, and then
    `needed` says how many images the limit takes. `observed` is how many of them did err.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: str
    limit: float = Field(gt=0, lt=1)
    delta: float = Field(gt=0, lt=1)
    n: int = Field(ge=0)
    allowed: int | None
    observed: int = Field(ge=0)
    needed: int

    @property
    def holds(self) -> bool:
        return self.allowed is not None

    @property
    def sentence(self) -> str:
        """The guarantee in one plain sentence."""
        confidence = f"{1 - self.delta:.0%} confidence"
        if self.allowed is None:
            return (
                f"No guarantee possible for {self.rate} <= {self.limit:.1%} at {confidence} with {self.n} held-out "
                f"images; {self.needed} are needed. The most cautious threshold is used."
            )
        return (
            f"{self.rate} <= {self.limit:.1%} at {confidence}, from {self.n} held-out images "
            f"({self.observed} erred, {self.allowed} allowed)."
        )


class Aims(BaseModel):
    """What the plant asks of the thresholds; the limits are rates in 0..1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    escape_rate: float = Field(default=0.02, gt=0, lt=1)
    reject_good_rate: float = Field(default=0.01, gt=0, lt=1)
    delta: float = Field(default=0.05, gt=0, lt=1)


class Guarantee(BaseModel):
    """What the thresholds promise: escapes among defective parts, and good parts rejected with no person looking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    escape: Bound
    reject_good: Bound


def decide(defect_probability: float, thresholds: Thresholds) -> Verdict:
    """The verdict for one calibrated defect probability in 0..1; anything else, NaN too, is NO_DECISION.

    >>> limits = Thresholds(pass_below=0.1, reject_from=0.9)
    >>> [decide(p, limits).value for p in (0.05, 0.1, 0.9, float("nan"))]
    ['PASS', 'REVIEW', 'REJECT', 'NO_DECISION']
    """
    if not 0.0 <= defect_probability <= 1.0:
        return Verdict.NO_DECISION
    if defect_probability < thresholds.pass_below:
        return Verdict.PASS
    if defect_probability >= thresholds.reject_from:
        return Verdict.REJECT
    return Verdict.REVIEW


def allowed_errors(n: int, limit: float, delta: float) -> int | None:
    """The largest k with BinomCDF(k; n, limit) <= delta, None when even k = 0 is too many (Learn-then-Test, arXiv 2110.01052).

    >>> [allowed_errors(n, 0.01, 0.05) for n in (298, 299, 472, 473, 1049)]
    [None, 0, 0, 1, 5]
    """
    k = int(binom.ppf(delta, n, limit))
    while k >= 0 and binom.cdf(k, n, limit) > delta:
        k -= 1
    return k if k >= 0 else None


def needed_images(limit: float, delta: float) -> int:
    """The fewest held-out images with which `limit` can be promised at all (no error allowed).

    >>> needed_images(0.02, 0.05)
    149
    """
    return math.ceil(math.log(delta) / math.log1p(-limit))


def choose_thresholds(defect_probability: ArrayLike, is_defect: ArrayLike, aims: Aims) -> tuple[Thresholds, Guarantee]:
    """The widest PASS and REJECT ranges that keep both bounds of `aims`.

    `defect_probability` float [n] in 0..1 and `is_defect` bool [n] are held-out: no image of them was trained on.
    PASS ends at the (k+1)-th smallest defect score, so at most k held-out defects lie below; REJECT starts just above the
    (k+1)-th largest good score. Where the ranges would overlap, REJECT gives way: both bounds still hold.
    Raises ValueError for scores outside 0..1 or NaN, and for shapes that differ.
    """
    scores = np.asarray(defect_probability, dtype=np.float64)
    defect = np.asarray(is_defect, dtype=bool)
    if scores.ndim != 1 or scores.shape != defect.shape:
        raise ValueError(f"expected two vectors of one length, got shapes {scores.shape} and {defect.shape}")
    if not np.all((scores >= 0) & (scores <= 1)):
        raise ValueError("defect probabilities must lie in 0..1; found values outside or NaN")

    defect_scores = np.sort(scores[defect])
    allowed = allowed_errors(len(defect_scores), aims.escape_rate, aims.delta)
    pass_below = 0.0 if allowed is None else float(defect_scores[allowed])
    escape = _bound("escape rate", aims.escape_rate, aims.delta, defect_scores, allowed, defect_scores < pass_below)

    good_scores = np.sort(scores[~defect])[::-1]
    allowed = allowed_errors(len(good_scores), aims.reject_good_rate, aims.delta)
    reject_from = np.nextafter(1.0 if allowed is None else good_scores[allowed], np.inf)
    reject_from = max(float(reject_from), pass_below)
    reject_good = _bound(
        "good parts rejected", aims.reject_good_rate, aims.delta, good_scores, allowed, good_scores >= reject_from
    )
    return (
        Thresholds(pass_below=pass_below, reject_from=reject_from),
        Guarantee(escape=escape, reject_good=reject_good),
    )


def _bound(
    rate: str,
    limit: float,
    delta: float,
    scores: NDArray[np.float64],
    allowed: int | None,
    erred: NDArray[np.bool_],
) -> Bound:
    return Bound(
        rate=rate,
        limit=limit,
        delta=delta,
        n=len(scores),
        allowed=allowed,
        observed=int(erred.sum()),
        needed=needed_images(limit, delta),
    )

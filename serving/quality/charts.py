"""Control charts of counts: limits frozen from a baseline, points in standard deviations, and when they signal.

Formulas after Montgomery, Introduction to Statistical Quality Control (8th ed., chapters 7 and 9); Laney's p' (2002).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

EWMA_WEIGHT = 0.2
EWMA_LIMIT = 2.9
CUSUM_SLACK = 0.5
CUSUM_LIMIT = 5.0

ChartKind = Literal["p", "u", "laney"]
Rule = Literal["beyond_3", "two_of_three", "four_of_five", "eight_on_one_side", "ewma", "cusum"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """What a baseline froze: the mean count for a unit, and by how much more the points vary than chance alone makes them."""

    kind: ChartKind
    centre: float
    spread: float = 1.0
    """Laney's sigma_z; 1 for p and u"""

    def sigma(self, n: int) -> float:
        """Standard deviation of a point of `n` units."""
        variance = self.centre if self.kind == "u" else self.centre * (1 - self.centre)
        return self.spread * float(np.sqrt(variance / n))

    def bounds(self, n: int, sigmas: float = 3.0) -> tuple[float, float]:
        """Lower and upper limit of a point of `n` units; never below 0, and a share never above 1."""
        upper = self.centre + sigmas * self.sigma(n)
        return max(0.0, self.centre - sigmas * self.sigma(n)), upper if self.kind == "u" else min(1.0, upper)

    def score(self, count: int, n: int) -> float:
        """How many standard deviations a point lies above the centre; 0 where nothing ever varied."""
        sigma = self.sigma(n)
        return (count / n - self.centre) / sigma if sigma > 0 else 0.0


def freeze(kind: ChartKind, counts: Sequence[int], n: Sequence[int]) -> Limits:
    """Limits from the points of a baseline, at least two.

    A baseline without a single count has no spread; half a count is put in, so that the first defects do not lie infinitely far.
    """
    hits, units = np.asarray(counts, float), np.asarray(n, float)
    total = hits.sum() if 0 < hits.sum() < units.sum() or (kind == "u" and hits.sum() > 0) else abs(hits.sum() - 0.5)
    limits = Limits(kind, float(total / units.sum()))
    if kind != "laney":
        return limits
    scores = np.array([limits.score(int(hit), int(unit)) for hit, unit in zip(hits, units, strict=True)])
    moving = float(np.abs(np.diff(scores)).mean()) / 1.128
    return Limits(kind, limits.centre, moving if moving > 0 else 1.0)


def ewma(scores: Sequence[float], weight: float = EWMA_WEIGHT) -> Floats:
    """Exponentially weighted mean of the scores so far, from 0; in standard deviations of a point."""
    values, last = np.empty(len(scores)), 0.0
    for number, score in enumerate(scores):
        last = weight * score + (1 - weight) * last
        values[number] = last
    return values


def ewma_limit(number: NDArray[np.int64], weight: float = EWMA_WEIGHT, width: float = EWMA_LIMIT) -> Floats:
    """Limit of the EWMA at each point `number`, counted from 0; it widens over the first points."""
    limit: Floats = width * np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2.0 * (number + 1))))
    return limit


def cusum(scores: Sequence[float], slack: float = CUSUM_SLACK, limit: float = CUSUM_LIMIT) -> tuple[Floats, Floats]:
    """Page's (1954) upper and lower cumulative sums of the scores beyond `slack`; both are at least 0.

    A sum that passed `limit` starts again from 0: somebody knows now.
    """
    upper, lower = np.empty(len(scores)), np.empty(len(scores))
    high = low = 0.0
    for number, score in enumerate(scores):
        high = max(0.0, (0.0 if high > limit else high) + score - slack)
        low = max(0.0, (0.0 if low > limit else low) - score - slack)
        upper[number], lower[number] = high, low
    return upper, lower


def signals(scores: Sequence[float]) -> list[set[Rule]]:
    """Which rules each point completes: Western Electric's four (1956), EWMA and CUSUM.

    Western Electric's run rules together signal in control every 92 points (Champ and Woodall 1987), the 3 sigma limit alone
    every 370, EWMA (0.2, 2.9) and CUSUM (0.5, 5) every 400 and 465.
    """
    z = np.asarray(scores, float)
    numbers = np.arange(len(z))
    upper, lower = cusum(scores)
    flags: dict[Rule, NDArray[np.bool_]] = {
        "beyond_3": np.abs(z) > 3,
        "two_of_three": _run(z, 2, 3, 2.0),
        "four_of_five": _run(z, 4, 5, 1.0),
        "eight_on_one_side": _run(z, 8, 8, 0.0),
        "ewma": np.abs(ewma(scores)) > ewma_limit(numbers),
        "cusum": np.maximum(upper, lower) > CUSUM_LIMIT,
    }
    found: list[set[Rule]] = [set() for _ in numbers]
    for rule, flagged in flags.items():
        for number in np.flatnonzero(flagged):
            found[number].add(rule)
    return found


def _run(z: Floats, at_least: int, of: int, sigmas: float) -> NDArray[np.bool_]:
    """Where `at_least` of the last `of` points, the point itself among them, lie beyond `sigmas` on the same side."""
    found = np.zeros(len(z), bool)
    for side in (1.0, -1.0):
        beyond = side * z > sigmas
        so_far = np.concatenate([np.zeros(of, int), np.cumsum(beyond)])
        found |= beyond & (so_far[of:] - so_far[:-of] >= at_least)
    return found

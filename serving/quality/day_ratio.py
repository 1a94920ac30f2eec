"""What a part takes, from days with their parts and what all of them took: lines and products in given proportions, with an
interval that holds where few days are known, where days differ much in size, and where all lines have a bad day together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from serving.quality.escape import Interval

Floats = NDArray[np.float64]
_FURTHEST = 50.0
"""of a logarithm: with a single degree of freedom a draw may be beyond any number"""


@dataclass(frozen=True)
class DayRatio:
    """The mean for each part; its logarithm is off by `log_error` times Student's t of so many `degrees` of freedom."""

    value: float
    log_error: float
    degrees: float

    @property
    def interval(self) -> Interval:
        """At 95 %."""
        factor = float(np.exp(min(t.ppf(0.975, self.degrees) * self.log_error, _FURTHEST)))
        return Interval(self.value, self.value / factor, self.value * factor)

    def draws(self, random: np.random.Generator, size: int) -> Floats:
        """What it may be, `size` times."""
        off = self.log_error * random.standard_t(self.degrees, size)
        drawn: Floats = self.value * np.exp(np.clip(off, -_FURTHEST, _FURTHEST))
        return drawn


def day_ratio(parts: Floats, took: Floats, weights: Floats) -> DayRatio:
    """`parts` and `took` are [strata, days], both 0 where a stratum has no such day; `weights` [strata] are the proportions.

    The ratio of each stratum (Cochran 1977) by its weight. Their error is the jackknife's over days, which is not too small
    with few of them; a day counts in all strata at once, as one cluster, where that makes the error larger (Bell and McCaffrey
    2002). A stratum whose days differ less than those of all do on average is taken to differ as they do, and one with a single
    day by as much as it took itself: nothing tells of its days. The degrees of freedom are Satterthwaite's, the fewest of three
    models: all strata differ alike, each as it was seen to, all together. Raises ValueError when no stratum has two days.
    """
    made, days = parts.sum(axis=1), (parts > 0).sum(axis=1)
    if days.max(initial=0) < 2:
        raise ValueError("no line and product has two days: give more days")
    each = took.sum(axis=1) / made
    value = float(weights @ each / weights.sum())
    # What took no time is as sure as it can be.
    some = weights * each > 0
    many = some & (days > 1)
    share = np.where(some, weights * each, 0.0) / max(float(weights @ each), 1e-300)
    error = float((share[some & ~many] ** 2).sum())
    if not many.any():
        return DayRatio(value, float(np.sqrt(error)), float((days - 1).sum()))
    share, of, free = share[many], parts[many] / made[many, None], days[many] - 1
    # How much the ratio moves when a day is left out, for each unit by which that day is off.
    left_out = of / (1 - of) * np.sqrt(free / (free + 1))[:, None]
    seconds = np.where(of > 0, took[many] / np.where(of > 0, parts[many], 1.0), 0.0)
    moved = left_out * (seconds / each[many, None] - 1)
    differ = (moved**2).sum(axis=1) / (of**2).sum(axis=1)
    alike = float(free @ differ / free.sum())
    by_cell = share[:, None] * moved
    error += max(float((by_cell**2).sum()), float((by_cell.sum(axis=0) ** 2).sum()))
    error += float((share**2 * (of**2).sum(axis=1)) @ np.maximum(0.0, alike - differ))
    degrees = [_degrees_apart(share[:, None] * left_out, of), _degrees_together(share[:, None] * left_out, of)]
    if alike > 0:
        degrees.append(_degrees_apart((share * np.sqrt(differ))[:, None] * left_out, of))
    return DayRatio(value, float(np.sqrt(error)), min(degrees))


def _degrees_apart(moves: Floats, of: Floats) -> float:
    """Where a day of one stratum says nothing of the others'."""
    crossed, own = (moves * of).T @ moves, (of**2).sum(axis=1)
    return _degrees(np.diag((moves**2).sum(axis=0)) - crossed - crossed.T + (moves * own[:, None]).T @ moves)


def _degrees_together(moves: Floats, of: Floats) -> float:
    """Where a day is as good or bad in all strata."""
    by_day = np.diag(moves.sum(axis=0)) - moves.T @ of
    return _degrees(by_day @ by_day.T)


def _degrees(covariance: Floats) -> float:
    """Of a sum of squares of numbers with this covariance (Satterthwaite 1946), never below that of one number."""
    return max(1.0, float(np.trace(covariance) ** 2 / (covariance**2).sum()))

"""Means over parts that several people called several times, with intervals: the part is what the next study would draw anew.

Calls of one part depend on each other, so they are averaged first; the adjusted intervals hold where all parts are alike too.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from serving.quality.escape import Interval

Floats = NDArray[np.float64]


def share(per_part: Floats) -> Interval:
    """The mean of shares in 0..1, one a part, [n] with n >= 1: Agresti and Coull (1998), two parts of either kind added.

    For shares of 0 and 1 alone it is theirs, with Student's quantile.
    """
    return _adjusted(per_part, np.array([0.0, 1.0]), np.array([2.0, 2.0]), 0.0)


def gap(per_part: Floats) -> Interval:
    """The mean of paired differences in -1..1, one a part, [n] with n >= 1: Agresti and Min (2005), half a part in each cell."""
    return _adjusted(per_part, np.array([-1.0, 0.0, 1.0]), np.array([0.5, 1.0, 0.5]), -1.0)


def mean(per_part: Floats) -> Interval | None:
    """Student's interval of a mean of any numbers, one a part; None for fewer than two."""
    if per_part.size < 2:
        return None
    value = float(per_part.mean())
    half = float(t.ppf(0.975, per_part.size - 1) * per_part.std(ddof=1) / np.sqrt(per_part.size))
    return Interval(value, value - half, value + half)


def _adjusted(per_part: Floats, added: Floats, weights: Floats, least: float) -> Interval:
    n = per_part.size + float(weights.sum())
    centre = float(per_part.sum() + added @ weights) / n
    spread = float(((per_part - centre) ** 2).sum() + (added - centre) ** 2 @ weights) / n
    half = float(t.ppf(0.975, n - 1)) * float(np.sqrt(spread / n))
    value = float(per_part.mean())
    return Interval(value, max(least, min(value, centre - half)), min(1.0, max(value, centre + half)))

"""How many passed parts to audit in each score band, so that the audits teach most about escapes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BAND_EDGES = (0.05, 0.2, 0.5)
"""Bands of a passed part by its defect probability relative to the pass limit; the last band ends at the limit."""

BANDS = len(BAND_EDGES) + 1

_PRIOR_WEIGHT = 20.0
"""how many audits the model's own calibrated probability is worth, when a band's share of defects is guessed"""

Floats = NDArray[np.float64]


def band_of(defect_probability: float, pass_below: float) -> int:
    """The band, 0 to BANDS - 1, of a part that passed because its probability is below `pass_below`."""
    relative = defect_probability / pass_below if pass_below > 0 else 0.0
    return int(np.searchsorted(BAND_EDGES, relative, side="right"))


def expected_share(defects: Sequence[int], audited: Sequence[int], mean_score: Sequence[float]) -> Floats:
    """Guessed share of defects in each band, in 0..1: its audits, pulled towards the model's mean probability there."""
    found, seen = np.asarray(defects, float), np.asarray(audited, float)
    share: Floats = (found + _PRIOR_WEIGHT * np.asarray(mean_score, float)) / (seen + _PRIOR_WEIGHT)
    return share


def allocate(sizes: Sequence[float], shares: Sequence[float], capacity: float, least: float) -> Floats:
    """Chance with which a passed part of each band is audited, in 0..1, so that about `capacity` are.

    Neyman's allocation (1934): n_h in proportion to N_h sqrt(p_h (1 - p_h)). Each band with parts gets at least `least` of
    the capacity, divided evenly, so that no band rests on the model's word alone; what a small band cannot use goes to the
    others. `sizes` are the parts expected in each band, `shares` their guessed shares of defects.
    """
    size, share = np.asarray(sizes, float), np.clip(np.asarray(shares, float), 0.0, 1.0)
    if capacity <= 0 or size.sum() <= 0:
        return np.zeros(len(size))
    need = size * np.sqrt(share * (1 - share))
    weight = need / need.sum() if need.sum() > 0 else size / size.sum()
    even = (size > 0) / np.count_nonzero(size > 0)
    weight = least * even + (1 - least) * weight
    drawn = np.zeros(len(size))
    open_bands = size > 0
    left = min(capacity, size.sum())
    while left > 1e-9 and open_bands.any() and weight[open_bands].sum() > 0:
        wanted = drawn.copy()
        wanted[open_bands] += left * (weight[open_bands] / weight[open_bands].sum())
        full = open_bands & (wanted >= size)
        drawn = np.where(open_bands, np.minimum(wanted, size), drawn)
        left = min(capacity, size.sum()) - drawn.sum()
        if not full.any():
            break
        open_bands &= ~full
    chances: Floats = np.divide(drawn, size, out=np.zeros(len(size)), where=size > 0)
    return chances

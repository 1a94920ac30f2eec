"""Whether the frames of a camera still come from where the model's held-out images came from: scores and embeddings of many.

Two statistics of a window of frames against a reference sample, each with the limit that an unchanged camera exceeds with a
stated chance:

- the population stability index of the defect probabilities over the reference's ten quantile bins (Yurdakul and Naranjo, The
  Journal of Risk Model Validation 14(4), 2020);
- the distance of the mean position (`data.novelty.Novelty.position`) from the reference's mean, in standard deviations, as the
  root mean square over the directions: Mahalanobis' with the directions taken for uncorrelated.

No distribution is assumed for the limits: windows and references of the same sizes are drawn from the reference sample itself
(bootstrap, Efron 1979), and a shifted chi-square with their mean, variance and skewness gives the far tail (Pearson's
three-moment approximation; Imhof 1961).
"""

import io
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm, skew

LEAST_SAMPLE = 50
"""Fewer frames tell too little of what is usual: no reference is made of them."""
MOST_SAMPLE = 500

_BINS = 10
_DRAWS = 4000
_BLOCK = 1_000_000
"""frames drawn at once, 8 MB"""
_REFERENCES, _WINDOWS = 0, 1
"""seeds: the two are drawn apart"""
_KEPT = 4
"""draws of 8 MB at most: of the reference, of the whole window and of its newest tenth, and one that fills up"""
_LEAST_SPREAD = 1e-3
"""of positions: equal frames have none, and all others would lie infinitely far"""
_SMOOTHING = 0.5

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Frames of one source: what the model said of each, and where each lies."""

    scores: Floats
    """[m], defect probabilities"""
    positions: Floats
    """[m, p]; p is 0 for a model without novelty"""

    @classmethod
    def read(cls, file: Path | io.BytesIO) -> Self:
        """From what `write` left; raises OSError, KeyError or ValueError for a file that is no such thing."""
        with np.load(file, allow_pickle=False) as stored:
            return cls(stored["scores"].astype(np.float32), stored["positions"].astype(np.float32))

    def write(self, file: Path | io.BytesIO) -> None:
        """As an .npz, without pickle: at most MOST_SAMPLE frames, evenly chosen, positions in half precision."""
        chosen = np.linspace(0, len(self.scores) - 1, min(len(self.scores), MOST_SAMPLE)).astype(int)
        np.savez(file, scores=self.scores[chosen], positions=self.positions[chosen].astype(np.float16))


class Limits(NamedTuple):
    """What a window of an unchanged camera exceeds with the stated chance, each of the two; `distance` None without positions."""

    psi: float
    distance: float | None


@dataclass(frozen=True)
class Reference:
    """A sample to hold windows against; make it with `Reference.of`."""

    sample: Sample
    edges: NDArray[np.float64]
    """[bins - 1], between the bins of the score; a score equal to an edge lies above it"""
    counts: NDArray[np.int64]
    """[bins], of the sample"""
    mean: NDArray[np.float64]
    """[p]"""
    spread: NDArray[np.float64]
    """[p], standard deviations"""
    _limits: dict[tuple[int, float], Limits] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, sample: Sample) -> Self:
        """Raises ValueError for a sample of fewer than LEAST_SAMPLE frames, or with numbers that are not finite."""
        if len(sample.scores) < LEAST_SAMPLE:
            raise ValueError(f"{len(sample.scores)} frames are no reference; {LEAST_SAMPLE} are needed")
        if not (np.isfinite(sample.scores).all() and np.isfinite(sample.positions).all()):
            raise ValueError("scores and positions must be finite; found NaN or infinity")
        edges = np.unique(np.quantile(sample.scores.astype(np.float64), np.arange(1, _BINS) / _BINS, method="lower"))
        # An edge at the smallest score leaves nothing below it; where nearly all scores are that one, the others share a bin.
        least = sample.scores.min()
        edges = edges[edges > least] if edges[-1] > least else np.unique(sample.scores[sample.scores > least])[:1]
        positions = sample.positions.astype(np.float64)
        return cls(
            sample=sample,
            edges=edges,
            counts=_binned(sample.scores, edges),
            mean=positions.mean(axis=0),
            spread=np.maximum(positions.std(axis=0, ddof=1), _LEAST_SPREAD),
        )

    def binned(self, scores: NDArray[np.floating]) -> NDArray[np.int64]:
        """How many of scores [n] fall into each bin."""
        return _binned(scores, self.edges)

    def psi(self, scores: NDArray[np.floating]) -> float:
        """The population stability index of a window's scores [n]; 0 when they are spread as the reference's, no upper end."""
        return float(_psi(self.binned(scores)[None], self.counts[None])[0])

    def distance(self, mean: NDArray[np.floating]) -> float:
        """How far the mean position [p] of a window lies off, in standard deviations of single frames."""
        return float(np.sqrt(np.square((mean - self.mean) / self.spread).mean()))

    def limits(self, frames: int, false_alarm: float) -> Limits:
        """The limits for windows of `frames` frames, each exceeded with a chance of `false_alarm` when nothing changed.

        The first call for a size draws the samples (tens of milliseconds); later ones remember.
        """
        key = (frames, false_alarm)
        if key not in self._limits:
            self._limits[key] = self._draw(frames, false_alarm)
        return self._limits[key]

    def _draw(self, frames: int, false_alarm: float) -> Limits:
        random = np.random.default_rng(frames)
        m = len(self.sample.scores)
        shares = self.counts / m
        psi = _psi(random.multinomial(frames, shares, _DRAWS), random.multinomial(m, shares, _DRAWS))
        if not self.mean.size:
            return Limits(_tail(psi, false_alarm), None)
        standard = ((self.sample.positions - self.mean) / self.spread).astype(np.float32)
        drawn = _resampled(m, m, _REFERENCES)
        mean = drawn @ standard / m
        # Each drawn reference has a spread of its own, as this one has: without that, small ones would promise too much. A
        # sample's variance is short by (m - 1) / m, and that of a sample from a sample twice.
        variance = (drawn @ np.square(standard) / m - np.square(mean)) * (m / (m - 1)) ** 2
        window = _resampled(frames, m, _WINDOWS) @ standard / frames
        squared = (np.square(window - mean) / np.maximum(variance, _LEAST_SPREAD)).mean(axis=1, dtype=np.float64)
        return Limits(_tail(psi, false_alarm), float(np.sqrt(_tail(squared * m / (m - 1), false_alarm))))


@lru_cache(_KEPT)
def _resampled(frames: int, m: int, seed: int) -> Floats:
    """How often each of `m` comes when `frames` are drawn with replacement: [_DRAWS, m], whole numbers.

    What Generator.multinomial gives for equal chances, in a tenth of its time. It does not depend on the sample: cameras
    with references of one size share it.
    """
    random = np.random.default_rng((seed, frames, m))
    drawn = np.empty((_DRAWS, m), np.float32)
    rows = max(1, _BLOCK // frames)
    for first in range(0, _DRAWS, rows):
        count = min(rows, _DRAWS - first)
        cells = random.integers(m, size=(count, frames)) + np.arange(0, count * m, m)[:, None]
        drawn[first : first + count] = np.bincount(cells.ravel(), minlength=count * m).reshape(count, m)
    drawn.flags.writeable = False
    return drawn


def _binned(scores: NDArray[np.floating], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1)


def _psi(window: NDArray[np.int64], reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of counts [..., bins]; half a frame is added to each bin, so that an empty one is no infinity."""
    bins = window.shape[-1]
    actual, expected = (
        (counts + _SMOOTHING) / (counts.sum(axis=-1, keepdims=True) + bins * _SMOOTHING)
        for counts in (window, reference)
    )
    index: NDArray[np.float64] = ((actual - expected) * np.log(actual / expected)).sum(axis=-1)
    return index


def _tail(drawn: NDArray[np.float64], chance: float) -> float:
    """What values distributed as `drawn` exceed with the given chance."""
    mean, deviation = float(drawn.mean()), float(drawn.std())
    if not deviation:
        return mean
    skewness = float(skew(drawn))
    if skewness < 0.05:
        beyond = float(norm.isf(chance))
    else:
        freedom = 8 / skewness**2
        beyond = float((chi2.isf(chance, freedom) - freedom) / np.sqrt(2 * freedom))
    limit = mean + deviation * beyond
    return max(limit, float(drawn.max())) if chance < 1 / len(drawn) else limit

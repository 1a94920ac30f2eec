"""How far an image's embedding lies from everything seen in training, and where "unlike anything seen" begins.

Embeddings, scaled to unit length, are taken for one Gaussian whose few largest directions have variances of their own
and all others share one: probabilistic PCA (Tipping and Bishop 1999). The distance is Mahalanobis' under it (Lee et al.,
arXiv 1807.03888); most of what is unknown shows in the shared rest, outside the training images' own directions (as in
ViM, arXiv 2203.10807).

Fine-tuning for defects lets the last stage forget what its classes do not need, among it camera and light; the mean of
every channel at stride 16 keeps it. Measured with a briefly fine-tuned tf_efficientnet_lite0 on ELPV cells against 19 kinds
of other images (boards, photographs, noise, blur, tint, occlusion, other zoom ...), at 1 % false alarms: on average 91 % of a
kind were found with the means at stride 16, 60 % with the last stage's, 71 % with means and maxima of both.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import eigh

from data.metric import Metric
from data.record import Record

FALSE_ALARM = 0.01

_DIRECTIONS = 64
# Far below the variance between different images (1e-6), far above what rounding makes of equal ones (1e-17).
_LEAST_VARIANCE = 1e-12

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Novelty:
    """What is kept of the training images' embeddings, which are d long: k directions, all float32."""

    mean: Floats
    """[d], of the embeddings scaled to unit length"""
    directions: Floats
    """[k, d], orthonormal"""
    variance: Floats
    """[k], along the directions"""
    rest_variance: Floats
    """[], in each of the other d - k directions"""
    threshold: Floats
    """[], the distance beyond which an image is unknown"""

    @classmethod
    def read(cls, file: Path) -> Self:
        """From the .npz that `write` left; raises OSError, KeyError or ValueError for a file that is no such thing."""
        with np.load(file, allow_pickle=False) as stored:
            return cls(**{field.name: stored[field.name] for field in fields(cls)})

    def write(self, file: Path) -> None:
        """As an .npz, without pickle."""
        np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    def position(self, embedding: Floats) -> Floats:
        """Where embeddings float32 [n, D] lie, float32 [n, k + 1], in training standard deviations: along each direction, and
        in length across all others. The length of a position is the Mahalanobis distance.

        Of the embeddings the first d numbers are looked at, those that `fit_novelty` was given. Where these are not finite, the
        position is NaN. Raises ValueError for embeddings that are shorter.
        """
        length = len(self.mean)
        if embedding.ndim != 2 or embedding.shape[1] < length:
            raise ValueError(f"expected embeddings of length {length} or more, got shape {embedding.shape}")
        centred = _to_unit_length(embedding[:, :length]) - self.mean
        along = centred @ self.directions.T
        rest = centred - along @ self.directions
        across = np.sqrt(np.square(rest).sum(axis=1, keepdims=True) / self.rest_variance)
        position: Floats = np.hstack([along / np.sqrt(self.variance), across])
        return position

    def relative(self, position: Floats) -> Floats:
        """Distances of positions float32 [n, k + 1] relative to the threshold: float32 [n] from 0 up, for `is_unknown`."""
        distance: Floats = np.sqrt(np.square(position).sum(axis=1)) / self.threshold
        return distance

    def distance(self, embedding: Floats) -> Floats:
        """Distances of embeddings float32 [n, D] relative to the threshold; see `position` for what is looked at."""
        return self.relative(self.position(embedding))

    def unknown(self, embedding: Floats) -> NDArray[np.bool_]:
        """Which of the embeddings float32 [n, D] look unlike anything in training, bool [n]."""
        return np.array([is_unknown(distance) for distance in self.distance(embedding).tolist()], dtype=bool)


class NoveltySummary(Record):
    """How frames unlike anything in training are told, and how often known ones are taken for such.

    `expected` is the false-alarm rate that the threshold has on average over sets of `n` held-out images, `false_alarm` what
    it came to on the test images.
    """

    method: Literal["ppca"] = "ppca"
    threshold: float
    expected: float = Field(gt=0, lt=1)
    n: int = Field(gt=0)
    false_alarm: Metric

    @property
    def sentence(self) -> str:
        """What a person must know of it, in one plain sentence."""
        test = self.false_alarm
        return (
            f"Frames unlike anything in training go to a person: {test.value:.1%} of {test.n} test images (95 % interval "
            f"{test.low:.1%} to {test.high:.1%}; {self.expected:.1%} expected from {self.n} held-out images)."
        )


def is_unknown(distance: float | None) -> bool:
    """True for a relative distance beyond the threshold; False where there is none, for a model without novelty."""
    return distance is not None and distance > 1


def fit_novelty(training: Floats, held_out: Floats, false_alarm: float = FALSE_ALARM) -> Novelty:
    """The distance from the embeddings of `training` images, float32 [n, d] (or the first d numbers of them), and its threshold.

    The `held_out` embeddings, float32 [m, d], are of images that the network was not trained on. The threshold is the
    r-th largest of their distances with r = `false_alarms_expected`: another image of the same process lies beyond it with
    a chance of at most r / (m + 1) (split conformal prediction; Laxhammar and Falkman 2010). Both sets must come from the
    very model that will serve, for int8 moves embeddings. Raises ValueError for fewer than two training or one held-out
    embeddings, and for embeddings that are not finite.
    """
    if len(training) < 2 or len(held_out) < 1:
        raise ValueError(f"expected 2 training and 1 held-out embeddings, got {len(training)} and {len(held_out)}")
    if not (np.isfinite(training).all() and np.isfinite(held_out).all()):
        raise ValueError("embeddings must be finite; found NaN or infinity")
    unit = _to_unit_length(training)
    mean = unit.mean(axis=0)
    covariance = np.cov(unit - mean, rowvar=False, dtype=np.float32)
    length = len(covariance)
    # Few images span few directions: half of those stay in the rest, which would have no variance otherwise.
    k = max(1, min(_DIRECTIONS, (len(unit) - 1) // 2, length // 2))
    variance, directions = eigh(covariance, subset_by_index=[length - k, length - 1], check_finite=False)
    rest = (covariance.trace() - variance.sum()) / (length - k)
    unscaled = Novelty(
        mean=mean,
        directions=np.ascontiguousarray(directions.T),
        variance=np.maximum(variance, np.float32(_LEAST_VARIANCE)),
        rest_variance=np.asarray(max(rest, _LEAST_VARIANCE), np.float32),
        threshold=np.asarray(1, np.float32),
    )
    farthest = np.sort(unscaled.distance(held_out))[::-1]
    threshold = farthest[false_alarms_expected(len(held_out), false_alarm) - 1]
    # Equal images (all black, say) would leave no room at all: what lies within one standard deviation is never unknown.
    return replace(unscaled, threshold=np.asarray(max(threshold, 1), np.float32))


def false_alarms_expected(held_out: int, false_alarm: float = FALSE_ALARM) -> int:
    """Of `held_out` + 1 images of one process, how many `fit_novelty` expects beyond its threshold: at least one.

    >>> [false_alarms_expected(m, 0.01) for m in (16, 99, 198, 199, 500)]
    [1, 1, 1, 2, 5]
    """
    return max(1, int(false_alarm * (held_out + 1)))


def _to_unit_length(embedding: Floats) -> Floats:
    # An embedding of zeros stays at zero, far from every other.
    length = np.linalg.norm(embedding.astype(np.float64), axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(embedding / np.maximum(length, np.finfo(np.float64).tiny), np.float32)

"""Whether a frame looks like one that the camera of the training images could have taken: cheap measures before the model.

A black, glaring, blurred or stuck camera gives frames on which a defect probability means nothing. The limits come from the
training images themselves, for all measures together: every image has an outlyingness, the largest of its measures' distances
from their medians in units of their own tail on that side, and the r-th largest of these is the limit. As in split conformal
prediction (Laxhammar and Falkman 2010), another image of the same camera lies beyond it with a chance of about r / (n + 1).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from data.image import Pixels
from data.metric import Metric
from data.novelty import false_alarms_expected
from data.record import Record

FALSE_ALARM = 0.005

_THUMBNAIL = 32
_DARKEST, _BRIGHTEST = 2, 253
# A frozen camera repeats its frame up to encoding; half a grey level is far below what two parts differ by.
_MOST_STILL = 0.5
_LEAST_IMAGES = 2
_TELLING = 10
_WIDEST_TAIL = 0.05

Floats = NDArray[np.float32]


class Fault(StrEnum):
    """What is wrong with a frame, or with the camera that took it."""

    DARK = "DARK"
    BRIGHT = "BRIGHT"
    FLAT = "FLAT"
    BLURRED = "BLURRED"
    NOISY = "NOISY"
    COLOUR = "COLOUR"
    SIZE = "SIZE"
    FROZEN = "FROZEN"
    UNREADABLE = "UNREADABLE"


class Measures(NamedTuple):
    """Of one prepared frame; brightness, contrast and colour in grey levels 0..255."""

    brightness: float
    """mean"""
    dark: float
    """share of pixels that are black, 0..1"""
    bright: float
    """share of pixels that are saturated, 0..1"""
    sharpness: float
    """variance of the Laplacian (Pech-Pacheco et al. 2000)"""
    contrast: float
    """standard deviation"""
    colour: float
    """mean difference between a pixel's largest and smallest channel; 0 for a grey camera"""


class Look(NamedTuple):
    """What is kept of a prepared frame: its measures, and a thumbnail, float32 [32, 32], to hold the next one against."""

    measures: Measures
    thumbnail: Floats


class Range(Record):
    """Allowed values, both ends included."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Finding:
    """A frame outside the limits; `reason` is one clause for people."""

    fault: Fault
    reason: str


class InputHealth(Record):
    """The limits, written into the bundle's manifest at export.

    `expected` is the false-alarm rate that `ranges` were chosen for on `n` images, `false_alarm` what it came to on the test
    images. `quantiles` hold each measure's minimum, 1 %, 5 %, median, 95 %, 99 % and maximum. Two frames whose thumbnails
    differ by `still_below` grey levels or less, on average over their pixels, are the same picture.
    """

    ranges: dict[str, Range]
    quantiles: dict[str, list[float]]
    width: Range
    height: Range
    still_below: float = Field(ge=0)
    expected: float = Field(gt=0, lt=1)
    n: int = Field(ge=_LEAST_IMAGES)
    false_alarm: Metric | None = None

    def check(self, measures: Measures, width: int, height: int) -> Finding | None:
        """What is wrong with a frame that was `width` x `height` pixels before it was prepared; None when nothing is."""
        if width not in self.width or height not in self.height:
            return Finding(Fault.SIZE, f"{width} x {height} pixels, training had {_sizes(self.width, self.height)}")
        return next(self._findings(measures), None)

    def _findings(self, measures: Measures) -> Iterator[Finding]:
        # In this order: a black frame is flat and blurred too, and only the first is said.
        for name, value in measures._asdict().items():
            limits = self.ranges[name]
            if value in limits:
                continue
            fault, words, scale, unit = _WORDS[name, value > limits.high]
            usual = f"{_told(scale * limits.low)} to {_told(scale * limits.high)}"
            yield Finding(fault, f"{words} {_told(scale * value)}{unit}, usual {usual}{unit}")

    def still(self, thumbnail: Floats, other: Floats) -> bool:
        """Whether two thumbnails show the same picture."""
        return float(np.abs(thumbnail - other).mean()) <= self.still_below

    @property
    def sentence(self) -> str:
        """What a person must know of it, in one plain sentence."""
        measured = ""
        if self.false_alarm is not None:
            test = self.false_alarm
            measured = f"{test.value:.1%} of {test.n} test images (95 % interval {test.low:.1%} to {test.high:.1%}); "
        return (
            "Frames that the training camera could not have taken (dark, glaring, flat, blurred, noisy, other colour or size) "
            f"go to a person: {measured}{self.expected:.1%} of healthy frames expected from {self.n} images."
        )


_WORDS: dict[tuple[str, bool], tuple[Fault, str, float, str]] = {
    ("brightness", False): (Fault.DARK, "darker than the training images: mean brightness", 1, ""),
    ("brightness", True): (Fault.BRIGHT, "brighter than the training images: mean brightness", 1, ""),
    ("dark", True): (Fault.DARK, "more of it is black than of the training images:", 100, " %"),
    ("bright", True): (Fault.BRIGHT, "more of it is saturated than of the training images:", 100, " %"),
    ("contrast", False): (Fault.FLAT, "less contrast than the training images: standard deviation", 1, ""),
    ("sharpness", False): (Fault.BLURRED, "more blurred than the training images: sharpness", 1, ""),
    ("sharpness", True): (Fault.NOISY, "noisier than the training images: sharpness", 1, ""),
    ("colour", False): (Fault.COLOUR, "less colour than the training images: saturation", 1, ""),
    ("colour", True): (Fault.COLOUR, "more colour than the training images: saturation", 1, ""),
}

# What two frames of a healthy camera may differ by whatever the training images were like; sharpness as a logarithm.
_LEAST_SPREAD = Measures(brightness=2, dark=0.01, bright=0.01, sharpness=0.1, contrast=1, colour=1)
_SHARPNESS = Measures._fields.index("sharpness")


def look_at(prepared: Pixels) -> Look:
    """Measures and thumbnail of one prepared frame, uint8 [H, W, 3] RGB."""
    grey = cv2.cvtColor(prepared, cv2.COLOR_RGB2GRAY)
    share = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel() / grey.size
    levels = np.arange(256)
    mean = float(share @ levels)
    deviation = float(share @ (levels - mean) ** 2) ** 0.5
    edges = cv2.Laplacian(grey, cv2.CV_16S)
    # cv2.norm is fifteen times quicker than cv2.meanStdDev on 16-bit values.
    sharpness = cv2.norm(edges, cv2.NORM_L2SQR) / edges.size - cv2.mean(edges)[0] ** 2
    small = cv2.resize(prepared, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    red, green, blue = cv2.split(small)
    saturation = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
    measures = Measures(
        brightness=mean,
        dark=float(share[: _DARKEST + 1].sum()),
        bright=float(share[_BRIGHTEST:].sum()),
        sharpness=sharpness,
        contrast=deviation,
        colour=cv2.mean(saturation)[0],
    )
    return Look(measures, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32))


def fit_input_health(looks: list[Look], sizes: list[tuple[int, int]], false_alarm: float = FALSE_ALARM) -> InputHealth:
    """Limits from `looks` at prepared training images whose originals had `sizes` (width, height).

    Raises ValueError for fewer than two images. Black and saturated pixels have no limit from below, contrast none above.
    """
    if len(looks) < _LEAST_IMAGES:
        raise ValueError(f"expected {_LEAST_IMAGES} images or more, got {len(looks)}")
    values = np.array([look.measures for look in looks], np.float64)
    scaled = _scale(values)
    # As far out as ten images still tell: then each measure's own tails shape its range, and no other measure's.
    tail = float(np.clip(_TELLING / len(looks), false_alarm, _WIDEST_TAIL))
    low, median, high = np.quantile(scaled, [tail, 0.5, 1 - tail], axis=0)
    below = np.maximum(median - low, _LEAST_SPREAD)
    above = np.maximum(high - median, _LEAST_SPREAD)
    for index, name in enumerate(Measures._fields):
        if (name, False) not in _WORDS:
            below[index] = np.inf
        if (name, True) not in _WORDS:
            above[index] = np.inf
    outlying = np.maximum((median - scaled) / below, (scaled - median) / above).max(axis=1)
    expected = false_alarms_expected(len(looks), false_alarm)
    # Equal images would leave no room at all.
    limit = max(1.0, float(np.sort(outlying)[-expected]))
    lows, highs = _unscale(median - limit * below), _unscale(median + limit * above)
    order = np.random.default_rng(0).permutation(len(looks))
    thumbnails = np.stack([looks[index].thumbnail for index in order])
    differences = np.abs(np.diff(thumbnails, axis=0)).mean(axis=(1, 2))
    quantiles = np.quantile(values, [0, 0.01, 0.05, 0.5, 0.95, 0.99, 1], axis=0)
    widths, heights = zip(*sizes, strict=True)
    return InputHealth(
        ranges={
            name: Range(low=max(0.0, float(lows[index])), high=_cap(name, float(highs[index])))
            for index, name in enumerate(Measures._fields)
        },
        quantiles={name: quantiles[:, index].tolist() for index, name in enumerate(Measures._fields)},
        width=Range(low=min(widths), high=max(widths)),
        height=Range(low=min(heights), high=max(heights)),
        still_below=min(_MOST_STILL, float(np.quantile(differences, 0.01)) / 2),
        expected=expected / (len(looks) + 1),
        n=len(looks),
    )


def _scale(values: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = values.copy()
    scaled[:, _SHARPNESS] = np.log1p(scaled[:, _SHARPNESS])
    return scaled


def _unscale(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    values = scaled.copy()
    values[_SHARPNESS] = np.expm1(values[_SHARPNESS])
    return values


def _cap(name: str, high: float) -> float:
    most = {"brightness": 255.0, "dark": 1.0, "bright": 1.0, "contrast": 127.5}
    return min(high, most.get(name, high))


def _sizes(width: Range, height: Range) -> str:
    smallest, largest = f"{width.low:.0f} x {height.low:.0f}", f"{width.high:.0f} x {height.high:.0f}"
    return smallest if smallest == largest else f"{smallest} to {largest}"


def _told(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"

"""Where in the camera image the evidence is: boxes in original pixels, found in the heatmap."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from data.record import Record

_RELATIVE_HEAT = 0.5
_GRID = 128
_MOST_REGIONS = 8


class Region(Record):
    """A box in original image pixels (x, y is its upper left corner) and its hottest heat, 0..1."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    heat: float = Field(ge=0, le=1)


def find_regions(heatmap: NDArray[np.float32], width: int, height: int, at_least: float) -> list[Region]:
    """Boxes round the hot spots of a heatmap, hottest first, at most eight.

    `heatmap` is float32 [h, w] in 0..1 over the whole image of `width` x `height` pixels. Spots cooler than `at_least`
    are no evidence and give no region. A box encloses what is at least half as hot as the hottest spot and, in log-odds,
    nearer to it than to the image's median: heat is a probability, and on a plainly defective part it is near 1 everywhere.
    """
    fine = cv2.resize(heatmap, (_GRID, _GRID), interpolation=cv2.INTER_LINEAR)
    peak = float(fine.max())
    if not peak > 0 or peak < at_least:
        return []
    middle = (_log_odds(peak) + _log_odds(_median(fine))) / 2
    hot = (fine >= min(peak, max(at_least, _RELATIVE_HEAT * peak, 1 / (1 + math.exp(-middle))))).astype(np.uint8)
    contours, _ = cv2.findContours(hot, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    regions = []
    for contour in contours:
        left, top, across, down = cv2.boundingRect(contour)
        heat = float(fine[top : top + down, left : left + across].max())
        left, across = _grown(left, across, -(-_GRID // heatmap.shape[1]))
        top, down = _grown(top, down, -(-_GRID // heatmap.shape[0]))
        x, y = left * width // _GRID, top * height // _GRID
        right, bottom = -(-(left + across) * width // _GRID), -(-(top + down) * height // _GRID)
        regions.append(Region(x=x, y=y, width=right - x, height=bottom - y, heat=min(heat, 1.0)))
    return sorted(regions, key=lambda region: region.heat, reverse=True)[:_MOST_REGIONS]


def _grown(start: int, length: int, least: int) -> tuple[int, int]:
    """A stretch of the grid grown to `least` about its middle: the heat tells nothing finer than one of its own cells."""
    if length >= least:
        return start, length
    return min(max(start + (length - least) // 2, 0), _GRID - least), least


def _median(fine: NDArray[Any]) -> float:
    # numpy's own spends as much on asking about axes and NaN as on finding it; the grid has an even number of cells.
    middle = fine.size // 2
    halves = np.partition(fine, middle, axis=None)
    return float(halves[:middle].max() + halves[middle]) / 2


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))

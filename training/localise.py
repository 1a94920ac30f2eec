"""How well the heat points at the defects, where people marked them: the pointing game.

A heatmap lies over the whole original image, cell beside cell, so that a cell's centre has one place in original pixels.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data.groups import numbered
from data.metric import Metric
from training.dataset import Examples
from training.scores import rate

SLACK = 8.0


def pointing(heatmaps: NDArray[np.float32], examples: Examples, slack: float = SLACK) -> NDArray[np.bool_]:
    """bool [m], for the m marked images of `examples` in order: does the hottest place lie in a mark grown by `slack` pixels?

    `heatmaps` float32 [n, h, w] is of the same n images; `slack` is in original pixels. This is the pointing game (Zhang et
    al., arXiv 1608.00507). The hottest place is the centre of the hottest cell: resized bilinearly, heat is highest there.
    A heatmap that is the same everywhere points nowhere.
    """
    hits = []
    for index, marks in _marks(examples):
        row, heat = examples.rows[index], heatmaps[index]
        down, across = np.unravel_index(int(heat.argmax()), heat.shape)
        x, y = (across + 0.5) * row.width / heat.shape[1], (down + 0.5) * row.height / heat.shape[0]
        hits.append(bool(heat.max() > heat.min()) and bool(_inside(marks, x, y, slack).any()))
    return np.array(hits, dtype=bool)


def localisation(heatmaps: NDArray[np.float32], examples: Examples) -> Metric | None:
    """The share of marked defective images whose hottest place lies on a mark, eight pixels of slack; None without marks."""
    hits = pointing(heatmaps, examples)
    marked = np.array([bool(row.marks) for row in examples.rows], dtype=bool)
    return rate(hits, numbered(examples.groups, len(marked))[marked]) if len(hits) else None


def _marks(examples: Examples) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The marked images with their marks as boxes x0, y0, x1, y1 in original pixels, [k, 4]; a mask gives one per pixel."""
    height, width = examples.images.shape[1:3]
    for index, row in enumerate(examples.rows):
        if row.mask:
            down, across = np.nonzero(examples.masks([index])[0])
            scale = np.array([row.width / width, row.height / height] * 2)
            yield index, np.stack([across, down, across + 1, down + 1], axis=1) * scale
        elif row.boxes:
            yield index, np.array([(box.x0, box.y0, box.x1, box.y1) for box in row.boxes], dtype=np.float64)


def _inside(boxes: NDArray[np.float64], x: float, y: float, slack: float) -> NDArray[np.bool_]:
    """bool [k]: is the place within `slack` of each of the boxes [k, 4], along both axes?"""
    x0, y0, x1, y1 = boxes.T
    result: NDArray[np.bool_] = (x0 - slack <= x) & (x <= x1 + slack) & (y0 - slack <= y) & (y <= y1 + slack)
    return result

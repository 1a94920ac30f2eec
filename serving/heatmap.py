"""The heat of an inspection: as a row keeps it, and as it is laid over the image."""

import cv2
import numpy as np
from numpy.typing import NDArray

from data.image import Pixels

_LONGEST = 512
_DENSEST = 0.8
"""opacity where it is hottest: the image stays to be seen below"""


def encode(heatmap: NDArray[np.float32]) -> bytes:
    """Heat float32 [h, w] in 0..1 as a small 8-bit grey PNG."""
    ok, png = cv2.imencode(".png", np.round(np.clip(heatmap, 0, 1) * 255).astype(np.uint8))
    assert ok
    return png.tobytes()


def render(stored: bytes, width: int, height: int) -> bytes:
    """A stored heatmap as a transparent PNG of the image's shape, at most 512 pixels long, to lay over the image.

    Colours are viridis, which colour-blind people read too; alpha rises with the heat, so that cold parts stay visible.
    """
    heat = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert heat is not None
    shrink = min(1.0, _LONGEST / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    fine: Pixels = cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    picture = np.dstack([cv2.applyColorMap(fine, cv2.COLORMAP_VIRIDIS), (fine * _DENSEST).astype(np.uint8)])
    ok, png = cv2.imencode(".png", picture)
    assert ok
    return png.tobytes()

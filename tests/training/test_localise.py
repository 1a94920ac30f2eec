"""Localisation: the hottest place counts as found exactly where the marks are, in original pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.catalog import CatalogRow
from training.dataset import Examples
from training.localise import localisation, pointing

CELLS = 10


def row(number: int, boxes: str = "", defect: bool = True, mask: str = "") -> CatalogRow:
    return CatalogRow.model_validate(
        {
            "path": f"{number}.png",
            "label": "dent" if defect else "good",
            "defect_probability": float(defect),
            "classes": "",
            "group": "g",
            "width": 2000,
            "height": 1000,
            "sha256": "0" * 64,
            "source": "test",
            "boxes": boxes,
            "mask": mask,
            "mask_sha256": mask and "0" * 64,
        }
    )


def examples(*rows: CatalogRow) -> Examples:
    return Examples(list(rows), np.zeros((len(rows), 50, 100, 3), np.uint8))


def hot(down: int, across: int) -> NDArray[np.float32]:
    """Cold but for one cell of 200 x 100 original pixels, whose centre is at (200 across + 100, 100 down + 50)."""
    heat = np.full((CELLS, CELLS), 0.05, np.float32)
    heat[down, across] = 0.9
    return heat


@pytest.mark.parametrize(
    ("boxes", "slack", "hit"),
    [
        ("650,300,750,400", 0, True),
        ("0,0,10,10;650,300,750,400", 0, True),
        ("710,300,750,400", 8, False),
        ("708,300,750,400", 8, True),
        ("650,300,691,400", 8, False),
        ("650,300,692,400", 8, True),
        ("650,360,750,400", 8, False),
        ("650,360,750,400", 10, True),
    ],
)
def test_the_hottest_cell_must_lie_in_a_box_or_near_it(boxes: str, slack: float, hit: bool) -> None:
    assert pointing(hot(3, 3)[None], examples(row(0, boxes)), slack).tolist() == [hit]


@given(st.integers(0, CELLS - 1), st.integers(0, CELLS - 1), st.integers(0, 1999), st.integers(0, 999))
def test_a_mask_and_a_box_of_the_same_pixels_say_the_same(down: int, across: int, x: int, y: int) -> None:
    # Whole prepared pixels, 20 x 20 original ones each: there the two must agree.
    x0, y0 = x // 20, y // 20
    boxed = examples(row(0, f"{20 * x0},{20 * y0},{20 * x0 + 20},{20 * y0 + 20}"))
    mask = np.zeros((50, 100), bool)
    mask[y0, x0] = True
    drawn = Examples([row(0, mask="0.png")], boxed.images, {"0.png": np.packbits(mask)})
    heat = hot(down, across)[None]
    assert pointing(heat, drawn).tolist() == pointing(heat, boxed).tolist()


def test_heat_without_a_peak_points_nowhere() -> None:
    assert pointing(np.ones((1, 4, 4), np.float32), examples(row(0, "0,0,2000,1000"))).tolist() == [False]


def test_only_marked_defects_count_and_without_any_there_is_no_figure() -> None:
    some = examples(row(0, defect=False), row(1, "650,300,750,400"), row(2), row(3, "0,0,10,10"))
    heat = np.stack([hot(3, 3)] * 4)
    assert pointing(heat, some).tolist() == [True, False]
    metric = localisation(heat, some)
    assert metric is not None
    assert (metric.value, metric.n) == (0.5, 2)
    assert 0 < metric.low < 0.5 < metric.high < 1
    assert localisation(heat[:1], some.take(np.array([0]))) is None

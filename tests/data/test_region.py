"""Regions: boxes lie where the heat is, in pixels of the original image."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.region import find_regions


def test_two_hot_spots_give_two_boxes_hottest_first() -> None:
    heat = np.zeros((14, 14), np.float32)
    heat[2:4, 2:4] = 0.7
    heat[10:12, 8:12] = 0.9
    first, second = find_regions(heat, width=1400, height=700, at_least=0.2)
    assert first.heat > second.heat
    assert (first.x <= 1000 <= first.x + first.width) and (first.y <= 550 <= first.y + first.height)
    assert (second.x <= 300 <= second.x + second.width) and (second.y <= 150 <= second.y + second.height)
    assert first.width < 700 and first.height < 350


def test_a_plainly_defective_part_still_shows_its_hottest_place() -> None:
    heat = np.full((7, 7), 0.96, np.float32)
    heat[1, 5] = 0.9999
    (region,) = find_regions(heat, 700, 700, at_least=0.1)
    assert region.x <= 550 <= region.x + region.width
    assert region.y <= 150 <= region.y + region.height
    assert region.width < 250
    assert region.height < 250


def test_cool_heat_is_no_evidence() -> None:
    assert find_regions(np.full((7, 7), 0.1, np.float32), 300, 300, at_least=0.2) == []
    assert find_regions(np.zeros((7, 7), np.float32), 300, 300, at_least=0.0) == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 5000), st.integers(1, 5000), st.integers(4, 64), st.integers(4, 64))
def test_boxes_never_leave_the_image(seed: int, width: int, height: int, down: int, across: int) -> None:
    heat = np.random.default_rng(seed).random((down, across)).astype(np.float32)
    regions = find_regions(heat, width, height, at_least=0.1)
    assert 1 <= len(regions) <= 8
    for region in regions:
        assert region.width >= width / across - 1, "no finer than a cell of the heat"
        assert region.height >= height / down - 1
        assert region.x + region.width <= width
        assert region.y + region.height <= height


@given(st.sampled_from([7, 14, 19, 24]), st.data())
def test_one_hot_cell_gives_a_box_round_it_whatever_the_stride(cells: int, data: st.DataObject) -> None:
    down, across = data.draw(st.integers(0, cells - 1)), data.draw(st.integers(0, cells - 1))
    heat = np.full((cells, cells), 0.02, np.float32)
    heat[down, across] = 0.95
    (region,) = find_regions(heat, 2000, 1000, at_least=0.1)
    x, y = (across + 0.5) * 2000 / cells, (down + 0.5) * 1000 / cells
    assert region.x <= x <= region.x + region.width
    assert region.y <= y <= region.y + region.height
    assert region.width <= 2.1 * 2000 / cells, "the box of one cell is about as large as it"
    assert region.height <= 2.1 * 1000 / cells

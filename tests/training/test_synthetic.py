"""Synthetic defects: each can be seen, its mask tells where, and nothing else in the image changes."""

from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.catalog import CatalogRow
from data.errors import InputError
from data.image import Pixels
from training.config import DefectKind, SyntheticConfig
from training.dataset import Examples
from training.synthetic import LEAST_CHANGE, SEEN, Synthesis, cut_out

RED = (200, 30, 30)


def ground(name: str, height: int, width: int, seed: int) -> Pixels:
    """A good image uint8 [height, width, 3] of one of many surfaces."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    grey = {
        "black": np.zeros((height, width)),
        "white": np.full((height, width), 255.0),
        "grey": np.full((height, width), 127.0),
        "noise": random.integers(0, 256, (height, width)).astype(float),
        "ramp": 255.0 * x / width,
        "checks": 255.0 * ((x // 3 + y // 3) % 2),
        "stripes": 255.0 * (x // 11 % 2),
        "metal": cv2.GaussianBlur(random.normal(120, 60, (height, width)), (0, 0), 1.5),
    }[name]
    return np.stack([grey.clip(0, 255).astype(np.uint8)] * 3, axis=-1)


GROUNDS = ["black", "white", "grey", "noise", "ramp", "checks", "stripes", "metal"]


def examples(images: Pixels, boxes: list[str]) -> Examples:
    rows = [
        CatalogRow.model_validate(
            {
                "path": f"{number}.png",
                "label": "dent" if box else "good",
                "defect_probability": float(bool(box)),
                "classes": "",
                "group": str(number),
                "width": images.shape[2],
                "height": images.shape[1],
                "sha256": "0" * 64,
                "source": "test",
                "boxes": box,
            }
        )
        for number, box in enumerate(boxes)
    ]
    return Examples(rows, images)


def red_dents() -> Examples:
    """Two grey images with a red square each that is marked, and one that is good."""
    images = np.full((3, 64, 64, 3), 120, np.uint8)
    images[0, 10:20, 30:42] = RED
    images[1, 40:50, 5:15] = RED
    return examples(images, ["30,10,42,20", "5,40,15,50", ""])


def synthesis(*kinds: DefectKind, size: tuple[float, float] = (0.05, 0.4)) -> Synthesis:
    made = Synthesis(SyntheticConfig(share=0.5, kinds=kinds or get_args(DefectKind), size=size))
    made.seed(0)
    return made


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(get_args(DefectKind)),
    st.sampled_from(GROUNDS),
    st.integers(32, 120),
    st.integers(32, 120),
    st.integers(0, 2**31 - 1),
)
def test_a_defect_can_be_seen_where_its_mask_says_and_nowhere_else(
    kind: DefectKind, surface: str, height: int, width: int, seed: int
) -> None:
    images = np.stack([ground(surface, height, width, seed), ground(surface, height, width, seed + 1)])
    before = images.copy()
    draw = synthesis(kind) if kind != "real" else synthesis("real", "spot")
    draw.collect(red_dents())
    draw.seed(seed)
    drawn, masks = draw(images)
    assert drawn.shape == images.shape
    assert drawn.dtype == np.uint8
    assert masks.shape == images.shape[:3]
    assert masks.dtype == bool
    np.testing.assert_array_equal(images, before)
    for one, good, mask in zip(drawn, images, masks, strict=True):
        change = np.abs(one.astype(int) - good).max(axis=2)
        assert mask.sum() >= 4
        assert change[mask].mean() >= LEAST_CHANGE
        assert (change[~mask] < SEEN).all()


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([kind for kind in get_args(DefectKind) if kind != "real"]),
    st.floats(0.03, 1.0),
    st.floats(0.03, 1.0),
    st.integers(0, 999),
)
def test_a_defect_is_no_larger_than_the_configuration_allows(
    kind: DefectKind, one: float, other: float, seed: int
) -> None:
    draw = synthesis(kind, size=(min(one, other), max(one, other)))
    draw.seed(seed)
    _, (mask,) = draw(ground("metal", 100, 140, seed)[None])
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    # Soft edges reach a few pixels beyond.
    assert max(np.ptp(rows), np.ptp(columns)) + 1 <= max(3, np.ceil(100 * max(one, other))) + 6


def test_the_sizes_of_defects_fill_the_configured_range() -> None:
    draw = synthesis("spot", size=(0.1, 0.8))
    _, masks = draw(np.stack([ground("grey", 128, 128, 0)] * 60))
    extents = [max(np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (0, 1)) for mask in masks]
    assert min(extents) < 0.2 * 128
    assert max(extents) > 0.6 * 128


def test_defects_repeat_from_their_seed_and_differ_from_image_to_image() -> None:
    images = np.stack([ground("metal", 64, 64, 5)] * 4)
    draw = synthesis()
    first, masks = draw(images)
    second, _ = draw(images)
    assert (first != second).any()
    assert len({mask.tobytes() for mask in masks}) == 4
    draw.seed(0)
    again, same = draw(images)
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(same, masks)


def test_defects_of_a_camera_of_two_levels_have_two_levels() -> None:
    images = np.stack([ground("stripes", 96, 96, 0)] * 60)
    drawn, masks = synthesis("cut_paste", "scratch", "spot", "texture")(images)
    between = (drawn[masks] > 60) & (drawn[masks] < 195)
    assert between.mean() < 0.1, "only soft edges lie between black and white"


def test_real_defects_are_those_marked_in_the_training_images() -> None:
    draw = synthesis("real")
    draw.collect(red_dents())
    drawn, masks = draw(np.stack([ground("grey", 64, 64, 0)] * 30))
    red = drawn[..., 0].astype(int) - drawn[..., 1]
    covered = [red[index][mask].max() for index, mask in enumerate(masks)]
    assert min(covered) > 50, "every defect is red, as the marked ones are"
    assert (red[~masks] < 50).all()


def test_real_defects_keep_their_size_whatever_the_range_of_the_drawn_ones() -> None:
    draw = synthesis("real", size=(0.9, 0.9))
    draw.collect(red_dents())
    _, masks = draw(np.stack([ground("grey", 64, 64, 0)] * 20))
    areas = masks.sum(axis=(1, 2))
    assert areas.min() > 0.3 * 100
    assert areas.max() < 3 * 120


def test_nothing_marked_leaves_the_other_kinds() -> None:
    unmarked = examples(np.full((2, 64, 64, 3), 120, np.uint8), ["", ""])
    draw = synthesis("real", "spot")
    draw.collect(unmarked)
    _, masks = draw(np.stack([ground("grey", 64, 64, 0)] * 5))
    assert masks.any(axis=(1, 2)).all()


def test_only_real_defects_with_none_marked_is_an_error_that_says_what_to_do() -> None:
    unmarked = examples(np.full((2, 64, 64, 3), 120, np.uint8), ["", ""])
    with pytest.raises(
        InputError, match=r"synthetic.kinds has only `real`, but no defect is marked .*add boxes or masks"
    ):
        synthesis("real").collect(unmarked)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31 - 1))
def test_every_marked_place_is_cut_out_with_its_own_pixels(seed: int) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (80, 80, 3), dtype=np.uint8)
    mask = np.zeros((80, 80), np.uint8)
    # One box in each quarter at most, so that none touch.
    boxes = []
    for top, left in ((2, 2), (2, 42), (42, 2), (42, 42)):
        if random.random() < 0.7:
            y, x = top + int(random.integers(0, 16)), left + int(random.integers(0, 16))
            height, width = (int(size) for size in random.integers(2, 20, 2))
            mask[y : y + height, x : x + width] = 255
            boxes.append(image[y : y + height, x : x + width].tobytes())
    patches = cut_out(image, mask)
    assert len(patches) == len(boxes)
    for patch in patches:
        inside = patch.alpha > 0.2
        assert patch.pixels.shape[:2] == patch.alpha.shape
        assert inside.any()
        assert patch.alpha.max() <= 1.001
    assert sum(patch.pixels.size for patch in patches) >= sum(len(box) for box in boxes)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"size": (0.4, 0.1)}, "smallest <= largest"),
        ({"size": (0.0, 0.1)}, "0 < smallest"),
        ({"size": (0.1, 1.5)}, "largest <= 1"),
        ({"kinds": ()}, "at least 1"),
        ({"kinds": ("dragon",)}, "cut_paste"),
        ({"share": 1.5}, "less than or equal to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        SyntheticConfig.model_validate(change)

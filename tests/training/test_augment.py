"""The policy: masks move as their images do, and the pixels are the same with masks or without."""

import numpy as np

from training.augment import build_policy
from training.config import Transform

MOVES = [
    Transform(name="D4", args={"p": 1.0}),
    Transform(name="Affine", args={"translate_percent": 0.1, "interpolation": 0, "p": 1.0}),
]
TINTS = [Transform(name="RandomBrightnessContrast", args={"p": 1.0}), Transform(name="GaussNoise", args={"p": 1.0})]


def masks() -> np.ndarray:
    """uint8 [6, 40, 40], 0 or 255, no two alike after any flip or turn."""
    random = np.random.default_rng(0)
    return np.where(random.random((6, 40, 40)) > 0.5, np.uint8(255), np.uint8(0))


def test_a_mask_moves_as_its_image() -> None:
    given = masks()
    images, moved = build_policy(MOVES).with_masks(np.stack([given] * 3, axis=-1), given)
    assert (moved != given).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(images[..., 0], moved)


def test_a_mask_stays_when_only_colours_change() -> None:
    given = masks()
    images, moved = build_policy(TINTS).with_masks(np.stack([given // 2] * 3, axis=-1), given)
    np.testing.assert_array_equal(moved, given)
    assert (images[..., 0] != given // 2).any(axis=(1, 2)).all()


def test_images_are_augmented_alike_with_masks_and_without() -> None:
    images = np.random.default_rng(1).integers(0, 256, (6, 40, 40, 3), dtype=np.uint8)
    policy = build_policy([*MOVES, *TINTS])
    policy.seed(3)
    alone = policy(images)
    policy.seed(3)
    np.testing.assert_array_equal(policy.with_masks(images, masks())[0], alone)


def test_no_transforms_leave_both_as_they_are() -> None:
    given = masks()
    images, moved = build_policy([]).with_masks(np.stack([given] * 3, axis=-1), given)
    np.testing.assert_array_equal(images[..., 1], given)
    np.testing.assert_array_equal(moved, given)

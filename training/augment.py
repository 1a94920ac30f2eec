"""The augmentation policy: albumentations transforms declared in YAML by name and arguments, checked before training."""

import warnings
from collections.abc import Sequence

import albumentations
import numpy as np

from data.errors import InputError
from data.image import Pixels
from training.config import Transform


class Policy:
    """Random changes to prepared images that leave their label as it is; repeatable from a seed."""

    def __init__(self, compose: albumentations.Compose) -> None:
        self._compose = compose

    def seed(self, seed: int) -> None:
        """Start the random sequence anew; images augmented after it are the same each time."""
        self._compose.set_random_seed(seed)

    def __call__(self, images: Pixels) -> Pixels:
        """uint8 [n, H, W, 3] RGB -> the same shape, each image changed by itself."""
        return np.stack([self._compose(image=image)["image"] for image in images])

    def with_masks(self, images: Pixels, masks: Pixels) -> tuple[Pixels, Pixels]:
        """As a call, and uint8 masks [n, H, W] move with their images."""
        changed = [self._compose(image=image, mask=mask) for image, mask in zip(images, masks, strict=True)]
        return np.stack([one["image"] for one in changed]), np.stack([one["mask"] for one in changed])


def build_policy(transforms: Sequence[Transform]) -> Policy:
    """The declared policy; raises InputError naming the transform or argument that albumentations does not know."""
    return Policy(albumentations.Compose([_build(index, one) for index, one in enumerate(transforms)]))


def _build(index: int, transform: Transform) -> albumentations.BasicTransform:
    kind = getattr(albumentations, transform.name, None)
    if not (
        isinstance(kind, type) and issubclass(kind, albumentations.ImageOnlyTransform | albumentations.DualTransform)
    ):
        raise InputError(
            f"augment.{index}: albumentations {albumentations.__version__} has no transform {transform.name!r}"
        )
    try:
        with warnings.catch_warnings():
            # It only warns of an argument that it does not know, and then ignores it.
            warnings.simplefilter("error")
            built: albumentations.BasicTransform = kind(**transform.args)
    except (TypeError, ValueError, UserWarning) as error:
        problem = " ".join(str(error).split())
        raise InputError(f"augment.{index}: {transform.name} refuses its arguments: {problem}") from error
    return built

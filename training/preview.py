"""Contact sheets: what the augmentation policy and the synthetic defects make of a few images, before a training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.catalog import CatalogRow
from data.durable import replacing
from data.image import Pixels
from data.split import assign_splits
from training.augment import build_policy
from training.card import inline_jpeg, page
from training.config import DefectKind, TrainConfig
from training.dataset import Examples, find_catalog, load_examples, spread
from training.plots import jpeg, outlined
from training.synthetic import Synthesis

VIEWS = 7
"""augmented views beside each image"""

_OF_A_CLASS = 2
_MOST_CLASSES = 12
_GROUNDS = 6
_MOST_MARKED = 64

KINDS: dict[DefectKind, str] = {
    "cut_paste": "a turned and scaled piece of a good image, feathered or Poisson-blended",
    "real": "a marked defect of the training images, pasted elsewhere",
    "scratch": "a curve of uneven width, darker or lighter than the ground",
    "spot": "a blob that covers the ground or tints it",
    "texture": "noise or foreign texture inside Perlin noise",
}


@dataclass(frozen=True)
class Row:
    """One row of a sheet: its title, and images as JPEG data addresses with their captions."""

    title: str
    note: str
    images: list[tuple[str, str]]


def write_preview(config: TrainConfig, target: Path) -> Path:
    """Write the sheets as one HTML file that opens offline, and return its path.

    Two training images of each class with seven augmented views; with synthetic.share above 0 also one row for each kind of
    synthetic defect: the good image, the defect, its outline. Raises InputError as training does, before anything is written.
    """
    catalog = assign_splits(find_catalog(config.data), config.splits)
    train = catalog.of_split("train")
    labels = catalog.classes[:_MOST_CLASSES]
    shown = [row for label in labels for row in _spread([row for row in train if row.label == label], _OF_A_CLASS)]
    sheets = {"views": _views(config, load_examples(catalog, shown, config.model.image, "preview"))}
    if config.synthetic.share > 0:
        grounds = _spread([row for row in train if not row.is_defect], _GROUNDS)
        marked = _spread([row for row in train if row.marks], _MOST_MARKED)
        examples = load_examples(catalog, [*grounds, *marked], config.model.image, "synthetic")
        sheets["synthetic"] = _synthetic(config, examples, len(grounds))
    text = page("preview.html.j2").render(
        config=config, sheets=sheets, views=VIEWS, hidden=catalog.classes[_MOST_CLASSES:], images=len(train)
    )
    with replacing(target) as stream:
        stream.write(text.encode())
    return target


def _views(config: TrainConfig, examples: Examples) -> list[Row]:
    policy = build_policy(config.augment)
    policy.seed(config.seed)
    rows = []
    for row, image in zip(examples.rows, examples.images, strict=True):
        views = policy(np.stack([image] * VIEWS))
        images = [_shown(image, "as it is"), *(_shown(view, f"view {number}") for number, view in enumerate(views, 1))]
        rows.append(Row(row.label, Path(row.path).name, images))
    return rows


def _synthetic(config: TrainConfig, examples: Examples, grounds: int) -> list[Row]:
    rows = []
    images = examples.images[:grounds]
    for kind in config.synthetic.kinds:
        if kind == "real" and not examples.has_places:
            rows.append(Row(kind, f"{KINDS[kind]}: none is marked in this data, so that the other kinds are drawn", []))
            continue
        synthesis = Synthesis(config.synthetic.model_copy(update={"kinds": (kind,)}))
        synthesis.collect(examples)
        synthesis.seed(config.seed)
        drawn, masks = synthesis(images)
        shown = [
            pair
            for ground, image, mask in zip(images, drawn, masks, strict=True)
            for pair in (
                _shown(ground, "good"),
                _shown(image, "defect"),
                _shown(outlined(image, mask.astype(np.uint8)), f"where ({mask.mean():.2%})"),
            )
        ]
        rows.append(Row(kind, KINDS[kind], shown))
    return rows


def _shown(image: Pixels, caption: str) -> tuple[str, str]:
    return inline_jpeg(jpeg(image)), caption


def _spread(rows: Sequence[CatalogRow], most: int) -> list[CatalogRow]:
    """At most that many rows, evenly spread."""
    return [rows[index] for index in spread(len(rows), most)]

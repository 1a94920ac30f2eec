"""Labelled images in memory: decoded and prepared once, through data.image, as serving does it."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog, CatalogRow, check_trainable, read_catalog
from data.errors import InputError, UnreadableImageError, all_of
from data.image import Pixels, Preprocessing, decode, decode_for, prepare
from data.sources.coco import read_coco
from data.sources.elpv import read_elpv
from data.sources.folder import read_folder
from training.config import DataSource
from training.progress import bar

log = logging.getLogger(__name__)

_MOST_OF_MEMORY = 0.7

_T = TypeVar("_T")


@dataclass(frozen=True)
class Examples:
    """Prepared images uint8 [n, H, W, 3] with their catalog rows, and what was marked in them."""

    rows: list[CatalogRow]
    images: Pixels
    packed: Mapping[str, Pixels] = field(default_factory=dict)
    """by `path`, the prepared mask of each row that has one: one bit a pixel, uint8 [ceil(H * W / 8)]"""
    frozen: NDArray[np.float32] | None = None
    """embeddings [n, d] by the second opinion's backbone, which no training changes; None until they are computed"""

    @property
    def is_defect(self) -> NDArray[np.bool_]:
        """bool [n], the truth that errors are counted against."""
        return np.array([row.is_defect for row in self.rows], dtype=bool)

    @property
    def groups(self) -> list[str]:
        """[n], alike for images of the same part."""
        return [row.group for row in self.rows]

    @property
    def annotated(self) -> NDArray[np.bool_]:
        """bool [n], whether `masks` tells the whole truth: the defects are marked, or the image is surely good."""
        return np.array([bool(row.marks) or row.defect_probability == 0 for row in self.rows], dtype=bool)

    @property
    def has_places(self) -> bool:
        """Whether the defects of any image are marked."""
        return any(row.marks for row in self.rows)

    def masks(self, index: NDArray[np.integer] | Sequence[int]) -> Pixels:
        """uint8 [k, H, W] for the rows at `index`: 255 where prepared pixels touch something marked as defective, else 0.

        However small the mark, it leaves at least one pixel.
        """
        height, width = self.images.shape[1:3]
        masks = np.zeros((len(index), height, width), np.uint8)
        for mask, place in zip(masks, index, strict=True):
            row = self.rows[place]
            if row.mask:
                mask[:] = 255 * np.unpackbits(self.packed[row.path], count=height * width).reshape(height, width)
                continue
            for box in row.boxes:
                left, right = box.x0 * width // row.width, -(-box.x1 * width // row.width)
                top, bottom = box.y0 * height // row.height, -(-box.y1 * height // row.height)
                mask[top:bottom, left:right] = 255
        return masks

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "Examples":
        """The rows at `index`, or where it is True."""
        places = np.arange(len(self.rows))[index]
        frozen = None if self.frozen is None else self.frozen[places]
        return Examples([self.rows[place] for place in places], self.images[places], self.packed, frozen)

    def targets(self, classes: list[str], ok: int) -> NDArray[np.float32]:
        """Soft labels float32 [n, C]: the probability of a row's own side goes to its label, the rest to the other side."""
        table = np.zeros((len(self.rows), len(classes)), np.float32)
        for index, row in enumerate(self.rows):
            place = classes.index(row.label)
            other = slice(ok, None) if place < ok else slice(0, ok)
            own = 1 - row.defect_probability if place < ok else row.defect_probability
            table[index, other] = (1 - own) / table[index, other].size
            table[index, place] = own
        return table


def find_catalog(source: DataSource) -> Catalog:
    """The catalog that the configuration names, not yet split; raises InputError where it cannot be trained on."""
    match source.source:
        case "elpv":
            catalog = read_elpv(source.limit)
        case "folder":
            catalog = read_folder(_path(source), source.ok_classes, source.product)
        case "coco":
            catalog = read_coco(_path(source), source.ok_classes, source.product)
        case "catalog":
            catalog = read_catalog(_path(source))
    check_trainable(catalog)
    return catalog


def load_examples(catalog: Catalog, rows: list[CatalogRow], spec: Preprocessing, title: str) -> Examples:
    """Decode and prepare the images of `rows` and their masks; raises InputError naming every file that cannot be used."""
    needed = (
        len(rows) * spec.height * spec.width * 3 + sum(bool(row.mask) for row in rows) * spec.height * spec.width // 8
    )
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    log.info("%s: %d images of %d x %d, %.0f MB in memory", title, len(rows), spec.width, spec.height, needed / 1e6)
    if needed > _MOST_OF_MEMORY * available:
        raise InputError(
            f"{len(rows)} images of {spec.width} x {spec.height} need {needed / 1e9:.1f} GB of the machine's "
            f"{available / 1e9:.1f} GB; choose a smaller model.image or fewer images"
        )

    images = np.empty((len(rows), spec.height, spec.width, 3), np.uint8)
    packed: dict[str, Pixels] = {}

    def load(row: CatalogRow, index: int) -> None:
        image = _decode_file(catalog.file(row), lambda data: decode_for(spec, data))
        images[index] = prepare([image.pixels], spec)[0]
        if row.mask:
            mask = _decode_file(catalog.mask_file(row), decode)
            if mask.shape[:2] != (image.height, image.width):
                raise InputError(
                    f"mask {catalog.mask_file(row)} is {mask.shape[1]} x {mask.shape[0]} pixels and its image "
                    f"{row.path} {image.width} x {image.height}; they must be alike"
                )
            if not mask.any():
                raise InputError(
                    f"mask {catalog.mask_file(row)} marks nothing, but its image is of class {row.label}; draw the defect "
                    "or remove the mask"
                )
            packed[row.path] = np.packbits(_prepare_mask(mask.max(axis=2), spec))

    def fault(index: int) -> str:
        try:
            load(rows[index], index)
        except InputError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = [told for told in bar(pool.map(fault, range(len(rows))), len(rows), f"read {title}") if told]
    if faults:
        raise all_of(faults)
    return Examples(rows, images, packed)


def check_contents(catalog: Catalog, examples: Examples) -> None:
    """Raises InputError when no image shows anything, and warns when some do not."""
    flat = [row for row, image in zip(examples.rows, examples.images, strict=True) if image.min() == image.max()]
    if not flat:
        return
    told, first = f"{len(flat)} of {len(examples.rows)} images show a single even colour", catalog.file(flat[0])
    if len(flat) == len(examples.rows):
        raise InputError(
            f"{told}, {first} among them: nothing can be learnt from them; look at the files and the camera"
        )
    log.warning("%s, %s among them: look whether they belong here", told, first)


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` indices evenly spread over `count`."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _decode_file(file: Path, way: Callable[[bytes], _T]) -> _T:
    try:
        return way(file.read_bytes())
    except UnreadableImageError as error:
        raise InputError(f"image {file} cannot be used: {error.reason}; repair or remove it") from error


def _prepare_mask(mask: Pixels, spec: Preprocessing) -> NDArray[np.bool_]:
    """Grey uint8 [h, w] to bool [spec.height, spec.width]: True where a prepared pixel touches one that is not 0."""
    marked = (mask > 0).astype(np.float32)
    # One axis at a time, since cv2 averages over areas only when neither axis grows.
    for size in ((spec.width, marked.shape[0]), (spec.width, spec.height)):
        shrinks = size[0] < marked.shape[1] or size[1] < marked.shape[0]
        marked = cv2.resize(marked, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST).astype(
            np.float32
        )
    return marked > 0


def _path(source: DataSource) -> Path:
    if source.path is None:
        raise InputError(f"data.source {source.source} needs data.path")
    return source.path

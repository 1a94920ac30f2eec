"""Boxes in COCO's JSON (https://cocodataset.org/#format-data): images, annotations with `bbox`, categories."""

import math
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from data.box import Box
from data.catalog import OK_CLASSES, Catalog, CatalogRow, check_trainable
from data.config import explain
from data.errors import InputError
from data.sources.image_file import ImageFile, read_image_file

# The same mistake may stand in each of ten thousand annotations.
_LONGEST = 300


class _Image(BaseModel):
    id: int
    file_name: str


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]


class _Category(BaseModel):
    id: int
    name: str = Field(min_length=1)


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_coco(file: Path, ok_classes: Iterable[str] = OK_CLASSES, product: str = "") -> Catalog:
    """A catalog of every image that the JSON lists; images are sought beside it and in images/ beside it or its folder.

    An image without annotations is `good`, as is one whose annotations are all of an OK class; any other is of the class
    whose boxes cover most. Boxes are taken from `bbox`, rounded outwards to whole pixels; outlines are not read. Raises
    InputError naming the file and what is at fault: broken JSON, a missing image or category, a box outside its image.
    """
    try:
        told = _Coco.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"COCO file {file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise InputError(f"COCO file {file}: {explain(error)[:_LONGEST]}") from error
    if not told.images:
        raise InputError(f"COCO file {file} lists no images")
    ok = frozenset(ok_classes)
    names = {category.id: category.name for category in told.categories}
    marks: dict[int, list[_Annotation]] = {image.id: [] for image in told.images}
    for number, one in enumerate(told.annotations, start=1):
        if one.image_id not in marks or one.category_id not in names:
            kind, missing = ("image", one.image_id) if one.image_id not in marks else ("category", one.category_id)
            raise InputError(f"COCO file {file}: annotation {number} is of {kind} {missing}, which is not listed")
        if names[one.category_id].lower() not in ok:
            marks[one.image_id].append(one)
    root = _find_root(file, told.images[0].file_name)
    rows = tuple(_row(file, root, image.file_name, marks[image.id], names, product) for image in told.images)
    catalog = Catalog(root=root, rows=rows)
    check_trainable(catalog)
    return catalog


def _find_root(file: Path, name: str) -> Path:
    places = [file.parent, file.parent / "images", file.parent.parent / "images"]
    for place in places:
        if (place / name).is_file():
            return place
    raise InputError(f"COCO file {file}: image {name} is in none of {', '.join(str(place) for place in places)}")


def _row(
    file: Path, root: Path, name: str, marks: list[_Annotation], names: dict[int, str], product: str
) -> CatalogRow:
    image = read_image_file(root / name)
    areas: dict[str, float] = {}
    for mark in marks:
        own = names[mark.category_id]
        areas[own] = areas.get(own, 0) + mark.bbox[2] * mark.bbox[3]
    label = max(areas, key=lambda one: (areas[one], one)) if areas else "good"
    try:
        return CatalogRow(
            path=name,
            label=label,
            defect_probability=float(bool(areas)),
            classes=";".join(sorted(areas)) or label,
            group=image.sha256[:16],
            product=product,
            width=image.width,
            height=image.height,
            sha256=image.sha256,
            source="coco",
            boxes=tuple(_box(mark, names[mark.category_id], image) for mark in marks),
        )
    except ValidationError as error:
        raise InputError(f"COCO file {file}: image {name}: {explain(error)}") from error


def _box(mark: _Annotation, label: str, image: ImageFile) -> Box:
    left, top, across, down = mark.bbox
    return Box(
        x0=_trimmed(math.floor(left), image.width),
        y0=_trimmed(math.floor(top), image.height),
        x1=_trimmed(math.ceil(left + across), image.width),
        y1=_trimmed(math.ceil(top + down), image.height),
        label=label,
    )


def _trimmed(edge: int, end: int) -> int:
    """Tools that write fractions overshoot the image by up to a pixel; anything more is a mistake to be told."""
    return min(max(edge, 0), end) if -1 <= edge <= end + 1 else edge

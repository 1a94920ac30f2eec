"""The index of a data set: one CSV row per image, and the reconciliation that nothing was lost on the way in."""

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_serializer, field_validator

from data.box import Box, format_boxes, parse_boxes
from data.config import explain
from data.durable import replacing
from data.errors import InputError
from data.record import Record

Split = Literal["train", "val", "test", ""]

OK_CLASSES = frozenset({"good", "ok", "normal", "pass"})


class CatalogRow(Record):
    """One image.

    `path` is relative to the catalog's root; `label` is the class that training aims at; `classes` are all that apply,
    joined by `;`; `defect_probability` is the label as a probability in 0..1 (experts may be unsure); images of one
    `group` never lie in two splits; `split` is empty until split. `width` and `height` are of the upright image.

    Where a person marked the defects there are `boxes` (in the CSV as `x0,y0,x1,y1;...`, original pixels, `x1` and `y1` just
    outside, optionally with the class as a fifth value), or a `mask`: an image of the same size, its path relative like
    `path`, in which any pixel that is not 0 is defect. With both, the mask tells the place, as it is the finer.
    """

    path: str = Field(min_length=1)
    label: str = Field(min_length=1)
    defect_probability: float = Field(ge=0, le=1)
    classes: str
    group: str = Field(min_length=1)
    split: Split = ""
    product: str = ""
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str
    boxes: tuple[Box, ...] = ()
    mask: str = ""
    mask_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", validate_default=True)

    @field_validator("boxes", mode="before")
    @classmethod
    def _parse_boxes(cls, value: Any) -> Any:
        return parse_boxes(value) if isinstance(value, str) else value

    @field_validator("boxes")
    @classmethod
    def _boxes_lie_inside(cls, boxes: tuple[Box, ...], info: ValidationInfo) -> tuple[Box, ...]:
        # A column that is itself at fault is missing here, and named by its own error.
        width, height = info.data.get("width"), info.data.get("height")
        if width and height:
            for box in boxes:
                if box.x1 > width or box.y1 > height:
                    raise ValueError(f"box {box} leaves the image of {width} x {height} pixels")
        return boxes

    @field_validator("boxes", "mask")
    @classmethod
    def _is_of_a_defect(cls, value: Any, info: ValidationInfo) -> Any:
        if value and info.data.get("defect_probability") == 0:
            raise ValueError(
                f"the image is of class {info.data.get('label')}, surely good, so that nothing can be marked"
            )
        return value

    @field_validator("mask_sha256")
    @classmethod
    def _mask_has_its_hash(cls, value: str, info: ValidationInfo) -> str:
        if "mask" in info.data and bool(value) != bool(info.data["mask"]):
            raise ValueError("mask and mask_sha256 go together")
        return value

    @field_serializer("boxes")
    def _format_boxes(self, boxes: tuple[Box, ...]) -> str:
        return format_boxes(boxes)

    @property
    def marks(self) -> str:
        """What was marked in the image, as a text that changes with it; empty when nothing was."""
        return " ".join(part for part in (format_boxes(self.boxes), self.mask_sha256) if part)

    @property
    def is_defect(self) -> bool:
        """The truth that errors are counted against: a defect probability over one half."""
        return self.defect_probability > 0.5


class Catalog(Record):
    """Rows with the directory that their paths start from."""

    root: Path
    rows: tuple[CatalogRow, ...]

    @property
    def ok_classes(self) -> frozenset[str]:
        """The classes of which no image is defective."""
        return frozenset(row.label for row in self.rows) - {row.label for row in self.rows if row.is_defect}

    @property
    def classes(self) -> list[str]:
        """Class names in a fixed order: OK classes, then defect classes, each sorted."""
        ok = self.ok_classes
        return sorted({row.label for row in self.rows}, key=lambda name: (name not in ok, name))

    @property
    def fingerprint(self) -> str:
        """Hex sha256 over image contents, labels, splits and marks; independent of where the images lie and in what order."""
        lines = sorted(
            f"{row.sha256} {row.label} {row.defect_probability!r} {row.split}{row.marks and ' '}{row.marks}"
            for row in self.rows
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def of_split(self, split: Split) -> list[CatalogRow]:
        return [row for row in self.rows if row.split == split]

    def file(self, row: CatalogRow) -> Path:
        return self.root / row.path

    def mask_file(self, row: CatalogRow) -> Path:
        """The file of a row that has a mask."""
        return self.root / row.mask

    def counts(self) -> dict[str, Counter[str]]:
        """Images per split and label."""
        table: dict[str, Counter[str]] = {}
        for row in self.rows:
            table.setdefault(row.split, Counter())[row.label] += 1
        return table


def write_catalog(catalog: Catalog, file: Path) -> None:
    """Write the catalog as CSV in one step, with paths relative to the CSV's own directory where they can be."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(CatalogRow.model_fields))
    writer.writeheader()
    base = file.parent.resolve()
    for row in catalog.rows:
        places = {"path": catalog.file(row)} | ({"mask": catalog.mask_file(row)} if row.mask else {})
        paths = {name: Path(os.path.relpath(place.resolve(), base)).as_posix() for name, place in places.items()}
        writer.writerow(row.model_copy(update=paths).model_dump())
    with replacing(file) as stream:
        stream.write(text.getvalue().encode())


def read_catalog(file: Path) -> Catalog:
    """Read a catalog CSV and check that every image is there.

    Raises InputError naming the file, the row and the column or path at fault.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = [_row(file, number, fields) for number, fields in enumerate(csv.DictReader(stream), start=1)]
    except OSError as error:
        raise InputError(f"catalog {file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"catalog {file} is not CSV in UTF-8 ({error}); save it as that") from error
    if not rows:
        raise InputError(f"catalog {file} has no images; its header must be {','.join(CatalogRow.model_fields)}")
    for number, row in enumerate(rows, start=1):
        for place in (row.path, row.mask):
            if place and not (file.parent / place).is_file():
                raise InputError(
                    f"image {number} of {file.name}: file {place} not found; paths are relative to the CSV ({file.parent})"
                )
    return Catalog(root=file.parent, rows=tuple(rows))


def check_trainable(catalog: Catalog) -> None:
    """Raise InputError unless the catalog has an OK class and a defect class, and no class is both."""
    defect = {row.label for row in catalog.rows if row.is_defect}
    good = {row.label for row in catalog.rows if not row.is_defect}
    if both := sorted(defect & good):
        raise InputError(
            f"class {both[0]} has images with a defect probability above one half and others below; split it"
        )
    if not good:
        raise InputError(
            f"no class is OK: found {_join(defect)}; name the OK class one of {_join(OK_CLASSES)}, or say which it is: "
            "--set 'data.ok_classes=[NAME]' of `python -m training`, --ok of `python -m data folder`"
        )
    if not defect:
        raise InputError(
            f"all {len(catalog.rows)} images are of class {_join(good)}; defective examples are needed too"
        )


def _row(file: Path, number: int, fields: dict[str, str]) -> CatalogRow:
    if None in fields or None in fields.values():
        raise InputError(
            f"image {number} of {file.name}: more or fewer fields than the header names; quote those with commas"
        )
    try:
        return CatalogRow.model_validate(fields)
    except ValidationError as error:
        raise InputError(f"image {number} of {file.name}: {explain(error)}") from error


def _join(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"

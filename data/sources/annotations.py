"""Where the defects of a labelled folder are: masks under ROOT/ground_truth (as in MVTec AD) and boxes in a CSV.

ROOT/ground_truth/<class>/NAME_mask.png (or NAME.png) is the mask of <class>/NAME.*: any pixel that is not 0 is defect.
ROOT/annotations.csv has one row per image: `path` from ROOT, `boxes` as `x0,y0,x1,y1;...` or as a JSON list of lists, each box
optionally with its class as a fifth value, and `group` (what must not lie in two splits, such as a board). A labels.csv
with these columns is read too; a row may leave `boxes` empty, and an image need not have a row.
"""

import csv
from pathlib import Path

from pydantic import ValidationError

from data.catalog import CatalogRow
from data.config import explain
from data.errors import InputError
from data.sources.image_file import SUFFIXES, read_image_file

GROUND_TRUTH = "ground_truth"


def annotate(root: Path, rows: list[CatalogRow]) -> list[CatalogRow]:
    """The rows of a labelled folder with their boxes, masks and groups, in the same order.

    Copies of one image stay in one group: the one that the CSV gives the first of them. Raises InputError naming the file
    and row for an annotation of an image that is not there, of a good image, or outside the image.
    """
    by_path = {row.path: row for row in rows}
    try:
        file = _find_csv(root)
        if file is not None:
            _add_csv(file, by_path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"the CSV beside the classes in {root} is not CSV in UTF-8 ({error}); save it as that"
        ) from error
    if (root / GROUND_TRUTH).is_dir():
        _add_masks(root, by_path)
    return list(by_path.values())


def _find_csv(root: Path) -> Path | None:
    named = [root / name for name in ("annotations.csv", "labels.csv") if (root / name).is_file()]
    if named and named[0].name == "annotations.csv":
        return named[0]
    # Many a data set has a labels.csv of its own kind beside its class folders.
    return next((file for file in named if {"path", "boxes"} <= set(_columns(file))), None)


def _columns(file: Path) -> list[str]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        return next(csv.reader(stream), [])


def _add_csv(file: Path, by_path: dict[str, CatalogRow]) -> None:
    columns = _columns(file)
    if "path" not in columns or not {"boxes", "group"} & set(columns):
        raise InputError(
            f"{file} has the columns {','.join(columns) or '(none)'}; expected path with boxes, group or both"
        )
    seen: set[str] = set()
    groups: dict[str, str] = {}
    with file.open(newline="", encoding="utf-8-sig") as stream:
        for number, fields in enumerate(csv.DictReader(stream), start=1):
            where, path = f"{file} row {number}", Path(fields["path"] or "").as_posix()
            row = by_path.get(path)
            if row is None:
                raise InputError(f"{where}: image {path} is not in the folder; paths are relative to {file.parent}")
            if path in seen:
                raise InputError(f"{where}: image {path} has a row already; put all its boxes into one, parted by ;")
            seen.add(path)
            group = groups.setdefault(row.sha256, fields.get("group") or row.group)
            by_path[path] = _changed(row, where, boxes=fields.get("boxes") or "", group=group)


def _add_masks(root: Path, by_path: dict[str, CatalogRow]) -> None:
    images: dict[str, list[str]] = {}
    for row in by_path.values():
        below = Path(row.path).relative_to(row.split or ".").with_suffix("").as_posix()
        images.setdefault(below, []).append(row.path)
    for file in sorted(file for file in (root / GROUND_TRUTH).rglob("*") if file.suffix.lower() in SUFFIXES):
        name = file.relative_to(root / GROUND_TRUTH).with_suffix("").as_posix()
        found = images.get(name) or images.get(name.removesuffix("_mask")) or []
        if len(found) != 1:
            told = f"{len(found)} images ({', '.join(found)})" if found else "no image"
            raise InputError(f"mask {file} belongs to {told}; name it {GROUND_TRUTH}/<class>/NAME_mask.png after one")
        row = by_path[found[0]]
        if row.mask:
            raise InputError(f"image {row.path} has two masks, {root / row.mask} and {file}; keep one")
        sha256 = read_image_file(file).sha256
        by_path[row.path] = _changed(row, f"mask {file}", mask=file.relative_to(root).as_posix(), mask_sha256=sha256)


def _changed(row: CatalogRow, where: str, **changes: str) -> CatalogRow:
    try:
        return CatalogRow.model_validate(row.model_dump() | changes)
    except ValidationError as error:
        raise InputError(f"{where}: {explain(error)}") from error

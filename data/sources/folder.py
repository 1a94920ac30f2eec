"""A labelled folder: ROOT/<class>/* or ROOT/{train,val,test}/<class>/*, with masks and boxes where there are any."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from data.catalog import OK_CLASSES, Catalog, CatalogRow, Split, check_trainable
from data.errors import InputError
from data.sources.annotations import GROUND_TRUTH, annotate
from data.sources.image_file import SUFFIXES, read_image_file

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def read_folder(root: Path, ok_classes: Iterable[str] = OK_CLASSES, product: str = "") -> Catalog:
    """A catalog of every image under the class folders of `root`.

    Images with the same content share a group, so a copy never sits in train and test at once. Masks and boxes are found as
    data.sources.annotations says. Raises InputError for a missing folder, a class without images, only one kind of class,
    any image that cannot be read, a picture that is both good and defective, and any annotation that fits no image (naming it).
    """
    if not root.is_dir():
        raise InputError(f"folder {root} not found; expected ROOT/<class>/* or ROOT/{{train,val,test}}/<class>/*")
    ok = frozenset(ok_classes)
    rows: list[CatalogRow] = []
    for split, folder in _class_folders(root):
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not files:
            raise InputError(
                f"class folder {folder} has no images; delete it or add images ({', '.join(sorted(SUFFIXES))})"
            )
        label = folder.name.lower() if folder.name.lower() in ok else folder.name
        rows.extend(_row(root, file, label, split, ok, product) for file in files)
    if not rows:
        raise InputError(
            f"folder {root} has no class folders; expected ROOT/<class>/* or ROOT/{{train,val,test}}/<class>/*"
        )
    catalog = Catalog(root=root, rows=tuple(annotate(root, rows)))
    check_trainable(catalog)
    _check_copies(catalog.rows)
    return catalog


def _class_folders(root: Path) -> Iterator[tuple[Split, Path]]:
    given = [split for split in SPLITS if (root / split).is_dir()]
    if "train" in given and "test" not in given:
        raise InputError(f"folder {root} has train but no test; add test/<class>/*, or give the classes without splits")
    for split, parent in [(split, root / split) for split in given] or [("", root)]:
        for folder in sorted(parent.iterdir()):
            if folder.is_dir() and not folder.name.startswith(".") and folder != root / GROUND_TRUTH:
                yield split, folder


def _check_copies(rows: Iterable[CatalogRow]) -> None:
    by_content: dict[str, CatalogRow] = {}
    for row in rows:
        first = by_content.setdefault(row.sha256, row)
        if first.is_defect != row.is_defect:
            raise InputError(
                f"{first.path} of class {first.label} and {row.path} of class {row.label} are the same picture, byte for byte; "
                "remove one of them"
            )


def _row(root: Path, file: Path, label: str, split: Split, ok: frozenset[str], product: str) -> CatalogRow:
    image = read_image_file(file)
    return CatalogRow(
        path=file.relative_to(root).as_posix(),
        label=label,
        defect_probability=0.0 if label in ok else 1.0,
        classes=label,
        group=image.sha256[:16],
        split=split,
        product=product,
        width=image.width,
        height=image.height,
        sha256=image.sha256,
        source="folder",
    )

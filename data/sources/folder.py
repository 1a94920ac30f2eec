"""A labelled folder: ROOT/<class>/* or ROOT/{train,val,test}/<class>/*."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from data.catalog import OK_CLASSES, Catalog, CatalogRow, Split, check_trainable
from data.errors import InputError, UnreadableImageError
from data.image import read_header

SPLITS: tuple[Split, ...] = ("train", "val", "test")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


def read_folder(root: Path, ok_classes: Iterable[str] = OK_CLASSES, product: str = "") -> Catalog:
    """A catalog of every image under the class folders of `root`.

    Images with the same content share a group, so a copy never sits in train and test at once. Raises InputError for a
    missing folder, a class without images, only one kind of class, and any image that cannot be read (naming it).
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
    catalog = Catalog(root=root, rows=tuple(rows))
    check_trainable(catalog)
    return catalog


def _class_folders(root: Path) -> Iterator[tuple[Split, Path]]:
    given = [split for split in SPLITS if (root / split).is_dir()]
    if "train" in given and "test" not in given:
        raise InputError(f"folder {root} has train but no test; add test/<class>/*, or give the classes without splits")
    for split, parent in [(split, root / split) for split in given] or [("", root)]:
        for folder in sorted(parent.iterdir()):
            if folder.is_dir() and not folder.name.startswith("."):
                yield split, folder


def _row(root: Path, file: Path, label: str, split: Split, ok: frozenset[str], product: str) -> CatalogRow:
    content = file.read_bytes()
    try:
        header = read_header(content)
    except UnreadableImageError as error:
        raise InputError(f"image {file} cannot be used: {error.reason}; repair or remove it") from error
    sha256 = hashlib.sha256(content).hexdigest()
    return CatalogRow(
        path=file.relative_to(root).as_posix(),
        label=label,
        defect_probability=0.0 if label in ok else 1.0,
        classes=label,
        group=sha256[:16],
        split=split,
        product=product,
        width=header.width,
        height=header.height,
        sha256=sha256,
        source="folder",
    )

"""A labelled folder: ROOT/<class>/* or ROOT/{train,val,test}/<class>/*, with masks and boxes where there are any."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from data.catalog import OK_CLASSES, Catalog, CatalogRow, Split, check_trainable
from data.errors import InputError, all_of
from data.sources.annotations import GROUND_TRUTH, annotate
from data.sources.image_file import SUFFIXES, read_image_file

log = logging.getLogger(__name__)

SPLITS: tuple[Split, ...] = ("train", "val", "test")
_SPLITS_ELSEWHERE = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
# What desktops leave in every folder that they have shown.
_LEFT_BY_DESKTOPS = frozenset({"thumbs.db", "desktop.ini"})


def read_folder(root: Path, ok_classes: Iterable[str] = OK_CLASSES, product: str = "") -> Catalog:
    """A catalog of every image under the class folders of `root`.

    Images with the same content share a group, so a copy never sits in train and test at once. Masks and boxes are found as
    data.sources.annotations says. Hidden files are left out; other files that are no images too, with a warning that counts
    them. Raises InputError for a missing folder, a class without images, only one kind of class, a folder beside the
    splits, images that cannot be read (all of them at once), a picture that is both good and defective, and any annotation that
    fits no image (naming it).
    """
    if not root.is_dir():
        raise InputError(f"folder {root} not found; expected ROOT/<class>/* or ROOT/{{train,val,test}}/<class>/*")
    ok = frozenset(ok_classes)
    rows: list[CatalogRow] = []
    faults: list[str] = []
    others: Counter[str] = Counter()
    for split, folder in _class_folders(root):
        files, left_out = _image_files(folder)
        others.update(left_out)
        if not files:
            raise InputError(
                f"class folder {folder} has no images; delete it or add images ({', '.join(sorted(SUFFIXES))})"
            )
        label = folder.name.lower() if folder.name.lower() in ok else folder.name
        for file in files:
            try:
                rows.append(_row(root, file, label, split, ok, product))
            except InputError as error:
                faults.append(str(error))
    if others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        log.warning("files under %s that are no images were left out: %s", root, kinds)
    if faults:
        raise all_of(faults)
    if not rows:
        raise InputError(
            f"folder {root} has no class folders; expected ROOT/<class>/* or ROOT/{{train,val,test}}/<class>/*"
        )
    catalog = Catalog(root=root, rows=tuple(annotate(root, rows)))
    check_trainable(catalog)
    _check_copies(catalog.rows)
    return catalog


def _class_folders(root: Path) -> Iterator[tuple[Split, Path]]:
    folders = [
        folder
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and folder != root / GROUND_TRUTH
    ]
    meant = {folder: _SPLITS_ELSEWHERE.get(folder.name.lower(), folder.name.lower()) for folder in folders}
    given = [split for split in SPLITS if root / split in folders]
    for folder, split in meant.items():
        # Alone, and with images of its own, it is a class: some plants call their classes valid and invalid.
        if split in SPLITS and folder.name != split and (given or not _has_images(folder)):
            raise InputError(f"folder {folder}: name it {split}; the splits are called {', '.join(SPLITS)}")
    for folder in folders:
        if given and folder.name not in given and _image_files(folder)[0]:
            raise InputError(
                f"folder {folder} lies beside {', '.join(given)}, so that its images belong to no split; move it into one "
                f"as a class, masks to {GROUND_TRUTH}/<class>, or all of it away"
            )
    if "train" in given and "test" not in given:
        raise InputError(f"folder {root} has train but no test; add test/<class>/*, or give the classes without splits")
    if not given:
        yield from (("", folder) for folder in folders)
    for split in given:
        for folder in sorted((root / split).iterdir()):
            if folder.name.lower() == GROUND_TRUTH:
                raise InputError(f"folder {folder}: masks belong to {root / GROUND_TRUTH}/<class>; move them there")
            if folder.is_dir() and not folder.name.startswith("."):
                yield split, folder


def _has_images(folder: Path) -> bool:
    return any(file.suffix.lower() in SUFFIXES for file in folder.iterdir())


def _image_files(folder: Path) -> tuple[list[Path], list[str]]:
    """The image files below `folder` in order, and the suffix of each other file that a person may have meant as one."""
    files: list[Path] = []
    others: list[str] = []
    for file in sorted(folder.rglob("*")):
        # A Mac leaves ._NAME.jpg beside NAME.jpg on other people's disks.
        if file.name.startswith(".") or file.is_dir():
            continue
        if file.suffix.lower() in SUFFIXES:
            files.append(file)
        elif file.name.lower() not in _LEFT_BY_DESKTOPS:
            others.append(file.suffix.lower() or "without a suffix")
    return files, others


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

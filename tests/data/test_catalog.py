"""Catalogs: nothing lost between a folder, a CSV and the splits, and every mistake named."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.catalog import Catalog, CatalogRow, read_catalog, write_catalog
from data.errors import InputError
from data.sources.folder import read_folder
from data.split import SplitShares, assign_splits


def save(file: Path, value: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30), value % 256, np.uint8)).save(file)


def labelled_folder(root: Path, good: int = 12, scratch: int = 8) -> Path:
    for index in range(good):
        save(root / "Good" / f"{index}.png", index)
    for index in range(scratch):
        save(root / "scratch" / "batch 2" / f"{index}.png", 100 + index)
    return root


def row(index: int, label: str, group: str, split: str = "") -> CatalogRow:
    return CatalogRow(
        path=f"{index}.png",
        label=label,
        defect_probability=float(label != "good"),
        classes=label,
        group=group,
        split=split,
        width=1,
        height=1,
        sha256=f"{index:064x}",
        source="test",
    )


def test_folder_to_csv_and_back_keeps_every_image(tmp_path: Path) -> None:
    catalog = read_folder(labelled_folder(tmp_path / "lot 1"))
    assert catalog.counts() == {"": {"good": 12, "scratch": 8}}
    assert catalog.classes == ["good", "scratch"]
    assert catalog.ok_classes == {"good"}
    file = tmp_path / "elsewhere" / "lot.csv"
    write_catalog(catalog, file)
    again = read_catalog(file)
    assert again.fingerprint == catalog.fingerprint
    assert [again.file(one).read_bytes() for one in again.rows] == [
        catalog.file(one).read_bytes() for one in catalog.rows
    ]


def test_an_ok_class_of_another_name_stays_ok_through_the_csv(tmp_path: Path) -> None:
    save(tmp_path / "in" / "bon" / "1.png", 1)
    save(tmp_path / "in" / "rayure" / "2.png", 2)
    write_catalog(read_folder(tmp_path / "in", ok_classes=["bon"]), tmp_path / "c.csv")
    assert read_catalog(tmp_path / "c.csv").ok_classes == {"bon"}


def test_given_splits_are_kept_and_val_is_cut_from_train(tmp_path: Path) -> None:
    for split, n in (("train", 20), ("test", 6)):
        for label, base in (("good", 0), ("defect", 128)):
            for index in range(n):
                save(tmp_path / split / label / f"{index}.png", base + index + (60 if split == "test" else 0))
    catalog = assign_splits(read_folder(tmp_path), SplitShares(val=0.25))
    assert catalog.counts() == {
        "train": {"good": 15, "defect": 15},
        "val": {"good": 5, "defect": 5},
        "test": {"good": 6, "defect": 6},
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.floats(0.05, 0.6))
def test_no_group_lies_in_two_splits_and_nothing_is_lost(seed: int, groups: int, share: float) -> None:
    random = np.random.default_rng(seed)
    places_of = random.integers(0, groups, 200)
    defective = random.random(200) < share
    rows = tuple(row(i, "defect" if defective[i] else "good", f"g{places_of[i]}") for i in range(200))
    catalog = Catalog(root=Path(), rows=rows)
    shares = SplitShares(val=0.2, test=0.25, seed=seed % 6)
    try:
        split = assign_splits(catalog, shares)
    except InputError as error:
        assert "needs both good and defective" in str(error)
        return
    assert [one.path for one in split.rows] == [one.path for one in rows]
    places: dict[str, set[str]] = {}
    for one in split.rows:
        places.setdefault(one.group, set()).add(one.split)
    assert all(len(where) == 1 for where in places.values())
    assert assign_splits(catalog, shares) == split


def test_splits_keep_the_share_of_each_label() -> None:
    rows = tuple(row(i, "defect" if i % 5 == 0 else "good", f"g{i}") for i in range(1000))
    counts = assign_splits(Catalog(root=Path(), rows=rows), SplitShares(val=0.2, test=0.25)).counts()
    assert counts == {
        "train": {"good": 440, "defect": 110},
        "val": {"good": 160, "defect": 40},
        "test": {"good": 200, "defect": 50},
    }


def test_a_group_in_train_and_test_is_a_leak() -> None:
    rows = [
        row(i, label, f"g{i}", split)
        for i, (label, split) in enumerate(
            (label, split) for split in ("train", "val", "test") for label in ("good", "defect")
        )
    ]
    rows.append(row(9, "good", rows[0].group, "test"))
    with pytest.raises(InputError, match="lies in train and in test"):
        assign_splits(Catalog(root=Path(), rows=tuple(rows)), SplitShares())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere not found; expected ROOT/<class>"):
        read_folder(tmp_path / "nowhere")


def test_a_class_without_images_is_named(tmp_path: Path) -> None:
    (labelled_folder(tmp_path) / "dent").mkdir()
    with pytest.raises(InputError, match="dent has no images"):
        read_folder(tmp_path)


def test_one_kind_of_class_cannot_train(tmp_path: Path) -> None:
    save(tmp_path / "only_good" / "good" / "1.png", 1)
    with pytest.raises(InputError, match="all 1 images are of class good"):
        read_folder(tmp_path / "only_good")
    save(tmp_path / "no_good" / "dent" / "1.png", 1)
    with pytest.raises(InputError, match="no class is OK: found dent"):
        read_folder(tmp_path / "no_good")


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    (labelled_folder(tmp_path) / "scratch" / "broken.png").write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"broken\.png cannot be used"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("path", "cam3/0017.png", r"image 3 of lot\.csv: file cam3/0017\.png not found; paths are relative to the CSV"),
        ("defect_probability", "1.5", r"image 3 of lot\.csv: defect_probability: Input should be less than"),
        ("split", "training", r"image 3 of lot\.csv: split: Input should be 'train'"),
        ("label", "", r"image 3 of lot\.csv: label: String should have at least 1 character"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, column: str, value: str, message: str) -> None:
    file = tmp_path / "lot.csv"
    write_catalog(read_folder(labelled_folder(tmp_path / "in")), file)
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[2][column] = value
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError, match=message):
        read_catalog(file)


def test_a_csv_without_images_says_what_the_header_is(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("path,label\n")
    with pytest.raises(InputError, match="has no images; its header must be path,label,defect_probability"):
        read_catalog(tmp_path / "empty.csv")

"""Catalogs: nothing lost between a folder, a CSV and the splits, and every mistake named."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.box import Box
from data.catalog import Catalog, CatalogRow, read_catalog, write_catalog
from data.errors import InputError
from data.sources.folder import read_folder
from data.split import SplitShares, assign_folds, assign_splits


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


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 60), st.integers(2, 6))
def test_folds_keep_groups_whole_and_labels_in_share(seed: int, groups: int, folds: int) -> None:
    random = np.random.default_rng(seed)
    places_of = random.integers(0, groups, 300)
    rows = [row(i, "defect" if i % 3 == 0 else "good", f"g{places_of[i]}") for i in range(300)]
    try:
        assignment = assign_folds(rows, folds, seed % 7)
    except InputError as error:
        assert "every fold needs both good and defective" in str(error)
        return
    assert set(assignment) == set(range(folds))
    for group in set(places_of):
        assert len(set(assignment[places_of == group])) == 1
    if groups > 40:
        defect = np.array([one.is_defect for one in rows])
        for fold in range(folds):
            assert (assignment == fold).mean() == pytest.approx(1 / folds, abs=0.06)
            assert defect[assignment == fold].mean() == pytest.approx(1 / 3, abs=0.1)
    np.testing.assert_array_equal(assign_folds(rows, folds, seed % 7), assignment)


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
    with pytest.raises(
        InputError,
        match=r"in train and .* in test are of one group, g0 \(the same part or the same picture; 1 such groups\)",
    ):
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


def test_all_unreadable_images_are_named_at_once(tmp_path: Path) -> None:
    root = labelled_folder(tmp_path)
    (root / "scratch" / "broken.png").write_bytes(b"not an image")
    (root / "Good" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match=r"gone\.png cannot be read.*\n.*broken\.png cannot be used"):
        read_folder(root)


def test_files_that_are_no_images_are_counted_and_hidden_ones_are_no_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = labelled_folder(tmp_path)
    for name in ("a.heic", "b.HEIC", "list.xlsx", "Thumbs.db", "._0.png", ".DS_Store"):
        (root / "Good" / name).write_bytes(b"no image")
    assert len(read_folder(root).rows) == 20
    assert [record.getMessage() for record in caplog.records] == [
        f"files under {root} that are no images were left out: 2 .heic, 1 .xlsx"
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("valid", "name it val; the splits are called train, val, test"),
        ("Test", "name it test;"),
        ("scratch", "scratch lies beside train, so that its images belong to no split"),
    ],
)
def test_a_folder_beside_the_splits_is_not_left_out_silently(tmp_path: Path, name: str, message: str) -> None:
    save(tmp_path / "train" / "good" / "1.png", 1)
    save(tmp_path / name / "good" / "2.png", 2)
    with pytest.raises(InputError, match=message):
        read_folder(tmp_path)


def test_masks_inside_a_split_are_no_class(tmp_path: Path) -> None:
    for place in ("train/good", "train/ground_truth", "test/good"):
        save(tmp_path / place / "1.png", 1)
    with pytest.raises(InputError, match=r"masks belong to .*ground_truth/<class>; move them there"):
        read_folder(tmp_path)


def test_classes_may_be_called_what_others_call_splits(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / ("valid" if number % 2 else "invalid") / f"{number}.png", number)
    assert {row.label for row in read_folder(tmp_path, ["valid"]).rows} == {"valid", "invalid"}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("path", "cam3/0017.png", r"image 3 of lot\.csv: file cam3/0017\.png not found; paths are relative to the CSV"),
        ("defect_probability", "1.5", r"image 3 of lot\.csv: defect_probability: Input should be less than"),
        ("split", "training", r"image 3 of lot\.csv: split: Input should be 'train'"),
        ("label", "", r"image 3 of lot\.csv: label: String should have at least 1 character"),
        ("boxes", "1,2,31,9", r"image 3 of lot\.csv: boxes: .*box 1,2,31,9 leaves the image of 30 x 20 pixels"),
        ("boxes", "1,2,3,9;4,4,4,9", r"image 3 of lot\.csv: boxes\.1: .*box 4,4,4,9 has no area"),
        ("boxes", "1,2,3", r"image 3 of lot\.csv: boxes: .*is no box; expected x0,y0,x1,y1"),
        ("boxes", "1,2,3,x", r"image 3 of lot\.csv: boxes\.0\.y1: Input should be a valid integer"),
        ("boxes", "-1,2,3,4", r"image 3 of lot\.csv: boxes\.0\.x0: Input should be greater than or equal to 0"),
        ("mask", "mask.png", r"image 3 of lot\.csv: mask_sha256: .*mask and mask_sha256 go together"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, column: str, value: str, message: str) -> None:
    file = tmp_path / "lot.csv"
    write_catalog(read_folder(labelled_folder(tmp_path / "in")), file)
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows.sort(key=lambda one: one["label"], reverse=True)
    rows[2][column] = value
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError, match=message):
        read_catalog(file)


def marked(tmp_path: Path, boxes: str = "3,4,10,12", mask_sha256: str = "") -> Catalog:
    """One marked image of two; with `mask_sha256` by a mask, too."""
    save(tmp_path / "in" / "1.png", 1)
    save(tmp_path / "in" / "truth" / "0.png", 1)
    fields = {"width": 30, "height": 20, "path": "1.png", "boxes": boxes, "mask": mask_sha256 and "truth/0.png"}
    one = row(1, "dent", "b").model_dump() | fields | {"mask_sha256": mask_sha256}
    save(tmp_path / "in" / "0.png", 0)
    return Catalog(root=tmp_path / "in", rows=(row(0, "good", "a"), CatalogRow.model_validate(one)))


def test_boxes_and_masks_survive_the_csv(tmp_path: Path) -> None:
    catalog = marked(tmp_path, "3,4,10,12;0,0,30,20,deep dent", mask_sha256="f" * 64)
    write_catalog(catalog, tmp_path / "elsewhere" / "lot.csv")
    again = read_catalog(tmp_path / "elsewhere" / "lot.csv")
    assert again.rows[0].boxes == ()
    assert again.rows[1].boxes == (Box(x0=3, y0=4, x1=10, y1=12), Box(x0=0, y0=0, x1=30, y1=20, label="deep dent"))
    assert again.mask_file(again.rows[1]).samefile(tmp_path / "in" / "truth" / "0.png")
    assert again.fingerprint == catalog.fingerprint


def test_a_missing_mask_is_named(tmp_path: Path) -> None:
    write_catalog(marked(tmp_path, mask_sha256="f" * 64), tmp_path / "lot.csv")
    (tmp_path / "in" / "truth" / "0.png").unlink()
    with pytest.raises(InputError, match=r"image 2 of lot\.csv: file in/truth/0\.png not found"):
        read_catalog(tmp_path / "lot.csv")


def test_other_marks_make_another_data_set(tmp_path: Path) -> None:
    catalogs = [
        marked(tmp_path, ""),
        marked(tmp_path),
        marked(tmp_path, "3,4,10,13"),
        marked(tmp_path, mask_sha256="f" * 64),
        marked(tmp_path, mask_sha256="e" * 64),
    ]
    assert len({catalog.fingerprint for catalog in catalogs}) == len(catalogs)


def test_a_catalog_from_before_there_were_marks_is_the_same_data_set(tmp_path: Path) -> None:
    file = tmp_path / "lot.csv"
    write_catalog(marked(tmp_path, ""), file)
    with file.open(newline="") as stream:
        rows = [dict(list(fields.items())[:-3]) for fields in csv.DictReader(stream)]
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    again = read_catalog(file)
    assert [one.marks for one in again.rows] == ["", ""]
    lines = sorted(f"{one.sha256} {one.label} {one.defect_probability!r} {one.split}" for one in again.rows)
    assert again.fingerprint == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_nothing_can_be_marked_in_a_good_image() -> None:
    with pytest.raises(ValueError, match=r"the image is of class good, surely good"):
        CatalogRow.model_validate(row(0, "good", "a").model_dump() | {"boxes": "0,0,1,1"})


def test_a_csv_without_images_says_what_the_header_is(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("path,label\n")
    with pytest.raises(InputError, match="has no images; its header must be path,label,defect_probability"):
        read_catalog(tmp_path / "empty.csv")


def test_one_picture_that_is_good_and_defective_is_named(tmp_path: Path) -> None:
    root = labelled_folder(tmp_path)
    (root / "scratch" / "copy.png").write_bytes((root / "Good" / "3.png").read_bytes())
    with pytest.raises(InputError, match=r"Good/3\.png of class good and scratch/copy\.png .* are the same picture"):
        read_folder(root)


@pytest.mark.parametrize("encoding", ["utf-16", "big5"])
def test_a_csv_in_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    root = labelled_folder(tmp_path)
    for name, reading in (
        ("catalog.csv", lambda: read_catalog(root / "catalog.csv")),
        ("annotations.csv", lambda: read_folder(root)),
    ):
        (root / name).write_bytes("path,group,刮痕\n".encode(encoding))
        with pytest.raises(InputError, match="is not CSV in UTF-8"):
            reading()


def test_a_row_with_an_unquoted_comma_is_named(tmp_path: Path) -> None:
    catalog = read_folder(labelled_folder(tmp_path))
    write_catalog(catalog, tmp_path / "catalog.csv")
    lines = (tmp_path / "catalog.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "catalog.csv").write_text("\n".join([*lines[:2], lines[2] + ",more"]), encoding="utf-8")
    with pytest.raises(InputError, match=r"image 2 of catalog\.csv: more or fewer fields"):
        read_catalog(tmp_path / "catalog.csv")


def test_too_few_parts_for_the_splits_are_counted() -> None:
    rows = [row(i, "defect" if i % 2 else "good", f"board {i % 2 and i % 4}") for i in range(20)]
    with pytest.raises(
        InputError, match=r"All defective images are of 2 groups .* bring defective images of at least 3"
    ):
        assign_splits(Catalog(root=Path(), rows=tuple(rows)), SplitShares())
    with pytest.raises(
        InputError, match=r"All defective images are of 2 groups .* bring defective images of at least 5"
    ):
        assign_folds(rows, 5, 0)

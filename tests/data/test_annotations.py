"""Masks and boxes beside a labelled folder: each finds its image, and one that fits none is named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.box import Box
from data.catalog import Catalog, CatalogRow
from data.errors import InputError
from data.sources.folder import read_folder


def save(file: Path, value: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30), value, np.uint8)).save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good images and two of class dent, 30 x 20 pixels, each of other content."""
    for value, name in enumerate(("good/0", "good/1", "dent/0", "dent/1")):
        save(tmp_path / f"{name}.png", value)
    return tmp_path


def by_path(catalog: Catalog) -> dict[str, CatalogRow]:
    return {row.path: row for row in catalog.rows}


@pytest.mark.parametrize("name", ["annotations.csv", "labels.csv"])
@pytest.mark.parametrize("boxes", ["1,2,11,12;20,0,30,20,deep", '"[[1, 2, 11, 12], [20, 0, 30, 20, ""deep""]]"'])
def test_boxes_from_a_csv_in_either_form(folder: Path, name: str, boxes: str) -> None:
    text = boxes if boxes.startswith('"') else f'"{boxes}"'
    (folder / name).write_text(f"board,path,boxes\n7,dent/1.png,{text}\n7,good/0.png,\n")
    rows = by_path(read_folder(folder))
    assert rows["dent/1.png"].boxes == (Box(x0=1, y0=2, x1=11, y1=12), Box(x0=20, y0=0, x1=30, y1=20, label="deep"))
    assert rows["dent/0.png"].boxes == rows["good/0.png"].boxes == ()


def test_groups_from_the_csv_keep_boards_together_and_copies_too(folder: Path) -> None:
    save(folder / "good" / "copy.png", 0)
    (folder / "annotations.csv").write_text(
        "path,group\ngood/0.png,board 1\ndent/0.png,board 1\ngood/copy.png,board 2\ndent/1.png,board 2\n"
    )
    groups = {path: row.group for path, row in by_path(read_folder(folder)).items()}
    assert groups == {
        "good/0.png": "board 1",
        "good/copy.png": "board 1",
        "dent/0.png": "board 1",
        "dent/1.png": "board 2",
        "good/1.png": groups["good/1.png"],
    }
    assert groups["good/1.png"] not in ("board 1", "board 2")


def test_a_labels_csv_of_another_kind_is_no_annotation(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,class\ndent/0.png,dent\n")
    assert all(row.marks == "" for row in read_folder(folder).rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,box\na,b\n", r"annotations\.csv has the columns file,box; expected path with boxes, group or both"),
        ("", r"annotations\.csv has the columns \(none\); expected path"),
        ('path,boxes\ndent/7.png,"0,0,1,1"\n', r"annotations\.csv row 1: image dent/7\.png is not in the folder"),
        (
            'path,boxes\ndent/0.png,\ndent/1.png,"0,0,31,1"\n',
            r"row 2: boxes: .*box 0,0,31,1 leaves the image of 30 x 20",
        ),
        ('path,boxes\ngood/0.png,"0,0,1,1"\n', r"row 1: boxes: .*the image is of class good, surely good"),
        ("path,boxes\ndent/0.png,[[0]\n", r"row 1: boxes: .*not valid JSON"),
        ('path,boxes\ndent/0.png,"0,0,1,1"\ndent/0.png,"0,0,2,2"\n', r"row 2: image dent/0\.png has a row already"),
    ],
)
def test_a_wrong_annotation_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "annotations.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_folder(folder)


@pytest.mark.parametrize("name", ["ground_truth/dent/1_mask.png", "ground_truth/dent/1.png"])
def test_a_mask_finds_its_image_and_is_no_class(folder: Path, name: str) -> None:
    save(folder / name, 255)
    catalog = read_folder(folder)
    rows = by_path(catalog)
    assert set(rows) == {"good/0.png", "good/1.png", "dent/0.png", "dent/1.png"}
    assert catalog.mask_file(rows["dent/1.png"]) == folder / name
    assert [row.path for row in catalog.rows if row.marks] == ["dent/1.png"]


def test_masks_of_the_mvtec_layout_belong_to_its_test_images(tmp_path: Path) -> None:
    for value, name in enumerate(("train/good/000", "test/good/000", "test/crack/000", "ground_truth/crack/000_mask")):
        save(tmp_path / f"{name}.png", value)
    rows = by_path(read_folder(tmp_path))
    assert set(rows) == {"train/good/000.png", "test/good/000.png", "test/crack/000.png"}
    assert rows["test/crack/000.png"].mask == "ground_truth/crack/000_mask.png"


def test_a_changed_mask_is_another_data_set(folder: Path) -> None:
    prints = []
    for value in (0, 255):
        save(folder / "ground_truth" / "dent" / "0.png", value)
        prints.append(read_folder(folder).fingerprint)
    assert prints[0] != prints[1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["dent/7_mask"], r"mask .*7_mask\.png belongs to no image; name it ground_truth/<class>/NAME_mask\.png"),
        (
            ["good/0_mask"],
            r"0_mask\.png: mask: the image is of class good, surely good, so that nothing can be marked$",
        ),
        (["dent/0", "dent/0_mask"], r"image dent/0\.png has two masks, .*0\.png and .*0_mask\.png; keep one"),
    ],
)
def test_a_mask_that_fits_no_image_is_named(folder: Path, names: list[str], message: str) -> None:
    for name in names:
        save(folder / "ground_truth" / f"{name}.png", 255)
    with pytest.raises(InputError, match=message):
        read_folder(folder)


def test_a_mask_of_two_images_is_named(tmp_path: Path) -> None:
    names = ("train/good/0", "train/dent/1", "test/good/2", "test/dent/1", "ground_truth/dent/1")
    for value, name in enumerate(names):
        save(tmp_path / f"{name}.png", value)
    with pytest.raises(InputError, match=r"belongs to 2 images \(train/dent/1\.png, test/dent/1\.png\)"):
        read_folder(tmp_path)

"""COCO files: boxes, classes and good images as the JSON tells them, and every mistake named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.box import Box
from data.errors import InputError
from data.sources.coco import read_coco


def write_coco(file: Path, folder: Path, **changes: Any) -> Path:
    """Four images of 30 x 20 pixels: one without annotations, one of an OK class, and two with scratches and dents."""
    folder.mkdir(parents=True, exist_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    for number in range(4):
        Image.fromarray(np.full((20, 30), number, np.uint8)).save(folder / f"{number}.png")
    tree = {
        "images": [{"id": 10 + number, "file_name": f"{number}.png", "width": 30, "height": 20} for number in range(4)],
        "categories": [{"id": 1, "name": "scratch"}, {"id": 2, "name": "dent"}, {"id": 3, "name": "Good"}],
        "annotations": [
            {"image_id": 11, "category_id": 3, "bbox": [0, 0, 30, 20]},
            {"image_id": 12, "category_id": 1, "bbox": [1.5, 2.5, 3, 4], "segmentation": []},
            {"image_id": 13, "category_id": 1, "bbox": [0, 0, 5, 5]},
            {"image_id": 13, "category_id": 2, "bbox": [20, 10, 10.4, 10]},
        ],
    }
    file.write_text(json.dumps(tree | changes))
    return file


@pytest.mark.parametrize(
    ("file", "folder"),
    [("set/_annotations.coco.json", "set"), ("set/a.json", "set/images"), ("set/annotations/a.json", "set/images")],
)
def test_boxes_and_classes_from_the_usual_layouts(tmp_path: Path, file: str, folder: str) -> None:
    catalog = read_coco(write_coco(tmp_path / file, tmp_path / folder))
    assert [row.label for row in catalog.rows] == ["good", "good", "scratch", "dent"]
    assert [row.classes for row in catalog.rows] == ["good", "good", "scratch", "dent;scratch"]
    assert [row.is_defect for row in catalog.rows] == [False, False, True, True]
    assert catalog.rows[2].boxes == (Box(x0=1, y0=2, x1=5, y1=7, label="scratch"),)
    assert catalog.rows[3].boxes[1] == Box(x0=20, y0=10, x1=30, y1=20, label="dent")
    assert all(catalog.file(row).is_file() for row in catalog.rows)


def note(**changes: Any) -> list[dict[str, Any]]:
    return [{"image_id": 12, "category_id": 1, "bbox": [0, 0, 5, 5]} | changes]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, r"a\.json lists no images"),
        ({"images": [{"id": 1, "file_name": "9.png"}], "annotations": []}, r"image 9\.png is in none of "),
        ({"annotations": note(image_id=5)}, r"annotation 1 is of image 5, which is not listed"),
        ({"annotations": note(category_id=5)}, r"annotation 1 is of category 5, which is not listed"),
        ({"annotations": note(bbox=[0, 0, 5])}, r"a\.json: annotations\.0\.bbox\.3: Field required"),
        ({"annotations": note(bbox=[20, 0, 15, 5])}, r"image 2\.png: boxes: .*box 20,0,35,5,scratch leaves the image"),
        ({"annotations": note(bbox=[0, 0, 0, 5])}, r"image 2\.png: .*has no area"),
        ({"annotations": []}, r"all 4 images are of class good"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_coco(write_coco(tmp_path / "a.json", tmp_path, **changes))


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"COCO file .*a\.json: \(whole file\): Invalid JSON"):
        read_coco(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"b\.json cannot be read: No such file"):
        read_coco(tmp_path / "b.json")

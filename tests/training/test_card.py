"""The card's pictures: what people marked is drawn, and the images that the heat gets wrong come first."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from data.bundle import Prediction, read_manifest
from data.catalog import CatalogRow
from data.decide import Thresholds
from training.card import marked_defects, worst_errors
from training.dataset import Examples
from training.plots import outlined

SIZE = 64


def row(number: int, boxes: str) -> CatalogRow:
    return CatalogRow.model_validate(
        {
            "path": f"{number}.png",
            "label": "dent",
            "defect_probability": 1.0,
            "classes": "",
            "group": "g",
            "width": SIZE,
            "height": SIZE,
            "sha256": "0" * 64,
            "source": "test",
            "boxes": boxes,
        }
    )


def test_an_outline_is_drawn_round_the_mark_and_nowhere_else() -> None:
    image, mask = np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    mask[10:30, 20:50] = 255
    drawn = outlined(image, mask).any(axis=2)
    rim = mask > 0
    rim[11:29, 21:49] = False
    np.testing.assert_array_equal(drawn, rim)
    assert not image.any(), "the image itself stays as it is"


def test_a_passed_defect_is_shown_though_it_scores_above_one_half(brightness_bundle: Path) -> None:
    test = Examples([row(n, "") for n in range(3)], np.zeros((3, SIZE, SIZE, 3), np.uint8))
    scores = np.array([0.55, 0.65, 0.4], np.float32)
    prediction = Prediction(
        np.zeros((3, 2), np.float32), scores, np.zeros((3, 8, 8), np.float32), np.zeros((3, 3), np.float32)
    )
    wide = read_manifest(brightness_bundle).model_copy(
        update={"thresholds": Thresholds(pass_below=0.6, reject_from=0.7)}
    )
    known = np.zeros(3, dtype=bool)
    assert [one.name for one in worst_errors(test, prediction, wide, known)] == ["2.png", "0.png"]
    assert [one.name for one in worst_errors(test, prediction, wide, ~known)] == ["2.png"]


def test_marked_defects_that_the_heat_misses_come_first(brightness_bundle: Path) -> None:
    places = ["0,0,8,8", "", "40,40,60,60", "0,40,8,60"]
    test = Examples([row(n, boxes) for n, boxes in enumerate(places)], np.zeros((4, SIZE, SIZE, 3), np.uint8))
    heat = np.zeros((4, 8, 8), np.float32)
    heat[:, 0, 0] = 0.9
    prediction = Prediction(
        np.zeros((4, 2), np.float32), np.full(4, 0.9, np.float32), heat, np.zeros((4, 3), np.float32)
    )
    shown = marked_defects(test, prediction, read_manifest(brightness_bundle), np.zeros(len(test.rows), dtype=bool))
    assert [one.name for one in shown] == ["2.png", "3.png", "0.png"]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown[0].heat.partition(",")[2]))))
    assert picture[40:60, 40].mean() > 60 > picture[20, 20].mean(), "the box is drawn over the heat"

"""The preview page: opens by itself, shows every class and every kind, and what it shows differs as it says."""

import base64
import re
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from data.config import load_config
from data.errors import InputError
from data.image import Pixels
from tests.training_fixture import draw_textures, tiny_config
from training.config import DefectKind, TrainConfig
from training.preview import VIEWS, write_preview

_FIGURE = re.compile(r'<img src="data:image/jpeg;base64,([^"]+)" alt="([^",]+), ([^",]+)">')


def preview(directory: Path, **changes: Any) -> str:
    """The page for generated textures; `changes` replace keys of the configuration."""
    images = directory / "images"
    if not images.is_dir():
        draw_textures(images, 20)
    config = load_config(tiny_config(directory / "config.yaml", images, directory / "var", **changes), TrainConfig)
    return write_preview(config, directory / "sheets" / "preview.html").read_text(encoding="utf-8")


def figures(page: str) -> list[tuple[str, str, Pixels]]:
    """Row title, caption and pixels of every image."""
    found = []
    for encoded, title, caption in _FIGURE.findall(page):
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)
        found.append((title, caption, np.asarray(pixels, np.uint8)))
    return found


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_each_class_is_shown_as_it_is_and_augmented(tmp_path: Path) -> None:
    page = preview(tmp_path)
    shown = figures(page)
    assert len(shown) == page.count("<img ") == 2 * 2 * (VIEWS + 1)
    assert {title for title, _, _ in shown} == {"good", "scratch"}
    for start in range(0, len(shown), VIEWS + 1):
        row = shown[start : start + VIEWS + 1]
        assert [caption for _, caption, _ in row] == ["as it is", *(f"view {number}" for number in range(1, VIEWS + 1))]
        assert max(difference(row[0][2], view) for _, _, view in row[1:]) > 5, "some view of eight is turned"
    assert "<b>D4</b> <code>p=1.0</code>" in page
    assert "Synthetic defects" not in page


def test_no_augmentation_shows_the_image_itself(tmp_path: Path) -> None:
    page = preview(tmp_path, augment=[])
    shown = figures(page)
    assert all(difference(shown[0][2], view) == 0 for _, _, view in shown[1 : VIEWS + 1])
    assert "None: every view is the image as it is." in page


def test_each_kind_of_synthetic_defect_is_shown_with_its_place(tmp_path: Path) -> None:
    page = preview(tmp_path, synthetic={"share": 0.5})
    shown = figures(page.partition("Synthetic defects")[2])
    kinds = [title for title, _, _ in shown]
    assert set(kinds) == set(get_args(DefectKind)) - {"real"}
    assert "none is marked in this data" in page
    for good, defect, outline in zip(shown[::3], shown[1::3], shown[2::3], strict=True):
        assert (good[1], defect[1]) == ("good", "defect")
        assert outline[1].startswith("where")
        assert np.abs(good[2].astype(int) - defect[2]).max() > 20
        assert np.abs(outline[2].astype(int) - defect[2]).max() > 50


def test_marked_defects_are_pasted(tmp_path: Path) -> None:
    draw_textures(tmp_path / "images", 20)
    lines = [f'scratch/{number:03}.png,"16,16,48,48"' for number in range(20)]
    (tmp_path / "images" / "annotations.csv").write_text("path,boxes\n" + "\n".join(lines) + "\n", encoding="utf-8")
    page = preview(tmp_path, synthetic={"share": 0.5, "kinds": ["real"]})
    shown = figures(page.partition("Synthetic defects")[2])
    assert len(shown) == 6 * 3  # of six good images
    assert "none is marked" not in page


def test_the_page_needs_nothing_but_itself_and_repeats(tmp_path: Path) -> None:
    page = preview(tmp_path, synthetic={"share": 0.2})
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "http://" not in page
    assert "https://" not in page
    assert preview(tmp_path, synthetic={"share": 0.2}) == page
    assert preview(tmp_path, synthetic={"share": 0.2}, seed=1) != page


def test_a_wrong_configuration_leaves_the_old_page(tmp_path: Path) -> None:
    page = preview(tmp_path)
    with pytest.raises(InputError, match="no transform 'Nonsense'"):
        preview(tmp_path, augment=[{"name": "Nonsense"}])
    assert [file.name for file in (tmp_path / "sheets").iterdir()] == ["preview.html"]
    assert (tmp_path / "sheets" / "preview.html").read_text(encoding="utf-8") == page

"""What a person can get wrong: one clear sentence on stderr, exit code 2, nothing half-written."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training_fixture import draw_textures, run_training, tiny_config


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw_textures(tmp_path / "images", count=8)


def refuse(*arguments: str | Path, output: Path) -> str:
    result = run_training(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert not output.exists()
    return result.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("fit.epoch=3", "fit.epoch: unknown key"),
        ("fit.epochs=-1", "fit.epochs: Input should be greater than or equal to 0"),
        ("model.backbone=resnet_of_dreams", "has no backbone named resnet_of_dreams"),
        (
            "model.backbone=efficientnet_b7",
            "timm has no pretrained weights for efficientnet_b7; choose a backbone whose weights come as a package",
        ),
        ("model.weights=missing.pth", "model.weights: missing.pth not found"),
        ("fit.frozen=[blocks.99]", "fit.frozen: the backbone has no module 'blocks.99'; it has conv_stem"),
        ("augment=[{name: Teleport}]", "augment.0: albumentations 2.0.8 has no transform 'Teleport'"),
        ("augment=[{name: D4, args: {q: 1}}]", "augment.0: D4 refuses its arguments"),
        ("data.source=elpv", "source elpv takes no path"),
        ("splits.test=0.9", "leave nothing to train on"),
    ],
)
def test_wrong_setting(tmp_path: Path, images: Path, override: str, sentence: str) -> None:
    output = tmp_path / "var"
    config = tiny_config(tmp_path / "config.yaml", images, output)
    assert sentence in refuse("--config", config, "--set", override, output=output)


def missing_folder(root: Path) -> Path:
    return root / "nowhere"


def empty_class(root: Path) -> Path:
    (draw_textures(root, count=2) / "dent").mkdir()
    return root


def one_class(root: Path) -> Path:
    for file in (draw_textures(root, count=2) / "scratch").iterdir():
        file.unlink()
    (root / "scratch").rmdir()
    return root


def too_few(root: Path) -> Path:
    return draw_textures(root, count=2)


def all_black(root: Path) -> Path:
    for number, label in enumerate(["good", "scratch"] * 12):
        (root / label).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / label / f"{number}.png"), np.zeros((64, 64 + number), np.uint8))
    return root


def cut_off_image(root: Path) -> Path:
    file = draw_textures(root, count=4) / "good" / "000.png"
    file.write_bytes(file.read_bytes()[:-400])
    return root


def lost_image(root: Path) -> Path:
    root.mkdir()
    (root / "catalog.csv").write_text(
        "path,label,defect_probability,classes,group,split,product,width,height,sha256,source\n"
        f"gone.png,good,0,good,a,train,,64,64,{'0' * 64},folder\n",
        encoding="utf-8",
    )
    return root / "catalog.csv"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (missing_folder, "nowhere not found; expected ROOT/<class>/*"),
        (empty_class, "dent has no images"),
        (one_class, "all 2 images are of class good; defective examples are needed too"),
        (too_few, "every split needs both good and defective images"),
        (all_black, "images show a single even colour"),
        (cut_off_image, "000.png cannot be used"),
        (lost_image, "image 1 of catalog.csv: file gone.png not found"),
    ],
)
def test_wrong_data(tmp_path: Path, make: Callable[[Path], Path], sentence: str) -> None:
    output = tmp_path / "var"
    config = tiny_config(tmp_path / "config.yaml", tmp_path, output)
    data = make(tmp_path / "data")
    assert sentence in refuse("--config", config, "--data", data, output=output)


def test_missing_config(tmp_path: Path) -> None:
    assert "nothing.yaml cannot be read" in refuse("--config", tmp_path / "nothing.yaml", output=tmp_path / "var")


def test_full_disk_leaves_what_was_there(tmp_path: Path, images: Path) -> None:
    config = tiny_config(tmp_path / "config.yaml", images, tmp_path / "var")
    assert run_training("--config", config, command="preview").exit_code == 0
    page = tmp_path / "var" / "previews" / "scratches.html"
    before = page.read_bytes()
    # The limit on a file's size fails a write as a full disk does.
    full = f"ulimit -f 8; exec {sys.executable} -m training preview --config {config} --set seed=1"
    result = subprocess.run(["bash", "-c", full], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.strip().splitlines()[-1].startswith(f"no space left on the disk of {tmp_path / 'var'}")
    assert page.read_bytes() == before


def test_help_lists_the_commands() -> None:
    help_lines = run_training(command="--help").stdout.splitlines()
    described = {line.split()[1]: line for line in help_lines if line.startswith("│") and "--" not in line}
    assert {"train", "preview", "compare", "cross-validate"} == described.keys()


def test_every_shipped_config_is_valid() -> None:
    from data.config import load_config
    from training.config import TrainConfig

    files = sorted((Path(__file__).parents[2] / "configs" / "train").glob("*.yaml"))
    assert {"elpv.yaml", "elpv_quick.yaml", "folder.yaml"} <= {file.name for file in files}
    for file in files:
        extra = ["data.path=somewhere"] if file.name == "folder.yaml" else []
        load_config(file, TrainConfig, extra)

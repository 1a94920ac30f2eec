"""The comparison of backbones: the command on generated images, and what its page and picture say of made-up rows."""

import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from data.metric import Metric
from data.split import assign_splits
from tests.training_fixture import draw_textures, last_json, run_training, tiny_config
from training import compare as comparing
from training.comparison_page import Row, Unavailable, render_page
from training.comparison_plot import Point, auroc_against_time
from training.config import TrainConfig
from training.dataset import find_catalog
from training.export import export_onnx

LITE0 = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_textures(tmp_path_factory.mktemp("textures") / "images")


def run_compare(images: Path, directory: Path, *backbones: str, **fit: Any) -> Result:
    fit = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-5, **fit}
    config = tiny_config(directory / "config.yaml", images, directory / "var", fit=fit)
    return run_training("--config", config, *backbones, command="compare")


@pytest.mark.heavy
def test_killed_comparison_goes_on_with_what_is_missing_and_one_that_cannot_be_had_is_a_row(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = 0

    def killed_at_the_second(*arguments: Any) -> float:
        nonlocal exported
        exported += 1
        if exported == 2:
            raise KeyboardInterrupt
        return export_onnx(*arguments)

    monkeypatch.setattr(comparing, "export_onnx", killed_at_the_second)
    backbones = (f"{LITE0}@96", "efficientnet_b7", LITE0)
    assert run_compare(images, tmp_path, *backbones).exit_code == 130
    assert not (tmp_path / "var" / "comparisons").exists()

    result = run_compare(images, tmp_path, *backbones)
    assert result.exit_code == 0, result.stderr
    assert exported == 3  # the second backbone alone
    # Its epochs were over: the probe and the times are those of before.
    assert "going on after epoch 1" in result.stderr
    line = last_json(result.stdout.splitlines())
    left_out = line["rows"].pop(2)
    assert left_out["backbone"] == "efficientnet_b7"
    assert "no pretrained weights" in left_out["reason"]
    rows = [Row.model_validate(row) for row in line["rows"]]
    assert [(row.width, row.stage) for row in rows] == [
        (96, "probe"),
        (96, "fine-tuned"),
        (64, "probe"),
        (64, "fine-tuned"),
    ]
    for probe, tuned in (rows[:2], rows[2:]):
        assert probe.auroc.value > 0.9
        assert 0 < probe.seconds < tuned.seconds
        assert probe.milliseconds == tuned.milliseconds
        assert set(tuned.milliseconds) == {"float32", "int8"}
        assert tuned.bytes["int8"] < 0.5 * tuned.bytes["float32"]
        assert tuned.gain is not None
        assert tuned.gain.value == pytest.approx(tuned.auroc.value - probe.auroc.value)
        assert probe.auroc.n == 16  # the validation images alone
    page = Path(line["comparison"]).read_text(encoding="utf-8")
    assert "efficientnet_b7@64" in page
    assert f"{LITE0}@96" in page
    assert not list((tmp_path / "var" / "checkpoints").iterdir())


@pytest.mark.heavy
def test_without_epochs_there_are_only_probes(images: Path, tmp_path: Path) -> None:
    result = run_compare(images, tmp_path, LITE0, epochs=0)
    assert result.exit_code == 0, result.stderr
    (row,) = last_json(result.stdout.splitlines())["rows"]
    assert row["stage"] == "probe"
    assert row["int8_auroc"]["n"] == 16


def test_only_train_and_val_images_are_read(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def load(catalog: object, rows: Sequence[Any], *rest: object) -> object:
        read.extend(row.split for row in rows)
        return loader(catalog, rows, *rest)  # type: ignore[arg-type]

    loader = comparing.load_examples
    monkeypatch.setattr(comparing, "load_examples", load)
    assert run_compare(images, tmp_path, "efficientnet_b7").exit_code == 2
    assert set(read) == {"train", "val"}


@pytest.mark.parametrize(
    ("backbones", "sentence"),
    [
        (
            ["efficientnet_b7", "resnet_of_dreams"],
            "nothing to compare; efficientnet_b7@64: model.backbone: timm has no",
        ),
        ([f"{LITE0}@big"], f"backbone {LITE0}@big is not of the form NAME@SIZE"),
        ([f"{LITE0}@8"], "greater than or equal to 32"),
    ],
)
def test_refused_in_one_sentence(images: Path, tmp_path: Path, backbones: list[str], sentence: str) -> None:
    result = run_compare(images, tmp_path, *backbones)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in result.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "var" / "comparisons").exists()


def metric(value: float, half: float = 0.02) -> Metric:
    return Metric(value=value, low=value - half, high=min(1, value + half), n=100)


def made_up(backbone: str, auroc: float, gain: float, milliseconds: float) -> list[Row]:
    probe = Row(
        backbone=backbone,
        width=64,
        height=64,
        stage="probe",
        auroc=metric(auroc - gain),
        accuracy=None,
        seconds=12,
        parameters=3_400_000,
        bytes={"float32": 13_700_000, "int8": 4_000_000},
        milliseconds={"float32": 2 * milliseconds, "int8": milliseconds},
    )
    tuned = {"stage": "fine-tuned", "auroc": metric(auroc), "gain": metric(gain, 0.01), "seconds": 300.0}
    return [probe, probe.model_copy(update={**tuned, "int8_auroc": metric(auroc - 0.001)})]


def test_page_says_whether_fine_tuning_earned_its_minutes(images: Path) -> None:
    config = TrainConfig.model_validate({"name": "scratches", "data": {"source": "folder", "path": images}})
    rows = [
        *made_up("better", 0.95, 0.02, 3),
        *made_up("unclear", 0.95, 0.005, 3),
        *made_up("worse", 0.9, -0.02, 3),
        Unavailable(backbone="lost", width=64, height=64, reason="no weights <for> it"),
    ]
    page = render_page(config, assign_splits(find_catalog(config.data), config.splits), rows)
    told = dict(re.findall(r"<li>(\w+)@64: <b>([\w ]+)</b>", page))
    assert told == {"better": "yes", "unclear": "not shown", "worse": "no"}
    assert "5.0 min" in page
    assert "left out: no weights <for> it" in unescape(page)
    assert "no weights <for> it" not in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)|url\((?!#)|@import|<script""", page)
    assert "prefers-color-scheme: dark" in page


def test_picture_numbers_every_point_by_its_backbone() -> None:
    names = ["near", "near as well", "far"]
    points = [
        Point(name, "fine-tuned", int8, (1 + int8) * milliseconds, metric(auroc))
        for name, milliseconds, auroc in zip(names, (4, 4, 9), (0.95, 0.95, 0.97), strict=True)
        for int8 in (False, True)
    ]
    svg = auroc_against_time(points)
    labels = re.findall(r'<text[^>]*x="([-\d.]+)" y="([-\d.]+)"[^>]*>([123])</text>', svg)
    assert sorted(number for *_, number in labels) == ["1", "1", "2", "2", "3", "3"]
    # Two backbones at the very same place still have their numbers apart.
    assert len({(x, y) for x, y, _ in labels}) == len(points)
    assert all(name in svg for name in names)


def test_picture_shows_no_auroc_above_one() -> None:
    sure = Metric(value=1, low=1, high=1, n=18)
    svg = auroc_against_time([Point("one", "probe", False, 3, sure), Point("two", "probe", False, 4, sure)])
    ticks = [float(value) for value in re.findall(r"text-anchor: end[^>]*>([\d.]+)</text>", svg)]
    assert max(ticks) == 1

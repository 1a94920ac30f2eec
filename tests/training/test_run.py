import csv
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import mlflow
import numpy as np
import pytest
from typer.testing import CliRunner

from data.bundle import (
    CARD,
    GOLDEN,
    HELD_OUT,
    MANIFEST,
    MODEL,
    NOVELTY,
    PREDICTIONS,
    Bundle,
    Prediction,
    open_session,
    read_manifest,
    run_session,
)
from data.catalog import read_catalog
from data.comparison import compare
from data.decide import allowed_errors
from data.errors import BundleError
from data.image import Pixels, decode
from data.input_health import Fault, look_at
from data.targets import Outcome
from tests.training_fixture import Trained, last_json, run_training, tiny_config
from training import run
from training.evaluate import app as evaluate
from training.run import MODEL_FLOAT32, MODEL_INT8


def test_bundle_loads_replays_and_finds_scratches(trained_bundle: Trained) -> None:
    bundle = Bundle.load(trained_bundle.bundle)
    assert bundle.replay() == 0
    assert bundle.manifest.classes == ["good", "scratch"]
    assert bundle.manifest.ok_classes == ["good"]
    assert bundle.manifest.metrics["test_auroc"].value > 0.9


def test_outputs_have_their_shapes_and_ranges(trained_bundle: Trained) -> None:
    bundle = Bundle.load(trained_bundle.bundle)
    with np.load(trained_bundle.bundle / GOLDEN) as golden:
        prediction = bundle.predict(golden["images"])
    n = len(prediction.defect_probability)
    assert prediction.class_probability.shape == (n, 2)
    np.testing.assert_allclose(prediction.class_probability.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(prediction.class_probability[:, 1], prediction.defect_probability, atol=1e-5)
    assert prediction.heatmap.shape == (n, 4, 4)
    assert prediction.heatmap.min() >= 0
    assert prediction.heatmap.max() <= 1
    assert prediction.embedding.shape == (n, 864)


def test_torch_and_onnxruntime_agreed(trained_bundle: Trained) -> None:
    parity = read_manifest(trained_bundle.bundle).parity
    assert 0 < parity.torch_onnxruntime <= parity.tolerance == 1e-3


def test_both_precisions_are_kept_and_the_chosen_one_serves(trained_bundle: Trained) -> None:
    manifest = read_manifest(trained_bundle.bundle)
    other = MODEL_FLOAT32 if manifest.precision == "int8" else MODEL_INT8
    assert set(manifest.files) == {MODEL, GOLDEN, CARD, NOVELTY, HELD_OUT, PREDICTIONS, other}
    assert {file.name for file in trained_bundle.bundle.iterdir()} == {*manifest.files, MANIFEST}
    assert [name for name, variant in manifest.variants.items() if variant.chosen] == [manifest.precision]
    assert manifest.variants[manifest.precision].bytes == (trained_bundle.bundle / MODEL).stat().st_size
    assert manifest.variants["int8"].bytes < 0.5 * manifest.variants["float32"].bytes


@pytest.mark.parametrize("name", [MODEL, GOLDEN, CARD])
def test_altered_file_is_refused(trained_bundle: Trained, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(trained_bundle.bundle, tmp_path / "copy")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{re.escape(name)} was altered"):
        Bundle.load(copy)


def test_nothing_unfinished_stays_behind(trained_bundle: Trained) -> None:
    assert [entry.name for entry in (trained_bundle.output / "bundles").iterdir()] == [trained_bundle.bundle.name]
    assert list((trained_bundle.output / "checkpoints").iterdir()) == []


def test_evaluate_gives_the_figures_of_training(trained_bundle: Trained) -> None:
    arguments = ["--bundle", str(trained_bundle.bundle), "--data", str(trained_bundle.catalog), "--split", "test"]
    result = CliRunner().invoke(evaluate, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert last_json(result.stdout.splitlines())["metrics"] == trained_bundle.metrics
    assert "beware" not in result.stderr


def test_evaluate_takes_a_labelled_folder(trained_bundle: Trained) -> None:
    arguments = ["--bundle", str(trained_bundle.bundle), "--data", str(trained_bundle.images)]
    result = CliRunner().invoke(evaluate, arguments, catch_exceptions=False)
    assert last_json(result.stdout.splitlines())["metrics"]["test_auroc"] > 0.9
    assert "beware: the bundle's own test images are among these 64" in result.stderr


def test_evaluate_names_the_split_that_is_not_there(trained_bundle: Trained) -> None:
    arguments = ["--bundle", str(trained_bundle.bundle), "--data", str(trained_bundle.images), "--split", "val"]
    result = CliRunner().invoke(evaluate, arguments, catch_exceptions=False)
    assert result.exit_code == 2
    assert result.stderr.strip().splitlines()[-1] == "no image is in split 'val'; there are: no splits"


def test_thresholds_rest_on_the_validation_images(trained_bundle: Trained) -> None:
    manifest = read_manifest(trained_bundle.bundle)
    assert manifest.guarantee.escape.n == manifest.data.defects["val"]
    assert manifest.calibration.n == manifest.data.splits["val"]
    # Eight held-out defects cannot promise two per cent: nothing may pass.
    assert not manifest.guarantee.escape.holds
    assert manifest.thresholds.pass_below == 0


def test_images_of_one_part_count_once_and_the_card_says_so(trained_bundle: Trained, tmp_path: Path) -> None:
    images = shutil.copytree(trained_bundle.images, tmp_path / "images")
    files = sorted(images.rglob("*.png"))
    lines = [
        f"{file.relative_to(images).as_posix()},{file.parent.name}{index // 4}" for index, file in enumerate(files)
    ]
    (images / "annotations.csv").write_text("\n".join(["path,group", *lines]), encoding="utf-8")
    config = tiny_config(tmp_path / "config.yaml", images, tmp_path / "var", fit={"epochs": 0, "batch_size": 8})
    result = run_training("--config", config)
    assert result.exit_code == 0, result.stderr
    bundle = Path(last_json(result.stdout.splitlines())["bundle"])
    manifest = read_manifest(bundle)
    defects = manifest.data.defects["val"] // 4
    assert (manifest.guarantee.escape.n, manifest.guarantee.escape.counted) == (defects, "parts")
    assert manifest.curve is not None
    assert manifest.curve.defects == defects
    card = (bundle / CARD).read_text(encoding="utf-8")
    assert f"with {defects} held-out parts; 149 are needed" in card
    assert f"They show {manifest.data.splits['test'] // 4} parts" in card
    with (bundle / PREDICTIONS).open(newline="", encoding="utf-8") as stream:
        tested = Counter(row["group"] for row in csv.DictReader(stream))
    assert set(tested.values()) == {4}, "by which a later model is compared"


def test_catalog_keeps_the_split_for_serving(trained_bundle: Trained) -> None:
    catalog = read_catalog(trained_bundle.catalog)
    manifest = read_manifest(trained_bundle.bundle)
    assert {split: sum(counter.values()) for split, counter in catalog.counts().items()} == manifest.data.splits
    assert catalog.fingerprint == manifest.data.sha256


def test_card_opens_offline_and_says_what_is_promised(trained_bundle: Trained) -> None:
    manifest = read_manifest(trained_bundle.bundle)
    card = (trained_bundle.bundle / CARD).read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)|url\((?!#)|@import|<script""", card)
    assert f"{manifest.metrics['test_auroc'].value:.4f}" in card
    assert f"{manifest.metrics['escape_rate'].high:.1%}" in card
    assert "No guarantee possible for escape rate" in card
    assert "<b>Nothing passes without a person.</b>" in card
    assert "PASS below" not in card
    limit = float(re.search(r"aims\.escape_rate=(0\.\d+)", card)[1])  # type: ignore[index]
    assert allowed_errors(manifest.guarantee.escape.n, limit, 0.05) == 0, (
        "the limit that the card names can be promised"
    )
    assert "prefers-color-scheme: dark" in card


def test_run_is_tracked_with_its_data_and_is_the_first_champion(trained_bundle: Trained) -> None:
    manifest = read_manifest(trained_bundle.bundle)
    client = mlflow.MlflowClient(f"sqlite:///{trained_bundle.output / 'mlflow.db'}")
    run = client.get_run(manifest.mlflow_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["fit.epochs"] == "2"
    assert run.data.metrics["test_auroc"] == manifest.metrics["test_auroc"].value
    assert [point.step for point in client.get_metric_history(run.info.run_id, "val_loss")] == [0, 1, 2]
    contexts = {tag.value for data in run.inputs.dataset_inputs for tag in data.tags}
    assert contexts == {"train", "val", "test"}
    assert CARD in {entry.path for entry in client.list_artifacts(run.info.run_id)}
    champion = client.get_model_version_by_alias("scratches", "champion")
    assert champion.run_id == run.info.run_id
    assert champion.tags["decision"] == "there was no champion to beat"


def test_test_predictions_are_those_that_the_metrics_rest_on(trained_bundle: Trained) -> None:
    own = compare(trained_bundle.bundle, trained_bundle.bundle)
    assert own.candidate_auroc == pytest.approx(trained_bundle.metrics["test_auroc"])
    assert own.auroc_difference.n == read_manifest(trained_bundle.bundle).data.splits["test"]


def test_targets_of_the_configuration_are_judged_and_shown(trained_bundle: Trained) -> None:
    (target,) = read_manifest(trained_bundle.bundle).targets
    assert (target.name, target.wanted, target.outcome) == ("test_auroc", 0.5, Outcome.MET)
    assert target.value == trained_bundle.metrics["test_auroc"]
    card = (trained_bundle.bundle / CARD).read_text(encoding="utf-8")
    assert re.search(r"<h2>Targets</h2>.*at least 0\.5</td>.*>met</td>", card, re.DOTALL)


def test_bundle_knows_healthy_frames_and_what_the_model_said_of_held_out_ones(trained_bundle: Trained) -> None:
    bundle = Bundle.load(trained_bundle.bundle)
    health, splits = bundle.manifest.input_health, bundle.manifest.data.splits
    assert health is not None
    assert health.false_alarm is not None
    assert (health.n, health.false_alarm.n) == (splits["train"] + splits["val"], splits["test"])
    assert health.false_alarm.value <= 0.2
    assert (health.width.low, health.height.high) == (64, 64)
    texture = decode(next((trained_bundle.images / "good").iterdir()).read_bytes())
    assert health.check(look_at(texture).measures, 64, 64) is None
    black = health.check(look_at(np.zeros_like(texture)).measures, 64, 64)
    assert black is not None
    assert black.fault is Fault.DARK
    card = (trained_bundle.bundle / CARD).read_text(encoding="utf-8")
    assert health.sentence in card
    assert "What a healthy frame looks like" in card
    assert bundle.held_out is not None
    assert bundle.novelty is not None
    assert bundle.held_out.scores.shape == (splits["val"],)
    assert bundle.held_out.positions.shape == (splits["val"], len(bundle.novelty.variance) + 1)


def test_bundle_that_mlflow_had_no_room_for_is_registered_by_the_same_command(
    trained_bundle: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "var"
    output.mkdir()
    shutil.copy(trained_bundle.output / "mlflow.db", output)
    config = tiny_config(tmp_path / "config.yaml", trained_bundle.images, output, name="roomless", fit={"epochs": 0})

    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.pyfunc, "log_model", no_room)
        full = run_training("--config", config)
    assert full.exit_code == 2
    (bundle,) = (output / "bundles").iterdir()
    assert f"{bundle} is complete and can be served, but it is not registered in MLflow (no space left" in full.stderr
    client = mlflow.MlflowClient(f"sqlite:///{output / 'mlflow.db'}")
    assert client.search_model_versions("name='roomless'") == []

    monkeypatch.setattr(run, "fit", None)
    monkeypatch.setattr(run, "load_examples", None)
    again = run_training("--config", config)
    assert again.exit_code == 0
    assert last_json(again.stdout.splitlines())["bundle"] == str(bundle)
    assert "nothing is trained anew" in " ".join(again.stderr.split())
    assert client.get_model_version_by_alias("roomless", "champion").tags["bundle"] == bundle.name
    assert client.get_run(read_manifest(bundle).mlflow_run_id).info.status == "FINISHED"
    assert list((output / "bundles").iterdir()) == [bundle]
    assert not list((output / "checkpoints").iterdir())


@pytest.mark.heavy
def test_killed_run_goes_on_to_the_same_model(trained_bundle: Trained, tmp_path: Path) -> None:
    output = tmp_path / "var"
    config = tiny_config(tmp_path / "config.yaml", trained_bundle.images, output)
    command = [sys.executable, "-m", "training", "train", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(output.glob("checkpoints/*.pt")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list((output / "bundles").glob("*"))
    (checkpoint,) = output.glob("checkpoints/*.pt")
    left = output / "bundles" / f".part-{checkpoint.stem}"
    left.mkdir(parents=True)
    (left / MODEL).write_bytes(b"half of one, had it been killed while exporting")

    result = run_training("--config", config)
    assert result.exit_code == 0
    assert "going on after epoch" in result.stderr
    again = Path(last_json(result.stdout.splitlines())["bundle"])
    assert list((output / "bundles").iterdir()) == [again]
    with np.load(trained_bundle.bundle / GOLDEN) as golden:
        images = golden["images"]
    whole, resumed = (_float32(bundle, images) for bundle in (trained_bundle.bundle, again))
    np.testing.assert_array_equal(whole.embedding, resumed.embedding)
    np.testing.assert_array_equal(whole.defect_probability, resumed.defect_probability)


def _float32(bundle: Path, images: Pixels) -> Prediction:
    file = bundle / (MODEL_FLOAT32 if (bundle / MODEL_FLOAT32).exists() else MODEL)
    return run_session(open_session(file, threads=2), images)

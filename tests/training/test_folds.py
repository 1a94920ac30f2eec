import csv
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch

from data.bundle import CrossValidation
from data.config import load_config
from data.errors import InputError
from data.sources.folder import read_folder
from tests.training_fixture import Trained, tiny_config
from training import fold as one_fold
from training.config import TrainConfig
from training.fit import Device, fit
from training.run import cross_validate


class KilledError(Exception):
    pass


def settings(trained: Trained, output: Path, name: str, **changes: Any) -> TrainConfig:
    """Three folds of the head alone."""
    file = output.parent / f"{name}.yaml"
    tiny_config(file, trained.images, output, name=name, folds=3, fit={"epochs": 0}, **changes)
    return load_config(file, TrainConfig, [])


def stopping_after(most: int) -> tuple[Callable[..., Any], list[int]]:
    """`fit` that raises instead of training one more fold than `most`, and the folds' seeds that it was asked for."""
    seeds: list[int] = []

    def stopping(*arguments: Any) -> Any:
        if len(seeds) == most:
            raise KilledError
        seeds.append(arguments[7])
        return fit(*arguments)

    return stopping, seeds


def read(file: Path) -> dict[str, float]:
    with file.open(newline="", encoding="utf-8") as stream:
        return {line["sha256"]: float(line["defect_probability"]) for line in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def output(trained_bundle: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place of its own with a database that need not be created, which takes MLflow many seconds."""
    place = tmp_path_factory.mktemp("folds") / "var"
    place.mkdir()
    shutil.copy(trained_bundle.output / "mlflow.db", place)
    return place


@pytest.fixture(scope="module")
def whole(trained_bundle: Trained, output: Path) -> tuple[dict[str, float], CrossValidation]:
    predictions, result = cross_validate(settings(trained_bundle, output, "whole"))
    return read(predictions), result


def test_every_image_is_scored_by_a_model_that_did_not_see_it(
    trained_bundle: Trained, output: Path, whole: tuple[dict[str, float], CrossValidation]
) -> None:
    predictions, result = whole
    assert predictions.keys() == {row.sha256 for row in read_folder(trained_bundle.images).rows}
    assert len(result.fold_auroc) == 3
    assert result.metrics["auroc"].n == len(predictions)
    assert result.metrics["auroc"].low <= result.metrics["auroc"].value <= result.metrics["auroc"].high
    assert not list((output / "checkpoints").glob("whole*"))


def test_folds_are_runs_below_their_run(output: Path, whole: tuple[dict[str, float], CrossValidation]) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{output / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("whole")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert sorted(run.data.tags["fold"] for run in children) == ["1", "2", "3"]
    assert parents[0].data.metrics["auroc"] == whole[1].metrics["auroc"].value


def test_killed_cross_validation_trains_only_the_folds_that_are_missing(
    trained_bundle: Trained,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: tuple[dict[str, float], CrossValidation],
) -> None:
    config = settings(trained_bundle, output, "killed")
    stopping, first = stopping_after(1)
    monkeypatch.setattr(one_fold, "fit", stopping)
    with pytest.raises(KilledError):
        cross_validate(config)
    going_on, rest = stopping_after(3)
    monkeypatch.setattr(one_fold, "fit", going_on)
    predictions, _ = cross_validate(config)
    assert (first, rest) == ([0], [1, 2])
    assert read(predictions) == whole[0]


def test_damaged_fold_is_named_and_the_others_stay(
    trained_bundle: Trained, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(trained_bundle, output, "damaged")
    monkeypatch.setattr(one_fold, "fit", stopping_after(1)[0])
    with pytest.raises(KilledError):
        cross_validate(config)
    monkeypatch.setattr(one_fold, "fit", fit)
    (file,) = (output / "checkpoints").glob("damaged*-fold0.npz")
    np.savez(file, logits=np.zeros((2, 2), np.float32))
    with pytest.raises(
        InputError, match=r"fold0\.npz holds 2 predictions, the fold has \d+; delete it and start again"
    ):
        cross_validate(config)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"fold0\.npz is damaged; delete it and give the same command again"):
        cross_validate(config)


def test_folds_at_the_same_time_score_as_one_after_another(
    trained_bundle: Trained, output: Path, whole: tuple[dict[str, float], CrossValidation]
) -> None:
    predictions, result = cross_validate(settings(trained_bundle, output, "at-once", fold_devices=["cpu", "cpu"]))
    assert read(predictions) == pytest.approx(whole[0], abs=1e-3)
    assert result.fold_auroc == whole[1].fold_auroc
    assert not list((output / "checkpoints").glob("at-once*"))


@pytest.mark.heavy
def test_killed_fold_is_told_and_goes_on_from_its_last_epoch(trained_bundle: Trained, output: Path) -> None:
    def config(name: str, devices: list[str]) -> TrainConfig:
        told = settings(trained_bundle, output, name, fold_devices=devices)
        return told.model_copy(update={"fit": told.fit.model_copy(update={"epochs": 2, "batch_size": 8})})

    checkpoints = output / "checkpoints"

    def kill_one() -> None:
        while not list(checkpoints.glob("struck-all*fold*.pt")):
            threading.Event().wait(0.001)
        process = multiprocessing.active_children()[0].pid
        assert process is not None
        os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(InputError, match=r"trained fold \d on cpu was killed.* give the same command again"):
        cross_validate(config("struck", ["cpu", "cpu"]))
    killer.join()
    left = {file.stem[-5:] for file in checkpoints.glob("struck-all*fold*.npz")}
    assert left < {"fold0", "fold1", "fold2"}
    predictions, _ = cross_validate(config("struck", ["cpu", "cpu"]))
    undisturbed, _ = cross_validate(config("undisturbed", []))
    assert read(predictions) == pytest.approx(read(undisturbed), abs=1e-3)


def test_fold_that_does_not_learn_ends_all_with_its_own_sentence(trained_bundle: Trained, output: Path) -> None:
    config = settings(trained_bundle, output, "diverges", fold_devices=["cpu", "cpu"])
    config = config.model_copy(update={"fit": config.fit.model_copy(update={"epochs": 1, "learning_rate": 1e38})})
    with pytest.raises(InputError, match=r"loss became .*; lower fit\.learning_rate"):
        cross_validate(config)


def test_device_that_is_not_there_is_named(trained_bundle: Trained, output: Path) -> None:
    config = settings(trained_bundle, output, "nowhere", fold_devices=["cpu", "cuda:64"])
    with pytest.raises(InputError, match="fold_devices: cuda:64 is not there"):
        cross_validate(config)


def test_cluster_without_ray_says_what_to_install(
    trained_bundle: Trained, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "training.cluster", raising=False)
    config = settings(trained_bundle, output, "no-ray", fold_cluster="head:6379")
    with pytest.raises(InputError, match=r"fold_cluster is set, and needs `pip install 'verdict-line\[cluster\]'`"):
        cross_validate(config)


def test_cluster_and_devices_are_not_given_together(trained_bundle: Trained, output: Path) -> None:
    with pytest.raises(InputError, match="fold_cluster and fold_devices are both given"):
        settings(trained_bundle, output, "both", fold_cluster="head:6379", fold_devices=["cpu"])


def test_a_numbered_gpu_computes_as_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    second = Device.choose("auto", "cuda:1")
    assert (second.name, second.autocast) == ("cuda:1", torch.bfloat16)
    assert Device("cpu:0", torch.bfloat16).context().device == "cpu"


def test_cross_validation_without_folds_says_what_to_set(trained_bundle: Trained, output: Path) -> None:
    config = settings(trained_bundle, output, "none").model_copy(update={"folds": 0})
    with pytest.raises(InputError, match="add --set folds=5"):
        cross_validate(config)

"""MLflow as a person uses it: runs with their folds, versions with aliases, and a registered model that answers over HTTP."""

import base64
import io
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

from data.bundle import CARD, read_manifest
from data.catalog import Catalog, CatalogRow, write_catalog
from data.input_health import fit_input_health, look_at
from data.targets import TargetResult
from tests.conftest import ROOT, grey_png, write_brightness_bundle
from training.config import DataSource, TrainConfig
from training.fit import Epoch
from training.tracking import Tracker, track

MISSED = TargetResult(name="test_auroc", limit="at least", wanted=0.99, value=0.9, low=0.8, high=0.95)
EPOCH = Epoch(number=1, train_loss=0.5, val_loss=0.4, val_log_odds=np.zeros(1, np.float32))


class Place:
    """An output directory with a catalog, and runs tracked there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = TrainConfig(
            name="brightness", data=DataSource(source="folder", path=root / "cells"), output=root / "var"
        )
        self.catalog = Catalog(
            root=root,
            rows=tuple(
                CatalogRow(
                    path=f"{number}.png",
                    label=["good", "bright"][number % 2],
                    defect_probability=number % 2,
                    classes="",
                    group=f"{number}",
                    split=split,
                    width=8,
                    height=8,
                    sha256=f"{number:064x}",
                    source="none",
                )
                for number, split in enumerate(["train", "train", "val", "val", "test", "test"])
            ),
        )
        self.catalog_file = root / "brightness.csv"
        self.resume = root / "var/checkpoints/brightness.run"
        write_catalog(self.catalog, self.catalog_file)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.root}/var/mlflow.db")

    def tracked(self) -> Any:
        return track(self.config, self.catalog, self.catalog_file, self.resume)

    def finish(self, version: str, **bundle: Any) -> str:
        """A whole run that leaves a bundle of this version; returns why it is the champion or is not."""
        target = self.root / "var/bundles" / f"brightness-{version}"
        write_brightness_bundle(target, version, **bundle)
        (target / CARD).write_text("<h1>the card</h1>", encoding="utf-8")
        with self.tracked() as tracker:
            why = tracker.result(target, read_manifest(target), {"roc": "<svg/>"}, "<p>none</p>")
        self.resume.unlink()
        return str(why)

    def aliases(self) -> dict[str, str]:
        aliases = self.client.get_registered_model("brightness").aliases
        return {alias: str(version) for alias, version in aliases.items()}


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables take seconds to make: once for all tests."""
    place = Place(tmp_path_factory.mktemp("mlflow"))
    place.config = place.config.model_copy(update={"name": "other"})
    with place.tracked():
        pass
    return place.root / "var/mlflow.db"


@pytest.fixture
def place(tmp_path: Path, empty_database: Path) -> Iterator[Place]:
    (tmp_path / "var").mkdir()
    shutil.copy(empty_database, tmp_path / "var")
    yield Place(tmp_path)
    mlflow.set_tracking_uri(None)


def test_run_says_what_went_in_and_what_came_out(place: Place) -> None:
    place.finish("1", skill=0.4, targets=[MISSED])
    (run,) = place.client.search_runs([place.client.get_experiment_by_name("brightness").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "brightness-1"
    assert run.data.params["fit.epochs"] == str(place.config.fit.epochs)
    assert run.data.params["model.image.width"] == "224"
    assert run.data.metrics["test_auroc"] == 0.9
    assert run.data.metrics["milliseconds"] == 0.1
    expected = {
        "bundle": "brightness-1",
        "dataset": "cells",
        "data_sha256": place.catalog.fingerprint,
        "backbone": "tf_efficientnet_lite0",
        "precision": "float32",
        "code_commit": "not under version control",
        "targets_missed": "test_auroc",
    }
    assert expected.items() <= run.data.tags.items()
    assert {tag.value for one in run.inputs.dataset_inputs for tag in one.tags} == {"train", "val", "test"}
    assert {entry.path for entry in place.client.list_artifacts(run.info.run_id)} == {"data", "plots", CARD}


def test_better_model_becomes_champion_and_the_one_before_is_archived(place: Place) -> None:
    assert place.finish("a", skill=0.2) == "version 1 is the champion: there was no champion to beat"
    assert place.aliases() == {"champion": "1"}
    assert "version 2 is the challenger: brightness b is worse than brightness a" in place.finish("b", skill=0.0)
    assert place.aliases() == {"champion": "1", "challenger": "2"}
    assert "version 3 is the champion: brightness c is better than brightness a" in place.finish("c", skill=0.5)
    assert place.aliases() == {"champion": "3", "archived": "1", "challenger": "2"}
    assert "is not shown to be better" in place.finish("d", skill=0.5)
    assert place.aliases() == {"champion": "3", "archived": "1", "challenger": "4"}
    assert place.client.get_model_version("brightness", "4").tags["bundle"] == "brightness-d"


def test_model_that_misses_a_target_is_never_champion(place: Place) -> None:
    assert "target missed: AUROC 0.9 (95 % interval" in place.finish("a", skill=0.4, targets=[MISSED])
    assert place.aliases() == {"challenger": "1"}
    place.finish("b", skill=0.2)
    assert "target missed" in place.finish("c", skill=0.9, targets=[MISSED])
    assert place.aliases() == {"champion": "2", "challenger": "3"}


def test_champion_whose_files_are_gone_stays_and_is_named(place: Place) -> None:
    place.finish("a", skill=0.2)
    shutil.rmtree(place.root / "var/mlruns/models")
    why = place.finish("b", skill=0.9)
    assert "cannot be compared with the champion, version 1: its files are no longer in MLflow" in why
    assert place.aliases() == {"champion": "1", "challenger": "2"}


def epoch_of_fold(tracker: Tracker, number: int, resume: Path) -> None:
    with tracker.fold(number, resume) as fold:
        fold.epoch(EPOCH, 0.8 + number / 100)
        fold.metrics({"test_auroc": 0.9})


@pytest.mark.heavy
def test_folds_are_children_also_from_other_processes(place: Place) -> None:
    with place.tracked() as tracker:
        spawn = multiprocessing.get_context("spawn")
        process = spawn.Process(target=epoch_of_fold, args=(tracker, 1, place.root / "fold1.run"))
        process.start()
        epoch_of_fold(tracker, 2, place.root / "fold2.run")
        process.join(120)
        assert process.exitcode == 0
        tracker.epoch(EPOCH, 0.7)
    runs = place.client.search_runs(
        [tracker.experiment], f"tags.`mlflow.parentRunId` = '{tracker.run_id}'", order_by=["tags.fold"]
    )
    assert [run.info.run_name for run in runs] == ["fold 1", "fold 2"]
    assert [run.data.metrics["val_auroc"] for run in runs] == pytest.approx([0.81, 0.82])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert place.client.get_run(tracker.run_id).data.metrics["val_auroc"] == 0.7


def test_interrupted_run_and_fold_go_on_as_the_same(place: Place) -> None:
    resume = place.root / "fold0.run"
    ids = []
    for outcome in ("FAILED", "FINISHED"):
        try:
            with place.tracked() as tracker, tracker.fold(0, resume) as fold:
                ids.append((tracker.run_id, fold.run_id))
                assert place.client.get_run(fold.run_id).info.status == "RUNNING"
                if outcome == "FAILED":
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        assert place.client.get_run(ids[-1][1]).info.status == outcome
    assert ids[0] == ids[1]


def test_system_metrics_are_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    deadline = time.monotonic() + 60
    with place.tracked() as tracker:
        while "system/cpu_utilization_percentage" not in place.client.get_run(tracker.run_id).data.metrics:
            assert time.monotonic() < deadline


def test_registered_model_judges_image_files(place: Place) -> None:
    place.finish("a", skill=0.4)
    mlflow.set_tracking_uri(f"sqlite:///{place.root}/var/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/brightness@champion")
    answers = model.predict(pd.DataFrame({"image": [grey_png(0.1), grey_png(0.9), b"no image"]}))
    assert answers["verdict"].tolist() == ["PASS", "REJECT", "NO_DECISION"]
    assert answers["defect_probability"].tolist()[:2] == pytest.approx([0.1, 0.9], abs=0.01)
    assert answers["class"].tolist()[:2] == ["good", "bright"]
    assert pd.isna(answers["defect_probability"][2])


def test_registered_model_sends_a_spoilt_frame_to_a_person_as_the_line_does(place: Place) -> None:
    greys = [Image.open(io.BytesIO(grey_png(value))) for value in np.linspace(0.2, 0.8, 120)]
    health = fit_input_health([look_at(np.asarray(one.convert("RGB"))) for one in greys], [greys[0].size] * len(greys))
    place.finish("a", skill=0.4, input_health=health)
    mlflow.set_tracking_uri(f"sqlite:///{place.root}/var/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/brightness@champion")
    answers = model.predict(pd.DataFrame({"image": [grey_png(0.25), grey_png(0.0)]}))
    assert answers["verdict"].tolist() == ["PASS", "REVIEW"]
    assert answers["reason"][1].startswith("darker than the training images")


@contextmanager
def mlflow_command(directory: Path, *arguments: str) -> Iterator[str]:
    """`mlflow ...` on a free loopback port, in a session of its own; gives its address and ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": "sqlite:///var/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", *arguments, "--host", "127.0.0.1", "--port", str(port)]
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def ask(method: str, address: str, **request: Any) -> httpx.Response:
    """The answer of a server that may still be starting."""
    deadline = time.monotonic() + 180
    while True:
        try:
            return httpx.request(method, address, timeout=60, **request)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.mark.heavy
def test_mlflow_serves_the_champion(place: Place) -> None:
    place.finish("a", skill=0.4)
    images = [[base64.b64encode(content).decode("ascii")] for content in (grey_png(0.1), grey_png(0.9), b"no image")]
    body = {"dataframe_split": {"columns": ["image"], "data": images}}
    model = ("models", "serve", "-m", "models:/brightness@champion", "--env-manager", "local")
    with mlflow_command(place.root, *model) as address:
        ask("GET", f"{address}/ping")
        answer = ask("POST", f"{address}/invocations", json=body)
    assert answer.status_code == 200, answer.text
    rows = answer.json()["predictions"]
    assert [row["verdict"] for row in rows] == ["PASS", "REJECT", "NO_DECISION"]
    assert [row["class"] for row in rows] == ["good", "bright", None]
    assert rows[1]["defect_probability"] == pytest.approx(0.9, abs=0.01)


@pytest.mark.heavy
def test_make_mlflow_opens_the_store_and_shows_the_card(place: Place) -> None:
    place.finish("a", skill=0.4)
    recipe = next(line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "mlflow ui" in line)
    options = recipe.partition("/mlflow ")[2].split(" --host 127.0.0.1 --port 5000 ")
    (run,) = place.client.search_runs([place.client.get_experiment_by_name("brightness").experiment_id])
    with mlflow_command(place.root, *" ".join(options).split()) as address:
        assert ask("GET", address).status_code == 200
        found = ask("GET", f"{address}/api/2.0/mlflow/registered-models/search").text
        card = ask("GET", f"{address}/get-artifact", params={"path": CARD, "run_uuid": run.info.run_id})
    assert json.loads(found)["registered_models"][0]["aliases"] == [{"alias": "champion", "version": "1"}]
    assert card.text == "<h1>the card</h1>"

"""Every training run in MLflow: what went in, how it went, what came out, and which version is the champion."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
from sqlalchemy.exc import SADeprecationWarning

from data.bundle import Manifest, Metric
from data.catalog import Catalog
from training.config import TrainConfig
from training.fit import Epoch

# MLflow reports its use over the network unless told not to before it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

log = logging.getLogger(__name__)

CHAMPION = "champion"

_LINEAGE = {"path", "label", "defect_probability", "group", "sha256"}


class Tracker:
    """One open run."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def epoch(self, epoch: Epoch, val_auroc: float) -> None:
        mlflow.log_metrics(
            {"train_loss": epoch.train_loss, "val_loss": epoch.val_loss, "val_auroc": val_auroc}, step=epoch.number
        )

    def result(self, bundle: Path, manifest: Manifest, figures: dict[str, str], gallery: str, test_sha256: str) -> str:
        """Log metrics, plots and the bundle, register the version, and return why it is the champion or is not."""
        mlflow.log_metrics({name: metric.value for name, metric in manifest.metrics.items()})
        for name, svg in figures.items():
            mlflow.log_text(svg, f"plots/{name}.svg")
        mlflow.log_text(gallery, "plots/worst_errors.html")
        mlflow.log_artifacts(str(bundle), "bundle")
        return self._register(manifest, test_sha256)

    def _register(self, manifest: Manifest, test_sha256: str) -> str:
        name = manifest.name
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        champion = self._champion(name)
        auroc = manifest.metrics["test_auroc"]
        wins, why = judge(auroc, test_sha256, champion)
        version = self._client.create_model_version(
            name,
            source=f"{mlflow.get_artifact_uri()}/bundle",
            run_id=self.run_id,
            tags={
                "bundle": f"{name}-{manifest.version}",
                "test_auroc": repr(auroc.value),
                "test_sha256": test_sha256,
                "champion_decision": why,
            },
        )
        if wins:
            self._client.set_registered_model_alias(name, CHAMPION, version.version)
        return why

    def _champion(self, name: str) -> ModelVersion | None:
        aliases = self._client.get_registered_model(name).aliases
        return self._client.get_model_version(name, aliases[CHAMPION]) if CHAMPION in aliases else None


def judge(auroc: Metric, test_sha256: str, champion: ModelVersion | None) -> tuple[bool, str]:
    """Whether a new version takes the alias from `champion`, and why, in one sentence."""
    if champion is None:
        return True, "first version: there was no champion to beat"
    before = float(champion.tags["test_auroc"])
    present = f"version {champion.version}"
    if champion.tags["test_sha256"] != test_sha256:
        return False, f"not compared with {present}: it was tested on other images; promote by hand after a comparison"
    if auroc.value > before:
        return True, f"beats {present} on the same test images: AUROC {auroc.value:.4f} against {before:.4f}"
    return False, f"does not beat {present} on the same test images: AUROC {auroc.value:.4f} against {before:.4f}"


@contextmanager
def track(config: TrainConfig, catalog: Catalog, catalog_file: Path, resume: Path) -> Iterator[Tracker]:
    """A run in `output`/mlflow.db with its artefacts under `output`/mlruns; it ends FAILED when the block raises.

    `resume` keeps the run's id while training lasts, so that a run killed and started again stays one run.
    """
    output = config.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # MLflow 3.17 with SQLAlchemy 2.1 and pandas 3: nothing that a caller could put right.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=SADeprecationWarning)
        warnings.filterwarnings(
            "ignore", message="The specified dataset source can be interpreted", category=UserWarning
        )
        mlflow.set_tracking_uri(f"sqlite:///{output / 'mlflow.db'}")
        client = MlflowClient()
        experiment = _experiment(client, config.name, output / "mlruns")
        known = _known_run(client, resume)
        with mlflow.start_run(run_id=known, experiment_id=experiment) as run:
            resume.parent.mkdir(parents=True, exist_ok=True)
            resume.write_text(run.info.run_id, encoding="ascii")
            if known is None:
                mlflow.log_params(_flat(config.model_dump(mode="json")))
                _log_data(catalog, catalog_file)
            yield Tracker(client, run.info.run_id)


def _known_run(client: MlflowClient, resume: Path) -> str | None:
    if not resume.is_file():
        return None
    run_id = resume.read_text(encoding="ascii")
    try:
        client.get_run(run_id)
    except MlflowException as error:  # the database was removed or replaced since
        log.info("run %s is not in this MLflow database (%s): a new one starts", run_id, error.error_code)
        return None
    return run_id


def _experiment(client: MlflowClient, name: str, artefacts: Path) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name, artifact_location=artefacts.as_uri()))


def _log_data(catalog: Catalog, file: Path) -> None:
    mlflow.set_tag("data_sha256", catalog.fingerprint)
    for split in ("train", "val", "test"):
        rows = pd.DataFrame([row.model_dump(include=_LINEAGE) for row in catalog.of_split(split)])
        part = catalog.model_copy(update={"rows": tuple(catalog.of_split(split))})
        dataset = mlflow.data.from_pandas(
            rows, source=str(file), targets="label", name=f"{file.stem}-{split}", digest=part.fingerprint[:16]
        )
        mlflow.log_input(dataset, context=split)


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat

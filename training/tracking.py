"""Every training run in MLflow: what went in, how it went, what came out, and which version is the champion."""

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy.exc import SADeprecationWarning

import data
from data.bundle import CARD, MANIFEST, Manifest
from data.catalog import Catalog
from data.promotion import Judgement, judge
from data.targets import MILLISECONDS, Outcome
from data.wording import text
from training.config import TrainConfig
from training.fit import Epoch

# MLflow reports its use over the network unless told not to before it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, RunStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

log = logging.getLogger(__name__)
logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)
# It raises what it logs here, in a hundred lines.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

CHAMPION = "champion"
CHALLENGER = "challenger"
ARCHIVED = "archived"

# MLflow runs this file where it serves the model; importing it here would load half of MLflow.
_REGISTERED = Path(__file__).with_name("registered.py")
_SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.binary, "image")]),
    outputs=Schema(
        [
            ColSpec(DataType.string, "verdict"),
            ColSpec(DataType.double, "defect_probability", required=False),
            ColSpec(DataType.string, "class", required=False),
            ColSpec(DataType.string, "reason", required=False),
        ]
    ),
)
_LINEAGE = {"path", "label", "defect_probability", "group", "sha256"}
_SERVING_PACKAGES = (
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pydantic",
    "pyyaml",
    "scipy",
)


@dataclass(frozen=True)
class Run:
    """A run by its address, so that it can be handed to another process."""

    uri: str
    experiment: str
    run_id: str

    def epoch(self, epoch: Epoch, val_auroc: float) -> None:
        """Log what an epoch came to."""
        self.metrics(
            {"train_loss": epoch.train_loss, "val_loss": epoch.val_loss, "val_auroc": val_auroc}, step=epoch.number
        )

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log figures by name."""
        now = time.time_ns() // 1_000_000
        MlflowClient(self.uri).log_batch(
            self.run_id, metrics=[Metric(name, float(value), now, step) for name, value in values.items()]
        )


class Tracker(Run):
    """The open run of one training."""

    @contextmanager
    def fold(self, number: int, resume: Path) -> Iterator[Run]:
        """A run of its own for one fold of the cross-validation, a child of this one; it ends FAILED when the block raises.

        May be called in another process, on a copy of this object. `resume` keeps the run's id as in `track`.
        """
        with _quiet():
            client = MlflowClient(self.uri)
            run_id = _known_run(client, resume)
            if run_id is None:
                tags = {MLFLOW_PARENT_RUN_ID: self.run_id, "fold": str(number)}
                run_id = client.create_run(self.experiment, tags=tags, run_name=f"fold {number}").info.run_id
                _keep(resume, run_id)
            else:
                client.update_run(run_id, RunStatus.to_string(RunStatus.RUNNING))
            status = RunStatus.FAILED
            try:
                yield Run(self.uri, self.experiment, run_id)
                status = RunStatus.FINISHED
            finally:
                client.set_terminated(run_id, RunStatus.to_string(status))

    def result(self, bundle: Path, manifest: Manifest, figures: dict[str, str], gallery: str) -> str:
        """Log metrics, card and plots, register the bundle as a servable model, and say why it is the champion or is not."""
        client = MlflowClient(self.uri)
        chosen = manifest.variants[manifest.precision]
        self.metrics(
            {name: metric.value for name, metric in manifest.metrics.items()}
            | {MILLISECONDS: chosen.milliseconds, "model_bytes": chosen.bytes}
        )
        missed = [target.name for target in manifest.targets if target.outcome is Outcome.MISSED]
        tags = {
            "bundle": bundle.name,
            "precision": manifest.precision,
            "code_commit": manifest.code_commit or "not under version control",
            "targets_missed": ", ".join(missed) or "none",
        }
        for name, value in tags.items():
            client.set_tag(self.run_id, name, value)
        client.update_run(self.run_id, name=bundle.name)
        client.log_artifact(self.run_id, str(bundle / CARD))
        for name, svg in figures.items():
            client.log_text(self.run_id, svg, f"plots/{name}.svg")
        client.log_text(self.run_id, gallery, "plots/worst_errors.html")
        return self._register(client, bundle, manifest)

    def _register(self, client: MlflowClient, bundle: Path, manifest: Manifest) -> str:
        name = manifest.name
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        champion = _champion(client, name)
        # An earlier attempt may have broken off anywhere below.
        of_run = client.search_model_versions(f"name='{name}' and run_id='{self.run_id}'")
        own = next((found.version for found in of_run if found.tags.get("bundle") == bundle.name), None)
        if champion is not None and champion.version == own:
            return f"version {own} is the champion already"
        judgement = _judge(bundle, champion)
        own = own or self._create_version(client, bundle, name, judgement)
        if judgement.wins:
            if champion is not None:
                client.set_registered_model_alias(name, ARCHIVED, champion.version)
            client.set_registered_model_alias(name, CHAMPION, own)
            return f"version {own} is the champion: {judgement.why}"
        client.set_registered_model_alias(name, CHALLENGER, own)
        return f"version {own} is the challenger: {judgement.why}"

    def _create_version(self, client: MlflowClient, bundle: Path, name: str, judgement: Judgement) -> str:
        model = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(_REGISTERED),
            artifacts={"bundle": str(bundle)},
            # The code of this very commit travels along: a later one may read bundles differently.
            code_paths=[str(Path(data.__file__).parent)],
            signature=_SIGNATURE,
            pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", *_SERVING_PACKAGES)],
        )
        created = client.create_model_version(
            name,
            source=model.model_uri,
            run_id=self.run_id,
            model_id=model.model_id,
            tags={"bundle": bundle.name, "decision": judgement.why},
        )
        return str(created.version)


@contextmanager
def track(config: TrainConfig, catalog: Catalog, catalog_file: Path, resume: Path) -> Iterator[Tracker]:
    """A run in `output`/mlflow.db with its artefacts under `output`/mlruns; it ends FAILED when the block raises.

    `resume` keeps the run's id while training lasts, so that a run killed and started again stays one run.
    """
    output = config.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{output / 'mlflow.db'}"
    with _quiet():
        mlflow.set_tracking_uri(uri)
        client = MlflowClient(uri)
        experiment = _experiment(client, config.name, output / "mlruns")
        known = _known_run(client, resume)
        with mlflow.start_run(run_id=known, experiment_id=experiment, log_system_metrics=True) as run:
            _keep(resume, run.info.run_id)
            if known is None:
                mlflow.log_params(_flat(config.model_dump(mode="json")))
                mlflow.set_tags(
                    {
                        "dataset": config.data.source if config.data.path is None else config.data.path.name,
                        "data_sha256": catalog.fingerprint,
                        "backbone": config.model.backbone,
                    }
                )
                _log_data(catalog, catalog_file)
            yield Tracker(uri, experiment, run.info.run_id)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # MLflow 3.17 with SQLAlchemy 2.1 and pandas 3: nothing that a caller could put right.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=SADeprecationWarning)
        warnings.filterwarnings(
            "ignore", message="The specified dataset source can be interpreted", category=UserWarning
        )
        for message in (".*Any type hint is inferred as AnyType", ".*An input example was not provided"):
            warnings.filterwarnings("ignore", message=message, category=UserWarning)
        yield


def _judge(bundle: Path, champion: ModelVersion | None) -> Judgement:
    if champion is None:
        return judge(bundle, None)
    with tempfile.TemporaryDirectory() as directory:
        with suppress(MlflowException, OSError):
            mlflow.artifacts.download_artifacts(f"models:/{champion.name}/{champion.version}", dst_path=directory)
        manifest = next(Path(directory).rglob(MANIFEST), None)
        if manifest is None:
            gone = (
                f"cannot be compared with the champion, version {champion.version}: its files are no longer in MLflow"
            )
            return Judgement((text(gone, gone),), "")
        return judge(bundle, manifest.parent)


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    aliases = client.get_registered_model(name).aliases
    return client.get_model_version(name, aliases[CHAMPION]) if CHAMPION in aliases else None


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


def _keep(resume: Path, run_id: str) -> None:
    resume.parent.mkdir(parents=True, exist_ok=True)
    resume.write_text(run_id, encoding="ascii")


def _experiment(client: MlflowClient, name: str, artefacts: Path) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name, artifact_location=artefacts.as_uri()))


def _log_data(catalog: Catalog, file: Path) -> None:
    mlflow.log_artifact(str(file), "data")
    for split in sorted({row.split for row in catalog.rows}):
        rows = pd.DataFrame([row.model_dump(include=_LINEAGE) for row in catalog.of_split(split)])
        part = catalog.model_copy(update={"rows": tuple(catalog.of_split(split))})
        dataset = mlflow.data.from_pandas(
            rows, source=str(file), targets="label", name=f"{file.stem}-{split or 'all'}", digest=part.fingerprint[:16]
        )
        mlflow.log_input(dataset, context=split or "all")


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat

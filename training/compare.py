"""Backbones side by side on the validation images: the accuracy that each gives for its milliseconds and its minutes."""

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from data.bundle import open_session, run_session
from data.catalog import Catalog, write_catalog
from data.comparison import auroc_difference
from data.config import explain
from data.durable import replacing
from data.errors import InputError
from data.groups import numbered
from data.image import Pixels, Preprocessing
from data.metric import Metric
from data.record import Record
from data.split import assign_splits
from training.augment import build_policy
from training.calibrate import calibrate, cross_calibrated
from training.comparison_page import PRECISIONS, Row, Unavailable, label, render_page
from training.config import TrainConfig
from training.dataset import Examples, find_catalog, load_examples, spread
from training.evaluate import predict
from training.export import export_onnx
from training.fit import Device, Epoch, fit, predict_logits
from training.network import DeployedNetwork, Network, build_network, defect_log_odds
from training.quantize import median_milliseconds, quantize_within
from training.scores import auroc, bootstrap, rate
from training.synthetic import Synthesis
from training.tracking import Tracker, track

log = logging.getLogger(__name__)

DEFAULT_BACKBONES = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2")

_PARITY_IMAGES = 8
_ROWS = "rows.json"
_PROGRESS = "progress.json"


class _Rows(Record):
    """What a finished backbone leaves beside its ONNX files until the whole comparison is finished."""

    rows: list[Row]


class _Progress(Record):
    """What the epochs came to so far, beside the checkpoint of the network."""

    probe: list[float] = Field(default=[])
    """validation log-odds of epoch 0"""
    seconds: list[float] = Field(default=[])
    """that each epoch took"""


Kept = TypeVar("Kept", _Rows, _Progress)


@dataclass(frozen=True)
class _Candidate:
    config: TrainConfig
    place: Path
    """a directory of its own, for what is kept until the comparison ends"""

    @property
    def image(self) -> Preprocessing:
        return self.config.model.image

    @property
    def name(self) -> str:
        return label(self.config.model.backbone, self.image.width, self.image.height)

    def onnx(self, precision: str) -> Path:
        return self.place / f"{precision}.onnx"


def compare(config: TrainConfig, backbones: Sequence[str], target: Path) -> list[Row | Unavailable]:
    """Train and export each of `backbones` as `config` says, measure it on the validation images, write the page `target`.

    A backbone is a timm name, or NAME@SIZE for square images of another size than the configuration's. Each gives a row
    for the probe and, unless `config.fit.epochs` is 0, one for the fine-tuned network, in the order given. Test images are
    never read. A killed comparison goes on from its last epoch. A backbone that cannot be had or does not learn is one
    row with the reason; raises InputError when all are, and for data that cannot be used.
    """
    catalog = assign_splits(find_catalog(config.data), config.splits)
    told = (_candidate(config, catalog, name) for name in backbones)
    candidates = list({candidate.name: candidate for candidate in told}.values())
    catalog_file = config.output / "catalogs" / f"{config.name}-compare.csv"
    write_catalog(catalog, catalog_file)
    log.info("compared on the validation images alone; the test images are not touched")
    results: dict[str, list[Row] | Unavailable] = {}
    for image in dict.fromkeys(candidate.image for candidate in candidates):
        train, val = (load_examples(catalog, catalog.of_split(split), image, split) for split in ("train", "val"))
        for candidate in (candidate for candidate in candidates if candidate.image == image):
            log.info("%s, %d of %d", candidate.name, len(results) + 1, len(candidates))
            try:
                results[candidate.name] = _measure(candidate, catalog, catalog_file, train, val)
            except InputError as error:
                log.warning("%s is left out: %s", candidate.name, error)
                results[candidate.name] = Unavailable(
                    backbone=candidate.config.model.backbone, width=image.width, height=image.height, reason=str(error)
                )
    rows = _timed(candidates, results, val.images[:1])
    _write(target, render_page(config, catalog, rows))
    for candidate in candidates:
        shutil.rmtree(candidate.place, ignore_errors=True)
    return rows


def _candidate(config: TrainConfig, catalog: Catalog, name: str) -> _Candidate:
    backbone, at, size = name.partition("@")
    image = config.model.image
    if at:
        try:
            image = Preprocessing.model_validate({"width": size, "height": size})
        except ValidationError as error:
            raise InputError(f"backbone {name} is not of the form NAME@SIZE: {explain(error)}") from error
    weights = config.model.weights if backbone == config.model.backbone else None
    model = config.model.model_copy(update={"backbone": backbone, "weights": weights, "image": image})
    # An MLflow experiment of its own: these runs leave no bundle and must not stand among those that do.
    changed = config.model_copy(update={"name": f"{config.name}-compare", "model": model})
    identity = changed.identity(catalog.fingerprint, "export")
    return _Candidate(changed, config.output / "checkpoints" / f"{config.name}-compare-{identity}")


def _measure(candidate: _Candidate, catalog: Catalog, catalog_file: Path, train: Examples, val: Examples) -> list[Row]:
    """The candidate's rows, without times; they and its ONNX files are kept at its place."""
    finished = candidate.place / _ROWS
    if finished.is_file():
        log.info("finished before, from %s", finished)
        return _read(finished, _Rows).rows
    config = candidate.config
    network = build_network(config.model, config.fit.frozen, catalog.classes, catalog.ok_classes)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    candidate.place.mkdir(parents=True, exist_ok=True)
    with track(config, catalog, catalog_file, candidate.place / "mlflow.run") as tracker:
        fitted, progress = _fit(candidate, network, catalog, train, val, tracker)
        probe = np.array(progress.probe, dtype=np.float32)
        tuned = probe
        if config.fit.epochs:
            logits = predict_logits(fitted, val, Device.choose(config.fit.precision, "cpu"))
            tuned = defect_log_odds(logits, fitted.ok).numpy()
        int8 = _export(candidate, fitted, tuned, train, val)
        row = Row(
            backbone=config.model.backbone,
            width=candidate.image.width,
            height=candidate.image.height,
            stage="probe",
            auroc=bootstrap(auroc, probe, val.is_defect, val.groups),
            accuracy=_accuracy(probe, val),
            seconds=progress.seconds[0],
            parameters=parameters,
            bytes={precision: candidate.onnx(precision).stat().st_size for precision in PRECISIONS},
            int8_auroc=None if config.fit.epochs else int8,
        )
        rows = [row]
        if config.fit.epochs:
            changes = {
                "stage": "fine-tuned",
                "auroc": bootstrap(auroc, tuned, val.is_defect, val.groups),
                "accuracy": _accuracy(tuned, val),
                "gain": auroc_difference(tuned, probe, val.is_defect, val.groups),
                "seconds": sum(progress.seconds),
                "int8_auroc": int8,
            }
            rows.append(row.model_copy(update=changes))
        tracker.metrics({"probe_auroc": row.auroc.value, "val_auroc_int8": int8.value, "seconds": rows[-1].seconds})
    _write(finished, _Rows(rows=rows).model_dump_json())
    return rows


def _fit(
    candidate: _Candidate, network: Network, catalog: Catalog, train: Examples, val: Examples, tracker: Tracker
) -> tuple[Network, _Progress]:
    config, checkpoint, kept = candidate.config, candidate.place / "network.pt", candidate.place / _PROGRESS
    # `fit` saves the network first and tells of the epoch afterwards: killed between the two, nothing tells of the probe.
    if not kept.is_file():
        checkpoint.unlink(missing_ok=True)
    progress = _read(kept, _Progress) if kept.is_file() else _Progress()
    began = time.perf_counter()

    def on_epoch(epoch: Epoch) -> None:
        nonlocal progress, began
        now = time.perf_counter()
        probe = epoch.val_log_odds.tolist() if epoch.number == 0 else progress.probe
        progress = _Progress(probe=probe, seconds=[*progress.seconds, now - began])
        _write(kept, progress.model_dump_json())
        began = now
        val_auroc = auroc(epoch.val_log_odds, val.is_defect)
        log.info("%s, AUROC %.4f", epoch, val_auroc)
        tracker.epoch(epoch, val_auroc)

    fitted = fit(
        network,
        train,
        val,
        catalog.classes,
        build_policy(config.augment),
        Synthesis(config.synthetic),
        config.fit,
        config.seed,
        checkpoint,
        Device.choose(config.fit.precision),
        on_epoch,
    )
    return fitted, progress


def _export(
    candidate: _Candidate, network: Network, log_odds: NDArray[np.float32], train: Examples, val: Examples
) -> Metric:
    """Write both ONNX files at the candidate's place; returns the AUROC of int8."""
    deployed = DeployedNetwork(network, calibrate(log_odds, val.is_defect))
    float32, int8 = (candidate.onnx(precision) for precision in PRECISIONS)
    export_onnx(deployed, val.images[:_PARITY_IMAGES], float32)
    config, before = candidate.config.export, auroc(log_odds, val.is_defect)
    quantize_within(
        float32,
        int8,
        train.images[spread(len(train.rows), config.calibration_images)],
        lambda file: before - auroc(_scores(file, val.images), val.is_defect),
        config.int8_auroc_loss,
    )
    return bootstrap(auroc, _scores(int8, val.images), val.is_defect, val.groups)


def _scores(file: Path, images: Pixels) -> NDArray[np.float32]:
    session = open_session(file, threads=2)
    return predict(lambda part: run_session(session, part), images, f"val {file.stem}").defect_probability


def _accuracy(log_odds: NDArray[np.float32], val: Examples) -> Metric | None:
    is_defect = val.is_defect
    try:
        return rate((cross_calibrated(log_odds, is_defect) > 0.5) == is_defect, numbered(val.groups, len(is_defect)))
    except InputError:  # a fold whose scores are no better than chance cannot be calibrated
        return None


def _timed(
    candidates: list[_Candidate], results: dict[str, list[Row] | Unavailable], image: Pixels
) -> list[Row | Unavailable]:
    """All rows in order, with the time of one image; every graph takes its turn, so that a busy machine slows all alike."""
    finished = [candidate for candidate in candidates if isinstance(results[candidate.name], list)]
    if not finished:
        reasons = [f"{name}: {result.reason}" for name, result in results.items() if isinstance(result, Unavailable)]
        raise InputError(f"there is nothing to compare; {'; '.join(reasons)}")
    log.info("timing %d graphs in turn", len(PRECISIONS) * len(finished))
    graphs = {
        f"{candidate.name}, {precision}": candidate.onnx(precision)
        for candidate in finished
        for precision in PRECISIONS
    }
    times = median_milliseconds({name: open_session(file, threads=1) for name, file in graphs.items()}, image)
    rows: list[Row | Unavailable] = []
    for candidate in candidates:
        result = results[candidate.name]
        if isinstance(result, Unavailable):
            rows.append(result)
        else:
            measured = {precision: times[f"{candidate.name}, {precision}"] for precision in PRECISIONS}
            rows.extend(row.model_copy(update={"milliseconds": measured}) for row in result)
    return rows


def _read(file: Path, kind: type[Kept]) -> Kept:
    try:
        return kind.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InputError(f"{file} is damaged; delete {file.parent} to train this backbone anew") from error


def _write(file: Path, text: str) -> None:
    with replacing(file) as stream:
        stream.write(text.encode())

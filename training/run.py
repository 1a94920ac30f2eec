"""One training run from catalog to finished bundle, in the order of DESIGN section 3."""

import hashlib
import logging
import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from data.bundle import (
    CARD,
    GOLDEN,
    MODEL,
    OUTPUTS,
    Bundle,
    Calibration,
    DataFingerprint,
    Manifest,
    Parity,
    Prediction,
    Variant,
    open_session,
    run_session,
    sha256_of,
    write_bundle,
)
from data.catalog import Catalog, write_catalog
from data.decide import choose_thresholds
from data.image import Pixels
from data.split import assign_splits
from training.augment import build_policy
from training.calibrate import calibrate
from training.card import render_card, render_gallery, worst_errors
from training.config import TrainConfig
from training.dataset import Examples, find_catalog, load_examples
from training.evaluate import predict
from training.export import TOLERANCE, export_onnx
from training.fit import Device, Epoch, fit, predict_logits
from training.network import DeployedNetwork, Network, defect_log_odds
from training.plots import figures
from training.quantize import Measured, choose_precision, median_milliseconds, quantize, spread
from training.scores import auroc, score
from training.tracking import track
from training.weights import load_backbone

log = logging.getLogger(__name__)

MODEL_FLOAT32 = "model_float32.onnx"
MODEL_INT8 = "model_int8.onnx"

_GOLDEN_FRAMES = 8
# Processors without 8-bit dot products (VNNI) come to other int8 sums; float32 only differs in its last digits.
_REPLAY_TOLERANCE = {"float32": 1e-3, "int8": 0.05}

Model = Callable[[Pixels], Prediction]


def train(config: TrainConfig) -> tuple[Path, Manifest]:
    """Train, export, measure, and write the bundle and the split catalog; returns the bundle's directory.

    A run of the same configuration and data that was killed goes on from its last checkpoint. Raises InputError, with
    no bundle written, for anything in the configuration or the data that must be put right first.
    """
    catalog = assign_splits(find_catalog(config.data), config.splits)
    policy = build_policy(config.augment)
    classes = catalog.classes
    ok = sum(name in catalog.ok_classes for name in classes)
    network = Network(
        load_backbone(config.model.backbone, config.model.weights), len(classes), ok, config.model.dropout
    )
    network.freeze(config.fit.frozen)
    examples = {
        split: load_examples(catalog, catalog.of_split(split), config.model.image, split)
        for split in ("train", "val", "test")
    }
    checkpoint = config.output / "checkpoints" / f"{config.name}-{_identity(config, catalog)}.pt"
    catalog_file = config.output / "catalogs" / f"{config.name}.csv"
    write_catalog(catalog, catalog_file)
    val = examples["val"]
    with track(config, catalog, catalog_file, checkpoint.with_suffix(".run")) as tracker:

        def on_epoch(epoch: Epoch) -> None:
            val_auroc = auroc(epoch.val_log_odds, val.is_defect)
            log.info(
                "epoch %d: loss %.4f, val %.4f, AUROC %.4f", epoch.number, epoch.train_loss, epoch.val_loss, val_auroc
            )
            tracker.epoch(epoch, val_auroc)

        fitted = fit(network, examples["train"], val, classes, policy, config.fit, config.seed, checkpoint, on_epoch)
        logits = predict_logits(fitted, val.images, Device.choose(config.fit.precision, "cpu"))
        calibration = calibrate(defect_log_odds(logits, ok).numpy(), val.is_defect)
        bundles = config.output / "bundles"
        bundles.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=bundles, prefix=".part-", ignore_cleanup_errors=True) as directory:
            parts = Path(directory) / "bundle"
            parts.mkdir()
            manifest, plots, gallery = _assemble(config, catalog, examples, fitted, calibration, tracker.run_id, parts)
            target = bundles / f"{manifest.name}-{manifest.version}"
            others = [name for name in (MODEL_FLOAT32, MODEL_INT8) if (parts / name).exists()]
            write_bundle(parts, target, manifest, [MODEL, GOLDEN, CARD, *others])
        Bundle.load(target)
        test_sha256 = catalog.model_copy(update={"rows": tuple(examples["test"].rows)}).fingerprint
        log.info("champion: %s", tracker.result(target, manifest, plots, gallery, test_sha256))
    checkpoint.unlink()
    checkpoint.with_suffix(".run").unlink()
    return target, manifest


def _assemble(
    config: TrainConfig,
    catalog: Catalog,
    examples: dict[str, Examples],
    network: Network,
    calibration: Calibration,
    run_id: str,
    parts: Path,
) -> tuple[Manifest, dict[str, str], str]:
    """Fill `parts` with everything but the manifest's hashes; returns the manifest, the plots and the error gallery."""
    val, test = examples["val"], examples["test"]
    golden = test.images[spread(len(test.rows), _GOLDEN_FRAMES)]
    deployed = DeployedNetwork(network, calibration.slope, calibration.intercept)
    difference = export_onnx(deployed, golden, parts / MODEL_FLOAT32)
    calibration_images = examples["train"].images[spread(len(examples["train"].rows), config.export.calibration_images)]
    quantize(parts / MODEL_FLOAT32, parts / MODEL_INT8, calibration_images)
    variants, held_out = _compare(parts, val, config.export.int8_auroc_loss)
    precision = next(name for name, variant in variants.items() if variant.chosen)
    (parts / {"float32": MODEL_FLOAT32, "int8": MODEL_INT8}[precision]).rename(parts / MODEL)

    model = _model(parts / MODEL)
    thresholds, guarantee = choose_thresholds(held_out[precision].defect_probability, val.is_defect, config.aims)
    prediction = predict(model, test.images, "test")
    expected = model(golden)
    np.savez(parts / GOLDEN, images=golden, **{name: getattr(expected, name) for name in OUTPUTS})
    now = datetime.now(UTC)
    rows = {split: one.rows for split, one in examples.items()}
    manifest = Manifest(
        name=config.name,
        version=f"{now:%Y%m%d-%H%M%S}-{sha256_of(parts / MODEL)[:6]}",
        created_at=now,
        precision="int8" if precision == "int8" else "float32",
        backbone=config.model.backbone,
        classes=catalog.classes,
        ok_classes=[name for name in catalog.classes if name in catalog.ok_classes],
        preprocessing=config.model.image,
        thresholds=thresholds,
        guarantee=guarantee,
        calibration=calibration,
        metrics=score(prediction.defect_probability, test.is_defect, thresholds),
        variants=variants,
        parity=Parity(torch_onnxruntime=difference, tolerance=TOLERANCE, replay_tolerance=_REPLAY_TOLERANCE[precision]),
        data=DataFingerprint(
            source=config.data.source,
            sha256=catalog.fingerprint,
            images=len(catalog.rows),
            splits={split: len(own) for split, own in rows.items()},
            defects={split: sum(row.is_defect for row in own) for split, own in rows.items()},
        ),
        code_commit=_code_commit(),
        mlflow_run_id=run_id,
        files={},
    )
    plots = figures(prediction.defect_probability, test.is_defect, thresholds)
    errors = worst_errors(test, prediction, manifest)
    (parts / CARD).write_text(render_card(manifest, catalog, plots, errors), encoding="utf-8")
    return manifest, plots, render_gallery(errors)


def _compare(parts: Path, val: Examples, most_loss: float) -> tuple[dict[str, Variant], dict[str, Prediction]]:
    """Both precisions measured on val, with their predictions."""
    files = {"float32": parts / MODEL_FLOAT32, "int8": parts / MODEL_INT8}
    held_out = {name: predict(_model(file), val.images, f"val {name}") for name, file in files.items()}
    times = median_milliseconds({name: open_session(file, threads=2) for name, file in files.items()}, val.images[:1])
    measured = {
        name: Measured(file.stat().st_size, times[name], auroc(held_out[name].defect_probability, val.is_defect))
        for name, file in files.items()
    }
    return choose_precision(measured["float32"], measured["int8"], most_loss), held_out


def _model(file: Path) -> Model:
    session = open_session(file, threads=2)
    return lambda images: run_session(session, images)


def _identity(config: TrainConfig, catalog: Catalog) -> str:
    """Names the checkpoint: what was trained on and how, so that another run never goes on from it."""
    told = config.model_dump_json(include={"seed", "model", "augment", "fit"})
    return hashlib.sha256(f"{told}{catalog.fingerprint}".encode()).hexdigest()[:12]


def _code_commit() -> str | None:
    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    return f"{commit}-dirty" if commit and git("status", "--porcelain") else commit

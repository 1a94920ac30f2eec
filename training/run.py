"""One training run from catalog to finished bundle: split, fit, calibrate, export, choose thresholds, measure, write."""

import logging
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from data.bundle import (
    CARD,
    GOLDEN,
    HELD_OUT,
    MODEL,
    NOVELTY,
    OUTPUTS,
    PREDICTIONS,
    Bundle,
    CrossValidation,
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
from data.catalog import Catalog, CatalogRow, write_catalog
from data.comparison import write_predictions
from data.decide import Thresholds, choose_thresholds
from data.drift import Sample
from data.durable import is_full_disk
from data.errors import InputError
from data.image import Pixels
from data.novelty import fit_novelty
from data.operating import OperatingCurve
from data.split import assign_splits
from data.targets import check_targets
from training.augment import Policy, build_policy
from training.calibrate import apply, calibrate, cross_calibrated
from training.card import marked_defects, render_card, render_gallery, worst_errors
from training.config import TrainConfig
from training.dataset import Examples, check_contents, find_catalog, load_examples, spread
from training.evaluate import predict
from training.export import TOLERANCE, export_onnx
from training.fit import Device, Epoch, fit, predict_logits, with_frozen
from training.folds import cross_validation, discard, out_of_fold
from training.localise import localisation
from training.network import DeployedNetwork, Network, build_network, defect_log_odds
from training.operating import bills, operating_figure
from training.plots import figures
from training.quantize import (
    Measured,
    Precision,
    choose_precision,
    describe,
    median_milliseconds,
    quantize_within,
    verdict_agreement,
)
from training.result import Result
from training.scores import auroc, class_scores, input_health, score, summarise_novelty
from training.synthetic import Synthesis
from training.tracking import Tracker, track

log = logging.getLogger(__name__)

MODEL_FLOAT32 = "model_float32.onnx"
MODEL_INT8 = "model_int8.onnx"

_GOLDEN_FRAMES = 8
# Processors without 8-bit dot products (VNNI) come to other int8 sums; float32 only differs in its last digits.
_REPLAY_TOLERANCE = {"float32": 1e-3, "int8": 0.05}

Model = Callable[[Pixels], Prediction]


@dataclass(frozen=True)
class _HeldOut:
    """What decides calibration and thresholds: raw scores of images that their model was not trained on."""

    log_odds: NDArray[np.float32]
    """[n] of the validation images, then of the train images out of fold"""
    rows: list[CatalogRow]
    cross_validation: CrossValidation | None

    @property
    def is_defect(self) -> NDArray[np.bool_]:
        return np.array([row.is_defect for row in self.rows])

    @property
    def labels(self) -> list[str]:
        return [row.label for row in self.rows]

    @property
    def groups(self) -> list[str]:
        return [row.group for row in self.rows]


def train(config: TrainConfig) -> tuple[Path, Manifest]:
    """Train, export, measure, and write the bundle and the split catalog; returns the bundle's directory.

    A run of the same configuration and data that was killed goes on from its last checkpoint. Raises InputError, with
    no bundle written, for anything in the configuration or the data that must be put right first; and with the bundle written,
    when MLflow cannot take it: the same call then only registers it.
    """
    catalog = assign_splits(find_catalog(config.data), config.splits)
    checkpoint = config.output / "checkpoints" / f"{config.name}-{config.identity(catalog.fingerprint)}.pt"
    identity = config.identity(catalog.fingerprint, "aims", "targets", "export")
    kept = checkpoint.with_suffix(".result")
    result = Result.read(kept, identity)
    if result is not None:
        log.info("%s is complete, only its registration is missing; nothing is trained anew", result.bundle)
    material = None if result is not None else _prepare(config, catalog)
    catalog_file = config.output / "catalogs" / f"{config.name}.csv"
    write_catalog(catalog, catalog_file)
    try:
        with track(config, catalog, catalog_file, checkpoint.with_suffix(".run")) as tracker:
            if material is not None:
                result = _make(config, catalog, material, checkpoint, tracker, kept, identity)
            assert result is not None
            manifest = Bundle.load(result.bundle).manifest
            log.info(tracker.result(result.bundle, manifest, result.plots, result.gallery))
    except (OSError, MlflowException, SQLAlchemyError) as error:
        result = Result.read(kept, identity)
        if result is None:
            raise
        reason = "no space left on the disk" if is_full_disk(error) else str(error).splitlines()[0]
        raise InputError(
            f"{result.bundle} is complete and can be served, but it is not registered in MLflow ({reason}); put that right and "
            "give the same command again: it is registered without being trained anew"
        ) from error
    discard(checkpoint)
    return result.bundle, manifest


@dataclass(frozen=True)
class _Material:
    """What training begins with; `examples` by split."""

    network: Network
    policy: Policy
    synthesis: Synthesis
    examples: dict[str, Examples]


def _prepare(config: TrainConfig, catalog: Catalog) -> _Material:
    policy, synthesis = build_policy(config.augment), Synthesis(config.synthetic)
    network = build_network(config.model, config.fit.frozen, catalog.classes, catalog.ok_classes)
    examples = {
        split: load_examples(catalog, catalog.of_split(split), config.model.image, split)
        for split in ("train", "val", "test")
    }
    check_contents(catalog, examples["train"])
    device = Device.choose(config.fit.precision)
    examples |= {split: with_frozen(network, examples[split], device) for split in ("train", "val")}
    return _Material(network, policy, synthesis, examples)


def _make(
    config: TrainConfig,
    catalog: Catalog,
    material: _Material,
    checkpoint: Path,
    tracker: Tracker,
    kept: Path,
    identity: str,
) -> Result:
    """Train, export, measure and write the bundle; before it is there, `kept` says what is to be registered with it."""
    examples, val = material.examples, material.examples["val"]

    def on_epoch(epoch: Epoch) -> None:
        val_auroc = auroc(epoch.val_log_odds, val.is_defect)
        log.info("%s, AUROC %.4f", epoch, val_auroc)
        tracker.epoch(epoch, val_auroc)

    fitted = fit(
        material.network,
        examples["train"],
        val,
        catalog.classes,
        material.policy,
        material.synthesis,
        config.fit,
        config.seed,
        checkpoint,
        Device.choose(config.fit.precision),
        on_epoch,
    )
    held_out = _held_out(config, catalog, examples, fitted, checkpoint, tracker)
    bundles = config.output / "bundles"
    # Named after the run, so that what a killed one left is replaced; on the disk of its target, for the last step.
    with _fresh(bundles / f".part-{checkpoint.stem}") as parts:
        manifest, plots, gallery = _assemble(config, catalog, examples, fitted, held_out, tracker.run_id, parts)
        target = bundles / f"{manifest.name}-{manifest.version}"
        result = Result(identity=identity, bundle=target, plots=plots, gallery=gallery)
        result.write(kept)
        others = [name for name in (MODEL_FLOAT32, MODEL_INT8) if (parts / name).exists()]
        write_bundle(parts, target, manifest, [MODEL, GOLDEN, CARD, PREDICTIONS, NOVELTY, HELD_OUT, *others])
    return result


@contextmanager
def _fresh(directory: Path) -> Iterator[Path]:
    """An empty directory, whatever was there before, that is gone when the block ends."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def cross_validate(config: TrainConfig) -> tuple[Path, CrossValidation]:
    """Score every image of the data out of fold, test images too, to say how good the recipe is; nothing is exported.

    Returns the predictions as CSV (columns of data.comparison.PredictedImage, calibrated by other images than their own) and the
    figures. A killed run goes on from its finished folds. Raises InputError as `train` does, and without folds.
    """
    if not config.folds:
        raise InputError("folds is 0: cross-validation needs at least 2; add --set folds=5")
    catalog = find_catalog(config.data)
    network = build_network(config.model, config.fit.frozen, catalog.classes, catalog.ok_classes)
    examples = load_examples(catalog, list(catalog.rows), config.model.image, "images")
    check_contents(catalog, examples)
    examples = with_frozen(network, examples, Device.choose(config.fit.precision))
    checkpoint = config.output / "checkpoints" / f"{config.name}-all-{config.identity(catalog.fingerprint)}.pt"
    catalog_file = config.output / "catalogs" / f"{config.name}-all.csv"
    write_catalog(catalog, catalog_file)
    with track(config, catalog, catalog_file, checkpoint.with_suffix(".run")) as tracker:
        logits, fold = out_of_fold(config, catalog, examples, checkpoint, tracker)
        ok = sum(name in catalog.ok_classes for name in catalog.classes)
        scores = defect_log_odds(logits, ok).numpy()
        result = cross_validation(scores, examples, fold)
        tracker.metrics({name: metric.value for name, metric in result.metrics.items()})
    predictions = config.output / "cross_validation" / f"{config.name}.csv"
    write_predictions(predictions, examples.rows, cross_calibrated(scores, examples.is_defect))
    discard(checkpoint)
    return predictions, result


def _held_out(
    config: TrainConfig,
    catalog: Catalog,
    examples: dict[str, Examples],
    network: Network,
    checkpoint: Path,
    tracker: Tracker,
) -> _HeldOut:
    train, val = examples["train"], examples["val"]
    ok = network.ok
    logits = predict_logits(network, val, Device.choose(config.fit.precision, "cpu"))
    scores = defect_log_odds(logits, ok).numpy()
    if not config.folds:
        return _HeldOut(scores, val.rows, None)
    logits, fold = out_of_fold(config, catalog, train, checkpoint, tracker)
    out = defect_log_odds(logits, ok).numpy()
    return _HeldOut(np.concatenate([scores, out]), [*val.rows, *train.rows], cross_validation(out, train, fold))


def _assemble(
    config: TrainConfig,
    catalog: Catalog,
    examples: dict[str, Examples],
    network: Network,
    held_out: _HeldOut,
    run_id: str,
    parts: Path,
) -> tuple[Manifest, dict[str, str], str]:
    """Fill `parts` with everything but the manifest's hashes; returns the manifest, the plots and the error gallery."""
    train, val, test = examples["train"], examples["val"], examples["test"]
    calibration = calibrate(held_out.log_odds, held_out.is_defect)
    golden = test.images[spread(len(test.rows), _GOLDEN_FRAMES)]
    difference = export_onnx(DeployedNetwork(network, calibration), golden, parts / MODEL_FLOAT32)
    calibration_images = train.images[spread(len(train.rows), config.export.calibration_images)]
    quantized = _quantize(parts, calibration_images, val, config.export.int8_auroc_loss)
    precision = quantized.precision
    (parts / {"float32": MODEL_FLOAT32, "int8": MODEL_INT8}[precision]).rename(parts / MODEL)

    model = _model(parts / MODEL)
    # The validation images through the graph that will serve; the folds' images as their own models scored them.
    scores = apply(calibration, held_out.log_odds)
    scores[: len(val.rows)] = quantized.predictions[precision].defect_probability
    thresholds, guarantee = choose_thresholds(scores, held_out.is_defect, config.aims, held_out.labels, held_out.groups)
    prediction = predict(model, test.images, "test")
    fine = network.place_heads[0].in_channels  # the embedding begins with the channel means at stride 16
    novelty = fit_novelty(
        predict(model, train.images, "embed").embedding[:, :fine], quantized.predictions[precision].embedding[:, :fine]
    )
    novelty.write(parts / NOVELTY)
    unseen = quantized.predictions[precision]
    Sample(unseen.defect_probability, novelty.position(unseen.embedding)).write(parts / HELD_OUT)
    unknown = novelty.unknown(prediction.embedding)
    write_predictions(parts / PREDICTIONS, test.rows, prediction.defect_probability)
    expected = model(golden)
    np.savez(parts / GOLDEN, images=golden, **{name: getattr(expected, name) for name in OUTPUTS})
    metrics = score(prediction.defect_probability, test.is_defect, thresholds, unknown, test.groups)
    if (pointed := localisation(prediction.heatmap, test)) is not None:
        metrics["hot_in_box"] = pointed
    now = datetime.now(UTC)
    rows = {split: one.rows for split, one in examples.items()}
    manifest = Manifest(
        name=config.name,
        version=f"{now:%Y%m%d-%H%M%S}-{sha256_of(parts / MODEL)[:6]}",
        created_at=now,
        precision=precision,
        backbone=config.model.backbone,
        classes=catalog.classes,
        ok_classes=[name for name in catalog.classes if name in catalog.ok_classes],
        preprocessing=config.model.image,
        thresholds=thresholds,
        guarantee=guarantee,
        curve=OperatingCurve.of(scores, held_out.is_defect, thresholds, held_out.labels, held_out.groups),
        calibration=calibration,
        cross_validation=held_out.cross_validation,
        metrics=metrics,
        targets=check_targets(config.targets, metrics, quantized.measured[precision].milliseconds),
        variants=quantized.variants(thresholds),
        parity=Parity(torch_onnxruntime=difference, tolerance=TOLERANCE, replay_tolerance=_REPLAY_TOLERANCE[precision]),
        novelty=summarise_novelty(novelty, prediction.embedding, test.groups, len(val.rows)),
        input_health=input_health([train, val], test),
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
    plots = figures(prediction.defect_probability, test.is_defect, thresholds, metrics["ece"])
    billed = bills(scores, held_out.is_defect, thresholds, config.aims, held_out.groups)
    defect_rate = billed[0][1].defect_rate
    plots["operating"] = operating_figure(
        scores, held_out.is_defect, thresholds, guarantee, defect_rate, held_out.groups
    )
    errors = worst_errors(test, prediction, manifest, unknown)
    passed = (prediction.defect_probability < thresholds.pass_below) & ~unknown
    of_classes = class_scores(
        prediction.class_probability,
        [row.label for row in test.rows],
        catalog.classes,
        catalog.ok_classes,
        passed,
        test.groups,
    )
    card = render_card(
        manifest,
        catalog,
        plots,
        errors,
        of_classes,
        marked_defects(test, prediction, manifest, unknown),
        billed,
    )
    (parts / CARD).write_text(card, encoding="utf-8")
    return manifest, plots, render_gallery(errors)


@dataclass(frozen=True)
class _Quantized:
    """Both precisions as measured on val, and which of them serves."""

    precision: Precision
    why: str
    measured: dict[Precision, Measured]
    predictions: dict[Precision, Prediction]

    def variants(self, thresholds: Thresholds) -> dict[str, Variant]:
        agreement = verdict_agreement(self.predictions["float32"], self.predictions["int8"], thresholds)
        return describe(self.measured, self.precision, self.why, agreement)


def _quantize(parts: Path, images: Pixels, val: Examples, most_loss: float) -> _Quantized:
    """Write the int8 twin of the float32 graph in `parts`, as much of it in int8 as keeps the loss on val within bounds."""
    files: dict[Precision, Path] = {"float32": parts / MODEL_FLOAT32, "int8": parts / MODEL_INT8}
    predictions: dict[Precision, Prediction] = {"float32": predict(_model(files["float32"]), val.images, "val float32")}
    best = auroc(predictions["float32"].defect_probability, val.is_defect)

    def loss_of(file: Path) -> float:
        predictions["int8"] = predict(_model(file), val.images, "val int8")
        return best - auroc(predictions["int8"].defect_probability, val.is_defect)

    kept = quantize_within(files["float32"], files["int8"], images, loss_of, most_loss)
    times = median_milliseconds({name: open_session(file, threads=1) for name, file in files.items()}, val.images[:1])
    measured = {
        name: Measured(
            file.stat().st_size,
            times[name],
            auroc(predictions[name].defect_probability, val.is_defect),
            len(kept) if name == "int8" else 0,
        )
        for name, file in files.items()
    }
    precision, why = choose_precision(measured["float32"], measured["int8"], most_loss)
    return _Quantized(precision, why, measured, predictions)


def _model(file: Path) -> Model:
    session = open_session(file, threads=2)
    return lambda images: run_session(session, images)


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

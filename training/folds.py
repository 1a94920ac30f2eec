"""Cross-validation: every image scored by a model that was not trained on it, with a finished fold kept on disk."""

import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.bundle import CrossValidation
from data.catalog import Catalog, CatalogRow
from data.durable import replacing
from data.errors import InputError
from data.groups import numbered
from data.split import assign_folds
from training.augment import build_policy
from training.calibrate import cross_calibrated
from training.config import TrainConfig
from training.dataset import Examples, load_examples
from training.fit import Device, Epoch, fit, predict_logits
from training.network import build_network
from training.scores import auroc, bootstrap, calibration_error, rate
from training.synthetic import Synthesis
from training.tracking import Tracker

log = logging.getLogger(__name__)


def out_of_fold(
    config: TrainConfig,
    catalog: Catalog,
    examples: Examples,
    checkpoint: Path,
    tracker: Tracker,
) -> tuple[Tensor, NDArray[np.int64]]:
    """Class logits float32 [n, C] of every example from the fold that held it out, and the fold of each, int64 [n].

    Folds are grouped and stratified. Each finished fold stays beside `checkpoint` until the run ends, and a killed fold goes
    on from its last epoch. With several GPUs the folds train at the same time, one on each; otherwise one after
    another.
    """
    assignment = assign_folds(examples.rows, config.folds, config.splits.seed)
    files = [checkpoint.with_name(f"{checkpoint.stem}-fold{fold}.npz") for fold in range(config.folds)]
    open_folds = [fold for fold, file in enumerate(files) if not file.is_file()]
    gpus = torch.cuda.device_count()
    if gpus > 1 and len(open_folds) > 1:
        with ProcessPoolExecutor(gpus, multiprocessing.get_context("spawn")) as pool:
            waiting = [
                pool.submit(
                    _fit_alone,
                    config,
                    catalog,
                    examples.rows,
                    assignment,
                    fold,
                    files[fold],
                    f"cuda:{index % gpus}",
                    tracker,
                )
                for index, fold in enumerate(open_folds)
            ]
            for one in waiting:
                one.result()
    else:
        device = Device.choose(config.fit.precision)
        for fold in open_folds:
            _fit_fold(config, catalog, examples, assignment, fold, files[fold], device, tracker)
    logits = torch.empty(len(examples.rows), len(catalog.classes))
    for fold, file in enumerate(files):
        logits[assignment == fold] = torch.from_numpy(_read(file, int((assignment == fold).sum())))
    return logits, assignment


def cross_validation(log_odds: NDArray[np.float32], examples: Examples, fold: NDArray[np.int64]) -> CrossValidation:
    """Figures of out-of-fold log-odds float [n]; probabilities are calibrated by other images than their own."""
    is_defect, groups = examples.is_defect, examples.groups
    probability = cross_calibrated(log_odds, is_defect)
    numbers = range(int(fold.max()) + 1)
    return CrossValidation(
        fold_auroc=[auroc(log_odds[fold == number], is_defect[fold == number]) for number in numbers],
        metrics={
            "auroc": bootstrap(auroc, log_odds, is_defect, groups),
            "accuracy": rate((probability > 0.5) == is_defect, numbered(groups, len(is_defect))),
            "ece": bootstrap(calibration_error, probability, is_defect, groups),
        },
    )


def discard(checkpoint: Path) -> None:
    """Remove the checkpoints of a finished run: its own and what its folds left."""
    for file in checkpoint.parent.glob(f"{checkpoint.stem}*"):
        file.unlink()


def _fit_fold(
    config: TrainConfig,
    catalog: Catalog,
    examples: Examples,
    assignment: NDArray[np.int64],
    fold: int,
    file: Path,
    device: Device,
    tracker: Tracker,
) -> None:
    train, held_out = examples.take(assignment != fold), examples.take(assignment == fold)
    network = build_network(config.model, config.fit.frozen, catalog.classes, catalog.ok_classes)
    checkpoint = file.with_suffix(".pt")
    with tracker.fold(fold + 1, file.with_suffix(".run")) as run:

        def on_epoch(epoch: Epoch) -> None:
            held_out_auroc = auroc(epoch.val_log_odds, held_out.is_defect)
            log.info("fold %d of %d, %s, AUROC %.4f", fold + 1, config.folds, epoch, held_out_auroc)
            run.epoch(epoch, held_out_auroc)

        fitted = fit(
            network,
            train,
            held_out,
            catalog.classes,
            build_policy(config.augment),
            Synthesis(config.synthetic),
            config.fit,
            config.seed + fold,
            checkpoint,
            device,
            on_epoch,
        )
    logits = predict_logits(fitted, held_out, Device.choose(config.fit.precision, "cpu"))
    with replacing(file) as stream:
        np.savez(stream, logits=logits.numpy())
    checkpoint.unlink()


def _fit_alone(
    config: TrainConfig,
    catalog: Catalog,
    rows: list[CatalogRow],
    assignment: NDArray[np.int64],
    fold: int,
    file: Path,
    device: str,
    tracker: Tracker,
) -> None:
    """One fold in a process of its own."""
    examples = load_examples(catalog, rows, config.model.image, f"fold {fold + 1}")
    chosen = Device.choose(config.fit.precision, device)
    _fit_fold(config, catalog, examples, assignment, fold, file, chosen, tracker)


def _read(file: Path, expected: int) -> NDArray[np.float32]:
    try:
        with np.load(file, allow_pickle=False) as saved:
            logits: NDArray[np.float32] = saved["logits"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{file} is damaged; delete it and start again, that fold alone is trained anew") from error
    if len(logits) != expected:
        raise InputError(f"{file} holds {len(logits)} predictions, the fold has {expected}; delete it and start again")
    return logits

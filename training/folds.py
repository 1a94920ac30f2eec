"""Cross-validation: every image scored by a model that was not trained on it, with a finished fold kept on disk."""

import logging
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.bundle import CrossValidation
from data.catalog import Catalog
from data.durable import replacing
from data.errors import InputError
from data.groups import numbered
from data.split import assign_folds
from training.allocator import keep_freed_memory
from training.calibrate import cross_calibrated
from training.config import TrainConfig
from training.dataset import Examples, load_examples
from training.fit import Device, Epoch
from training.fold import Folds
from training.progress import log_to_terminal
from training.scores import auroc, bootstrap, calibration_error, rate
from training.tracking import Run, Tracker

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
    on from its last epoch. On a `config.fold_cluster`, or several `config.fold_devices`, or GPUs, the folds train at the same
    time; otherwise one after another. Raises InputError for a fold that cannot be trained, and for a device or cluster that
    is not there.
    """
    assignment = assign_folds(examples.rows, config.folds, config.splits.seed)
    files = [checkpoint.with_name(f"{checkpoint.stem}-fold{fold}.npz") for fold in range(config.folds)]
    open_folds = [fold for fold, file in enumerate(files) if not file.is_file()]
    folds = Folds(config, catalog, examples, assignment)
    if config.fold_cluster is not None:
        if open_folds:
            _fit_on_cluster(config.fold_cluster, folds, {fold: files[fold] for fold in open_folds}, tracker)
    elif len(devices := _devices(config)) > 1 and len(open_folds) > 1:
        _fit_at_once(folds, {fold: files[fold] for fold in open_folds}, devices, tracker)
    else:
        device = Device.choose(config.fit.precision, next(iter(devices), None))
        for fold in open_folds:
            _fit_fold(folds, fold, files[fold], device, tracker)
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


def _devices(config: TrainConfig) -> list[str]:
    gpus = torch.cuda.device_count()
    for name in config.fold_devices:
        device = torch.device(name)
        if device.type == "cuda" and (device.index or 0) >= gpus:
            raise InputError(
                f"fold_devices: {name} is not there, this machine has {gpus} GPUs; name others, or leave it out"
            )
    return list(config.fold_devices) or [f"cuda:{number}" for number in range(gpus)]


def _fit_at_once(folds: Folds, files: dict[int, Path], devices: list[str], tracker: Tracker) -> None:
    """Train the folds that `files` are of, each device taking the next one as soon as it is free.

    When one fails, those at work are finished and kept, and no other begins.
    """
    waiting, failed = iter(files.items()), threading.Event()
    threads = max(1, torch.get_num_threads() // len(devices))
    # Each process reads the images itself: to copy them through a pipe takes longer.
    empty = replace(folds, examples=replace(folds.examples, images=folds.examples.images[:0], packed={}))

    def work_on(device: str) -> None:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _prepare_process, (threads,)) as process:
            while not failed.is_set() and (following := next(waiting, None)) is not None:
                fold, file = following
                try:
                    process.submit(_fit_alone, empty, fold, file, device, tracker).result()
                except Exception as error:  # whatever it was, no other fold is to begin; it is raised again
                    failed.set()
                    log.warning("fold %d failed; those at work are finished, no other begins", fold + 1)
                    if not isinstance(error, BrokenProcessPool):
                        raise
                    raise InputError(
                        f"the process that trained fold {fold + 1} on {device} was killed, perhaps for want of memory; give "
                        "the same command again, finished folds are kept and this one goes on from its last epoch"
                    ) from error

    with ThreadPoolExecutor(len(devices)) as pool:
        working = [pool.submit(work_on, device) for device in devices]
    for one in working:
        one.result()


def _prepare_process(threads: int) -> None:
    log_to_terminal()
    keep_freed_memory()
    torch.set_num_threads(threads)


def _fit_alone(empty: Folds, fold: int, file: Path, device: str, tracker: Tracker) -> None:
    """One fold in a process of its own; `empty` has no images yet."""
    config, without = empty.config, empty.examples
    loaded = load_examples(empty.catalog, without.rows, config.model.image, f"fold {fold + 1}")
    folds = replace(empty, examples=replace(loaded, frozen=without.frozen))
    _fit_fold(folds, fold, file, Device.choose(config.fit.precision, device), tracker)


def _fit_fold(folds: Folds, fold: int, file: Path, device: Device, tracker: Tracker) -> None:
    with tracker.fold(fold + 1, file.with_suffix(".run")) as run:

        def on_epoch(epoch: Epoch, held_out_auroc: float) -> None:
            _tell(folds, fold, epoch, held_out_auroc, run)

        logits = folds.train(fold, file.with_suffix(".pt"), device, on_epoch)
    _keep(file, logits)


def _fit_on_cluster(address: str, folds: Folds, files: dict[int, Path], tracker: Tracker) -> None:
    try:
        from training.cluster import Report, train_on_cluster
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise InputError("fold_cluster is set, and needs `pip install 'verdict-line[cluster]'`") from error
    checkpoints = {fold: file.with_suffix(".pt") for fold, file in files.items()}
    with ExitStack() as all_runs:
        runs: dict[int, tuple[ExitStack, Run]] = {}
        for fold, said in train_on_cluster(address, folds, checkpoints):
            if fold not in runs:
                own = all_runs.push(ExitStack())
                runs[fold] = own, own.enter_context(tracker.fold(fold + 1, files[fold].with_suffix(".run")))
            open_run, run = runs[fold]
            if isinstance(said, Report):
                _tell(folds, fold, said.epoch, said.held_out_auroc, run)
            else:
                _keep(files[fold], said)
                open_run.close()


def _tell(folds: Folds, fold: int, epoch: Epoch, held_out_auroc: float, run: Run) -> None:
    log.info("fold %d of %d, %s, AUROC %.4f", fold + 1, folds.config.folds, epoch, held_out_auroc)
    run.epoch(epoch, held_out_auroc)


def _keep(file: Path, logits: NDArray[np.float32]) -> None:
    with replacing(file) as stream:
        np.savez(stream, logits=logits)
    file.with_suffix(".pt").unlink(missing_ok=True)


def _read(file: Path, expected: int) -> NDArray[np.float32]:
    try:
        # numpy leaves a file open that is no archive, unless it was opened for it.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as saved:
            logits: NDArray[np.float32] = saved["logits"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{file} is damaged; delete it and give the same command again, that fold alone is trained anew"
        ) from error
    if len(logits) != expected:
        raise InputError(f"{file} holds {len(logits)} predictions, the fold has {expected}; delete it and start again")
    return logits

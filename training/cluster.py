"""Folds on the machines of a Ray cluster; this one keeps everything they come to, so that no other needs a disk of ours."""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError

import data
import training
from data.durable import replacing
from data.errors import InputError
from training.allocator import keep_freed_memory
from training.fit import Device, Epoch
from training.fold import Folds

log = logging.getLogger(__name__)

_ATTEMPTS = 3
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Report:
    """What a fold came to in one epoch; the checkpoint is in place here."""

    epoch: Epoch
    held_out_auroc: float


@dataclass(frozen=True)
class _Share:
    """What one fold takes of a machine."""

    cores: int
    gpus: int


def train_on_cluster(
    address: str, folds: Folds, checkpoints: dict[int, Path]
) -> Iterator[tuple[int, Report | NDArray[np.float32]]]:
    """Train the folds that `checkpoints` are of; yields a fold's number with each Report and, at its end, its logits [k, C].

    Each fold takes one GPU; where the cluster has none, as many cores as its smallest machine. A fold whose machine is lost
    is tried again on another, from its last epoch. When one fails, or the caller stops, the others are stopped too: their
    checkpoints are here. Raises InputError for a cluster that cannot be reached and for a fold that cannot be trained.
    """
    with _connected(address):
        share = _share()
        work = ray.put(folds)
        task = ray.remote(num_returns="streaming", num_cpus=share.cores, num_gpus=share.gpus, max_retries=0)(_train)
        task = task.options(scheduling_strategy="SPREAD")

        def begin(fold: int) -> Any:
            checkpoint = checkpoints[fold]
            saved = checkpoint.read_bytes() if checkpoint.is_file() else None
            return task.remote(work, fold, saved, share)

        lost = dict.fromkeys(checkpoints, 0)
        running = {begin(fold): fold for fold in checkpoints}
        while running:
            (ready,), _ = ray.wait(list(running), num_returns=1)
            fold = running[ready]
            try:
                said = ray.get(next(ready))
            except RayTaskError as error:
                raise (error.cause if isinstance(error.cause, InputError) else error) from None
            except RayError as error:
                del running[ready]
                lost[fold] += 1
                log.warning("fold %d lost its machine (%s)", fold + 1, type(error).__name__)
                if lost[fold] == _ATTEMPTS:
                    raise InputError(
                        f"fold {fold + 1} lost its machine {_ATTEMPTS} times ({type(error).__name__}), perhaps for want of "
                        "memory; give the same command again, finished folds are kept and this one goes on from its last epoch"
                    ) from error
                running[begin(fold)] = fold
                continue
            if isinstance(said, str):
                log.info("fold %d trains on %s", fold + 1, said)
                continue
            if isinstance(said, tuple):
                report, checkpoint = said
                with replacing(checkpoints[fold]) as stream:
                    stream.write(checkpoint)
                yield fold, report
                continue
            del running[ready]
            yield fold, said


@contextmanager
def _connected(address: str) -> Iterator[None]:
    host, _, port = address.rpartition(":")
    try:
        # Ray itself tries for minutes, and then ends the process.
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
        ray.init(
            address,
            log_to_driver=False,
            configure_logging=False,
            # The code of this very commit travels along.
            runtime_env={"py_modules": [str(Path(package.__path__[0])) for package in (data, training)]},
        )
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"fold_cluster: {address} cannot be joined ({error}); is it the head that `ray start --head` printed, and has "
            f"`ray start --address={address}` been given on this machine?"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _share() -> _Share:
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_gpu = [int(machine["CPU"] // machine["GPU"]) for machine in machines if machine.get("GPU")]
    if with_gpu:
        return _Share(max(1, min(with_gpu)), 1)
    return _Share(min(int(machine["CPU"]) for machine in machines if machine.get("CPU")), 0)


def _train(
    folds: Folds, fold: int, saved: bytes | None, share: _Share
) -> Iterator[str | tuple[Report, bytes] | NDArray[np.float32]]:
    """On the machine that trains: its name, then each epoch with the checkpoint's bytes, then the logits."""
    keep_freed_memory()
    yield os.uname().nodename
    reports: SimpleQueue[tuple[Report, bytes] | None] = SimpleQueue()
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(1) as pool:
        checkpoint = Path(directory) / "fold.pt"
        if saved is not None:
            checkpoint.write_bytes(saved)

        def train() -> NDArray[np.float32]:
            torch.set_num_threads(share.cores)  # counts for the thread that calls it
            device = Device.choose(folds.config.fit.precision, "cuda" if share.gpus else "cpu")
            return folds.train(
                fold,
                checkpoint,
                device,
                lambda epoch, auroc: reports.put((Report(epoch, auroc), checkpoint.read_bytes())),
            )

        result = pool.submit(train)
        result.add_done_callback(lambda _: reports.put(None))
        while (
            report := reports.get()
        ) is not None:  # not `yield from`: Ray sends values in, which an iterator cannot take
            yield report
        yield result.result()

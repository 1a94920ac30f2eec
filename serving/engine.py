"""The model's own thread: micro-batches of whatever is queued, and a model that can be swapped between two of them."""

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.bundle import Bundle
from data.image import Pixels
from serving.gauges import Gauges


class OverloadedError(Exception):
    """More is queued than can be answered in time; try again after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"overloaded; try again in {retry_after:.0f} s")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Outputs:
    """One frame's share of a Prediction."""

    class_probability: NDArray[np.float32]
    """[C]"""
    defect_probability: float
    heatmap: NDArray[np.float32]
    """[h, w]"""
    novelty: float | None
    """distance of the embedding from everything seen in training, as data.novelty gives it; None when the bundle has none"""
    position: NDArray[np.float32]
    """[p], where the embedding lies, as data.novelty gives it; p is 0 when the bundle has no novelty"""


@dataclass(frozen=True)
class _Waiting:
    bundle: Bundle
    prepared: Pixels
    future: Future[Outputs]


class Engine:
    """Takes prepared frames from any thread. Nothing is awaited for a batch to fill: an idle engine starts at once."""

    def __init__(self, largest_batch: int, queue_limit: int, gauges: Gauges) -> None:
        self._largest_batch = largest_batch
        self._queue_limit = queue_limit
        self._gauges = gauges
        self._bundle: Bundle | None = None
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that decides the next frame; None when there is none."""
        return self._bundle

    def swap(self, bundle: Bundle) -> None:
        """Let `bundle` decide from now on; frames that were prepared for the one before are still decided by it."""
        self._bundle = bundle

    def warm(self, bundle: Bundle) -> None:
        """Run the smallest and the largest batch once on the caller's thread, so that the line does not pay for it."""
        spec = bundle.manifest.preprocessing
        for size in {1, self._largest_batch}:
            bundle.predict(np.zeros((size, spec.height, spec.width, 3), np.uint8))

    def submit(self, bundle: Bundle, prepared: Pixels) -> Future[Outputs]:
        """Queue one frame, uint8 [1, H, W, 3] as `bundle` wants it. Raises OverloadedError when the queue is full."""
        future: Future[Outputs] = Future()
        with self._changed:
            if len(self._queue) >= self._queue_limit:
                raise OverloadedError(1.0)
            self._queue.append(_Waiting(bundle, prepared, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Decide what is queued, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            live = [item for item in batch if item.future.set_running_or_notify_cancel()]
            if live:
                self._predict(live)

    def _take(self) -> list[_Waiting]:
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            batch: list[_Waiting] = []
            while self._queue and len(batch) < self._largest_batch:
                if batch and self._queue[0].bundle is not batch[0].bundle:
                    break
                batch.append(self._queue.popleft())
            return batch

    def _predict(self, batch: list[_Waiting]) -> None:
        self._gauges.batch_size.observe(len(batch))
        images = batch[0].prepared if len(batch) == 1 else np.concatenate([item.prepared for item in batch])
        try:
            bundle = batch[0].bundle
            prediction = bundle.predict(images)
            novelty = bundle.novelty
            positions = (
                np.empty((len(batch), 0), np.float32) if novelty is None else novelty.position(prediction.embedding)
            )
            distances = [None] * len(batch) if novelty is None else novelty.relative(positions).tolist()
            outputs = [
                Outputs(classes, float(probability), heatmap, distance, position)
                for classes, probability, heatmap, distance, position in zip(
                    prediction.class_probability,
                    prediction.defect_probability,
                    prediction.heatmap,
                    distances,
                    positions,
                    strict=True,
                )
            ]
        except Exception as error:  # noqa: BLE001 - handed to the line, whose fail-safe place decides what it means
            for item in batch:
                item.future.set_exception(error)
            return
        for item, output in zip(batch, outputs, strict=True):
            item.future.set_result(output)

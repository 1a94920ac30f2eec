"""The models' own threads: micro-batches of whatever is queued, taken from the cameras in turn, never computed too late."""

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from data.bundle import Bundle
from data.decide import InForce
from data.image import Pixels
from data.sketch import sketch, write
from serving.gauges import Gauges

_SMOOTHING = 0.2
# After so many batches a size that was found too slow is tried again.
_FORGET_AFTER = 200
# So many wait only when a model hangs, or frames are let in by the hundred.
_MANY_WAITING = 64


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
    sketch: bytes | None
    """as data.sketch writes it"""


RecipeName = tuple[str, str]
"""Product and station."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    bundle: Bundle
    prepared: Pixels
    deadline: float
    future: Future[Outputs]


class BatchTimes:
    """How long batches of one model take by their size, and so how large they may be."""

    def __init__(self, largest: int, within: float) -> None:
        self._largest = largest
        self._within = within
        self._seconds: dict[int, float] = {}
        self._seen: dict[int, int] = {}
        self._batches = 0

    def add(self, size: int, seconds: float) -> None:
        """A batch of `size` frames took `seconds`."""
        self._batches += 1
        self._seen[size] = self._batches
        known = self._seconds.get(size)
        self._seconds[size] = seconds if known is None else known + _SMOOTHING * (seconds - known)

    @property
    def largest(self) -> int:
        """The largest batch that is expected to take no longer than it may; at least 1."""
        for size in range(self._largest, 1, -1):
            if self._expected(size) <= self._within:
                return size
        return 1

    def _expected(self, size: int) -> float:
        known = [one for one, seen in self._seen.items() if one <= size and seen > self._batches - _FORGET_AFTER]
        if not known:
            return 0.0
        nearest = max(known)
        return self._seconds[nearest] * size / nearest


class FairQueue:
    """Frames in order of arrival for each camera, and the cameras in turn: one that floods waits for itself alone."""

    def __init__(self) -> None:
        self._by_camera: OrderedDict[str, deque[_Waiting]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, camera: str, item: _Waiting) -> None:
        """Behind what the camera has waiting."""
        self._by_camera.setdefault(camera, deque()).append(item)
        self._length += 1

    def take(self, most: int, now: float) -> tuple[list[_Waiting], list[_Waiting]]:
        """At most `most` frames for one model, and besides those that came too late for `now`."""
        batch: list[_Waiting] = []
        late: list[_Waiting] = []
        served = True
        while served and len(batch) < most:
            served = False
            for camera in list(self._by_camera):
                waiting = self._by_camera[camera]
                item = waiting[0]
                if item.deadline <= now:
                    late.append(item)
                elif not batch or item.bundle is batch[0].bundle:
                    batch.append(item)
                else:
                    continue  # it keeps its turn, and comes first when those served now have gone behind it
                served = True
                waiting.popleft()
                self._length -= 1
                if waiting:
                    self._by_camera.move_to_end(camera)
                else:
                    del self._by_camera[camera]
                if len(batch) == most:
                    break
        return batch, late

    def take_late(self, now: float) -> list[_Waiting]:
        """Every frame that came too late for `now`, whosever turn it is."""
        late: list[_Waiting] = []
        for camera, waiting in list(self._by_camera.items()):
            late += (item for item in waiting if item.deadline <= now)
            kept = deque(item for item in waiting if item.deadline > now)
            if kept:
                self._by_camera[camera] = kept
            else:
                del self._by_camera[camera]
        self._length -= len(late)
        return late

    @property
    def next_bundle(self) -> Bundle | None:
        """The model of the frame whose turn it is."""
        return next(iter(self._by_camera.values()))[0].bundle if self._by_camera else None


class Engine:
    """Takes prepared frames from any thread. Nothing is awaited for a batch to fill: an idle engine starts at once.

    `batch_seconds` bounds how long a batch may take by the model's own measured times, so that no frame waits long for
    the others of its batch. `threads` batches are computed at once, each by one thread from its first layer to its last:
    layers this small, shared out over the cores, spend much of their time waiting for each other (measured, two cores,
    lite0 int8 at 192 px: 1.16 ms a frame shared, 0.85 side by side).
    """

    def __init__(self, largest_batch: int, batch_seconds: float, threads: int, gauges: Gauges) -> None:
        self._largest_batch = largest_batch
        self._batch_seconds = batch_seconds
        self._gauges = gauges
        self._bundle: Bundle | None = None
        self._by_recipe: dict[RecipeName, Bundle | None] = {}
        self._thresholds: dict[RecipeName | None, tuple[Bundle, InForce]] = {}
        # Weak: a bundle that was warmed and then refused must not stay in memory for it.
        self._times: WeakKeyDictionary[Bundle, BatchTimes] = WeakKeyDictionary()
        self._queue = FairQueue()
        self._look_for_late_from = _MANY_WAITING
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name=f"engine-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that decides where no recipe names another; None when there is none."""
        return self._bundle

    def bundle_for(self, product: str, station: str) -> Bundle | None:
        """The bundle that decides the next frame of `product` at `station`; None when there is none fit for it."""
        return self._by_recipe.get((product, station), self._bundle)

    def deciding(self, product: str, station: str) -> tuple[Bundle, InForce] | None:
        """The bundle that decides the next frame of `product` at `station`, and at which thresholds; None as in `bundle_for`.

        In one question: between two, a promotion would leave a frame to the bundle before without what people set for it.
        """
        in_force = self._thresholds  # `swap` changes the bundle first, then these
        bundle = self.bundle_for(product, station)
        return None if bundle is None else (bundle, self._thresholds_of(bundle, (product, station), in_force))

    @property
    def recipes(self) -> dict[RecipeName, Bundle | None]:
        """The recipes with a bundle of their own; None where that is not fit to decide."""
        return dict(self._by_recipe)

    def swap(self, bundle: Bundle | None, recipe: RecipeName | None = None) -> None:
        """Let `bundle` decide from now on, for one recipe or wherever none has its own.

        Frames that were prepared for the one before are still decided by it. With None, frames of the recipe are held.
        Thresholds that people set for the one before are no longer in force.
        """
        if recipe is None:
            self._bundle = bundle
        else:
            self._by_recipe = {**self._by_recipe, recipe: bundle}
        self._thresholds = {
            where: (one, thresholds)
            for where, (one, thresholds) in self._thresholds.items()
            if where != recipe and one is (self._bundle if where is None else self.bundle_for(*where))
        }

    def set_thresholds(self, thresholds: InForce, bundle: Bundle, recipe: RecipeName | None = None) -> None:
        """From the next frame on, let `bundle` decide at `thresholds`, for one recipe or wherever none has its own."""
        self._thresholds = {**self._thresholds, recipe: (bundle, thresholds)}

    def thresholds_for(self, bundle: Bundle, product: str, station: str) -> InForce:
        """At which thresholds `bundle` decides a frame of `product` at `station`.

        Those that people set for the recipe; else those set for wherever no recipe has its own, unless the recipe has a
        model of its own; else the model's.
        """
        return self._thresholds_of(bundle, (product, station), self._thresholds)

    def _thresholds_of(
        self, bundle: Bundle, recipe: RecipeName, in_force: Mapping[RecipeName | None, tuple[Bundle, InForce]]
    ) -> InForce:
        for where in (recipe,) if recipe in self._by_recipe else (recipe, None):
            found = in_force.get(where)
            if found is not None and found[0] is bundle:
                return found[1]
        return bundle.own_thresholds

    def warm(self, bundle: Bundle) -> None:
        """Run the smallest and the largest batch on the caller's thread, so that the line does not pay for it."""
        spec = bundle.manifest.preprocessing
        times = BatchTimes(self._largest_batch, self._batch_seconds)
        for size in sorted({1, self._largest_batch}):
            images = np.zeros((size, spec.height, spec.width, 3), np.uint8)
            bundle.predict(images)
            started = time.perf_counter()
            bundle.predict(images)
            times.add(size, time.perf_counter() - started)
        with self._changed:
            self._times[bundle] = times

    def submit(
        self, bundle: Bundle, prepared: Pixels, camera: str = "", deadline: float = float("inf")
    ) -> Future[Outputs]:
        """Queue one frame, uint8 [1, H, W, 3] as `bundle` wants it.

        The future gives TimeoutError, and nothing is computed, when its turn comes after `deadline` (of
        time.perf_counter()). How much is queued is bounded where frames are let in; of a model that hangs, whose frames are
        held and answered without it, those that are too late are let go here.
        """
        future: Future[Outputs] = Future()
        late: list[_Waiting] = []
        with self._changed:
            if len(self._queue) >= self._look_for_late_from:
                late = self._queue.take_late(time.perf_counter())
                self._look_for_late_from = max(_MANY_WAITING, 2 * len(self._queue))
            self._queue.put(camera, _Waiting(bundle, prepared, deadline, future))
            self._changed.notify()
        _refuse(late)
        return future

    def close(self) -> None:
        """Decide what is queued, then end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while taken := self._take():
            batch, late = taken
            _refuse(late)
            live = [item for item in batch if item.future.set_running_or_notify_cancel()]
            if live:
                self._predict(live)

    def _take(self) -> tuple[list[_Waiting], list[_Waiting]] | None:
        with self._changed:
            while not len(self._queue):
                if self._closed:
                    return None
                self._changed.wait()
            bundle = self._queue.next_bundle
            times = None if bundle is None else self._times.get(bundle)
            most = self._largest_batch if times is None else times.largest
            # The other threads take their share of what waits.
            share = math.ceil(len(self._queue) / len(self._threads))
            return self._queue.take(min(most, share), time.perf_counter())

    def _predict(self, batch: list[_Waiting]) -> None:
        self._gauges.batch_size.observe(len(batch))
        bundle = batch[0].bundle
        started = time.perf_counter()
        try:
            images = batch[0].prepared if len(batch) == 1 else np.concatenate([item.prepared for item in batch])
            prediction = bundle.predict(images)
            novelty = bundle.novelty
            positions = (
                np.empty((len(batch), 0), np.float32) if novelty is None else novelty.position(prediction.embedding)
            )
            distances = [None] * len(batch) if novelty is None else novelty.relative(positions).tolist()
            outputs = [
                Outputs(classes, probability, heatmap, distance, position, write(short))
                for classes, probability, heatmap, distance, position, short in zip(
                    prediction.class_probability,
                    prediction.defect_probability.tolist(),
                    prediction.heatmap,
                    distances,
                    positions,
                    sketch(prediction.embedding),
                    strict=True,
                )
            ]
        except Exception as error:  # noqa: BLE001 - handed to the line, whose fail-safe place decides what it means
            for item in batch:
                item.future.set_exception(error)
            return
        with self._changed:
            if (times := self._times.get(bundle)) is not None:
                times.add(len(batch), time.perf_counter() - started)
        for item, output in zip(batch, outputs, strict=True):
            item.future.set_result(output)


def _refuse(late: Sequence[_Waiting]) -> None:
    for item in late:
        if item.future.set_running_or_notify_cancel():
            item.future.set_exception(TimeoutError())

"""A second bundle that scores the line's frames silently: after the answer, at low priority, and never at the line's cost."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, insert, select

from data.bundle import Bundle
from data.decide import decide
from data.image import Pixels, Preprocessing, decode, prepare
from data.novelty import is_unknown
from data.verdict import Verdict
from serving.gauges import Gauges
from serving.priority import step_back
from serving.store import StorageError, Store
from serving.tables import inspections, shadow_inspections

log = structlog.get_logger()

_MOST_WAITING = 64
_ROWS = 32
_FLUSH_SECONDS = 0.5
_IDLE_CHECK_SECONDS = 0.005


@dataclass(frozen=True)
class Shadowing:
    """A bundle at work as a shadow; `sequence` is its row in `shadows`."""

    sequence: int
    bundle: Bundle


@dataclass(frozen=True)
class Offered:
    """A frame that was decided and answered: its bytes, and what they became for the model that decided."""

    inspection_id: str
    content: bytes
    prepared: Pixels
    spec: Preprocessing


class Shadow:
    """Its own thread, below the others in the operating system's eyes, that works only while `busy` says no.

    What waits too long is dropped and counted, and so is a frame on which the bundle fails: the line learns of neither.
    """

    def __init__(self, store: Store, gauges: Gauges, most_pixels: int, busy: Callable[[], bool]) -> None:
        self._store = store
        self._gauges = gauges
        self._most_pixels = most_pixels
        self._busy = busy
        self._present: Shadowing | None = None
        self._waiting: deque[Offered] = deque()
        self._rows: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    @property
    def present(self) -> Shadowing | None:
        """The bundle that scores silently; None when there is none."""
        return self._present

    def change(self, shadowing: Shadowing | None) -> None:
        """Let another bundle score from now on, or none."""
        with self._changed:
            self._present = shadowing
            self._waiting.clear()
            self._changed.notify()

    def offer(self, frame: Offered) -> None:
        """Queue a frame; returns at once. When the line has been too busy for those before, it is dropped."""
        with self._changed:
            if self._present is None:
                return
            if len(self._waiting) >= _MOST_WAITING:
                self._gauges.shadow_dropped.inc()
                return
            self._waiting.append(frame)
            self._changed.notify()

    def close(self) -> None:
        """End the thread; frames that wait are dropped, what was scored is kept."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        step_back()
        last_flush = time.monotonic()
        while not self._closed:
            taken = self._take()
            if taken is not None:
                self._score(*taken)
            if self._rows and (len(self._rows) >= _ROWS or time.monotonic() - last_flush > _FLUSH_SECONDS):
                self._flush()
                last_flush = time.monotonic()
        self._flush()

    def _take(self) -> tuple[Shadowing, Offered] | None:
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(_FLUSH_SECONDS if self._rows else None)
            if not self._waiting or self._present is None:
                return None
            if self._busy():
                self._changed.wait(_IDLE_CHECK_SECONDS)
                return None
            return self._present, self._waiting.popleft()

    def _score(self, shadowing: Shadowing, frame: Offered) -> None:
        started = time.perf_counter()
        try:
            row = self._row(shadowing.bundle, frame)
        except Exception as error:  # whatever a bundle on trial does, the line goes on
            self._gauges.shadow_failed.inc()
            log.warning("shadow failed", inspection=frame.inspection_id, exc_info=error)
            return
        self._gauges.shadow_scored.inc()
        elapsed = round((time.perf_counter() - started) * 1000, 3)
        self._rows.append({**row, "shadow": shadowing.sequence, "latency_ms": elapsed})

    def _row(self, bundle: Bundle, frame: Offered) -> dict[str, Any]:
        manifest = bundle.manifest
        prepared = frame.prepared
        if manifest.preprocessing != frame.spec:
            prepared = prepare([decode(frame.content, self._most_pixels)], manifest.preprocessing)
        prediction = bundle.predict(prepared)
        novelty = None if bundle.novelty is None else float(bundle.novelty.distance(prediction.embedding)[0])
        probability = float(prediction.defect_probability[0])
        verdict = decide(probability, manifest.thresholds, is_unknown(novelty))
        if verdict is Verdict.NO_DECISION:
            raise ValueError(f"defect probability {probability} is not within 0..1")
        return {
            "inspection_id": frame.inspection_id,
            "model_name": manifest.name,
            "model_version": manifest.version,
            "defect_probability": probability,
            "novelty": novelty,
            "verdict": verdict.value,
        }

    def _flush(self) -> None:
        """One transaction for many rows: each of its own would make the line's commits wait."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        try:
            self._store.submit(partial(_add, rows=rows)).result()
        except StorageError as error:
            log.error("shadow inspections not stored", rows=len(rows), cause=str(error))


def _add(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Each with the verdict that was answered; those whose inspection is gone by now are let go."""
    table = inspections.c
    query = select(table.id, table.verdict).where(table.id.in_([row["inspection_id"] for row in rows]))
    answered = dict(iter(connection.execute(query)))
    there = [
        {**row, "active_verdict": answered[row["inspection_id"]]} for row in rows if row["inspection_id"] in answered
    ]
    if there:
        connection.execute(insert(shadow_inspections), there)

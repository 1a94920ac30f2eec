"""One posted frame on its way through the line."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import uuid_utils
from opentelemetry import context as otel

from data.image import Pixels
from data.input_health import Finding
from serving.decision import Decision
from serving.mailbox import Mailbox
from serving.sampling import NOT_DRAWN
from serving.schema import FrameInfo, Inspection, LineHoldRef, StoredImage
from serving.store import StorageError


class Frame:
    """One posted frame on its way; several threads fill it in, so that one that fails half-way keeps the rest."""

    __slots__ = (
        "answer",
        "camera",
        "content",
        "deadline",
        "decision",
        "draw",
        "expected",
        "finding",
        "fingerprint",
        "given_up",
        "height",
        "info",
        "inspection",
        "kept",
        "key",
        "leave",
        "lock",
        "mailbox",
        "media_type",
        "missing",
        "posted_by",
        "prepared",
        "received_at",
        "sha256",
        "started",
        "timer",
        "traced",
        "waits_for_verdict",
        "width",
    )

    def __init__(
        self,
        info: FrameInfo,
        content: bytes,
        key: str | None,
        camera: str,
        mailbox: Mailbox,
        posted_by: str | None,
        leave: Callable[[float], None],
    ) -> None:
        self.info = info
        self.content = content
        self.key = key
        self.camera = camera
        self.mailbox = mailbox
        self.posted_by = posted_by
        self.traced = otel.get_current()
        self.answer: asyncio.Future[Inspection] = mailbox.loop.create_future()
        self.leave: Callable[[float], None] | None = leave
        self.timer: asyncio.TimerHandle | None = None
        self.given_up = False
        """nobody waits for the answer any more"""
        self.received_at = datetime.now(UTC)
        self.started = time.perf_counter()
        self.deadline = math.inf
        self.sha256 = ""
        self.fingerprint: str | None = None
        self.media_type = "application/octet-stream"
        self.width: int | None = None
        self.height: int | None = None
        self.prepared: Pixels | None = None
        self.finding: Finding | None = None
        self.lock = threading.Lock()
        self.decision: Decision | None = None
        self.waits_for_verdict = False
        self.expected = False
        """whether the image store was told that this image arrives, and not yet that it is settled"""
        self.kept = True
        self.missing = 2
        """what the row still waits for: the decision, and the image on disk"""
        self.inspection: Inspection | None = None
        self.draw = NOT_DRAWN

    def decide(self, decision: Decision) -> bool:
        """Take the decision; False when there is one already, such as that it came too late."""
        with self.lock:
            if self.decision is not None:
                return False
            self.decision = decision
            return True

    def arrived(self) -> bool:
        """One thing less that the row waits for; True when that was the last."""
        with self.lock:
            self.missing -= 1
            return self.missing == 0

    def give(self, inspection: Inspection) -> None:
        self.mailbox.post(partial(self._settle, inspection, None))

    def fail(self, error: Exception) -> None:
        self.mailbox.post(partial(self._settle, None, error))

    def give_up(self) -> None:
        """Answer that it could not be stored in time; on the loop. What is under way may still be stored."""
        self.given_up = True
        if not self.answer.done():
            self.answer.set_exception(StorageError("disk or database did not store it in time"))

    def _settle(self, inspection: Inspection | None, error: Exception | None) -> None:
        # Only now, also when the answer was given up: what still lies in a queue takes memory.
        leave, self.leave = self.leave, None
        if leave is not None:
            leave(time.perf_counter() - self.started)
        if self.answer.done():
            return
        if error is not None:
            self.answer.set_exception(error)
        elif inspection is not None:
            self.answer.set_result(inspection)

    def as_inspection(self, hold: LineHoldRef | None) -> Inspection:
        """The inspection that the decision makes of it; `hold` stands on its line."""
        info, decision = self.info, self.decision
        assert decision is not None
        return Inspection.model_construct(
            id=str(uuid_utils.uuid7()),
            received_at=self.received_at,
            captured_at=info.captured_at,
            product=info.product,
            line=info.line,
            station=info.station,
            camera=info.camera,
            part_id=info.part_id,
            lot=info.lot,
            verdict=decision.verdict,
            cause=decision.cause,
            fault=decision.fault,
            reason=decision.reason,
            defect_probability=decision.defect_probability,
            novelty=decision.novelty,
            class_name=decision.class_name,
            class_probability=decision.class_probability,
            thresholds=decision.thresholds,
            regions=decision.regions,
            model=decision.model,
            latency_ms=0.0,
            image=StoredImage(
                sha256=self.sha256,
                media_type=self.media_type,
                bytes=len(self.content),
                width=self.width,
                height=self.height,
                kept=self.kept,
            ),
            review=None,
            line_hold=hold,
        )

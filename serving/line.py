"""The line path: bytes and metadata in, a stored inspection out. Whatever fails on the way holds the part, never passes it."""

import asyncio
import hashlib
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
import uuid_utils
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from data.bundle import Bundle
from data.decide import Thresholds, decide
from data.drift import Floats
from data.errors import UnreadableImageError
from data.image import Pixels, decode_pixels, prepare, read_header
from data.input_health import Fault, Finding, look_at
from data.novelty import is_unknown
from data.region import Region, find_regions
from data.verdict import Verdict
from serving.cameras import CameraFrozenError, Cameras
from serving.engine import Engine, Outputs, OverloadedError
from serving.events import Events
from serving.gauges import Gauges
from serving.image_store import ImageStore
from serving.inspections import encode_heatmap, find, row_of
from serving.problem import ProblemError
from serving.schema import Cause, FrameInfo, Inspection, ModelRef, StoredImage
from serving.settings import Settings
from serving.shadow import Offered, Shadow
from serving.store import StorageError, Store
from serving.tables import inspections
from serving.watch import Watch

log = structlog.get_logger()

_SMOOTHING = 0.1


class NoModelError(Exception):
    """No model is active; the message says why."""


class NoProbabilityError(Exception):
    """The model gave something that is no probability."""


@dataclass
class _Frame:
    """What is known of the posted bytes so far; decoding fills it in, so that a frame that fails half-way keeps the rest."""

    info: FrameInfo
    content: bytes
    sha256: str = ""
    media_type: str = "application/octet-stream"
    width: int | None = None
    height: int | None = None
    prepared: Pixels | None = None
    finding: Finding | None = None


@dataclass(frozen=True)
class _Decision:
    verdict: Verdict = Verdict.NO_DECISION
    cause: Cause | None = None
    fault: Fault | None = None
    reason: str | None = None
    defect_probability: float | None = None
    novelty: float | None = None
    class_name: str | None = None
    class_probability: dict[str, float] = field(default_factory=dict)
    thresholds: Thresholds | None = None
    regions: list[Region] = field(default_factory=list)
    model: ModelRef | None = None
    heatmap: bytes | None = None
    bundle: Bundle | None = None
    position: Floats | None = None


class Line:
    """Decides frames; called on the event loop."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        store: Store,
        images: ImageStore,
        events: Events,
        gauges: Gauges,
        watch: Watch,
        shadow: Shadow,
    ) -> None:
        self.why_no_model = "no model was loaded yet"
        self._settings = settings
        self._engine = engine
        self._store = store
        self._images = images
        self._events = events
        self._gauges = gauges
        self._watch = watch
        self._shadow = shadow
        self._cameras = Cameras(settings.camera_health.alike)
        # Half of them decode, half wait for the disk.
        self._pool = ThreadPoolExecutor(settings.threads * 2, "line")
        self._in_progress = 0
        self._seconds_each = 0.01

    @property
    def busy(self) -> bool:
        """Whether a frame waits for its answer."""
        return self._in_progress > 0

    async def inspect(self, info: FrameInfo, content: bytes, key: str | None) -> Inspection:
        """The stored inspection of one frame; with `key`, the one stored before under the same key and content.

        Raises OverloadedError before any work is done, StorageError when it could not be kept (so that the camera tries
        again), and a 409 problem when `key` was used for another frame.
        """
        if self._in_progress >= self._settings.queue_limit:
            self._gauges.overloaded.inc()
            raise OverloadedError(max(1.0, self._in_progress * self._seconds_each))
        received_at, started = datetime.now(UTC), time.perf_counter()
        self._in_progress += 1
        self._gauges.in_progress.set(self._in_progress)
        try:
            frame = _Frame(info, content)
            keeping = asyncio.get_running_loop().run_in_executor(self._pool, self._keep_image, frame)
            decision = await self._decide_or_hold(frame)
            await keeping
            return await self._keep(info, frame, decision, key, received_at, started)
        except StorageError as error:
            self._gauges.not_stored.inc()
            log.error("inspection not stored", part_id=info.part_id, line=info.line, cause=str(error))
            raise
        finally:
            each = (time.perf_counter() - started) / self._in_progress
            self._seconds_each += _SMOOTHING * (each - self._seconds_each)
            self._in_progress -= 1
            self._gauges.in_progress.set(self._in_progress)

    def close(self) -> None:
        self._pool.shutdown()

    async def _decide_or_hold(self, frame: _Frame) -> _Decision:
        """The one place where a failure becomes NO_DECISION: the part is held, with the reason in its record."""
        deadline = self._settings.deadline_seconds
        try:
            async with asyncio.timeout(deadline):
                return await self._decide(frame)
        except OverloadedError:
            raise
        except Exception as error:  # whatever it is, the part must be held and the camera answered
            fault: Fault | None = None
            match error:
                case UnreadableImageError():
                    cause, reason, fault = Cause.UNREADABLE, error.reason, Fault.UNREADABLE
                case CameraFrozenError():
                    cause, reason, fault = Cause.CAMERA, str(error), Fault.FROZEN
                case NoModelError():
                    cause, reason = Cause.NO_MODEL, f"no model is active: {error}"
                case TimeoutError():
                    cause, reason = Cause.TIMEOUT, f"no decision within {deadline:g} s"
                case _:
                    cause, reason = Cause.MODEL_FAILED, f"the model failed: {type(error).__name__}: {error}"
            self._gauges.no_decisions.labels(cause.value).inc()
            log.warning(
                "no decision", cause=cause.value, reason=reason, exc_info=error if cause is Cause.MODEL_FAILED else None
            )
            return _Decision(cause=cause, fault=fault, reason=reason)

    async def _decide(self, frame: _Frame) -> _Decision:
        bundle = self._engine.bundle
        queued = await asyncio.get_running_loop().run_in_executor(self._pool, self._decode_and_queue, frame, bundle)
        if bundle is None or queued is None:
            raise NoModelError(self.why_no_model)
        return _judge(bundle, await asyncio.wrap_future(queued), frame)

    def _decode_and_queue(self, frame: _Frame, bundle: Bundle | None) -> Future[Outputs] | None:
        header = read_header(frame.content, self._settings.most_pixels)
        frame.media_type = header.media_type
        pixels = decode_pixels(frame.content, header)
        frame.height, frame.width = pixels.shape[:2]
        if bundle is None:
            return None
        frame.prepared = prepare([pixels], bundle.manifest.preprocessing)
        if (health := bundle.manifest.input_health) is not None:
            look = look_at(frame.prepared[0])
            frame.finding = self._cameras.check(frame.info, look, frame.width, frame.height, health)
        # Straight to the engine: it need not wait for the event loop to come round.
        return self._engine.submit(bundle, frame.prepared)

    def _keep_image(self, frame: _Frame) -> None:
        frame.sha256 = hashlib.sha256(frame.content).hexdigest()
        self._images.put(frame.sha256, frame.content)

    async def _keep(
        self,
        info: FrameInfo,
        frame: _Frame,
        decision: _Decision,
        key: str | None,
        received_at: datetime,
        started: float,
    ) -> Inspection:
        image = StoredImage(
            sha256=frame.sha256,
            media_type=frame.media_type,
            bytes=len(frame.content),
            width=frame.width,
            height=frame.height,
        )
        inspection = Inspection(
            **dict(info),
            id=str(uuid_utils.uuid7()),
            received_at=received_at,
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
            image=image,
            review=None,
        )
        fingerprint = hashlib.sha256(f"{info.model_dump_json()} {frame.sha256}".encode()).hexdigest()

        def add(connection: Connection) -> None:
            inspection.latency_ms = round((time.perf_counter() - started) * 1000, 3)
            row = row_of(inspection, decision.heatmap, key, fingerprint, self._settings.costs)
            connection.execute(insert(inspections), row)

        try:
            await asyncio.wrap_future(self._store.submit(add))
        except IntegrityError:
            if key is None:
                raise
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._find_again, key, fingerprint)
        self._gauges.inspections.labels(inspection.verdict.value).inc()
        if is_unknown(inspection.novelty):
            self._gauges.unknown.inc()
        if inspection.fault is not None:
            self._gauges.faults.labels(inspection.fault.value).inc()
        self._gauges.seconds.observe(time.perf_counter() - started)
        self._events.publish("inspection", inspection)
        self._watch.see(inspection, decision.position)
        if self._shadow.present is not None and decision.bundle is not None and frame.prepared is not None:
            spec = decision.bundle.manifest.preprocessing
            self._shadow.offer(Offered(inspection.id, frame.content, frame.prepared, spec))
        log.info(
            "inspected",
            id=inspection.id,
            part_id=info.part_id,
            line=info.line,
            verdict=inspection.verdict.value,
            latency_ms=inspection.latency_ms,
        )
        return inspection

    def _find_again(self, key: str, fingerprint: str) -> Inspection:
        with self._store.reading() as connection:
            same = find(connection, inspections.c.idempotency_key == key, inspections.c.fingerprint == fingerprint)
        if not same:
            raise ProblemError(409, f"Idempotency-Key {key} was used for another frame; give each frame its own key")
        return same[0]


def _judge(bundle: Bundle, outputs: Outputs, frame: _Frame) -> _Decision:
    manifest, probability = bundle.manifest, outputs.defect_probability
    unknown = is_unknown(outputs.novelty)
    # What the camera spoilt is for a person, as is what looks unknown: either way the score means little.
    verdict = decide(probability, manifest.thresholds, unknown or frame.finding is not None)
    if verdict is Verdict.NO_DECISION or not math.isfinite(outputs.class_probability.sum()):
        raise NoProbabilityError(f"defect probability {probability} is not within 0..1")
    if outputs.novelty is not None and not math.isfinite(outputs.novelty):
        raise NoProbabilityError("the embedding is not finite")
    assert frame.width is not None and frame.height is not None
    regions: list[Region] = []
    class_name = manifest.classes[int(outputs.class_probability.argmax())]
    if verdict.flagged:
        class_name = bundle.defect_class(outputs.class_probability)
        regions = find_regions(outputs.heatmap, frame.width, frame.height, at_least=manifest.thresholds.pass_below)
    return _Decision(
        verdict=verdict,
        fault=None if frame.finding is None else frame.finding.fault,
        reason=_reason(frame.finding, outputs.novelty),
        defect_probability=probability,
        novelty=outputs.novelty,
        class_name=class_name,
        class_probability={
            name: float(share) for name, share in zip(manifest.classes, outputs.class_probability, strict=True)
        },
        thresholds=manifest.thresholds,
        regions=regions,
        model=ModelRef(name=manifest.name, version=manifest.version),
        heatmap=encode_heatmap(outputs.heatmap),
        bundle=bundle,
        position=outputs.position,
    )


def _reason(finding: Finding | None, novelty: float | None) -> str | None:
    """Why a person decides although there is a score."""
    if finding is not None:
        return finding.reason
    if is_unknown(novelty):
        return f"looks unlike anything the model was trained on ({novelty:.2f} times the limit)"
    return None

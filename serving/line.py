"""The line path: bytes and metadata in, a stored inspection out. Whatever fails on the way holds the part, never passes it."""

import asyncio
import hashlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog
from opentelemetry.trace import Span, Tracer
from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from data.bundle import Bundle
from data.decide import InForce
from data.errors import UnreadableImageError
from data.image import Pixels, decode_for, decode_pixels, prepare, read_header
from data.input_health import Fault, look_at
from data.novelty import is_unknown
from data.verdict import Verdict
from data.wording import text
from serving.admission import Admission
from serving.blindness import is_blind, without_verdict
from serving.cameras import CameraFrozenError, Cameras
from serving.decision import Decision, judge
from serving.engine import Engine, Outputs, RecipeName
from serving.events import Events
from serving.frame import Frame
from serving.gauges import Gauges
from serving.image_store import ImageStore
from serving.inspections import find, row_of
from serving.line_holds import LineHolds
from serving.mailbox import Mailbox
from serving.problem import ProblemError
from serving.sampling import Sampler
from serving.schema import Cause, FrameInfo, Inspection
from serving.settings import Settings
from serving.shadow import Offered, Shadow
from serving.space import Space
from serving.store import Question, StorageError, Store
from serving.tables import inspections
from serving.views import Views
from serving.watch import Watch

log = structlog.get_logger()

# Beyond the deadline of the decision: a commit of PostgreSQL that hangs is given up before, a disk that hangs never.
_STORED_WITHIN_SECONDS = 8.0

_SAME_KEY = Question(
    select(inspections.c.id, inspections.c.fingerprint).where(inspections.c.idempotency_key == bindparam("key"))
)


class NoModelError(Exception):
    """No model is active; the message says why."""


class Line:
    """Decides frames; called on the event loop.

    A frame is handed from thread to thread without coming back to the loop in between: a worker decodes it, one of the
    engine's judges it, the image store's thread keeps the image meanwhile, and the store's writer wakes the loop when a group
    of rows is committed.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        store: Store,
        images: ImageStore,
        space: Space,
        views: Views,
        events: Events,
        gauges: Gauges,
        tracer: Tracer,
        watch: Watch,
        shadow: Shadow,
        sampler: Sampler,
        line_holds: LineHolds,
    ) -> None:
        self.why_no_model = "no model was loaded yet"
        self.why_no_recipe: dict[RecipeName, str] = {}
        self.draining = False
        self._settings = settings
        self._engine = engine
        self._store = store
        self._images = images
        self._space = space
        self._views = views
        self._events = events
        self._gauges = gauges
        self._watch = watch
        self._shadow = shadow
        self._sampler = sampler
        self._line_holds = line_holds
        self._cameras = Cameras(settings.camera_health.alike)
        self._tracer = tracer
        self._pool = ThreadPoolExecutor(settings.threads, "line")
        self._admission = Admission(settings.queue_limit, settings.latency_target_seconds, settings.rate, gauges)
        self._mailbox: Mailbox | None = None

    async def inspect(
        self, info: FrameInfo, content: bytes, key: str | None, posted_by: str | None = None
    ) -> Inspection:
        """The stored inspection of one frame; with `key`, the one stored before under the same key and content.

        `posted_by` names the caller's API key, which may read the answer back.
        Raises OverloadedError before any work is done, StorageError when it could not be kept (so that the camera tries
        again), and a problem: 409 when `key` was used for another frame, 422 for an unknown line, 429 above the camera's
        rate, 503 when the server is stopping.
        """
        if self.draining:
            raise ProblemError(503, "the server is stopping; post it again, nothing was stored", {"Retry-After": "5"})
        self.check_line(info.line)
        self._check_database()
        camera = f"{info.line}\n{info.station}\n{info.camera}"
        self._admission.enter(camera)
        loop = asyncio.get_running_loop()
        if self._mailbox is None or self._mailbox.loop is not loop:
            self._mailbox = Mailbox(loop)
        structlog.contextvars.bind_contextvars(part_id=info.part_id, line=info.line)
        leave = partial(self._leave, camera)
        frame = Frame(info, content, key, camera, self._mailbox, posted_by, leave)
        frame.deadline = frame.started + self._settings.deadline_seconds
        frame.timer = loop.call_later(self._settings.deadline_seconds, self._too_late, frame)
        self._gauges.in_progress.set(self._admission.in_progress)
        try:
            self._pool.submit(self._begin, frame)
            inspection = await frame.answer
        except StorageError as error:
            self._gauges.not_stored.inc()
            log.error("inspection not stored", cause=str(error))
            raise
        finally:
            frame.timer.cancel()
        if inspection is frame.inspection:
            self._tell(frame, inspection)
        else:
            self._gauges.replayed.inc()
        return self._line_holds.marked(inspection)

    def _check_database(self) -> None:
        try:
            self._store.check()
        except StorageError:
            self._gauges.not_stored.inc()
            raise

    @property
    def in_progress(self) -> int:
        """How many frames have arrived and are not answered yet."""
        return self._admission.in_progress

    def close(self) -> None:
        self._pool.shutdown()

    def _leave(self, camera: str, seconds: float) -> None:
        self._admission.leave(camera, seconds)
        self._gauges.in_progress.set(self._admission.in_progress)

    def _too_late(self, frame: Frame) -> None:
        self._hold(frame, TimeoutError())
        frame.timer = frame.mailbox.loop.call_later(_STORED_WITHIN_SECONDS, frame.give_up)

    def check_line(self, line: str) -> None:
        """Raises a 422 problem for a line that the settings do not name, where they name any."""
        known = self._settings.lines
        if known and line not in known:
            raise ProblemError(
                422,
                text(
                    f"line: {line!r} is not a line of this plant; expected one of {', '.join(known)}",
                    f"line：{line!r} 不是本廠的產線；應為下列之一：{'、'.join(known)}",
                ),
            )

    def _begin(self, frame: Frame) -> None:
        """On a worker: the image on its way to the disk, then decoded and on its way to the model."""
        if frame.given_up:
            self._fail(frame, StorageError("given up before it was begun"))
            return
        try:
            frame.sha256 = hashlib.sha256(frame.content).hexdigest()
            if frame.key is not None:
                told = f"{frame.info.model_dump_json()} {frame.sha256}"
                frame.fingerprint = hashlib.sha256(told.encode()).hexdigest()
                if self._replay(frame):
                    return
            self._images.expect(frame.sha256)
            frame.expected = True
            if self._space.keeps_passed or not self._await_verdict(frame):
                self._images.keep(frame.sha256, frame.content, partial(self._image_kept, frame))
        except Exception as error:  # noqa: BLE001 - the camera must learn that nothing was kept, whatever it was
            self._fail(frame, error if isinstance(error, StorageError | ProblemError) else StorageError(str(error)))
            return
        try:
            if time.perf_counter() >= frame.deadline:
                raise TimeoutError
            with self._tracer.start_as_current_span("decode", frame.traced):
                bundle, thresholds, prepared = self._prepare(frame)
            span = self._tracer.start_span("engine", frame.traced)
            queued = self._engine.submit(bundle, prepared, frame.camera, frame.deadline)
            queued.add_done_callback(partial(self._judge_or_hold, frame, bundle, thresholds, span))
        except Exception as error:  # noqa: BLE001 - whatever it is, the part must be held
            self._hold(frame, error)

    def _prepare(self, frame: Frame) -> tuple[Bundle, InForce, Pixels]:
        header = read_header(frame.content, self._settings.most_pixels)
        frame.media_type = header.media_type
        info = frame.info
        deciding = self._engine.deciding(info.product, info.station)
        if deciding is None:
            pixels = decode_pixels(frame.content, header)
            frame.height, frame.width = pixels.shape[:2]
            raise NoModelError(self.why_no_recipe.get((info.product, info.station), self.why_no_model))
        bundle, thresholds = deciding
        spec = bundle.manifest.preprocessing
        decoded = decode_for(spec, frame.content, header)
        frame.width, frame.height = decoded.width, decoded.height
        frame.prepared = prepare([decoded.pixels], spec)
        if (health := bundle.manifest.input_health) is not None:
            look = look_at(frame.prepared[0])
            frame.finding = self._cameras.check(info, look, frame.width, frame.height, health)
        return bundle, thresholds, frame.prepared

    def _judge_or_hold(
        self, frame: Frame, bundle: Bundle, thresholds: InForce, span: Span, queued: Future[Outputs]
    ) -> None:
        """On a thread of the engine."""
        span.end()
        try:
            assert frame.width is not None and frame.height is not None
            decision = judge(bundle, thresholds, queued.result(), frame.finding, frame.width, frame.height)
        except Exception as error:  # noqa: BLE001 - as above
            self._hold(frame, error)
        else:
            self._take_decision(frame, decision)

    def _hold(self, frame: Frame, error: Exception) -> None:
        """The one place where a failure becomes NO_DECISION: the part is held, with the reason in its record."""
        fault: Fault | None = None
        match error:
            case UnreadableImageError():
                cause, reason, fault = Cause.UNREADABLE, error.reason, Fault.UNREADABLE
            case CameraFrozenError():
                cause, reason, fault = Cause.CAMERA, str(error), Fault.FROZEN
            case NoModelError():
                cause, reason = Cause.NO_MODEL, f"no model is active: {error}"
            case TimeoutError():
                cause, reason = Cause.TIMEOUT, f"no decision within {self._settings.deadline_seconds:g} s"
            case _:
                cause, reason = Cause.MODEL_FAILED, f"the model failed: {type(error).__name__}: {error}"
        self._take_decision(frame, Decision(cause=cause, fault=fault, reason=reason, error=error))

    def _take_decision(self, frame: Frame, decision: Decision) -> None:
        if not frame.decide(decision):
            return
        try:
            # Once: a row that is tried again must not be drawn again. And now: who audits a part must see its image.
            frame.draw = self._sampler.draw(
                frame.info.part_id, decision.verdict, decision.defect_probability, decision.thresholds
            )
        except Exception as error:  # noqa: BLE001 - on a thread that others depend on; the camera must be answered
            self._fail(frame, StorageError(f"the inspection cannot be drawn for audit: {error}"))
            return
        if frame.waits_for_verdict:
            if decision.verdict is Verdict.PASS and frame.draw.kind is None:
                frame.kept = False
                frame.arrived()
            else:
                self._images.keep(frame.sha256, frame.content, partial(self._image_kept, frame))
        if frame.arrived():
            self._keep(frame)

    def _await_verdict(self, frame: Frame) -> bool:
        """Let the image wait for the verdict, which decides whether it is kept; False when that is known already."""
        with frame.lock:
            frame.waits_for_verdict = frame.decision is None
            return frame.waits_for_verdict

    def _image_kept(self, frame: Frame, error: StorageError | None) -> None:
        if error is not None:
            self._fail(frame, error)
        elif frame.arrived():
            self._keep(frame)

    def _keep(self, frame: Frame) -> None:
        """Queue the row; the image is on disk and the decision stands."""
        decision = frame.decision
        assert decision is not None
        if frame.given_up:
            self._fail(frame, StorageError("given up before its row was written; the camera posts it again"))
            return
        try:
            hold = self._line_holds.standing(frame.info.line)
            inspection = frame.inspection = frame.as_inspection(hold)
        except Exception as error:  # noqa: BLE001 - on a thread that others depend on; the camera must be answered
            self._fail(frame, StorageError(f"the inspection cannot be written down: {error}"))
            return

        def make_row() -> dict[str, Any]:
            inspection.latency_ms = round((time.perf_counter() - frame.started) * 1000, 3)
            return row_of(
                inspection,
                decision.heatmap,
                frame.key,
                frame.fingerprint,
                self._settings.costs,
                frame.posted_by,
                decision.sketch,
                frame.draw,
            )

        span = self._tracer.start_span("store", frame.traced)
        self._store.insert(inspections, make_row).add_done_callback(partial(self._kept, frame, span))

    def _fail(self, frame: Frame, error: Exception) -> None:
        """No row will ever be written for this frame."""
        self._release(frame)
        frame.fail(error)

    def _release(self, frame: Frame) -> None:
        with frame.lock:
            expected, frame.expected = frame.expected, False
        if expected:
            self._images.release(frame.sha256)

    def _kept(self, frame: Frame, span: Span, stored: Future[None]) -> None:
        """On the writer's thread, after the commit."""
        self._release(frame)
        span.end()
        error = stored.exception()
        if error is None:
            assert frame.inspection is not None
            frame.give(frame.inspection)
        elif isinstance(error, IntegrityError) and frame.key is not None:
            self._pool.submit(self._find_winner, frame)
        else:
            frame.fail(error if isinstance(error, StorageError) else StorageError(f"the row was refused: {error}"))

    def _find_winner(self, frame: Frame) -> None:
        """Another frame with the same key was committed while this one was decided."""
        try:
            if not self._replay(frame):
                raise StorageError("the row was refused, and there is none with the same key")
        except Exception as error:  # noqa: BLE001 - nobody waits for this thread; the camera must be answered
            frame.fail(error if isinstance(error, StorageError | ProblemError) else StorageError(str(error)))

    def _replay(self, frame: Frame) -> bool:
        """Answer from what was stored under the same key; False when there is nothing. Raises a 409 problem for another frame."""
        same = self._store.look_up(_SAME_KEY, key=frame.key or "")
        if same is None:
            return False
        id_, fingerprint = same
        if fingerprint != frame.fingerprint:
            raise ProblemError(
                409, f"Idempotency-Key {frame.key} was used for another frame; give each frame its own key"
            )
        with self._store.reading() as connection:
            frame.give(find(connection, inspections.c.id == id_)[0])
        return True

    def _tell(self, frame: Frame, inspection: Inspection) -> None:
        """What everyone else learns of an inspection that was stored; on the loop, with the request's own log fields."""
        gauges, info, decision = self._gauges, frame.info, frame.decision
        assert decision is not None
        gauges.inspections.labels(inspection.verdict.value).inc()
        gauges.seconds.observe(time.perf_counter() - frame.started)
        if is_unknown(inspection.novelty):
            gauges.unknown.inc()
        if inspection.fault is not None:
            gauges.faults.labels(inspection.fault.value).inc()
        if not frame.kept:
            gauges.not_kept.inc()
        if decision.cause is not None:
            gauges.no_decisions.labels(decision.cause.value).inc()
            failed = decision.error if decision.cause is Cause.MODEL_FAILED else None
            log.warning("no decision", cause=decision.cause.value, reason=decision.reason, exc_info=failed)
        self._check_clock(frame)
        self._views.seen(info, inspection.received_at)
        blind = is_blind(inspection.id, inspection.verdict, self._settings.reviewing.blind_share, frame.draw.kind)
        waits = inspection.verdict.flagged or frame.draw.kind is not None
        self._events.publish("inspection", inspection, without_verdict(inspection) if waits and blind else None)
        self._watch.see(inspection, decision.position)
        if self._shadow.present is not None and decision.bundle is not None and frame.prepared is not None:
            spec = decision.bundle.manifest.preprocessing
            self._shadow.offer(Offered(inspection.id, frame.content, frame.prepared, spec))
        log.info(
            "inspected",
            id=inspection.id,
            verdict=inspection.verdict.value,
            latency_ms=inspection.latency_ms,
        )

    def _check_clock(self, frame: Frame) -> None:
        ahead = (frame.info.captured_at - frame.received_at).total_seconds()
        self._gauges.clock_skew.set(ahead)
        if ahead > self._settings.clock.ahead_seconds or -ahead > self._settings.clock.behind_seconds:
            self._gauges.clock_wrong.inc()

"""The thread that looks at what was decided once it is answered: alarms about cameras, and drift. The line never waits for it."""

import asyncio
import queue
import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

import structlog

from data.bundle import Bundle
from data.drift import Floats, Reference
from data.input_health import Fault
from serving.alarm_schema import Alarm, AlarmKind
from serving.alarms import Alarms, without_frame
from serving.cameras import Camera
from serving.drift import STEPS, Window, add_reference, find_reference, present_promotion, reference_of
from serving.engine import Engine
from serving.events import Events
from serving.gauges import Gauges
from serving.priority import step_back
from serving.sampling import Sampler
from serving.schema import Inspection
from serving.settings import Settings
from serving.spc import ControlCharts
from serving.store import StorageError, Store
from serving.tables import drift_windows
from serving.webhook import Webhook

log = structlog.get_logger()

_MOST_WAITING = 4096
_MOST_CAMERAS = 512


@dataclass(frozen=True)
class _Seen:
    inspection: Inspection
    position: Floats | None


@dataclass
class _Drifting:
    """One model's frames of a camera, and since how many looks they have been calm."""

    window: Window
    calm_looks: Counter[AlarmKind] = field(default_factory=Counter)
    drifted: set[AlarmKind] = field(default_factory=set)


@dataclass
class _Watched:
    faults: deque[bool]
    by_model: dict[tuple[str, str], _Drifting] = field(default_factory=dict)
    """apart, by name and version: where products with models of their own take turns, none would ever fill a window"""


class Watch:
    """Open with the service; `see` and `restart` are called on the event loop or any thread, and return at once."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        engine: Engine,
        events: Events,
        gauges: Gauges,
        sampler: Sampler,
        webhook: Webhook | None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine
        self._events = events
        self._gauges = gauges
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarms = Alarms(store, gauges, self._publish)
        self._charts = ControlCharts(settings.spc, store, self._alarms)
        self._sampler = sampler
        self._webhook = webhook
        self._watched: OrderedDict[Camera, _Watched] = OrderedDict()
        self._training: tuple[Bundle, Reference | None] | None = None
        # None ends the thread, True forgets every window.
        self._queue: queue.SimpleQueue[_Seen | bool | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def see(self, inspection: Inspection, position: Floats | None) -> None:
        """A stored inspection, with where its embedding lies; on the event loop."""
        self._loop = self._loop or asyncio.get_running_loop()
        if self._queue.qsize() >= _MOST_WAITING:
            self._gauges.watch_dropped.inc()
            return
        self._queue.put(_Seen(inspection, position))

    def restart(self) -> None:
        """Another model decides from now on, or the present one anew: windows and references begin again."""
        self._queue.put(True)

    def close(self) -> None:
        """Look at what is queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        step_back()
        while (item := self._queue.get()) is not None:
            if isinstance(item, bool):
                for watched in self._watched.values():
                    watched.by_model.clear()
                continue
            try:
                self._look(item)
                if not self._sampler.is_challenge(item.inspection.part_id):
                    self._charts.see(item.inspection)
            except Exception as error:  # one frame that cannot be judged must not end all watching
                log.error("watch failed", inspection=item.inspection.id, exc_info=error)

    def _look(self, seen: _Seen) -> None:
        inspection = seen.inspection
        camera = Camera.of(inspection)
        watched = self._watched.pop(camera, None) or _Watched(deque(maxlen=self._settings.camera_health.frames))
        self._watched[camera] = watched
        if len(self._watched) > _MOST_CAMERAS:
            self._watched.popitem(last=False)
        self._look_for_faults(camera, watched.faults, inspection)
        if seen.position is not None and inspection.model is not None:
            self._look_for_drift(camera, watched, inspection, seen.position)

    def _look_for_faults(self, camera: Camera, faults: deque[bool], inspection: Inspection) -> None:
        limits, fault = self._settings.camera_health, inspection.fault
        faults.append(fault is not None)
        if fault is not None and (fault is Fault.FROZEN or sum(faults) >= limits.faults):
            self._alarms.raise_(AlarmKind.CAMERA_FAULT, camera, inspection.reason or fault.value, inspection.id, fault)
        elif len(faults) == limits.frames and not any(faults):
            self._alarms.clear(AlarmKind.CAMERA_FAULT, camera)

    def _look_for_drift(self, camera: Camera, watched: _Watched, inspection: Inspection, position: Floats) -> None:
        assert inspection.model is not None
        model = (inspection.model.name, inspection.model.version)
        drifting = watched.by_model.get(model)
        if drifting is None:
            opened = self._open_window(camera, inspection)
            if opened is None:
                return
            drifting = watched.by_model[model] = _Drifting(opened)
        window = drifting.window
        window.add(inspection, position)
        glance = window.look()
        try:
            if (sample := window.take_reference()) is not None:
                self._store.submit(
                    lambda connection: add_reference(
                        connection, camera, window.model, present_promotion(connection), sample
                    )
                ).result()
            if glance is not None:
                self._store.submit(lambda connection: connection.execute(drift_windows.insert(), glance.row)).result()
        except StorageError as error:
            log.error("drift not stored", cause=str(error), **camera._asdict())
        if glance is not None:
            for kind in (AlarmKind.SCORE_DRIFT, AlarmKind.EMBEDDING_DRIFT):
                drifting.calm_looks[kind] += 1
                if kind in glance.drifted:
                    drifting.calm_looks[kind] = 0
                    drifting.drifted.add(kind)
                    self._alarms.raise_(kind, camera, glance.drifted[kind], inspection.id)
                elif drifting.calm_looks[kind] >= STEPS:  # a whole window: at the first it would come and go
                    drifting.drifted.discard(kind)
                    if not any(kind in other.drifted for other in watched.by_model.values()):
                        self._alarms.clear(kind, camera)

    def _open_window(self, camera: Camera, inspection: Inspection) -> Window | None:
        """None for a frame that the model before the present one decided."""
        bundle, model = self._engine.bundle_for(inspection.product, inspection.station), inspection.model
        assert model is not None
        if bundle is None or (bundle.manifest.name, bundle.manifest.version) != (model.name, model.version):
            return None
        if self._training is None or self._training[0] is not bundle:
            self._training = bundle, reference_of(f"{model.name} {model.version}", bundle.held_out)
        with self._store.reading() as connection:
            own = find_reference(connection, camera, model, present_promotion(connection))
        return Window(
            camera, model, self._settings.drift, self._training[1], None if own is None else Reference.of(own)
        )

    def _publish(self, alarm: Alarm) -> None:
        if self._webhook is not None:
            self._webhook.send_soon()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.publish, "alarm", alarm, without_frame(alarm))

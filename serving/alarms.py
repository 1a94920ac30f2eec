"""Alarms: raised when something persists at a camera, cleared by itself, acknowledged by a person with a reason."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
import uuid_utils
from sqlalchemy import Connection, insert, select, update

from data.input_health import Fault
from data.wording import text
from serving.alarm_schema import AcknowledgeRequest, Alarm, AlarmKind
from serving.audit import Action, append
from serving.cameras import Camera
from serving.gauges import Gauges
from serving.problem import ProblemError
from serving.store import StorageError, Store
from serving.tables import alarms

log = structlog.get_logger()

SHOWN = [alarms.c[name] for name in Alarm.model_fields]


class Alarms:
    """What is raised at present. `raise_` and `clear` are for one thread; a state that could not be written is tried again.

    Tells `publish` of every change, from the caller's thread.
    """

    def __init__(self, store: Store, gauges: Gauges, publish: Callable[[Alarm], None]) -> None:
        self._store = store
        self._gauges = gauges
        self._publish = publish
        with store.reading() as connection:
            standing = find(connection, cleared=False, limit=None)
        self._raised = {(alarm.kind, Camera(alarm.line, alarm.station, alarm.camera)): alarm.id for alarm in standing}
        for kind in AlarmKind:
            gauges.alarms_open.labels(kind.value).set(sum(key[0] is kind for key in self._raised))

    def standing(self, kind: AlarmKind, camera: Camera) -> bool:
        """Whether such an alarm is raised and not cleared."""
        return (kind, camera) in self._raised

    def raise_(
        self, kind: AlarmKind, camera: Camera, reason: str, inspection_id: str, fault: Fault | None = None
    ) -> None:
        """Raise an alarm; nothing happens when such a one stands."""
        if self.standing(kind, camera):
            return
        row = {
            "id": str(uuid_utils.uuid7()),
            "kind": kind.value,
            **camera._asdict(),
            "fault": None if fault is None else fault.value,
            "reason": reason,
            "inspection_id": inspection_id,
            "raised_at": datetime.now(UTC),
        }
        alarm = self._write(lambda connection: _add(connection, row))
        if alarm is not None:
            self._raised[kind, camera] = alarm.id
            self._gauges.alarms.labels(kind.value).inc()
            self._gauges.alarms_open.labels(kind.value).inc()
            log.warning("alarm raised", kind=kind.value, reason=reason, **camera._asdict())

    def clear(self, kind: AlarmKind, camera: Camera) -> None:
        """Clear an alarm; nothing happens when none stands."""
        id_ = self._raised.get((kind, camera))
        if id_ is None:
            return
        if self._write(lambda connection: _end(connection, id_)) is not None:
            del self._raised[kind, camera]
            self._gauges.alarms_open.labels(kind.value).dec()
            log.info("alarm cleared", kind=kind.value, **camera._asdict())

    def _write(self, job: Callable[[Connection], Alarm]) -> Alarm | None:
        try:
            alarm = self._store.submit(job).result()
        except StorageError as error:
            log.error("alarm not stored", cause=str(error))
            return None
        self._publish(alarm)
        return alarm


def find(
    connection: Connection, cleared: bool | None = None, line: str | None = None, limit: int | None = 100
) -> list[Alarm]:
    """Alarms, newest first; with `cleared` only those that are, or are not."""
    query = select(*SHOWN).order_by(alarms.c.raised_at.desc(), alarms.c.id.desc()).limit(limit)
    if cleared is not None:
        query = query.where(alarms.c.cleared_at.is_not(None) if cleared else alarms.c.cleared_at.is_(None))
    if line is not None:
        query = query.where(alarms.c.line == line)
    return [alarm_of(row) for row in connection.execute(query).mappings()]


def acknowledge(connection: Connection, id_: str, request: AcknowledgeRequest) -> Alarm:
    """Write down who knows of an alarm and what is done about it, once. Raises 404 and 409 problems."""
    before = _get(connection, id_)
    if before is None:
        raise ProblemError(404, text(f"there is no alarm {id_}", f"沒有警報 {id_}"))
    if before.acknowledged_at is not None:
        raise ProblemError(
            409,
            text(
                f"{before.acknowledged_by} acknowledged this alarm before: {before.acknowledgement}",
                f"此警報已由 {before.acknowledged_by} 確認：{before.acknowledgement}",
            ),
        )
    changes = {
        "acknowledged_at": datetime.now(UTC),
        "acknowledged_by": request.person,
        "acknowledgement": request.reason,
    }
    connection.execute(update(alarms).where(alarms.c.id == id_).values(changes))
    old = {"kind": before.kind.value, "reason": before.reason, "raised_at": before.raised_at}
    append(connection, Action.ALARM, id_, request.person, old=old, new=changes, reason=request.reason)
    return before.model_copy(update=changes)


def without_frame(alarm: Alarm) -> Alarm:
    """The alarm as an inspector sees it: what is wrong with the camera, not what was said of the frame that raised it."""
    reason = alarm.reason if alarm.fault is None else alarm.fault.value
    return alarm.model_copy(update={"inspection_id": None, "reason": reason})


def _add(connection: Connection, row: dict[str, Any]) -> Alarm:
    connection.execute(insert(alarms), row)
    return _stored(connection, row["id"])


def _end(connection: Connection, id_: str) -> Alarm:
    connection.execute(update(alarms).where(alarms.c.id == id_).values(cleared_at=datetime.now(UTC)))
    return _stored(connection, id_)


def _stored(connection: Connection, id_: str) -> Alarm:
    alarm = _get(connection, id_)
    assert alarm is not None
    return alarm


def _get(connection: Connection, id_: str) -> Alarm | None:
    row = connection.execute(select(*SHOWN).where(alarms.c.id == id_)).mappings().first()
    return None if row is None else alarm_of(row)


def alarm_of(row: Any) -> Alarm:
    """The message for a row of `SHOWN`."""
    return Alarm(**dict(row))

"""Lines that a person put on hold: frames are still decided and stored, and every answer says to keep the part.

The verdict stays the model's, so that figures over the period mean what they always mean; the answer carries the hold
beside it, and whoever moves parts keeps them while it does, as for NO_DECISION. Anyone who works at a line may put it on
hold; releasing it is for those who answer for it (serving.role).
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

import structlog
import uuid_utils
from sqlalchemy import Connection, insert, select, update

from data.wording import text
from serving.audit import Action, append
from serving.events import Events
from serving.gauges import Gauges
from serving.hold_schema import LineHold, LineHoldRequest
from serving.problem import ProblemError
from serving.schema import Inspection, LineHoldRef
from serving.store import Store
from serving.tables import line_holds

log = structlog.get_logger()


class LineHolds:
    """The holds in force, kept in memory for the line path; opening reads them, so they outlive a restart."""

    def __init__(self, store: Store, events: Events, gauges: Gauges) -> None:
        self._store = store
        self._events = events
        self._gauges = gauges
        with store.reading() as connection:
            self._standing = {hold.line: _ref(hold) for hold in find(connection, released=False)}
        gauges.lines_held.set(len(self._standing))

    def standing(self, line: str) -> LineHoldRef | None:
        """The hold in force on a line, if any; from any thread."""
        return self._standing.get(line)

    def marked(self, inspection: Inspection) -> Inspection:
        """The inspection with the hold in force now, where it does not carry one of its own.

        A hold may begin while a frame is on its way, or before a camera asks for an answer again.
        """
        hold = self.standing(inspection.line)
        if hold is None or inspection.line_hold is not None:
            return inspection
        return inspection.model_copy(update={"line_hold": hold})

    async def hold(self, request: LineHoldRequest) -> LineHold:
        """Put a line on hold. Raises a 409 problem when it is on hold, StorageError when that could not be written."""
        held = await asyncio.wrap_future(self._store.submit(lambda connection: _hold(connection, request)))
        self._standing = {**self._standing, held.line: _ref(held)}
        self._tell(held)
        return held

    async def release(self, id_: str, person: str, reason: str) -> LineHold:
        """End a hold. Raises a 404 problem for none of that id, 409 when it was released before."""
        job = self._store.submit(lambda connection: _release(connection, id_, person, reason))
        released = await asyncio.wrap_future(job)
        self._standing = {line: hold for line, hold in self._standing.items() if hold.id != id_}
        self._tell(released)
        return released

    def _tell(self, hold: LineHold) -> None:
        self._gauges.lines_held.set(len(self._standing))
        self._events.publish("line_hold", hold)
        log.warning("line held" if hold.released_at is None else "line released", line=hold.line, reason=hold.reason)


def find(
    connection: Connection, released: bool | None = None, line: str | None = None, limit: int | None = None
) -> list[LineHold]:
    """Holds of lines, newest first; with `released` only those that are over, or are not."""
    query = select(line_holds).order_by(line_holds.c.held_at.desc(), line_holds.c.id.desc()).limit(limit)
    if released is not None:
        over = line_holds.c.released_at
        query = query.where(over.is_not(None) if released else over.is_(None))
    if line is not None:
        query = query.where(line_holds.c.line == line)
    return [LineHold(**row) for row in connection.execute(query).mappings()]


def _hold(connection: Connection, request: LineHoldRequest) -> LineHold:
    row: dict[str, Any] = {"id": str(uuid_utils.uuid7()), "held_at": datetime.now(UTC), **request.model_dump()}
    present = find(connection, released=False, line=request.line)
    if present:
        raise ProblemError(
            409,
            text(
                f"{present[0].person} put line {request.line} on hold before: {present[0].reason}",
                f"產線 {request.line} 已由 {present[0].person} 暫停放行：{present[0].reason}",
            ),
        )
    connection.execute(insert(line_holds).values(row))
    append(connection, Action.LINE_HELD, row["id"], request.person, new=row, reason=request.reason)
    return _get(connection, row["id"])


def _release(connection: Connection, id_: str, person: str, reason: str) -> LineHold:
    hold = _get(connection, id_)
    if hold.released_at is not None:
        raise ProblemError(
            409,
            text(
                f"{hold.released_by} released line {hold.line} before: {hold.release_reason}",
                f"產線 {hold.line} 已由 {hold.released_by} 恢復放行：{hold.release_reason}",
            ),
        )
    released = {"released_at": datetime.now(UTC), "released_by": person, "release_reason": reason}
    connection.execute(update(line_holds).where(line_holds.c.id == id_).values(released))
    old = hold.model_dump(include={"line", "reason", "person", "held_at"})
    append(connection, Action.LINE_RELEASED, id_, person, old=old, new=released, reason=reason)
    return _get(connection, id_)


def _get(connection: Connection, id_: str) -> LineHold:
    row = connection.execute(select(line_holds).where(line_holds.c.id == id_)).mappings().first()
    if row is None:
        raise ProblemError(404, text(f"there is no hold {id_} of a line", f"沒有產線暫停放行 {id_}"))
    return LineHold(**row)


def _ref(hold: LineHold) -> LineHoldRef:
    return LineHoldRef(id=hold.id, reason=hold.reason)

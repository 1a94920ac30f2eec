"""Legal holds: what a part, a lot or a stretch of time names is not removed by retention until the hold is lifted."""

from datetime import UTC, datetime

import uuid_utils
from sqlalchemy import ColumnElement, Connection, FromClause, and_, exists, insert, or_, select, update

from data.wording import text
from serving.audit import Action, append
from serving.hold_schema import Hold, HoldRequest
from serving.problem import ProblemError
from serving.tables import holds


def set_hold(connection: Connection, request: HoldRequest) -> Hold:
    """Write a hold and its audit entry."""
    row = {"id": str(uuid_utils.uuid7()), "set_at": datetime.now(UTC), **request.model_dump()}
    connection.execute(insert(holds).values(row))
    append(connection, Action.HOLD, row["id"], request.person, new=row, reason=request.reason)
    return get(connection, row["id"])


def lift_hold(connection: Connection, id: str, person: str, reason: str) -> Hold:
    """End a hold, which stays on record. Raises a 404 problem for none of that id, 409 when it was lifted before."""
    hold = get(connection, id)
    if hold.lifted_at is not None:
        raise ProblemError(
            409,
            text(
                f"hold {id} was lifted by {hold.lifted_by} on {hold.lifted_at.isoformat()}",
                f"法律保全 {id} 已由 {hold.lifted_by} 於 {hold.lifted_at.isoformat()} 解除",
            ),
        )
    lifted = {"lifted_at": datetime.now(UTC), "lifted_by": person, "lift_reason": reason}
    connection.execute(update(holds).where(holds.c.id == id).values(lifted))
    old = hold.model_dump(include={"part_id", "lot", "since", "until"})
    append(connection, Action.HOLD_LIFTED, id, person, old=old, new=lifted, reason=reason)
    return get(connection, id)


def get(connection: Connection, id: str) -> Hold:
    """One hold. Raises a 404 problem when there is none."""
    row = connection.execute(select(holds).where(holds.c.id == id)).mappings().first()
    if row is None:
        raise ProblemError(404, text(f"there is no hold {id}", f"沒有法律保全 {id}"))
    return Hold(**row)


def list_all(connection: Connection, lifted: bool) -> list[Hold]:
    """The holds in force, newest first, with those lifted when asked for."""
    query = select(holds).order_by(holds.c.set_at.desc())
    if not lifted:
        query = query.where(holds.c.lifted_at.is_(None))
    return [Hold(**row) for row in connection.execute(query).mappings()]


def is_held(inspections: FromClause) -> ColumnElement[bool]:
    """Whether a hold in force names the row. A time range means when a frame was received, or captured."""
    row = inspections.c
    in_time = or_(
        *(
            and_(
                or_(holds.c.since.is_(None), holds.c.since <= at),
                or_(holds.c.until.is_(None), holds.c.until > at),
                or_(holds.c.since.is_not(None), holds.c.until.is_not(None)),
            )
            for at in (row.received_at, row.captured_at)
        )
    )
    named = or_(holds.c.part_id == row.part_id, holds.c.lot == row.lot, in_time)
    return exists(select(holds.c.id).where(holds.c.lifted_at.is_(None), named).correlate(inspections))

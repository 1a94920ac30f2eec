"""Challenge parts: put on the line with their truth known, to try the model and the people."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from data.wording import text
from serving.audit import Action, append
from serving.problem import ProblemError
from serving.quality_schema import Challenge, ChallengeRequest
from serving.tables import challenges, inspections


def list_all(connection: Connection) -> list[Challenge]:
    """Every challenge part, newest first."""
    query = select(challenges).order_by(challenges.c.registered_at.desc(), challenges.c.part_id)
    return [Challenge(**row) for row in connection.execute(query).mappings()]


def register(connection: Connection, part_id: str, request: ChallengeRequest) -> Challenge:
    """Say what a part truly is before it is put on the line, or correct that.

    Raises a 409 problem for a part that came as an ordinary one: its frames count as production.
    """
    before = connection.execute(select(challenges).where(challenges.c.part_id == part_id)).mappings().first()
    if before is None:
        seen = select(inspections.c.id).where(inspections.c.part_id == part_id).limit(1)
        if connection.execute(seen).first() is not None:
            raise ProblemError(
                409,
                text(
                    f"part {part_id} was inspected before as an ordinary one; a challenge part is named before it comes",
                    f"零件 {part_id} 先前已當作一般零件檢驗過；挑戰件須在上線前登錄",
                ),
            )
    row: dict[str, Any] = {"part_id": part_id, **request.model_dump(), "registered_at": datetime.now(UTC)}
    if before is None:
        connection.execute(insert(challenges), row)
    else:
        connection.execute(update(challenges).where(challenges.c.part_id == part_id).values(row))
    old = None if before is None else dict(before)
    append(connection, Action.CHALLENGE, part_id, request.person, old=old, new=row, reason=request.note)
    return Challenge(**row)

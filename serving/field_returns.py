"""Field returns: parts found defective after they were shipped."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from data.verdict import Verdict
from data.wording import text
from serving.audit import Action, append, digest
from serving.csv_rows import read_rows
from serving.quality_schema import FieldReturn, FieldReturnsAdded
from serving.tables import RECORDED, field_returns

_CHUNK = 500
_MOST = 10_000


def read_csv(content: bytes) -> list[FieldReturn]:
    """Rows of a CSV with the columns of FieldReturn. Raises a 422 problem that names line and column of what is wrong."""
    return read_rows(content, FieldReturn, text("field returns", "市場退回"), _MOST)


def add(connection: Connection, returns: Sequence[FieldReturn], person: str) -> FieldReturnsAdded:
    """Keep those that are not known yet, told of by one entry of the audit trail; repeating an upload is harmless."""
    by_part: dict[str, FieldReturn] = {}
    for each in returns:
        by_part.setdefault(each.part_id, each)
    known = _known(connection, list(by_part))
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {**each.model_dump(), "person": person, "registered_at": now}
        for part_id, each in by_part.items()
        if part_id not in known
    ]
    if rows:
        connection.execute(insert(field_returns), rows)
        append(
            connection,
            Action.FIELD_RETURNS,
            rows[0]["part_id"] if len(rows) == 1 else f"{len(rows)} parts",
            person,
            new={"parts": len(rows), "digest": digest(rows)},
        )
    verdicts = _verdicts(connection, [row["part_id"] for row in rows])
    return FieldReturnsAdded(
        added=len(rows),
        known_before=len(returns) - len(rows),
        not_inspected=sum(row["part_id"] not in verdicts for row in rows),
        passed=sum(verdicts.get(row["part_id"]) == {Verdict.PASS.value} for row in rows),
    )


def list_newest(connection: Connection, limit: int) -> list[FieldReturn]:
    """The newest field returns by when they were found."""
    columns = [field_returns.c[name] for name in FieldReturn.model_fields]
    query = select(*columns).order_by(field_returns.c.found_at.desc(), field_returns.c.sequence.desc()).limit(limit)
    return [FieldReturn(**row) for row in connection.execute(query).mappings()]


def _known(connection: Connection, part_ids: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(part_ids), _CHUNK):
        chunk = part_ids[start : start + _CHUNK]
        found.update(
            connection.execute(select(field_returns.c.part_id).where(field_returns.c.part_id.in_(chunk))).scalars()
        )
    return found


def _verdicts(connection: Connection, part_ids: list[str]) -> dict[str, set[str]]:
    verdicts: dict[str, set[str]] = {}
    for start in range(0, len(part_ids), _CHUNK):
        for table in RECORDED:
            query = select(table.c.part_id, table.c.verdict).where(
                table.c.part_id.in_(part_ids[start : start + _CHUNK])
            )
            for part_id, verdict in connection.execute(query.distinct()):
                verdicts.setdefault(part_id, set()).add(verdict)
    return verdicts

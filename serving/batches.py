"""Rows that come together in a file: kept as one batch, told of by one audit entry with a digest."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from serving.audit import Action, append, digest, told_of_row


def add_batch(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], action: Action, person: str, reason: str
) -> None:
    """Write `rows` under the next number of the table's column `batch`, and the entry."""
    batch = (connection.execute(select(func.max(table.c.batch))).scalar() or 0) + 1
    connection.execute(insert(table), [{**row, "batch": batch} for row in rows])
    written = connection.execute(select(table).where(table.c.batch == batch)).mappings()
    new = {"rows": len(rows), "digest": digest(told_of_row(row) for row in written)}
    append(connection, action, str(batch), person, new=new, reason=reason)

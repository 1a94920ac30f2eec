"""The audit trail as people ask for it: pages of entries, an export for an auditor, and whether the chain holds."""

import json
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, BinaryIO

import structlog
from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.sql.elements import ColumnElement

from serving.audit import Action, Verification, entries, verify
from serving.audit_schema import AuditBreak, AuditCheck, AuditEntry, AuditPage
from serving.concerns import concerns_of
from serving.csv_rows import csv_line, harmless
from serving.gauges import Gauges
from serving.periodic import Periodic
from serving.problem import unknown_cursor
from serving.store import Store
from serving.tables import audit, from_microseconds

log = structlog.get_logger()

_CHECK_SECONDS = 24 * 3600
# Verifying is all Python: without a rest it would take turns with the line path for as long as the trail is long.
_REST_SECONDS = 0.05
_TIMES = ("since", "until")


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True)
class Filters:
    """Which entries to list; None takes all."""

    actions: Collection[Action] | None = None
    person: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool] | None] = [
            None if not self.actions else audit.c.action.in_([action.value for action in self.actions]),
            None if self.person is None else audit.c.person == self.person,
            None if self.subject is None else audit.c.subject == self.subject,
            None if self.since is None else audit.c.at >= self.since,
            None if self.until is None else audit.c.at < self.until,
        ]
        return [clause for clause in wanted if clause is not None]


def list_page(connection: Connection, filters: Filters, cursor: str | None, limit: int) -> AuditPage:
    """One page, newest first. Raises a 422 problem for a cursor that no page gave."""
    clauses = filters.clauses()
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
            raise unknown_cursor()
        clauses.append(audit.c.sequence < int(cursor))
    query = select(audit).where(*clauses).order_by(audit.c.sequence.desc()).limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    items = [
        AuditEntry(
            **{name: row[name] for name in ("sequence", "at", "action", "subject", "person", "reason", "hash")},
            old=_with_times(row["old"]),
            new=_with_times(row["new"]),
            concerns=concerns,
        )
        for row, concerns in zip(rows[:limit], concerns_of(connection, rows[:limit]), strict=True)
    ]
    return AuditPage(items=items, next_cursor=str(items[-1].sequence) if len(rows) > limit else None)


def export(connection: Connection, out: BinaryIO, kind: Format, since: datetime | None, until: datetime | None) -> int:
    """Write the entries of [since, until), oldest first; how many is returned.

    JSON is what was hashed, word for word. In CSV, a cell that a spreadsheet would take for a formula gets a leading
    apostrophe.
    """
    told = 0

    def counted() -> Iterator[RowMapping]:
        nonlocal told
        for row in entries(connection, since, until):
            told += 1
            yield row

    for line in (_as_json if kind is Format.JSON else _as_csv)(counted()):
        out.write(line.encode())
    return told


class AuditWatch:
    """Verifies the whole trail at the start, once a day and when asked, in the background."""

    def __init__(self, store: Store, gauges: Gauges) -> None:
        self._store = store
        self._gauges = gauges
        self._running = False
        self._found: tuple[datetime, Verification] | None = None
        self._periodic = Periodic("audit-watch", self._check, _CHECK_SECONDS)
        self.start, self.close = self._periodic.start, self._periodic.close

    @property
    def state(self) -> AuditCheck:
        """What the last check found, and whether one is under way."""
        checked_at, found = self._found or (None, None)
        return AuditCheck(
            running=self._running,
            checked_at=checked_at,
            holds=found and not found.broken,
            entries=found and found.entries,
            head=found and found.head,
            broken=[AuditBreak(sequence=one.sequence, what=one.what) for one in found.broken] if found else [],
            unnamed=found.unnamed if found else 0,
        )

    def check_soon(self) -> AuditCheck:
        """Begin a check; the state says when it has ended."""
        self._running = True
        self._periodic.run_soon()
        return self.state

    def _check(self, stop: threading.Event) -> None:
        self._running = True
        try:
            with self._store.reading() as connection:
                found = verify(connection, rest=lambda: _rest(stop))
        except _StoppedError:
            return
        finally:
            self._running = False
        self._found = (datetime.now(UTC), found)
        self._gauges.audit_holds.set(not found.broken)
        self._gauges.audit_entries.set(found.entries)
        for one in found.broken:
            log.error("the audit trail does not hold", sequence=one.sequence, what=one.what)


class _StoppedError(Exception):
    """The server stops before the check has ended."""


def _rest(stop: threading.Event) -> None:
    if stop.wait(_REST_SECONDS):
        raise _StoppedError


def _with_times(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {
        name: from_microseconds(one).isoformat()
        if isinstance(one, int) and (name.endswith("_at") or name in _TIMES)
        else one
        for name, one in value.items()
    }


def _as_json(rows: Iterator[RowMapping]) -> Iterator[str]:
    yield "["
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n{json.dumps({**row, 'at': row['at'].isoformat()}, ensure_ascii=False)}"
    yield "\n]\n"


def _as_csv(rows: Iterator[RowMapping]) -> Iterator[str]:
    names = [column.name for column in audit.c]
    yield csv_line(names)
    for row in rows:
        plain = {**row, "at": row["at"].isoformat(), "old": _json_cell(row["old"]), "new": _json_cell(row["new"])}
        yield csv_line([harmless(str(plain[name])) for name in names])


def _json_cell(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)

"""The audit trail: who changed what, when, from what to what, and why; each entry holds the hash of the one before.

Append-only hash chain as in Haber and Stornetta, How to Time-Stamp a Digital Document (1991). Whoever alters, removes or
inserts an entry afterwards breaks the chain at that place. What a chain cannot show by itself is that its newest entries
were cut off: note the last hash elsewhere (`audit verify` prints it) and give it to `audit verify --head` later.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    cast,
    func,
    insert,
    select,
    true,
)

from serving.tables import (
    assumptions,
    audit,
    baselines,
    history,
    holds,
    kpis,
    line_holds,
    microseconds,
    promotions,
    reviews,
    rollouts,
    threshold_changes,
    tombstones,
)

GENESIS = "0" * 64

_CHUNK = 500
_MOST_NAMED = 1000
# Names the lock; any number that nothing else locks by.
_APPENDING = 0x617564_6974


class Action(StrEnum):
    """What kind of change an entry tells of."""

    REVIEW = "REVIEW"
    PROMOTION = "PROMOTION"
    PERSON_ADDED = "PERSON_ADDED"
    PERSON_CHANGED = "PERSON_CHANGED"
    PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105 - no password
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - no password
    KEY_ADDED = "KEY_ADDED"
    KEY_REVOKED = "KEY_REVOKED"
    HOLD = "HOLD"
    HOLD_LIFTED = "HOLD_LIFTED"
    RETENTION_ASKED = "RETENTION_ASKED"
    IMAGES_REMOVED = "IMAGES_REMOVED"
    ROWS_REMOVED = "ROWS_REMOVED"
    SHADOW = "SHADOW"
    THRESHOLDS = "THRESHOLDS"
    ALARM = "ALARM"
    ASSUMPTIONS_ADOPTED = "ASSUMPTIONS_ADOPTED"
    ASSUMPTION = "ASSUMPTION"
    HISTORY_IMPORTED = "HISTORY_IMPORTED"
    KPIS_IMPORTED = "KPIS_IMPORTED"
    BASELINE = "BASELINE"
    ROLLOUT = "ROLLOUT"
    CHALLENGE = "CHALLENGE"
    FIELD_RETURNS = "FIELD_RETURNS"
    STUDY = "STUDY"
    LINE_HELD = "LINE_HELD"
    LINE_RELEASED = "LINE_RELEASED"


@dataclass(frozen=True)
class _Covered:
    """Rows that an entry's `new` repeats, so that altering the row itself is found too."""

    table: Table
    key: str
    told: ColumnElement[bool]
    """which rows must have an entry"""


_COVERED: dict[Action, _Covered] = {
    Action.REVIEW: _Covered(reviews, "client_id", true()),
    Action.PROMOTION: _Covered(promotions, "sequence", true()),
    Action.THRESHOLDS: _Covered(threshold_changes, "sequence", true()),
    Action.HOLD: _Covered(holds, "id", true()),
    Action.HOLD_LIFTED: _Covered(holds, "id", holds.c.lifted_at.is_not(None)),
    Action.LINE_HELD: _Covered(line_holds, "id", true()),
    Action.LINE_RELEASED: _Covered(line_holds, "id", line_holds.c.released_at.is_not(None)),
    Action.BASELINE: _Covered(baselines, "id", true()),
    Action.ROLLOUT: _Covered(rollouts, "id", true()),
    Action.ASSUMPTION: _Covered(
        assumptions,
        "sequence",
        assumptions.c.version.not_in(
            select(cast(audit.c.subject, Integer)).where(audit.c.action == Action.ASSUMPTIONS_ADOPTED.value)
        ),
    ),
}

# Rows that came together in a file are told of together, by a digest over those with the same number in this column.
_BATCHES: dict[str, Column[int]] = {
    Action.ASSUMPTIONS_ADOPTED: assumptions.c.version,
    Action.HISTORY_IMPORTED: history.c.batch,
    Action.KPIS_IMPORTED: kpis.c.batch,
}


# A batch of tombstones is told of by a digest over these; their `batch` is the entry itself.
TOLD_OF_TOMBSTONES = [column for column in tombstones.c if column.name != "batch"]
# Columns later than the first batches, of tombstones and of past counts, whose digests must stay what they were.
_TOLD_IF_KNOWN = ("model_version", "audit", "audit_band", "audit_probability", "inspector_seconds")


def told_of_row(row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    """What the digest of a batch tells of one of its rows."""
    return {name: value for name, value in row.items() if value is not None or name not in _TOLD_IF_KNOWN}


@dataclass(frozen=True)
class Broken:
    """Where the trail does not hold, and what is wrong there."""

    sequence: int | None
    what: str

    def __str__(self) -> str:
        return self.what if self.sequence is None else f"entry {self.sequence}: {self.what}"


@dataclass(frozen=True)
class Verification:
    """What `verify` found: how many entries, the hash of the newest, and the places that do not hold."""

    entries: int
    head: str
    broken: tuple[Broken, ...]
    """at most a thousand of them"""
    unnamed: int
    """how many more there are"""


def append(
    connection: Connection,
    action: Action,
    subject: str,
    person: str,
    *,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    reason: str = "",
) -> int:
    """Add an entry, within the transaction of the change that it tells of; its sequence is returned.

    `subject` names what was changed, such as a review's client_id; `old` and `new` are JSON objects, their times
    kept as `plain` gives them. Of two writers that append at once the later one waits until the first has committed: on
    SQLite since its transaction began, on PostgreSQL from here on. `previous` is unique all the same: no chain can fork.
    """
    take_turn(connection)
    last = connection.execute(select(audit.c.sequence, audit.c.hash).order_by(audit.c.sequence.desc()).limit(1)).first()
    sequence = 1 if last is None else last.sequence + 1
    entry = {
        "sequence": sequence,
        "at": datetime.now(UTC),
        "action": action.value,
        "subject": subject,
        "person": person,
        "old": plain(old),
        "new": plain(new),
        "reason": reason,
        "previous": GENESIS if last is None else last.hash,
    }
    connection.execute(insert(audit), {**entry, "hash": _hash(entry)})
    return sequence


def take_turn(connection: Connection) -> None:
    """Wait until no other writer has an entry that is not committed yet: what is read from here on stays true until the commit,
    if each change of it has an entry. On SQLite a writer has waited already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_APPENDING)))


def verify(
    connection: Connection, noted_head: str | None = None, rest: Callable[[], None] = lambda: None
) -> Verification:
    """Recompute every hash, and compare every review, promotion, hold and tombstone with the entry that tells of it.

    `noted_head` is the hash of an entry noted earlier, which must still be there. Memory stays bounded whatever the number
    of entries; `rest` is called every few hundred of them.
    """
    broken = _Found()
    expected, head, count = 1, GENESIS, 0
    noted_is_there = noted_head in (None, GENESIS)
    for chunk in _chunks(connection):
        for entry in chunk:
            if entry["sequence"] != expected:
                broken.add(entry["sequence"], f"entries {expected} to {entry['sequence'] - 1} before it are missing")
            if entry["previous"] != head:
                broken.add(entry["sequence"], "it does not follow the entry before it: one of them was altered")
            if entry["hash"] != _hash(entry):
                broken.add(entry["sequence"], "its content is not what was written")
            expected, head = entry["sequence"] + 1, entry["hash"]
            noted_is_there = noted_is_there or head == noted_head
        count += len(chunk)
        _compare_rows(connection, chunk, broken)
        rest()
    for action, covered in _COVERED.items():
        for key in connection.execute(_untold_query(action)).scalars():
            broken.add(None, f"{covered.table.name} {key} has no entry: it was added past the trail")
            rest()
    for name, batch in _untold_batches(connection):
        broken.add(None, f"{name} of batch {batch} have no entry: they were added past the trail")
    if not noted_is_there:
        broken.add(
            None, f"the noted head {noted_head} is no longer in the chain: the newest entries were cut off or redone"
        )
    return Verification(count, head, tuple(broken.named), broken.unnamed)


def entries(
    connection: Connection, since: datetime | None = None, until: datetime | None = None
) -> Iterator[RowMapping]:
    """Every entry of [since, until), oldest first, read a chunk at a time."""
    within = [*([] if since is None else [audit.c.at >= since]), *([] if until is None else [audit.c.at < until])]
    for chunk in _chunks(connection, *within):
        yield from chunk


def digest(rows: Iterable[Mapping[str, Any] | RowMapping]) -> str:
    """SHA-256 over rows, whatever their order: an entry that tells of many rows names them by it."""
    lines = sorted(json.dumps(plain(row), sort_keys=True, separators=(",", ":")) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def plain(value: Any) -> Any:
    """A JSON value of rows and messages: times as microseconds since 1970 UTC, as the database keeps them."""
    match value:
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case datetime():
            return microseconds(value)
        case _:
            return value


def _chunks(connection: Connection, *within: ColumnElement[bool]) -> Iterator[Sequence[RowMapping]]:
    last = 0
    while True:
        query = select(audit).where(audit.c.sequence > last, *within).order_by(audit.c.sequence).limit(_CHUNK)
        chunk = connection.execute(query).mappings().all()
        if chunk:
            yield chunk
        if len(chunk) < _CHUNK:
            return
        last = chunk[-1]["sequence"]


class _Found:
    def __init__(self) -> None:
        self.named: list[Broken] = []
        self.unnamed = 0

    def add(self, sequence: int | None, what: str) -> None:
        if len(self.named) < _MOST_NAMED:
            self.named.append(Broken(sequence, what))
        else:
            self.unnamed += 1


def _compare_rows(connection: Connection, chunk: Sequence[RowMapping], broken: _Found) -> None:
    for action, covered in _COVERED.items():
        told = [entry for entry in chunk if entry["action"] == action]
        if not told:
            continue
        table, key = covered.table, covered.table.c[covered.key]
        wanted = _keys(key.type.python_type, [entry["subject"] for entry in told])
        rows = {str(row[key.name]): row for row in connection.execute(select(table).where(key.in_(wanted))).mappings()}
        for entry in told:
            row, name = rows.get(entry["subject"]), f"{table.name} {entry['subject']}"
            if row is None:
                broken.add(entry["sequence"], f"{name} was removed")
            elif any(plain(row[column]) != value for column, value in (entry["new"] or {}).items()):
                broken.add(entry["sequence"], f"{name} was altered after it was written")
    for entry in chunk:
        if entry["action"] == Action.ROWS_REMOVED:
            batch = select(*TOLD_OF_TOMBSTONES).where(tombstones.c.batch == entry["sequence"])
            kept = connection.execute(batch).mappings()
            if digest(told_of_row(row) for row in kept) != entry["new"]["digest"]:
                broken.add(entry["sequence"], "the tombstones that it tells of were altered or removed")
        elif (batch_of := _BATCHES.get(entry["action"])) is not None:
            rows_told = select(batch_of.table).where(batch_of == int(entry["subject"]))
            written = connection.execute(rows_told).mappings()
            if digest(told_of_row(row) for row in written) != entry["new"]["digest"]:
                broken.add(entry["sequence"], f"the {batch_of.table.name} that it tells of were altered or removed")


def _keys(kind: type, subjects: list[str]) -> list[Any]:
    return [int(subject) for subject in subjects if subject.isdecimal()] if kind is int else subjects


def _untold_query(action: Action) -> Select[Any]:
    covered = _COVERED[action]
    key = covered.table.c[covered.key]
    entry = select(audit.c.sequence).where(audit.c.subject == cast(key, String), audit.c.action == action.value)
    return select(key).where(covered.told, ~entry.exists())


def _untold_batches(connection: Connection) -> Iterator[tuple[str, int]]:
    entry = select(audit.c.sequence).where(
        audit.c.sequence == tombstones.c.batch, audit.c.action == Action.ROWS_REMOVED.value
    )
    for batch in connection.execute(select(tombstones.c.batch).where(~entry.exists()).distinct()).scalars():
        yield "tombstones", batch
    for action, column in _BATCHES.items():
        if action == Action.ASSUMPTIONS_ADOPTED:
            continue  # what was not adopted was changed, and has an entry of its own
        told = select(audit.c.sequence).where(audit.c.subject == cast(column, String), audit.c.action == action)
        for batch in connection.execute(select(column).where(~told.exists()).distinct()).scalars():
            yield column.table.name, batch


def _hash(entry: Mapping[str, Any] | RowMapping) -> str:
    content = {column.name: plain(entry[column.name]) for column in audit.c if column.name != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

"""The audit trail: who changed what, when, from what to what, and why; each entry holds the hash of the one before.

Append-only hash chain as in Haber and Stornetta, How to Time-Stamp a Digital Document (1991). Whoever alters, removes or
inserts an entry afterwards breaks the chain at that place. What a chain cannot show by itself is that its newest entries
were cut off: note the last hash elsewhere (`audit verify` prints it) and compare.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, insert, select

from serving.tables import audit, microseconds, promotions, reviews

GENESIS = "0" * 64


class Action(StrEnum):
    """What kind of change an entry tells of."""

    REVIEW = "REVIEW"
    PROMOTION = "PROMOTION"
    SHADOW = "SHADOW"
    ALARM = "ALARM"


# The rows that an entry's `new` repeats in full, so that altering the row itself is found too; keyed by the column that
# the entry's subject names.
_COVERED: dict[Action, tuple[Table, str]] = {
    Action.REVIEW: (reviews, "client_id"),
    Action.PROMOTION: (promotions, "sequence"),
}


@dataclass(frozen=True)
class Broken:
    """Where the trail does not hold, and what is wrong there."""

    sequence: int | None
    what: str


@dataclass(frozen=True)
class Verification:
    """What `verify` found: how many entries, the hash of the newest, and every place that does not hold."""

    entries: int
    head: str
    broken: tuple[Broken, ...]


def append(
    connection: Connection,
    action: Action,
    subject: str,
    person: str,
    *,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    reason: str = "",
) -> None:
    """Add an entry, within the transaction of the change that it tells of.

    `subject` names what was changed, such as a review's client_id; `old` and `new` are JSON objects, their times
    kept as `plain` gives them. Two writers that append at once cannot fork the chain: `previous` is unique and the
    later one fails.
    """
    last = connection.execute(select(audit.c.sequence, audit.c.hash).order_by(audit.c.sequence.desc()).limit(1)).first()
    entry = {
        "sequence": 1 if last is None else last.sequence + 1,
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


def verify(connection: Connection) -> Verification:
    """Recompute every hash, and compare every review and promotion with the entry that tells of it."""
    broken: list[Broken] = []
    told: dict[tuple[Action, str], Any] = {}
    expected, head, count = 1, GENESIS, 0
    for entry in entries(connection):
        count += 1
        if entry["sequence"] != expected:
            broken.append(Broken(entry["sequence"], f"entries {expected} to {entry['sequence'] - 1} are missing"))
        if entry["previous"] != head:
            broken.append(Broken(entry["sequence"], "it does not follow the entry before it: one of them was altered"))
        if entry["hash"] != _hash(entry):
            broken.append(Broken(entry["sequence"], "its content is not what was written"))
        expected, head = entry["sequence"] + 1, entry["hash"]
        if entry["action"] in _COVERED:
            told[Action(entry["action"]), entry["subject"]] = entry
    for action, (table, key) in _COVERED.items():
        for row in connection.execute(select(table)).mappings():
            found = told.pop((action, str(row[key])), None)
            name = f"{table.name} {row[key]}"
            if found is None:
                broken.append(Broken(None, f"{name} has no entry: it was added past the trail"))
            elif any(plain(row[name]) != value for name, value in found["new"].items()):
                broken.append(Broken(found["sequence"], f"{name} was altered after it was written"))
    for (action, subject), entry in told.items():
        broken.append(Broken(entry["sequence"], f"{_COVERED[action][0].name} {subject} was removed"))
    return Verification(count, head, tuple(broken))


def entries(connection: Connection) -> Iterator[RowMapping]:
    """Every entry, oldest first."""
    yield from connection.execute(select(audit).order_by(audit.c.sequence)).mappings()


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


def _hash(entry: Mapping[str, Any] | RowMapping) -> str:
    content = {column.name: plain(entry[column.name]) for column in audit.c if column.name != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

"""What an entry of the audit trail is about, in names that people know: its subject is often an id."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, func, select

from serving.audit import Action
from serving.audit_schema import AuditConcerns
from serving.schema import ModelRef
from serving.tables import (
    RECORDED,
    alarms,
    assumptions,
    baselines,
    history,
    holds,
    kpis,
    line_holds,
    promotions,
    rollouts,
    shadows,
    studies,
    threshold_changes,
)

# Rows that an entry is about, by the key that its subject is. They are never removed.
_ROWS: dict[Action, tuple[Table, str]] = {
    Action.PROMOTION: (promotions, "sequence"),
    Action.SHADOW: (shadows, "sequence"),
    Action.THRESHOLDS: (threshold_changes, "sequence"),
    Action.ALARM: (alarms, "id"),
    Action.HOLD: (holds, "id"),
    Action.HOLD_LIFTED: (holds, "id"),
    Action.LINE_HELD: (line_holds, "id"),
    Action.LINE_RELEASED: (line_holds, "id"),
    Action.BASELINE: (baselines, "id"),
    Action.ROLLOUT: (rollouts, "id"),
    Action.STUDY: (studies, "id"),
    Action.ASSUMPTION: (assumptions, "sequence"),
}
_OF_MODELS = (promotions, shadows)
# Tables whose rows came in together, by their action; its subject is the number of the batch.
_BATCHES: dict[Action, Table] = {Action.HISTORY_IMPORTED: history, Action.KPIS_IMPORTED: kpis}


def concerns_of(connection: Connection, entries: Sequence[RowMapping]) -> list[AuditConcerns]:
    """For each entry, what it is about; empty where the subject says all there is. One look a table for all of them."""
    rows: dict[tuple[str, str], Mapping[Any, Any]] = {}
    for table, key in set(_ROWS.values()):
        wanted = {entry["subject"] for entry in entries if _ROWS.get(Action(entry["action"])) == (table, key)}
        for row in _found(connection, table, key, wanted):
            rows[table.name, str(row[key])] = row
    judged = {entry["subject"]: (entry["new"] or {}).get("inspection_id") for entry in entries if _is_review(entry)}
    frames = {
        row["id"]: (row, table)
        for table in RECORDED
        for row in _found(connection, table, "id", {id_ for id_ in judged.values() if id_ is not None})
    }

    days = {action: _days(connection, table, entries, action) for action, table in _BATCHES.items()}

    def concerns(entry: RowMapping) -> AuditConcerns:
        action = Action(entry["action"])
        if action in days:
            first, last = days[action].get(entry["subject"], (None, None))
            return AuditConcerns(first_day=first, last_day=last)
        if _is_review(entry):
            frame, table = frames.get(judged[entry["subject"]], (None, None))
            if frame is None or table is None:
                return AuditConcerns()
            places = {name: frame[name] for name in ("part_id", "lot", "line", "station")}
            return AuditConcerns(**places, inspection_id=frame["id"] if table is RECORDED[0] else None)
        place = _ROWS.get(action)
        row = None if place is None else rows.get((place[0].name, entry["subject"]))
        if place is None or row is None:
            return AuditConcerns()
        return _told(place[0], row)

    return [concerns(entry) for entry in entries]


def _told(table: Table, row: Mapping[Any, Any]) -> AuditConcerns:
    model = None
    if table in _OF_MODELS:
        model = ModelRef(name=row["name"], version=row["version"])
    elif table is threshold_changes:
        model = ModelRef(name=row["model_name"], version=row["model_version"])
    names = ("part_id", "lot", "line", "station", "camera", "product", "inspection_id")
    known = {name: row[name] for name in names if name in table.c}
    name = row["name"] if table in (baselines, studies) else row["key"] if table is assumptions else None
    return AuditConcerns(**known, model=model, name=name)


def _days(
    connection: Connection, table: Table, entries: Sequence[RowMapping], action: Action
) -> dict[str, tuple[date, date]]:
    """The first and the last day of each batch that the entries name."""
    batches = [int(entry["subject"]) for entry in entries if Action(entry["action"]) is action]
    if not batches:
        return {}
    query = select(table.c.batch, func.min(table.c.day), func.max(table.c.day)).where(table.c.batch.in_(batches))
    found = connection.execute(query.group_by(table.c.batch))
    return {str(batch): (date.fromisoformat(first), date.fromisoformat(last)) for batch, first, last in found}


def _is_review(entry: RowMapping) -> bool:
    return Action(entry["action"]) is Action.REVIEW


def _found(connection: Connection, table: Table, key: str, wanted: Iterable[str]) -> Sequence[RowMapping]:
    column = table.c[key]
    values = [int(one) if column.type.python_type is int else one for one in wanted]
    if not values:
        return []
    names = {key, "part_id", "lot", "line", "station", "camera", "product", "inspection_id", "name", "version", "key"}
    names |= {"model_name", "model_version"}
    columns = [each for each in table.c if each.name in names]
    return connection.execute(select(*columns).where(column.in_(values))).mappings().all()

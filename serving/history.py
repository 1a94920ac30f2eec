"""Past inspections as people look for them: pages in order of time, and the same as a table for a spreadsheet."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, FromClause, RowMapping, Select, func, literal, or_, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from data.box import Box, format_boxes
from data.verdict import DECIDED, Verdict
from serving.blindness import TELLING, Sight, second_waits
from serving.csv_rows import csv_line, harmless
from serving.history_schema import (
    Decided,
    HistoryFilters,
    HistoryItem,
    HistoryMark,
    HistoryOutline,
    HistoryPage,
    HistoryQuery,
)
from serving.inspections import get, read_cursor, review_of, write_cursor
from serving.schema import Review
from serving.store import Store
from serving.tables import Utc, inspections, reviews
from serving.unindexed import Unindexed

OUTLINED = 150_000
"""the most inspections of an outline"""

OUTLINE_PAGE = 200
"""inspections on a page of it, or fewer where some are kept from the caller"""

_CHUNK = 1000
_ITEM = [
    *(
        inspections.c[name]
        for name in (
            "id",
            "received_at",
            "part_id",
            "lot",
            "product",
            "line",
            "station",
            "camera",
            "verdict",
            "defect_probability",
            "class_name",
            "decision",
            "reviewer",
            "image_kept",
            "image_removed_at",
        )
    ),
]
_MORE = [
    inspections.c.captured_at,
    inspections.c.pass_below,
    inspections.c.reject_from,
    inspections.c.novelty,
    inspections.c.cause,
    inspections.c.fault,
    inspections.c.model_name,
    inspections.c.model_version,
    reviews.c.defect_class,
    reviews.c.note,
    reviews.c.seconds,
    reviews.c.blind,
    reviews.c.decided_at,
    reviews.c.boxes,
    inspections.c.image_sha256,
]
_JOINED = inspections.outerjoin(reviews, reviews.c.client_id == inspections.c.review_id)
_LEADING = ("part_id", "lot", "reviewer", "verdict", "decision", "class_name", "product", "station", "line")
"""columns with an index in order of time, those that mostly narrow most first"""
_NAMED = tuple(name for name in _LEADING if name not in ("verdict", "decision"))
"""of which one value is asked for, not several"""
_FEW = 5000
"""So many entries of an index are gone through in a millisecond."""
_ORDER = (inspections.c.received_at, inspections.c.id)
COLUMNS = [column.name for column in (*_ITEM, *_MORE)]
"""of the table, in order"""


def list_page(connection: Connection, query: HistoryQuery, sight: Sight) -> HistoryPage:
    """One page, newest first, found by the last row of the page before, so that the thousandth is as quick as the first.

    Raises a 422 problem for a cursor that no page gave.
    """
    rows: list[dict[str, Any]] = []
    cursor = query.cursor
    lead = _lead(connection, query)
    while True:
        found = _newest(connection, query, lead, _ITEM, cursor, query.limit + 1)
        rows += _seen(found, query, sight)
        if len(found) <= query.limit or len(rows) > query.limit:
            break
        cursor = write_cursor(found[-1]["received_at"], found[-1]["id"])
    items = [
        HistoryItem(
            **{name: row[name] for name in HistoryItem.model_fields if name != "has_image"},
            has_image=row["image_kept"] and row["image_removed_at"] is None,
        )
        for row in rows[: query.limit]
    ]
    more = len(rows) > query.limit
    return HistoryPage(items=items, next_cursor=write_cursor(items[-1].received_at, items[-1].id) if more else None)


def outline(connection: Connection, filters: HistoryFilters, sight: Sight) -> HistoryOutline:
    """Where each page of the newest `OUTLINED` found inspections begins: one look along an index, whatever is asked for.

    A page's cursor and number of items give exactly it, however many inspections come meanwhile.
    """
    number = func.row_number().over(order_by=[column.desc() for column in _ORDER]).label("number")
    lead = _lead(connection, filters)
    found = select(*_ORDER, number).where(*_clauses(filters, lead))
    rows = found.order_by(*(column.desc() for column in _ORDER)).limit(OUTLINED + 1).subquery()
    wanted = (rows.c.number == 1) | (rows.c.number % OUTLINE_PAGE == 0)
    marks = connection.execute(select(rows).where(wanted).order_by(rows.c.number)).all()
    if not marks:
        return HistoryOutline(items=0, pages=[], older=None)
    # A page follows the last inspection of the one before; the first follows a moment later than its newest.
    first = (marks[0].received_at + timedelta(microseconds=1), "")
    ends = [first, *((mark.received_at, mark.id) for mark in marks[1:])]
    full = len(ends) - 1
    left = _count(connection, [*_clauses(filters, lead), _after(*ends[-1])], OUTLINE_PAGE)
    more = full * OUTLINE_PAGE == OUTLINED and left > 0
    sizes = [OUTLINE_PAGE] * full + ([] if more else [left])
    hidden = _hidden(connection, filters, sight, ends)
    pages = [
        HistoryMark(cursor=write_cursor(*end), items=size - hidden[page], received_at=end[0])
        for page, (end, size) in enumerate(zip(ends, sizes, strict=False))
        if size > hidden[page]
    ]
    # With the last of these once more, lest one of the same moment be lost.
    older = ends[-1][0] + timedelta(microseconds=1) if more else None
    return HistoryOutline(items=sum(page.items for page in pages), pages=pages, older=older)


def _count(connection: Connection, clauses: Sequence[ColumnElement[bool]], most: int) -> int:
    query = select(inspections.c.id).where(*clauses).limit(most)
    return connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()


def _hidden(
    connection: Connection, filters: HistoryFilters, sight: Sight, ends: Sequence[tuple[datetime, str]]
) -> Counter[int]:
    """By page, how many of what is found must not be found by the caller; older ones count to a page after the last."""
    if not sight.hides or not (_asks_verdict(filters) or _asks_decision(filters)):
        return Counter()
    # The few that wait first, and then which of them are found: SQLite would look through all that are found.
    names = {"id", "received_at", *TELLING, *_NAMED}
    few = select(*(inspections.c[name] for name in sorted(names))).where(inspections.c.queue_cost.is_not(None))
    if not _asks_verdict(filters):
        few = few.where(inspections.c.decision.in_([each.value for each in DECIDED]))
    waiting = few.cte().prefix_with("MATERIALIZED")
    clauses = [*_clauses(filters, rows=waiting), _after(*ends[0], waiting)]
    rows = connection.execute(select(waiting).where(*clauses)).mappings().all()
    oldest_first = ends[::-1]
    return Counter(
        len(ends) - 1 - bisect_right(oldest_first, (row["received_at"], row["id"]))
        for row in rows
        if not _is_found(row, filters, sight)
    )


def list_reviews(connection: Connection, id: str, sight: Sight) -> list[Review]:
    """Every review of an inspection, oldest first, the withdrawn ones too; of what waits for a second opinion, an inspector's
    own. Raises a 404 problem when there is no such.
    """
    get(connection, id)
    query = select(reviews).where(reviews.c.inspection_id == id).order_by(reviews.c.sequence)
    if sight.hides and second_waits(connection, id):
        query = query.where(reviews.c.reviewer == sight.name)
    return [review_of(row) for row in connection.execute(query).mappings()]


def _seen(rows: Sequence[RowMapping], filters: HistoryFilters, sight: Sight) -> list[dict[str, Any]]:
    """The rows as the caller sees them; what is kept from the caller is found under no verdict, class, decision or person."""
    return [sight.of_row(row) for row in rows if _is_found(row, filters, sight)]


def _is_found(row: RowMapping, filters: HistoryFilters, sight: Sight) -> bool:
    told = not (_asks_verdict(filters) and sight.hidden(row))
    return told and not (_asks_decision(filters) and sight.decision_hidden(row))


def _asks_verdict(filters: HistoryFilters) -> bool:
    return bool(filters.verdict) or filters.class_name is not None


def _asks_decision(filters: HistoryFilters) -> bool:
    return bool(filters.decision) or filters.reviewer is not None


def as_csv(store: Store, filters: HistoryFilters, sight: Sight) -> Iterator[bytes]:
    """The same rows as CSV, a thousand at a time, newest first; times are RFC 3339 in UTC.

    UTF-8 with a byte order mark, which spreadsheets need to see Chinese.
    """
    yield b"\xef\xbb\xbf" + csv_line(COLUMNS).encode()
    for rows in chunks(store, filters, sight):
        yield "".join(csv_line([_cell(row[name]) for name in COLUMNS]) for row in rows).encode()


def chunks(store: Store, filters: HistoryFilters, sight: Sight) -> Iterator[list[dict[str, Any]]]:
    """What the caller sees of the rows, `COLUMNS` of each, at most a thousand at a time, newest first."""
    cursor: str | None = None
    with store.reading() as connection:
        lead = _lead(connection, filters)
    while True:
        with store.reading() as connection:
            rows = _newest(connection, filters, lead, [*_ITEM, *_MORE], cursor, _CHUNK)
        yield [{**row, "boxes": _boxes(row["boxes"])} for row in _seen(rows, filters, sight)]
        if len(rows) < _CHUNK:
            return
        cursor = write_cursor(rows[-1]["received_at"], rows[-1]["id"])


def more_than(connection: Connection, filters: HistoryFilters, count: int) -> bool:
    """Whether more than `count` inspections are found."""
    return _count(connection, _clauses(filters, _lead(connection, filters)), count + 1) > count


def _newest(
    connection: Connection,
    filters: HistoryFilters,
    lead: str | None,
    columns: list[Any],
    cursor: str | None,
    limit: int,
) -> list[RowMapping]:
    """The newest that follow the cursor.

    A verdict at a time where its index is gone through: for several at once SQLite would read and sort all there are.
    """
    verdicts = set(filters.verdict) if lead == "verdict" else set()
    each = [filters.model_copy(update={"verdict": [verdict]}) for verdict in verdicts] or [filters]
    rows = [
        row for one in each for row in connection.execute(_select(one, lead, columns, cursor).limit(limit)).mappings()
    ]
    return sorted(rows, key=lambda row: (row["received_at"], row["id"]), reverse=True)[:limit]


def _select(filters: HistoryFilters, lead: str | None, columns: list[Any], cursor: str | None) -> Select[Any]:
    clauses = _clauses(filters, lead)
    if cursor is not None:
        clauses.append(_after(*read_cursor(cursor)))
    more = [inspections.c[name] for name in TELLING if inspections.c[name] not in set(columns)]
    query = select(*columns, *more).select_from(_JOINED).where(*clauses)
    return query.order_by(*(column.desc() for column in _ORDER))


def _lead(connection: Connection, filters: HistoryFilters) -> str | None:
    """The column whose index is gone through: of those that narrow, the first of which little is there, or else the first."""
    passed = Verdict.PASS in filters.verdict
    led = [name for name in _LEADING if getattr(filters, name)]
    if passed:
        # Nearly all pass: whatever else is asked for is rarer.
        led = [name for name in led if name != "verdict"] + ["verdict"] * (len(filters.verdict) == 1)
    if Decided.NONE in filters.decision:
        led = [name for name in led if name != "decision"]
    named = [name for name in led if name in _NAMED]
    if len(led) < 2 or not named:
        return led[0] if led else None
    within = _within(filters, inspections)
    counts = {
        name: _count(connection, [inspections.c[name] == getattr(filters, name), *within], _FEW) for name in named
    }
    return min(led, key=lambda name: counts.get(name, _FEW))


def _after(
    received_at: datetime | ColumnElement[datetime],
    id: str,
    rows: FromClause = inspections,
) -> ColumnElement[bool]:
    """Of what follows this inspection in the list: older ones."""
    time = literal(received_at, Utc()) if isinstance(received_at, datetime) else received_at
    return tuple_(rows.c.received_at, rows.c.id) < tuple_(time, id)


def _clauses(
    filters: HistoryFilters, lead: str | None = None, rows: FromClause = inspections
) -> list[ColumnElement[bool]]:
    """What is found; SQLite, which knows nothing of what a column holds, looks it up by `lead` or else by time."""
    columns: dict[str, ColumnElement[Any]] = {
        name: rows.c[name] if name == lead else Unindexed(rows.c[name]) for name in _LEADING
    }
    named = {name: getattr(filters, name) for name in _NAMED}
    clauses: list[ColumnElement[bool]] = [columns[name] == value for name, value in named.items() if value is not None]
    if filters.verdict:
        clauses.append(columns["verdict"].in_([verdict.value for verdict in filters.verdict]))
    if filters.decision:
        made = columns["decision"].in_([each.value for each in filters.decision if each is not Decided.NONE])
        clauses.append(or_(made, columns["decision"].is_(None)) if Decided.NONE in filters.decision else made)
    return [*clauses, *_within(filters, rows)]


def _within(filters: HistoryFilters, rows: FromClause) -> list[ColumnElement[bool]]:
    since = [] if filters.since is None else [rows.c.received_at >= filters.since]
    return since if filters.until is None else [*since, rows.c.received_at < filters.until]


def _boxes(stored: list[dict[str, Any]] | None) -> str:
    return format_boxes(tuple(Box(**box) for box in stored or ()))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)

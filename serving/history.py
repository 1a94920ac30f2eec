"""Past inspections as people look for them: pages in order of time, and the same as a table for a spreadsheet."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, FromClause, RowMapping, Select, func, literal, or_, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from data.box import Box, format_boxes
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
        )
    ),
    reviews.c.reviewer,
    inspections.c.image_kept,
    inspections.c.image_removed_at,
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
_NAMED = ("part_id", "lot", "product", "line", "station", "class_name")
_ORDER = (inspections.c.received_at, inspections.c.id)
COLUMNS = [column.name for column in (*_ITEM, *_MORE)]
"""of the table, in order"""


def list_page(connection: Connection, query: HistoryQuery, sight: Sight) -> HistoryPage:
    """One page, newest first, found by the last row of the page before, so that the thousandth is as quick as the first.

    Raises a 422 problem for a cursor that no page gave.
    """
    rows: list[dict[str, Any]] = []
    cursor = query.cursor
    while True:
        found = connection.execute(_select(query, _ITEM, cursor).limit(query.limit + 1)).mappings().all()
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
    found = select(*_ORDER, number).select_from(_JOINED).where(*_clauses(filters))
    rows = found.order_by(*(column.desc() for column in _ORDER)).limit(OUTLINED + 1).subquery()
    wanted = (rows.c.number == 1) | (rows.c.number % OUTLINE_PAGE == 0)
    marks = connection.execute(select(rows).where(wanted).order_by(rows.c.number)).all()
    if not marks:
        return HistoryOutline(items=0, pages=[], older=None)
    # A page follows the last inspection of the one before; the first follows a moment later than its newest.
    first = (marks[0].received_at + timedelta(microseconds=1), "")
    ends = [first, *((mark.received_at, mark.id) for mark in marks[1:])]
    full = len(ends) - 1
    left = _count_after(connection, filters, ends[-1], OUTLINE_PAGE)
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


def _count_after(connection: Connection, filters: HistoryFilters, end: tuple[datetime, str], most: int) -> int:
    query = select(inspections.c.id).select_from(_JOINED).where(*_clauses(filters), _after(*end))
    return connection.execute(select(func.count()).select_from(query.limit(most).subquery())).scalar_one()


def _hidden(
    connection: Connection, filters: HistoryFilters, sight: Sight, ends: Sequence[tuple[datetime, str]]
) -> Counter[int]:
    """By page, how many of what is found must not be found by the caller; older ones count to a page after the last."""
    if not sight.hides or not (_asks_verdict(filters) or _asks_decision(filters)):
        return Counter()
    # The few that wait first, and then which of them are found: SQLite would look through all that are found.
    names = {"id", "received_at", "review_id", *TELLING, *_NAMED}
    few = select(*(inspections.c[name] for name in sorted(names))).where(inspections.c.queue_cost.is_not(None))
    waiting = few.cte().prefix_with("MATERIALIZED")
    query = select(waiting, reviews.c.reviewer).outerjoin(reviews, reviews.c.client_id == waiting.c.review_id)
    clauses = [*_clauses(filters, waiting), _after(*ends[0], waiting)]
    rows = connection.execute(query.where(*clauses)).mappings().all()
    seen = {row["id"] for row in _seen(rows, filters, sight)}
    oldest_first = ends[::-1]
    return Counter(
        len(ends) - 1 - bisect_right(oldest_first, (row["received_at"], row["id"]))
        for row in rows
        if row["id"] not in seen
    )


def list_reviews(connection: Connection, id: str, sight: Sight) -> list[Review]:  # noqa: A002 - the API's name
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
    telling, decided = _asks_verdict(filters), _asks_decision(filters)
    return [
        sight.of_row(row)
        for row in rows
        if not ((telling and sight.hidden(row)) or (decided and sight.decision_hidden(row)))
    ]


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
    while True:
        with store.reading() as connection:
            rows = connection.execute(_select(filters, [*_ITEM, *_MORE], cursor).limit(_CHUNK)).mappings().all()
        yield [{**row, "boxes": _boxes(row["boxes"])} for row in _seen(rows, filters, sight)]
        if len(rows) < _CHUNK:
            return
        cursor = write_cursor(rows[-1]["received_at"], rows[-1]["id"])


def more_than(connection: Connection, filters: HistoryFilters, count: int) -> bool:
    """Whether more than `count` inspections are found."""
    found = select(inspections.c.id).select_from(_JOINED).where(*_clauses(filters)).limit(count + 1).subquery()
    return connection.execute(select(func.count()).select_from(found)).scalar_one() > count


def _select(filters: HistoryFilters, columns: list[Any], cursor: str | None) -> Select[Any]:
    clauses = _clauses(filters)
    if cursor is not None:
        clauses.append(_after(*read_cursor(cursor)))
    more = [inspections.c[name] for name in TELLING if inspections.c[name] not in set(columns)]
    query = select(*columns, *more).select_from(_JOINED).where(*clauses)
    return query.order_by(*(column.desc() for column in _ORDER))


def _after(
    received_at: datetime | ColumnElement[datetime],
    id: str,  # noqa: A002 - the API's name
    rows: FromClause = inspections,
) -> ColumnElement[bool]:
    """Of what follows this inspection in the list: older ones."""
    time = literal(received_at, Utc()) if isinstance(received_at, datetime) else received_at
    return tuple_(rows.c.received_at, rows.c.id) < tuple_(time, id)


def _clauses(filters: HistoryFilters, rows: FromClause = inspections) -> list[ColumnElement[bool]]:
    table = rows.c
    named = {name: getattr(filters, name) for name in _NAMED}
    clauses: list[ColumnElement[bool]] = [table[name] == value for name, value in named.items() if value is not None]
    if filters.verdict:
        clauses.append(table.verdict.in_([verdict.value for verdict in filters.verdict]))
    if filters.decision:
        made = table.decision.in_([each.value for each in filters.decision if each is not Decided.NONE])
        clauses.append(or_(made, table.decision.is_(None)) if Decided.NONE in filters.decision else made)
    if filters.reviewer is not None:
        clauses += [reviews.c.reviewer == filters.reviewer, table.decision.is_not(None)]
    if filters.since is not None:
        clauses.append(table.received_at >= filters.since)
    if filters.until is not None:
        clauses.append(table.received_at < filters.until)
    return clauses


def _boxes(stored: list[dict[str, Any]] | None) -> str:
    return format_boxes(tuple(Box(**box) for box in stored or ()))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)

"""What frames, parts and reviews of a scope come to: whole half-hours from the tables that the database keeps by trigger
(migration 0015), the ends of a period from the rows. The answer is the same as from rows alone.

A part counts at a station where its first frame there came, and how it did there by the first frame of each camera, whenever
that came: later frames follow rework.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Subquery,
    Table,
    and_,
    case,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)

from data.verdict import ReviewDecision, Verdict
from serving.hourly import UNNAMED, defect_name
from serving.quality_schema import GroupBy
from serving.schema import AuditKind
from serving.scope import Piece, Scope, whole_slots
from serving.settings import LineClock
from serving.tables import RECORDED, reviews, tallies, tallies_by_name

_UNIT = ("product", "station", "part_id")
_OF_PARTS = ("units", "units_failed", "units_waiting", "units_defective", "timed", "seconds", "squared_seconds")
JUDGED = (ReviewDecision.DEFECT_CONFIRMED.value, ReviewDecision.FALSE_CALL.value)
"""Decisions that say whether the part is defective."""

LONGEST_SECONDS = 300.0
"""Of a review that counts among the times: whoever took longer was called away."""


@dataclass
class Group:
    """Parts at one station, and the reviews and times of frames there."""

    of: str
    line: str
    product: str
    station: str
    units: int = 0
    failed: int = 0
    waiting: int = 0
    defective: int = 0
    timed: int = 0
    seconds: float = 0.0
    squared_seconds: float = 0.0
    called_away: int = 0
    """timed reviews longer than LONGEST_SECONDS, which are not among the former"""
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True)
class Span:
    """A scope, cut into what is tallied and what is left at its ends."""

    scope: Scope
    by: GroupBy | None
    pieces: Sequence[Piece]
    whole: Sequence[Piece] = field(init=False)
    edges: Sequence[Piece] = field(init=False)

    def __post_init__(self) -> None:
        whole, edges = whole_slots(self.pieces)
        object.__setattr__(self, "whole", whole)
        object.__setattr__(self, "edges", edges)

    def rows(self, pieces: Sequence[Piece], **only: str | Select[Any]) -> Subquery:
        """As Scope.recorded; there must be a piece."""
        return self.scope.recorded(pieces, self.by, **only).subquery()


def span_of(scope: Scope, by: GroupBy | None = None, clocks: Sequence[LineClock] = ()) -> Span:
    """The scope, cut for its groups. Raises a 422 problem for more shifts than can be asked for at once."""
    return Span(scope, by, scope.pieces(by, clocks))


def sums(
    connection: Connection, span: Span, names: Sequence[str], keys: Sequence[str] = ()
) -> Iterator[Row[tuple[Any, ...]]]:
    """`of`, `keys` and the sums of the columns `names` of the whole half-hours, a row for each group and key."""
    if not span.whole:
        return iter(())
    groups = [tallies.c[key] for key in keys]
    totals = [func.sum(tallies.c[name]).label(name) for name in names]
    query = span.scope.select(tallies, tallies.c.slot, span.whole, span.by, *groups, *totals)
    # Without a GROUP BY where there is one group: SQLite sorts all rows for it. Then no rows still give one.
    key = [*groups, *([] if span.by is None else [query.selected_columns.of])]
    return iter(connection.execute(query.group_by(*key).having(func.count() > 0)))


def names_of(connection: Connection, span: Span, kind: str) -> dict[str, Counter[str]]:
    """By group, how often each name of a kind of `tallies_by_name` comes in the whole half-hours."""
    found: dict[str, Counter[str]] = {}
    if not span.whole:
        return found
    table = tallies_by_name.c
    query = span.scope.select(tallies_by_name, table.slot, span.whole, span.by, table.name, func.sum(table.n))
    query = query.where(table.kind == kind).group_by(table.name, query.selected_columns.of)
    for name, n, of in connection.execute(query):
        if n:
            found.setdefault(of, Counter())[name] += int(n)
    return found


def classes(connection: Connection, span: Span) -> dict[str, Counter[str]]:
    """By group, confirmed frames that are no challenge by the class that the reviewer gave, else the model's."""
    found = names_of(connection, span, "defect_class")
    if span.edges:
        frames = span.rows(span.edges, decision=ReviewDecision.DEFECT_CONFIRMED.value)
        name = func.coalesce(reviews.c.defect_class, frames.c.class_name, UNNAMED)
        joined = frames.outerjoin(reviews, reviews.c.client_id == frames.c.review_id)
        query = select(frames.c.of, name, func.count()).select_from(joined).where(_is_production(frames))
        for of, class_name, n in connection.execute(query.group_by(frames.c.of, name)):
            found.setdefault(of, Counter())[class_name] += n
    return {of: _named(by_class) for of, by_class in found.items()}


def _named(by_class: Counter[str]) -> Counter[str]:
    named: Counter[str] = Counter()
    for name, n in by_class.items():
        named[defect_name(name)] += n
    return named


def whole(connection: Connection, span: Span, names: Sequence[str]) -> Sequence[Row[tuple[Any, ...]]]:
    """What `groups` takes of the whole half-hours, with the sums of `names` besides: a row for each `of`, line, product, station.

    In one question: reading the tallies of a month takes most of its time.
    """
    if not span.whole:
        return ()
    table = tallies.c
    keys = (table.line, table.product, table.station)
    columns = (
        *keys,
        *(func.sum(table[name]).label(name) for name in (*_OF_PARTS, *names)),
        func.min(table.first_at).label("first_at"),
        func.max(table.last_at).label("last_at"),
    )
    query = span.scope.select(tallies, table.slot, span.whole, span.by, *columns)
    return connection.execute(query.group_by(*keys, query.selected_columns.of)).all()


def groups(connection: Connection, span: Span, tallied: Iterable[Row[tuple[Any, ...]]] | None = None) -> list[Group]:
    """What the parts of each group came to, for each line, product and station; `tallied` is what `whole` gave, if known."""
    found: dict[tuple[str, ...], Group] = {}

    def at(of: str, line: str, product: str, station: str) -> Group:
        key = (of, line, product, station)
        return found.setdefault(key, Group(*key))

    for row in whole(connection, span, ()) if tallied is None else tallied:
        group = at(row.of, row.line, row.product, row.station)
        group.units, group.failed = int(row.units), int(row.units_failed)
        group.waiting, group.defective = int(row.units_waiting), int(row.units_defective)
        group.timed, group.seconds = int(row.timed), float(row.seconds)
        group.squared_seconds = float(row.squared_seconds)
        group.first_at, group.last_at = row.first_at, row.last_at
    for row in _called_away(connection, span):
        group = at(row.of, row.line, row.product, row.station)
        group.timed -= row.called_away
        group.seconds = max(0.0, group.seconds - float(row.seconds))
        group.squared_seconds = max(0.0, group.squared_seconds - float(row.squared_seconds))
        group.called_away = row.called_away
    if span.edges:
        for row in connection.execute(_units(span)):
            group = at(row.of, row.line, row.product, row.station)
            group.units += row.units
            group.failed += int(row.failed)
            group.waiting += int(row.waiting)
            group.defective += int(row.defective)
        for row in connection.execute(_effort(span)):
            group = at(row.of, row.line, row.product, row.station)
            group.timed += row.timed
            group.called_away += row.called_away
            group.seconds += float(row.seconds)
            group.squared_seconds += float(row.squared_seconds)
        for row in connection.execute(_times(span)):
            group = at(row.of, row.line, row.product, row.station)
            group.first_at = row.first_at if group.first_at is None else min(group.first_at, row.first_at)
            group.last_at = row.last_at if group.last_at is None else max(group.last_at, row.last_at)
    return list(found.values())


def judged(connection: Connection, span: Span) -> tuple[int, set[str]]:
    """How many frames anyone ever called defective or good, and who did."""
    frames = sum(int(row.judged) for row in sums(connection, span, ["judged"]))
    people = {name for names in names_of(connection, span, "reviewer").values() for name in names}
    if span.edges:
        rows = span.rows(span.edges)
        query = select(rows.c.id, reviews.c.reviewer).distinct()
        query = query.select_from(rows.join(reviews, reviews.c.inspection_id == rows.c.id))
        called = connection.execute(query.where(reviews.c.decision.in_(JUDGED))).all()
        frames += len({id_ for id_, _ in called})
        people.update(reviewer for _, reviewer in called)
    return frames, people


def _units(span: Span) -> Any:
    """Parts whose first frame at the station is in the edges, and how the first frames of their cameras did."""
    rows = span.rows(span.edges)
    seen = select(*(rows.c[name] for name in _UNIT)).distinct().cte("units_at_the_edges")
    frames = union_all(*(_first_frames(table, seen) for table in RECORDED)).subquery()
    unit, order = [frames.c[name] for name in _UNIT], (frames.c.received_at, frames.c.id)
    nth = func.row_number().over(partition_by=(*unit, frames.c.camera), order_by=order).label("nth")
    place = func.row_number().over(partition_by=unit, order_by=order).label("place")
    views = select(frames, nth, place).subquery()
    passed = views.c.verdict == Verdict.PASS.value
    decision = func.coalesce(views.c.decision, ReviewDecision.UNSURE.value)
    undecided = decision == ReviewDecision.UNSURE.value
    good = or_(and_(passed, undecided), decision == ReviewDecision.FALSE_CALL.value)
    units = (
        select(
            func.max(case((views.c.place == 1, views.c.id))).label("first_id"),
            func.max(_one(not_(good))).label("failed"),
            func.max(_one(and_(~passed, undecided))).label("waiting"),
            func.max(_one(decision == ReviewDecision.DEFECT_CONFIRMED.value)).label("defective"),
        )
        .where(views.c.nth == 1)
        .group_by(views.c.product, views.c.station, views.c.part_id)
        .cte("units")
    )
    rows = span.rows(span.edges, id=select(units.c.first_id))
    return (
        select(
            *_key(rows),
            func.count().label("units"),
            func.sum(units.c.failed).label("failed"),
            # What is known to be defective waits for nobody.
            func.sum(units.c.waiting * (1 - units.c.defective)).label("waiting"),
            func.sum(units.c.defective).label("defective"),
        )
        .select_from(units.join(rows, rows.c.id == units.c.first_id))
        .group_by(*_key(rows))
    )


def _first_frames(table: Table, units: CTE) -> Select[tuple[Any, ...]]:
    """The first frame in `table` of each camera of each unit: three looks into an index for each, however many frames they have.

    A reader that could not read a code sends the same part_id over and over.
    """

    def of(row: CTE) -> list[ColumnElement[bool]]:
        # Spelled out as the index has it, or SQLite does not take that.
        production = func.coalesce(table.c.audit, literal_column("''")) != literal_column(
            f"'{AuditKind.CHALLENGE.value}'"
        )
        return [*(table.c[name] == row.c[name] for name in _UNIT), production]

    def camera(row: CTE, *after: ColumnElement[bool]) -> ColumnElement[str]:
        return select(func.min(table.c.camera)).where(*of(row), *after).correlate(row).scalar_subquery().label("camera")

    known = select(units, camera(units)).cte(f"views_of_{table.name}", recursive=True)
    more = select(*(known.c[name] for name in _UNIT), camera(known, table.c.camera > known.c.camera))
    views = known.union_all(more.where(known.c.camera.is_not(None)))
    first = select(table.c.id).where(*of(views), table.c.camera == views.c.camera).correlate(views)
    first_id = first.order_by(table.c.received_at, table.c.id).limit(1).scalar_subquery()
    frame = table.alias()
    columns = (frame.c[name] for name in ("id", *_UNIT, "camera", "received_at", "verdict", "decision"))
    return select(*columns).select_from(views.join(frame, frame.c.id == first_id))


def _called_away(connection: Connection, span: Span) -> Iterator[Row[tuple[Any, ...]]]:
    """Reviews of the whole half-hours, all of whose seconds are tallied, that are too long to count."""
    if not span.whole:
        return iter(())
    long = reviews.c.seconds > LONGEST_SECONDS
    rows = span.rows(span.whole, id=select(reviews.c.inspection_id).where(long))
    key, seconds = _key(rows), reviews.c.seconds
    query = select(
        *key,
        func.count().label("called_away"),
        func.sum(seconds).label("seconds"),
        func.sum(seconds * seconds).label("squared_seconds"),
    ).select_from(rows.join(reviews, reviews.c.inspection_id == rows.c.id))
    return iter(connection.execute(query.where(long).group_by(*key)))


def _effort(span: Span) -> Any:
    rows = span.rows(span.edges)
    key, seconds = _key(rows), case((reviews.c.seconds <= LONGEST_SECONDS, reviews.c.seconds))
    return (
        select(
            *key,
            func.count(seconds).label("timed"),
            func.coalesce(func.sum(seconds), 0.0).label("seconds"),
            func.coalesce(func.sum(seconds * seconds), 0.0).label("squared_seconds"),
            (func.count() - func.count(seconds)).label("called_away"),
        )
        .select_from(rows.join(reviews, reviews.c.inspection_id == rows.c.id))
        .where(reviews.c.seconds.is_not(None))
        .group_by(*key)
    )


def _times(span: Span) -> Any:
    rows = span.rows(span.edges)
    at = rows.c.received_at
    return select(*_key(rows), func.min(at).label("first_at"), func.max(at).label("last_at")).group_by(*_key(rows))


def _key(rows: FromClause) -> list[ColumnElement[Any]]:
    return [rows.c[name] for name in ("of", "line", "product", "station")]


def _is_production(rows: FromClause) -> ColumnElement[bool]:
    return rows.c.audit.is_distinct_from(AuditKind.CHALLENGE.value)


def _one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)

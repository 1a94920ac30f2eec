"""Which frames a figure is about: a period, and what else narrows it; and which groups it is told for."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from data.wording import text
from serving.hourly import split
from serving.problem import ProblemError
from serving.quality_schema import GroupBy
from serving.settings import LineClock
from serving.shifts import shift_runs
from serving.tables import RECORDED, SLOT, Utc, microseconds

_COLUMNS = (
    "id",
    "received_at",
    "product",
    "line",
    "station",
    "camera",
    "part_id",
    "lot",
    "verdict",
    "decision",
    "class_name",
    "review_id",
    "model_version",
    "audit",
    "audit_band",
    "audit_probability",
)

MOST_PIECES = 8000
_FEW_PIECES = 16


@dataclass(frozen=True)
class Piece:
    """The time [start, end) of one shift; without shifts the whole period."""

    start: datetime
    end: datetime
    shift: str = ""
    """empty where no shift runs"""
    clock: str = ""
    """the line whose clock it is; empty is for all lines without one of their own"""
    own: tuple[str, ...] = ()
    """the lines that have one"""


@dataclass(frozen=True)
class Scope:
    """Frames received in [since, until); None takes all."""

    since: datetime
    until: datetime
    line: str | None = None
    station: str | None = None
    product: str | None = None
    lot: str | None = None
    model_version: str | None = None
    shift: str | None = None
    among: frozenset[str] | None = None
    """names of groups; of others nothing is told"""

    def pieces(self, by: GroupBy | None = None, clocks: Sequence[LineClock] = ()) -> list[Piece]:
        """The period, cut where shifts change if it is asked for by them. Raises a 422 problem for more than can be asked."""
        if by is not GroupBy.SHIFT and self.shift is None:
            return [Piece(self.since, self.until)]
        by_clock = {clock.line or "": clock for clock in reversed(clocks)}
        own = tuple(sorted(by_clock.keys() - {""}))
        found = [
            piece
            for name in sorted({"", *by_clock})
            for piece in self._shifts(name, by_clock.get(name), own)
            if self.shift is None or piece.shift == self.shift
        ]
        if len(found) > MOST_PIECES:
            raise ProblemError(
                422,
                text(
                    f"since: {len(found):,} shifts up to until; at most {MOST_PIECES:,} are counted at once",
                    f"since：到 until 為止共 {len(found):,} 個班次；一次最多統計 {MOST_PIECES:,} 個，請縮短期間",
                ),
            )
        return found

    def _shifts(self, name: str, clock: LineClock | None, own: tuple[str, ...]) -> Iterator[Piece]:
        """The runs of a clock and the gaps between them."""
        at, more = self.since, (name, own)
        for run in () if clock is None else shift_runs(clock, self.since, self.until):
            start, end = max(run.start, at), min(run.end, self.until)
            if start >= end:
                continue
            if at < start:
                yield Piece(at, start, "", *more)
            yield Piece(start, end, run.name, *more)
            at = end
        if at < self.until:
            yield Piece(at, self.until, "", *more)

    def recorded(
        self, pieces: Sequence[Piece], by: GroupBy | None = None, **only: str | Select[Any]
    ) -> CompoundSelect[tuple[Any, ...]]:
        """Every frame of `pieces` within the scope, with the column `of` that names its group (empty without `by`).

        `only` names columns with the value that they must have, or a query of such values.
        """
        # `+ 0`, or SQLite would go through every frame of the period for the few that are looked for.
        looked_up = any(isinstance(value, Select) for value in only.values())
        return union_all(
            *(
                self.select(
                    table,
                    type_coerce(type_coerce(table.c.received_at, BigInteger) + 0, Utc)
                    if looked_up
                    else table.c.received_at,
                    pieces,
                    by,
                    *(table.c[name] for name in _COLUMNS),
                ).where(
                    *(
                        table.c[name].in_(value) if isinstance(value, Select) else table.c[name] == value
                        for name, value in only.items()
                    )
                )
                for table in RECORDED
            )
        )

    def select(
        self,
        table: Table,
        time: ColumnElement[datetime],
        pieces: Sequence[Piece],
        by: GroupBy | None,
        *columns: ColumnElement[Any],
    ) -> Select[tuple[Any, ...]]:
        """Columns of a table that has those of the scope, and `of`, where `time` is in one of the pieces (one at least)."""
        scoped = ("line", "station", "product", "lot", "model_version")
        narrowed = [table.c[name] == value for name in scoped if (value := getattr(self, name)) is not None]

        def told(shift: ColumnElement[str]) -> Select[tuple[Any, ...]]:
            of = _group(table, by, shift)
            # In `coalesce`, so that SQLite does not look up every frame of these groups.
            wanted = [] if self.among is None else [func.coalesce(of, "").in_(sorted(self.among))]
            return select(*columns, of.label("of")).where(*narrowed, *wanted)

        own = sorted({*pieces[0].own, *(piece.clock for piece in pieces if piece.clock)})
        clock: ColumnElement[str] = (
            case((table.c.line.in_(own), table.c.line), else_="") if own else literal("", String)
        )
        if len(pieces) <= _FEW_PIECES:
            # Plain conditions, not a join: SQLite takes the index of the time for each of them, and PostgreSQL knows that they
            # are met by few rows.
            spans = [and_(time >= one.start, time < one.end, *([clock == one.clock] if own else [])) for one in pieces]
            named = [(span, one.shift) for span, one in zip(spans, pieces, strict=True) if one.shift]
            return told(case(*named, else_="") if named else literal("", String)).where(or_(*spans))
        cuts = _cte(tuple(pieces))
        within = and_(time >= cuts.c.start_at, time < cuts.c.end_at, cuts.c.clock == clock)
        return told(cuts.c.shift).select_from(cuts.join(table, within))


def whole_slots(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """What `tallies` have of the pieces, and what is left at their ends, to be counted from rows."""
    whole, edges = [], []
    for piece in pieces:
        inner, outer = split(piece.start, piece.end, SLOT)
        whole += [] if inner is None else [replace(piece, start=inner[0], end=inner[1])]
        edges += [replace(piece, start=start, end=end) for start, end in outer]
    return whole, edges


@lru_cache(maxsize=32)
def _cte(pieces: tuple[Piece, ...]) -> CTE:
    """The pieces as one parameter: to write out a statement of a month's shifts took longer than to answer it.

    Remembered, so that the parts of a question share it; and materialized, or SQLite reads the JSON again for every row that
    falls into a piece.
    """
    rows = [(microseconds(piece.start), microseconds(piece.end), piece.shift, piece.clock) for piece in pieces]
    row = _JsonRows(literal(json.dumps(rows), String)).table_valued("value").c.value
    columns = (("start_at", Utc), ("end_at", Utc), ("shift", String), ("clock", String))
    return (
        select(
            *(
                cast(_JsonItem(row, literal_column(f"{place}")), of).label(name)
                for place, (name, of) in enumerate(columns)
            )
        )
        .cte()
        .prefix_with("MATERIALIZED")
    )


class _JsonRows(FunctionElement[Any]):
    """The items of a JSON array, a row each."""

    inherit_cache = True


class _JsonItem(FunctionElement[Any]):
    """Of a JSON array the item at a place."""

    inherit_cache = True


@compiles(_JsonRows, "sqlite")
def _rows_in_sqlite(element: _JsonRows, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(_JsonRows, "postgresql")
def _rows_in_postgresql(element: _JsonRows, compiler: SQLCompiler, **kw: Any) -> str:
    return f"jsonb_array_elements(CAST({compiler.process(element.clauses, **kw)} AS JSONB))"


@compiles(_JsonItem, "sqlite")
def _item_in_sqlite(element: _JsonItem, compiler: SQLCompiler, **kw: Any) -> str:
    array, place = (compiler.process(each, **kw) for each in element.clauses)
    return f"json_extract({array}, '$[{place}]')"


@compiles(_JsonItem, "postgresql")
def _item_in_postgresql(element: _JsonItem, compiler: SQLCompiler, **kw: Any) -> str:
    array, place = (compiler.process(each, **kw) for each in element.clauses)
    return f"({array} ->> {place})"


def _group(table: Table, by: GroupBy | None, shift: ColumnElement[str]) -> ColumnElement[str]:
    match by:
        case None:
            return literal("", String)
        case GroupBy.SHIFT:
            return shift
        case GroupBy.MODEL:
            return func.coalesce(table.c.model_version, "")
        case _:
            named: ColumnElement[str] = table.c[by.value]
            return named

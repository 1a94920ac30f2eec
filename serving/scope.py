"""Which frames a figure is about: a period, and what else narrows it; and which groups it is told for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    String,
    and_,
    case,
    literal,
    or_,
    select,
    union_all,
)

from serving.quality_schema import GroupBy
from serving.settings import Settings
from serving.shifts import shift_runs
from serving.tables import RECORDED

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

    def clauses(self, table: FromClause, settings: Settings) -> list[ColumnElement[bool]]:
        """Conditions on one of `RECORDED`."""
        clauses: list[ColumnElement[bool]] = [table.c.received_at >= self.since, table.c.received_at < self.until]
        named = ("line", "station", "product", "lot", "model_version")
        clauses += [table.c[name] == value for name in named if (value := getattr(self, name)) is not None]
        if self.shift is not None:
            clauses.append(self._shift_of(table, settings) == self.shift)
        return clauses

    def recorded(self, settings: Settings, by: GroupBy | None = None) -> CompoundSelect[tuple[object, ...]]:
        """Every frame of the scope, with the column `of` that names its group (empty without `by`)."""
        return union_all(
            *(
                select(*(table.c[name] for name in _COLUMNS), self._group(table, settings, by).label("of")).where(
                    *self.clauses(table, settings)
                )
                for table in RECORDED
            )
        )

    def _group(self, table: FromClause, settings: Settings, by: GroupBy | None) -> ColumnElement[str]:
        match by:
            case None:
                return literal("", String)
            case GroupBy.SHIFT:
                return self._shift_of(table, settings)
            case GroupBy.MODEL:
                return case((table.c.model_version.is_(None), ""), else_=table.c.model_version)
            case _:
                column: ColumnElement[str] = table.c[by.value]
                return column

    def _shift_of(self, table: FromClause, settings: Settings) -> ColumnElement[str]:
        own = [clock.line for clock in settings.clocks if clock.line is not None]
        whens: list[tuple[ColumnElement[bool], str]] = []
        for clock in settings.clocks:
            on_line = table.c.line == clock.line if clock.line is not None else table.c.line.not_in(own)
            for name in dict.fromkeys(shift.name for shift in clock.shifts):
                runs = [run for run in shift_runs(clock, self.since, self.until) if run.name == name]
                times = [and_(table.c.received_at >= run.start, table.c.received_at < run.end) for run in runs]
                if times:
                    whens.append((and_(on_line, or_(*times)), name))
        return case(*whens, else_="") if whens else literal("", String)


def lines_of(connection: Connection, scope: Scope, settings: Settings) -> list[str]:
    """The lines that have frames in the scope, by name."""
    frames = scope.recorded(settings).subquery()
    return sorted(connection.execute(select(frames.c.line).distinct()).scalars())

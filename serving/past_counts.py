"""Counts by line, product and day: imported ones, and those that this system took itself."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, Select, func, select

from data.verdict import DECIDED, ReviewDecision, Verdict
from data.wording import Text, text
from serving.audit import Action
from serving.baseline_schema import HistoryRow, Imported, LineCounts, TimedDay, TimedDays
from serving.batches import add_batch
from serving.hourly import frames_by_line, parts_by_line
from serving.plant_day import start_of
from serving.problem import ProblemError
from serving.quality.escape import Band
from serving.schema import AuditKind
from serving.scope import Scope
from serving.tables import BANDED, FLAGGED, OUTCOMES, history
from serving.tallies import Group, Span, groups, span_of, sums

_PASSED = (*BANDED, "passed_known")
MOST_FRAMES_A_PART = 1.1
"""Up to here shares of frames pass for shares of parts: a part that is looked at again after rework has more frames."""
COUNTS = ("flagged", "false_calls", "confirmed", "audited", "audit_defects", "escapes")


def import_history(
    connection: Connection, rows: Sequence[HistoryRow], replace: bool, person: str, reason: str
) -> Imported:
    """Add rows. Raises a 409 problem for a day of a line and product that is there or twice in the rows.

    With `replace`, rows that are there are superseded; they stay on record.
    """
    keys = [(row.day.isoformat(), row.line, row.product) for row in rows]
    twice = sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    if twice:
        named = _named(twice[0])
        raise ProblemError(
            409,
            text(
                f"history: {named.en} is given more than once; nothing was kept",
                f"過去的統計：{named.zh_hant}出現不只一次；未保存任何資料",
            ),
        )
    first, last = min(keys)[0], max(keys)[0]
    if not replace:
        known = connection.execute(
            select(history.c.day, history.c.line, history.c.product).where(history.c.day.between(first, last))
        )
        there = sorted({tuple(row) for row in known} & set(keys))
        if there:
            named = _named(there[0])
            raise ProblemError(
                409,
                text(
                    f"history: {named.en} is there already ({len(there)} such rows); nothing was kept. "
                    "Send it with replace=true when the new counts are the right ones",
                    f"過去的統計：{named.zh_hant}已存在（共 {len(there)} 列）；未保存任何資料。"
                    "若新的數字才正確，請以 replace=true 重新送出",
                ),
            )
    values = [{**row.model_dump(), "day": row.day.isoformat()} for row in rows]
    add_batch(connection, history, values, Action.HISTORY_IMPORTED, person, reason)
    return Imported(rows=len(rows), first_day=date.fromisoformat(first), last_day=date.fromisoformat(last))


def rows_of(connection: Connection, first: date | None = None, end: date | None = None) -> list[RowMapping]:
    """The rows that count, of the days [first, end), by day, line and product."""
    newest = select(func.max(history.c.sequence)).group_by(history.c.day, history.c.line, history.c.product)
    query = select(history).where(history.c.sequence.in_(newest))
    if first is not None:
        query = query.where(history.c.day >= first.isoformat())
    if end is not None:
        query = query.where(history.c.day < end.isoformat())
    return list(connection.execute(query.order_by(history.c.day, history.c.line, history.c.product)).mappings())


def imported_counts(connection: Connection, first: date, end: date) -> list[LineCounts]:
    """Imported counts of the days [first, end); a count that any day lacks is left out of that line and product. Seconds are of
    the days that have them.
    """
    grouped: dict[tuple[str, str], list[RowMapping]] = {}
    for row in rows_of(connection, first, end):
        grouped.setdefault((row["line"], row["product"]), []).append(row)
    counts = []
    for (line, product), rows in sorted(grouped.items()):
        sums: dict[str, Any] = {
            name: None if any(row[name] is None for row in rows) else sum(row[name] for row in rows) for name in COUNTS
        }
        known = sums["false_calls"] is not None and sums["confirmed"] is not None
        counts.append(
            LineCounts(
                line=line,
                product=product,
                inspected=sum(row["inspected"] for row in rows),
                reviewed=sums["false_calls"] + sums["confirmed"] if known else None,
                timed_days=_timed_days([row for row in rows if row["inspector_seconds"] is not None]),
                **sums,
            )
        )
    return counts


def _timed_days(rows: Sequence[RowMapping]) -> TimedDays | None:
    each = [
        TimedDay(day=row["day"], inspected=row["inspected"], seconds=row["inspector_seconds"])
        for row in rows
        if row["inspected"]
    ]
    if not each:
        return None
    inspected, seconds = sum(one.inspected for one in each), sum(one.seconds for one in each)
    return TimedDays(days=len(each), inspected=inspected, seconds=seconds, each=each)


def measured_counts(connection: Connection, since: datetime, until: datetime) -> list[LineCounts]:
    """What this system counted from `since` to before `until`, challenge parts apart; returns are not counted here."""
    span = span_of(Scope(since, until))
    looked = _looked(connection, span)
    counts = []
    for one in counts_of(connection, span):
        of = looked[one.line, one.product]
        looks = max(one.looks or 0, of.timed + of.called_away)
        times = {"timed": of.timed, "seconds": of.seconds, "squared_seconds": of.squared_seconds}
        counts.append(one.model_copy(update={"units": of.units, "looks": looks, **times}))
    return counts


def counts_of(connection: Connection, span: Span) -> list[LineCounts]:
    """As `measured_counts`, but without parts and times of looks, of a scope that is cut already and has no groups."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    audits: dict[tuple[str, str], Band] = {}
    drawn_for: Counter[tuple[str, str]] = Counter()
    flagged = {outcome: [names[outcome] for names in FLAGGED.values()] for outcome in OUTCOMES}
    names = [*_PASSED, *(name for names in flagged.values() for name in names)]

    def at(line: str, product: str) -> dict[str, int]:
        names = ("inspected", "flagged", "reviewed", "false_calls", "confirmed")
        return found.setdefault((line, product), dict.fromkeys(names, 0))

    for row in sums(connection, span, names, ("line", "product")):
        flags = {outcome: sum(int(getattr(row, name)) for name in names) for outcome, names in flagged.items()}
        inspected = sum(int(getattr(row, name)) for name in _PASSED) + sum(flags.values())
        if inspected:
            one = at(row.line, row.product)
            one["inspected"] += inspected
            one["flagged"] += sum(flags.values())
            one["reviewed"] += sum(flags.values()) - flags["open"]
            one["false_calls"] += flags["false_call"]
            one["confirmed"] += flags["confirmed"]
    drawn = {"audit": AuditKind.SAMPLE.value, "verdict": Verdict.PASS.value}
    for pieces, only in ((span.edges, {}), (span.whole, drawn)):
        if not pieces:
            continue
        rows = span.rows(pieces, **only)
        grouped = [rows.c[name] for name in ("line", "product", "verdict", "decision", "audit", "audit_probability")]
        query: Select[Any] = select(*grouped, func.count()).where(
            rows.c.audit.is_distinct_from(AuditKind.CHALLENGE.value)
        )
        for line, product, verdict, decision, audit, chance, count in connection.execute(query.group_by(*grouped)):
            one = at(line, product)
            one["inspected"] += count
            if Verdict(verdict).flagged:
                one["flagged"] += count
                if decision in DECIDED:
                    one["reviewed"] += count
                if decision == ReviewDecision.FALSE_CALL:
                    one["false_calls"] += count
                elif decision == ReviewDecision.DEFECT_CONFIRMED:
                    one["confirmed"] += count
            elif audit is not None:
                drawn_for[line, product] += count
                if decision not in DECIDED:
                    continue
                hits = count if decision == ReviewDecision.DEFECT_CONFIRMED else 0
                audits[line, product] = audits.get((line, product), Band(0)) + Band.drawn(count, hits, chance)
    return [
        LineCounts(
            line=key[0],
            product=key[1],
            **_audits(audits.get(key)),
            escapes=None,
            looks=one["flagged"] + drawn_for[key],
            **one,
        )
        for key, one in sorted(found.items())
    ]


def _looked(connection: Connection, span: Span) -> Mapping[tuple[str, str], Group]:
    """By line and product, the parts and the times of looks at them."""
    found: dict[tuple[str, str], Group] = {}
    for one in groups(connection, span):
        at = found.setdefault((one.line, one.product), Group("", one.line, one.product, ""))
        for name in ("units", "timed", "called_away", "seconds", "squared_seconds"):
            setattr(at, name, getattr(at, name) + getattr(one, name))
    return defaultdict(lambda: Group("", "", "", ""), found)


def frames_a_part(connection: Connection, since: datetime, until: datetime, lines: Collection[str]) -> float:
    """How many frames a part has, on that one of the lines where it has most; 0 where there are none."""
    frames, parts = frames_by_line(connection, since, until), parts_by_line(connection, since, until)
    # A part belongs to the time of its first frame, so that a short period may have frames and no part.
    return max((frames[line] / max(1, parts[line]) for line in lines), default=0.0)


def _audits(found: Band | None) -> dict[str, Any]:
    if found is None:
        return {"audited": None, "audit_defects": None}
    even = max(1, int(found.effective))
    return {"audited": even, "audit_defects": found.share * even}


def span(first: date, end: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The days [first, end) of the plant as times."""
    return start_of(first, zone), start_of(end, zone)


def _named(key: tuple[str, str, str]) -> Text:
    day, line, product = key
    return text(f"{day}, line {line}, product {product}", f"{day}、產線 {line}、產品 {product} ")

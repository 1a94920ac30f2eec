"""What inspections come to by the hour, for questions about more of them than can be counted while somebody waits.

Whole hours are read from the tables that the database keeps by trigger in the transaction of each row (migration 0009); what
a period has of other hours is counted from the rows. The answer is the same as from rows alone, but for latencies: they are
kept in steps of a tenth.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Table,
    case,
    exists,
    func,
    or_,
    select,
    type_coerce,
)

from data.catalog import OK_CLASSES
from data.verdict import ReviewDecision, Verdict
from serving.tables import (
    EPOCH,
    RECORDED,
    from_microseconds,
    hourly_counts,
    hourly_latencies,
    hourly_parts,
    inspections,
    microseconds,
    reviews,
)

HOUR = timedelta(hours=1)
UNNAMED = "unnamed"

# As in migration 0009: upper edges in milliseconds, each a tenth above the one before; the last is open.
LATENCIES = [round(0.1 * 1.1**step, 3) for step in range(141)]

Outcomes = Counter[tuple[Verdict, ReviewDecision | None]]
"""Frames by verdict and the review that stands."""

Span = tuple[datetime, datetime]


def split(since: datetime, until: datetime, step: timedelta = HOUR) -> tuple[Span | None, list[Span]]:
    """[since, until) as its whole hours (or steps), None where it has none, and what is left of it at the ends."""
    length = step // timedelta(microseconds=1)
    first = -(-microseconds(since) // length) * length
    last = microseconds(until) // length * length
    if first >= last:
        return None, [(since, until)]
    whole = from_microseconds(first), from_microseconds(last)
    return whole, [(start, end) for start, end in ((since, whole[0]), (whole[1], until)) if start < end]


def outcomes(connection: Connection, since: datetime, until: datetime, line: str | None) -> Outcomes:
    """Of the whole period."""
    return sum(outcomes_by_bucket(connection, since, until, line, HOUR // timedelta(seconds=1)).values(), Counter())


def outcomes_by_bucket(
    connection: Connection, since: datetime, until: datetime, line: str | None, seconds: int, origin: datetime = EPOCH
) -> dict[int, Outcomes]:
    """Of each bucket that has frames; bucket n starts n x `seconds` after `origin`, which is not after `since`.

    Quick for buckets that begin and end with an hour.
    """
    hourly = timedelta(seconds=seconds) % HOUR == (origin - EPOCH) % HOUR == timedelta()
    whole, edges = split(since, until) if hourly else (None, [(since, until)])
    found: dict[int, Outcomes] = {}
    for table, column, frames, spans in (
        *((table, table.c.received_at, func.count(), edges) for table in RECORDED),
        (hourly_counts, hourly_counts.c.hour, func.sum(hourly_counts.c.frames), [whole] if whole else []),
    ):
        for span in spans:
            bucket = (type_coerce(column, BigInteger) - microseconds(origin)) // (seconds * 1_000_000)
            grouped = (bucket, table.c.verdict, table.c.decision)
            query = select(*grouped, frames).where(*_within(table, column, span, line)).group_by(*grouped)
            for number, verdict, decision, count in connection.execute(query):
                if count:
                    found.setdefault(int(number), Counter())[_outcome(verdict, decision)] += int(count)
    return found


def flagged_by_line_and_bucket(
    connection: Connection, since: datetime, until: datetime, seconds: int
) -> dict[str, dict[int, tuple[int, int]]]:
    """Frames, and those of them that were not passed, by line and bucket; bucket n starts n x `seconds` after 1970 UTC.

    Counted from the rows: for short periods.
    """
    found: dict[str, dict[int, tuple[int, int]]] = {}
    for table in RECORDED:
        bucket = type_coerce(table.c.received_at, BigInteger) // (seconds * 1_000_000)
        flagged = func.sum(case((table.c.verdict == Verdict.PASS.value, 0), else_=1))
        query = select(table.c.line, bucket, func.count(), flagged)
        query = query.where(*_within(table, table.c.received_at, (since, until))).group_by(table.c.line, bucket)
        for line, number, count, not_passed in connection.execute(query):
            there = found.setdefault(line, {})
            before = there.get(int(number), (0, 0))
            there[int(number)] = (before[0] + int(count), before[1] + int(not_passed))
    return found


def outcomes_ever(connection: Connection) -> Outcomes:
    """Over all time."""
    table = hourly_counts.c
    query = select(table.verdict, table.decision, func.sum(table.frames)).group_by(table.verdict, table.decision)
    found: Outcomes = Counter()
    for verdict, decision, count in connection.execute(query):
        found[_outcome(verdict, decision)] += int(count)
    return found


def confirmed_by_class(connection: Connection, since: datetime, until: datetime, line: str | None) -> dict[str, int]:
    """Confirmed defects by the class that the reviewer gave, else the model's; most frequent first."""
    whole, edges = split(since, until)
    confirmed = ReviewDecision.DEFECT_CONFIRMED.value
    found: Counter[str] = Counter()
    for table in RECORDED:
        joined = table.outerjoin(reviews, reviews.c.client_id == table.c.review_id)
        name = func.coalesce(reviews.c.defect_class, table.c.class_name, UNNAMED)
        for span in edges:
            query = select(name, func.count()).select_from(joined).where(table.c.decision == confirmed)
            query = query.where(*_within(table, table.c.received_at, span, line)).group_by(name)
            for each, count in connection.execute(query):
                found[defect_name(each)] += count
    if whole:
        hourly = hourly_counts.c
        query = select(hourly.defect_class, func.sum(hourly.frames)).where(hourly.decision == confirmed)
        query = query.where(*_within(hourly_counts, hourly.hour, whole, line)).group_by(hourly.defect_class)
        for each, count in connection.execute(query):
            found[defect_name(each)] += int(count)
    return {name: count for name, count in found.most_common() if count}


def defect_name(name: str) -> str:
    """The class that a confirmed defect is counted under.

    The model took a passed frame for good: where a person found a defect there and named none, nobody has named it.
    """
    return UNNAMED if name in OK_CLASSES else name


def frames_by_line(connection: Connection, since: datetime, until: datetime) -> Counter[str]:
    """Frames received; lines without any are left out."""
    whole, edges = split(since, until)
    found: Counter[str] = Counter()
    for table in RECORDED:
        for span in edges:
            query = select(table.c.line, func.count()).where(*_within(table, table.c.received_at, span))
            found.update(dict(iter(connection.execute(query.group_by(table.c.line)))))
    if whole:
        hourly = hourly_counts.c
        query = select(hourly.line, func.sum(hourly.frames)).where(*_within(hourly_counts, hourly.hour, whole))
        found.update({line: int(count) for line, count in connection.execute(query.group_by(hourly.line))})
    return +found


def parts_by_line(connection: Connection, since: datetime, until: datetime) -> Counter[str]:
    """Parts whose first frame on the line was received in the period."""
    whole, edges = split(since, until)
    found: Counter[str] = Counter()
    for span in edges:
        seen: dict[str, set[str]] = {}
        for table in RECORDED:
            earlier = [_earlier(table, other.alias()) for other in RECORDED]
            query = select(table.c.line, table.c.part_id).distinct()
            query = query.where(*_within(table, table.c.received_at, span), ~or_(*earlier))
            for line, part_id in connection.execute(query):
                seen.setdefault(line, set()).add(part_id)
        found.update({line: len(parts) for line, parts in seen.items()})
    if whole:
        hourly = hourly_parts.c
        query = select(hourly.line, func.sum(hourly.parts)).where(*_within(hourly_parts, hourly.hour, whole))
        found.update({line: int(count) for line, count in connection.execute(query.group_by(hourly.line))})
    return found


def latencies_by_line(connection: Connection, since: datetime, until: datetime) -> dict[str, Counter[float]]:
    """Frames by the upper edge, in milliseconds, of the step of LATENCIES that their answer's time falls into."""
    whole, edges = split(since, until)
    found: dict[str, Counter[float]] = {}
    for span in edges:
        query = select(inspections.c.line, inspections.c.latency_ms)
        query = query.where(*_within(inspections, inspections.c.received_at, span))
        for line, latency in connection.execute(query):
            found.setdefault(line, Counter())[step_of(latency)] += 1
    if whole:
        hourly = hourly_latencies.c
        steps = select(hourly.line, hourly.up_to_ms, func.sum(hourly.frames))
        steps = steps.where(*_within(hourly_latencies, hourly.hour, whole)).group_by(hourly.line, hourly.up_to_ms)
        for line, up_to, count in connection.execute(steps):
            found.setdefault(line, Counter())[up_to] += int(count)
    return found


def step_of(latency: float) -> float:
    """The upper edge of the step that `latency`, in milliseconds, falls into."""
    return LATENCIES[min(bisect_left(LATENCIES, latency), len(LATENCIES) - 1)]


def quantile(steps: Mapping[float, int], share: float) -> float | None:
    """The latency in milliseconds that `share` of the frames do not exceed, as if they lay evenly within their step."""
    rank = share * sum(steps.values())
    if rank == 0:
        return None
    below = 0
    for up_to, count in sorted(steps.items()):
        if below + count >= rank:
            lower = _LOWER[up_to]
            return lower + (up_to - lower) * (rank - below) / count
        below += count
    return max(steps)


_LOWER = {upper: lower for lower, upper in pairwise([0.0, *LATENCIES])}


def _outcome(verdict: str, decision: str | None) -> tuple[Verdict, ReviewDecision | None]:
    return Verdict(verdict), ReviewDecision(decision) if decision else None


def _within(
    table: Table, column: ColumnElement[datetime], span: Span, line: str | None = None
) -> Iterator[ColumnElement[bool]]:
    yield column >= span[0]
    yield column < span[1]
    if line is not None:
        yield table.c.line == line


def _earlier(table: Table, other: FromClause) -> ColumnElement[bool]:
    return exists().where(
        other.c.part_id == table.c.part_id,
        other.c.line == table.c.line,
        other.c.received_at < table.c.received_at,
    )

"""Quality and throughput of a period, summed by the database. Formulas: verdict counts over stored inspections and
the reviews that stand; intervals are Wilson's at 95 % (statsmodels `proportion_confint`)."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, Table, func, select, type_coerce
from statsmodels.stats.proportion import proportion_confint

from data.verdict import ReviewDecision, Verdict
from serving.problem import ProblemError
from serving.schema import LineThroughput, QualityBucket, QualityMetrics, Rate, ThroughputMetrics
from serving.tables import inspections, reviews, tombstones

_BUCKETS = (10, 60, 300, 900, 3600, 4 * 3600, 86_400, 7 * 86_400)
_FEW_BUCKETS = 120
_MOST_BUCKETS = 2000
_SHORTEST_SPAN = timedelta(minutes=1)
_DAY = timedelta(hours=24)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

NO_AUDITS = (
    "no audits of passed parts yet: a defect that the model passed is seen by nobody, so escapes cannot be counted. "
    "Send a random sample of passed parts to review to measure them"
)

# What retention removed still counts, so that figures over the past stay what they were.
_RECORDED = (inspections, tombstones)

_Counts = Counter[tuple[Verdict, ReviewDecision | None]]


def period(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """The period asked for, by default the 24 hours up to now. Raises a 422 problem when it is empty."""
    end = until or datetime.now(UTC)
    start = since or max(end, _EARLIEST) - _DAY
    if start >= end:
        raise ProblemError(422, f"since: {start.isoformat()} is not before until, {end.isoformat()}")
    return start, end


def rate_of(numerator: int, denominator: int, why_unknown: str) -> Rate:
    """A share with its 95 % Wilson interval; unknown, for the given reason, when there is nothing to divide by."""
    if denominator == 0:
        return Rate(value=None, low=None, high=None, numerator=None, denominator=0, why_unknown=why_unknown)
    low, high = proportion_confint(numerator, denominator, alpha=0.05, method="wilson")
    return Rate(
        value=numerator / denominator,
        low=max(0.0, float(low)),
        high=min(1.0, float(high)),
        numerator=numerator,
        denominator=denominator,
    )


def quality(
    connection: Connection, since: datetime, until: datetime, line: str | None, bucket_seconds: int | None
) -> QualityMetrics:
    """Counts, rates and series of [since, until); buckets start at multiples of their length since 1970 UTC."""
    span = (until - since).total_seconds()
    seconds = bucket_seconds or next((size for size in _BUCKETS if span / size <= _FEW_BUCKETS), _BUCKETS[-1])
    if span / seconds > _MOST_BUCKETS:
        raise ProblemError(422, f"bucket_seconds: {span / seconds:,.0f} buckets; at most {_MOST_BUCKETS:,} are given")
    by_bucket: dict[int, _Counts] = {}
    for table in _RECORDED:
        bucket = type_coerce(table.c.received_at, BigInteger) // (seconds * 1_000_000)
        grouped = (bucket, table.c.verdict, table.c.decision)
        query = select(*grouped, func.count()).where(*_within(since, until, line, table)).group_by(*grouped)
        for number, verdict, decision, count in connection.execute(query):
            counts = by_bucket.setdefault(int(number), Counter())
            counts[Verdict(verdict), None if decision is None else ReviewDecision(decision)] += count
    total: _Counts = sum(by_bucket.values(), Counter())
    inspected = total.total()
    flagged = _sum(total, [verdict for verdict in Verdict if verdict.flagged])
    decided = [ReviewDecision.DEFECT_CONFIRMED, ReviewDecision.FALSE_CALL, ReviewDecision.DEFECT_ACCEPTED]
    reviewed = _of_flagged(total, *decided)
    nothing = "nothing was inspected in this period"
    return QualityMetrics(
        since=since,
        until=until,
        line=line,
        inspected=inspected,
        passed=_sum(total, [Verdict.PASS]),
        review=_sum(total, [Verdict.REVIEW]),
        rejected=_sum(total, [Verdict.REJECT]),
        no_decision=_sum(total, [Verdict.NO_DECISION]),
        waiting=flagged - reviewed,
        defects_confirmed=_decided(total, ReviewDecision.DEFECT_CONFIRMED),
        false_calls=_of_flagged(total, ReviewDecision.FALSE_CALL),
        defects_accepted=_decided(total, ReviewDecision.DEFECT_ACCEPTED),
        unsure=_decided(total, ReviewDecision.UNSURE),
        flag_rate=rate_of(flagged, inspected, nothing),
        confirmed_rate=rate_of(
            _of_flagged(total, ReviewDecision.DEFECT_CONFIRMED),
            reviewed,
            "no flagged part of this period is reviewed yet",
        ),
        false_call_rate=rate_of(_of_flagged(total, ReviewDecision.FALSE_CALL), inspected, nothing),
        escape_rate=rate_of(0, 0, NO_AUDITS),
        by_class=_by_class(connection, since, until, line),
        bucket_seconds=seconds,
        series=_series(by_bucket, seconds),
    )


def flag_reviews(connection: Connection) -> tuple[int, int, int, int]:
    """Over all time: frames inspected, flagged, flagged and confirmed defective, flagged and called false."""
    counts: _Counts = Counter()
    for table in _RECORDED:
        grouped = (table.c.verdict, table.c.decision)
        for verdict, decision, count in connection.execute(select(*grouped, func.count()).group_by(*grouped)):
            counts[Verdict(verdict), None if decision is None else ReviewDecision(decision)] += count
    return (
        counts.total(),
        _sum(counts, [verdict for verdict in Verdict if verdict.flagged]),
        _of_flagged(counts, ReviewDecision.DEFECT_CONFIRMED),
        _of_flagged(counts, ReviewDecision.FALSE_CALL),
    )


def review_seconds(connection: Connection) -> tuple[float | None, int]:
    """Mean seconds that a person looked, and over how many reviews."""
    mean, n = connection.execute(select(func.avg(reviews.c.seconds), func.count(reviews.c.seconds))).one()
    return (None if mean is None else float(mean)), n


def throughput(connection: Connection, since: datetime, until: datetime) -> ThroughputMetrics:
    """Lines by name. Parts per hour counts from the line's first frame of the period (one minute at least) to its end."""
    table = inspections.c
    within = _within(since, until, None)
    rows = connection.execute(
        select(
            table.line,
            func.count(),
            func.count(table.part_id.distinct()),
            func.min(table.received_at),
            func.max(table.received_at),
        )
        .where(*within)
        .group_by(table.line)
        .order_by(table.line)
    ).all()
    lines = []
    for line, frames, parts, first, last in rows:
        latencies = select(table.latency_ms).where(*within, table.line == line).order_by(table.latency_ms)
        hours = max(until - first, _SHORTEST_SPAN) / timedelta(hours=1)
        lines.append(
            LineThroughput(
                line=line,
                inspected=frames,
                parts=parts,
                parts_per_hour=parts / hours,
                latency_p50_ms=_quantile(connection, latencies, frames, 0.5),
                latency_p95_ms=_quantile(connection, latencies, frames, 0.95),
                last_received_at=last,
            )
        )
    during = (reviews.c.received_at >= since, reviews.c.received_at < until, reviews.c.decision.is_not(None))
    count, timed, first_review = connection.execute(
        select(func.count(), func.count(reviews.c.seconds), func.min(reviews.c.received_at)).where(*during)
    ).one()
    seconds = select(reviews.c.seconds).where(*during, reviews.c.seconds.is_not(None)).order_by(reviews.c.seconds)
    hours = max(until - first_review, _SHORTEST_SPAN) / timedelta(hours=1) if count else 1.0
    return ThroughputMetrics(
        since=since,
        until=until,
        lines=lines,
        review_seconds_median=_quantile(connection, seconds, timed, 0.5),
        review_seconds_n=timed,
        reviews_per_hour=count / hours,
    )


def _within(
    since: datetime, until: datetime, line: str | None, table: Table = inspections
) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = [table.c.received_at >= since, table.c.received_at < until]
    return clauses if line is None else [*clauses, table.c.line == line]


def _by_class(connection: Connection, since: datetime, until: datetime, line: str | None) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for table in _RECORDED:
        joined = table.join(reviews, reviews.c.client_id == table.c.review_id)
        name = func.coalesce(reviews.c.defect_class, table.c.class_name, "unnamed")
        confirmed = table.c.decision == ReviewDecision.DEFECT_CONFIRMED.value
        query = select(name, func.count()).select_from(joined).where(*_within(since, until, line, table), confirmed)
        for each, count in connection.execute(query.group_by(name)):
            counts[str(each)] += count
    return dict(counts.most_common())


def _series(by_bucket: dict[int, _Counts], seconds: int) -> list[QualityBucket]:
    if not by_bucket:
        return []
    buckets = []
    for number in range(min(by_bucket), max(by_bucket) + 1):
        counts = by_bucket.get(number, Counter())
        buckets.append(
            QualityBucket(
                start=datetime.fromtimestamp(number * seconds, UTC),
                inspected=counts.total(),
                passed=_sum(counts, [Verdict.PASS]),
                review=_sum(counts, [Verdict.REVIEW]),
                rejected=_sum(counts, [Verdict.REJECT]),
                no_decision=_sum(counts, [Verdict.NO_DECISION]),
                defects_confirmed=_decided(counts, ReviewDecision.DEFECT_CONFIRMED),
                false_calls=_of_flagged(counts, ReviewDecision.FALSE_CALL),
            )
        )
    return buckets


def _sum(counts: _Counts, verdicts: Sequence[Verdict]) -> int:
    return sum(count for (verdict, _), count in counts.items() if verdict in verdicts)


def _decided(counts: _Counts, decision: ReviewDecision) -> int:
    return sum(count for (_, made), count in counts.items() if made is decision)


def _of_flagged(counts: _Counts, *decisions: ReviewDecision) -> int:
    return sum(count for (verdict, made), count in counts.items() if verdict.flagged and made in decisions)


def _quantile(connection: Connection, ordered: Select[float], n: int, share: float) -> float | None:
    """The value that `share` of the n ordered values do not exceed (nearest rank)."""
    if n == 0:
        return None
    rank = max(0, -(-int(share * 100) * n // 100) - 1)
    return float(connection.execute(ordered.limit(1).offset(rank)).scalar_one())

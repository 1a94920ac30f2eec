"""Quality and throughput of a period. Formulas: verdict counts over stored inspections and the reviews that stand; intervals
are Wilson's at 95 % (statsmodels `proportion_confint`)."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, func, select

from data.verdict import DECIDED, ReviewDecision, Verdict
from data.wording import Text, text
from serving import escapes
from serving.hourly import (
    HOUR,
    Outcomes,
    confirmed_by_class,
    flagged_by_line_and_bucket,
    frames_by_line,
    latencies_by_line,
    outcomes,
    outcomes_by_bucket,
    parts_by_line,
    quantile,
)
from serving.metrics_schema import (
    LineThroughput,
    LineTrend,
    QualityBucket,
    QualityMetrics,
    Rate,
    ThroughputMetrics,
    Trend,
    TrendPoint,
)
from serving.plant_day import DAY_SECONDS, stretches
from serving.problem import ProblemError
from serving.quality import rates
from serving.scope import Scope
from serving.settings import Settings
from serving.tables import EPOCH, RECORDED, reviews

_BUCKETS = (10, 60, 300, 900, 3600, 4 * 3600, 86_400, 7 * 86_400)
_FEW_BUCKETS = 120
_MOST_BUCKETS = 2000
# Of a zone whose hours are not UTC's each is a question of its own.
_MOST_ASKED_ALONE = 400
_SHORTEST_SPAN = timedelta(minutes=1)
_DAY = timedelta(hours=24)
_TREND_BUCKETS, _TREND_SECONDS = 12, 300


def period(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """The period asked for, by default the 24 hours up to now. Raises a 422 problem when it is empty or yet to come."""
    now = datetime.now(UTC)
    end = until or now
    start = since or max(end, EPOCH) - _DAY
    if start >= end:
        raise ProblemError(
            422,
            text(
                f"since: {start.isoformat()} is not before until, {end.isoformat()}",
                f"since：{start.isoformat()} 不早於 until（{end.isoformat()}）",
            ),
        )
    if since is not None and since > now:
        raise ProblemError(
            422,
            text(
                f"since: {since.isoformat()} is yet to come, it is {now.isoformat(timespec='seconds')} now",
                f"since：{since.isoformat()} 尚未到來，現在是 {now.isoformat(timespec='seconds')}",
            ),
        )
    return start, end


def rate_of(
    numerator: int, denominator: int, why_unknown: Text | None = None, independent: float | None = None
) -> Rate:
    """A share with its 95 % Wilson interval; unknown, for the given reason, when there is nothing to divide by.

    `independent` is what the denominator is worth in independent counts, above 0 and by default all of it.
    """
    if denominator == 0:
        return Rate(value=None, low=None, high=None, numerator=None, denominator=0, why_unknown=why_unknown)
    worth = denominator if independent is None else independent
    share = rates.share(min(worth, numerator * worth / denominator), worth)
    return Rate(value=share.value, low=share.low, high=share.high, numerator=numerator, denominator=denominator)


def quality(
    connection: Connection,
    since: datetime,
    until: datetime,
    line: str | None,
    bucket_seconds: int | None,
    settings: Settings,
) -> QualityMetrics:
    """Counts, rates and series of [since, until).

    Buckets of more than an hour that make up a day, or are made of days, go by the plant's clock; others start at
    multiples of their length since 1970 UTC.
    """
    span = (until - since).total_seconds()
    seconds = bucket_seconds or next((size for size in _BUCKETS if span / size <= _FEW_BUCKETS), _BUCKETS[-1])
    _check_number(span / seconds, _MOST_BUCKETS)
    by_bucket = _by_bucket(connection, max(since, EPOCH), until, line, seconds, settings.zone)
    total: Outcomes = sum(by_bucket.values(), Counter())
    inspected = total.total()
    flagged = _sum(total, [verdict for verdict in Verdict if verdict.flagged])
    reviewed = _of_flagged(total, *DECIDED)
    nothing = text("nothing was inspected in this period", "此期間沒有檢驗資料")
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
            text("no flagged part of this period is reviewed yet", "此期間尚無已複判的標示零件"),
        ),
        false_call_rate=rate_of(_of_flagged(total, ReviewDecision.FALSE_CALL), inspected, nothing),
        escape_rate=escapes.rate_of(escapes.metrics(connection, Scope(since, until, line), settings).rate),
        by_class=confirmed_by_class(connection, since, until, line),
        bucket_seconds=seconds,
        series=_series(by_bucket),
    )


def throughput(connection: Connection, since: datetime, until: datetime) -> ThroughputMetrics:
    """Lines by name. Parts per hour counts from the line's first frame of the period (one minute at least) to its end."""
    frames, parts = frames_by_line(connection, since, until), parts_by_line(connection, since, until)
    latencies = latencies_by_line(connection, since, until)
    lines = []
    for line in sorted(frames):
        first, last = _first_and_last(connection, since, until, line)
        hours = max(until - first, _SHORTEST_SPAN) / timedelta(hours=1)
        lines.append(
            LineThroughput(
                line=line,
                inspected=frames[line],
                parts=parts[line],
                parts_per_hour=parts[line] / hours,
                latency_p50_ms=quantile(latencies.get(line, {}), 0.5),
                latency_p95_ms=quantile(latencies.get(line, {}), 0.95),
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
        review_seconds_median=median(connection, seconds, timed),
        review_seconds_n=timed,
        reviews_per_hour=count / hours,
    )


def trend(connection: Connection, now: datetime) -> Trend:
    """Frames of each line in the last hour, in stretches of five minutes of the clock; the last one has not ended yet."""
    last = int(now.timestamp()) // _TREND_SECONDS
    numbers = range(last - _TREND_BUCKETS + 1, last + 1)
    since = datetime.fromtimestamp(numbers[0] * _TREND_SECONDS, UTC)
    found = flagged_by_line_and_bucket(connection, since, now, _TREND_SECONDS)

    def point(line: str, number: int) -> TrendPoint:
        inspected, flagged = found[line].get(number, (0, 0))
        start = datetime.fromtimestamp(number * _TREND_SECONDS, UTC)
        return TrendPoint(start=start, inspected=inspected, flagged=flagged)

    lines = [LineTrend(line=line, points=[point(line, number) for number in numbers]) for line in sorted(found)]
    return Trend(since=since, until=now, bucket_seconds=_TREND_SECONDS, lines=lines)


def _first_and_last(connection: Connection, since: datetime, until: datetime, line: str) -> tuple[datetime, datetime]:
    """When the line's frames of the period came; it must have some."""
    times: list[datetime] = []
    for table in RECORDED:
        at = table.c.received_at
        within = (table.c.line == line, at >= since, at < until)
        # Two questions: asked for both at once, SQLite looks at every row.
        for query in (select(func.min(at)).where(*within), select(func.max(at)).where(*within)):
            times += [time for time in connection.execute(query).scalars() if time is not None]
    return min(times), max(times)


def _by_bucket(
    connection: Connection, since: datetime, until: datetime, line: str | None, seconds: int, zone: ZoneInfo
) -> dict[datetime, Outcomes]:
    """Counts by the start of the bucket, also of buckets without any; the first may start before `since`."""
    length, series = timedelta(seconds=seconds), dict[datetime, Outcomes]()
    if length > HOUR and (seconds % DAY_SECONDS == 0 or DAY_SECONDS % seconds == 0):
        starts = stretches(since, until, seconds, zone)
    else:
        starts = [EPOCH + n * length for n in range((since - EPOCH) // length, -(-(until - EPOCH) // length) + 1)]

    def is_regular(span: tuple[datetime, datetime]) -> bool:
        """Between two clock changes one question is enough, unless hours are split that could be read whole."""
        return span[1] - span[0] == length and (length % HOUR > timedelta() or (span[0] - EPOCH) % HOUR == timedelta())

    every = list(pairwise(starts))
    _check_number(sum(not is_regular(span) for span in every), _MOST_ASKED_ALONE)
    for together, spans in ((together, list(run)) for together, run in groupby(every, is_regular)):
        if together:
            begin, end = spans[0][0], spans[-1][1]
            found = outcomes_by_bucket(connection, max(begin, since), min(end, until), line, seconds, begin)
            series.update((start, found.get(number, Counter())) for number, (start, _) in enumerate(spans))
        else:
            series.update(
                (start, outcomes(connection, max(start, since), min(end, until), line)) for start, end in spans
            )
    return series


def _check_number(buckets: float, most: int) -> None:
    """Raises a 422 problem for more buckets than are given."""
    if buckets > most:
        raise ProblemError(
            422,
            text(
                f"bucket_seconds: {buckets:,.0f} buckets; at most {most:,} are given",
                f"bucket_seconds：共 {buckets:,.0f} 個時段；最多 {most:,} 個",
            ),
        )


def _series(by_bucket: dict[datetime, Outcomes]) -> list[QualityBucket]:
    """Up to now; none where nothing was inspected."""
    if not any(by_bucket.values()):
        return []
    now = datetime.now(UTC)
    return [_bucket(start, counts) for start, counts in by_bucket.items() if counts or start <= now]


def _bucket(start: datetime, counts: Outcomes) -> QualityBucket:
    return QualityBucket(
        start=start,
        inspected=counts.total(),
        passed=_sum(counts, [Verdict.PASS]),
        review=_sum(counts, [Verdict.REVIEW]),
        rejected=_sum(counts, [Verdict.REJECT]),
        no_decision=_sum(counts, [Verdict.NO_DECISION]),
        defects_confirmed=_decided(counts, ReviewDecision.DEFECT_CONFIRMED),
        false_calls=_of_flagged(counts, ReviewDecision.FALSE_CALL),
    )


def _sum(counts: Outcomes, verdicts: Sequence[Verdict]) -> int:
    return sum(count for (verdict, _), count in counts.items() if verdict in verdicts)


def _decided(counts: Outcomes, decision: ReviewDecision) -> int:
    return sum(count for (_, made), count in counts.items() if made is decision)


def _of_flagged(counts: Outcomes, *decisions: ReviewDecision) -> int:
    return sum(count for (verdict, made), count in counts.items() if verdict.flagged and made in decisions)


def median(connection: Connection, ordered: Select[float], n: int) -> float | None:
    """The middle of n ordered values (nearest rank); None of none."""
    if n == 0:
        return None
    return float(connection.execute(ordered.limit(1).offset((n - 1) // 2)).scalar_one())

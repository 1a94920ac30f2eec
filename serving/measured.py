"""What this plant measured, in the words of the return on investment: the one place where quality figures become inputs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, case, func, select

from data.wording import Text, text
from serving import escapes
from serving.baseline_schema import Baseline, BaselineKind, LineCounts
from serving.baselines import OF_A_STUDY, before_system, list_rollouts
from serving.changes import changes_between
from serving.metrics_schema import Rate
from serving.past_counts import MOST_FRAMES_A_PART, counts_of, frames_a_part
from serving.plant_day import day_of, start_of
from serving.quality import rates
from serving.scope import Piece, Scope
from serving.settings import Settings
from serving.spread import Normal, Proportion, Spread
from serving.tables import reviews
from serving.tallies import LONGEST_SECONDS, Span

# A model that decided longer ago says little about the line of today.
_RECENT = timedelta(days=90)
_BEFORE = {"false_call_rate_before": "false_call_rate", "escape_rate_before": "escape_rate"}
"""Input key: the rate of a baseline that it is."""
_SINCE_TIMED = frozenset({"review_minutes", "false_call_rate_after"})
"""What tells how long inspectors take since."""
_EVERY_PART = 0.99
"""Share of the parts that people looked at from which on they looked at each."""


@dataclass(frozen=True)
class Measurement:
    """A measured number with its 95 % interval, and how it is spread."""

    value: float
    low: float
    high: float
    n: int
    spread: Spread | None
    source: Text
    least: float = 0.0


@dataclass
class Measured:
    """By input key: what takes an assumption's place, and what only speaks for or against one."""

    inputs: dict[str, Measurement] = field(default_factory=dict)
    at_least: dict[str, Measurement] = field(default_factory=dict)
    """lower bounds: the true value may be larger, but hardly smaller"""
    beside: dict[str, Measurement] = field(default_factory=dict)
    """measured before the system, without a counterpart measured since: to compare, not to count with"""
    seconds_before: Measurement | None = None
    """what inspectors took in all for each part before the system"""
    notes: list[Text] = field(default_factory=list)


def measure(connection: Connection, settings: Settings) -> Measured:
    """Everything that rests on enough observations; what does not is told in the notes."""
    measured, enough = Measured(), settings.enough_reviews
    baselines = before_system(connection, settings.zone)
    span = _with_system(connection, settings.zone, baselines, measured)
    first = day_of(span.scope.since, settings.zone)
    counts = counts_of(connection, span)
    _review_minutes(connection, enough, measured)
    frames = frames_a_part(connection, span.scope.since, span.scope.until, {one.line for one in counts})
    if frames <= MOST_FRAMES_A_PART:
        _flags(counts, first, enough, measured)
        _escapes(connection, span, first, settings, measured)
    else:
        measured.notes.append(
            text(
                f"A part has {frames:.1f} frames on one line. What is measured counts frames and the return counts parts, so "
                "the rates since the system stay assumptions.",
                f"有產線每件零件 {frames:.1f} 張影像。實測以影像計，投資報酬以零件計，因此導入後的比率仍為假設。",
            )
        )
    _before(connection, baselines, counts, settings, measured)
    if measured.seconds_before is not None and not measured.inputs.keys() >= _SINCE_TIMED:
        seconds, source = measured.seconds_before.value, measured.seconds_before.source
        measured.seconds_before = None
        measured.notes.append(
            text(
                f"Inspectors took {seconds:.1f} s for each part ({source.en}). That counts once the false-call rate and the "
                "review minutes are measured since, or half the change would be guessed.",
                f"檢驗員每件耗時 {seconds:.1f} 秒（{source.zh_hant}）。"
                "須待導入後的誤判率與複判時間也實測後才計入，否則一半的變化只是猜測。",
            )
        )
    if "escape_rate_after" in measured.inputs and "escape_rate_before" not in measured.inputs:
        measured.notes.append(
            text(
                "The escape rate since is measured by audits. The rate before the system stays an assumption unless a baseline "
                "with the same audits is frozen, and so do the savings from the difference.",
                "導入後的漏檢率由抽查實測。除非凍結以相同方式抽查的基準，導入前的漏檢率以及差額帶來的節省仍是假設。",
            )
        )
    return measured


def _with_system(connection: Connection, zone: ZoneInfo, baselines: Sequence[Baseline], measured: Measured) -> Span:
    """Recent days after every period from before the system; where roll-outs are noted, of those lines since then alone."""
    now = datetime.now(UTC)
    # A study does not say that the old way still decided while it went on.
    old_ways = [one.until for one in baselines if one.kind is not BaselineKind.STUDY]
    since = max([now - _RECENT, *old_ways])
    rollouts = list_rollouts(connection)
    if not rollouts:
        return Span(Scope(since, now), None, [Piece(since, now)])
    starts = {one.line: max(now - _RECENT, start_of(one.day, zone)) for one in rollouts}
    pieces = [Piece(start, now, clock=line) for line, start in starts.items() if start < now]
    lines = ", ".join(sorted(piece.clock for piece in pieces))
    measured.notes.append(
        text(
            f"Rates since are of the lines with a roll-out, each from that day on: {lines or 'none yet'}.",
            f"導入後的比率僅計已記錄導入的產線，各自從導入日起算：{lines or '尚無'}。",
        )
    )
    return Span(Scope(min((piece.start for piece in pieces), default=now), now), None, pieces)


def _flags(counts: Sequence[LineCounts], first: date, enough: int, measured: Measured) -> None:
    """Each line and product by its own reviews, weighted by its flags."""
    flagged, reviewed, confirmed, false_calls = (
        sum(getattr(one, name) for one in counts) for name in ("flagged", "reviewed", "confirmed", "false_calls")
    )
    if reviewed < enough:
        measured.notes.append(
            text(
                f"The false-call rate is assumed: not enough reviews yet: n = {reviewed}, need {enough} since {first}.",
                f"誤判率為假設：{first} 以來複判數量不足，目前 n = {reviewed}，需要 {enough}。",
            )
        )
        return
    since: dict[str, Rate] = {change.key: change.after for change in changes_between([], counts)}
    false_source = text(
        f"{false_calls} false of {reviewed} reviewed flags since {first}, each line and product by its own",
        f"{first} 以來 {reviewed} 件已複判中有 {false_calls} 件誤判，各產線與產品分別計算",
    )
    confirmed_source = text(
        f"{confirmed} confirmed of {reviewed} reviewed flags since {first}, each line and product by its own",
        f"{first} 以來 {reviewed} 件已複判中有 {confirmed} 件確認，各產線與產品分別計算",
    )
    for found, name, key, source in (
        (measured.inputs, "false_call_rate_after", "false_call_rate", false_source),
        (measured.at_least, "defective_rate", "caught_rate", confirmed_source),
    ):
        one = _measurement(since[key], 0, source)
        if one is not None:
            found[name] = replace(one, n=reviewed)
    if reviewed < flagged:
        measured.notes.append(
            text(
                f"{reviewed} of {flagged} flagged frames are reviewed; the rest is taken to be like those of its line and "
                "product, which holds only when they were not picked by how they look.",
                f"{flagged} 張待處理影像中已複判 {reviewed} 張；其餘視為與同產線、同產品者相同，前提是沒有依外觀挑選。",
            )
        )


def _escapes(connection: Connection, span: Span, first: date, settings: Settings, measured: Measured) -> None:
    """From the audits of passed parts; the estimator is serving/quality/escape.py's."""
    counts = escapes.count_span(connection, span)[""]
    why = escapes.why_unknown(counts, settings.audit.enough)
    if why is not None:
        measured.notes.append(
            text(
                f"Escapes are not measured since {first} ({why.en}): both escape rates, and the savings from them, are "
                "assumptions.",
                f"{first} 以來尚未實測漏檢（{why.zh_hant}）：前後兩個漏檢率及其節省金額都是假設。",
            )
        )
        return
    measured.notes.extend(escapes.unlike(escapes.never_audited(connection, span)))
    estimate = counts.estimate()
    rate, defective = estimate.rate, max(estimate.defective.value, 1.0)
    # The estimate is about these very parts, the return about those to come: the luck of the draw comes on top.
    as_many = 1 / (1 / rates.as_many(rate.value, rate.high) + 1 / defective)
    spread = Proportion(hits=rate.value * as_many, n=as_many)
    low, high = spread.quantile(np.array([0.025, 0.975]), rate.value)
    measured.inputs["escape_rate_after"] = Measurement(
        value=rate.value,
        low=min(float(low), rate.low),
        high=max(float(high), rate.high),
        n=counts.audited,
        spread=spread,
        source=text(
            f"{counts.audited} audits of passed frames since {first}",
            f"{first} 以來抽查合格影像 {counts.audited} 張",
        ),
    )


def _before(
    connection: Connection,
    baselines: Sequence[Baseline],
    counts: Sequence[LineCounts],
    settings: Settings,
    measured: Measured,
) -> None:
    """Of each rate the newest baseline from before the system that has it, of parts; it counts where the same is measured since
    on the same lines and products, which then are those of both.

    Else half the change would be guessed.
    """
    for baseline in baselines:
        missing = [name for name in _BEFORE if name not in measured.inputs and name not in measured.beside]
        if not missing and "look_seconds" in measured.inputs and measured.seconds_before is not None:
            return
        lines = {one.line for one in baseline.counts}
        if (
            baseline.kind is not BaselineKind.HISTORY
            and frames_a_part(connection, baseline.since, baseline.until, lines) > MOST_FRAMES_A_PART
        ):
            continue
        source = text(f"baseline {baseline.name}", f"基準「{baseline.name}」")
        _look_seconds(baseline, source, measured)
        common = {(one.line, one.product) for one in baseline.counts} & {(one.line, one.product) for one in counts}
        old = [one for one in baseline.counts if not common or (one.line, one.product) in common]
        new = [one for one in counts if (one.line, one.product) in common]
        changes = {str(change.key): change for change in changes_between(old, new)}
        if common:
            _seconds_before(baseline, changes["review_seconds"].before, source, measured)
        for name in missing:
            if baseline.kind is BaselineKind.STUDY and _BEFORE[name] not in OF_A_STUDY:
                continue
            enough = settings.audit.enough if name == "escape_rate_before" else settings.enough_reviews
            change = changes[_BEFORE[name]]
            found = _measurement(change.before, enough, source)
            if found is None:
                continue
            since = name.replace("_before", "_after")
            now = measured.inputs.get(since)
            if now is not None and len(new) < len(counts):
                also = text(
                    f"; on the lines and products of {source.en} alone", f"；僅計{source.zh_hant}所含的產線與產品"
                )
                of = text(now.source.en + also.en, now.source.zh_hant + also.zh_hant)
                now = _measurement(change.after, enough, of) if common else None
            if now is None:
                measured.beside[name] = found
            else:
                measured.inputs.update({name: found, since: now})
        if not common and counts:
            measured.notes.append(
                text(
                    f"No line made the same product in the baseline {baseline.name} and since: what it measured is compared, and "
                    "not counted.",
                    f"基準「{baseline.name}」與導入後沒有任何產線生產相同產品：其實測值僅供對照，不列入計算。",
                )
            )


def _look_seconds(baseline: Baseline, source: Text, measured: Measured) -> None:
    """How long people looked at a part where they looked at each of them, as in a study without the model."""
    if "look_seconds" in measured.inputs or any(
        one.units is None or one.looks is None or one.looks < _EVERY_PART * one.units for one in baseline.counts
    ):
        return
    rate = next(change.before for change in changes_between(baseline.counts, []) if change.key == "review_seconds")
    if not rate.value or rate.low is None or rate.high is None:
        return
    error = max((rate.high - rate.low) / (2 * 1.96), 1e-9)
    measured.inputs["look_seconds"] = Measurement(
        value=rate.value, low=rate.low, high=rate.high, n=rate.denominator, spread=Normal(sd=error), source=source
    )
    measured.notes.append(
        text(
            f"People alone took {rate.value:.1f} s to look at a part ({source.en}). That counts for the share of parts that they "
            "looked at one by one before the system, which is an assumption.",
            f"人員獨立檢視每件需 {rate.value:.1f} 秒（{source.zh_hant}）。此值依導入前逐件檢視的零件比例計入，該比例為假設。",
        )
    )


def _seconds_before(baseline: Baseline, rate: Rate, source: Text, measured: Measured) -> None:
    """What inspectors took for all they did, as imported."""
    if baseline.kind is not BaselineKind.HISTORY or measured.seconds_before is not None:
        return
    if rate.value is None or rate.low is None or rate.high is None:
        if any(one.timed_days is not None for one in baseline.counts) and rate.why_unknown is not None:
            measured.notes.append(
                text(
                    f"Inspector seconds before are not taken from {source.en}: {rate.why_unknown.en}.",
                    f"導入前的檢驗工時未採用{source.zh_hant}：{rate.why_unknown.zh_hant}。",
                )
            )
        return
    # By the longer side: few days leave it open how much longer a part took.
    error = max(rate.high - rate.value, rate.value - rate.low, 1e-9) / 1.96
    measured.seconds_before = Measurement(
        value=rate.value, low=rate.low, high=rate.high, n=rate.denominator, spread=Normal(sd=error), source=source
    )


def _measurement(rate: Rate, enough: int, source: Text) -> Measurement | None:
    if rate.value is None or rate.low is None or rate.high is None or rate.denominator < enough:
        return None
    # An estimate from a sample is less sure than a count of as many would be.
    n = rate.denominator if rate.numerator is not None else rates.as_many(rate.value, rate.high)
    spread = Proportion(hits=rate.value * n, n=n)
    return Measurement(value=rate.value, low=rate.low, high=rate.high, n=rate.denominator, spread=spread, source=source)


def _review_minutes(connection: Connection, enough: int, measured: Measured) -> None:
    seconds = case((reviews.c.seconds <= LONGEST_SECONDS, reviews.c.seconds))
    mean, mean_square, n, timed = connection.execute(
        select(func.avg(seconds), func.avg(seconds * seconds), func.count(seconds), func.count(reviews.c.seconds))
    ).one()
    if timed > n:
        minutes = LONGEST_SECONDS / 60
        measured.notes.append(
            text(
                f"{timed - n} reviews took longer than {minutes:.0f} minutes and are left out of the review minutes.",
                f"{timed - n} 次複判超過 {minutes:.0f} 分鐘，不計入複判時間。",
            )
        )
    if n < max(enough, 2):
        measured.notes.append(
            text(
                f"Review minutes are assumed: not enough timed reviews yet: n = {n}, need {enough}.",
                f"複判時間為假設：計時複判數量不足，目前 n = {n}，需要 {enough}。",
            )
        )
        return
    value = float(mean) / 60
    # a standard error of exactly 0 (all the same) would be no distribution
    error = max(sqrt(max(float(mean_square) - float(mean) ** 2, 0.0) / (n - 1)) / 60, 1e-9)
    measured.inputs["review_minutes"] = Measurement(
        value=value,
        low=max(0.0, value - 1.96 * error),
        high=value + 1.96 * error,
        n=n,
        spread=Normal(sd=error),
        source=text(f"mean of {n} timed reviews", f"{n} 次計時複判的平均"),
    )

"""Escapes of a period: what audits, known escapes and challenge parts of the database say about the defects that passed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Subquery, case, func, literal, select

from data.verdict import DECIDED, ReviewDecision, Verdict
from data.wording import Text, text
from serving.metrics_schema import Rate
from serving.quality import escape
from serving.quality.allocation import BAND_EDGES, BANDS
from serving.quality.escape import Band, Escapes, Flags, Interval, Known
from serving.quality_schema import BandAudits, EscapeMetrics, Figure, FigureKey, GroupBy
from serving.schema import AuditKind
from serving.scope import Scope
from serving.settings import Settings
from serving.tables import BANDED, FLAGGED, challenges, field_returns, tallies
from serving.tallies import Span, span_of, sums

TALLIED = [*BANDED, "passed_known", *(name for names in FLAGGED.values() for name in names.values())]
_LET_GO = (ReviewDecision.FALSE_CALL, ReviewDecision.DEFECT_ACCEPTED)


@dataclass
class Counts:
    """Frames of one group, challenge parts apart."""

    bands: list[Band] = field(default_factory=lambda: [Band(0)] * (BANDS + 1))
    """by score band; the last holds frames of which no band is known"""
    never_audited: Sequence[str] = ()
    """lines of which frames passed, and none of these was audited; known only of everything together"""
    audits_waiting: list[int] = field(default_factory=lambda: [0] * (BANDS + 1))
    flagged: dict[Verdict, Flags] = field(default_factory=dict)
    inspected: int = 0
    passed: int = 0
    known: int = 0
    found: int = 0
    """of the known, those that people found here and that did not come back"""
    released: int = 0
    """flagged frames of parts that were shipped: people let them go, or they came back"""
    released_defects: int = 0
    """parts that came back though no frame of theirs passed"""
    challenges_passed: int = 0
    challenges_flagged: int = 0

    @property
    def audited(self) -> int:
        return sum(band.audited for band in self.bands)

    @property
    def caught(self) -> int:
        """Passed frames found defective in house, by audits or otherwise: escapes of the model, not of the plant."""
        return self.found + sum(band.defective for band in self.bands)

    @property
    def shipped(self) -> int:
        """Frames of parts that left the plant, as far as is known."""
        return self.passed - self.caught + self.released

    @property
    def flags(self) -> Flags:
        """All flagged verdicts together."""
        each = self.flagged.values()
        return Flags(
            sum(one.flagged for one in each),
            sum(one.decided for one in each),
            sum(one.confirmed for one in each),
            sum(one.false_calls for one in each),
            sum(one.returned for one in each),
        )

    def estimate(self, draws: int = escape.DRAWS) -> Escapes:
        """What these counts say of escapes and overkill; the ends of the intervals rest on so many draws."""
        return Escapes(
            self.bands,
            [self.flagged[verdict] for verdict in Verdict if verdict in self.flagged],
            Known(self.known, self.challenges_passed, self.challenges_flagged),
            draws=draws,
        )


def count_span(
    connection: Connection, span: Span, tallied: Iterable[Row[tuple[Any, ...]]] | None = None
) -> Mapping[str, Counts]:
    """The counts of each group; of one group, with an empty name, where the span has none.

    `tallied` has the sums of TALLIED where they are known, by `of` or finer.
    """
    found: dict[str, Counts] = defaultdict(Counts)
    if span.by is None:
        found[""] = Counts()
    _count_tallied(sums(connection, span, TALLIED) if tallied is None else tallied, found)
    for rows, condition in _untallied(span):
        _count_frames(connection, rows, condition, found)
    _move_returned(connection, span, found)
    _count_returned_once(connection, span, found)
    _count_released(connection, span, found)
    _count_challenges(connection, span, found)
    return found


def inspected(connection: Connection, scope: Scope, settings: Settings, by: GroupBy) -> Counter[str]:
    """`Counts.inspected` of every group that `count_span` finds, in a fraction of its time where they are many."""
    span = span_of(scope, by, settings.clocks)
    known: dict[str, Counts] = defaultdict(Counts)
    _count_challenges(connection, span, known)
    found = Counter(dict.fromkeys(known, 0))
    if span.whole:
        frames = func.sum(sum((tallies.c[name] for name in TALLIED), literal(0)))
        tallied = scope.select(tallies, tallies.c.slot, span.whole, by, frames)
        tallied = tallied.group_by(tallied.selected_columns.of).having(frames > 0)
        found.update({of: int(n) for n, of in connection.execute(tallied)})
    for rows, condition in _untallied(span):
        query = select(rows.c.of, func.count()).where(condition)
        found.update(dict(iter(connection.execute(query.group_by(rows.c.of)))))
    return found


def _count_tallied(tallied: Iterable[Row[tuple[Any, ...]]], found: dict[str, Counts]) -> None:
    """Everything of the whole half-hours but audits, which are few, and of which each has its own chance."""
    for row in tallied:
        bands = [int(getattr(row, name)) for name in BANDED]
        known = int(row.passed_known)
        flags = {verdict: [int(getattr(row, name)) for name in names.values()] for verdict, names in FLAGGED.items()}
        passed = sum(bands) + known
        inspected = passed + sum(sum(each) for each in flags.values())
        if not inspected:
            continue
        counts = found[row.of]
        counts.inspected += inspected
        counts.passed += passed
        counts.known += known
        counts.found += known
        for number, n in enumerate(bands):
            counts.bands[number] += Band(n)
        for verdict, (open_, confirmed, false_calls, accepted) in flags.items():
            decided = confirmed + false_calls + accepted
            if open_ + decided:
                before = counts.flagged.get(verdict, Flags(0, 0, 0, 0))
                counts.flagged[verdict] = Flags(
                    before.flagged + open_ + decided,
                    before.decided + decided,
                    before.confirmed + confirmed,
                    before.false_calls + false_calls,
                )
            counts.released += false_calls + accepted


def _untallied(span: Span) -> Iterator[tuple[Subquery, ColumnElement[bool]]]:
    """Frames that are not counted by tallies, challenge parts apart: those of the edges, and audits of passed ones."""
    if span.edges:
        rows = span.rows(span.edges)
        yield rows, rows.c.audit.is_distinct_from(AuditKind.CHALLENGE.value)
    if span.whole:
        rows = span.rows(span.whole, audit=AuditKind.SAMPLE.value)
        # In `coalesce`, so that SQLite looks up audits and not verdicts.
        yield rows, func.coalesce(rows.c.verdict, "") == Verdict.PASS.value


def _count_frames(
    connection: Connection, frames: Subquery, condition: ColumnElement[bool], found: dict[str, Counts]
) -> None:
    returned = case((field_returns.c.part_id.is_not(None), 1), else_=0).label("returned")
    columns = (
        frames.c.of,
        frames.c.verdict,
        frames.c.decision,
        frames.c.audit,
        frames.c.audit_band,
        frames.c.audit_probability,
        returned,
    )
    joined = frames.outerjoin(field_returns, field_returns.c.part_id == frames.c.part_id)
    query = select(*columns, func.count()).select_from(joined).where(condition).group_by(*columns)
    for of, verdict, decision, audit, band, probability, is_returned, n in connection.execute(query):
        counts = found[of]
        counts.inspected += n
        made = None if decision is None else ReviewDecision(decision)
        if Verdict(verdict) is Verdict.PASS:
            counts.passed += n
            drawn = probability if audit == AuditKind.SAMPLE.value else None
            _add_passed(counts, _number(band), made, drawn, bool(is_returned), n)
        else:
            before = counts.flagged.get(Verdict(verdict), Flags(0, 0, 0, 0))
            counts.flagged[Verdict(verdict)] = Flags(
                before.flagged + n,
                before.decided + (n if made in DECIDED else 0),
                before.confirmed + (n if made is ReviewDecision.DEFECT_CONFIRMED else 0),
                before.false_calls + (n if made is ReviewDecision.FALSE_CALL else 0),
            )
            counts.released += n if made in _LET_GO else 0


def _move_returned(connection: Connection, span: Span, found: dict[str, Counts]) -> None:
    """Frames of parts that came back are tallied in their band like others, and are known escapes."""
    if not span.whole:
        return
    frames = span.rows(span.whole, part_id=select(field_returns.c.part_id))
    # In `coalesce`, so that SQLite looks up parts and not verdicts.
    query = select(frames.c.of, frames.c.audit_band, func.count()).where(
        func.coalesce(frames.c.verdict, "") == Verdict.PASS.value,
        frames.c.audit.is_(None),
        func.coalesce(frames.c.decision, "") != ReviewDecision.DEFECT_CONFIRMED.value,
    )
    for of, band, n in connection.execute(query.group_by(frames.c.of, frames.c.audit_band)):
        found[of].bands[_number(band)] += Band(-n)
        found[of].known += n


def _count_returned_once(connection: Connection, span: Span, found: dict[str, Counts]) -> None:
    """A part that came back is one escape, however many of its frames passed."""
    if not span.pieces:
        return
    frames = span.rows(span.pieces, part_id=select(field_returns.c.part_id))
    # In `coalesce`, so that SQLite looks up parts and not verdicts.
    query = select(frames.c.of, func.count() - func.count(frames.c.part_id.distinct())).where(
        func.coalesce(frames.c.verdict, "") == Verdict.PASS.value,
        frames.c.audit.is_distinct_from(AuditKind.CHALLENGE.value),
    )
    for of, more in connection.execute(query.group_by(frames.c.of)):
        found[of].known -= more


def _count_released(connection: Connection, span: Span, found: dict[str, Counts]) -> None:
    """Flagged frames of parts that came back were right, whatever people made of them; and these parts were shipped."""
    if not span.pieces:
        return
    frames = span.rows(span.pieces, part_id=select(field_returns.c.part_id))
    columns = (frames.c.of, frames.c.part_id, frames.c.verdict, frames.c.decision, frames.c.audit)
    query = select(*columns, func.count()).where(func.coalesce(frames.c.audit, "") != AuditKind.CHALLENGE.value)
    passed: set[tuple[str, str]] = set()
    flagged: set[tuple[str, str]] = set()
    for of, part_id, verdict, decision, audit, n in connection.execute(query.group_by(*columns)):
        counts, made = found[of], None if decision is None else ReviewDecision(decision)
        if Verdict(verdict) is Verdict.PASS:
            passed.add((of, part_id))
            counts.found -= n if made is ReviewDecision.DEFECT_CONFIRMED and audit is None else 0
            continue
        flagged.add((of, part_id))
        flags = counts.flagged[Verdict(verdict)]
        if made is ReviewDecision.FALSE_CALL:
            flags = replace(flags, confirmed=flags.confirmed + n, false_calls=flags.false_calls - n)
        elif made is ReviewDecision.DEFECT_ACCEPTED:
            flags = replace(flags, confirmed=flags.confirmed + n)
        elif made not in DECIDED:
            flags = replace(flags, returned=flags.returned + n)
        counts.flagged[Verdict(verdict)] = flags
        counts.released += 0 if made in _LET_GO else n
    # What also passed, with another camera or after rework, is a known escape already.
    for of, _ in flagged - passed:
        found[of].released_defects += 1


def _count_challenges(connection: Connection, span: Span, found: dict[str, Counts]) -> None:
    if not span.pieces:
        return
    frames = span.rows(span.pieces, audit=AuditKind.CHALLENGE.value)
    truths = (
        select(frames.c.of, frames.c.verdict, func.count())
        .select_from(frames.join(challenges, challenges.c.part_id == frames.c.part_id))
        .where(challenges.c.defective)
    )
    for of, verdict, n in connection.execute(truths.group_by(frames.c.of, frames.c.verdict)):
        if Verdict(verdict) is Verdict.PASS:
            found[of].challenges_passed += n
        else:
            found[of].challenges_flagged += n


def _number(band: int | None) -> int:
    return BANDS if band is None else min(band, BANDS)


def metrics(connection: Connection, scope: Scope, settings: Settings) -> EscapeMetrics:
    """The escape rate of a scope with everything that it rests on."""
    span = span_of(scope)
    counts = count_span(connection, span)[""]
    counts.never_audited = never_audited(connection, span)
    result = counts.estimate()
    edges = (0.0, *BAND_EDGES, 1.0)
    flags = counts.flags
    return EscapeMetrics(
        since=scope.since,
        until=scope.until,
        rate=escape_figure(counts, result.rate, settings, "escape_rate"),
        bound=result.bound if counts.audited else None,
        escaped=escape_figure(counts, result.escaped, settings, "escaped"),
        audited=counts.audited,
        needed=settings.audit.enough,
        waiting=sum(counts.audits_waiting),
        bands=[
            BandAudits(
                score_from=edges[number],
                score_below=edges[number + 1],
                passed=band.passed,
                audited=band.audited,
                waiting=counts.audits_waiting[number],
                defective=band.defective,
                share=band.share if band.audited else None,
            )
            for number, band in enumerate(counts.bands[:BANDS])
        ],
        confirmed=flags.confirmed,
        flagged_waiting=flags.flagged - flags.decided,
        known=counts.known,
        challenges_passed=counts.challenges_passed,
        challenges_flagged=counts.challenges_flagged,
        naive_rate=escape.naive_rate(counts.known, flags.confirmed) if flags.confirmed + counts.known else None,
        notes=[*_notes(counts, settings), *unlike(counts.never_audited if counts.audited else [])],
    )


def never_audited(connection: Connection, span: Span) -> list[str]:
    """Lines of which frames passed, and none of these was drawn and decided."""
    frames, audited = Counter[str](), set[str]()
    for row in sums(connection, span, BANDED, ("line",)):
        frames[row.line] += sum(int(getattr(row, name)) for name in BANDED)
    if span.edges:
        rows = span.rows(span.edges, verdict=Verdict.PASS.value)
        passed = select(rows.c.line, func.count()).where(rows.c.audit.is_distinct_from(AuditKind.CHALLENGE.value))
        for line, n in connection.execute(passed.group_by(rows.c.line)):
            frames[line] += n
    if span.pieces:
        drawn = span.rows(span.pieces, audit=AuditKind.SAMPLE.value, verdict=Verdict.PASS.value)
        query = select(drawn.c.line, drawn.c.decision, func.count()).group_by(drawn.c.line, drawn.c.decision)
        for line, decision, n in connection.execute(query):
            frames[line] += n
            if decision in DECIDED:
                audited.add(line)
    return sorted(line for line, n in frames.items() if n and line not in audited)


def unlike(lines: Sequence[str]) -> list[Text]:
    """What is assumed of lines without audits, in words; nothing where there are none."""
    if not lines:
        return []
    return [
        text(
            f"No passed frame of {', '.join(lines)} was audited: its passed frames are taken to be like those of the other lines "
            "with the same score.",
            f"產線 {'、'.join(lines)} 的合格影像未經抽查：視為與其他產線相同分數者相同。",
        )
    ]


def escape_figure(counts: Counts, interval: Interval | None, settings: Settings, key: FigureKey) -> Figure:
    """A figure that rests on audits, or why it cannot be told yet; the interval may be None where `why_unknown` tells why."""
    audited, needed, flags = counts.audited, settings.audit.enough, counts.flags
    also = _also(counts, key)
    if counts.never_audited and audited:
        lines = counts.never_audited
        also = text(
            f"{also.en}; none of these audits was on {', '.join(lines)}",
            f"{also.zh_hant}；其中沒有產線 {'、'.join(lines)} 的抽查",
        )
    rests_on = text(
        f"{audited} audits of {counts.passed} passed frames, {flags.confirmed} confirmed of {flags.decided} decided flags, "
        f"{counts.known} known escapes{also.en}",
        f"{counts.passed} 張合格影像中抽查 {audited} 張，"
        f"已複判 {flags.decided} 張標示影像中確認 {flags.confirmed} 張缺陷，"
        f"已知漏檢 {counts.known} 張{also.zh_hant}",
    )
    unit: dict[str, str] = {"escape_rate": "share", "outgoing_ppm": "per_million", "escaped": "count"}
    why = why_unknown(counts, needed)
    told = interval if why is None else None
    return Figure.model_validate(
        {
            "key": key,
            "unit": unit.get(key, "money"),
            "value": told and told.value,
            "low": told and told.low,
            "high": told and told.high,
            "n": audited,
            "rests_on": rests_on,
            "why_unknown": why,
        }
    )


def _also(counts: Counts, key: FigureKey) -> Text:
    """What a figure counts beside audits, flags and known escapes, or leaves out: challenge parts are never shipped."""
    if key == "escape_rate":
        challenged = counts.challenges_passed + counts.challenges_flagged
        return text(f", {challenged} defective challenge frames", f"，挑戰件缺陷影像 {challenged} 張")
    if key == "escaped":
        return text("; without challenge parts", "；不含挑戰件")
    return text(
        f"; without challenge parts and the {counts.caught} escapes found in house, with {counts.released_defects} flagged parts "
        "that were released and came back",
        f"；不含挑戰件及廠內已發現的漏檢 {counts.caught} 張，含標示後放行又退回的 {counts.released_defects} 件",
    )


def rate_of(figure: Figure) -> Rate:
    """The escape rate as a share among others; its n are the audits."""
    return Rate(
        value=figure.value,
        low=figure.low,
        high=figure.high,
        numerator=None,
        denominator=figure.n,
        why_unknown=figure.why_unknown,
    )


def why_unknown(counts: Counts, needed: int) -> Text | None:
    """Why the audits do not suffice; None when they do."""
    if counts.passed and counts.audited >= min(needed, counts.passed):
        return None
    if not counts.passed:
        return text("nothing passed in this period", "此期間沒有判定合格的零件")
    return text(
        f"not enough audits yet: n = {counts.audited}, need about {needed}",
        f"抽查數量不足：目前 n = {counts.audited}，約需 {needed}",
    )


def _add_passed(
    counts: Counts, band: int, made: ReviewDecision | None, drawn: float | None, returned: bool, n: int
) -> None:
    defective = made is ReviewDecision.DEFECT_CONFIRMED
    counts.found += n if drawn is None and defective else 0
    if returned or (drawn is None and defective):
        # Known whoever drew: a stratum of its own, all of which was looked at.
        counts.known += n
        return
    if not drawn:
        counts.bands[band] += Band(n)
        return
    if made not in DECIDED:
        counts.audits_waiting[band] += n
        counts.bands[band] += Band(n)
        return
    counts.bands[band] += Band.drawn(n, n if defective else 0, drawn)


def _notes(counts: Counts, settings: Settings) -> list[Text]:
    notes = []
    flags = counts.flags
    if settings.audit.per_day == 0:
        notes.append(
            text(
                "Nobody draws audits: set audit.per_day to what people can review in a day.",
                "目前未抽查：請將 audit.per_day 設為每日可複判的數量。",
            )
        )
    if open_ := flags.flagged - flags.decided - flags.returned:
        notes.append(
            text(
                f"{open_} flagged frames wait for a decision; they are taken to be like the decided ones of their verdict.",
                f"{open_} 張標示影像尚未複判；視為與同判定已複判者相同。",
            )
        )
    empty = [band for band in counts.bands if band.passed and not band.audited]
    if empty and counts.audited:
        notes.append(
            text(
                f"{sum(band.passed for band in empty)} passed frames are in score bands without any audit; they are taken to "
                "be like those of the next worse band.",
                f"{sum(band.passed for band in empty)} 張合格影像所在的分數帶沒有抽查；視為與次差的分數帶相同。",
            )
        )
    return notes

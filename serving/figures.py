"""The quality figures of a period, for everything together or for each line, station, product, lot, shift or model version."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from data.wording import Text, text
from serving import tallies
from serving.escapes import TALLIED, Counts, count_span, escape_figure, inspected, never_audited, why_unknown
from serving.quality import escape, rates
from serving.quality.escape import Interval
from serving.quality_schema import Figure, FigureGroup, FigureKey, GroupBy, QualityFigures
from serving.scope import Scope
from serving.settings import LineClock, Settings
from serving.shifts import shift_runs
from serving.tables import field_returns
from serving.tallies import Span, span_of

MOST_GROUPS = 50
# Shared among the groups, so that fifty lots do not take fifty times as long as one; 2,000 place the ends of a 95 % interval
# within some 5 % of its half-width.
_DRAWS = 40_000
_LEAST_DRAWS = 2000
_DAY = timedelta(days=1)

_UNITS = {
    "dpmo": "per_million",
    "review_seconds": "seconds",
    "takt": "seconds",
    "pace": "seconds",
    "copq_prevention": "money",
    "copq_appraisal": "money",
    "copq_internal": "money",
    "copq_external": "money",
}


@dataclass
class _Station:
    units: int = 0
    first_pass: int = 0
    waiting: int = 0
    defective: int = 0
    opportunities: int = 0


@dataclass
class _Effort:
    seconds: float = 0.0
    squares: float = 0.0
    timed: int = 0
    called_away: int = 0

    @property
    def left_out(self) -> Text:
        """To be added to what a time rests on."""
        if not self.called_away:
            return text("", "")
        minutes = tallies.LONGEST_SECONDS / 60
        return text(
            f"; {self.called_away} longer than {minutes:.0f} minutes are left out",
            f"；另有 {self.called_away} 次超過 {minutes:.0f} 分鐘，不計入",
        )


@dataclass
class _Group:
    counts: Counts
    stations: dict[str, _Station] = field(default_factory=lambda: defaultdict(_Station))
    effort: _Effort = field(default_factory=_Effort)
    by_class: Counter[str] = field(default_factory=Counter)
    returns: int = 0
    return_cost: float = 0.0
    first: datetime | None = None
    last: datetime | None = None
    lines: set[str] = field(default_factory=set)

    @property
    def all_stations(self) -> _Station:
        each = self.stations.values()
        return _Station(
            sum(one.units for one in each),
            sum(one.first_pass for one in each),
            sum(one.waiting for one in each),
            sum(one.defective for one in each),
            sum(one.opportunities for one in each),
        )


def figures(connection: Connection, scope: Scope, settings: Settings, by: GroupBy | None) -> QualityFigures:
    """Every figure of each group, the groups with most frames first."""
    more = 0
    if by is GroupBy.LOT:
        # Lots are many: only those that are shown are counted in full.
        frames = inspected(connection, scope, settings, by)
        shown = sorted(frames, key=lambda name: (-frames[name], name))[:MOST_GROUPS]
        scope, more = replace(scope, among=frozenset(shown)), len(frames) - len(shown)
    span = span_of(scope, by, settings.clocks)
    tallied = tallies.whole(connection, span, TALLIED)
    groups = {name: _Group(counts) for name, counts in count_span(connection, span, tallied).items()}
    if by is None:
        groups[""].counts.never_audited = never_audited(connection, span)
    shown = sorted(groups, key=lambda name: (-groups[name].counts.inspected, name))[:MOST_GROUPS]
    kept = {name: groups[name] for name in shown if groups[name].counts.inspected or by is None}
    draws = min(escape.DRAWS, max(_LEAST_DRAWS, _DRAWS // max(1, len(kept))))
    _read_groups(tallies.groups(connection, span, tallied), settings, kept)
    for name, by_class in tallies.classes(connection, span).items():
        if name in kept:
            kept[name].by_class = by_class
    _read_returns(connection, span, kept)
    return QualityFigures(
        since=scope.since,
        until=scope.until,
        by=by,
        currency=settings.quality_costs.currency,
        groups=[
            FigureGroup(
                name=name,
                inspected=group.counts.inspected,
                figures=_figures(group, scope, settings, draws),
                by_class=dict(group.by_class.most_common()),
            )
            for name, group in kept.items()
        ],
        more=more + len(groups) - len(kept),
    )


def _read_groups(parts: Iterable[tallies.Group], settings: Settings, groups: Mapping[str, _Group]) -> None:
    for part in parts:
        if part.of not in groups:
            continue
        group, recipe = groups[part.of], settings.recipe(part.product, part.station)
        if part.units:
            at = group.stations[part.station]
            at.units += part.units
            at.first_pass += part.units - part.failed
            at.waiting += part.waiting
            at.defective += part.defective
            at.opportunities += part.units * (1 if recipe is None else recipe.opportunities)
        group.effort.seconds += part.seconds
        group.effort.squares += part.squared_seconds
        group.effort.timed += part.timed
        group.effort.called_away += part.called_away
        if part.first_at is not None and part.last_at is not None:
            group.lines.add(part.line)
            group.first = part.first_at if group.first is None else min(group.first, part.first_at)
            group.last = part.last_at if group.last is None else max(group.last, part.last_at)


def _read_returns(connection: Connection, span: Span, groups: Mapping[str, _Group]) -> None:
    """What came back of the parts that were inspected in the scope, each part once."""
    if not span.pieces:
        return
    frames = span.rows(span.pieces, part_id=select(field_returns.c.part_id))
    parts = select(frames.c.of, frames.c.part_id).distinct().subquery()
    query = (
        select(parts.c.of, func.count(), func.sum(func.coalesce(field_returns.c.cost, 0.0)))
        .select_from(parts.join(field_returns, field_returns.c.part_id == parts.c.part_id))
        .group_by(parts.c.of)
    )
    for of, n, cost in connection.execute(query):
        if of in groups:
            groups[of].returns, groups[of].return_cost = n, float(cost)


def _figures(group: _Group, scope: Scope, settings: Settings, draws: int) -> list[Figure]:
    counts, units = group.counts, group.all_stations
    estimated = counts.estimate(draws)
    flags = counts.flags
    nothing = text("nothing was inspected", "沒有檢驗資料")
    unit_text = text(
        f"{units.units} parts, stations: {len(group.stations)}; {units.waiting} still wait and count as not good",
        f"{len(group.stations)} 個站別共 {units.units} 件；其中 {units.waiting} 件待複判，暫不計為良品",
    )
    decided = units.units - units.waiting
    good = decided - units.defective
    bad = why_unknown(counts, settings.audit.enough) or _shipped_defects(counts, estimated.escaped)
    rate = ppm = None
    if isinstance(bad, Interval):
        rate, ppm = estimated.rate, Interval(*(1e6 * each / max(1, counts.shipped) for each in _three(bad)))
    attention = flags.flagged + sum(band.audited for band in counts.bands) + sum(counts.audits_waiting)
    effort = group.effort
    return [
        _figure("fpy", rates.share(units.first_pass, units.units) if units.units else nothing, units.units, unit_text),
        _figure(
            "rty",
            rates.product(
                tuple(one.first_pass for one in group.stations.values()),
                tuple(one.units for one in group.stations.values()),
                draws,
            )
            if units.units
            else nothing,
            units.units,
            text(
                f"product of the first-pass yields of each station ({len(group.stations)})",
                f"{len(group.stations)} 個站別首次合格率的乘積",
            ),
        ),
        _figure(
            "dpmo",
            rates.per_million(units.defective, units.opportunities) if units.opportunities else nothing,
            units.opportunities,
            text(
                f"{units.defective} parts confirmed defective, by reviews of flags or by audits, in {units.opportunities} "
                "opportunities; what nobody found is not in it",
                f"{units.opportunities} 個機會中，經複判或抽查確認 {units.defective} 件缺陷；不含尚未發現者",
            ),
        ),
        escape_figure(counts, ppm, settings, "outgoing_ppm"),
        escape_figure(counts, rate, settings, "escape_rate"),
        _figure(
            "overkill",
            estimated.overkill if flags.decided or not flags.flagged else _no_reviews(),
            counts.inspected,
            text(
                f"{flags.false_calls} false calls of {flags.decided} decided flags, among the good of {counts.inspected}",
                f"{flags.decided} 張已複判中有 {flags.false_calls} 張誤判；分母為 {counts.inspected} 張中的良品",
            ),
        )
        if counts.inspected
        else _figure("overkill", nothing, 0, nothing),
        _figure(
            "review_load",
            rates.share(min(attention, counts.inspected), counts.inspected) if counts.inspected else nothing,
            counts.inspected,
            text(
                f"{flags.flagged} flagged and {attention - flags.flagged} drawn of {counts.inspected} frames",
                f"{counts.inspected} 張影像中 {flags.flagged} 張標示、{attention - flags.flagged} 張抽查",
            ),
        ),
        _figure(
            "precision",
            rates.share(flags.confirmed, flags.decided) if flags.decided else _no_reviews(),
            flags.decided,
            text(
                f"{flags.confirmed} confirmed of {flags.decided} decided flags",
                f"{flags.decided} 張已複判中確認 {flags.confirmed} 張",
            ),
        ),
        _figure(
            "review_seconds",
            rates.sum_per_unit(effort.seconds, effort.squares, units.units)
            if units.units and (effort.timed or not attention)
            else text("no review of these parts was timed", "這些零件沒有計時的複判"),
            effort.timed,
            text(
                f"{effort.seconds:.0f} s in {effort.timed} timed reviews, over {units.units} inspected parts{effort.left_out.en}",
                f"{effort.timed} 次計時複判共 {effort.seconds:.0f} 秒，除以 {units.units} 件受檢零件{effort.left_out.zh_hant}",
            ),
        ),
        *_pace(group, units, settings),
        _figure(
            "oee_quality",
            rates.share(good, decided) if decided else nothing,
            decided,
            text(
                f"{good} of {decided} decided parts not confirmed defective (ISO 22400-2 quality ratio)",
                f"{decided} 件已判定零件中 {good} 件未確認為缺陷（ISO 22400-2 品質率）",
            ),
        ),
        *_copq(group, units, scope, settings, bad),
    ]


def _pace(group: _Group, units: _Station, settings: Settings) -> list[Figure]:
    only = next(iter(group.lines)) if len(group.lines) == 1 else None
    clock = None if only is None else settings.clock_of(only)
    takt_text = text("time of the shifts over the parts wanted", "班次時間除以需求件數")
    if clock is None:
        why = text("choose one line", "請選擇單一產線")
    else:
        why = text("set demand_per_shift of the line's clock", "請設定產線的 demand_per_shift")
    takt = why if clock is None or clock.demand_per_shift is None else _exact(_takt(clock))
    good = units.units - units.defective - units.waiting
    seconds = 0.0 if group.first is None or group.last is None else _worked(clock, group.first, group.last)
    of_shifts = clock is not None and bool(clock.shifts)
    return [
        _figure("takt", takt, 0, takt_text),
        _figure(
            "pace",
            _exact(seconds / good)
            if only is not None and good > 1 and seconds > 0
            else (why if only is None else text("too few good parts", "良品數過少")),
            max(0, good),
            text(
                f"{seconds:.0f} s{' of shifts' if of_shifts else ''} from the first to the last frame, over {good} good parts",
                f"首張至末張影像{'的班次時間' if of_shifts else ''} {seconds:.0f} 秒，除以 {good} 件良品",
            ),
        ),
    ]


def _worked(clock: LineClock | None, first: datetime, last: datetime) -> float:
    """Seconds between two times, of the shifts alone where the line has some: the takt is of their time too."""
    if clock is None or not clock.shifts:
        return (last - first).total_seconds()
    worked, done = timedelta(0), first
    for run in shift_runs(clock, first, last):
        start, end = max(run.start, done), min(run.end, last)
        if end > start:
            worked, done = worked + (end - start), end
    return worked.total_seconds()


def _takt(clock: LineClock) -> float:
    """Seconds a part may take, by the wall-clock length of the shifts."""
    minutes = 0
    for shift in clock.shifts:
        start, end = (at.hour * 60 + at.minute for at in (shift.start, shift.end))
        minutes += end - start if end > start else end - start + 24 * 60
    assert clock.demand_per_shift is not None
    return 60 * minutes / len(clock.shifts) / clock.demand_per_shift


def _shipped_defects(counts: Counts, escaped: Interval) -> Interval:
    """What passed and was not found in house, and what people released against the verdict."""
    return Interval(*(max(0.0, each - counts.caught) + counts.released_defects for each in _three(escaped)))


def _copq(group: _Group, units: _Station, scope: Scope, settings: Settings, bad: Interval | Text) -> list[Figure]:
    costs, effort, counts = settings.quality_costs, group.effort, group.counts
    days = (scope.until - scope.since) / _DAY
    external: Interval | Text = _unset("external")
    if costs.external is not None:
        external = bad if isinstance(bad, Text) else Interval(*(each * costs.external for each in _three(bad)))
    whole = scope.line is None and scope.station is None and scope.product is None and scope.lot is None
    prevention: Interval | Text = (
        text("kept for the whole plant only", "僅計全廠")
        if not whole or group.counts.inspected == 0
        else _unset("prevention_per_day")
        if costs.prevention_per_day is None
        else _exact(costs.prevention_per_day * days)
    )
    appraisal: Interval | Text = _unset("wage_per_hour")
    if costs.wage_per_hour is not None:
        hours = rates.sum_per_unit(effort.seconds, effort.squares, 1)
        appraisal = Interval(*(each / 3600 * costs.wage_per_hour for each in _three(hours)))
    internal: Interval | Text = _unset("scrap")
    if costs.scrap is not None:
        exact = rates.per_million(units.defective, 1e6)
        internal = Interval(*(each * costs.scrap for each in _three(exact)))
    return [
        _figure(
            "copq_prevention",
            prevention,
            0,
            text(f"set for a day, times {days:.2f} days", f"每日設定值乘以 {days:.2f} 天"),
        ),
        _figure(
            "copq_appraisal",
            appraisal,
            effort.timed,
            text(
                f"{effort.seconds:.0f} s of reviews times the wage{effort.left_out.en}",
                f"計時複判 {effort.seconds:.0f} 秒乘以工資{effort.left_out.zh_hant}",
            ),
        ),
        _figure(
            "copq_internal",
            internal,
            units.defective,
            text(
                f"{units.defective} confirmed defective parts, those that audits found too, times scrap or rework",
                f"{units.defective} 件確認缺陷（含抽查所發現者）乘以報廢或重工費用",
            ),
        ),
        _figure(
            "copq_external",
            external,
            counts.audited,
            text(
                f"estimated escapes but for {counts.caught} found in house, which are internal failures, and "
                f"{counts.released_defects} flagged parts that were released and came back, times the cost of one; "
                f"{group.returns} parts came back so far, which cost {group.return_cost:,.0f} {costs.currency}",
                f"估計漏檢扣除廠內已發現的 {counts.caught} 張（屬內部失敗），"
                f"加上標示後放行又退回的 {counts.released_defects} 件，乘以單件費用；"
                f"目前退回 {group.returns} 件，費用 {group.return_cost:,.0f} {costs.currency}",
            ),
        ),
    ]


def _figure(key: FigureKey, result: Interval | Text, n: int, rests_on: Text) -> Figure:
    known = result if isinstance(result, Interval) else None
    why = result if isinstance(result, Text) else None
    return Figure.model_validate(
        {
            "key": key,
            "unit": _UNITS.get(key, "share"),
            "value": known and known.value,
            "low": known and known.low,
            "high": known and known.high,
            "n": n,
            "rests_on": rests_on,
            "why_unknown": why,
        }
    )


def _exact(value: float) -> Interval:
    return Interval(value, value, value)


def _three(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def _no_reviews() -> Text:
    return text("no flagged part is decided yet", "尚無已複判的標示零件")


def _unset(name: str) -> Text:
    return text(f"set quality_costs.{name}", f"請設定 quality_costs.{name}")

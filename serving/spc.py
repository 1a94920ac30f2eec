"""Control charts of the line: points as frames come in, limits from the first points of a model, and alarms."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, RowMapping, func, insert, select

from serving.alarm_schema import AlarmKind
from serving.alarms import Alarms
from serving.cameras import Camera
from serving.quality import charts
from serving.quality.charts import ChartKind, Limits, Rule
from serving.quality_schema import SpcChart, SpcMetrics, SpcPoint
from serving.schema import Inspection, ModelRef
from serving.settings import Spc
from serving.store import Store
from serving.tables import spc_points

_SHOWN_POINTS = 200
# What is judged after the baseline. EWMA has forgotten what lies further back, and CUSUM has passed 0 or its limit since.
_RECENT_POINTS = 1000
_MOST_STREAMS = 512

_WORDS: dict[Rule, str] = {
    "beyond_3": "a point beyond three standard deviations",
    "two_of_three": "two of three points beyond two standard deviations",
    "four_of_five": "four of five points beyond one standard deviation",
    "eight_on_one_side": "eight points in a row on one side",
    "ewma": "the weighted mean beyond its limit",
    "cusum": "the cumulative sum beyond its limit",
}


class Stream(NamedTuple):
    """What has a chart of its own."""

    line: str
    station: str
    camera: str
    product: str
    model_name: str
    model_version: str
    threshold_change: int | None


@dataclass
class _Gathering:
    started_at: datetime
    n: int = 0
    flagged: int = 0
    defects: int = 0


class ControlCharts:
    """Gathers points on one thread; what is gathered of a point is lost when the server stops, the points themselves never."""

    def __init__(self, settings: Spc, store: Store, alarms: Alarms) -> None:
        self._settings = settings
        self._store = store
        self._alarms = alarms
        self._gathering: OrderedDict[Stream, _Gathering] = OrderedDict()
        self._out_of_control: dict[Camera, set[str]] = {}
        """By camera, the products whose last points had a signal: each of them keeps the camera's alarm."""

    def see(self, inspection: Inspection) -> None:
        """A decided frame of production. Raises StorageError when a point could not be kept."""
        model = inspection.model
        if model is None:
            return
        stream = Stream(
            inspection.line,
            inspection.station,
            inspection.camera,
            inspection.product,
            model.name,
            model.version,
            None if inspection.thresholds is None else inspection.thresholds.change,
        )
        point = self._gathering.pop(stream, None) or _Gathering(inspection.received_at)
        self._gathering[stream] = point
        if len(self._gathering) > _MOST_STREAMS:
            self._gathering.popitem(last=False)
        point.n += 1
        if inspection.verdict.flagged:
            point.flagged += 1
            point.defects += max(1, len(inspection.regions))
        if point.n < self._settings.subgroup:
            return
        del self._gathering[stream]
        row = {**stream._asdict(), **vars(point), "ended_at": inspection.received_at}
        self._store.submit(lambda connection: connection.execute(insert(spc_points), row)).result()
        self._judge(stream, inspection)

    def _judge(self, stream: Stream, inspection: Inspection) -> None:
        camera = Camera(stream.line, stream.station, stream.camera)
        with self._store.reading() as connection:
            rows = _points(connection, stream, self._settings.baseline)
            if camera not in self._out_of_control:
                self._out_of_control[camera] = self._found_out_of_control(connection, camera)
        chart = judge(rows, self._settings.chart, self._settings.baseline)
        if chart is None:
            return
        products, recent = self._out_of_control[camera], self._recent(chart)
        if recent and recent[-1]:
            words = " and ".join(_WORDS[rule] for rule in self._settings.alarm_rules if rule in recent[-1])
            last = rows[-1]
            reason = (
                f"product {stream.product}: {words}; {_count(last, self._settings.chart)} of {last['n']} frames, "
                f"centre line {chart.limits.centre:.2%}"
            )
            products.add(stream.product)
            self._alarms.raise_(AlarmKind.SPC, camera, reason, inspection.id)
        elif not any(recent):
            # The product's, not the stream's: a new model or new thresholds end the old ones' stream without a calm point.
            products.discard(stream.product)
            if not products:
                self._alarms.clear(AlarmKind.SPC, camera)

    def _recent(self, chart: "Judged") -> list[set[Rule]]:
        """The signals that raise alarms, of each of the last `calm` points."""
        wanted = set(self._settings.alarm_rules)
        return [point & wanted for point in chart.signals[-self._settings.calm :]]

    def _found_out_of_control(self, connection: Connection, camera: Camera) -> set[str]:
        """The products that keep an alarm which was raised before this server started, by the newest chart of each."""
        if not self._alarms.standing(AlarmKind.SPC, camera):
            return set()
        columns = [spc_points.c[name] for name in Stream._fields]
        same = [spc_points.c[name] == value for name, value in camera._asdict().items()]
        query = select(*columns).where(*same).group_by(*columns).order_by(func.max(spc_points.c.sequence).desc())
        found: dict[str, bool] = {}
        for stream in [Stream(*row) for row in connection.execute(query)]:
            if stream.product not in found:
                rows = _points(connection, stream, self._settings.baseline)
                chart = judge(rows, self._settings.chart, self._settings.baseline)
                if chart is not None:
                    found[stream.product] = any(self._recent(chart))
        return {product for product, signalled in found.items() if signalled}


@dataclass(frozen=True)
class Judged:
    """A chart with frozen limits; scores and signals of the points after the baseline."""

    limits: Limits
    scores: list[float]
    signals: list[set[Rule]]


def judge(rows: Sequence[RowMapping | dict[str, Any]], kind: ChartKind, baseline: int) -> Judged | None:
    """Freeze limits from the first `baseline` points and judge the later ones; None while there are too few."""
    if len(rows) < baseline:
        return None
    first = rows[:baseline]
    limits = charts.freeze(kind, [_count(row, kind) for row in first], [row["n"] for row in first])
    scores = [limits.score(_count(row, kind), row["n"]) for row in rows[baseline:]]
    return Judged(limits, scores, charts.signals(scores))


def metrics(
    connection: Connection,
    settings: Spc,
    kind: ChartKind | None,
    line: str | None,
    station: str | None,
    product: str | None,
) -> SpcMetrics:
    """The charts, those with the newest points first."""
    wanted = {"line": line, "station": station, "product": product}
    clauses = [spc_points.c[name] == value for name, value in wanted.items() if value is not None]
    columns = [spc_points.c[name] for name in Stream._fields]
    streams = [Stream(*row) for row in connection.execute(select(*columns).where(*clauses).distinct())]
    found = [_chart(connection, stream, kind or settings.chart, settings.baseline) for stream in streams]
    return SpcMetrics(
        subgroup=settings.subgroup,
        alarm_rules=list(settings.alarm_rules),
        cusum_limit=charts.CUSUM_LIMIT,
        charts=sorted(found, key=lambda chart: chart.points[-1].ended_at, reverse=True),
    )


def _chart(connection: Connection, stream: Stream, kind: ChartKind, baseline: int) -> SpcChart:
    rows = _points(connection, stream, baseline)
    judged = judge(rows, kind, baseline)
    scores = [] if judged is None else judged.scores
    smooth, widest = charts.ewma(scores), charts.ewma_limit(np.arange(len(scores)))
    upper, lower = charts.cusum(scores)
    points = []
    for number, row in enumerate(rows):
        at = number - baseline
        after = judged is not None and at >= 0
        low, high = (None, None) if judged is None else judged.limits.bounds(row["n"])
        points.append(
            SpcPoint(
                started_at=row["started_at"],
                ended_at=row["ended_at"],
                n=row["n"],
                count=_count(row, kind),
                value=_count(row, kind) / row["n"],
                low=low,
                high=high,
                score=None if judged is None else judged.limits.score(_count(row, kind), row["n"]),
                ewma=float(smooth[at]) if after else None,
                ewma_limit=float(widest[at]) if after else None,
                cusum_upper=float(upper[at]) if after else None,
                cusum_lower=float(lower[at]) if after else None,
                signals=sorted(judged.signals[at]) if judged is not None and after else [],
            )
        )
    return SpcChart(
        line=stream.line,
        station=stream.station,
        camera=stream.camera,
        product=stream.product,
        model=ModelRef(name=stream.model_name, version=stream.model_version),
        threshold_change=stream.threshold_change,
        kind=kind,
        centre=None if judged is None else judged.limits.centre,
        spread=None if judged is None else judged.limits.spread,
        baseline=baseline,
        frozen_at=None if judged is None else rows[baseline - 1]["ended_at"],
        points=points[-_SHOWN_POINTS:],
    )


def _points(connection: Connection, stream: Stream, baseline: int) -> Sequence[RowMapping]:
    """The baseline's points and the newest ones, oldest first."""
    same = [spc_points.c[name] == value for name, value in stream._asdict().items()]
    query = select(spc_points).where(*same)
    first = connection.execute(query.order_by(spc_points.c.sequence).limit(baseline)).mappings().all()
    if len(first) < baseline:
        return first
    later = query.where(spc_points.c.sequence > first[-1]["sequence"])
    newest = connection.execute(later.order_by(spc_points.c.sequence.desc()).limit(_RECENT_POINTS)).mappings().all()
    return [*first, *reversed(newest)]


def _count(row: RowMapping | dict[str, Any], kind: ChartKind) -> int:
    count: int = row["defects" if kind == "u" else "flagged"]
    return count

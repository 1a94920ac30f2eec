"""Weekly and monthly reports: collected once, then shown as a page, an Excel file or JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from serving import baselines, metrics, roi
from serving.assumptions import Assumptions, current
from serving.attribution import attribution
from serving.baseline_schema import BaselineComparison
from serving.candidates import rank
from serving.figures import figures
from serving.kpi_schema import Candidate
from serving.kpis import kpis_of, override_rate
from serving.metrics_schema import QualityMetrics
from serving.model_schema import ModelInfo
from serving.plant_day import DAY_SECONDS, Period, start_of
from serving.quality_schema import GroupBy
from serving.report_schema import Report
from serving.scope import Scope
from serving.settings import Settings
from serving.tables import audit

Language = Literal["en", "zh-Hant"]


@dataclass(frozen=True)
class Plant:
    """What a report needs to know of the installation."""

    settings: Settings
    given: Assumptions
    candidates: Sequence[Candidate]
    models: Sequence[ModelInfo]

    @property
    def zone(self) -> ZoneInfo:
        """By which its days begin."""
        return self.settings.zone


def collect(connection: Connection, period: Period, plant: Plant) -> Report:
    """Everything of one period, from one consistent state of the database."""
    since, until = start_of(period.first, plant.zone), start_of(period.end, plant.zone)
    return Report(
        period=period.name,
        first_day=period.first,
        last_day=period.end - timedelta(days=1),
        time_zone=plant.zone.key,
        complete=until <= datetime.now(UTC),
        computed_at=datetime.now(UTC),
        quality=_quality(connection, period, plant),
        previous=_quality(connection, period.previous, plant),
        figures=figures(connection, Scope(since, until), plant.settings, None),
        by_line=figures(connection, Scope(since, until), plant.settings, GroupBy.LINE),
        override_rate=override_rate(connection, since, until),
        throughput=metrics.throughput(connection, since, until),
        roi=roi.report(connection, plant.given, plant.settings),
        comparison=_comparison(connection, period, plant.zone),
        attribution=attribution(connection, "escapes"),
        ranking=(
            rank(plant.candidates, current(connection, plant.given).inputs, plant.given.currency)
            if plant.candidates
            else None
        ),
        kpis=kpis_of(connection, plant.models),
        audit_head=connection.execute(select(audit.c.hash).order_by(audit.c.sequence.desc()).limit(1)).scalar(),
    )


def _quality(connection: Connection, period: Period, plant: Plant) -> QualityMetrics:
    since, until = start_of(period.first, plant.zone), start_of(period.end, plant.zone)
    return metrics.quality(connection, since, until, None, DAY_SECONDS, plant.settings)


def _comparison(connection: Connection, period: Period, zone: ZoneInfo) -> BaselineComparison | None:
    first = start_of(period.first, zone)
    baseline = next((one for one in baselines.before_system(connection, zone) if one.until <= first), None)
    if baseline is None:
        return None
    return baselines.compare(connection, baseline.id, period.first, period.end, imported=False, zone=zone)

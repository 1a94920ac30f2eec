"""Quality and throughput."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from data.wording import text
from serving import agreement, bias, escapes, figures, metrics, spc
from serving.bias_schema import BiasMetrics
from serving.caller import Calling
from serving.metrics_schema import QualityMetrics, ThroughputMetrics, Trend
from serving.problem import ProblemError
from serving.quality.charts import ChartKind
from serving.quality_schema import AgreementMetrics, EscapeMetrics, GroupBy, QualityFigures, SpcMetrics
from serving.role import Permission
from serving.routes.parameters import Serving, Since, Until, problems
from serving.schema import TEXT, Name
from serving.scope import Scope

routes = APIRouter(tags=["metrics"])


def _scope(
    service: Serving,
    line: Name | None = None,
    station: Name | None = None,
    product: Name | None = None,
    lot: Name | None = None,
    model_version: Name | None = None,
    shift: Name | None = None,
    since: Since = None,
    until: Until = None,
) -> Scope:
    """The last 24 hours unless told otherwise. Raises a 422 problem for a shift that no line has."""
    names = {each.name for clock in service.settings.clocks for each in clock.shifts}
    if shift is not None and shift not in names:
        raise ProblemError(
            422,
            text(
                f"shift: no line has a shift {shift!r}; there are {', '.join(sorted(names))}",
                f"班別：沒有產線有班別 {shift!r}；現有 {'、'.join(sorted(names))}",
            ),
        )
    return Scope(*metrics.period(since, until), line, station, product, lot, model_version, shift)


Scoped = Annotated[Scope, Depends(_scope)]


@routes.get("/metrics/quality", operation_id="quality_metrics")
def quality_metrics(
    service: Serving,
    line: Name | None = None,
    since: Since = None,
    until: Until = None,
    bucket_seconds: Annotated[int | None, Query(ge=1, le=604_800)] = None,
) -> QualityMetrics:
    """Counts, rates with 95 % Wilson intervals and a series over time; the last 24 hours unless told otherwise."""
    with service.store.reading() as connection:
        period = metrics.period(since, until)
        return metrics.quality(connection, *period, line, bucket_seconds, service.settings)


@routes.get("/metrics/quality/figures", operation_id="quality_figures")
def quality_figures(service: Serving, scope: Scoped, by: GroupBy | None = None) -> QualityFigures:
    """Yields, defects, escapes, overkill, review effort and cost with intervals; `by` gives them for each line or shift."""
    with service.store.reading() as connection:
        return figures.figures(connection, scope, service.settings, by)


@routes.get("/metrics/escapes", operation_id="escape_metrics")
def escape_metrics(service: Serving, scope: Scoped) -> EscapeMetrics:
    """How many defective frames passed, by audits of passed ones; what that rests on, or how many audits are missing."""
    with service.store.reading() as connection:
        return escapes.metrics(connection, scope, service.settings)


@routes.get("/metrics/spc", operation_id="spc_metrics")
def spc_metrics(
    service: Serving,
    chart: ChartKind | None = None,
    line: Name | None = None,
    station: Name | None = None,
    product: Name | None = None,
) -> SpcMetrics:
    """Control charts with limits frozen for each camera, product and model version; the kind that raises alarms by default."""
    with service.store.reading() as connection:
        return spc.metrics(connection, service.settings.spc, chart, line, station, product)


@routes.get("/metrics/agreement", operation_id="agreement_metrics", responses=problems(_404="No such study."))
def agreement_metrics(
    service: Serving, scope: Scoped, study: Annotated[str | None, Query(max_length=64, pattern=TEXT)] = None
) -> AgreementMetrics:
    """How far people agree with themselves, each other, the truth and the model; of a study, or of the period's reviews."""
    with service.store.reading() as connection:
        if study is not None:
            return agreement.of_study(connection, study)
        return agreement.of_reviews(connection, scope, service.settings)


@routes.get("/metrics/bias", operation_id="bias_metrics")
def bias_metrics(service: Serving, caller: Calling, scope: Scoped) -> BiasMetrics:
    """Whether people follow the model rather than their eyes: calls with its verdict shown against calls without, challenge
    parts, second opinions, times and overrides.
    """
    with service.store.reading() as connection:
        return bias.metrics(connection, scope, service.settings, caller.may(Permission.PLAN))


@routes.get("/metrics/throughput", operation_id="throughput_metrics")
def throughput_metrics(service: Serving, since: Since = None, until: Until = None) -> ThroughputMetrics:
    """Frames, parts, rate and latency of each line, and the pace of reviews; the last 24 hours unless told otherwise."""
    with service.store.reading() as connection:
        return metrics.throughput(connection, *metrics.period(since, until))


@routes.get("/metrics/trend", operation_id="trend_metrics")
def trend_metrics(service: Serving) -> Trend:
    """Frames of each line in the last hour by five minutes, and how many of them were not passed."""
    with service.store.reading() as connection:
        return metrics.trend(connection, datetime.now(UTC))

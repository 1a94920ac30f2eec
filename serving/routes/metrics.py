"""Quality and throughput."""

from typing import Annotated

from fastapi import APIRouter, Query

from serving import metrics
from serving.routes.parameters import Serving, Since, Until
from serving.schema import Name, QualityMetrics, ThroughputMetrics

routes = APIRouter(tags=["metrics"])


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
        return metrics.quality(connection, *metrics.period(since, until), line, bucket_seconds)


@routes.get("/metrics/throughput", operation_id="throughput_metrics")
def throughput_metrics(service: Serving, since: Since = None, until: Until = None) -> ThroughputMetrics:
    """Frames, parts, rate and latency of each line, and the pace of reviews; the last 24 hours unless told otherwise."""
    with service.store.reading() as connection:
        return metrics.throughput(connection, *metrics.period(since, until))

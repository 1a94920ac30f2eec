"""What a weekly or monthly report holds: the same numbers for the page, the Excel file and the API."""

from datetime import date, datetime

from pydantic import Field

from serving.baseline_schema import Attribution, BaselineComparison
from serving.kpi_schema import Kpis, Ranking
from serving.metrics_schema import QualityMetrics, Rate, ThroughputMetrics
from serving.quality_schema import QualityFigures
from serving.roi_schema import RoiReport
from serving.schema import Message


class Report(Message):
    """One period of the plant, with what the system is worth as of now."""

    period: str = Field(description="such as 2026-W47 or 2026-11")
    first_day: date
    last_day: date
    time_zone: str
    complete: bool = Field(description="false: the period is not over")
    computed_at: datetime
    quality: QualityMetrics = Field(description="its series is of days")
    previous: QualityMetrics = Field(description="the period before")
    figures: QualityFigures = Field(description="of the whole plant")
    by_line: QualityFigures
    override_rate: Rate
    throughput: ThroughputMetrics
    roi: RoiReport
    comparison: BaselineComparison | None = Field(
        description="against the newest baseline; null when there is none before the period"
    )
    attribution: Attribution
    ranking: Ranking | None
    kpis: Kpis
    audit_head: str | None = Field(description="hash of the audit trail's newest entry")

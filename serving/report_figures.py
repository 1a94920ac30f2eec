"""The figures that a report leads with: by the path at which the API gives them, so that every form shows the same."""

from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from serving.report_schema import Report

Kind = Literal["count", "percent", "money", "months", "seconds"]


@dataclass(frozen=True)
class Figure:
    """One number; `path` leads to it in the report's JSON."""

    path: str
    kind: Kind
    value: float | None


_PATHS: tuple[tuple[str, Kind], ...] = (
    ("roi.measured.first_year_roi", "percent"),
    ("roi.measured.odds.p5", "percent"),
    ("roi.measured.odds.p50", "percent"),
    ("roi.measured.odds.p95", "percent"),
    ("roi.measured.odds.reaches_target", "percent"),
    ("roi.measured.odds.target", "percent"),
    ("roi.measured.odds.loses", "percent"),
    ("roi.measured.first_year_benefit", "money"),
    ("roi.measured.first_year_cost", "money"),
    ("roi.measured.payback_months", "months"),
    ("roi.measured.npv", "money"),
    ("roi.measured.irr", "percent"),
    ("roi.measured.defect_reduction", "percent"),
    ("roi.measured.throughput_gain", "percent"),
    ("roi.measured.outgoing_ppm_before", "count"),
    ("roi.measured.outgoing_ppm_after", "count"),
    ("roi.case_study.first_year_roi", "percent"),
    ("roi.case_study.odds.p5", "percent"),
    ("roi.case_study.odds.p50", "percent"),
    ("roi.case_study.odds.p95", "percent"),
    ("roi.case_study.odds.reaches_target", "percent"),
    ("quality.inspected", "count"),
    ("quality.passed", "count"),
    ("quality.review", "count"),
    ("quality.rejected", "count"),
    ("quality.no_decision", "count"),
    ("quality.waiting", "count"),
    ("quality.defects_confirmed", "count"),
    ("quality.false_calls", "count"),
    ("quality.flag_rate.value", "percent"),
    ("quality.confirmed_rate.value", "percent"),
    ("quality.false_call_rate.value", "percent"),
    ("quality.escape_rate.value", "percent"),
    ("override_rate.value", "percent"),
    ("throughput.review_seconds_median", "seconds"),
)


def figures(report: Report) -> list[Figure]:
    """Every leading figure, None where it is not known."""
    return [Figure(path, kind, _at(report, path)) for path, kind in _PATHS]


def _at(report: Report, path: str) -> float | None:
    value: Any = reduce(getattr, path.split("."), report)
    return None if value is None else float(value)

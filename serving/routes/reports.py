"""Weekly and monthly reports."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from data.wording import text
from serving.plant_day import parse_period, refuse_to_come
from serving.report_page import render_page
from serving.report_schema import Report
from serving.report_workbook import MEDIA_TYPE, render_workbook
from serving.reports import Language, collect
from serving.routes.parameters import Id, Serving

routes = APIRouter(tags=["reports"])

_CONTENT: dict[str, dict[str, str]] = {"application/json": {}, "text/html": {}, MEDIA_TYPE: {}}


@routes.get(
    "/reports/{period}",
    operation_id="get_report",
    response_model=Report,
    responses={200: {"content": _CONTENT, "description": "In the form asked for"}},
)
def get_report(
    service: Serving,
    period: Id,
    form: Annotated[Literal["html", "xlsx", "json"], Query(alias="format")] = "html",
    language: Language = "en",
) -> Response:
    """A week (2026-W47) or month (2026-11) of the plant: a page for the manager with the evidence behind it, an Excel file
    with live formulas, or the same numbers as JSON."""
    wanted = parse_period(period)
    nothing = text("nothing is known of it yet", "尚無可報告的內容")
    refuse_to_come(wanted.first, service.settings.zone, text(f"period {period}", f"期間 {period}"), nothing)
    with service.store.reading() as connection:
        report = collect(connection, wanted, service.plant)
    if form == "json":
        return Response(report.model_dump_json(by_alias=True), media_type="application/json")
    if form == "html":
        return Response(render_page(report, language), media_type="text/html")
    name = f'attachment; filename="report-{wanted.name}-{language}.xlsx"'
    return Response(render_workbook(report, language), media_type=MEDIA_TYPE, headers={"Content-Disposition": name})

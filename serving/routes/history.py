"""Past inspections, looked for and taken along."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from serving import history
from serving.history_schema import HistoryFilters, HistoryOutline, HistoryPage, HistoryQuery
from serving.history_workbook import history_workbook
from serving.report_workbook import MEDIA_TYPE
from serving.routes.parameters import Looking, Serving

routes = APIRouter(prefix="/history", tags=["history"])


@routes.get("", operation_id="list_history")
def list_history(service: Serving, sight: Looking, query: Annotated[HistoryQuery, Query()]) -> HistoryPage:
    """Inspections in few words, newest first."""
    with service.store.reading() as connection:
        return history.list_page(connection, query, sight)


@routes.get("/outline", operation_id="outline_history")
def outline_history(service: Serving, sight: Looking, filters: Annotated[HistoryFilters, Query()]) -> HistoryOutline:
    """How many inspections are found, the newest 150,000 at most, and where each page of them begins, to go to any of them."""
    with service.store.reading() as connection:
        return history.outline(connection, filters, sight)


@routes.get(
    "/export.csv",
    operation_id="export_history",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}},
)
def export_history(service: Serving, sight: Looking, filters: Annotated[HistoryFilters, Query()]) -> StreamingResponse:
    """The same rows with scores, thresholds, model and review, as a table that spreadsheets open."""
    headers = {"Content-Disposition": 'attachment; filename="inspections.csv"'}
    return StreamingResponse(
        history.as_csv(service.store, filters, sight), media_type="text/csv; charset=utf-8", headers=headers
    )


@routes.get(
    "/export.xlsx",
    operation_id="export_history_workbook",
    response_class=StreamingResponse,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
def export_history_workbook(
    service: Serving, sight: Looking, filters: Annotated[HistoryFilters, Query()]
) -> StreamingResponse:
    """The same table as an Excel file, with times as dates in UTC; at most 1,048,575 rows, as many as a sheet has."""
    headers = {"Content-Disposition": 'attachment; filename="inspections.xlsx"'}
    return StreamingResponse(history_workbook(service.store, filters, sight), media_type=MEDIA_TYPE, headers=headers)

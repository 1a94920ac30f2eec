"""What is tracked beside the money, and which line comes next."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from data.wording import text
from serving import candidates, kpis
from serving.assumptions import current
from serving.baseline_schema import Imported
from serving.caller import Calling
from serving.csv_rows import NOTHING_KEPT, read_rows
from serving.kpi_schema import MOST_CANDIDATES, Candidate, CandidateRequest, KpiRow, Kpis, Ranking
from serving.plant_day import refuse_to_come
from serving.routes.parameters import CSV, CsvBody, Serving
from serving.schema import Name, Reason

_MOST_FIGURES = 10_000

routes = APIRouter(tags=["roi"])


@routes.get("/kpis", operation_id="get_kpis")
def get_kpis(service: Serving) -> Kpis:
    """Innovation, employees and customers: tracked over time, never summed into money."""
    models = service.models.list()
    with service.store.reading() as connection:
        return kpis.kpis_of(connection, models)


@routes.post("/kpis", operation_id="import_kpis", status_code=201, openapi_extra=CSV)
async def import_kpis(
    service: Serving,
    caller: Calling,
    content: CsvBody,
    person: Annotated[Name, Query()],
    reason: Annotated[Reason, Query()],
) -> Imported:
    """Figures of surveys and the like. Columns: kpi (survey, nps, staff_kept, customers_kept, npi_days or
    ai_assisted_products), day, value, n, source."""
    caller.answers_to(person)
    what = text("kpis", "指標")
    rows = await asyncio.to_thread(read_rows, content, KpiRow, what, _MOST_FIGURES)
    refuse_to_come(max(row.day for row in rows), service.settings.zone, what, NOTHING_KEPT)
    importing = service.store.submit(lambda connection: kpis.import_kpis(connection, rows, person, reason))
    return await asyncio.wrap_future(importing)


@routes.get("/roi/candidates", operation_id="rank_candidates")
def rank_candidates(service: Serving) -> Ranking | None:
    """The candidates of the setting `roi_candidates`, ranked: where to start, and where to go then; null without any."""
    return _ranked(service, service.candidates) if service.candidates else None


@routes.post("/roi/candidates", operation_id="try_candidates")
def try_candidates(service: Serving, request: CandidateRequest) -> Ranking:
    """Rank these candidates. Nothing is kept."""
    return _ranked(service, request.candidates)


@routes.post("/roi/candidates/csv", operation_id="upload_candidates", openapi_extra=CSV)
async def upload_candidates(service: Serving, content: CsvBody) -> Ranking:
    """Rank the candidates of a table: a row each, with the columns of a candidate. Nothing is kept."""
    return await asyncio.to_thread(
        lambda: _ranked(service, read_rows(content, Candidate, text("candidates", "候選點"), MOST_CANDIDATES))
    )


def _ranked(service: Serving, given: Sequence[Candidate]) -> Ranking:
    with service.store.reading() as connection:
        inputs = current(connection, service.assumptions).inputs
    return candidates.rank(given, inputs, service.assumptions.currency)

"""What was before, which line got the system when, and what the change can be put down to."""

import asyncio
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from data.wording import text
from serving import baselines, past_counts
from serving.attribution import attribution
from serving.baseline_schema import (
    Attribution,
    Baseline,
    BaselineComparison,
    FreezeBaseline,
    HistoryRow,
    Imported,
    Rollout,
    RolloutRequest,
)
from serving.caller import Calling
from serving.csv_rows import NOTHING_KEPT, read_rows
from serving.plant_day import refuse_to_come
from serving.routes.parameters import CSV, CsvBody, Id, Serving, problems
from serving.schema import Day, Name, Reason

# A hundred lines and products over three years.
_MOST_DAYS = 100_000

routes = APIRouter(tags=["baselines"])


@routes.post(
    "/past-counts",
    operation_id="import_history",
    status_code=201,
    openapi_extra=CSV,
    responses=problems(_409="Some of these days are there already."),
)
async def import_history(
    service: Serving,
    caller: Calling,
    content: CsvBody,
    person: Annotated[Name, Query()],
    reason: Annotated[Reason, Query()],
    replace: Annotated[bool, Query(description="supersede days that are there")] = False,
) -> Imported:
    """Counts by day, line and product from before the system or from outside it, such as field returns.

    Columns: day, line, product, inspected, and what is known of flagged, false_calls, confirmed, audited, audit_defects, escapes,
    inspector_seconds (of all inspectors together on that day).
    """
    caller.answers_to(person)
    what = text("history", "過去的統計")
    rows = await asyncio.to_thread(read_rows, content, HistoryRow, what, _MOST_DAYS)
    refuse_to_come(max(row.day for row in rows), service.settings.zone, what, NOTHING_KEPT)
    importing = service.store.submit(
        lambda connection: past_counts.import_history(connection, rows, replace, person, reason)
    )
    return await asyncio.wrap_future(importing)


@routes.get("/baselines", operation_id="list_baselines")
def list_baselines(service: Serving) -> list[Baseline]:
    """Every frozen baseline, newest first."""
    with service.store.reading() as connection:
        return baselines.list_all(connection, service.settings.zone)


@routes.post(
    "/baselines",
    operation_id="freeze_baseline",
    status_code=201,
    responses=problems(_409="There is a baseline of this name."),
)
async def freeze_baseline(service: Serving, caller: Calling, request: FreezeBaseline) -> Baseline:
    """Keep a period's figures as they are now, before the system decides."""
    caller.answers_to(request.person)
    zone = service.settings.zone
    freezing = service.store.submit(lambda connection: baselines.freeze(connection, request, zone))
    return await asyncio.wrap_future(freezing)


@routes.get("/baselines/{id}/comparison", operation_id="compare_baseline", responses=problems(_404="No such baseline."))
def compare_baseline(
    service: Serving,
    id: Id,
    first_day: Day,
    last_day: Annotated[Day, Query(description="included")],
    after: Annotated[
        Literal["measured", "history"], Query(description="what this system counted, or what was imported")
    ] = "measured",
) -> BaselineComparison:
    """Later days against the baseline, like for like: the same lines and products, with what the data cannot support."""
    end = last_day + timedelta(days=1)
    with service.store.reading() as connection:
        return baselines.compare(connection, id, first_day, end, after == "history", service.settings.zone)


@routes.get("/rollouts", operation_id="list_rollouts")
def list_rollouts(service: Serving) -> list[Rollout]:
    """From which day on the system decides on each line."""
    with service.store.reading() as connection:
        return baselines.list_rollouts(connection)


@routes.post("/rollouts", operation_id="roll_out", status_code=201)
async def roll_out(service: Serving, caller: Calling, request: RolloutRequest) -> Rollout:
    """Note from which day on the system decides on a line; a later note for the same line supersedes."""
    caller.answers_to(request.person)
    return await asyncio.wrap_future(service.store.submit(lambda connection: baselines.roll_out(connection, request)))


@routes.get("/attribution", operation_id="get_attribution")
def get_attribution(
    service: Serving, outcome: Literal["escapes", "false_calls", "confirmed"] = "escapes"
) -> Attribution:
    """Staggered difference-in-differences over the imported history, with randomisation inference; or why it cannot be told."""
    with service.store.reading() as connection:
        return attribution(connection, outcome)

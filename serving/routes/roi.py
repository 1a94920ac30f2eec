"""The return on investment: the report, what-if, and the assumptions behind it."""

import asyncio

from fastapi import APIRouter

from data.wording import text
from serving import assumptions, roi
from serving.caller import Calling
from serving.problem import ProblemError
from serving.roi_schema import AssumptionVersion, ChangeAssumption, RoiReport, RoiScenario, WhatIf
from serving.routes.parameters import Id, Serving, problems

routes = APIRouter(tags=["roi"])


@routes.get("/roi", operation_id="get_roi")
def get_roi(service: Serving) -> RoiReport:
    """What the system is worth: by the assumptions file, and by the plant's numbers with what was measured in their place."""
    with service.store.reading() as connection:
        return roi.report(connection, service.assumptions, service.settings)


@routes.post("/roi", operation_id="try_roi")
def try_roi(service: Serving, request: WhatIf) -> RoiScenario:
    """The plant's figures with other values for some numbers. Nothing is kept."""
    with service.store.reading() as connection:
        return roi.what_if(connection, service.assumptions, service.settings, request.values)


@routes.get("/roi/assumptions/{key}", operation_id="list_assumption_versions", responses=problems(_404="No such one."))
def list_assumption_versions(service: Serving, key: Id) -> list[AssumptionVersion]:
    """Every version of one number, newest first, with who set it and why."""
    with service.store.reading() as connection:
        rows = assumptions.history(connection, key)
    return [AssumptionVersion(**{name: row[name] for name in AssumptionVersion.model_fields}) for row in rows]


@routes.put("/roi/assumptions/{key}", operation_id="change_assumption", responses=problems(_404="No such one."))
async def change_assumption(service: Serving, caller: Calling, key: Id, request: ChangeAssumption) -> AssumptionVersion:
    """Add a version of one number. The versions before it stay, and the audit trail tells of the change."""
    caller.answers_to(request.person)
    changes = request.model_dump(include={"value", "kind"}, exclude_none=True)
    if request.source is not None:
        # A person writes in one language; it is shown as it was written in all.
        changes["source"] = text(request.source, request.source)
    if "spread" in request.model_fields_set:
        changes["spread"] = request.spread
    if not changes:
        raise ProblemError(
            422,
            text(
                "give at least one of value, source, kind and spread",
                "數值、來源、性質與範圍（value、source、kind、spread）至少須給一項",
            ),
        )
    given = service.assumptions
    changing = service.store.submit(
        lambda connection: assumptions.change(connection, given, key, changes, request.person, request.reason)
    )
    await asyncio.wrap_future(changing)
    return (await asyncio.to_thread(list_assumption_versions, service, key))[0]

"""Planned studies of agreement: who calls which part, and what came of it."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from serving import agreement, comparison
from serving.caller import Calling
from serving.comparison_schema import StudyComparison
from serving.quality_schema import Study, StudyAnswer, StudyRequest, StudyTask
from serving.routes.parameters import Id, Serving, problems
from serving.schema import Name

routes = APIRouter(tags=["studies"])


@routes.get("/studies", operation_id="list_studies")
def list_studies(service: Serving) -> list[Study]:
    """Every study, newest first."""
    with service.store.reading() as connection:
        return agreement.list_studies(connection)


@routes.post("/studies", operation_id="create_study", status_code=201, responses=problems(_403="Not who is signed in."))
async def create_study(service: Serving, caller: Calling, request: StudyRequest) -> Study:
    """Choose parts whose truth is known, for several people to call several times; 50 parts x 3 people x 3 trials is usual."""
    caller.answers_to(request.person)
    return await asyncio.wrap_future(
        service.store.submit(lambda connection: agreement.create_study(connection, request))
    )


@routes.get("/studies/{id}/comparison", operation_id="compare_study", responses=problems(_404="No such study."))
def compare_study(service: Serving, id: Id) -> StudyComparison:
    """People, the model, and people who saw the model, on the same parts: sensitivity, specificity, seconds, paired gaps."""
    with service.store.reading() as connection:
        return comparison.of_study(connection, id)


@routes.get("/studies/{id}/task", operation_id="get_study_task", responses=problems(_404="No such study."))
def get_study_task(
    service: Serving,
    caller: Calling,
    id: Id,
    person: Annotated[Name, Query()],
) -> StudyTask:
    """The part that a person calls next."""
    caller.answers_to(person)
    with service.store.reading() as connection:
        return agreement.next_task(connection, id, person)


@routes.post(
    "/studies/{id}/answers",
    operation_id="answer_study",
    responses=problems(_403="Takes no part in it.", _404="No such study.", _409="Called otherwise before."),
)
async def answer_study(service: Serving, caller: Calling, id: Id, given: StudyAnswer) -> StudyTask:
    """Keep a call and get the next part; a repeat is harmless."""
    caller.answers_to(given.person)
    return await asyncio.wrap_future(service.store.submit(lambda connection: agreement.answer(connection, id, given)))

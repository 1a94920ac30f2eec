"""What waits for a person, and what people decided."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from serving import inspections
from serving.caller import Calling
from serving.reviews import add_review
from serving.routes.parameters import Serving, problems
from serving.schema import Name, Review, ReviewQueue, ReviewRequest

routes = APIRouter(tags=["reviews"])


@routes.get("/reviews/queue", operation_id="review_queue")
def review_queue(
    service: Serving,
    reviewer: Annotated[Name | None, Query(description="skip what this person called UNSURE")] = None,
    line: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ReviewQueue:
    """What to look at next, by the expected cost of leaving the verdict as it is.

    First NO_DECISION (nothing is known, and the line waits: escape cost + overkill cost), then by
    p x escape cost for REVIEW and (1 - p) x overkill cost for REJECT; older parts first among equals.
    """
    with service.store.reading() as connection:
        return inspections.get_queue(connection, reviewer, line, limit)


@routes.put(
    "/reviews/{client_id}",
    operation_id="put_review",
    responses=problems(
        _403="The reviewer is not who is signed in.",
        _404="No such inspection.",
        _409="Another review has this client_id.",
        _410="Retention removed the inspection.",
    ),
)
async def put_review(service: Serving, caller: Calling, client_id: UUID, review: ReviewRequest) -> Review:
    """Record a decision; a repeat is harmless, and a later review supersedes the one before. A null decision undoes it."""
    caller.answers_to(review.reviewer)
    costs = service.settings.costs
    writing = service.store.submit(lambda connection: add_review(connection, client_id, review, costs))
    stored, new = await asyncio.wrap_future(writing)
    if new:
        service.gauges.reviews.inc()
        service.events.publish("review", stored)
    return stored

"""What waits for a person, who has it, and what people decided."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from serving import queue
from serving.blindness import second_waits, without_decision
from serving.caller import Calling
from serving.review_schema import ClaimedQueue, ClaimRequest, QueueChoices, QueueQuery, ReviewQueue
from serving.reviews import add_review
from serving.routes.parameters import Serving, problems
from serving.schema import Name, Review, ReviewRequest

routes = APIRouter(tags=["reviews"])


@routes.get("/reviews/queue", operation_id="review_queue")
def review_queue(service: Serving, query: Annotated[QueueQuery, Query()]) -> ReviewQueue:
    """What to look at next, by the expected cost of leaving the verdict as it is.

    First NO_DECISION (nothing is known, and the line waits: escape cost + overkill cost), then by
    p x escape cost for REVIEW and (1 - p) x overkill cost for REJECT; older parts first among equals.
    """
    with service.store.reading() as connection:
        return queue.get_queue(connection, query, service.settings.reviewing)


@routes.get("/reviews/choices", operation_id="review_choices")
def review_choices(service: Serving) -> QueueChoices:
    """What the queue can be filtered by."""
    with service.store.reading() as connection:
        return queue.get_choices(connection, service.settings.reviewing)


@routes.post("/reviews/claims", operation_id="claim_reviews", responses=problems(_403="Not who is signed in."))
async def claim_reviews(service: Serving, caller: Calling, request: ClaimRequest) -> ClaimedQueue:
    """The next parts for one person alone; nobody else gets them until the claim ends. Ask again to renew it."""
    caller.answers_to(request.reviewer)
    reviewing = service.settings.reviewing
    return await asyncio.wrap_future(
        service.store.submit(lambda connection: queue.claim(connection, request, reviewing))
    )


@routes.delete(
    "/reviews/claims", operation_id="release_reviews", status_code=204, responses=problems(_403="Not who is signed in.")
)
async def release_reviews(service: Serving, caller: Calling, reviewer: Annotated[Name, Query()]) -> None:
    """Give back whatever one has claimed, as on leaving the page."""
    caller.answers_to(reviewer)
    await asyncio.wrap_future(service.store.submit(lambda connection: queue.release(connection, reviewer)))


@routes.put(
    "/reviews/{client_id}",
    operation_id="put_review",
    responses=problems(
        _403="The reviewer is not who is signed in.",
        _404="No such inspection.",
        _409="Another review has this client_id.",
        _410="Retention removed the inspection.",
        _412="Somebody else decided meanwhile; `detail` says who and what.",
    ),
)
async def put_review(service: Serving, caller: Calling, client_id: UUID, review: ReviewRequest) -> Review:
    """Record a decision; a repeat is harmless, and a later review supersedes the one before.

    A null decision undoes it: what it superseded stands again.
    """
    caller.answers_to(review.reviewer)
    costs, second_share = service.settings.costs, service.settings.reviewing.second_share

    def write(connection: Connection) -> tuple[Review, bool, bool]:
        stored, new = add_review(connection, client_id, review, costs, second_share)
        return stored, new, second_waits(connection, stored.inspection_id)

    stored, new, waits = await asyncio.wrap_future(service.store.submit(write))
    if new:
        service.gauges.reviews.inc()
        service.events.publish("review", stored, without_decision(stored) if waits else None)
    return stored

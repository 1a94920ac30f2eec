"""Reviews: added, never changed. The newest on an inspection stands, and moves the part out of the queue or back in."""

from datetime import UTC, datetime
from random import SystemRandom
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update

from data.verdict import ReviewDecision, Verdict
from serving.audit import Action, append
from serving.inspections import missing, queue_cost, review_of
from serving.problem import ProblemError
from serving.sampling import place_in_queue
from serving.schema import Review, ReviewRequest
from serving.settings import Costs
from serving.tables import claims, inspections, reviews


def add_review(connection: Connection, client_id: UUID, request: ReviewRequest, costs: Costs) -> tuple[Review, bool]:
    """Store a review, or find that it was stored before; the flag tells whether it is new.

    Raises a 404 problem for an unknown inspection, 410 for one that retention removed, 409 when the client_id belongs
    to a review with other content, and 412 when somebody decided whom the person did not see.
    """
    content: dict[str, Any] = {
        **request.model_dump(exclude={"seen_review"}),
        "decision": request.decision and request.decision.value,
    }
    present = connection.execute(select(reviews).where(reviews.c.client_id == str(client_id))).mappings().first()
    if present is not None:
        if any(present[name] != value for name, value in content.items()):
            raise ProblemError(409, f"review {client_id} was stored with other content; choose a new client_id")
        return review_of(present), False
    inspected = connection.execute(select(inspections).where(inspections.c.id == request.inspection_id)).first()
    if inspected is None:
        raise missing(connection, request.inspection_id)
    if "seen_review" in request.model_fields_set:
        _check_seen(connection, inspected.review_id, request)
    row = {
        **content,
        "client_id": str(client_id),
        "received_at": datetime.now(UTC),
        "supersedes": inspected.review_id,
    }
    sequence = connection.execute(insert(reviews).values(row).returning(reviews.c.sequence)).scalar_one()
    append(
        connection,
        Action.REVIEW,
        str(client_id),
        request.reviewer,
        new={"sequence": sequence, **row},
        reason=request.note,
    )
    waits = request.decision in (None, ReviewDecision.UNSURE)
    verdict, probability = Verdict(inspected.verdict), inspected.defect_probability
    cost = queue_cost(verdict, probability, inspected.novelty, inspected.fault, costs) if waits else None
    if waits and inspected.audit is not None:
        cost = place_in_queue(costs, SystemRandom())
    connection.execute(
        update(inspections)
        .where(inspections.c.id == request.inspection_id)
        .values(review_id=str(client_id), decision=content["decision"], queue_cost=cost)
    )
    connection.execute(delete(claims).where(claims.c.inspection_id == request.inspection_id))
    return review_of(row), True


def _check_seen(connection: Connection, standing_id: str | None, request: ReviewRequest) -> None:
    standing = connection.execute(select(reviews).where(reviews.c.client_id == standing_id)).first()
    if standing is None or standing.decision is None or standing.reviewer == request.reviewer:
        return
    if str(request.seen_review) != standing.client_id:
        raise ProblemError(
            412,
            f"{standing.reviewer} decided {standing.decision} on {standing.decided_at.isoformat()}, which the person did not "
            f"see: show it, then send with seen_review {standing.client_id} to replace it, or drop this review",
        )

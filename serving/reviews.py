"""Reviews: added, never changed. The newest on an inspection stands, and moves the part out of the queue or back in."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from data.verdict import ReviewDecision, Verdict
from serving.audit import Action, append
from serving.inspections import missing, queue_cost, review_of
from serving.problem import ProblemError
from serving.schema import Review, ReviewRequest
from serving.settings import Costs
from serving.tables import inspections, reviews


def add_review(connection: Connection, client_id: UUID, request: ReviewRequest, costs: Costs) -> tuple[Review, bool]:
    """Store a review, or find that it was stored before; the flag tells whether it is new.

    Raises a 404 problem for an unknown inspection, 410 for one that retention removed, and 409 when the client_id belongs
    to a review with other content.
    """
    content: dict[str, Any] = {**request.model_dump(), "decision": request.decision and request.decision.value}
    present = connection.execute(select(reviews).where(reviews.c.client_id == str(client_id))).mappings().first()
    if present is not None:
        if any(present[name] != value for name, value in content.items()):
            raise ProblemError(409, f"review {client_id} was stored with other content; choose a new client_id")
        return review_of(present), False
    inspected = connection.execute(select(inspections).where(inspections.c.id == request.inspection_id)).first()
    if inspected is None:
        raise missing(connection, request.inspection_id)
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
    connection.execute(
        update(inspections)
        .where(inspections.c.id == request.inspection_id)
        .values(review_id=str(client_id), decision=content["decision"], queue_cost=cost)
    )
    return review_of(row), True

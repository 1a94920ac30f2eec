"""Reviews: added, never changed. The newest on an inspection stands, and moves the part out of the queue or back in."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, RowMapping, delete, insert, literal, select, update

from data.verdict import DECIDED, Verdict
from data.wording import text
from serving.audit import Action, append
from serving.blindness import is_drawn, waits_for_second
from serving.inspections import missing, queue_cost, review_of
from serving.problem import ProblemError
from serving.sampling import place_in_queue
from serving.schema import Review, ReviewRequest
from serving.settings import Costs
from serving.tables import Utc, claims, inspections, reviews

_LATELY = timedelta(days=1)


def add_review(
    connection: Connection, client_id: UUID, request: ReviewRequest, costs: Costs, second_share: float = 0.0
) -> tuple[Review, bool]:
    """Store a review, or find that it was stored before; the flag tells whether it is new.

    A share of what is decided goes back to the queue for a second opinion. Until another person decides, the first stands;
    that person's decision then supersedes it, as any later one does. Whoever takes a decision back lets the one that it
    superseded stand again.

    Raises a 404 problem for an unknown inspection, 410 for one that retention removed, 422 for a box that is not inside its
    image, 409 when the client_id belongs to a review with other content, and 412 when somebody decided whom the person did
    not see; but not while a second opinion is asked for, which is to know nothing of the first.
    """
    content: dict[str, Any] = {
        **request.model_dump(exclude={"seen_review"}),
        "decision": request.decision and request.decision.value,
    }
    present = connection.execute(select(reviews).where(reviews.c.client_id == str(client_id))).mappings().first()
    if present is not None:
        if any(present[name] != value for name, value in content.items()):
            raise ProblemError(
                409,
                text(
                    f"review {client_id} was stored with other content; choose a new client_id",
                    f"判定 {client_id} 已以其他內容保存；請使用新的 client_id",
                ),
            )
        return review_of(present), False
    inspected = connection.execute(select(inspections).where(inspections.c.id == request.inspection_id)).first()
    if inspected is None:
        raise missing(connection, request.inspection_id)
    _check_boxes(inspected, request)
    standing = _find(connection, inspected.review_id)
    second = waits_for_second(inspected._mapping)
    if "seen_review" in request.model_fields_set and not second:
        _check_seen(standing, request)
    # Whoever gives no second opinion after all leaves the first one standing, and the part to a third person.
    aside = (
        second and request.decision not in DECIDED and standing is not None and standing.reviewer != request.reviewer
    )
    before = _before(connection, standing) if request.decision is None and not aside else None
    now = datetime.now(UTC)
    row = {
        **content,
        "client_id": str(client_id),
        "received_at": now,
        "supersedes": None if aside else inspected.review_id,
    }
    sequence = connection.execute(insert(reviews).values(row).returning(reviews.c.sequence)).scalar_one()
    append(
        connection,
        Action.REVIEW,
        str(client_id),
        request.reviewer,
        old=None
        if before is None
        else {f"restored_{name}": before[name] for name in ("client_id", "decision", "reviewer")},
        new={"sequence": sequence, **row},
        reason=request.note,
    )
    if not aside:
        stands = row if before is None else before
        cost = _place(connection, inspected, stands, costs, second_share, now)
        connection.execute(
            update(inspections)
            .where(inspections.c.id == request.inspection_id)
            .values(
                review_id=stands["client_id"],
                decision=stands["decision"],
                reviewer=None if stands["decision"] is None else stands["reviewer"],
                queue_cost=cost,
            )
        )
    connection.execute(delete(claims).where(claims.c.inspection_id == request.inspection_id))
    return review_of(row), True


def taken_back() -> ColumnElement[bool]:
    """Whether the review of the query around it was undone."""
    undo = reviews.alias()
    undone = select(undo.c.sequence).where(
        undo.c.inspection_id == reviews.c.inspection_id,
        undo.c.supersedes == reviews.c.client_id,
        undo.c.decision.is_(None),
    )
    return undone.correlate(reviews).exists()


def _find(connection: Connection, client_id: str | None) -> Row[Any] | None:
    return connection.execute(select(reviews).where(reviews.c.client_id == client_id)).first()


def _before(connection: Connection, undone: Row[Any] | None) -> RowMapping | None:
    """The decision that stands again once `undone` is taken back; None where nobody had decided before it."""
    if undone is None or undone.decision is None:
        return None
    before = _find(connection, undone.supersedes)
    return None if before is None or before.decision is None else before._mapping


def _place(
    connection: Connection, inspected: Any, stands: Mapping[Any, Any], costs: Costs, second_share: float, now: datetime
) -> float | None:
    """Where the part waits now that the review `stands`; None when it waits no longer."""
    if stands["decision"] not in DECIDED:
        if inspected.audit is not None:
            return place_in_queue(costs, SystemRandom())
        verdict, probability = Verdict(inspected.verdict), inspected.defect_probability
        return queue_cost(verdict, probability, inspected.novelty, inspected.fault, costs)
    asked = _drawn(inspected, second_share) and _somebody_else_is_here(connection, stands, now)
    return place_in_queue(costs, SystemRandom()) if asked else None


def _drawn(inspected: Any, share: float) -> bool:
    """By the id, so that undoing and deciding again does not draw again."""
    if Verdict(inspected.verdict) is Verdict.NO_DECISION or not inspected.image_kept or inspected.image_removed_at:
        return False
    return is_drawn(f"second {inspected.id}", share)


def _somebody_else_is_here(connection: Connection, stands: Mapping[Any, Any], now: datetime) -> bool:
    """Whether another person reviews these days, and none has decided this part and kept to it."""
    others = reviews.c.reviewer != stands["reviewer"]
    before = select(reviews.c.sequence).where(
        reviews.c.inspection_id == stands["inspection_id"],
        others,
        reviews.c.decision.in_([each.value for each in DECIDED]),
        ~taken_back(),
    )
    if connection.execute(before.limit(1)).first() is not None:
        return False
    lately = select(reviews.c.sequence).where(reviews.c.received_at >= literal(now - _LATELY, Utc()), others)
    return connection.execute(lately.limit(1)).first() is not None


def _check_boxes(inspected: Row[Any], request: ReviewRequest) -> None:
    width, height = inspected.image_width, inspected.image_height
    if request.boxes and width is None:
        raise ProblemError(
            422,
            text(
                f"boxes: the frame of inspection {inspected.id} is no image, so that nothing can be marked in it; leave them out",
                f"boxes：檢測 {inspected.id} 的影格不是影像，無法標示；請移除方框",
            ),
        )
    for number, box in enumerate(request.boxes):
        if box.x1 > width or box.y1 > height:
            raise ProblemError(
                422,
                text(
                    f"boxes.{number}: box {box} leaves the image of {width} x {height} pixels; keep x1 and y1 within it",
                    f"boxes.{number}：方框 {box} 超出 {width} x {height} 像素的影像；x1 與 y1 須在影像之內",
                ),
            )


def _check_seen(standing: Row[Any] | None, request: ReviewRequest) -> None:
    if standing is None or standing.decision is None or standing.reviewer == request.reviewer:
        return
    if str(request.seen_review) != standing.client_id:
        raise ProblemError(
            412,
            text(
                f"{standing.reviewer} decided {standing.decision} on {standing.decided_at.isoformat()}, which the person did not "
                f"see: show it, then send with seen_review {standing.client_id} to replace it, or drop this review",
                f"{standing.reviewer} 已於 {standing.decided_at.isoformat()} 判定為 {standing.decision}，此人尚未看到："
                f"請先顯示該判定，再以 seen_review {standing.client_id} 送出以取代，或放棄此判定",
            ),
        )

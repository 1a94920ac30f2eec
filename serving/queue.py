"""What waits for a person, and who has which part of it on the screen.

A claim is soft: it keeps two people from looking at the same part, it decides nothing, and it ends by itself. Reviews check
for themselves that nobody else decided meanwhile.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, RowMapping, and_, delete, false, func, insert, literal, or_, select
from sqlalchemy.sql.elements import ColumnElement

from data.verdict import DECIDED, ReviewDecision
from serving.blindness import TELLING, waits_blind, without_verdict
from serving.inspections import INSPECTED, inspection_of
from serving.review_schema import (
    Claim,
    ClaimedQueue,
    ClaimRequest,
    QueueChoices,
    QueueFilters,
    QueueItem,
    QueueQuery,
    ReviewQueue,
)
from serving.reviews import taken_back
from serving.settings import Reviewing
from serving.tables import Utc, claims, inspections, reviews

_ORDER = (inspections.c.queue_cost.desc(), inspections.c.id)


def get_queue(connection: Connection, query: QueueQuery, reviewing: Reviewing) -> ReviewQueue:
    """What waits, most expensive first, older first among equals; claims nothing."""
    now = datetime.now(UTC)
    by_class = query.class_name is not None
    clauses = [*_waiting(query, now), *_not_for(query.reviewer)]
    theirs = [] if query.reviewer is None else [_with_others(query.reviewer, now)]
    return ReviewQueue(
        items=_items(connection, [*clauses, *(~one for one in theirs)], query.limit, reviewing, by_class),
        waiting=_count(connection, clauses, reviewing, by_class),
        with_others=_count(connection, [*clauses, *theirs], reviewing, by_class) if theirs else 0,
    )


def claim(connection: Connection, request: ClaimRequest, reviewing: Reviewing) -> ClaimedQueue:
    """Give `reviewer` the next parts that nobody else has, what is on the screen first; within one transaction.

    Of a short queue, each of those who review now gets a fair share, so that the first does not leave the others idle.
    """
    now = datetime.now(UTC)
    until = now + timedelta(seconds=reviewing.claim_seconds)
    reviewer, by_class = request.reviewer, request.class_name is not None
    connection.execute(delete(claims).where(claims.c.until <= literal(now, Utc())))
    clauses = [*_waiting(request, now), *_not_for(reviewer)]
    waiting = _count(connection, clauses, reviewing, by_class)
    others = select(func.count(claims.c.reviewer.distinct())).where(claims.c.reviewer != reviewer)
    share = math.ceil(waiting / (1 + connection.execute(others).scalar_one()))
    kept = {
        item.id: item
        for item in _items(
            connection,
            [
                inspections.c.queue_cost.is_not(None),
                inspections.c.id.in_(request.keep),
                *_not_for(reviewer),
                ~_with_others(reviewer, now),
            ],
            len(request.keep),
            reviewing,
        )
    }
    items = [kept[id_] for id_ in request.keep if id_ in kept]
    more = min(request.limit, max(share, 1)) - len(items)
    if more > 0:
        free = [*clauses, ~_with_others(reviewer, now), inspections.c.id.not_in(kept)]
        items += _items(connection, free, more, reviewing, by_class)
    connection.execute(delete(claims).where(claims.c.reviewer == reviewer))
    # The first says that this person is here: whoever came too late for a part must count, or would never get a share.
    claimed = [_presence(reviewer), *(item.id for item in items)]
    rows = [{"inspection_id": id_, "reviewer": reviewer, "until": until} for id_ in claimed]
    connection.execute(insert(claims), rows)
    refused = select(claims).where(claims.c.inspection_id.in_(request.keep), claims.c.reviewer != reviewer)
    return ClaimedQueue(
        items=items,
        waiting=waiting,
        with_others=_count(connection, [*clauses, _with_others(reviewer, now)], reviewing, by_class),
        until=until,
        refused=[Claim(**row) for row in connection.execute(refused).mappings()],
    )


def release(connection: Connection, reviewer: str) -> None:
    """Give back whatever this person has claimed."""
    connection.execute(delete(claims).where(claims.c.reviewer == reviewer))


def get_choices(connection: Connection, reviewing: Reviewing) -> QueueChoices:
    """What can be filtered by, among all that waits; classes of what is not blind alone."""
    names = ("line", "station", "lot", "class_name")
    columns = [inspections.c[name] for name in names]
    # All at once, in the order of the index of what waits: asked for one by one, SQLite takes indices of all inspections.
    query = select(*columns).where(inspections.c.queue_cost.is_not(None)).group_by(*columns)
    found: dict[str, set[str]] = {name: set() for name in names}
    for row in connection.execute(query).mappings():
        for name in names:
            found[name].add(row[name])
    classes = found["class_name"] - {None}
    named: list[ColumnElement[bool]] = [inspections.c[name].is_not(None) for name in ("queue_cost", "class_name")]
    seen = found["class_name"] = set()
    for row in _seeing(connection, named, reviewing):
        seen.add(row["class_name"])
        if seen == classes:
            break
    return QueueChoices(**{name: sorted(values) for name, values in found.items()})


def _presence(reviewer: str) -> str:
    """An id that no inspection has: those are of another version of UUID."""
    return str(uuid5(NAMESPACE_OID, reviewer))


def _items(
    connection: Connection,
    clauses: list[ColumnElement[bool]],
    limit: int,
    reviewing: Reviewing,
    by_class: bool = False,
) -> list[QueueItem]:
    if by_class:
        first = islice(_seeing(connection, clauses, reviewing), limit)
        clauses = [inspections.c.id.in_([row["id"] for row in first])]
    query = INSPECTED.where(*clauses).order_by(*_ORDER).limit(limit)
    return [_item(row, reviewing) for row in connection.execute(query).mappings()]


def _item(row: RowMapping, reviewing: Reviewing) -> QueueItem:
    item = inspection_of(row)
    blind = waits_blind(row, reviewing.blind_share)
    return QueueItem(**dict(without_verdict(item) if blind else item), blind=blind)


def _count(
    connection: Connection, clauses: list[ColumnElement[bool]], reviewing: Reviewing, by_class: bool = False
) -> int:
    if by_class:
        return sum(1 for _ in _seeing(connection, clauses, reviewing))
    return connection.execute(select(func.count()).select_from(inspections).where(*clauses)).scalar_one()


def _seeing(connection: Connection, clauses: list[ColumnElement[bool]], reviewing: Reviewing) -> Iterator[RowMapping]:
    """Of what waits, in order, what is not decided blind: by class one would learn what the model said of the others."""
    columns = [inspections.c[name] for name in ("id", "class_name", *TELLING)]
    for row in connection.execute(select(*columns).where(*clauses).order_by(*_ORDER)).mappings():
        if not waits_blind(row, reviewing.blind_share):
            yield row


def _waiting(filters: QueueFilters, now: datetime) -> list[ColumnElement[bool]]:
    table = inspections.c
    clauses: list[ColumnElement[bool]] = [table.queue_cost.is_not(None)]
    wanted = {name: getattr(filters, name) for name in ("line", "station", "lot", "class_name")}
    clauses += [table[name] == value for name, value in wanted.items() if value is not None]
    if filters.older_than_minutes is not None:
        clauses.append(table.received_at <= now - timedelta(minutes=filters.older_than_minutes))
    if filters.newer_than_minutes is not None:
        clauses.append(table.received_at > now - timedelta(minutes=filters.newer_than_minutes))
    return clauses


def _with_others(reviewer: str, now: datetime) -> ColumnElement[bool]:
    # A list, not a question for each that waits: claims are few.
    theirs = select(claims.c.inspection_id).where(claims.c.reviewer != reviewer, claims.c.until > literal(now, Utc()))
    return inspections.c.id.in_(theirs)


def _not_for(reviewer: str | None) -> list[Any]:
    """Whoever was unsure of a part does not get it again, nor what one decided oneself, unless the person took it back."""
    if reviewer is None:
        return []
    decided = [each.value for each in DECIDED]
    own = select(reviews.c.sequence).where(
        reviews.c.inspection_id == inspections.c.id,
        reviews.c.reviewer == reviewer,
        reviews.c.decision.in_(decided),
        ~taken_back(),
    )
    second = and_(inspections.c.decision.in_(decided), own.correlate(inspections).exists())
    later = reviews.alias()
    unsure = select(reviews.c.sequence).where(
        reviews.c.inspection_id == inspections.c.id,
        reviews.c.reviewer == reviewer,
        reviews.c.decision == ReviewDecision.UNSURE.value,
        ~select(later.c.sequence)
        .where(
            later.c.inspection_id == reviews.c.inspection_id,
            later.c.reviewer == reviewer,
            later.c.sequence > reviews.c.sequence,
        )
        .exists(),
    )
    theirs = and_(~unsure.correlate(inspections).exists(), ~func.coalesce(second, false()))
    # Most of what waits nobody has looked at: no need to ask for reviews of it.
    return [or_(inspections.c.review_id.is_(None), theirs)]

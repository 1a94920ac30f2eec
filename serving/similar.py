"""What an inspection can be held against: cases that look alike, with what people decided, a good part, and the past."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, func, literal, or_, select
from sqlalchemy.sql.elements import ColumnElement

from data.sketch import similarity
from data.verdict import DECIDED, ReviewDecision, Verdict
from serving.blindness import Sight
from serving.inspections import INSPECTED, get, inspection_of
from serving.review_schema import Past, SimilarCase, SimilarCases, Tally
from serving.schema import Inspection
from serving.tables import inspections

# Compared one by one: 2,000 sketches are half a megabyte.
_MOST_CASES = 2000
_MOST_GOOD = 300
_LINE_MINUTES = 60
_MOST_FRAMES = 20


def find_similar(connection: Connection, id: str, limit: int) -> SimilarCases:
    """The past decisions that look most alike, and a good part to compare with.

    Exhaustive cosine search over the newest decisions of the same product, of sketches of the same model only: those of
    others cannot be compared. Raises a 404 problem for an unknown inspection.
    """
    inspection = get(connection, id)
    mine = connection.execute(select(inspections.c.sketch).where(inspections.c.id == id)).scalar_one()
    table = inspections.c
    other = and_(table.id != id, table.part_id != inspection.part_id)
    # Not those that wait for a second opinion, to whoever gives which this would show the first.
    decided = and_(
        other,
        table.product == inspection.product,
        table.decision.in_([decision.value for decision in DECIDED]),
        table.queue_cost.is_(None),
    )
    cases = [] if mine is None else _sketches(connection, decided, inspection, _MOST_CASES)
    nearest = [] if mine is None else _nearest(mine, cases)[:limit]
    return SimilarCases(
        items=_cases(connection, nearest),
        compared=len(cases),
        reference=_reference(connection, inspection, mine, other),
    )


def get_past(connection: Connection, id: str, sight: Sight) -> Past:
    """The other frames of the part, and how its lot and its line did. Raises a 404 problem for an unknown inspection.

    Of lot and line, frames that wait for a person whom the model's word is kept from are not counted at all: of a lot of one
    the count would tell.
    """
    inspection = get(connection, id)
    table = inspections.c
    frames = INSPECTED.where(table.part_id == inspection.part_id, table.id != id)
    frames = frames.order_by(table.received_at.desc(), table.id.desc()).limit(_MOST_FRAMES)
    since = inspection.received_at - timedelta(minutes=_LINE_MINUTES)
    known = [table.queue_cost.is_(None)] if sight.hides else []
    return Past(
        part=[sight.of(inspection_of(row), row) for row in connection.execute(frames).mappings()],
        lot=_tally(connection, *known, table.lot == inspection.lot, table.product == inspection.product),
        line=_tally(
            connection,
            *known,
            table.line == inspection.line,
            table.received_at > since,
            table.received_at <= inspection.received_at,
        ),
        line_minutes=_LINE_MINUTES,
    )


def _reference(
    connection: Connection, inspection: Inspection, mine: bytes | None, other: ColumnElement[bool]
) -> SimilarCase | None:
    table = inspections.c
    view = and_(
        other,
        table.line == inspection.line,
        table.product == inspection.product,
        table.station == inspection.station,
        table.camera == inspection.camera,
        table.image_kept,
        table.image_removed_at.is_(None),
        # Not those that wait for a second opinion or an audit: this would give the first one, or the verdict, away.
        table.queue_cost.is_(None),
    )
    called_good = and_(view, table.decision == ReviewDecision.FALSE_CALL.value)
    passed = and_(view, table.verdict == Verdict.PASS.value, table.decision.is_(None))
    for good in (called_good, passed):
        if mine is not None:
            found = _cases(connection, _nearest(mine, _sketches(connection, good, inspection, _MOST_GOOD))[:1])
            if found:
                return found[0]
    query = select(table.id).where(or_(called_good, passed)).order_by(table.received_at.desc()).limit(1)
    newest = connection.execute(query).scalar()
    return None if newest is None else _cases(connection, [(newest, 0.0)])[0]


def _sketches(connection: Connection, clause: ColumnElement[bool], inspection: Inspection, most: int) -> Sequence[Any]:
    table, model = inspections.c, inspection.model
    if model is None:
        return []
    query = (
        select(table.id, table.sketch)
        .where(
            clause,
            table.sketch.is_not(None),
            table.model_name == model.name,
            table.model_version == model.version,
        )
        .order_by(table.received_at.desc())
        .limit(most)
    )
    return connection.execute(query).all()


def _nearest(mine: bytes, rows: Sequence[Any]) -> list[tuple[str, float]]:
    found = similarity(mine, [row.sketch for row in rows])
    return [(rows[index].id, float(found[index])) for index in (-found).argsort(kind="stable")]


def _cases(connection: Connection, found: list[tuple[str, float]]) -> list[SimilarCase]:
    query = INSPECTED.where(inspections.c.id.in_([id_ for id_, _ in found]))
    by_id = {row["id"]: inspection_of(row) for row in connection.execute(query).mappings()} if found else {}
    return [SimilarCase(inspection=by_id[id_], similarity=round(alike, 4)) for id_, alike in found]


def _tally(connection: Connection, *clauses: ColumnElement[bool]) -> Tally:
    table = inspections.c

    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), literal(0))

    query = select(
        func.count().label("inspected"),
        count(table.verdict != Verdict.PASS.value).label("flagged"),
        count(table.decision == ReviewDecision.DEFECT_CONFIRMED.value).label("confirmed"),
        count(table.decision == ReviewDecision.FALSE_CALL.value).label("false_calls"),
    ).where(*clauses)
    return Tally(**connection.execute(query).mappings().one())

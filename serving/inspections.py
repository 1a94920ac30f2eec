"""Inspections between database rows and messages, and the questions asked of them."""

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, literal, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from data.box import Box
from data.decide import InForce
from data.novelty import is_unknown
from data.region import Region
from data.verdict import ReviewDecision, Verdict, part_verdict, worst
from data.wording import text
from serving.blindness import TELLING, Sight
from serving.problem import ProblemError, unknown_cursor
from serving.sampling import NOT_DRAWN, Draw
from serving.schema import (
    FrameInfo,
    Inspection,
    InspectionPage,
    LineHoldRef,
    ModelRef,
    Part,
    Review,
    StoredImage,
    Tombstone,
    View,
    ViewState,
)
from serving.settings import Costs, Settings
from serving.tables import RECORDED, Utc, inspections, line_holds, reviews, tombstones

# A constant part_id, of a reader that could not read it, has as many frames as it likes.
_MOST_OF_PART = 200

_HIDDEN = ("heatmap", "idempotency_key", "fingerprint", "posted_by", "sketch")
_SHOWN = [column for column in inspections.c if column.name not in _HIDDEN]
_REVIEW = [column.label(f"review_{column.name}") for column in reviews.c if column.name != "sequence"]
_HOLD_REASON = line_holds.c.reason.label("line_hold_reason")
_JOINED = inspections.outerjoin(reviews, reviews.c.client_id == inspections.c.review_id).outerjoin(
    line_holds, line_holds.c.id == inspections.c.line_hold_id
)
INSPECTED = select(*_SHOWN, *_REVIEW, _HOLD_REASON).select_from(_JOINED)
"""Rows for `inspection_of`; add what to look for."""


@dataclass(frozen=True)
class Filters:
    """Which inspections to list; None takes all."""

    line: str | None = None
    part_id: str | None = None
    lot: str | None = None
    verdicts: Collection[Verdict] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        table = inspections.c
        wanted: list[ColumnElement[bool] | None] = [
            None if self.line is None else table.line == self.line,
            None if self.part_id is None else table.part_id == self.part_id,
            None if self.lot is None else table.lot == self.lot,
            None if not self.verdicts else table.verdict.in_([verdict.value for verdict in self.verdicts]),
            None if self.since is None else table.received_at >= self.since,
            None if self.until is None else table.received_at < self.until,
        ]
        return [clause for clause in wanted if clause is not None]


def row_of(
    inspection: Inspection,
    heatmap: bytes | None,
    key: str | None,
    fingerprint: str | None,
    costs: Costs,
    posted_by: str | None = None,
    sketch: bytes | None = None,
    draw: Draw = NOT_DRAWN,
) -> dict[str, Any]:
    """The row that keeps a new inspection; spelled out, since dumping the model takes several times as long."""
    thresholds, model, image = inspection.thresholds, inspection.model, inspection.image
    return {
        "id": inspection.id,
        "received_at": inspection.received_at,
        "captured_at": inspection.captured_at,
        "product": inspection.product,
        "line": inspection.line,
        "station": inspection.station,
        "camera": inspection.camera,
        "part_id": inspection.part_id,
        "lot": inspection.lot,
        "verdict": inspection.verdict.value,
        "cause": inspection.cause,
        "fault": inspection.fault,
        "reason": inspection.reason,
        "defect_probability": inspection.defect_probability,
        "novelty": inspection.novelty,
        "class_name": inspection.class_name,
        "class_probability": inspection.class_probability,
        "pass_below": None if thresholds is None else thresholds.pass_below,
        "reject_from": None if thresholds is None else thresholds.reject_from,
        "threshold_change": None if thresholds is None else thresholds.change,
        "guaranteed": None if thresholds is None else thresholds.guaranteed,
        "regions": [region.model_dump() for region in inspection.regions],
        "heatmap": heatmap,
        "model_name": None if model is None else model.name,
        "model_version": None if model is None else model.version,
        "latency_ms": inspection.latency_ms,
        "image_sha256": image.sha256,
        "image_type": image.media_type,
        "image_bytes": image.bytes,
        "image_width": image.width,
        "image_height": image.height,
        "image_kept": image.kept,
        "line_hold_id": None if inspection.line_hold is None else inspection.line_hold.id,
        "idempotency_key": key,
        "fingerprint": fingerprint,
        "posted_by": posted_by,
        "sketch": sketch,
        "audit": draw.kind,
        "audit_band": draw.band,
        "audit_probability": draw.probability,
        "queue_cost": queue_cost(
            inspection.verdict, inspection.defect_probability, inspection.novelty, inspection.fault, costs
        )
        if draw.queue_cost is None
        else draw.queue_cost,
    }


def queue_cost(
    verdict: Verdict, defect_probability: float | None, novelty: float | None, fault: str | None, costs: Costs
) -> float | None:
    """What it is expected to cost when nobody looks, which orders the review queue; None for PASS, which does not wait.

    NO_DECISION knows nothing and holds the line: more than any other. REVIEW risks an escape, REJECT a good part. The
    defect probability of a frame that looks unknown, or that the camera spoilt, means nothing: it counts as an escape.
    """
    if verdict is Verdict.PASS:
        return None
    if verdict is Verdict.NO_DECISION or defect_probability is None:
        return costs.escape + costs.overkill
    if verdict is Verdict.REVIEW:
        return costs.escape if is_unknown(novelty) or fault is not None else defect_probability * costs.escape
    return (1 - defect_probability) * costs.overkill


def inspection_of(row: RowMapping) -> Inspection:
    """The message for a row of `INSPECTED`."""
    standing = row["review_id"] is not None and row["review_decision"] is not None
    return Inspection(
        **{name: row[name] for name in FrameInfo.model_fields},
        id=row["id"],
        received_at=row["received_at"],
        verdict=Verdict(row["verdict"]),
        cause=row["cause"],
        fault=row["fault"],
        reason=row["reason"],
        defect_probability=row["defect_probability"],
        novelty=row["novelty"],
        class_name=row["class_name"],
        class_probability=row["class_probability"],
        thresholds=None
        if row["pass_below"] is None
        else InForce(
            pass_below=row["pass_below"],
            reject_from=row["reject_from"],
            change=row["threshold_change"],
            guaranteed=row["guaranteed"],
        ),
        regions=[Region(**region) for region in row["regions"]],
        model=None if row["model_name"] is None else ModelRef(name=row["model_name"], version=row["model_version"]),
        latency_ms=row["latency_ms"],
        image=StoredImage(
            sha256=row["image_sha256"],
            media_type=row["image_type"],
            bytes=row["image_bytes"],
            width=row["image_width"],
            height=row["image_height"],
            kept=row["image_kept"],
            removed_at=row["image_removed_at"],
            removed_rule=row["image_removed_rule"],
        ),
        review=review_of(
            {column.name: row[f"review_{column.name}"] for column in reviews.c if column.name != "sequence"}
        )
        if standing
        else None,
        line_hold=None
        if row["line_hold_id"] is None
        else LineHoldRef(id=row["line_hold_id"], reason=row["line_hold_reason"]),
    )


def review_of(row: Any) -> Review:
    """The message for a row of `reviews`."""
    return Review(
        client_id=UUID(row["client_id"]),
        inspection_id=row["inspection_id"],
        decision=None if row["decision"] is None else ReviewDecision(row["decision"]),
        defect_class=row["defect_class"],
        boxes=[Box(**box) for box in row["boxes"]],
        note=row["note"],
        reviewer=row["reviewer"],
        seconds=row["seconds"],
        blind=row["blind"],
        decided_at=row["decided_at"],
        received_at=row["received_at"],
        supersedes=None if row["supersedes"] is None else UUID(row["supersedes"]),
    )


def find(connection: Connection, *clauses: ColumnElement[bool], sight: Sight | None = None) -> list[Inspection]:
    """Every inspection that matches, oldest first; as the caller sees it where it is for one."""
    query = INSPECTED.where(*clauses)
    query = query.order_by(inspections.c.received_at, inspections.c.id)
    rows = connection.execute(query).mappings()
    return [inspection_of(row) if sight is None else sight.of(inspection_of(row), row) for row in rows]


def get(connection: Connection, id: str, sight: Sight | None = None) -> Inspection:
    """One inspection. Raises a 404 problem when there is none, 410 when retention removed it."""
    found = find(connection, inspections.c.id == id, sight=sight)
    if not found:
        raise missing(connection, id)
    return found[0]


def get_posted_by(connection: Connection, id: str, posted_by: str) -> Inspection:
    """The inspection when this key posted it; a 404 problem otherwise, so that a camera learns nothing of others."""
    found = find(connection, inspections.c.id == id, inspections.c.posted_by == posted_by)
    if not found:
        raise ProblemError(404, text(f"there is no inspection {id}", f"沒有檢驗紀錄 {id}"))
    return found[0]


def get_image(connection: Connection, id: str) -> StoredImage:
    """The image of an inspection. Raises a 404 problem when there is no such, 410 when it was not kept or is removed."""
    image = get(connection, id).image
    if not image.kept:
        raise ProblemError(
            410,
            text(
                f"the image of inspection {id} was not kept: it passed while the disk was nearly full; its record stands",
                f"檢驗 {id} 的影像未保存：判為合格時磁碟即將用盡；檢驗紀錄仍然保留",
            ),
        )
    if image.removed_at is not None:
        raise ProblemError(
            410,
            text(
                f"the image of inspection {id} was removed on {image.removed_at.isoformat()} by the retention rule "
                f"{image.removed_rule}; the inspection itself is still there",
                f"檢驗 {id} 的影像已超過保存期限（規則 {image.removed_rule}），"
                f"於 {image.removed_at.isoformat()} 刪除；檢驗紀錄仍然保留",
            ),
        )
    return image


def get_heatmap(connection: Connection, id: str) -> bytes:
    """The stored heat as a small 8-bit grey PNG. Raises a 404 problem when there is none."""
    row = connection.execute(select(inspections.c.heatmap).where(inspections.c.id == id)).first()
    if row is None:
        raise missing(connection, id)
    if row.heatmap is None:
        raise ProblemError(
            404, text(f"inspection {id} has no heatmap: no model decided it", f"檢驗 {id} 沒有熱圖：並非由模型判定")
        )
    return bytes(row.heatmap)


def list_page(connection: Connection, filters: Filters, cursor: str | None, limit: int, sight: Sight) -> InspectionPage:
    """One page, newest first. Raises a 422 problem for a cursor that no page gave.

    Whose verdict is kept from the caller is listed without it, and not at all where a verdict is asked for.
    """
    # A verdict at a time: for several at once SQLite would read and sort all that there are.
    each = [replace(filters, verdicts=[verdict]) for verdict in set(filters.verdicts or ())] or [filters]
    items = [item for one in each for item in _newest(connection, one, cursor, limit + 1, sight)]
    items.sort(key=lambda item: (item.received_at, item.id), reverse=True)
    more = len(items) > limit
    next_cursor = write_cursor(items[limit - 1].received_at, items[limit - 1].id) if more else None
    return InspectionPage(items=items[:limit], next_cursor=next_cursor)


def _newest(connection: Connection, filters: Filters, cursor: str | None, limit: int, sight: Sight) -> list[Inspection]:
    order = (inspections.c.received_at, inspections.c.id)
    found: list[Inspection] = []
    while True:
        clauses = filters.clauses()
        if cursor is not None:
            clauses.append(tuple_(*order) < tuple_(*read_cursor(cursor)))
        query = INSPECTED.where(*clauses).order_by(*(column.desc() for column in order)).limit(limit)
        rows = connection.execute(query).mappings().all()
        found += [sight.of(inspection_of(row), row) for row in rows if not (filters.verdicts and sight.hidden(row))]
        if len(rows) < limit or len(found) >= limit:
            return found[:limit]
        cursor = write_cursor(rows[-1]["received_at"], rows[-1]["id"])


def get_part(connection: Connection, part_id: str, settings: Settings, sight: Sight) -> Part:
    """A part with its newest frames, oldest first; its verdict is the worst of all. Raises a 404 problem when unknown.

    Views are told apart by product, station and camera: products may share a serial number. What retention removed counts as
    it did before; what is kept from the caller counts as REVIEW.
    """
    seen = _seen(connection, part_id, sight)
    if not seen:
        raise ProblemError(
            404, text(f"no frame of part {part_id} was inspected here", f"此處沒有零件 {part_id} 的檢驗影像")
        )
    verdicts = {view: worst(one.verdict for one in each) for view, each in seen.items()}
    views: list[View] = []
    now = datetime.now(UTC)
    for product, station in sorted({view[:2] for view in seen}):
        recipe = settings.recipe(product, station)
        if recipe is None:
            continue
        first = min(one.first_at for view, each in seen.items() if view[:2] == (product, station) for one in each)
        due_at = first + timedelta(seconds=recipe.view_window_seconds)
        for camera in recipe.expected_views:
            has_come = (product, station, camera) in seen
            state = ViewState.SEEN if has_come else ViewState.AWAITED if now < due_at else ViewState.OVERDUE
            views.append(View(product=product, station=station, camera=camera, state=state, due_at=due_at))
    frames, removed = (
        connection.execute(
            query.where(table.c.part_id == part_id)
            .order_by(table.c.received_at.desc(), table.c.id.desc())
            .limit(_MOST_OF_PART)
        )
        .mappings()
        .all()[::-1]
        for table, query in ((inspections, INSPECTED), (tombstones, select(tombstones)))
    )
    return Part(
        part_id=part_id,
        verdict=part_verdict(verdicts, [(view.product, view.station, view.camera) for view in views]),
        missing_views=[f"{view.station}/{view.camera}" for view in views if view.state is not ViewState.SEEN],
        views=views,
        inspections=[sight.of(inspection_of(row), row) for row in frames],
        removed=[Tombstone(**{name: row[name] for name in Tombstone.model_fields}) for row in removed],
        left_out=sum(one.frames for each in seen.values() for one in each) - len(frames) - len(removed),
        line_hold=_newest_line_hold(connection, part_id),
    )


@dataclass(frozen=True)
class _Seen:
    """Frames of one view that got the same verdict."""

    verdict: Verdict
    first_at: datetime
    frames: int


def _seen(connection: Connection, part_id: str, sight: Sight) -> dict[tuple[str, str, str], list[_Seen]]:
    """By product, station and camera, what was said of all frames of the part that there ever were."""
    found: dict[tuple[str, str, str], list[_Seen]] = {}
    for table in RECORDED:
        key = [table.c[name] for name in ("product", "station", "camera", "verdict")]
        first_at = func.min(table.c.received_at).label("first_at")
        query = select(*key, first_at, func.count().label("frames")).where(table.c.part_id == part_id)
        if table is inspections and sight.hides:
            query = query.where(table.c.queue_cost.is_(None))
        for row in connection.execute(query.group_by(*key)):
            same = _Seen(Verdict(row.verdict), row.first_at, row.frames)
            found.setdefault((row.product, row.station, row.camera), []).append(same)
    if sight.hides:
        # Whether a frame that waits is hidden follows from its id: no database can group by that.
        columns = [inspections.c[name] for name in ("id", *TELLING, "product", "station", "camera", "received_at")]
        query = select(*columns, reviews.c.reviewer.label("review_reviewer")).select_from(_JOINED)
        waiting = query.where(inspections.c.part_id == part_id, inspections.c.queue_cost.is_not(None))
        for one in connection.execute(waiting).mappings():
            verdict = Verdict.REVIEW if sight.hidden(one) else Verdict(one["verdict"])
            view = (one["product"], one["station"], one["camera"])
            found.setdefault(view, []).append(_Seen(verdict, one["received_at"], 1))
    return found


def _newest_line_hold(connection: Connection, part_id: str) -> LineHoldRef | None:
    query = select(line_holds.c.id, line_holds.c.reason).select_from(_JOINED)
    query = query.where(inspections.c.part_id == part_id, inspections.c.line_hold_id.is_not(None))
    row = connection.execute(query.order_by(inspections.c.received_at.desc(), inspections.c.id.desc()).limit(1)).first()
    return None if row is None else LineHoldRef(id=row.id, reason=row.reason)


def missing(connection: Connection, id: str) -> ProblemError:
    """What to answer for an id that no inspection has: 410 when retention removed it, else 404."""
    row = connection.execute(select(tombstones).where(tombstones.c.id == id)).first()
    if row is None:
        return ProblemError(404, text(f"there is no inspection {id}", f"沒有檢驗紀錄 {id}"))
    return ProblemError(
        410,
        text(
            f"inspection {id} of part {row.part_id}, {row.verdict}, was removed on {row.removed_at.isoformat()} by the "
            f"retention rule {row.rule}",
            f"零件 {row.part_id} 的檢驗 {id}（{row.verdict}）已超過保存期限（規則 {row.rule}），"
            f"於 {row.removed_at.isoformat()} 刪除",
        ),
    )


def write_cursor(received_at: datetime, id: str) -> str:
    """Where a page ended, for the next one."""
    return base64.urlsafe_b64encode(f"{received_at.isoformat()} {id}".encode()).decode()


def read_cursor(cursor: str) -> Sequence[Any]:
    """What `write_cursor` was given. Raises a 422 problem for a cursor that no page gave."""
    try:
        time, _, id_ = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        if "\0" in id_:
            raise ValueError("no id has a zero character")
        return (literal(datetime.fromisoformat(time).astimezone(UTC), Utc()), id_)
    except (binascii.Error, ValueError, OverflowError) as error:
        raise unknown_cursor() from error

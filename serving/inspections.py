"""Inspections between database rows and messages, and the questions asked of them."""

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import cv2
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, RowMapping, func, literal, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from data.decide import Thresholds
from data.image import Pixels
from data.novelty import is_unknown
from data.region import Region
from data.verdict import ReviewDecision, Verdict, part_verdict
from serving.problem import ProblemError
from serving.schema import FrameInfo, Inspection, InspectionPage, ModelRef, Part, Review, ReviewQueue, StoredImage
from serving.settings import Costs, Settings
from serving.tables import Utc, inspections, reviews

_SHOWN = [column for column in inspections.c if column.name not in ("heatmap", "idempotency_key", "fingerprint")]
_REVIEW = [column.label(f"review_{column.name}") for column in reviews.c if column.name != "sequence"]
_JOINED = inspections.outerjoin(reviews, reviews.c.client_id == inspections.c.review_id)


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
    inspection: Inspection, heatmap: bytes | None, key: str | None, fingerprint: str, costs: Costs
) -> dict[str, Any]:
    """The row that keeps a new inspection."""
    thresholds, model, image = inspection.thresholds, inspection.model, inspection.image
    return {
        **inspection.model_dump(
            include={
                *FrameInfo.model_fields,
                *(
                    "id",
                    "received_at",
                    "cause",
                    "fault",
                    "reason",
                    "defect_probability",
                    "novelty",
                    "class_name",
                    "class_probability",
                    "latency_ms",
                ),
            }
        ),
        "verdict": inspection.verdict.value,
        "pass_below": thresholds and thresholds.pass_below,
        "reject_from": thresholds and thresholds.reject_from,
        "regions": [region.model_dump() for region in inspection.regions],
        "heatmap": heatmap,
        "model_name": model and model.name,
        "model_version": model and model.version,
        "image_sha256": image.sha256,
        "image_type": image.media_type,
        "image_bytes": image.bytes,
        "image_width": image.width,
        "image_height": image.height,
        "idempotency_key": key,
        "fingerprint": None if key is None else fingerprint,
        "queue_cost": queue_cost(
            inspection.verdict, inspection.defect_probability, inspection.novelty, inspection.fault, costs
        ),
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
    """The message for a row of `_SHOWN` and `_REVIEW`."""
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
        else Thresholds(pass_below=row["pass_below"], reject_from=row["reject_from"]),
        regions=[Region(**region) for region in row["regions"]],
        model=None if row["model_name"] is None else ModelRef(name=row["model_name"], version=row["model_version"]),
        latency_ms=row["latency_ms"],
        image=StoredImage(
            sha256=row["image_sha256"],
            media_type=row["image_type"],
            bytes=row["image_bytes"],
            width=row["image_width"],
            height=row["image_height"],
        ),
        review=review_of(
            {column.name: row[f"review_{column.name}"] for column in reviews.c if column.name != "sequence"}
        )
        if standing
        else None,
    )


def review_of(row: Any) -> Review:
    """The message for a row of `reviews`."""
    return Review(
        client_id=UUID(row["client_id"]),
        inspection_id=row["inspection_id"],
        decision=None if row["decision"] is None else ReviewDecision(row["decision"]),
        defect_class=row["defect_class"],
        note=row["note"],
        reviewer=row["reviewer"],
        seconds=row["seconds"],
        decided_at=row["decided_at"],
        received_at=row["received_at"],
        supersedes=None if row["supersedes"] is None else UUID(row["supersedes"]),
    )


def find(connection: Connection, *clauses: ColumnElement[bool]) -> list[Inspection]:
    """Every inspection that matches, oldest first."""
    query = select(*_SHOWN, *_REVIEW).select_from(_JOINED).where(*clauses)
    query = query.order_by(inspections.c.received_at, inspections.c.id)
    return [inspection_of(row) for row in connection.execute(query).mappings()]


def get(connection: Connection, id: str) -> Inspection:  # noqa: A002 - the API's name
    """One inspection. Raises a 404 problem when there is none."""
    found = find(connection, inspections.c.id == id)
    if not found:
        raise _no_such(id)
    return found[0]


def get_heatmap(connection: Connection, id: str) -> bytes:  # noqa: A002
    """The stored heat as a small 8-bit grey PNG. Raises a 404 problem when there is none."""
    row = connection.execute(select(inspections.c.heatmap).where(inspections.c.id == id)).first()
    if row is None:
        raise _no_such(id)
    if row.heatmap is None:
        raise ProblemError(404, f"inspection {id} has no heatmap: no model decided it")
    return bytes(row.heatmap)


def list_page(connection: Connection, filters: Filters, cursor: str | None, limit: int) -> InspectionPage:
    """One page, newest first. Raises a 422 problem for a cursor that no page gave."""
    clauses = filters.clauses()
    order = (inspections.c.received_at, inspections.c.id)
    if cursor is not None:
        clauses.append(tuple_(*order) < tuple_(*_read_cursor(cursor)))
    query = select(*_SHOWN, *_REVIEW).select_from(_JOINED).where(*clauses)
    query = query.order_by(*(column.desc() for column in order)).limit(limit + 1)
    items = [inspection_of(row) for row in connection.execute(query).mappings()]
    more = len(items) > limit
    return InspectionPage(items=items[:limit], next_cursor=_write_cursor(items[limit - 1]) if more else None)


def get_part(connection: Connection, part_id: str, settings: Settings) -> Part:
    """A part with its frames, oldest first; each camera's last frame counts. Raises a 404 problem when unknown."""
    frames = find(connection, inspections.c.part_id == part_id)
    if not frames:
        raise ProblemError(404, f"no frame of part {part_id} was inspected here")
    latest = {f"{frame.station}/{frame.camera}": frame.verdict for frame in frames}
    stations = {(frame.product, frame.station) for frame in frames}
    expected = [f"{where[1]}/{view}" for where in sorted(stations) for view in settings.expected_views(*where)]
    return Part(
        part_id=part_id,
        verdict=part_verdict(latest, expected),
        missing_views=[view for view in expected if view not in latest],
        inspections=frames,
    )


def get_queue(connection: Connection, reviewer: str | None, line: str | None, limit: int) -> ReviewQueue:
    """What waits for a person, most expensive first, older first among equals."""
    waiting: list[ColumnElement[bool]] = [inspections.c.queue_cost.is_not(None)]
    if line is not None:
        waiting.append(inspections.c.line == line)
    if reviewer is not None:
        later = reviews.alias()
        waiting.append(
            ~select(reviews.c.sequence)
            .where(
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
            .correlate(inspections)
            .exists()
        )
    query = select(*_SHOWN, *_REVIEW).select_from(_JOINED).where(*waiting)
    query = query.order_by(inspections.c.queue_cost.desc(), inspections.c.id).limit(limit)
    count = select(func.count()).select_from(inspections).where(*waiting)
    return ReviewQueue(
        items=[inspection_of(row) for row in connection.execute(query).mappings()],
        waiting=connection.execute(count).scalar_one(),
    )


def encode_heatmap(heatmap: NDArray[np.float32]) -> bytes:
    """Heat float32 [h, w] in 0..1 as a small 8-bit grey PNG."""
    ok, png = cv2.imencode(".png", np.round(np.clip(heatmap, 0, 1) * 255).astype(np.uint8))
    assert ok
    return png.tobytes()


def render_heatmap(stored: bytes, width: int, height: int) -> bytes:
    """A stored heatmap as a transparent PNG of the image's shape, at most 512 pixels long, to lay over the image.

    Colours are viridis, which colour-blind people read too; alpha rises with the heat, so that cold parts stay visible.
    """
    heat = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert heat is not None
    shrink = min(1.0, 512 / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    fine: Pixels = cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    picture = np.dstack([cv2.applyColorMap(fine, cv2.COLORMAP_VIRIDIS), (fine * 0.8).astype(np.uint8)])
    ok, png = cv2.imencode(".png", picture)
    assert ok
    return png.tobytes()


def _no_such(id: str) -> ProblemError:  # noqa: A002
    return ProblemError(404, f"there is no inspection {id}")


def _write_cursor(last: Inspection) -> str:
    return base64.urlsafe_b64encode(f"{last.received_at.isoformat()} {last.id}".encode()).decode()


def _read_cursor(cursor: str) -> Sequence[Any]:
    try:
        time, _, id_ = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        return (literal(datetime.fromisoformat(time).astimezone(UTC), Utc()), id_)
    except (binascii.Error, ValueError) as error:
        raise ProblemError(422, "cursor: not one that this server gave; leave it out for the first page") from error

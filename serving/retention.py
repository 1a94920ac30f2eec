"""Retention: images and rows older than the plant wants to keep them are removed, in the background and a few at a time.

Row first, file second. One transaction says that a row gave its image up, why, and that the file is to go; the file is
removed after its commit. A crash between the two leaves a file too many, which the list in `departing_images` names and the
next run removes. The other order could leave a row whose image is gone without a word.

Images are kept by content, so several inspections may share one. A file goes only when no row needs it, and
`ImageStore.remove` keeps a frame of the same content that arrives meanwhile out of the way. That frame must come through
the same process: one server to an image store.
"""

import threading
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from data.verdict import Verdict
from serving.audit import TOLD_OF_TOMBSTONES, Action, append, digest, told_of_row
from serving.gauges import Gauges
from serving.holds import is_held
from serving.image_store import ImageStore
from serving.periodic import Periodic
from serving.retention_schema import RetentionClass, RetentionPlan
from serving.schema import Rule
from serving.settings import Retention as Periods
from serving.store import Store
from serving.tables import Utc, departing_images, drift_windows, inspections, shadow_inspections, tombstones

log = structlog.get_logger()

PERSON = "retention"

# A clock that jumps ahead makes everything old at once. Time that the machine slept counts as time, a jump does not.
_LARGEST_JUMP = timedelta(days=1)

# A batch holds the writer up for a few milliseconds. Then comes a pause, longer when the machine is busy.
_BATCH = 50
_SHORTEST_PAUSE = 0.2
_IDLE_SHARE = 3


# Heat and class probabilities are not read: decoding them would hold the writer up.
_READ = [
    *(inspections.c[column.name] for column in TOLD_OF_TOMBSTONES if column.name in inspections.c),
    inspections.c.image_sha256,
    inspections.c.image_bytes,
    inspections.c.image_removed_at,
    inspections.c.image_kept,
]


class Retention:
    """Removes what its periods allow; called by the server every now and then, and when a person asks."""

    def __init__(self, periods: Periods, store: Store, images: ImageStore, gauges: Gauges) -> None:
        self._periods = periods
        self._store = store
        self._images = images
        self._gauges = gauges
        self._began_at, self._began = datetime.now(UTC), _uptime()
        self._periodic = Periodic("retention", self.run, periods.every_minutes * 60)
        self.start, self.run_soon, self.close = self._periodic.start, self._periodic.run_soon, self._periodic.close

    def plan(self) -> RetentionPlan:
        """What a run would remove now."""
        with self._store.reading() as connection:
            return plan(connection, self._periods, datetime.now(UTC))

    def ask(self, person: str, reason: str) -> RetentionPlan:
        """Begin a run soon, once it is written down who wanted it and why; what is due is returned."""
        due = self.plan()
        told = {one.rule.value: one.inspections for one in due.classes}
        self._store.submit(
            lambda connection: append(connection, Action.RETENTION_ASKED, "retention", person, new=told, reason=reason)
        ).result()
        self.run_soon()
        return due

    def run(self, stop: threading.Event) -> None:
        """Remove whatever is old enough, first the files that an earlier run left. Raises StorageError.

        Nothing is removed once the clock has jumped ahead by more than a day since the server started.
        """
        now = datetime.now(UTC)
        self._remove_files(stop)
        jump = now - self._began_at - (_uptime() - self._began)
        if jump > _LARGEST_JUMP:
            log.error(
                "retention waits: the clock jumped ahead; set it, or restart the server if it is right", by=str(jump)
            )
            return
        for rule in Rule:
            removed, last = 0, None
            while not stop.is_set():
                started = time.monotonic()
                batch = self._candidates(rule, now, last)
                if not batch:
                    break
                last = (batch[-1].received_at, batch[-1].id)
                job = partial(remove, rule=rule, periods=self._periods, now=now, ids=[row.id for row in batch])
                count = self._store.submit(job).result()
                removed += count
                self._gauges.removed.labels(rule.value).inc(count)
                self._remove_files(stop)
                if len(batch) < _BATCH:
                    break
                stop.wait(max(_SHORTEST_PAUSE, _IDLE_SHARE * (time.monotonic() - started)))
            if removed:
                log.info("retention removed", rule=rule.value, inspections=removed)
        if self._periods.rows is not None:
            before = now - timedelta(days=self._periods.rows)
            while not stop.is_set() and self._store.submit(partial(forget_windows, before=before)).result() == _BATCH:
                stop.wait(_SHORTEST_PAUSE)

    def _candidates(self, rule: Rule, now: datetime, last: tuple[datetime, str] | None) -> Sequence[Any]:
        expired = is_expired(inspections, rule, self._periods, now)
        if expired is None:
            return []
        order = (inspections.c.received_at, inspections.c.id)
        query = select(*order).where(expired).order_by(*order).limit(_BATCH)
        if last is not None:
            query = query.where(tuple_(*order) > tuple_(literal(last[0], Utc()), last[1]))
        with self._store.reading() as connection:
            return connection.execute(query).all()

    def _remove_files(self, stop: threading.Event) -> None:
        """Files that are in use just now stay on the list for the next run."""
        with self._store.reading() as connection:
            listed = connection.execute(select(departing_images.c.sha256)).scalars().all()
        for start in range(0, len(listed), _BATCH):
            if stop.is_set():
                return
            removed = self._images.remove(listed[start : start + _BATCH], self._needed)
            self._store.submit(partial(_unlist_files, sha256s=removed.settled)).result()
            self._gauges.files_removed.inc(removed.files)

    def _needed(self, sha256s: Collection[str]) -> set[str]:
        with self._store.reading() as connection:
            return needed(connection, sha256s)


def _uptime() -> timedelta:
    return timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))


def needed(connection: Connection, sha256s: Collection[str]) -> set[str]:
    """Which of these images an inspection still has."""
    still = select(inspections.c.image_sha256).where(
        inspections.c.image_sha256.in_(sha256s), inspections.c.image_kept, inspections.c.image_removed_at.is_(None)
    )
    return set(connection.execute(still.distinct()).scalars())


def remove(connection: Connection, rule: Rule, periods: Periods, now: datetime, ids: Sequence[str]) -> int:
    """Remove what is still expired among `ids`, and tell it in the audit trail; how many that were is returned.

    What was held, reviewed or sent to review since the candidates were looked for stays.
    """
    expired = is_expired(inspections, rule, periods, now)
    assert expired is not None
    rows = connection.execute(select(*_READ).where(inspections.c.id.in_(ids), expired)).mappings().all()
    if not rows:
        return 0
    removed_at = datetime.now(UTC)
    with_image = {
        row["image_sha256"]: row["image_bytes"] for row in rows if row["image_kept"] and row["image_removed_at"] is None
    }
    told = {
        "rule": rule.value,
        "days": periods.days(rule),
        "inspections": len(rows),
        "images": len(with_image),
        "image_bytes": sum(with_image.values()),
        "received_since": min(row["received_at"] for row in rows),
        "received_until": max(row["received_at"] for row in rows),
    }
    if rule is Rule.ROWS:
        _bury(connection, rows, removed_at, told)
    else:
        told["digest"] = digest({"id": row["id"], "image_sha256": row["image_sha256"]} for row in rows)
        append(connection, Action.IMAGES_REMOVED, rule.value, PERSON, new=told, reason=_why(told))
        connection.execute(
            update(inspections)
            .where(inspections.c.id.in_([row["id"] for row in rows]))
            .values(image_removed_at=removed_at, image_removed_rule=rule.value)
        )
    _list_files(connection, list(with_image))
    return len(rows)


def is_expired(table: FromClause, rule: Rule, periods: Periods, now: datetime) -> ColumnElement[bool] | None:
    """Whether `rule` removes something of an inspection now; None when it never does."""
    old = _is_old(table, rule, periods, now)
    return None if old is None else and_(old, table.c.queue_cost.is_(None), not_(is_held(table)))


def plan(connection: Connection, periods: Periods, now: datetime) -> RetentionPlan:
    """What would be removed at `now`, by rule; each inspection counts once, and an image when no inspection needs it longer."""
    return RetentionPlan(at=now, classes=[_plan_of(connection, rule, periods, now) for rule in Rule])


def _plan_of(connection: Connection, rule: Rule, periods: Periods, now: datetime) -> RetentionClass:
    old, expired = _is_old(inspections, rule, periods, now), is_expired(inspections, rule, periods, now)
    whole = is_expired(inspections, Rule.ROWS, periods, now)
    if expired is not None and whole is not None and rule is not Rule.ROWS:
        expired = and_(expired, not_(whole))
    if old is None or expired is None:
        return RetentionClass(rule=rule, days=None, inspections=0, images=0, image_bytes=0, held=0, waiting=0)
    other = inspections.alias()
    leaving = [clause for each in Rule if (clause := is_expired(other, each, periods, now)) is not None]
    stays = exists(
        select(other.c.id)
        .where(
            other.c.image_sha256 == inspections.c.image_sha256,
            other.c.image_kept,
            other.c.image_removed_at.is_(None),
            not_(or_(*leaving)),
        )
        .correlate(inspections)
    )
    files = (
        select(func.max(inspections.c.image_bytes).label("bytes"))
        .where(expired, inspections.c.image_removed_at.is_(None), ~stays)
        .group_by(inspections.c.image_sha256)
        .subquery()
    )
    images, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(files.c.bytes), 0)).select_from(files)
    ).one()
    held, waiting = is_held(inspections), inspections.c.queue_cost.is_not(None)
    return RetentionClass(
        rule=rule,
        days=periods.days(rule),
        inspections=_count(connection, expired),
        images=images,
        image_bytes=size,
        held=_count(connection, old, held),
        waiting=_count(connection, old, waiting, ~held),
    )


def forget_windows(connection: Connection, before: datetime) -> int:
    """Remove up to a batch of looks at drift that ended earlier, the oldest first; how many there were is returned."""
    oldest = (
        select(drift_windows.c.sequence).where(drift_windows.c.ended_at < before).order_by(drift_windows.c.sequence)
    )
    sequences = connection.execute(oldest.limit(_BATCH)).scalars().all()
    connection.execute(delete(drift_windows).where(drift_windows.c.sequence.in_(sequences)))
    return len(sequences)


def _count(connection: Connection, *clauses: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(inspections).where(*clauses)).scalar_one()


def _is_old(table: FromClause, rule: Rule, periods: Periods, now: datetime) -> ColumnElement[bool] | None:
    days = periods.days(rule)
    if days is None:
        return None
    old = table.c.received_at < now - timedelta(days=days)
    if rule is Rule.ROWS:
        return old
    # A passed part that was audited is one that a person reviewed, or that waits for it.
    passed = and_(table.c.verdict == Verdict.PASS.value, table.c.review_id.is_(None), table.c.queue_cost.is_(None))
    return and_(
        table.c.image_kept,
        table.c.image_removed_at.is_(None),
        old,
        passed if rule is Rule.PASSED_IMAGES else not_(passed),
    )


def _bury(connection: Connection, rows: Sequence[RowMapping], removed_at: datetime, told: dict[str, Any]) -> None:
    kept = [
        {
            **{column.name: row[column.name] for column in TOLD_OF_TOMBSTONES if column.name in row},
            "removed_at": removed_at,
            "rule": Rule.ROWS.value,
        }
        for row in rows
    ]
    told["digest"] = digest(told_of_row(row) for row in kept)
    batch = append(connection, Action.ROWS_REMOVED, Rule.ROWS.value, PERSON, new=told, reason=_why(told))
    connection.execute(insert(tombstones), [{**row, "batch": batch} for row in kept])
    ids = [row["id"] for row in rows]
    connection.execute(delete(shadow_inspections).where(shadow_inspections.c.inspection_id.in_(ids)))
    connection.execute(delete(inspections).where(inspections.c.id.in_([row["id"] for row in rows])))


def _list_files(connection: Connection, sha256s: list[str]) -> None:
    listed = set(
        connection.execute(select(departing_images.c.sha256).where(departing_images.c.sha256.in_(sha256s))).scalars()
    )
    new = [{"sha256": sha256} for sha256 in sha256s if sha256 not in listed]
    if new:
        connection.execute(insert(departing_images), new)


def _unlist_files(connection: Connection, sha256s: Collection[str]) -> None:
    connection.execute(delete(departing_images).where(departing_images.c.sha256.in_(sha256s)))


def _why(told: dict[str, Any]) -> str:
    return f"older than the {told['days']:g} days that {told['rule']} are kept"

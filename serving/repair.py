"""What a crash left: images without a row, half-written files, and rows without their image; found, put right and told.

Every run keeps a row of its own, whose `settled_at` says up to when each image that was put had its row. So after a crash only
what is younger has to be looked at, however large the store is; after a stop as told, nothing.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import structlog
import uuid_utils
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from data.record import Record
from serving.gauges import Gauges
from serving.image_store import ImageStore
from serving.settings import Settings
from serving.store import StorageError, Store
from serving.tables import inspections, runs

log = structlog.get_logger()

_SETTLE_EVERY_SECONDS = 20.0
# Clocks of an object store elsewhere, and file times, may differ so much from ours.
_CLOCK_SLACK = timedelta(minutes=1)
_MOST_NAMED = 20


class Report(Record):
    """What start-up found. `done` is false while it is still looking, in the background; frames are decided meanwhile."""

    after_crash: bool
    since: datetime | None = None
    done: bool = True
    looked_at: int = 0
    orphans_set_aside: int = 0
    unfinished_removed: int = 0
    rows_looked_at: int = 0
    rows_without_image: int = 0
    first_without_image: tuple[str, ...] = ()
    failed: str | None = None


class Repair:
    """Begin before the first frame is taken; end after the last was stored."""

    def __init__(self, settings: Settings, store: Store, images: ImageStore, gauges: Gauges) -> None:
        self._grace = timedelta(seconds=settings.orphan_grace_seconds)
        self._in_flight = timedelta(seconds=settings.deadline_seconds) + _CLOCK_SLACK
        self._store = store
        self._images = images
        self._gauges = gauges
        self._id = str(uuid_utils.uuid7())
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._report = Report(after_crash=False)

    @property
    def report(self) -> Report:
        """What was found so far."""
        return self._report

    def begin(self) -> None:
        """Note that this run began, and look in the background at what the one before left. Raises StorageError."""
        now = datetime.now(UTC)

        def start(connection: Connection) -> datetime | None:
            since = connection.execute(select(func.min(runs.c.settled_at)).where(runs.c.ended_at.is_(None))).scalar()
            connection.execute(insert(runs), {"id": self._id, "started_at": now, "settled_at": now})
            return since

        since = self._store.submit(start).result()
        self._report = Report(after_crash=since is not None, since=since, done=since is None)
        if since is None:
            self._images.settle()
        self._thread = threading.Thread(target=self._go_on, args=(since, now), name="repair", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Note that everything was stored. A run that cannot note it counts as crashed, and is looked at again."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._report.done and self._report.failed is None:
            self._note(ended_at=datetime.now(UTC))

    def _go_on(self, since: datetime | None, began: datetime) -> None:
        if since is not None:
            # Frames that the server before was busy with, or another server is now, are given time to get their row.
            self._wait_until(began + self._grace)
            if not self._stop.is_set():
                self._look(since - self._in_flight, began)
        while not self._stop.wait(_SETTLE_EVERY_SECONDS):
            if self._report.done and self._report.failed is None:
                self._note(settled_at=datetime.now(UTC) - self._in_flight)

    def _look(self, since: datetime, began: datetime) -> None:
        started = time.perf_counter()
        try:
            unfinished = self._images.remove_unfinished(began)
            self._tell(unfinished_removed=unfinished)
            candidates: list[str] = []
            for looked, kept in enumerate(self._images.walk(), 1):
                if since <= kept.written_at < began:
                    candidates.append(kept.sha256)
                if looked % 1000 == 0:
                    self._tell(looked_at=looked)
                    if self._stop.wait(0.01):  # the line comes first
                        return
            orphans = [sha256 for sha256 in self._without_row(candidates) if self._images.set_aside(sha256)]
            self._gauges.orphans.inc(len(orphans))
            self._tell(looked_at=len(candidates), orphans_set_aside=len(orphans))
            missing, rows = [], 0
            for id_, sha256 in self._rows(since, began):
                rows += 1
                if not self._images.has(sha256):
                    missing.append(id_)
            self._tell(
                rows_looked_at=rows,
                rows_without_image=len(missing),
                first_without_image=tuple(missing[:_MOST_NAMED]),
                done=True,
            )
            self._store.submit(self._close_earlier).result()
        except (StorageError, DBAPIError, OSError) as error:
            self._tell(failed=f"{error}; it is looked at again at the next start")
        finally:
            self._images.settle()
        seconds = round(time.perf_counter() - started, 3)
        report = self._report.model_dump(mode="json")
        (log.warning if self._report.failed or self._report.rows_without_image else log.info)(
            "looked at what a crash left", seconds=seconds, **report
        )

    def _without_row(self, candidates: Iterable[str]) -> Iterator[str]:
        rest = iter(candidates)
        while some := list(islice(rest, 500)):
            with self._store.reading() as connection:
                query = select(inspections.c.image_sha256).where(inspections.c.image_sha256.in_(some))
                known = set(connection.execute(query.distinct()).scalars())
            yield from (sha256 for sha256 in some if sha256 not in known)

    def _rows(self, since: datetime, until: datetime) -> Iterator[tuple[str, str]]:
        columns = inspections.c
        with self._store.reading() as connection:
            query = (
                select(columns.id, columns.image_sha256)
                .where(
                    columns.received_at >= since,
                    columns.received_at < until,
                    columns.image_kept,
                    columns.image_removed_at.is_(None),
                )
                .order_by(columns.received_at)
            )
            yield from ((row.id, row.image_sha256) for row in connection.execute(query))

    def _close_earlier(self, connection: Connection) -> None:
        now = datetime.now(UTC)
        connection.execute(update(runs).where(runs.c.ended_at.is_(None), runs.c.id != self._id).values(ended_at=now))
        connection.execute(
            update(runs).where(runs.c.id == self._id).values(repaired=self._report.model_dump(mode="json"))
        )

    def _note(self, **values: datetime) -> None:
        try:
            self._store.submit(lambda connection: connection.execute(update(runs).where(runs.c.id == self._id), values))
        except StorageError as error:
            log.warning("run not noted", cause=str(error))

    def _tell(self, **found: object) -> None:
        self._report = self._report.model_copy(update=found)

    def _wait_until(self, when: datetime) -> None:
        self._stop.wait(max(0.0, (when - datetime.now(UTC)).total_seconds()))

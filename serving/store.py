"""The durable store: one writer thread that commits whatever is queued in one transaction, and readers beside it.

A future that the store hands out resolves after the commit, never before.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from data.errors import InputError

MIGRATIONS = Path(__file__).parent / "migrations"
_LARGEST_GROUP = 256

T = TypeVar("T")
Job = Callable[[Connection], T]


class StorageError(Exception):
    """What was to be kept could not be written; the caller must not be told that it was."""


@dataclass
class _Queued(Generic[T]):
    job: Job[T]
    future: Future[T]


class Store:
    """Open with `Store.open(url)`; close when done. `submit` and `reading` may be called from any thread."""

    def __init__(self, writing: Engine, reading: Engine) -> None:
        self._writing = writing
        self._reading = reading
        self._queue: queue.SimpleQueue[_Queued[Any] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_on, name="store-writer", daemon=True)
        self._writer.start()

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect and bring the schema up to date. Raises InputError for a database that cannot be used."""
        try:
            parsed = make_url(url)
            sqlite = parsed.get_backend_name() == "sqlite"
            if sqlite and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            writing, reading = create_engine(parsed, pool_size=1, max_overflow=0), create_engine(parsed)
            if sqlite:
                _tune_sqlite(writing, "BEGIN IMMEDIATE")
                _tune_sqlite(reading, "BEGIN")
            with writing.begin() as connection:
                migrate(connection)
        except (ArgumentError, OSError, ImportError, OperationalError, DatabaseError) as error:
            cause = getattr(error, "orig", None) or error
            raise InputError(f"database {url} cannot be used: {cause}") from error
        return cls(writing, reading)

    def submit(self, job: Job[T]) -> Future[T]:
        """Run `job` in the next transaction; the future gives its result once that is committed, or its exception.

        A job that raises is rolled back alone. A failed commit gives StorageError to every job of the group.
        """
        future: Future[T] = Future()
        self._queue.put(_Queued(job, future))
        return future

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one consistent state, for reading only."""
        with self._reading.connect() as connection:
            yield connection

    def close(self) -> None:
        """Finish what is queued, then disconnect."""
        self._queue.put(None)
        self._writer.join()
        self._writing.dispose()
        self._reading.dispose()

    def _write_on(self) -> None:
        going = True
        while going:
            group: list[_Queued[Any]] = []
            item = self._queue.get()
            while item is not None:
                group.append(item)
                if len(group) == _LARGEST_GROUP or self._queue.empty():
                    break
                item = self._queue.get()
            going = item is not None
            if group:
                self._commit(group)

    def _commit(self, group: list[_Queued[Any]]) -> None:
        try:
            with self._writing.connect() as connection:
                outcomes = [_attempt(connection, queued.job, alone=len(group) == 1) for queued in group]
                connection.commit()
        except Exception as error:  # noqa: BLE001 - whatever it was, every waiter must learn that nothing was kept
            failure = StorageError(f"the database did not commit: {getattr(error, 'orig', None) or error}")
            failure.__cause__ = error
            for queued in group:
                queued.future.set_exception(failure)
            return
        for queued, (result, raised) in zip(group, outcomes, strict=True):
            if raised is None:
                queued.future.set_result(result)
            else:
                queued.future.set_exception(raised)


def _attempt(connection: Connection, job: Job[T], alone: bool) -> tuple[T | None, Exception | None]:
    # A savepoint costs a fifth of a small transaction: a job that is alone in it needs none.
    savepoint = None if alone else connection.begin_nested()
    try:
        result = job(connection)
    except OperationalError:
        raise  # the disk or the connection fails: no other job of the group would fare better
    except Exception as error:  # noqa: BLE001 - handed to whoever waits for this job
        if savepoint is None:
            connection.rollback()
        else:
            savepoint.rollback()
        return None, error
    if savepoint is not None:
        savepoint.commit()
    return result, None


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the schema up to `revision`, within the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _tune_sqlite(engine: Engine, begin: str) -> None:
    """The one place that knows SQLite: durable WAL, foreign keys, and transactions that SQLAlchemy begins itself."""

    @event.listens_for(engine, "connect")
    def on_connect(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

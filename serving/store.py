"""The durable store: one writer thread that commits whatever is queued in one transaction, and readers beside it.

A future that the store hands out resolves after the commit, never before.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    Insert,
    Select,
    Table,
    create_engine,
    event,
    insert,
    make_url,
)
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from data.errors import InputError

MIGRATIONS = Path(__file__).parent / "migrations"
# The newest by the names of the files, which begin with their revisions: Alembic would load every one of them to tell.
NEWEST = max(file.name for file in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]
"""the schema that this program brings a database to"""
_LARGEST_GROUP = 256

# How long a writer waits for another process that holds an SQLite database.
_PATIENCE_SECONDS = 2
# The longest wait of the line for one answer of PostgreSQL; a commit on a busy disk takes a second.
_LONGEST_SECONDS = 5.0
# And of a page, or of what is checked in the background, which may ask what takes long.
_LONGEST_QUESTION_SECONDS = 120.0
# Without frames there is no next commit that could show that all is well again.
_TOLD_SECONDS = 5.0
# More than there are threads that read: a camera's key must not wait until pages have read what they want.
_MOST_READERS = 60

T = TypeVar("T")
Job = Callable[[Connection], T]
MakeRow = Callable[[], dict[str, Any]]
WhySilent = Callable[[], str | None]
"""why the database is known not to answer; None while it does"""


class StorageError(Exception):
    """What was to be kept could not be written; the caller must not be told that it was."""


@dataclass
class _Queued:
    job: Job[Any]
    future: Future[Any] = field(default_factory=Future)


@dataclass
class _QueuedRow:
    table: Table
    make: MakeRow
    future: Future[Any] = field(default_factory=Future)


class Question:
    """A query compiled once. Measured on SQLite, asking through SQLAlchemy takes some ten times as long as the answer."""

    def __init__(self, query: Select[Any]) -> None:
        self._query = query
        self._compiled: dict[str, tuple[str, list[str] | None]] = {}

    def compiled(self, dialect: Dialect, values: dict[str, str]) -> tuple[str, Any]:
        """The statement and its parameters as the dialect's driver takes them."""
        known = self._compiled.get(dialect.name)
        if known is None:
            compiled = self._query.compile(dialect=dialect)
            known = self._compiled[dialect.name] = (str(compiled), getattr(compiled, "positiontup", None))
        statement, names = known
        return statement, values if names is None else [values[name] for name in names]


class Store:
    """Open with `Store.open(url)`; close when done. `submit` and `reading` may be called from any thread."""

    def __init__(self, engines: "_Engines", why_silent: WhySilent) -> None:
        self._engines = engines
        self._writing = engines.writing
        self._reading = engines.reading
        self._why_silent = why_silent
        self._failure: tuple[float, str] | None = None
        self._queue: queue.SimpleQueue[_Queued | _QueuedRow | None] = queue.SimpleQueue()
        self._looking = threading.local()
        self._lookers: list[Connection] = []
        self._connection: Connection | None = None
        self._driver_error: type[Exception] = engines.writing.dialect.loaded_dbapi.Error
        self._writer = threading.Thread(target=self._write_on, name="store-writer", daemon=True)
        self._writer.start()

    @classmethod
    def open(cls, url: str, why_silent: WhySilent = lambda: None) -> Self:
        """Connect and bring the schema up to date. Raises InputError for a database that cannot be used.

        While `why_silent` says why the server does not answer, nobody waits for it: every question fails at once.
        """
        parsed = parse_url(url)
        try:
            sqlite = parsed.get_backend_name() == "sqlite"
            engines = _sqlite_engines(parsed) if sqlite else _postgresql_engines(parsed, why_silent)
            with engines.migrating.begin() as connection:
                migrate(connection)
        except (ArgumentError, OSError, ImportError, DatabaseError, InterfaceError) as error:
            cause = getattr(error, "orig", None) or error
            raise InputError(f"database {parsed.render_as_string()} cannot be used: {cause}") from error
        return cls(engines, why_silent)

    def submit(self, job: Job[T]) -> Future[T]:
        """Run `job` in the next transaction; the future gives its result once that is committed, or its exception.

        A job that raises is rolled back alone. A failed commit gives StorageError to every job of the group.
        """
        queued = _Queued(job)
        self._queue.put(queued)
        return queued.future

    def insert(self, table: Table, make: MakeRow) -> Future[None]:
        """Add the row that `make` gives on the writer's thread; like `submit`, but all rows of a group are one statement.

        A row that breaks a constraint gets IntegrityError alone.
        """
        queued = _QueuedRow(table, make)
        self._queue.put(queued)
        return queued.future

    def look_up(self, question: "Question", **values: str) -> tuple[Any, ...] | None:
        """The first row that answers a question which every frame asks, as of now; plain values of the database driver.

        Raises StorageError when the database does not answer.
        """
        self.check()
        connection: Connection | None = getattr(self._looking, "connection", None)
        try:
            if connection is None:
                # Each thread keeps one, outside any transaction: it sees what was committed up to then.
                connection = self._engines.looking_up.connect().execution_options(isolation_level="AUTOCOMMIT")
                connection.detach()  # it never comes back, and must not count as one of the pool's
                self._looking.connection = connection
                self._lookers.append(connection)
            cursor = connection.connection.cursor()
            try:
                cursor.execute(*question.compiled(connection.dialect, values))
                answer: tuple[Any, ...] | None = cursor.fetchone()
            finally:
                cursor.close()
        except (DBAPIError, self._driver_error) as error:
            self._looking.connection = None
            if connection is not None:
                self._lookers.remove(connection)
                with suppress(DBAPIError):
                    connection.close()
            raise StorageError(f"the database does not answer: {getattr(error, 'orig', error)}") from error
        return answer

    @property
    def why_failing(self) -> str | None:
        """Why the last commit failed; None when it did not, or so long ago that the next one may do."""
        failure = self._failure
        return None if failure is None or time.monotonic() - failure[0] > _TOLD_SECONDS else failure[1]

    def check(self) -> None:
        """Raises StorageError while the database is known not to answer."""
        if (silent := self._why_silent()) is not None:
            raise StorageError(f"the database does not answer: {silent}")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one consistent state, for reading only.

        Raises OperationalError when the database does not answer.
        """
        if (silent := self._why_silent()) is not None:
            raise OperationalError(None, None, StorageError(silent))
        with self._reading.connect() as connection:
            yield connection

    def close(self) -> None:
        """Finish what is queued, then disconnect."""
        self._queue.put(None)
        self._writer.join()
        self._reconnect()
        for connection in self._lookers:
            connection.close()
        for engine in self._engines:
            engine.dispose()

    def _write_on(self) -> None:
        going = True
        while going:
            group: list[_Queued | _QueuedRow] = []
            item = self._queue.get()
            while item is not None:
                group.append(item)
                if len(group) == _LARGEST_GROUP or self._queue.empty():
                    break
                item = self._queue.get()
            going = item is not None
            if group:
                self._commit(group)

    def _commit(self, group: list[_Queued | _QueuedRow]) -> None:
        # Whoever waited may have been cancelled, as a request is that outlasts the drain; from here on nobody can be.
        group = [queued for queued in group if queued.future.set_running_or_notify_cancel()]
        outcomes: list[tuple[Any, Exception | None]] = []
        try:
            self.check()
            # Kept between groups: taking it from the pool and giving it back costs as much as a row.
            if self._connection is None:
                self._connection = self._writing.connect()
            connection = self._connection
            for table, part in groupby(group, lambda item: item.table if isinstance(item, _QueuedRow) else None):
                items = list(part)
                alone = len(items) == len(group)
                if table is not None:
                    outcomes += _insert(connection, table, [item.make for item in items], alone)  # type: ignore[union-attr] # groupby told them apart
                else:
                    outcomes += [_attempt(connection, item.job, len(group) == 1) for item in items]  # type: ignore[union-attr] # groupby told them apart
            connection.commit()
        except Exception as error:  # noqa: BLE001 - whatever it was, every waiter must learn that nothing was kept
            self._reconnect()
            failure = StorageError(f"the database did not commit: {getattr(error, 'orig', None) or error}")
            failure.__cause__ = error
            self._failure = time.monotonic(), str(failure)
            for queued in group:
                queued.future.set_exception(failure)
            return
        self._failure = None
        for queued, (result, raised) in zip(group, outcomes, strict=True):
            if raised is None:
                queued.future.set_result(result)
            else:
                queued.future.set_exception(raised)

    def _reconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                # Not back to the pool: after a commit that failed SQLAlchemy takes the transaction for over, and the next
                # group would begin in the middle of it.
                connection.invalidate()
                connection.close()


def _new(table: Table) -> Insert:
    """Whoever runs it takes a failure back. So it may FAIL half-way: else SQLite, as the table has triggers, first copies every
    page that it changes, which takes as long as the triggers do.
    """
    return insert(table).prefix_with("OR FAIL", dialect="sqlite")


def _insert(
    connection: Connection, table: Table, makes: Sequence[MakeRow], alone: bool
) -> list[tuple[None, Exception | None]]:
    rows = [make() for make in makes]
    savepoint = None if alone else connection.begin_nested()
    try:
        connection.execute(_new(table), rows)
    except IntegrityError:
        if savepoint is None:
            connection.rollback()
        else:
            savepoint.rollback()
        return [_attempt(connection, partial(_add, table, row), alone and len(rows) == 1) for row in rows]
    if savepoint is not None:
        savepoint.commit()
    return [(None, None)] * len(rows)


def _add(table: Table, row: dict[str, Any], connection: Connection) -> None:
    connection.execute(_new(table), row)


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


def parse_url(url: str) -> URL:
    """Raises InputError for what is no database URL, without showing it: there may be a password in it."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        raise InputError(
            "database_url cannot be used: it is no URL such as sqlite:///var/qc.db or "
            "postgresql+psycopg://user:password@host/name; in a password, write @ as %40, : as %3A and / as %2F"
        ) from error


def is_newer(revision: str | None) -> bool:
    """Whether a later release than this program wrote a database of schema `revision`."""
    return revision is not None and revision > NEWEST


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the schema up to `revision`, within the connection's transaction. Raises InputError for that of a newer release."""
    found = MigrationContext.configure(connection).get_current_revision()
    if is_newer(found):
        raise InputError(
            f"the database has schema {found}, this program {NEWEST}: a newer release wrote it; start that one, or restore a "
            "backup from before it"
        )
    if revision == "head" and found == NEWEST:
        return
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


class _Engines(NamedTuple):
    writing: Engine
    reading: Engine
    looking_up: Engine
    migrating: Engine


def _sqlite_engines(url: URL) -> _Engines:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    writing = create_engine(url, pool_size=1, max_overflow=0)
    reading = create_engine(url, max_overflow=_MOST_READERS)
    _tune_sqlite(writing, "BEGIN IMMEDIATE")
    _tune_sqlite(reading, "BEGIN")
    return _Engines(writing, reading, looking_up=reading, migrating=writing)


def _postgresql_engines(url: URL, why_silent: WhySilent) -> _Engines:
    from serving.postgresql import bounded_engine  # its driver is an extra

    def bounded(longest: float, **more: Any) -> Engine:
        # A statement that was given up must not go on in the server, and hold what the next one needs.
        return bounded_engine(url, longest, why_silent, f"-c statement_timeout={longest * 1000:.0f}", **more)

    # A reader notices a server that was restarted, or a hung process of one that goes on; the writer learns it from the commit
    # that fails.
    reading = bounded(
        _LONGEST_QUESTION_SECONDS, pool_pre_ping=True, isolation_level="REPEATABLE READ", max_overflow=_MOST_READERS
    )
    writing = bounded(_LONGEST_SECONDS, pool_size=1, max_overflow=0)
    looking_up = bounded(_LONGEST_SECONDS, max_overflow=_MOST_READERS)
    return _Engines(writing, reading, looking_up, migrating=bounded_engine(url, math.inf))


def _tune_sqlite(engine: Engine, begin: str) -> None:
    """The one place that knows SQLite: durable WAL, foreign keys, and transactions that SQLAlchemy begins itself."""

    @event.listens_for(engine, "connect")
    def on_connect(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_PATIENCE_SECONDS * 1000}",
        ):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

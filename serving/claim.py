"""One server's claim on its database and image store, which no second server gets; and whether PostgreSQL answers.

Retention and the repair at start-up rely on being alone. Files are locked by the operating system, PostgreSQL by an advisory
lock of a session of its own, which is asked every second besides: so a server that stopped answering is known to be silent
before everybody has waited for it. Commands and backups need no claim.
"""

import fcntl
import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from data.errors import InputError
from serving.database import shown, sqlite_file
from serving.image_store import directory_of
from serving.settings import Settings
from serving.store import parse_url

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = structlog.get_logger()

_BEAT_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
# Of a server that was killed: its session, or its last write to disk, ends a little later.
_LEAVE_SECONDS = 5.0
_KEY = 0x7665726469637401  # "verdict", 1
_REMEDY = "stop that one, or give this one a database and an image store of its own; one server to each"


class Claim:
    """Raises InputError when another server has the database or the image directory. Close after everything else."""

    def __init__(self, settings: Settings) -> None:
        self._descriptors: list[int] = []
        self._session: _Session | None = None
        try:
            file = sqlite_file(settings.database_url)
            if file is not None:
                self._lock(file.with_name(f"{file.name}.lock"), f"database {file}")
            url = parse_url(settings.database_url)
            if url.get_backend_name() == "postgresql":
                self._session = _Session(url, f"database {shown(settings.database_url)}")
            if (images := directory_of(settings.images)) is not None:
                self._lock(images, f"image store {images}")
        except BaseException:
            self.close()
            raise

    @property
    def why_silent(self) -> str | None:
        """Why the database is known not to answer; None while it does, and for SQLite, which is no server."""
        return None if self._session is None else self._session.why_silent

    @property
    def why_not_alone(self) -> str | None:
        """Why the claim no longer holds; None while it does."""
        return None if self._session is None else self._session.why_not_alone

    def close(self) -> None:
        """Let the next server have them."""
        if self._session is not None:
            self._session.close()
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _lock(self, place: Path, what: str) -> None:
        """A file is made, a directory locked as such: nothing is to lie among the images."""
        is_file = place.suffix == ".lock"
        try:
            (place.parent if is_file else place).mkdir(parents=True, exist_ok=True)
            descriptor = os.open(place, os.O_RDWR | os.O_CREAT if is_file else os.O_RDONLY, 0o644)
        except OSError as error:
            raise InputError(f"{what} cannot be used: {error}") from error
        self._descriptors.append(descriptor)
        until = time.monotonic() + _LEAVE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > until:
                    holder = os.pread(descriptor, 256, 0).decode(errors="replace") if is_file else None
                    raise InputError(_used(what, holder)) from error
                time.sleep(0.1)
            except OSError as error:
                # Some network file systems have no locks; that is no reason to stay down.
                log.warning("not known whether another server uses it", place=str(place), cause=str(error))
                return
            else:
                break
        if is_file:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _me().encode(), 0)


class _Session:
    """The session that holds PostgreSQL's advisory lock, and the thread that asks it every second."""

    def __init__(self, url: URL, what: str) -> None:
        try:
            from serving.postgresql import bounded_engine
        except ImportError as error:
            raise InputError(f"{what} cannot be used: {error}") from error

        self._what = what
        # The server ends a session whose machine is gone within seconds, so that a spare one can take over.
        options = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
        named = url.update_query_dict({"application_name": f"verdict-line, {_me()}"})
        self._engine = bounded_engine(named, _ANSWER_SECONDS, options=options, poolclass=NullPool)
        self._connection: Connection | None = None
        self._claimed = False
        self.why_silent: str | None = None
        self.why_not_alone: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="claim", daemon=True)
        until = time.monotonic() + _LEAVE_SECONDS
        while not self._try() and time.monotonic() < until:
            time.sleep(0.1)
        if self.why_silent is not None or self.why_not_alone is not None:
            self._leave()
            raise InputError(self.why_not_alone or f"{what} cannot be used: {self.why_silent}")
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._leave()

    def _run(self) -> None:
        while not self._stop.wait(_BEAT_SECONDS):
            before = (self.why_silent, self.why_not_alone)
            self._try()
            if (self.why_silent, self.why_not_alone) != before:
                told = log.error if self.why_silent or self.why_not_alone else log.info
                told("database", silent=self.why_silent, not_alone=self.why_not_alone)

    def _try(self) -> bool:
        """Whether the server answers and the claim holds."""
        began = time.monotonic()
        silent = self._why_no_answer()
        if silent is not None and time.monotonic() - began < _ANSWER_SECONDS:
            # Not waited for, but ended, by an administrator or by a restart that is over: the next session may do.
            silent = self._why_no_answer()
        self.why_silent = silent
        return self.why_silent is None and self.why_not_alone is None

    def _why_no_answer(self) -> str | None:
        try:
            self._ask()
        except DBAPIError as error:
            self._leave()
            return f"{error.orig}".strip()
        return None

    def _ask(self) -> None:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if self._claimed:
            self._connection.execute(text("SELECT 1"))
            return
        self._claimed = bool(self._connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _KEY}))
        if self._claimed:
            self.why_not_alone = None
            return
        holder = self._connection.scalar(
            text(
                "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.granted "
                "AND l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                "AND l.classid = :high AND l.objid = :low"
            ),
            {"high": _KEY >> 32, "low": _KEY & 0xFFFFFFFF},
        )
        self.why_not_alone = _used(self._what, holder)

    def _leave(self) -> None:
        connection, self._connection, self._claimed = self._connection, None, False
        if connection is not None:
            try:
                connection.close()
            except DBAPIError as error:
                log.debug("session not closed", cause=str(error))


def _used(what: str, holder: str | None) -> str:
    return f"{what} is used by another server{f' ({holder})' if holder else ''}; {_REMEDY}"


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"

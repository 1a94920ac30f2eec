"""The database as commands read it beside a server: nothing is migrated, nothing is written, and it must exist."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import ArgumentError, DBAPIError

from data.errors import InputError
from serving.store import NEWEST, is_newer, parse_url

_PATIENCE_SECONDS = 5


@contextmanager
def reading_beside(url: str) -> Iterator[Connection]:
    """One consistent state of the database at `url`. Raises InputError when it is missing, unusable or of another schema."""
    with connected(url) as connection:
        revision = revision_of(connection)
        if revision != NEWEST:
            todo = "start the server once with this version, which brings it up to date"
            if is_newer(revision):
                todo = "use the release that wrote it"
            raise InputError(f"database {shown(url)} has schema {revision}, this program {NEWEST}; {todo}")
        yield connection


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection that only reads one consistent state, whatever the schema. Raises InputError if it is missing or unusable."""
    try:
        file = sqlite_file(url)
        if file is not None and not file.is_file():
            raise InputError(f"there is no database {file}; start the server once, or name it with --set database_url=")
        if file is not None:
            engine = create_engine(url)
        else:
            engine = create_engine(
                url, isolation_level="REPEATABLE READ", connect_args={"connect_timeout": _PATIENCE_SECONDS}
            )
        with engine.connect() as connection:
            if file is not None:
                connection.exec_driver_sql("PRAGMA query_only=ON")
                connection.exec_driver_sql("BEGIN")  # sqlite3 itself begins at the first write, of which there is none
            yield connection
        engine.dispose()
    except (ArgumentError, ImportError, DBAPIError) as error:
        cause = getattr(error, "orig", None) or error
        raise InputError(f"database {shown(url)} cannot be used: {cause}") from error


def sqlite_file(url: str) -> Path | None:
    """Where an SQLite database is; None for another kind. Raises InputError for what is no URL."""
    parsed = parse_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def shown(url: str) -> str:
    """A database URL without its password."""
    return parse_url(url).render_as_string()


def revision_of(connection: Connection) -> str | None:
    """Which schema the database has; None when it has none of ours."""
    return MigrationContext.configure(connection).get_current_revision()

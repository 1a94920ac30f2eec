"""One database and several connections: commands write beside the server, and what is read is of one instant."""

import threading
from collections.abc import Iterator

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from serving.audit import Action, append, verify
from serving.database import reading_beside
from serving.store import MIGRATIONS, NEWEST, StorageError, Store

DATABASES = ("sqlite", "postgresql")


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = Store.open(database)
    yield store
    store.close()


def test_the_names_of_the_migrations_tell_the_newest() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == NEWEST


def note(connection: Connection) -> int:
    return append(connection, Action.PERSON_ADDED, "person ann", "test")


def test_two_processes_that_write_to_the_trail_at_once_wait_for_each_other(store: Store, database: str) -> None:
    command = Store.open(database)
    together = threading.Barrier(2)

    sequences: list[int] = []

    def write(to: Store) -> None:
        together.wait()
        sequences.extend(to.submit(note).result() for _ in range(25))

    threads = [threading.Thread(target=write, args=(one,)) for one in (store, command)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    command.close()
    assert sorted(sequences) == list(range(1, 51))
    with store.reading() as connection:
        assert verify(connection).broken == ()


def test_what_is_read_is_of_one_instant(store: Store, database: str) -> None:
    for reading in (store.reading, lambda: reading_beside(database)):
        with reading() as connection:
            before = verify(connection).entries
            store.submit(note).result()
            assert verify(connection).entries == before
        with reading() as connection:
            assert verify(connection).entries == before + 1


def test_commit_that_fails_leaves_no_transaction_behind(store: Store) -> None:
    store.submit(note).result()

    def fail(connection: Connection) -> None:
        raise OperationalError("COMMIT", None, Exception("the disk is full"))

    event.listen(store._engines.writing, "commit", fail, once=True)
    with pytest.raises(StorageError, match="the disk is full"):
        store.submit(note).result()
    assert store.why_failing
    assert store.submit(note).result() == 2
    assert store.why_failing is None

"""The audit trail: every review and promotion is in it, and whatever is altered afterwards is found."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, delete, insert, select, text, update

from serving.audit import GENESIS, Action, append, entries, verify
from serving.store import _MIGRATIONS, Store
from serving.tables import audit, promotions, reviews
from tests.conftest import Served, grey_png


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path}/qc.db")
    yield store
    store.close()


def promote(connection: Connection, reason: str = "better") -> None:
    row: dict[str, Any] = {
        "name": "m",
        "version": "1",
        "reason": reason,
        "person": "ann",
        "promoted_at": datetime.now(UTC),
        "kind": "PROMOTED",
        "overruled": [],
    }
    (sequence,) = connection.execute(insert(promotions).values(row)).inserted_primary_key or ()
    append(connection, Action.PROMOTION, str(sequence), "ann", new={"sequence": sequence, **row}, reason=reason)


def problems(store: Store) -> list[str]:
    with store.reading() as connection:
        return [one.what for one in verify(connection).broken]


def test_an_untouched_trail_holds_and_names_its_head(store: Store) -> None:
    with store.reading() as connection:
        assert (verify(connection).entries, verify(connection).head) == (0, GENESIS)
    for _ in range(3):
        store.submit(promote).result()
    with store.reading() as connection:
        found = verify(connection)
        assert (found.entries, found.broken) == (3, ())
        assert found.head == list(entries(connection))[-1]["hash"]


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda c: c.execute(update(audit).where(audit.c.sequence == 2).values(reason="x")), "not what was written"),
        (lambda c: c.execute(update(audit).where(audit.c.sequence == 2).values(hash="f" * 64)), "does not follow"),
        (lambda c: c.execute(delete(audit).where(audit.c.sequence == 2)), "are missing"),
        (lambda c: c.execute(delete(audit).where(audit.c.sequence == 3)), "added past the trail"),
        (lambda c: c.execute(update(promotions).where(promotions.c.sequence == 1).values(person="bob")), "was altered"),
        (lambda c: c.execute(delete(promotions).where(promotions.c.sequence == 1)), "was removed"),
    ],
    ids=["content", "hash", "removed entry", "removed last entry", "altered row", "removed row"],
)
def test_every_way_to_tamper_is_found(store: Store, tamper: Any, told: str) -> None:
    for _ in range(3):
        store.submit(promote).result()
    store.submit(lambda connection: tamper(connection) and None).result()
    assert any(told in problem for problem in problems(store)), problems(store)


def test_the_chain_cannot_fork(store: Store) -> None:
    store.submit(promote).result()
    with store.reading() as connection:
        first = dict(next(entries(connection)))
    with pytest.raises(Exception, match="UNIQUE"):
        store.submit(lambda connection: connection.execute(insert(audit), {**first, "sequence": 2}) and None).result()


def test_a_failed_change_leaves_no_entry(store: Store) -> None:
    def fails(connection: Connection) -> None:
        promote(connection)
        raise ValueError

    with pytest.raises(ValueError):
        store.submit(fails).result()
    assert problems(store) == []
    with store.reading() as connection:
        assert connection.execute(select(audit)).all() == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    old=st.none() | st.dictionaries(st.text(), json_values, max_size=3),
    reason=st.text().filter(lambda text: "\x00" not in text),
)
def test_what_was_written_verifies_whatever_it_was(store: Store, old: Any, reason: str) -> None:
    def add(connection: Connection) -> None:
        append(connection, Action.PROMOTION, "none", "ann", old=old, reason=reason)

    store.submit(add).result()
    assert set(problems(store)) == {"promotions none was removed"}


def test_reviews_and_promotions_of_a_server_are_in_the_trail(server: Served) -> None:
    inspection = server.inspect(grey_png(0.9))
    body = {"inspection_id": inspection["id"], "reviewer": "ann", "note": "why", "decided_at": "2026-11-01T08:00:00Z"}
    for decision in ("FALSE_CALL", None):
        answer = server.client.put(f"/v1/reviews/{uuid4()}", json={**body, "decision": decision})
        assert answer.status_code == 200
    store = server.service.store
    assert problems(store) == []
    with store.reading() as connection:
        told = list(entries(connection))
        assert [entry["new"]["decision"] for entry in told] == ["FALSE_CALL", None]
        assert {(entry["person"], entry["reason"]) for entry in told} == {("ann", "why")}
    store.submit(lambda connection: connection.execute(update(reviews).values(reviewer="bob")) and None).result()
    assert len(problems(store)) == 2


def test_a_database_from_before_the_trail_gets_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/qc.db"
    engine, config = create_engine(url), Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.execute(
            text(
                "INSERT INTO promotions (name, version, reason, person, promoted_at, kind, overruled) "
                "VALUES ('brightness', '1', 'first', 'ann', 0, 'PROMOTED', '[]')"
            )
        )
    engine.dispose()
    store = Store.open(url)
    assert problems(store) == []
    with store.reading() as connection:
        assert [entry["reason"] for entry in entries(connection)] == ["from before the audit trail"]
    store.close()

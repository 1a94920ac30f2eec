"""The audit trail: every review and promotion is in it, and whatever is altered afterwards is found."""

import csv
import io
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, delete, insert, select, update

from serving.audit import GENESIS, Action, _untold_query, append, entries, verify
from serving.audit_trail import Format, export
from serving.gauges import Gauges
from serving.store import Store, migrate
from serving.tables import audit, holds, promotions, reviews
from tests.command_line import run_command
from tests.conftest import Served, grey_png


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = Store.open(database)
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
        told = [entry for entry in entries(connection) if entry["action"] == Action.REVIEW]
        assert [entry["new"]["decision"] for entry in told] == ["FALSE_CALL", None]
        assert {(entry["person"], entry["reason"]) for entry in told} == {("ann", "why")}
    store.submit(lambda connection: connection.execute(update(reviews).values(reviewer="bob")) and None).result()
    assert len(problems(store)) == 2


def test_a_database_from_before_the_trail_gets_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/qc.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        migrate(connection, "0003")
        row = {"name": "m", "version": "1", "reason": "better", "person": "ann", "promoted_at": datetime.now(UTC)}
        connection.execute(insert(promotions).values(row))
    engine.dispose()
    store = Store.open(url)
    assert problems(store) == []
    with store.reading() as connection:
        assert [entry["reason"] for entry in entries(connection)] == ["from before the audit trail"]
    store.close()


def test_a_cut_off_end_is_found_by_the_head_that_was_noted(store: Store) -> None:
    for _ in range(3):
        store.submit(promote).result()
    with store.reading() as connection:
        heads = [entry["hash"] for entry in entries(connection)]
        assert all(verify(connection, head).broken == () for head in [GENESIS, *heads])

    def cut(connection: Connection) -> None:
        connection.execute(delete(audit).where(audit.c.sequence == 3))
        connection.execute(delete(promotions).where(promotions.c.sequence == 3))

    store.submit(cut).result()
    with store.reading() as connection:
        assert verify(connection).broken == (), "a chain alone cannot know"
        assert "no longer in the chain" in str(verify(connection, heads[-1]).broken[0])


def test_broken_places_are_named_up_to_a_thousand_and_then_counted(store: Store) -> None:
    def many(connection: Connection) -> None:
        for _ in range(1200):
            append(connection, Action.HOLD, "none", "ann")

    store.submit(many).result()
    with store.reading() as connection:
        found = verify(connection)
    assert (found.entries, len(found.broken), found.unnamed) == (1200, 1000, 200)


def test_the_command_says_what_is_broken_and_exits_1(store: Store, tmp_path: Path) -> None:
    at = ["--set", f"database_url=sqlite:///{tmp_path}/qc.db"]
    for _ in range(3):
        store.submit(promote).result()
    sound = run_command("audit", "verify", *at)
    assert sound.returncode == 0, sound.stderr
    assert "the trail holds" in sound.stdout
    head = re.findall("[0-9a-f]{64}", sound.stdout)[-1]
    assert run_command("audit", "verify", "--head", head, *at).returncode == 0
    assert run_command("audit", "verify", "--head", "f" * 64, *at).returncode == 1
    store.submit(lambda connection: connection.execute(update(promotions).values(person="bob")) and None).result()
    broken = run_command("audit", "verify", *at)
    assert broken.returncode == 1
    assert "entry 2: promotions 2 was altered after it was written" in broken.stdout
    missing = run_command("audit", "verify", "--set", f"database_url=sqlite:///{tmp_path}/none.db")
    assert (missing.returncode, "there is no database" in missing.stderr) == (2, True)


def test_export_holds_every_entry_and_no_formula(store: Store, tmp_path: Path) -> None:
    for reason in ("=1+1", '繁體 "quoted",\nand more'):
        store.submit(lambda connection, reason=reason: promote(connection, reason)).result()
    with (
        store.reading() as connection,
        (tmp_path / "a.csv").open("wb") as table,
        (tmp_path / "a.json").open("wb") as text,
    ):
        assert export(connection, table, Format.CSV, None, None) == 2
        assert export(connection, text, Format.JSON, None, None) == 2
        assert export(connection, io.BytesIO(), Format.JSON, datetime.now(UTC), None) == 0
        told = [dict(entry) for entry in entries(connection)]
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [{**one, "at": datetime.fromisoformat(one["at"])} for one in written] == told
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["reason"] for row in rows] == ["'=1+1", '繁體 "quoted",\nand more']
    assert json.loads(rows[0]["new"])["reason"] == "=1+1"


def test_entries_over_http_by_page_and_filter(server: Served) -> None:
    inspection = server.inspect(grey_png(0.9))
    body = {"inspection_id": inspection["id"], "decision": "FALSE_CALL", "decided_at": "2026-11-01T08:00:00Z"}
    for reviewer in ("ann", "bob", "ann", "ann"):
        assert server.client.put(f"/v1/reviews/{uuid4()}", json={**body, "reviewer": reviewer}).status_code == 200
    hold = {"lot": "L-1", "person": "ann", "reason": "claim"}
    assert server.client.post("/v1/holds", json=hold).status_code == 201

    def listed(**query: Any) -> list[int]:
        found, cursor = [], None
        while True:
            page = server.client.get(
                "/v1/audit", params={**query, "limit": 2, **({"cursor": cursor} if cursor else {})}
            )
            assert page.status_code == 200, page.text
            found += [entry["sequence"] for entry in page.json()["items"]]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return found

    # the first entry tells of the assumptions that the server took from its file
    assert listed() == [6, 5, 4, 3, 2, 1]
    assert listed(action="REVIEW") == [5, 4, 3, 2]
    assert listed(person="bob") == [3]
    assert listed(action=["HOLD", "REVIEW"], person="ann") == [6, 5, 4, 2]
    newest = server.client.get("/v1/audit", params={"limit": 1}).json()["items"][0]
    assert (newest["new"]["lot"], newest["reason"], newest["old"]) == ("L-1", "claim", None)
    assert datetime.fromisoformat(newest["new"]["set_at"]).tzinfo is not None
    assert listed(subject=newest["subject"], since=newest["at"]) == [6]
    assert listed(until=newest["at"]) == [5, 4, 3, 2, 1]
    assert server.client.get("/v1/audit", params={"cursor": "x"}).status_code == 422


def test_a_trail_that_was_not_checked_yet_raises_no_alarm() -> None:
    assert "qc_audit_trail_holds NaN" in Gauges().render().decode()


def test_the_server_says_whether_the_chain_holds(server: Served) -> None:
    def checked(after: str | None) -> dict[str, Any]:
        for _ in range(1000):
            state: dict[str, Any] = server.client.get("/v1/audit/check").json()
            if not state["running"] and state["checked_at"] not in (None, after):
                return state
            threading.Event().wait(0.01)
        raise AssertionError("the check did not end")

    first = checked(None)
    assert (first["holds"], first["entries"]) == (True, 1)
    assert server.client.post("/v1/holds", json={"lot": "L", "person": "ann", "reason": "claim"}).status_code == 201
    store = server.service.store
    store.submit(lambda connection: connection.execute(update(holds).values(person="bob")) and None).result()
    assert server.client.post("/v1/audit/check").status_code == 202
    second = checked(first["checked_at"])
    assert (second["holds"], second["entries"]) == (False, 2)
    assert "was altered" in second["broken"][0]["what"]
    assert "qc_audit_trail_holds 0.0" in server.client.get("/metrics").text


def test_verifying_looks_each_row_up_by_an_index_of_its_own(store: Store) -> None:
    """Without it a million reviews took hours: each was looked for among all entries of its action."""
    with store.reading() as connection:
        statement = _untold_query(Action.REVIEW).compile(connection.engine, compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
    assert any("ix_audit_subject_action (subject=? AND action=?)" in step for step in plan), plan

"""What was acknowledged is on disk: through kill -9, a restart, and jobs that fail beside it."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select

from data.errors import InputError
from serving.database import connected
from serving.image_store import ImageStore
from serving.store import Store
from serving.tables import metadata, promotions
from tests.conftest import ROOT, Served, StartServer, grey_png, settings_arguments, wait_until_up

FRAME = {
    "product": "cell",
    "line": "line-1",
    "station": "final",
    "camera": "top",
    "lot": "L-1",
    "captured_at": "2026-11-01T08:00:00Z",
}


class Process:
    """`python -m serving serve` on its own."""

    def __init__(self, directory: Path, bundles: Path, **settings: Any) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        chosen = settings_arguments(directory, bundles, port=port, **settings)
        arguments = [part for item in chosen for part in ("--set", item)]
        with (directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serving", "serve", *arguments], cwd=ROOT, stderr=log, stdout=log
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        wait_until_up(self.client, lambda: self.process.poll() is None)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self.client.close()


@pytest.fixture
def running() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        process.close()


def test_acknowledged_inspections_survive_kill_9(
    tmp_path: Path, brightness_bundle: Path, running: list[Process]
) -> None:
    server = Process(tmp_path, brightness_bundle.parent)
    running.append(server)
    acknowledged: dict[str, Any] = {}
    answered = threading.Event()

    def camera(name: str) -> None:
        number = 0
        while True:
            where = {**FRAME, "part_id": f"{name}-{number}", "camera": name}
            try:
                answer = server.client.post("/v1/inspections", params=where, content=grey_png(0.9))
            except httpx.TransportError:
                return
            assert answer.status_code == 201
            acknowledged[answer.json()["id"]] = answer.json()
            number += 1
            if len(acknowledged) > 50:
                answered.set()

    cameras = [threading.Thread(target=camera, args=(f"camera-{number}",)) for number in range(4)]
    for thread in cameras:
        thread.start()
    assert answered.wait(60)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(30)
    for thread in cameras:
        thread.join(30)
    again = Process(tmp_path, brightness_bundle.parent)
    running.append(again)
    for id_, inspection in acknowledged.items():
        assert again.client.get(f"/v1/inspections/{id_}").json() == inspection
        assert again.client.get(f"/v1/inspections/{id_}/image").content == grey_png(0.9)


def test_sigterm_stops_cleanly_with_a_browser_connected(
    tmp_path: Path, brightness_bundle: Path, running: list[Process]
) -> None:
    server = Process(tmp_path, brightness_bundle.parent)
    running.append(server)
    with server.client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": connected"
        server.process.send_signal(signal.SIGTERM)
        for _ in lines:
            pass
    assert server.process.wait(30) == 0


def test_failing_job_does_not_take_the_others_of_its_group_with_it(database: str) -> None:
    store = Store.open(database)
    holding, entered = threading.Event(), threading.Event()
    row = {
        "name": "n",
        "reason": "r",
        "person": "p",
        "promoted_at": __import__("datetime").datetime.now(__import__("datetime").UTC),
    }

    def block(connection: Connection) -> None:
        entered.set()
        assert holding.wait(30)

    def fail(connection: Connection) -> None:
        connection.execute(insert(promotions), {**row, "version": "lost"})
        raise LookupError("no")

    blocked = store.submit(block)
    assert entered.wait(30)
    futures = [
        store.submit(lambda connection: connection.execute(insert(promotions), {**row, "version": "a"}).rowcount),
        store.submit(fail),
        store.submit(lambda connection: connection.execute(insert(promotions), {**row, "version": "b"}).rowcount),
    ]
    holding.set()
    blocked.result(30)
    assert (futures[0].result(30), futures[2].result(30)) == (1, 1)
    with pytest.raises(LookupError):
        futures[1].result(30)
    with store.reading() as connection:
        assert connection.execute(select(promotions.c.version)).scalars().all() == ["a", "b"]
    store.close()


def test_future_resolves_after_the_commit(database: str) -> None:
    store = Store.open(database)
    row = {"name": "n", "version": "1", "reason": "r", "person": "p", "promoted_at": datetime.now(UTC)}
    for number in range(20):
        store.submit(lambda connection: connection.execute(insert(promotions), row)).result(30)
        with store.reading() as connection:
            assert connection.execute(select(func.count()).select_from(promotions)).scalar_one() == number + 1
    store.close()


def test_database_is_durable_wal_with_foreign_keys(database: str) -> None:
    store = Store.open(database)
    with store.reading() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    store.close()


def test_migrations_make_the_tables_that_the_code_declares(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/qc.db")
    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    store.close()


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM inspections WHERE queue_cost IS NOT NULL ORDER BY queue_cost DESC, id LIMIT 20",
        "SELECT * FROM inspections WHERE line = 'a' AND queue_cost IS NOT NULL ORDER BY queue_cost DESC, id LIMIT 20",
        "SELECT * FROM inspections WHERE part_id = 'a' ORDER BY received_at",
        "SELECT * FROM inspections WHERE line = 'a' ORDER BY received_at DESC, id DESC LIMIT 50",
        "SELECT * FROM inspections WHERE received_at < 5 ORDER BY received_at DESC, id DESC LIMIT 50",
        "SELECT * FROM inspections WHERE lot = 'a' AND received_at > 5",
    ],
)
def test_frequent_questions_are_answered_from_an_index(database: str, question: str) -> None:
    store = Store.open(database)
    with store.reading() as connection:
        plan = " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}"))
    store.close()
    assert re.search(r"USING (COVERING )?INDEX", plan), plan
    assert "SCAN inspections" not in plan or "USING INDEX" in plan, plan


def test_image_cut_off_by_a_power_cut_is_written_again(tmp_path: Path) -> None:
    images = ImageStore(str(tmp_path / "images"))
    digest = hashlib.sha256(b"whole content").hexdigest()
    images.put(digest, b"whole content")
    (tmp_path / "images" / digest[:2] / digest).write_bytes(b"")
    images.put(digest, b"whole content")
    assert images.get(digest) == b"whole content"


def test_same_image_twice_is_kept_once(server: Served, tmp_path: Path) -> None:
    server.inspect(grey_png(0.1), part_id="A")
    server.inspect(grey_png(0.1), part_id="B")
    assert len([file for file in (tmp_path / "images").rglob("*") if file.is_file()]) == 1


def test_server_starts_again_on_what_it_left(start_server: StartServer) -> None:
    inspection = start_server().inspect(grey_png(0.9))
    assert start_server().client.get(f"/v1/inspections/{inspection['id']}").json() == inspection


@pytest.mark.parametrize("url", ["sqlite:////proc/nowhere/qc.db", "nonsense", "nosuchdatabase://host/db"])
def test_unusable_database_is_one_sentence(url: str) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        Store.open(url)


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://qc:{}@127.0.0.1:1/qc", "nosuchdatabase://qc:{}@host/db", "postgresql+psycopg://qc:{}@:x/qc"],
)
@pytest.mark.parametrize("password", ["hunter2", "a@b:hunter2"])
def test_unusable_database_is_told_without_its_password(url: str, password: str) -> None:
    for use in (Store.open, lambda url: connected(url).__enter__()):
        with pytest.raises(InputError, match="cannot be used") as raised:
            use(url.format(password))
        assert "hunter2" not in str(raised.value)


def test_whoever_stops_waiting_takes_nobody_elses_row_along(database: str) -> None:
    store = Store.open(database)
    begun, free = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        begun.set()
        free.wait()

    first = store.submit(hold)
    begun.wait()
    given_up, last = store.submit(lambda _: 1), store.submit(lambda _: 2)
    assert given_up.cancel()
    assert not first.cancel(), "what is being written is not taken back"
    free.set()
    assert last.result(10) == 2
    assert store.submit(lambda _: 3).result(10) == 3
    store.close()


def test_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "qc.db"
    file.write_text("this is not a database, but it is long enough to look at " * 50)
    with pytest.raises(InputError, match="cannot be used"):
        Store.open(f"sqlite:///{file}")

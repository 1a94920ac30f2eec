"""A backup made under load holds everything acknowledged before it began, and only a sound one is restored."""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from data.errors import InputError
from serving.audit import verify
from serving.backup import MANIFEST, _dump_postgresql, make_backup, read_backup, restore_backup
from serving.settings import Settings, load_settings
from tests.conftest import ROOT, Served, StartServer, grey_png, settings_arguments


def quiet(_: str) -> None:
    pass


def elsewhere(tmp_path: Path) -> Settings:
    place = tmp_path / "elsewhere"
    return load_settings(ROOT / "configs/serving/default.yaml", settings_arguments(place, place / "bundles"))


@pytest.fixture
def backup(server: Served, tmp_path: Path) -> Path:
    """A backup of three inspections and a hold."""
    for number in range(3):
        server.inspect(grey_png(number / 10))
    hold = {"lot": "L-1", "person": "ann", "reason": "claim"}
    assert server.client.post("/v1/holds", json=hold).status_code == 201
    make_backup(server.service.settings, tmp_path / "backup", quiet)
    return tmp_path / "backup"


def test_backup_under_load_restores_everything_acknowledged_before(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    acknowledged: dict[str, Any] = {}
    stop, enough = threading.Event(), threading.Event()

    def camera(name: int) -> None:
        number = 0
        while not stop.is_set():
            inspection = server.inspect(grey_png(number % 100 / 100, 64 + name, 64), part_id=f"{name}-{number}")
            acknowledged[inspection["id"]] = inspection
            number += 1
            if len(acknowledged) >= 40:
                enough.set()

    cameras = [threading.Thread(target=camera, args=(name,)) for name in range(3)]
    for thread in cameras:
        thread.start()
    assert enough.wait(60)
    assert server.client.post("/v1/holds", json={"lot": "L", "person": "ann", "reason": "claim"}).status_code == 201
    before = dict(acknowledged)
    make_backup(server.service.settings, tmp_path / "backup", quiet)
    during = len(acknowledged) - len(before)
    stop.set()
    for thread in cameras:
        thread.join()
    assert during > 0, "the line ran on"
    settings = elsewhere(tmp_path)
    restore_backup(tmp_path / "backup", settings, force=False, say=quiet)
    again = start_server(settings.bundles, database_url=settings.database_url, images=settings.images)
    assert again.client.get("/readyz").status_code == 200
    for id_, inspection in before.items():
        assert again.client.get(f"/v1/inspections/{id_}").json() == inspection
        image = again.client.get(f"/v1/inspections/{id_}/image")
        assert (image.status_code, len(image.content)) == (200, inspection["image"]["bytes"])
    with again.service.store.reading() as connection:
        found = verify(connection, read_backup(tmp_path / "backup").audit_head)
        assert (found.entries, found.broken) == (2, ()), "the assumptions of the file, and the hold"


def test_a_second_backup_copies_only_what_is_new_and_drops_what_retention_removed(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    first = server.inspect(grey_png(0.1))
    said: list[str] = []
    make_backup(server.service.settings, tmp_path / "backup", said.append)
    old = read_backup(tmp_path / "backup").database
    server.inspect(grey_png(0.2))
    server.service.store.submit(
        lambda connection: (
            connection.exec_driver_sql(
                f"UPDATE inspections SET image_removed_at = 1, image_removed_rule = 'rows' WHERE id = '{first['id']}'"
            )
            and None
        )
    ).result()
    said.clear()
    made = make_backup(server.service.settings, tmp_path / "backup", said.append)
    assert said[0] == "1 images copied"
    assert (made.inspections, made.images) == (2, 1)
    assert not (tmp_path / "backup" / old).exists()
    assert first["image"]["sha256"] not in {file.name for file in (tmp_path / "backup/images").rglob("*")}


def damage_database(backup: Path) -> None:
    with (backup / read_backup(backup).database).open("r+b") as file:
        file.seek(3000)
        file.write(b"x" * 50)


def damage_image(backup: Path) -> None:
    next(file for file in (backup / "images").rglob("*") if file.is_file()).write_bytes(b"another")


def lose_image(backup: Path) -> None:
    next(file for file in (backup / "images").rglob("*") if file.is_file()).unlink()


def damage_bundle(backup: Path) -> None:
    next((backup / "bundles").rglob("model.onnx")).write_bytes(b"another")


def forge(backup: Path) -> None:
    """Alter a row, and the hash in the manifest with it."""
    manifest = json.loads((backup / MANIFEST).read_text())
    file = backup / manifest["database"]
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE holds SET person = 'bob'")
    connection.close()
    manifest["database_sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (backup / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (damage_database, "its hash differs"),
        (damage_image, "1 images of the backup are missing or damaged"),
        (damage_bundle, "its hash differs"),
        (lose_image, "1 images of the backup are missing or damaged"),
        (forge, "audit trail of the backup does not hold"),
        (lambda backup: (backup / MANIFEST).unlink(), "holds no finished backup"),
    ],
)
def test_a_damaged_backup_is_refused_and_nothing_changes(
    backup: Path, tmp_path: Path, harm: Callable[[Path], None], told: str
) -> None:
    harm(backup)
    with pytest.raises(InputError, match=told):
        restore_backup(backup, elsewhere(tmp_path), force=False, say=quiet)
    assert not (tmp_path / "elsewhere/qc.db").exists()


@pytest.mark.parametrize("harm", [damage_image, lose_image])
def test_the_rest_of_a_backup_that_lost_an_image_is_restored_when_forced(
    backup: Path, start_server: StartServer, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    harm(backup)
    settings = elsewhere(tmp_path)
    said: list[str] = []
    restore_backup(backup, settings, force=True, say=said.append)
    assert "1 images are missing or damaged" in said[-1]
    again = start_server(settings.bundles, database_url=settings.database_url, images=settings.images)
    ids = [item["id"] for item in again.client.get("/v1/inspections").json()["items"]]
    statuses = [again.client.get(f"/v1/inspections/{id_}/image").status_code for id_ in ids]
    assert sorted(statuses) == [200, 200, 503]


def test_images_that_the_installation_never_kept_are_not_missed(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.space._LOOK_EVERY_SECONDS", 0.0)
    server = start_server(free=lambda: 500, disk={"keep_passed_above": 1000, "take_above": 100})
    passed, flagged = server.inspect(grey_png(0.1)), server.inspect(grey_png(0.9), part_id="P-2")
    assert [one["image"]["kept"] for one in (passed, flagged)] == [False, True]
    made = make_backup(server.service.settings, tmp_path / "backup", quiet)
    assert (made.inspections, made.images, made.lost) == (2, 1, {})
    restore_backup(tmp_path / "backup", elsewhere(tmp_path), force=False, say=quiet)


def test_images_that_the_installation_lost_are_told_and_the_rest_is_restored(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    kept, gone, rotten = (server.inspect(grey_png(number / 10))["image"]["sha256"] for number in range(3))
    place = Path(server.service.settings.images)
    (place / gone[:2] / gone).unlink()
    file = place / rotten[:2] / rotten
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    said: list[str] = []
    made = make_backup(server.service.settings, tmp_path / "backup", said.append)
    assert (made.images, made.lost) == (1, {gone: "missing", rotten: "damaged"})
    assert any("2 images are missing or damaged" in line for line in said)
    settings = elsewhere(tmp_path)
    said.clear()
    restore_backup(tmp_path / "backup", settings, force=False, say=said.append)
    assert any("2 images are missing or damaged" in line for line in said)
    assert [file.name for file in Path(settings.images).rglob("*") if file.is_file()] == [kept]


def test_an_installation_is_not_overwritten_unless_forced(
    backup: Path, server: Served, start_server: StartServer, tmp_path: Path
) -> None:
    settings = elsewhere(tmp_path)
    restore_backup(backup, settings, force=False, say=quiet)
    with pytest.raises(InputError, match="--force replaces it"):
        restore_backup(backup, settings, force=False, say=quiet)
    (tmp_path / "elsewhere/qc.db").unlink()
    with pytest.raises(InputError, match="--force adds to them"):
        restore_backup(backup, settings, force=False, say=quiet)
    (tmp_path / "elsewhere/qc.db").write_text("what was there")
    restore_backup(backup, settings, force=True, say=quiet)
    (aside,) = (tmp_path / "elsewhere").glob("qc.db.before-restore-*")
    assert aside.read_text() == "what was there"
    again = start_server(settings.bundles, database_url=settings.database_url, images=settings.images)
    assert len(again.client.get("/v1/inspections").json()["items"]) == 3


def test_a_restore_that_finds_no_room_leaves_the_database_that_was_there(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = elsewhere(tmp_path)
    restore_backup(backup, settings, force=False, say=quiet)
    there = tmp_path / "elsewhere/qc.db"
    before = there.read_bytes()

    def full(content: BinaryIO, stream: BinaryIO, size: int) -> None:
        stream.write(content.read(size // 2))
        if "qc.db" in stream.name:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full)
        with pytest.raises(InputError, match="No space left"):
            restore_backup(backup, settings, force=True, say=quiet)
    assert there.read_bytes() == before
    assert {file.name for file in there.parent.glob("*qc.db*")} == {"qc.db", "qc.db.lock"}


def test_a_log_of_the_old_database_is_not_applied_to_the_restored_one(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for suffix in ("-wal", "-journal"):
        (tmp_path / f"elsewhere/qc.db{suffix}").write_text("of a database that is gone")
    restore_backup(backup, elsewhere(tmp_path), force=False, say=quiet)
    left = {file.name for file in (tmp_path / "elsewhere").glob("qc.db*") if "before-restore" not in file.name}
    assert left == {"qc.db", "qc.db.lock"}


def test_a_backup_cut_off_leaves_the_one_before_it_whole(
    server: Served, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.inspect(grey_png(0.5))
    monkeypatch.setattr("serving.backup._copy_bundles", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(InputError, match="the disk is full"):
        make_backup(server.service.settings, backup, quiet)
    restore_backup(backup, elsewhere(tmp_path), force=False, say=quiet)
    assert read_backup(backup).inspections == 3


def test_a_disk_that_fills_up_in_the_middle_of_the_database_is_told_and_what_it_left_goes_with_the_next(
    server: Served, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("serving.backup._copy_sqlite", full)
        with pytest.raises(InputError, match=r"disk is full; the backup before it, .* is whole; make room"):
            make_backup(server.service.settings, backup, quiet)
    restore_backup(backup, elsewhere(tmp_path), force=False, say=quiet)
    (backup / "database-of-others.sql").write_text("not ours")
    made = make_backup(server.service.settings, backup, quiet)
    assert sorted(file.name for file in backup.glob("database-*")) == [made.database, "database-of-others.sql"]


def test_two_backups_to_one_place_do_not_remove_each_others_database(server: Served, backup: Path) -> None:
    refused: list[str] = []

    def meanwhile(_: str) -> None:
        with pytest.raises(InputError, match=r"another backup to .* is running; wait") as error:
            make_backup(server.service.settings, backup, quiet)
        refused.append(str(error.value))

    made = make_backup(server.service.settings, backup, meanwhile)
    assert refused
    assert (backup / made.database).is_file()


def test_nothing_is_restored_beside_a_running_server(
    server: Served, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.claim._LEAVE_SECONDS", 0.1)
    with pytest.raises(InputError, match="is used by another server"):
        restore_backup(backup, server.service.settings, force=True, say=quiet)
    assert server.inspect(grey_png(0.5))["verdict"] == "REVIEW"


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_without_pg_dump_it_says_what_to_install_before_it_copies(
    server: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.inspect(grey_png(0.9))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"pg_dump is not installed.* postgresql-client-18 .*POSTGRESQL=18"):
        make_backup(server.service.settings, tmp_path / "backup", quiet)
    assert not (tmp_path / "backup").exists()


def test_a_pg_dump_older_than_the_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump: error: aborting because of server version mismatch' >&2; exit 1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(InputError, match=r"server version mismatch; install .*postgresql-client-18"):
        _dump_postgresql("postgresql+psycopg://qc@127.0.0.1/qc", tmp_path / "dump", "00000003-1")

"""The doctor finds what is wrong with an installation, before its first start and beside the running server."""

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from data.errors import InputError
from serving.doctor import Level, examine
from serving.settings import Settings, load_settings
from serving.store import Store
from serving.tables import inspections
from tests.command_line import Ended, run_command
from tests.conftest import ROOT, Served, StartServer, grey_png, settings_arguments


def levels(settings: Settings) -> dict[str, Level]:
    return {finding.subject: finding.level for finding in examine(settings)}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def installation(place: Path, bundles: Path, **settings: Any) -> Settings:
    arguments = settings_arguments(place, bundles, port=free_port(), **settings)
    return load_settings(ROOT / "configs/serving/default.yaml", arguments)


def told(settings: Settings, subject: str) -> str:
    return next(finding.what for finding in examine(settings) if finding.subject == subject)


def test_before_the_first_start_all_is_well_and_nothing_is_made(tmp_path: Path, brightness_bundle: Path) -> None:
    place = tmp_path / "new"
    found = levels(installation(place, brightness_bundle.parent))
    assert Level.FAIL not in found.values(), found
    assert {"port", "database", "image store", "model", "permissions", "clock"} <= set(found)
    assert not place.exists()


def test_beside_the_running_server_all_is_well(server: Served) -> None:
    server.inspect(grey_png(0.9))
    settings = server.service.settings.model_copy(update={"port": int(server.url.rsplit(":", 1)[1])})
    found = levels(settings)
    assert Level.FAIL not in found.values(), list(examine(settings))
    assert {"schema", "integrity", "WAL", "times"} <= set(found)
    assert "the server runs" in told(settings, "port")
    assert server.inspect(grey_png(0.9))["verdict"] == "REJECT", "the line goes on"


def test_a_model_that_went_from_disk_is_told_while_the_server_still_has_it(
    start_server: StartServer, tmp_path: Path, brightness_bundle: Path
) -> None:
    bundle = tmp_path / "bundles" / "one"
    shutil.copytree(brightness_bundle, bundle)
    server = start_server(bundles=bundle.parent)
    assert server.inspect(grey_png(0.9))["verdict"] == "REJECT"
    shutil.rmtree(bundle)
    assert server.inspect(grey_png(0.9))["verdict"] == "REJECT", "it is in memory"
    settings = server.service.settings.model_copy(update={"port": int(server.url.rsplit(":", 1)[1])})
    assert levels(settings)["model"] is Level.FAIL
    assert "from its next start on every part is held" in told(settings, "model")


def test_a_port_taken_by_another_program(tmp_path: Path, brightness_bundle: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        settings = installation(tmp_path, brightness_bundle.parent)
        settings = settings.model_copy(update={"port": other.getsockname()[1]})
        other.listen()
        assert levels(settings)["port"] is Level.FAIL


def no_model(settings: Settings) -> Settings:
    return settings.model_copy(update={"bundles": settings.bundles / "none"})


def altered_model(settings: Settings) -> Settings:
    bundle = Path(str(settings.database_url).removeprefix("sqlite:///")).parent / "altered"
    bundle.mkdir()
    for file in next(settings.bundles.iterdir()).iterdir():
        (bundle / file.name).write_bytes(file.read_bytes())
    with (bundle / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    return settings.model_copy(update={"bundle": bundle})


def damaged_database(settings: Settings) -> Settings:
    file = Path(settings.database_url.removeprefix("sqlite:///"))
    copy = file.with_name("damaged.db")
    with closing(sqlite3.connect(file)) as whole:
        whole.execute("VACUUM INTO ?", (str(copy),))
    content = bytearray(copy.read_bytes())
    content[4096 * 2 : 4096 * 12] = os.urandom(4096 * 10)
    copy.write_bytes(content)
    return settings.model_copy(update={"database_url": f"sqlite:///{copy}"})


def future_rows(settings: Settings) -> Settings:
    store = Store.open(settings.database_url)
    ahead = update(inspections).values(received_at=datetime.now(UTC) + timedelta(days=2))
    store.submit(lambda connection: connection.execute(ahead) and None).result()
    store.close()
    return settings


def unusable_images(settings: Settings) -> Settings:
    place = Path(settings.images).with_name("file")
    place.write_text("not a directory")
    return settings.model_copy(update={"images": str(place / "images")})


def unreachable_database(settings: Settings) -> Settings:
    return settings.model_copy(update={"database_url": "nonsense"})


@pytest.mark.parametrize(
    ("harm", "subject", "advice"),
    [
        (no_model, "model", "make train"),
        (altered_model, "model", "every part is held"),
        (damaged_database, "integrity", "restore a backup"),
        (future_rows, "times", "set it before the line runs"),
        (unusable_images, "image store", "write access"),
        (unreachable_database, "database", "check database_url"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(
    server: Served, harm: Callable[[Settings], Settings], subject: str, advice: str
) -> None:
    server.inspect(grey_png(0.9))
    settings = harm(server.service.settings.model_copy(update={"port": free_port()}))
    failed = {finding.subject: finding.what for finding in examine(settings) if finding.level is Level.FAIL}
    assert subject in failed, failed
    assert advice in failed[subject]


def test_a_database_that_everybody_may_write_is_a_warning(server: Served) -> None:
    Path(server.service.settings.database_url.removeprefix("sqlite:///")).chmod(0o666)
    assert levels(server.service.settings)["permissions"] is Level.WARN


def test_the_command_exits_1_when_something_fails(tmp_path: Path, brightness_bundle: Path) -> None:
    def run(bundles: Path) -> Ended:
        chosen = settings_arguments(tmp_path / "new", bundles, port=free_port())
        return run_command("doctor", *(part for item in chosen for part in ("--set", item)))

    sound, broken = run(brightness_bundle.parent), run(tmp_path / "none")
    assert (sound.returncode, broken.returncode) == (0, 1), sound.stdout + sound.stderr
    assert "FAIL model" in broken.stdout
    assert all(line.split()[0] in ("OK", "WARN", "FAIL") for line in sound.stdout.splitlines())


def test_a_database_of_a_newer_release_is_refused_and_stays_as_it_is(tmp_path: Path, brightness_bundle: Path) -> None:
    settings = installation(tmp_path, brightness_bundle.parent)
    Store.open(settings.database_url).close()
    with sqlite3.connect(tmp_path / "qc.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InputError, match=r"schema 9999, .*: a newer release wrote it; start that one"):
        Store.open(settings.database_url)
    assert levels(settings)["schema"] is Level.FAIL
    with sqlite3.connect(tmp_path / "qc.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]

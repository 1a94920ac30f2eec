"""One server to a database and an image store: a second one refuses, commands do not."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from data.errors import InputError
from serving.claim import Claim
from serving.database import connected
from serving.service import Service
from serving.settings import Settings, load_settings
from serving.store import Store
from tests.conftest import ROOT, StartServer, grey_png, settings_arguments

DATABASES = ("sqlite", "postgresql")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.claim._LEAVE_SECONDS", 0.2)


def settings_of(directory: Path, database: str) -> Settings:
    overrides = settings_arguments(directory, directory, database_url=database)
    return load_settings(ROOT / "configs/serving/default.yaml", overrides)


@pytest.mark.usefixtures("soon")
def test_second_server_is_refused_and_the_first_goes_on(
    start_server: StartServer, tmp_path: Path, database: str
) -> None:
    server = start_server()
    server.inspect(grey_png(0.9), part_id="first")
    with pytest.raises(InputError, match=r"is used by another server \(.*process \d+ on .*\); stop that one, or give"):
        Service.open(settings_of(tmp_path, database))
    assert server.inspect(grey_png(0.8), part_id="second")["verdict"] == "REJECT"


@pytest.mark.usefixtures("soon")
def test_other_database_with_the_same_images_is_refused(
    start_server: StartServer, tmp_path: Path, database: str
) -> None:
    start_server()
    with pytest.raises(InputError, match=r"image store .* is used by another server"):
        Claim(settings_of(tmp_path, f"sqlite:///{tmp_path}/other.db"))


def test_commands_need_no_claim_and_the_next_server_gets_it(
    start_server: StartServer, tmp_path: Path, database: str
) -> None:
    start_server()
    with connected(database) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    Store.open(database).close()
    start_server()


def test_claim_of_a_process_that_was_killed_is_free(tmp_path: Path, database: str) -> None:
    settings = settings_of(tmp_path, database)
    program = (
        "import sys, time; from pathlib import Path; from serving.claim import Claim; "
        "from serving.settings import load_settings; "
        "claim = Claim(load_settings(Path(sys.argv[1]), sys.argv[2:])); print('claimed', flush=True); time.sleep(60)"
    )
    arguments = [f"database_url={settings.database_url}", f"images={settings.images}"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(ROOT / "configs/serving/default.yaml"), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "claimed\n"
    process.kill()
    process.wait(10)
    process.stdout.close()
    Claim(settings).close()


def test_claim_is_taken_again_when_its_session_was_ended(tmp_path: Path, database: str) -> None:
    if database.startswith("sqlite"):
        pytest.skip("the operating system keeps the lock of a file")
    claim = Claim(settings_of(tmp_path, database))
    engine = create_engine(database, isolation_level="AUTOCOMMIT")
    holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
    holders += "(SELECT oid FROM pg_database WHERE datname = current_database())"
    with engine.connect() as connection:
        before = connection.exec_driver_sql(holders).scalars().all()
        assert len(before) == 1
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({before[0]})")
        until = time.monotonic() + 20
        while (now := connection.exec_driver_sql(holders).scalars().all()) in (before, []):
            assert time.monotonic() < until
            threading.Event().wait(0.05)
    engine.dispose()
    assert len(now) == 1
    assert (claim.why_silent, claim.why_not_alone) == (None, None)
    claim.close()

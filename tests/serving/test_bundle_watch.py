"""A bundle that went from disk, or was altered there, under a server that decides with it: told, before a restart finds out."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serving.doctor import Level, examine
from tests.conftest import Served, StartServer, grey_png, write_brightness_bundle
from tests.serving.test_cameras import eventually

OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    write_brightness_bundle(tmp_path / "bundles/brightness-1", "1", created_at=OLD, skill=0.4)
    write_brightness_bundle(tmp_path / "bundles/brightness-2", "2", created_at=NEW, skill=0.2)
    return tmp_path / "bundles"


def warnings(server: Served) -> list[str]:
    """What readiness warns of once the server has looked again."""
    ready = server.client.get("/readyz")
    assert ready.status_code == 200, "it decides from memory"
    found: list[str] = ready.json()["warnings"]
    return found


def warned(server: Served) -> str:
    server.service.bundle_watch.check_soon()
    return str(eventually(lambda: warnings(server))[0])


def calm(server: Served) -> None:
    server.service.bundle_watch.check_soon()
    eventually(lambda: not warnings(server))


def model(server: Served, version: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = server.client.get("/v1/models").json()
    return next(one for one in found if one["version"] == version)


def test_a_bundle_that_went_is_told_until_it_is_back(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    assert warnings(server) == []
    (bundles / "brightness-2").rename(bundles.parent / "away")
    told = warned(server)
    assert told == "brightness 2 is not on disk as it was loaded; the Models page and the log say how"
    listed = model(server, "2")
    assert listed["active"], "the model in memory is still one of the models"
    assert "brightness-2 is gone; copy it back" in listed["amiss"]["en"]
    assert "qc_bundles_amiss 1.0" in server.client.get("/metrics").text
    assert server.inspect(grey_png(0.1))["verdict"] == "PASS"
    (bundles.parent / "away").rename(bundles / "brightness-2")
    calm(server)
    assert model(server, "2")["amiss"] is None
    assert "qc_bundles_amiss 0.0" in server.client.get("/metrics").text


def test_an_altered_file_is_named_until_another_bundle_decides(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    with (bundles / "brightness-2/model.onnx").open("r+b") as file:
        file.write(b"\x00")
    assert warned(server)
    assert "model.onnx was altered after export" in model(server, "2")["amiss"]["en"]
    body = {"version": "1", "reason": "the other is damaged", "person": "eve", "force": True}
    assert server.client.post("/v1/models", json=body).is_success
    eventually(lambda: not warnings(server))


def test_a_bundle_that_was_exchanged_for_another_is_told(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    shutil.rmtree(bundles / "brightness-2")
    write_brightness_bundle(bundles / "brightness-2", "3", created_at=NEW, skill=0.2)
    assert warned(server)
    assert "manifest.json is not the one that was loaded" in model(server, "2")["amiss"]["en"]
    assert model(server, "3")["amiss"] is None


def test_a_bundle_that_was_renamed_where_the_next_start_finds_it_is_not_amiss(
    start_server: StartServer, bundles: Path
) -> None:
    server = start_server(bundles=bundles)
    (bundles / "brightness-2").rename(bundles / "brightness-two")
    (bundles / "brightness-two/model.onnx").rename(bundles / "model.onnx")
    assert warned(server)
    (bundles / "model.onnx").rename(bundles / "brightness-two/model.onnx")
    calm(server)


def test_the_doctor_passes_on_what_the_running_server_warns_of(start_server: StartServer, bundles: Path) -> None:
    """Files tell the doctor nothing here: the next start would quietly take the older bundle."""
    server = start_server(bundles=bundles)
    shutil.rmtree(bundles / "brightness-2")
    assert warned(server)
    settings = server.service.settings.model_copy(update={"port": int(server.url.rsplit(":", 1)[1])})
    found = {finding.subject: finding for finding in examine(settings)}
    assert found["model"].level is Level.OK
    assert found["server"].level is Level.WARN
    assert "brightness 2 is not on disk" in found["server"].what


def test_the_doctor_looks_at_the_bundles_of_recipes(start_server: StartServer, bundles: Path) -> None:
    recipe = {"product": "board", "station": "paste", "bundle": {"name": "solder"}}
    server = start_server(bundles=bundles, recipes=[recipe])
    settings = server.service.settings.model_copy(update={"port": int(server.url.rsplit(":", 1)[1])})
    found = {finding.subject: finding for finding in examine(settings)}
    assert found["recipe model"].level is Level.FAIL
    assert "board at paste: no bundle solder" in found["recipe model"].what
    assert found["server"].level is Level.FAIL, "frames of the recipe are held"

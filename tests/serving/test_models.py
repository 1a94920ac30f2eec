"""Promotion: verified, written down, swapped under load; a refused bundle changes nothing."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import Served, StartServer, grey_png, write_brightness_bundle

OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """Version 1, and a newer version 2 that finds everything half as bright."""
    write_brightness_bundle(tmp_path / "bundles/brightness-1", "1", created_at=OLD)
    write_brightness_bundle(tmp_path / "bundles/brightness-2", "2", factor=0.5, created_at=NEW)
    return tmp_path / "bundles"


def promote(server: Served, version: str) -> int:
    body = {"version": version, "reason": "better on poly cells", "person": "eve"}
    return server.client.post("/v1/models", json=body).status_code


def deciding(server: Served) -> str:
    version: str = server.inspect(grey_png(0.5))["model"]["version"]
    return version


def test_newest_bundle_decides_until_another_is_promoted_and_that_outlasts_a_restart(
    start_server: StartServer, bundles: Path
) -> None:
    server = start_server(bundles=bundles)
    assert deciding(server) == "2"
    assert [(model["version"], model["active"]) for model in server.client.get("/v1/models").json()] == [
        ("2", True),
        ("1", False),
    ]
    assert promote(server, "1") == 200
    assert deciding(server) == "1"
    again = start_server(bundles=bundles)
    assert deciding(again) == "1"


def test_named_bundle_decides(start_server: StartServer, bundles: Path) -> None:
    assert deciding(start_server(bundles=bundles, bundle=str(bundles / "brightness-1"))) == "1"


def test_swap_under_load_loses_no_frame_and_every_answer_is_one_models(
    start_server: StartServer, bundles: Path
) -> None:
    server = start_server(bundles=bundles)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(server.inspect, grey_png(0.8), part_id=f"{number}") for number in range(60)]
        assert promote(server, "1") == 200
        inspections = [answer.result() for answer in answers]
    expected = {"1": ("REJECT", 0.8), "2": ("REVIEW", 0.4)}
    for inspection in inspections:
        verdict, probability = expected[inspection["model"]["version"]]
        assert inspection["verdict"] == verdict
        assert inspection["defect_probability"] == pytest.approx(probability, abs=0.01)
    assert deciding(server) == "1"


def test_altered_bundle_is_refused_and_the_old_one_goes_on(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    model = bundles / "brightness-1/model.onnx"
    model.write_bytes(model.read_bytes() + b" ")
    answer = server.client.post("/v1/models", json={"version": "1", "reason": "x", "person": "eve"})
    assert answer.status_code == 409
    assert "model.onnx was altered" in answer.json()["detail"]
    assert deciding(server) == "2"
    assert promote(server, "3") == 404


def test_altered_bundle_at_start_means_not_ready_until_another_is_promoted(
    start_server: StartServer, bundles: Path
) -> None:
    (bundles / "brightness-2/golden.npz").write_bytes(b"")
    server = start_server(bundles=bundles)
    ready = server.client.get("/readyz")
    assert ready.status_code == 503
    assert "golden.npz was altered" in ready.json()["detail"]
    assert server.inspect(grey_png(0.1))["verdict"] == "NO_DECISION"
    assert promote(server, "1") == 200
    assert server.client.get("/readyz").json()["model"]["version"] == "1"
    assert server.inspect(grey_png(0.1))["verdict"] == "PASS"


def test_promoted_bundle_that_is_gone_is_named(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    promote(server, "1")
    shutil.rmtree(bundles / "brightness-1")
    again = start_server(bundles=bundles)
    assert "brightness 1 is no longer" in again.client.get("/readyz").json()["detail"]


def test_manifest_that_cannot_be_read_is_left_out_of_the_list(start_server: StartServer, bundles: Path) -> None:
    (bundles / "brightness-1/manifest.json").write_text("{}")
    server = start_server(bundles=bundles)
    assert [model["version"] for model in server.client.get("/v1/models").json()] == ["2"]

"""Disk nearly full: first the images of passed frames are no longer kept, then frames are refused; what was decided stays."""

from pathlib import Path

import pytest

from tests.conftest import StartServer, grey_png

DATABASES = ("sqlite", "postgresql")
FLOORS = {"keep_passed_above": 1000, "take_above": 100}


@pytest.fixture(autouse=True)
def _look_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.space._LOOK_EVERY_SECONDS", 0.0)


def test_passed_images_go_first_then_frames_are_refused(start_server: StartServer, tmp_path: Path) -> None:
    free = 5000
    server = start_server(free=lambda: free, disk=FLOORS)
    before = server.inspect(grey_png(0.11), part_id="before")

    free = 500
    passed, rejected = (
        server.inspect(grey_png(0.12), part_id="passed"),
        server.inspect(grey_png(0.9), part_id="rejected"),
    )
    assert (passed["verdict"], passed["image"]["kept"]) == ("PASS", False)
    assert (rejected["verdict"], rejected["image"]["kept"]) == ("REJECT", True)
    gone = server.client.get(f"/v1/inspections/{passed['id']}/image")
    assert gone.status_code == 410
    assert "was not kept" in gone.json()["detail"]
    assert server.client.get(f"/v1/inspections/{passed['id']}").json() == passed
    assert server.client.get(f"/v1/inspections/{passed['id']}/heatmap").status_code == 200
    assert server.client.get(f"/v1/inspections/{rejected['id']}/image").content == grey_png(0.9)
    assert server.inspect(b"no image")["image"]["kept"], "what could not be decided is evidence too"

    free = 50
    refused = server.post(grey_png(0.13), part_id="refused")
    assert refused.status_code == 507
    assert refused.headers["content-type"] == "application/problem+json"
    assert "make room" in refused.json()["detail"]
    assert "Retry-After" in refused.headers
    assert server.client.get(f"/v1/inspections/{before['id']}/image").content == grey_png(0.11)

    free = 5000
    assert server.inspect(grey_png(0.13), part_id="refused")["image"]["kept"]
    listed = [item["part_id"] for item in server.client.get("/v1/inspections").json()["items"]]
    assert listed == ["refused", "P-1", "rejected", "passed", "before"]
    metrics = server.client.get("/metrics").text
    assert "qc_images_not_kept_total 1.0" in metrics
    assert "qc_disk_refused_total 1.0" in metrics
    assert "qc_disk_free_bytes 5000.0" in metrics


def test_a_frame_drawn_for_audit_keeps_its_image_on_a_scarce_disk(start_server: StartServer) -> None:
    server = start_server(free=lambda: 500, disk=FLOORS, audit={"per_day": 1000, "first_share": 1.0})
    passed = server.inspect(grey_png(0.1))
    assert (passed["verdict"], passed["image"]["kept"]) == ("PASS", True)
    (waiting,) = server.client.get("/v1/reviews/queue").json()["items"]
    assert waiting["id"] == passed["id"]
    assert server.client.get(f"/v1/inspections/{passed['id']}/image").content == grey_png(0.1)


def test_frame_that_came_too_late_keeps_its_image_on_a_scarce_disk(start_server: StartServer) -> None:
    server = start_server(free=lambda: 500, disk=FLOORS, deadline_seconds=1e-6)
    late = server.inspect(grey_png(0.1))
    assert (late["cause"], late["image"]["kept"]) == ("TIMEOUT", True)
    assert server.client.get(f"/v1/inspections/{late['id']}/image").content == grey_png(0.1)


def test_disk_that_cannot_be_asked_does_not_stop_the_line(start_server: StartServer) -> None:
    def unknown() -> int:
        raise OSError("no such device")

    assert start_server(free=unknown).inspect(grey_png(0.1))["verdict"] == "PASS"


def test_default_probe_asks_the_disk_of_images_and_database(start_server: StartServer) -> None:
    server = start_server()
    server.inspect(grey_png(0.1))
    free = next(
        line for line in server.client.get("/metrics").text.splitlines() if line.startswith("qc_disk_free_bytes ")
    )
    assert float(free.split()[1]) > 1e6

"""A camera's fault is told from a part's defect: review or hold with the reason, an alarm that persists, and its end."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sqlalchemy import insert

from data.image import decode, prepare
from data.input_health import InputHealth, fit_input_health, look_at
from serving.audit import verify
from serving.tables import alarms as alarms_table
from tests.conftest import SIZE, Served, StartServer, write_brightness_bundle


def part_png(seed: int, brightness: float = 40, blur: float = 0) -> bytes:
    """A textured part; another one for each seed."""
    random = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(random.normal(0, 40, (300, 300)), (0, 0), 4) * 4
    image = (brightness + texture).clip(0, 255).astype(np.uint8)
    if blur:
        image = cv2.GaussianBlur(image, (0, 0), blur).astype(np.uint8)
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.fixture(scope="session")
def health() -> InputHealth:
    from data.image import Preprocessing

    spec = Preprocessing(width=SIZE, height=SIZE)
    looks = [look_at(prepare([decode(part_png(seed, 30 + seed % 40))], spec)[0]) for seed in range(120)]
    return fit_input_health(looks, [(300, 300)] * 120)


@pytest.fixture(scope="session")
def health_bundle(tmp_path_factory: pytest.TempPathFactory, health: InputHealth) -> Path:
    return write_brightness_bundle(tmp_path_factory.mktemp("health") / "brightness-h", "h", input_health=health)


@pytest.fixture
def server(start_server: StartServer, health_bundle: Path) -> Served:
    return start_server(bundles=health_bundle.parent)


def eventually(found: Callable[[], Any], seconds: float = 10) -> Any:
    """What `found` gives once it gives something."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "it never came"
        threading.Event().wait(0.01)
    return value


def alarms(server: Served, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.client.get("/v1/alarms", params=query).json()
    return found


def test_healthy_frame_is_decided_as_ever(server: Served) -> None:
    inspection = server.inspect(part_png(500))
    assert (inspection["verdict"], inspection["fault"], inspection["reason"]) == ("PASS", None, None)


@pytest.mark.parametrize(
    ("frame", "fault", "words"),
    [
        (part_png(1, -200), "DARK", "darker than the training images: mean brightness 0, usual "),
        (part_png(1, 400), "BRIGHT", "brighter than the training images"),
        (part_png(1, 50, blur=15), "BLURRED", "more blurred than the training images"),
        (cv2.imencode(".png", np.zeros((100, 200), np.uint8))[1].tobytes(), "SIZE", "200 x 100 pixels, training had 300 x 300"),
    ],
    ids=["dark would pass", "bright would be rejected", "blurred", "size"],
)  # fmt: skip
def test_spoilt_frame_goes_to_a_person_whatever_its_score(server: Served, frame: bytes, fault: str, words: str) -> None:
    inspection = server.inspect(frame)
    assert (inspection["verdict"], inspection["fault"], inspection["cause"]) == ("REVIEW", fault, None)
    assert inspection["reason"].startswith(words)
    assert inspection["defect_probability"] is not None
    assert f'qc_camera_faults_total{{fault="{fault}"}} 1.0' in server.client.get("/metrics").text
    stored = server.client.get(f"/v1/inspections/{inspection['id']}").json()
    assert stored == inspection


def test_frozen_camera_holds_the_parts_and_raises_an_alarm_at_once(server: Served) -> None:
    frame = part_png(7)
    verdicts = [server.inspect(frame, part_id=f"F-{number}")["verdict"] for number in range(2)]
    assert verdicts == ["PASS", "PASS"]
    held = server.inspect(frame, part_id="F-2")
    assert (held["verdict"], held["cause"], held["fault"]) == ("NO_DECISION", "CAMERA", "FROZEN")
    assert held["reason"] == "the camera is frozen: it sent the same picture for 3 parts in a row, from part F-0 on"
    (alarm,) = eventually(lambda: alarms(server, cleared=False))
    assert (alarm["kind"], alarm["fault"], alarm["inspection_id"]) == ("CAMERA_FAULT", "FROZEN", held["id"])
    assert server.inspect(part_png(8), part_id="F-3")["verdict"] == "PASS", "another picture: it is alive"
    assert server.inspect(frame, part_id="F-4")["verdict"] == "PASS"
    assert 'qc_no_decisions_total{cause="CAMERA"} 1.0' in server.client.get("/metrics").text


def test_the_same_part_again_and_other_cameras_are_no_frozen_camera(server: Served) -> None:
    frame = part_png(7)
    assert {server.inspect(frame)["verdict"] for _ in range(5)} == {"PASS"}
    assert {server.inspect(frame, part_id=f"{n}", camera=f"c{n}")["verdict"] for n in range(5)} == {"PASS"}


def test_alarm_persists_is_acknowledged_and_clears_by_itself(
    server: Served, start_server: StartServer, health_bundle: Path
) -> None:
    with server.client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": connected"
        for number in range(3):
            server.inspect(part_png(number, -200), part_id=f"D-{number}", camera="side")
        next(line for line in lines if line == "event: alarm")
        told = json.loads(next(line for line in lines if line.startswith("data:")).removeprefix("data: "))
    (alarm,) = alarms(server, cleared=False)
    assert told == alarm
    assert (alarm["kind"], alarm["fault"], alarm["camera"]) == ("CAMERA_FAULT", "DARK", "side")
    assert alarms(server, cleared=False, line="line-2") == []
    address = f"/v1/alarms/{alarm['id']}/acknowledgement"
    body = {"reason": "lamp is being changed", "person": "eve"}
    assert server.client.put(address, json={**body, "reason": " "}).status_code == 422
    known = server.client.put(address, json=body).json()
    assert (known["acknowledged_by"], known["acknowledgement"]) == ("eve", "lamp is being changed")
    assert server.client.put(address, json=body).status_code == 409
    assert server.client.put("/v1/alarms/none/acknowledgement", json=body).status_code == 404
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()
    # The alarm outlasts a restart, is not raised twice, and ends when ten frames in a row are healthy.
    again = start_server(bundles=health_bundle.parent)
    for number in range(4):
        again.inspect(part_png(number, -200), part_id=f"E-{number}", camera="side")
    for number in range(10):
        again.inspect(part_png(100 + number), part_id=f"H-{number}", camera="side")
    eventually(lambda: not alarms(again, cleared=False))
    (ended,) = alarms(again)
    assert ended["id"] == alarm["id"]
    assert ended["cleared_at"] > ended["acknowledged_at"]


def test_unreadable_frames_raise_an_alarm_too(server: Served) -> None:
    for number in range(3):
        server.inspect(b"rubbish", part_id=f"U-{number}")
    (alarm,) = eventually(lambda: alarms(server, cleared=False))
    assert alarm["fault"] == "UNREADABLE"


def test_bundle_without_the_section_checks_nothing(start_server: StartServer) -> None:
    server = start_server()
    frame = part_png(7, -200)
    inspections = [server.inspect(frame, part_id=f"{number}") for number in range(5)]
    assert {(one["verdict"], one["fault"]) for one in inspections} == {("PASS", None)}


def test_every_alarm_that_stands_is_known_after_a_restart(start_server: StartServer, health_bundle: Path) -> None:
    server = start_server(bundles=health_bundle.parent)
    store = server.service.store
    rows = [
        {"id": f"{number}", "kind": "CAMERA_FAULT", "line": "l", "station": "s", "camera": f"{number}"}
        | {"reason": "dark", "inspection_id": "i", "raised_at": datetime.now(UTC)}
        for number in range(130)
    ]
    store.submit(lambda connection: connection.execute(insert(alarms_table), rows)).result()
    again = start_server(bundles=health_bundle.parent)
    assert 'qc_alarms_open{kind="CAMERA_FAULT"} 130.0' in again.client.get("/metrics").text

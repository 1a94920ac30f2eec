"""What a part can be held against: past cases that look alike, a good part, and the past of its lot and line."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np

from tests.conftest import Served, StartServer, write_brightness_bundle

DATABASES = ("sqlite", "postgresql")


def png(red: int, green: int, blue: int) -> bytes:
    """The test model's embedding is the mean colour, its defect probability the mean brightness."""
    ok, encoded = cv2.imencode(".png", np.full((80, 80, 3), (blue, green, red), np.uint8))
    assert ok
    return encoded.tobytes()


def decide(server: Served, inspection: dict[str, Any], decision: str) -> None:
    body = {
        "inspection_id": inspection["id"],
        "decision": decision,
        "reviewer": "ann",
        "decided_at": "2026-11-01T08:00:00Z",
    }
    server.client.put(f"/v1/reviews/{uuid4()}", json=body).raise_for_status()


def similar(server: Served, inspection: dict[str, Any]) -> dict[str, Any]:
    answer = server.client.get(f"/v1/inspections/{inspection['id']}/similar")
    assert answer.status_code == 200, answer.text
    cases: dict[str, Any] = answer.json()
    return cases


def parts(cases: dict[str, Any]) -> list[str]:
    return [case["inspection"]["part_id"] for case in cases["items"]]


def test_past_cases_come_most_alike_first_with_what_people_decided(server: Served) -> None:
    for part, colour, decision in (
        ("blue", (60, 60, 240), "FALSE_CALL"),
        ("red", (240, 60, 60), "DEFECT_CONFIRMED"),
        ("reddish", (230, 90, 60), "DEFECT_ACCEPTED"),
    ):
        decide(server, server.inspect(png(*colour), part_id=part), decision)
    server.inspect(png(240, 60, 60), part_id="undecided")
    decide(server, server.inspect(png(240, 60, 60), part_id="other product", product="board"), "FALSE_CALL")
    new = server.inspect(png(245, 60, 60), part_id="new")
    cases = similar(server, new)
    assert parts(cases) == ["red", "reddish", "blue"]
    assert [case["inspection"]["review"]["decision"] for case in cases["items"]] == [
        "DEFECT_CONFIRMED",
        "DEFECT_ACCEPTED",
        "FALSE_CALL",
    ]
    alike = [case["similarity"] for case in cases["items"]]
    assert alike == sorted(alike, reverse=True)
    assert alike[0] > 0.99
    assert cases["compared"] == 3


def test_the_reference_is_a_good_part_of_the_same_view_that_looks_alike(server: Served) -> None:
    for part, colour, camera in (
        ("dark blue", (10, 10, 90), "top"),
        ("dark red", (90, 10, 10), "top"),
        ("seen from the side", (90, 10, 10), "side"),
    ):
        assert server.inspect(png(*colour), part_id=part, camera=camera)["verdict"] == "PASS"
    new = server.inspect(png(240, 60, 60), part_id="new")
    assert similar(server, new)["reference"]["inspection"]["part_id"] == "dark red"
    called_good = server.inspect(png(60, 60, 240), part_id="called good")
    decide(server, called_good, "FALSE_CALL")
    assert similar(server, new)["reference"]["inspection"]["part_id"] == "called good"


def test_cases_of_another_model_are_not_compared(start_server: StartServer, tmp_path: Path) -> None:
    for version in ("1", "2"):
        write_brightness_bundle(tmp_path / "bundles" / f"brightness-{version}", version)
    server = start_server(bundles=tmp_path / "bundles")
    promote = {"reason": "test", "person": "ann", "force": True}
    server.client.post("/v1/models", json={**promote, "version": "1"}).raise_for_status()
    decide(server, server.inspect(png(240, 60, 60), part_id="before"), "DEFECT_CONFIRMED")
    server.client.post("/v1/models", json={**promote, "version": "2"}).raise_for_status()
    assert parts(similar(server, server.inspect(png(240, 60, 60), part_id="after"))) == []


def test_what_no_model_decided_has_no_similar_cases_but_still_a_reference(server: Served) -> None:
    server.inspect(png(10, 10, 90), part_id="good")
    unreadable = server.inspect(b"not an image", part_id="unreadable")
    cases = similar(server, unreadable)
    assert (cases["items"], cases["compared"]) == ([], 0)
    assert cases["reference"]["inspection"]["part_id"] == "good"
    assert cases["reference"]["similarity"] == 0
    assert server.client.get("/v1/inspections/none/similar").status_code == 404


def test_the_past_tells_of_part_lot_and_line(server: Served) -> None:
    decide(server, server.inspect(png(240, 240, 240), part_id="1", lot="A"), "DEFECT_CONFIRMED")
    decide(server, server.inspect(png(240, 240, 240), part_id="2", lot="A"), "FALSE_CALL")
    server.inspect(png(10, 10, 10), part_id="3", lot="B")
    server.inspect(png(10, 10, 10), part_id="4", lot="A", line="line-2")
    other = server.inspect(png(10, 10, 10), part_id="5", lot="A", camera="side")
    new = server.inspect(png(240, 240, 240), part_id="5", lot="A")
    past = server.client.get(f"/v1/inspections/{new['id']}/past").json()
    assert [frame["id"] for frame in past["part"]] == [other["id"]]
    assert past["lot"] == {"inspected": 5, "flagged": 3, "confirmed": 1, "false_calls": 1}
    assert past["line"] == {"inspected": 5, "flagged": 3, "confirmed": 1, "false_calls": 1}
    assert past["line_minutes"] == 60

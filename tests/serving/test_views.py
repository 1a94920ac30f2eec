"""Parts that several cameras see: a missing view holds the part, first awaited, then overdue, and then it is told."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.conftest import Served, StartServer, grey_png

DATABASES = ("sqlite", "postgresql")


def recipe(seconds: float) -> dict[str, Any]:
    return {"product": "cell", "station": "final", "expected_views": ["top", "side"], "view_window_seconds": seconds}


def views(server: Served, part_id: str) -> dict[str, str]:
    part = server.client.get(f"/v1/parts/{part_id}").json()
    return {view["camera"]: view["state"] for view in part["views"]}


def gauge(server: Served, name: str) -> float:
    lines = server.client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def wait_for(server: Served, name: str, value: float) -> None:
    for _ in range(600):
        if gauge(server, name) == value:
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"{name} is {gauge(server, name)}, expected {value}")


@pytest.fixture
def overdue(start_server: StartServer) -> Iterator[Served]:
    yield start_server(recipes=[recipe(0.6)])


def test_view_is_awaited_within_its_window(start_server: StartServer) -> None:
    server = start_server(recipes=[recipe(600)])
    server.inspect(grey_png(0.1), camera="top", part_id="P-7")
    assert views(server, "P-7") == {"top": "SEEN", "side": "AWAITED"}
    assert server.client.get("/v1/parts/P-7").json()["verdict"] == "NO_DECISION"
    assert (gauge(server, "qc_parts_awaiting_views"), gauge(server, "qc_parts_overdue")) == (1, 0)
    server.inspect(grey_png(0.1), camera="side", part_id="P-7")
    part = server.client.get("/v1/parts/P-7").json()
    assert (part["verdict"], views(server, "P-7")) == ("PASS", {"top": "SEEN", "side": "SEEN"})
    assert gauge(server, "qc_parts_awaiting_views") == 0


def test_overdue_parts_are_still_told_when_no_connection_was_free_for_a_while(
    overdue: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up, asked = overdue.service.views._seen_ever, threading.Event()

    def busy(keys: list[Any]) -> Any:
        if not asked.is_set():
            asked.set()
            raise PoolTimeout("QueuePool limit reached, connection timed out")
        return looked_up(keys)

    monkeypatch.setattr(overdue.service.views, "_seen_ever", busy)
    overdue.inspect(grey_png(0.1), camera="top", part_id="P-8")
    assert asked.wait(20)
    wait_for(overdue, "qc_parts_overdue", 1)


def test_overdue_part_is_told_counted_and_never_passed(overdue: Served) -> None:
    with overdue.client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": connected"
        inspection = overdue.inspect(grey_png(0.1), camera="top", part_id="P-8")
        kinds = {}
        for line in lines:
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            if line.startswith("data: "):
                kinds[kind] = json.loads(line.removeprefix("data: "))
            if "part_overdue" in kinds:
                break
    told = kinds["part_overdue"]
    assert (told["part_id"], told["missing_views"], told["line"]) == ("P-8", ["side"], "line-1")
    assert told["due_at"] > inspection["received_at"]
    wait_for(overdue, "qc_parts_overdue", 1)
    part = overdue.client.get("/v1/parts/P-8").json()
    assert (part["verdict"], views(overdue, "P-8")) == ("NO_DECISION", {"top": "SEEN", "side": "OVERDUE"})
    overdue.inspect(grey_png(0.9), camera="side", part_id="P-8")
    assert gauge(overdue, "qc_parts_overdue") == 0, "it came after all"
    assert overdue.client.get("/v1/parts/P-8").json()["verdict"] == "REJECT"


def test_view_taken_again_does_not_make_a_whole_part_overdue(overdue: Served) -> None:
    for camera in ("top", "side", "top"):
        overdue.inspect(grey_png(0.1), camera=camera, part_id="P-9")
    assert gauge(overdue, "qc_parts_awaiting_views") == 1
    wait_for(overdue, "qc_parts_awaiting_views", 0)
    assert gauge(overdue, "qc_parts_overdue") == 0


def test_parts_incomplete_at_a_restart_are_taken_up(start_server: StartServer) -> None:
    start_server(recipes=[recipe(600)]).inspect(grey_png(0.1), camera="top", part_id="P-10")
    again = start_server(recipes=[recipe(0.2)])
    wait_for(again, "qc_parts_overdue", 1)
    assert again.client.get("/v1/parts/P-10").json()["verdict"] == "NO_DECISION"


def test_products_without_a_recipe_wait_for_nothing(overdue: Served) -> None:
    overdue.inspect(grey_png(0.1), product="other", part_id="P-11")
    assert views(overdue, "P-11") == {}
    assert overdue.client.get("/v1/parts/P-11").json()["verdict"] == "PASS"
    assert gauge(overdue, "qc_parts_awaiting_views") == 0

"""A line on hold: nothing of it is passed silently, the hold outlives a restart, and it is on record who did what and why."""

import sqlite3
from typing import Any

import httpx
import pytest

from serving.audit import Action, verify
from serving.role import Role
from tests.accounts import key_client
from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_events import next_event

DATABASES = ("sqlite", "postgresql")
WHY = "solder paste of the wrong lot"


def hold(server: Served, line: str = "line-1", **changes: str) -> httpx.Response:
    return server.client.post("/v1/line-holds", json={"line": line, "reason": WHY, "person": "ann", **changes})


def release(server: Served, held: dict[str, Any], reason: str = "paste replaced") -> httpx.Response:
    return server.client.delete(f"/v1/line-holds/{held['id']}", params={"person": "bob", "reason": reason})


def test_every_answer_of_a_held_line_says_so_and_keeps_the_models_verdict(server: Served) -> None:
    held = hold(server).json()
    mark = {"id": held["id"], "reason": WHY}
    for brightness, verdict in ((0.1, "PASS"), (0.5, "REVIEW"), (0.9, "REJECT")):
        inspection = server.inspect(grey_png(brightness), part_id=verdict)
        assert (inspection["verdict"], inspection["line_hold"]) == (verdict, mark)
    undecided = server.inspect(b"no image")
    assert (undecided["verdict"], undecided["line_hold"]) == ("NO_DECISION", mark)
    assert server.inspect(grey_png(0.1), line="line-2")["line_hold"] is None


def test_what_was_made_meanwhile_says_so_after_the_release(server: Served) -> None:
    held = hold(server).json()
    meanwhile = server.inspect(grey_png(0.1), part_id="meanwhile")
    assert release(server, held).status_code == 200
    later = server.inspect(grey_png(0.1), part_id="later")
    assert later["line_hold"] is None
    assert server.client.get(f"/v1/inspections/{meanwhile['id']}").json() == meanwhile
    parts = {name: server.client.get(f"/v1/parts/{name}").json() for name in ("meanwhile", "later")}
    assert parts["meanwhile"]["line_hold"] == {"id": held["id"], "reason": WHY}
    assert parts["later"]["line_hold"] is None


def test_answer_asked_for_again_while_the_line_is_held_says_so(server: Served) -> None:
    first = server.post(grey_png(0.1), key="k-1").json()
    assert first["line_hold"] is None
    held = hold(server).json()
    assert server.post(grey_png(0.1), key="k-1").json() == {**first, "line_hold": {"id": held["id"], "reason": WHY}}
    release(server, held)
    assert server.post(grey_png(0.1), key="k-1").json() == first


def test_hold_outlives_a_restart(start_server: StartServer) -> None:
    before = start_server()
    held = hold(before).json()
    after = start_server()
    assert after.inspect(grey_png(0.1))["line_hold"] == {"id": held["id"], "reason": WHY}
    assert "qc_lines_held 1.0" in after.client.get("/metrics").text


def test_line_is_held_once_and_released_once(server: Served) -> None:
    held = hold(server).json()
    again = hold(server, reason="another")
    assert (again.status_code, again.json()["detail"]) == (409, f"ann put line line-1 on hold before: {WHY}")
    assert release(server, held).json()["release_reason"] == "paste replaced"
    twice = release(server, held)
    assert twice.status_code == 409
    assert "bob released line line-1 before" in twice.json()["detail"]
    assert release(server, {"id": "nothing"}).status_code == 404
    second = hold(server).json()
    assert [each["id"] for each in server.client.get("/v1/line-holds").json()] == [second["id"], held["id"]]
    assert [each["id"] for each in server.client.get("/v1/line-holds?released=false").json()] == [second["id"]]


def test_reason_and_known_line_are_asked_for(start_server: StartServer) -> None:
    server = start_server(lines=["line-1"])
    assert hold(server, reason="  ").status_code == 422
    unknown = hold(server, line="line-9")
    assert unknown.status_code == 422
    assert "line-9" in unknown.json()["detail"]


def test_hold_and_release_are_events_and_audited(server: Served) -> None:
    with server.client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        next(lines)
        held = hold(server).json()
        assert next_event(lines) == ("line_hold", held)
        released = release(server, held).json()
        assert next_event(lines) == ("line_hold", released)
    entries = server.client.get("/v1/audit").json()["items"]
    told = {entry["action"]: (entry["person"], entry["reason"]) for entry in entries}
    assert told["LINE_HELD"] == ("ann", WHY)
    assert told["LINE_RELEASED"] == ("bob", "paste replaced")


def test_release_written_into_the_database_by_hand_is_found(start_server: StartServer, database: str) -> None:
    if not database.startswith("sqlite"):
        pytest.skip("altered by hand on SQLite only")
    server = start_server()
    hold(server)
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE line_holds SET released_at = held_at + 1, released_by = 'eve'")
    connection.close()
    with server.service.store.reading() as reading:
        broken = [str(each) for each in verify(reading).broken]
    assert any(Action.LINE_RELEASED.value in each or "line_holds" in each for each in broken), broken


def test_inspector_holds_and_somebody_who_answers_for_the_line_releases(start_server: StartServer) -> None:
    server = start_server(auth=True)
    inspector, engineer = key_client(server, Role.INSPECTOR), key_client(server, Role.ENGINEER)
    name = inspector.get("/v1/session").json()["name"]
    other = inspector.post("/v1/line-holds", json={"line": "line-1", "reason": WHY, "person": "somebody else"})
    assert other.status_code == 403
    held = inspector.post("/v1/line-holds", json={"line": "line-1", "reason": WHY, "person": name}).json()
    answer = {"person": name, "reason": "it is nothing"}
    assert inspector.delete(f"/v1/line-holds/{held['id']}", params=answer).status_code == 403
    answer = {"person": engineer.get("/v1/session").json()["name"], "reason": "paste replaced"}
    assert engineer.delete(f"/v1/line-holds/{held['id']}", params=answer).status_code == 200


def test_trend_counts_the_last_hour_of_each_line_by_five_minutes(server: Served) -> None:
    for brightness in (0.1, 0.1, 0.9):
        server.inspect(grey_png(brightness))
    server.inspect(grey_png(0.5), line="line-2")
    trend = server.client.get("/v1/metrics/trend").json()
    assert trend["bucket_seconds"] == 300
    lines = {each["line"]: each["points"] for each in trend["lines"]}
    assert {line: len(points) for line, points in lines.items()} == {"line-1": 12, "line-2": 12}
    total = {
        line: [sum(point[name] for point in points) for name in ("inspected", "flagged")]
        for line, points in lines.items()
    }
    assert total == {"line-1": [3, 1], "line-2": [1, 1]}
    starts = [point["start"] for point in lines["line-1"]]
    assert starts == sorted(starts)

"""From whom the model's word is kept while a part waits to be decided blind: from inspectors, wherever they look."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import openpyxl
import pytest
from sqlalchemy import insert

from serving.role import Role
from serving.tables import alarms, drift_windows, shadow_inspections, shadows
from tests.accounts import key_client, person_client
from tests.conftest import Served, StartServer, grey_png

DATABASES = ("sqlite", "postgresql")
PASSED, FLAGGED = 0.1, 0.9
_TELLING = ("defect_probability", "class", "thresholds", "novelty", "reason")


@pytest.fixture
def server(start_server: StartServer) -> Served:
    """A server where every passed frame is drawn for an audit and every flagged one is reviewed blind."""
    return start_server(auth=True, audit={"per_day": 1000, "first_share": 1.0}, reviewing={"blind_share": 1})


@pytest.fixture
def posted(server: Served) -> list[dict[str, Any]]:
    """What the camera was told of a passed and a flagged frame of one part."""
    camera = key_client(server, Role.CAMERA)
    answers = []
    for name, brightness in (("top", PASSED), ("side", FLAGGED)):
        query = {"product": "p", "line": "line-1", "station": "final", "camera": name, "part_id": "P-1", "lot": "L-1"}
        query["captured_at"] = datetime.now(UTC).isoformat()
        headers = {"Content-Type": "image/png"}
        answer = camera.post("/v1/inspections", params=query, content=grey_png(brightness), headers=headers)
        assert answer.status_code == 201, answer.text
        answers.append(answer.json())
    assert [one["verdict"] for one in answers] == ["PASS", "REJECT"], "the camera is told"
    return answers


def shown(client: httpx.Client, posted: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The two inspections by every route that tells of them."""
    top, side = (one["id"] for one in posted)

    def get(path: str, **query: Any) -> Any:
        answer = client.get(path, params=query)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    return {
        "list": get("/v1/inspections")["items"],
        "one": [get(f"/v1/inspections/{top}"), get(f"/v1/inspections/{side}")],
        "part": get("/v1/parts/P-1")["inspections"],
        "past": [*get(f"/v1/inspections/{top}/past")["part"], *get(f"/v1/inspections/{side}/past")["part"]],
        "history": get("/v1/history")["items"],
    }


def test_inspector_learns_nothing_of_what_waits_blind_by_any_route(
    server: Served, posted: list[dict[str, Any]]
) -> None:
    client = person_client(server, "Chen", Role.INSPECTOR)
    for route, found in shown(client, posted).items():
        assert len(found) == 2, route
        for one in found:
            assert one["verdict"] == "REVIEW", route
            assert [one.get(name) for name in _TELLING] == [None] * len(_TELLING), route
            assert one.get("regions", []) == [], route
    assert client.get("/v1/parts/P-1").json()["verdict"] == "REVIEW"
    past = client.get(f"/v1/inspections/{posted[0]['id']}/past").json()
    assert (past["lot"]["inspected"], past["lot"]["flagged"], past["line"]["flagged"]) == (0, 0, 0)
    assert {client.get(f"/v1/inspections/{one['id']}/heatmap").status_code for one in posted} == {404}
    assert client.get(f"/v1/inspections/{posted[1]['id']}/similar").json()["reference"] is None
    for verdict in ("PASS", "REVIEW", "REJECT"):
        assert client.get("/v1/inspections", params={"verdict": verdict}).json()["items"] == []
        assert client.get("/v1/history", params={"verdict": verdict}).json()["items"] == []
    assert client.get("/v1/history", params={"class": "bright"}).json()["items"] == []
    table = list(csv.DictReader(io.StringIO(client.get("/v1/history/export.csv").text)))
    assert [row["verdict"] for row in table] == ["REVIEW", "REVIEW"]
    hidden = ("defect_probability", "class_name", "pass_below", "reject_from", "novelty", "cause", "fault")
    assert {row[name] for row in table for name in hidden} == {""}
    book = openpyxl.load_workbook(io.BytesIO(client.get("/v1/history/export.xlsx").content))
    head, *rows = book.worksheets[0].iter_rows(values_only=True)
    assert [dict(zip(head, row, strict=True))["verdict"] for row in rows] == ["REVIEW", "REVIEW"]
    assert {dict(zip(head, row, strict=True))[name] for row in rows for name in hidden} == {None}


@pytest.mark.parametrize("role", [Role.ENGINEER, Role.MANAGER, Role.ADMIN])
def test_others_see_everything(server: Served, posted: list[dict[str, Any]], role: Role) -> None:
    client = key_client(server, role)
    for route, found in shown(client, posted).items():
        assert {one["verdict"] for one in found} == {"PASS", "REJECT"}, route
    assert [one["id"] for one in client.get("/v1/inspections", params={"verdict": "PASS"}).json()["items"]] == [
        posted[0]["id"]
    ]
    assert client.get(f"/v1/inspections/{posted[1]['id']}/heatmap").status_code == 200


def test_inspector_sees_it_once_a_person_has_decided(server: Served, posted: list[dict[str, Any]]) -> None:
    client = person_client(server, "Chen", Role.INSPECTOR)
    for number, one in enumerate(posted):
        body = {
            "inspection_id": one["id"],
            "decision": "FALSE_CALL",
            "reviewer": "Chen",
            "decided_at": datetime.now(UTC).isoformat(),
        }
        address = f"/v1/reviews/01890000-0000-7000-8000-00000000000{number}"
        assert client.put(address, json=body).status_code == 200
    for route, found in shown(client, posted).items():
        assert {one["verdict"] for one in found} == {"PASS", "REJECT"}, route


def test_examples_and_differences_that_wait_blind_are_left_out_for_inspectors(
    server: Served, posted: list[dict[str, Any]]
) -> None:
    now = datetime.now(UTC)
    model = {"model_name": "m", "model_version": "1"}
    examples = [
        {"inspection_id": one["id"], "part_id": "P-1", "defect_probability": 0.5, "novelty": None} for one in posted
    ]
    window = {"line": "line-1", "station": "final", "camera": "top", **model, "ended_at": now, "frames": 2}
    shadow = {"sequence": 1, "name": "m", "version": "2", "reason": "r", "person": "Chen", "started_at": now}
    scored = {"shadow": 1, "inspection_id": posted[0]["id"], **model, "defect_probability": 0.9, "latency_ms": 1.0}

    def fill(connection: Any) -> None:
        connection.execute(insert(drift_windows), {**window, "checks": [], "typical": examples, "unusual": examples})
        connection.execute(insert(shadows), shadow)
        connection.execute(insert(shadow_inspections), {**scored, "active_verdict": "PASS", "verdict": "REJECT"})

    server.service.store.submit(fill).result()
    for role, n in ((Role.INSPECTOR, 0), (Role.ENGINEER, 1)):
        client = key_client(server, role)
        (camera,) = client.get("/v1/drift").json()["cameras"]
        assert (len(camera["typical"]), len(camera["unusual"])) == (2 * n, 2 * n)
        assert len(client.get("/v1/models/shadow").json()["differences"]) == n


def test_events_keep_it_from_inspectors_alone(server: Served) -> None:
    inspector, engineer = (key_client(server, role) for role in (Role.INSPECTOR, Role.ENGINEER))
    with inspector.stream("GET", "/v1/events") as one, engineer.stream("GET", "/v1/events") as other:
        told, full = one.iter_lines(), other.iter_lines()
        assert next(told).startswith(":")
        assert next(full).startswith(":")
        camera = key_client(server, Role.CAMERA)
        query = {"product": "p", "line": "line-1", "station": "final", "camera": "top", "part_id": "P-1", "lot": "L-1"}
        query["captured_at"] = datetime.now(UTC).isoformat()
        camera.post("/v1/inspections", params=query, content=grey_png(FLAGGED), headers={"Content-Type": "image/png"})
        hidden, seen = event_in(told, "inspection"), event_in(full, "inspection")
    assert (hidden["verdict"], hidden["defect_probability"], hidden["regions"]) == ("REVIEW", None, [])
    assert (seen["verdict"], hidden["id"]) == ("REJECT", seen["id"])


def event_in(lines: Iterator[str], kind: str) -> dict[str, Any]:
    """The next event of a kind in a stream."""
    for line in lines:
        if line == f"event: {kind}":
            found: dict[str, Any] = json.loads(next(lines).removeprefix("data: "))
            return found
    raise AssertionError("the stream ended")


def test_without_authentication_only_the_review_flow_keeps_silent(start_server: StartServer) -> None:
    server = start_server(reviewing={"blind_share": 1})
    frame = server.inspect(grey_png(FLAGGED))
    assert server.client.get(f"/v1/inspections/{frame['id']}").json()["verdict"] == "REVIEW"
    assert server.client.get("/v1/inspections").json()["items"][0]["verdict"] == "REJECT"


def test_queue_filtered_by_class_leaves_out_what_is_decided_blind(start_server: StartServer) -> None:
    for share, n in ((1, 0), (0, 1)):
        server = start_server(reviewing={"blind_share": share})
        frame = server.inspect(grey_png(FLAGGED), part_id=f"P-{share}")
        items = server.client.get("/v1/reviews/queue", params={"class": frame["class"]}).json()["items"]
        assert len([one for one in items if one["id"] == frame["id"]]) == n


def test_a_first_decision_is_kept_from_who_may_give_the_second_but_not_from_who_gave_it(
    start_server: StartServer,
) -> None:
    server = start_server(auth=True, reviewing={"blind_share": 0, "second_share": 1})
    ann, bob = (person_client(server, name, Role.INSPECTOR) for name in ("ann", "bob"))
    manager, camera = key_client(server, Role.MANAGER), key_client(server, Role.CAMERA)

    def inspected(part_id: str) -> str:
        answer = camera.post("/v1/inspections", params=server.frame(part_id=part_id), content=grey_png(FLAGGED))
        assert answer.status_code == 201, answer.text
        id_: str = answer.json()["id"]
        return id_

    def put(client: httpx.Client, reviewer: str, id_: str, decision: str) -> None:
        body = {"inspection_id": id_, "decision": decision, "reviewer": reviewer, "note": "cracked"}
        body["decided_at"] = datetime.now(UTC).isoformat()
        assert client.put(f"/v1/reviews/{uuid4()}", json=body).status_code == 200

    before = inspected("before")
    for client, name in ((ann, "ann"), (bob, "bob")):
        put(client, name, before, "FALSE_CALL")
    id_ = inspected("P-1")
    with bob.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        put(ann, "ann", id_, "DEFECT_CONFIRMED")
        told = event_in(lines, "review")
    assert (told["inspection_id"], told["decision"], told["note"]) == (id_, None, "")
    for client, knows in ((ann, True), (manager, True), (bob, False)):
        page = client.get("/v1/history", params={"part_id": "P-1"}).json()
        assert [item["decision"] for item in page["items"]] == ["DEFECT_CONFIRMED" if knows else None]
        found = client.get("/v1/history", params={"decision": "DEFECT_CONFIRMED"}).json()["items"]
        assert [item["id"] for item in found] == ([id_] if knows else [])
        assert len(client.get("/v1/history", params={"reviewer": "ann"}).json()["items"]) == int(knows)
        assert len(client.get(f"/v1/inspections/{id_}/reviews").json()) == int(knows)
        assert (client.get(f"/v1/inspections/{id_}").json()["review"] is not None) is knows
        (row,) = csv.DictReader(io.StringIO(client.get("/v1/history/export.csv", params={"part_id": "P-1"}).text))
        assert (row["decision"], row["note"]) == (("DEFECT_CONFIRMED", "cracked") if knows else ("", ""))
        similar = client.get(f"/v1/inspections/{before}/similar").json()["items"]
        assert id_ not in {case["inspection"]["id"] for case in similar}
    put(bob, "bob", id_, "FALSE_CALL")
    assert len(bob.get(f"/v1/inspections/{id_}/reviews").json()) == 2


def test_an_alarm_tells_an_inspector_of_the_camera_and_nothing_of_the_frame(
    server: Served, posted: list[dict[str, Any]]
) -> None:
    why = "brightness 2 of 255, at least 30 in training"
    alarm = {
        "id": "a-1",
        "kind": "CAMERA_FAULT",
        "line": "line-1",
        "station": "final",
        "camera": "side",
        "fault": "DARK",
    }
    alarm |= {"reason": why, "inspection_id": posted[1]["id"], "raised_at": datetime.now(UTC)}
    server.service.store.submit(lambda connection: connection.execute(insert(alarms), alarm)).result()
    (full,) = key_client(server, Role.ENGINEER).get("/v1/alarms").json()
    assert (full["fault"], full["reason"], full["inspection_id"]) == ("DARK", why, posted[1]["id"])
    inspector = person_client(server, "Chen", Role.INSPECTOR)
    (seen,) = inspector.get("/v1/alarms").json()
    known = inspector.put("/v1/alarms/a-1/acknowledgement", json={"reason": "lamp is changed", "person": "Chen"}).json()
    for told in (seen, known):
        assert (told["fault"], told["reason"], told["inspection_id"]) == ("DARK", "DARK", None)

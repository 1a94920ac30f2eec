"""Audits of passed parts: drawn with a chance that is kept, reviewed blind, and counted; challenge parts and field returns."""

import threading
from typing import Any

import pytest
from sqlalchemy import select

from serving.tables import inspections
from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_reviews import review

DATABASES = ("sqlite", "postgresql")

EVERY = {"per_day": 1000, "first_share": 1.0}


@pytest.fixture
def server(start_server: StartServer) -> Served:
    """A server that draws every passed frame while it has seen few."""
    return start_server(audit=EVERY)


def row(server: Served, id_: str) -> Any:
    with server.service.store.reading() as connection:
        return connection.execute(select(inspections).where(inspections.c.id == id_)).mappings().one()


def queue(server: Served) -> dict[str, dict[str, Any]]:
    return {item["part_id"]: item for item in server.client.get("/v1/reviews/queue").json()["items"]}


def escapes(server: Served, **query: str) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get("/v1/metrics/escapes", params=query).json()
    return found


def test_passed_frame_is_drawn_with_the_chance_that_its_row_keeps(start_server: StartServer) -> None:
    server = start_server(audit={"per_day": 1000, "first_share": 0.0})
    left = row(server, server.inspect(grey_png(0.1), part_id="left")["id"])
    assert (left["audit"], left["audit_band"], left["audit_probability"]) == (None, 2, 0.0)
    assert left["queue_cost"] is None
    flagged = row(server, server.inspect(grey_png(0.5), part_id="flagged")["id"])
    assert (flagged["audit"], flagged["audit_band"], flagged["audit_probability"]) == (None, None, None)


def test_without_a_capacity_nothing_is_drawn(start_server: StartServer) -> None:
    server = start_server()
    for number in range(5):
        server.inspect(grey_png(0.1), part_id=f"P-{number}")
    assert queue(server) == {}
    found = escapes(server)
    assert found["rate"]["value"] is None
    assert any("audit.per_day" in note["en"] for note in found["notes"])


def test_audit_is_blind_until_it_is_decided(server: Served) -> None:
    answer = server.inspect(grey_png(0.1), part_id="drawn")
    assert answer["verdict"] == "PASS", "the camera is told"
    item = queue(server)["drawn"]
    hidden = {"defect_probability", "class", "thresholds", "novelty", "reason"}
    assert item["blind"] is True
    assert {name: item[name] for name in hidden} == dict.fromkeys(hidden)
    assert (item["verdict"], item["regions"], item["class_probability"]) == ("REVIEW", [], {})
    address = f"/v1/inspections/{answer['id']}"
    assert server.client.get(address).json()["defect_probability"] is None
    assert server.client.get(f"{address}/heatmap").status_code == 404
    assert server.client.get(f"{address}/image").status_code == 200
    assert review(server, answer["id"], "FALSE_CALL").status_code == 200
    shown = server.client.get(address).json()
    assert (shown["verdict"], shown["defect_probability"]) == ("PASS", answer["defect_probability"])
    assert server.client.get(f"{address}/heatmap").status_code == 200


def test_undone_audit_goes_back_to_the_queue(server: Served) -> None:
    id_ = server.inspect(grey_png(0.1), part_id="drawn")["id"]
    review(server, id_, "FALSE_CALL")
    assert queue(server) == {}
    review(server, id_, None)
    assert queue(server)["drawn"]["blind"] is True


def test_too_few_audits_are_no_false_zero(server: Served) -> None:
    ids = [server.inspect(grey_png(0.1), part_id=f"P-{number}")["id"] for number in range(70)]
    for id_ in ids[:12]:
        review(server, id_, "FALSE_CALL")
    found = escapes(server)
    assert found["rate"]["value"] is None
    assert found["rate"]["why_unknown"]["en"] == "not enough audits yet: n = 12, need about 60"
    assert (found["audited"], found["waiting"]) == (12, 58)
    assert (
        server.client.get("/v1/metrics/quality")
        .json()["escape_rate"]["why_unknown"]["en"]
        .startswith("not enough audits")
    )


def test_escape_rate_comes_from_audits_and_decided_flags(start_server: StartServer) -> None:
    server = start_server(audit={**EVERY, "enough": 10})
    passed = [server.inspect(grey_png(0.1), part_id=f"P-{number}")["id"] for number in range(20)]
    flagged = [server.inspect(grey_png(0.9), part_id=f"R-{number}")["id"] for number in range(6)]
    for number, id_ in enumerate(passed):
        review(server, id_, "DEFECT_CONFIRMED" if number < 2 else "FALSE_CALL")
    for number, id_ in enumerate(flagged):
        review(server, id_, "DEFECT_CONFIRMED" if number < 4 else "FALSE_CALL")
    found = escapes(server)
    assert found["rate"]["value"] == pytest.approx(2 / 6), "everything was looked at: 2 of 6 defects passed"
    assert (found["rate"]["low"], found["rate"]["high"]) == (pytest.approx(2 / 6), pytest.approx(2 / 6))
    assert found["bands"][2] == {
        "score_from": 0.2,
        "score_below": 0.5,
        "passed": 20,
        "audited": 20,
        "waiting": 0,
        "defective": 2,
        "share": 0.1,
    }
    tile = server.client.get("/v1/metrics/quality").json()["escape_rate"]
    assert (tile["value"], tile["denominator"]) == (pytest.approx(2 / 6), 20)


def test_challenge_part_is_blind_and_counts_as_no_production(start_server: StartServer) -> None:
    server = start_server()
    body = {"defective": True, "note": "scratched by hand", "person": "ann"}
    assert server.client.put("/v1/challenges/C-1", json=body).status_code == 200
    server.inspect(grey_png(0.1), part_id="C-1")
    server.inspect(grey_png(0.1), part_id="P-1")
    assert queue(server)["C-1"]["blind"] is True
    found = escapes(server)
    assert (found["challenges_passed"], found["challenges_flagged"]) == (1, 0)
    assert sum(band["passed"] for band in found["bands"]) == 1
    late = server.client.put("/v1/challenges/P-1", json=body)
    assert late.status_code == 409
    assert "before it comes" in late.json()["detail"]
    entries = server.client.get("/v1/audit", params={"action": "CHALLENGE"}).json()["items"]
    assert [(entry["subject"], entry["person"]) for entry in entries] == [("C-1", "ann")]


def test_field_return_of_a_passed_part_is_a_known_escape(server: Served) -> None:
    server.inspect(grey_png(0.1), part_id="P-1")
    server.inspect(grey_png(0.9), part_id="R-1")
    csv = "part_id,found_at,cost\nP-1,2026-12-01T08:00:00+08:00,250\nR-1,2026-12-01T00:00:00Z,\nX-9,2026-12-02T00:00:00Z,1\n"
    address, headers = "/v1/returns/csv", {"Content-Type": "text/csv"}
    added = server.client.post(address, params={"person": "ann"}, content=csv, headers=headers)
    assert added.json() == {"added": 3, "known_before": 0, "not_inspected": 1, "passed": 1}
    again = server.client.post(address, params={"person": "ann"}, content=csv, headers=headers)
    assert again.json() == {"added": 0, "known_before": 3, "not_inspected": 0, "passed": 0}
    assert escapes(server)["known"] == 1
    assert [one["part_id"] for one in server.client.get("/v1/returns").json()] == ["X-9", "R-1", "P-1"]


@pytest.mark.parametrize(
    ("csv", "named"),
    [
        ("part_id,found_at\nP-1,yesterday\n", "line 2: found_at"),
        ("part_id,found_at,price\nP-1,2026-12-01T00:00:00Z,1\n", "no column is called price"),
        ("part_id,found_at,cost\nP-1,2026-12-01T00:00:00Z,-5\n", "line 2: cost"),
        ("part_id,found_at\nP-1,2026-12-01T00:00:00\n", "line 2: found_at"),
        ("part_id,found_at\n", "no rows"),
    ],
)
def test_wrong_csv_of_returns_names_line_and_column_and_keeps_nothing(server: Served, csv: str, named: str) -> None:
    answer = server.client.post(
        "/v1/returns/csv", params={"person": "ann"}, content=csv, headers={"Content-Type": "text/csv"}
    )
    assert answer.status_code == 422
    assert named in answer.json()["detail"]
    assert server.client.get("/v1/returns").json() == []


def test_plan_keeps_within_what_people_can_review(start_server: StartServer) -> None:
    server = start_server(audit={"per_day": 100, "first_share": 0.0, "plan_minutes": 0.001})
    for number in range(210):
        server.inspect(grey_png(0.01 if number % 10 else 0.28), part_id=f"P-{number}")
    sampler = server.service.sampler
    sampler.run(threading.Event())
    safest, *_, worst = sampler.probabilities
    assert 0 < safest < worst <= 1, "the worst band has more defects to find"
    # 210 frames came within a minute: a day of that would be 302,400.
    assert safest * 189 * 1440 + worst * 21 * 1440 == pytest.approx(100, rel=0.01)
    assert server.client.get("/v1/sampling").json()["probabilities"] == list(sampler.probabilities)

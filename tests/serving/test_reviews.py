"""Reviews: idempotent, superseding, undoable; and the queue that they empty."""

import base64
from typing import Any
from uuid import UUID, uuid4

import httpx

from serving.audit import verify
from tests.conftest import Served, grey_png

DATABASES = ("sqlite", "postgresql")


def review(
    server: Served, inspection_id: str, decision: str | None, client_id: UUID | None = None, **changes: Any
) -> httpx.Response:
    body = {
        "inspection_id": inspection_id,
        "decision": decision,
        "reviewer": "ann",
        "seconds": 4.5,
        "decided_at": "2026-11-01T08:00:00Z",
        **changes,
    }
    return server.client.put(f"/v1/reviews/{client_id or uuid4()}", json=body)


def queue(server: Served, **query: str) -> list[str]:
    return [item["part_id"] for item in server.client.get("/v1/reviews/queue", params=query).json()["items"]]


def test_review_stands_on_the_inspection_and_takes_it_off_the_queue(server: Served) -> None:
    inspection = server.inspect(grey_png(0.9))
    answer = review(server, inspection["id"], "DEFECT_CONFIRMED", defect_class="crack", note="upper left")
    assert answer.status_code == 200
    assert answer.json()["supersedes"] is None
    stored = server.client.get(f"/v1/inspections/{inspection['id']}").json()["review"]
    assert stored == answer.json()
    assert (stored["defect_class"], stored["note"]) == ("crack", "upper left")
    assert server.client.get("/v1/reviews/queue").json() == {"items": [], "waiting": 0, "with_others": 0}


def test_repeat_is_harmless_and_other_content_a_conflict(server: Served) -> None:
    inspection = server.inspect(grey_png(0.9))
    client_id = uuid4()
    first = review(server, inspection["id"], "FALSE_CALL", client_id)
    again = review(server, inspection["id"], "FALSE_CALL", client_id, decided_at="2026-11-01T16:00:00+08:00")
    assert (again.status_code, again.json()) == (200, first.json())
    assert review(server, inspection["id"], "UNSURE", client_id).status_code == 409
    assert review(server, inspection["id"], "FALSE_CALL", client_id, note="x").status_code == 409


def test_undo_returns_the_part_to_the_queue(server: Served) -> None:
    inspection = server.inspect(grey_png(0.9))
    first = review(server, inspection["id"], "FALSE_CALL").json()
    assert queue(server) == []
    undo = review(server, inspection["id"], None).json()
    assert undo["supersedes"] == first["client_id"]
    assert server.client.get(f"/v1/inspections/{inspection['id']}").json()["review"] is None
    assert queue(server) == ["P-1"]


def test_undo_lets_the_review_that_was_superseded_stand_again(server: Served) -> None:
    inspection = server.inspect(grey_png(0.9))
    first = review(server, inspection["id"], "FALSE_CALL").json()
    second = review(server, inspection["id"], "DEFECT_CONFIRMED", reviewer="bob").json()
    assert second["supersedes"] == first["client_id"]
    undo = review(server, inspection["id"], None, reviewer="bob").json()
    assert undo["supersedes"] == second["client_id"]
    assert server.client.get(f"/v1/inspections/{inspection['id']}").json()["review"] == first
    assert queue(server) == [], "it is decided"
    entry = server.client.get("/v1/audit", params={"subject": undo["client_id"]}).json()["items"][0]
    assert entry["new"]["supersedes"] == second["client_id"]
    assert entry["old"] == {
        "restored_client_id": first["client_id"],
        "restored_decision": "FALSE_CALL",
        "restored_reviewer": first["reviewer"],
    }
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()
    review(server, inspection["id"], None)
    assert server.client.get(f"/v1/inspections/{inspection['id']}").json()["review"] is None
    assert queue(server) == ["P-1"]


def test_unsure_leaves_the_part_for_the_others(server: Served) -> None:
    inspection = server.inspect(grey_png(0.9))
    review(server, inspection["id"], "UNSURE", reviewer="ann")
    assert queue(server, reviewer="ann") == []
    assert queue(server, reviewer="bob") == ["P-1"]
    review(server, inspection["id"], "UNSURE", reviewer="bob")
    assert queue(server, reviewer="ann") == [], "what bob says does not make ann sure"
    assert queue(server) == ["P-1"]
    review(server, inspection["id"], None, reviewer="ann")
    assert queue(server, reviewer="ann") == ["P-1"], "ann took it back"


def test_queue_is_ordered_by_expected_cost_and_filters_by_line(server: Served) -> None:
    for part_id, content in {
        "passed": grey_png(0.1),
        "sure reject": grey_png(0.95),
        "doubtful reject": grey_png(0.75),
        "mild review": grey_png(0.35),
        "strong review": grey_png(0.65),
        "unreadable": b"rubbish",
    }.items():
        server.inspect(content, part_id=part_id)
    server.inspect(grey_png(0.5), part_id="elsewhere", line="line-2")
    ordered = ["unreadable", "strong review", "elsewhere", "mild review", "doubtful reject", "sure reject"]
    assert queue(server) == ordered
    assert queue(server, line="line-2") == ["elsewhere"]
    assert queue(server, limit="2") == ordered[:2]
    assert server.client.get("/v1/reviews/queue", params={"limit": 1}).json()["waiting"] == 6


def test_passed_part_may_be_reviewed_but_never_waits(server: Served) -> None:
    inspection = server.inspect(grey_png(0.1))
    review(server, inspection["id"], "DEFECT_CONFIRMED")
    review(server, inspection["id"], None)
    assert queue(server) == []


def test_review_of_an_unknown_inspection_is_refused(server: Served) -> None:
    assert review(server, "unknown", "FALSE_CALL").status_code == 404


def test_decision_out_of_the_vocabulary_is_named(server: Served) -> None:
    inspection = server.inspect(grey_png(0.9))
    answer = review(server, inspection["id"], "MAYBE")
    assert answer.status_code == 422
    assert "decision" in answer.json()["detail"]


def test_a_zero_character_is_refused_by_name_before_the_database_chokes_on_it(server: Served) -> None:
    id_ = server.inspect(grey_png(0.9))["id"]
    for field in ("note", "inspection_id", "defect_class"):
        body = {
            "inspection_id": id_,
            "decision": "FALSE_CALL",
            "reviewer": "ann",
            "decided_at": "2026-11-01T08:00:00Z",
            field: "a\0b",
        }
        answer = server.client.put(f"/v1/reviews/{uuid4()}", json=body)
        assert answer.status_code == 422, answer.text
        assert field in answer.json()["detail"]
    cursor = base64.urlsafe_b64encode(b"2026-01-01T00:00:00+00:00 a\0b").decode()
    for path in ("inspections/a%00b", "parts/a%00b", "audit?subject=a%00b", f"inspections?cursor={cursor}"):
        assert server.client.get(f"/v1/{path}").status_code == 422, path

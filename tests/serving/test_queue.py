"""The queue for several people at once: claims, filters, blind parts, and decisions that cross each other."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Connection, update

from data.verdict import Verdict
from serving.blindness import is_blind
from serving.tables import inspections
from tests.conftest import Served, StartServer, grey_png

DATABASES = ("sqlite", "postgresql")


def claim(server: Served, reviewer: str, **request: Any) -> dict[str, Any]:
    answer = server.client.post("/v1/reviews/claims", json={"reviewer": reviewer, **request})
    assert answer.status_code == 200, answer.text
    claimed: dict[str, Any] = answer.json()
    return claimed


def ids(claimed: dict[str, Any]) -> list[str]:
    return [item["id"] for item in claimed["items"]]


def put(server: Served, inspection_id: str, decision: str | None, reviewer: str, **changes: Any) -> httpx.Response:
    body = {
        "inspection_id": inspection_id,
        "decision": decision,
        "reviewer": reviewer,
        "decided_at": "2026-11-01T08:00:00Z",
        **changes,
    }
    return server.client.put(f"/v1/reviews/{uuid4()}", json=body)


def flagged(server: Served, count: int, **changes: str) -> list[str]:
    """Flagged parts, dearest first."""
    return [
        server.inspect(grey_png(0.65 - number / 100), part_id=f"Q-{number}", **changes)["id"] for number in range(count)
    ]


def test_two_people_never_get_the_same_part_and_share_what_there_is(server: Served) -> None:
    parts = flagged(server, 6)
    assert ids(claim(server, "ann", limit=4)) == parts[:4]
    bobs = claim(server, "bob", limit=4)
    assert ids(bobs) == parts[4:]
    assert (bobs["waiting"], bobs["with_others"]) == (6, 4)
    anns = claim(server, "ann", keep=[parts[0]], limit=4)
    assert ids(anns) == parts[:3], "of six parts for two people, three are each one's share"
    assert ids(claim(server, "bob", limit=4)) == parts[3:]
    both = server.client.get("/v1/reviews/queue", params={"reviewer": "cyd"}).json()
    assert (both["items"], both["waiting"], both["with_others"]) == ([], 6, 6)
    assert server.client.get("/v1/reviews/queue").json()["waiting"] == 6


def test_whoever_comes_when_all_is_taken_gets_a_share_as_soon_as_the_others_ask_again(server: Served) -> None:
    parts = flagged(server, 6)
    assert ids(claim(server, "ann")) == parts
    assert ids(claim(server, "bob")) == []
    assert ids(claim(server, "ann", keep=[parts[0]])) == parts[:3]
    assert ids(claim(server, "bob")) == parts[3:]


def test_the_part_on_the_screen_stays_first_until_somebody_else_has_it(server: Served) -> None:
    cheap = server.inspect(grey_png(0.4), part_id="cheap")["id"]
    assert ids(claim(server, "ann")) == [cheap]
    dear = server.inspect(grey_png(0.6), part_id="dear")["id"]
    assert ids(claim(server, "ann", keep=[cheap])) == [cheap, dear]
    server.client.delete("/v1/reviews/claims", params={"reviewer": "ann"}).raise_for_status()
    assert ids(claim(server, "bob", limit=2)) == [dear, cheap]
    anns = claim(server, "ann", keep=[cheap])
    assert ids(anns) == []
    assert [(one["inspection_id"], one["reviewer"]) for one in anns["refused"]] == [(cheap, "bob")]


def test_a_claim_ends_by_itself(start_server: StartServer) -> None:
    server = start_server(reviewing={"claim_seconds": 0.2, "blind_share": 0})
    parts = flagged(server, 2)
    until = datetime.fromisoformat(claim(server, "ann")["until"])
    assert until - datetime.now(UTC) < timedelta(seconds=0.2)
    while not (bobs := ids(claim(server, "bob"))):
        assert datetime.now(UTC) < until + timedelta(seconds=20)
    assert bobs == parts


def test_a_decision_ends_the_claim_and_undoing_frees_the_part(server: Served) -> None:
    (part,) = flagged(server, 1)
    claim(server, "ann")
    put(server, part, "UNSURE", "ann").raise_for_status()
    assert ids(claim(server, "ann")) == [], "never back to whoever was unsure"
    assert ids(claim(server, "bob")) == [part]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"line": "b"}, ["b old"]),
        ({"station": "final"}, ["a new"]),
        ({"lot": "L-9"}, ["b old"]),
        ({"class": "bright"}, ["a new", "b old"]),
        ({"class": "crack"}, []),
        ({"older_than_minutes": 60}, ["b old"]),
        ({"newer_than_minutes": 60}, ["a new"]),
    ],
)
def test_the_queue_is_filtered(server: Served, filters: dict[str, Any], expected: list[str]) -> None:
    server.inspect(grey_png(0.6), part_id="a new", line="a", station="final")
    old = server.inspect(grey_png(0.5), part_id="b old", line="b", station="paint", lot="L-9")["id"]
    age = update(inspections).where(inspections.c.id == old)
    received_at = datetime.now(UTC) - timedelta(hours=2)
    server.service.store.submit(
        lambda connection: connection.execute(age.values(received_at=received_at)) and None
    ).result()
    listed = server.client.get("/v1/reviews/queue", params=filters).json()
    assert [item["part_id"] for item in listed["items"]] == expected
    claimed = claim(server, "ann", **filters)
    assert [item["part_id"] for item in claimed["items"]] == expected
    assert claimed["waiting"] == len(expected)


def test_what_can_be_filtered_by_is_what_waits(server: Served) -> None:
    server.inspect(grey_png(0.6), part_id="1", line="b", lot="L-2")
    server.inspect(grey_png(0.6), part_id="2", line="a", lot="L-1")
    server.inspect(grey_png(0.1), part_id="3", line="passed", lot="L-3")
    choices = server.client.get("/v1/reviews/choices").json()
    assert choices == {"line": ["a", "b"], "station": ["final"], "lot": ["L-1", "L-2"], "class": ["bright"]}


def test_a_filter_that_leaves_nothing_is_refused(server: Served) -> None:
    answer = server.client.get("/v1/reviews/queue", params={"older_than_minutes": 60, "newer_than_minutes": 30})
    assert answer.status_code == 422
    assert "older_than_minutes" in answer.json()["detail"]


def test_a_decision_made_without_seeing_anothers_is_refused_and_nothing_overwritten(server: Served) -> None:
    (part,) = flagged(server, 1)
    theirs = put(server, part, "DEFECT_CONFIRMED", "bob").json()
    crossed = put(server, part, "FALSE_CALL", "ann", seen_review=None)
    assert crossed.status_code == 412
    assert "bob decided DEFECT_CONFIRMED" in crossed.json()["detail"]
    assert server.client.get(f"/v1/inspections/{part}").json()["review"] == theirs
    replaced = put(server, part, "FALSE_CALL", "ann", seen_review=theirs["client_id"])
    assert replaced.json()["supersedes"] == theirs["client_id"]
    assert put(server, part, None, "ann", seen_review=None).status_code == 200, "one's own is no surprise"
    assert put(server, part, "FALSE_CALL", "cyd", seen_review=None).status_code == 412, "bob's stands again"
    assert put(server, part, None, "bob", seen_review=theirs["client_id"]).status_code == 200
    assert put(server, part, "FALSE_CALL", "cyd", seen_review=None).status_code == 200, "it was withdrawn"


def test_blind_parts_are_the_set_share_and_audits_always(start_server: StartServer) -> None:
    server = start_server(reviewing={"blind_share": 1})
    flagged(server, 2)
    server.inspect(b"not an image", part_id="unreadable")
    items = server.client.get("/v1/reviews/queue").json()["items"]
    assert {item["part_id"]: item["blind"] for item in items} == {"Q-0": True, "Q-1": True, "unreadable": False}
    review = put(server, items[-1]["id"], "FALSE_CALL", "ann", blind=True).json()
    assert review["blind"] is True
    names = [str(uuid4()) for _ in range(4000)]
    drawn = [is_blind(name, Verdict.REVIEW, 0.1) for name in names]
    assert 0.07 < sum(drawn) / len(drawn) < 0.13
    assert drawn == [is_blind(name, Verdict.REVIEW, 0.1) for name in names]
    assert not any(is_blind(name, Verdict.REJECT, 0) for name in names)
    assert is_blind(names[0], Verdict.PASS, 0)


def test_a_class_says_nothing_of_blind_parts_and_loses_no_others(start_server: StartServer) -> None:
    server = start_server(reviewing={"blind_share": 0.5})
    parts = flagged(server, 30, lot="L-1")
    seen = [part for part in parts if not is_blind(part, Verdict.REVIEW, 0.5)]
    query = {"class": "bright", "lot": "L-1", "limit": 4, "reviewer": "ann"}
    found = server.client.get("/v1/reviews/queue", params=query).json()
    assert (ids(found), found["waiting"]) == (seen[:4], len(seen))
    claimed = claim(server, "bob", **{"class": "bright", "limit": 4})
    assert (ids(claimed), claimed["waiting"]) == (seen[:4], len(seen))
    found = server.client.get("/v1/reviews/queue", params=query).json()
    assert (ids(found), found["with_others"]) == (seen[4:8], 4)


def test_a_page_of_a_class_is_not_filled_with_blind_parts(server: Served) -> None:
    parts = flagged(server, 6)

    def draw(connection: Connection) -> None:
        connection.execute(update(inspections).where(inspections.c.id.in_(parts[:4])).values(audit="CHALLENGE"))

    server.service.store.submit(draw).result()
    assert ids(server.client.get("/v1/reviews/queue", params={"class": "bright", "limit": 1}).json()) == [parts[4]]


def test_a_blind_part_is_found_under_no_class(start_server: StartServer) -> None:
    server = start_server(reviewing={"blind_share": 1})
    flagged(server, 1, lot="L-3")
    for name in ("bright", "good"):
        found = server.client.get("/v1/reviews/queue", params={"class": name, "lot": "L-3"}).json()
        assert (found["items"], found["waiting"]) == ([], 0)
    choices = server.client.get("/v1/reviews/choices").json()
    assert (choices["class"], choices["lot"]) == ([], ["L-3"])

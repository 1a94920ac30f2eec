"""Second opinions: a share of what is decided goes to another person, blind, who knows nothing of the first decision."""

from typing import Any
from uuid import uuid4

import pytest

from serving.role import Role
from tests.accounts import key_client, person_client
from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_queue import claim, ids, put

DATABASES = ("sqlite", "postgresql")

EVERY = {"reviewing": {"blind_share": 0, "second_share": 1}}


@pytest.fixture
def server(start_server: StartServer) -> Served:
    """A server that asks for a second opinion on every part, with two people at work."""
    server = start_server(**EVERY)
    id_ = server.inspect(grey_png(0.9), part_id="before")["id"]
    for person in ("ann", "bob"):
        put(server, id_, "FALSE_CALL", person).raise_for_status()
    return server


def decided_by_ann(server: Served, decision: str = "DEFECT_CONFIRMED") -> str:
    id_: str = server.inspect(grey_png(0.9), part_id="P-1")["id"]
    put(server, id_, decision, "ann", defect_class="bright").raise_for_status()
    return id_


def hand(server: Served, person: str) -> dict[str, dict[str, Any]]:
    items = claim(server, person, limit=20)["items"]
    server.client.delete("/v1/reviews/claims", params={"reviewer": person}).raise_for_status()
    return {item["part_id"]: item for item in items}


def standing(server: Served, id_: str) -> tuple[str, str]:
    review = server.client.get(f"/v1/inspections/{id_}").json()["review"]
    return review["reviewer"], review["decision"]


def test_a_decided_part_goes_blind_to_somebody_else_and_stays_decided_meanwhile(server: Served) -> None:
    id_ = decided_by_ann(server)
    assert "P-1" not in hand(server, "ann")
    item = hand(server, "bob")["P-1"]
    hidden = {"defect_probability", "class", "thresholds", "review"}
    assert item["blind"] is True
    assert {name: item[name] for name in hidden} == dict.fromkeys(hidden)
    assert standing(server, id_) == ("ann", "DEFECT_CONFIRMED")


def test_a_part_that_waits_for_a_second_opinion_is_no_example_for_others(server: Served) -> None:
    first = decided_by_ann(server, "FALSE_CALL")
    other = server.inspect(grey_png(0.9), part_id="P-2")["id"]

    def reference() -> str:
        found: str = server.client.get(f"/v1/inspections/{other}/similar").json()["reference"]["inspection"]["id"]
        return found

    assert reference() != first, "bob, who is to give the second opinion, would see the first one here"
    put(server, first, "FALSE_CALL", "bob", blind=True, seen_review=None).raise_for_status()
    assert reference() == first


def test_the_second_decision_supersedes_and_ends_it(server: Served) -> None:
    id_ = decided_by_ann(server)
    put(server, id_, "FALSE_CALL", "bob", blind=True, seen_review=None).raise_for_status()
    assert standing(server, id_) == ("bob", "FALSE_CALL")
    assert all("P-1" not in hand(server, person) for person in ("ann", "bob", "cyd"))
    found = server.client.get("/v1/metrics/agreement").json()
    assert (found["between"]["hits"], found["between"]["n"]) == (0, 1)


def test_who_is_unsure_of_a_second_opinion_leaves_the_first_one_standing(server: Served) -> None:
    id_ = decided_by_ann(server)
    unsure = put(server, id_, "UNSURE", "bob", blind=True, seen_review=None).json()
    assert standing(server, id_) == ("ann", "DEFECT_CONFIRMED")
    assert unsure["supersedes"] is None
    assert "P-1" not in hand(server, "bob")
    assert "P-1" in hand(server, "cyd")
    put(server, id_, None, "bob", seen_review=unsure["client_id"], blind=True).raise_for_status()
    assert "P-1" in hand(server, "bob"), "undone"
    assert standing(server, id_) == ("ann", "DEFECT_CONFIRMED")


def test_what_was_decided_offline_meanwhile_is_a_second_opinion(server: Served) -> None:
    id_ = decided_by_ann(server)
    late = put(server, id_, "FALSE_CALL", "bob", seen_review=None)
    assert late.status_code == 200, "bob had it on the screen, with the verdict, while ann decided"
    assert late.json()["blind"] is False
    assert standing(server, id_) == ("bob", "FALSE_CALL")
    assert all("P-1" not in hand(server, person) for person in ("ann", "bob", "cyd"))
    found = server.client.get("/v1/metrics/agreement").json()
    assert found["between"] is None, "who saw the verdict is not compared with ann, who saw it too"


def test_a_stale_undo_does_not_take_back_what_somebody_else_decided(server: Served) -> None:
    id_ = decided_by_ann(server)
    assert put(server, id_, None, "bob", seen_review=str(uuid4())).status_code == 200
    assert standing(server, id_) == ("ann", "DEFECT_CONFIRMED")
    assert "P-1" in hand(server, "bob")


def figures(server: Served) -> dict[str, Any]:
    quality = server.client.get("/v1/metrics/quality").json()
    return {name: quality[name] for name in ("waiting", "defects_confirmed", "false_calls", "by_class")}


def test_undoing_the_second_opinion_lets_the_first_stand_again_in_every_figure(server: Served) -> None:
    id_ = decided_by_ann(server)
    before = figures(server)
    assert before["by_class"] == {"bright": 1}
    second = put(server, id_, "FALSE_CALL", "bob", blind=True, seen_review=None).json()
    assert figures(server) != before
    put(server, id_, None, "bob", seen_review=second["client_id"]).raise_for_status()
    assert standing(server, id_) == ("ann", "DEFECT_CONFIRMED")
    assert figures(server) == before
    assert "P-1" not in hand(server, "ann")
    assert hand(server, "bob")["P-1"]["blind"] is True, "as before"
    put(server, id_, "DEFECT_ACCEPTED", "bob", blind=True, seen_review=None).raise_for_status()
    assert standing(server, id_) == ("bob", "DEFECT_ACCEPTED")
    assert all("P-1" not in hand(server, person) for person in ("ann", "bob", "cyd"))


def test_who_takes_back_a_change_of_mind_is_not_asked_for_the_second_opinion(server: Served) -> None:
    id_ = decided_by_ann(server)
    put(server, id_, "FALSE_CALL", "ann").raise_for_status()
    put(server, id_, None, "ann").raise_for_status()
    assert standing(server, id_) == ("ann", "DEFECT_CONFIRMED")
    assert "P-1" not in hand(server, "ann")
    assert "P-1" in hand(server, "bob")


def test_whoever_decided_may_think_better_of_it(server: Served) -> None:
    id_ = decided_by_ann(server)
    put(server, id_, None, "ann").raise_for_status()
    assert hand(server, "ann")["P-1"]["blind"] is False
    put(server, id_, "FALSE_CALL", "ann").raise_for_status()
    assert standing(server, id_) == ("ann", "FALSE_CALL")
    assert "P-1" in hand(server, "bob")


def test_nobody_is_asked_where_one_person_reviews_alone(start_server: StartServer) -> None:
    server = start_server(**EVERY)
    decided_by_ann(server)
    assert ids(claim(server, "bob")) == []


def test_the_first_decision_is_hidden_from_those_who_could_be_asked(start_server: StartServer) -> None:
    server = start_server(auth=True, **EVERY)
    ann, bob = (person_client(server, name, Role.INSPECTOR) for name in ("ann", "bob"))
    manager, camera = person_client(server, "max", Role.MANAGER), key_client(server, Role.CAMERA)
    for part, who, name in (("P-0", bob, "bob"), ("P-1", ann, "ann")):
        posted = camera.post("/v1/inspections", params=server.frame(part_id=part), content=grey_png(0.9))
        id_ = posted.json()["id"]
        body = {"inspection_id": id_, "decision": "FALSE_CALL", "reviewer": name, "decided_at": "2026-11-01T08:00:00Z"}
        who.put(f"/v1/reviews/{uuid4()}", json=body).raise_for_status()
    address = f"/v1/inspections/{id_}"
    assert bob.get(address).json()["review"] is None
    assert bob.get(f"{address}/heatmap").status_code == 404
    for who in (ann, manager):
        assert who.get(address).json()["review"]["decision"] == "FALSE_CALL"

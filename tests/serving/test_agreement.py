"""Studies of agreement over HTTP, and agreement in ordinary reviews."""

from typing import Any

import pytest

from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_reviews import review

DATABASES = ("sqlite", "postgresql")


def decide(server: Served) -> dict[str, bool]:
    """Twelve decided parts; truth by inspection: of six defects the model passed one that an audit found."""
    truth = {}
    for number in range(12):
        defective = number % 2 == 0
        frame = server.inspect(grey_png(0.9 if defective and number else 0.1), part_id=f"P-{number}")
        review(server, frame["id"], "DEFECT_CONFIRMED" if defective else "FALSE_CALL")
        truth[frame["id"]] = defective
    return truth


def plan(server: Served, **changes: Any) -> Any:
    body = {"name": "first", "people": ["ann", "bob"], "parts": 8, "trials": 2, "person": "max", **changes}
    return server.client.post("/v1/studies", json=body)


def run(server: Served, study: str, person: str, truth: dict[str, bool], wrong: int = 0) -> list[str]:
    """Call every part rightly but for the first `wrong`; the inspections in the order they were shown."""
    task = server.client.get(f"/v1/studies/{study}/task", params={"person": person}).json()
    shown = []
    while task["inspection_id"] is not None:
        shown.append(task["inspection_id"])
        defective = truth[task["inspection_id"]] ^ (len(shown) <= wrong)
        body = {
            "person": person,
            "trial": task["trial"],
            "number": task["number"],
            "defective": defective,
            "seconds": 2,
        }
        task = server.client.post(f"/v1/studies/{study}/answers", json=body).json()
    return shown


def test_study_runs_to_its_end_and_says_who_agrees_with_whom(server: Served) -> None:
    truth = decide(server)
    study = plan(server).json()
    assert (study["parts"], study["answered"]) == (8, {"ann": 0, "bob": 0})
    order = run(server, study["id"], "ann", truth)
    assert len(order) == 16
    assert set(order[:8]) == set(order[8:])
    assert order[:8] != order[8:], "another order in each trial"
    query = {"study": study["id"]}
    waiting = server.client.get("/v1/metrics/agreement", params=query).json()
    assert (waiting["parts"], waiting["missing"]) == (0, 16)
    run(server, study["id"], "bob", truth, wrong=1)
    found = server.client.get("/v1/metrics/agreement", params=query).json()
    assert (found["parts"], found["people"], found["trials"], found["missing"]) == (8, 2, 2, 0)
    ann, bob, model = found["appraisers"]
    assert (ann["name"], ann["effectiveness"]["hits"], ann["kappa"]["value"]) == ("A", 8, pytest.approx(1))
    assert (bob["within"]["hits"], bob["effectiveness"]["hits"]) == (7, 7)
    assert (model["name"], model["within"]) == (None, None)
    assert (found["between"]["hits"], found["all_against"]["hits"]) == (7, 7)
    assert "ann" not in str(found), "people are shown under pseudonyms"


def test_call_in_a_study_stands_and_only_its_people_answer(server: Served) -> None:
    truth = decide(server)
    study = plan(server).json()["id"]
    task = server.client.get(f"/v1/studies/{study}/task", params={"person": "ann"}).json()
    assert set(task) == {"trial", "number", "inspection_id", "aid", "answered", "of"}, "nothing of verdict or truth"
    assert task["aid"] is None
    body = {"person": "ann", "trial": 1, "number": task["number"], "defective": True}
    first = server.client.post(f"/v1/studies/{study}/answers", json=body)
    assert server.client.post(f"/v1/studies/{study}/answers", json=body).json() == first.json()
    assert server.client.post(f"/v1/studies/{study}/answers", json={**body, "defective": False}).status_code == 409
    assert server.client.post(f"/v1/studies/{study}/answers", json={**body, "person": "eve"}).status_code == 403
    assert server.client.post(f"/v1/studies/{study}/answers", json={**body, "number": 8}).status_code == 422
    assert server.client.get("/v1/studies/none/task", params={"person": "ann"}).status_code == 404
    assert len(truth) == 12


def test_study_with_too_few_decided_parts_says_how_many_there_are(server: Served) -> None:
    decide(server)
    answer = plan(server, parts=50)
    assert answer.status_code == 422
    assert "50 wanted, and people have decided 6 frames as defective and 6 as good" in answer.json()["detail"]
    assert plan(server, people=["ann", "ann"]).status_code == 422


def test_blind_reviews_compare_people_with_the_model_and_challenges_with_the_truth(start_server: StartServer) -> None:
    server = start_server()
    for number in range(4):
        body = {"defective": number < 2, "person": "max"}
        server.client.put(f"/v1/challenges/C-{number}", json=body)
        frame = server.inspect(grey_png(0.9 if number == 0 else 0.1), part_id=f"C-{number}")
        review(server, frame["id"], "DEFECT_CONFIRMED" if number < 2 else "FALSE_CALL", blind=True)
        if number == 3:
            review(server, frame["id"], "DEFECT_CONFIRMED", reviewer="bob", blind=True)
    found = server.client.get("/v1/metrics/agreement").json()
    assert found["source"] == "reviews"
    comparison = found["comparison"]
    assert (comparison["n"], comparison["both"], comparison["only_people"], comparison["neither"]) == (4, 1, 1, 2)
    assert (found["between"]["hits"], found["between"]["n"]) == (0, 1)
    person, model = found["appraisers"]
    assert (person["miss"]["hits"], model["miss"]["hits"], model["miss"]["n"]) == (0, 1, 2)

"""People, the model and people with the model on the same parts: a study's crossover, its figures, and a baseline from it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, update

from serving.baseline_schema import BaselineComparison, LineCounts
from serving.baselines import compare, get
from serving.changes import changes_between
from serving.past_counts import measured_counts
from serving.quality import paired
from serving.tables import baselines
from tests.conftest import Served, grey_png
from tests.serving.test_agreement import plan
from tests.serving.test_reviews import review

DATABASES = ("sqlite", "postgresql")

PARTS = 24


@pytest.fixture
def truth(server: Served) -> dict[str, bool]:
    """Decided parts, half of them defective; the model passed four of the twelve defects."""
    found = {}
    for number in range(PARTS):
        defective = number % 2 == 0
        frame = server.inspect(grey_png(0.9 if defective and number >= 8 else 0.1), part_id=f"P-{number}")
        review(server, frame["id"], "DEFECT_CONFIRMED" if defective else "FALSE_CALL")
        found[frame["id"]] = defective
    return found


def run(server: Served, study: str, person: str, truth: dict[str, bool]) -> dict[bool, set[str]]:
    """Call every part rightly with the model and every defect wrongly without; slower alone. The parts of either kind."""
    seen: dict[bool, set[str]] = {False: set(), True: set()}
    task = server.client.get(f"/v1/studies/{study}/task", params={"person": person}).json()
    while task["inspection_id"] is not None:
        id_, aided = task["inspection_id"], task["aid"] is not None
        if aided:
            assert task["aid"]["review"] is None, "what people decided is the truth of the study"
            assert task["aid"]["defect_probability"] is not None
        seen[aided].add(id_)
        body = {
            "person": person,
            "trial": task["trial"],
            "number": task["number"],
            "defective": truth[id_] and aided,
            "seconds": 4 if aided else 10,
        }
        task = server.client.post(f"/v1/studies/{study}/answers", json=body).json()
    return seen


def compared(server: Served, study: str) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get(f"/v1/studies/{study}/comparison").json()
    return found


def test_each_part_is_called_as_often_with_the_model_as_without(server: Served, truth: dict[str, bool]) -> None:
    assert plan(server, kind="WITH_AI", trials=3).status_code == 422
    study = plan(server, kind="WITH_AI", people=["ann"], parts=PARTS, trials=2).json()["id"]
    seen = run(server, study, "ann", truth)
    assert seen[False] == seen[True] == set(truth)
    found = compared(server, study)
    readers = {reader["who"]: reader for reader in found["readers"]}
    assert (found["defective"], found["good"], found["missing"]) == (12, 12, 0)
    assert {who: reader["sensitivity"]["value"] for who, reader in readers.items()} == {
        "people": 0.0,
        "model": pytest.approx(8 / 12),
        "people_with_model": 1.0,
    }
    assert readers["people"]["sensitivity"]["high"] > 0, "twelve misses of twelve are not every one"
    assert readers["people_with_model"]["specificity"]["value"] == 1.0
    assert (readers["people"]["seconds"]["value"], readers["model"]["seconds"]) == (10, None)
    gaps = {(gap["first"], gap["second"]): gap for gap in found["gaps"]}
    helped = gaps["people_with_model", "people"]
    assert (helped["sensitivity"]["value"], helped["seconds"]["value"]) == (1.0, -6)
    assert helped["sensitivity"]["low"] > 0.5
    assert (helped["right"]["only_people"], helped["right"]["p"]) == (12, pytest.approx(2 * 0.5**12))


def test_a_study_with_the_model_tells_agreement_without_it(server: Served, truth: dict[str, bool]) -> None:
    study = plan(server, kind="WITH_AI", parts=PARTS, trials=2).json()["id"]
    for person in ("ann", "bob"):
        run(server, study, person, truth)
    found = server.client.get("/v1/metrics/agreement", params={"study": study}).json()
    assert (found["trials"], found["parts"]) == (1, PARTS)
    assert (found["between"]["hits"], found["appraisers"][0]["miss"]["hits"]) == (PARTS, 12)


def test_too_few_complete_parts_are_no_figure(server: Served, truth: dict[str, bool]) -> None:
    study = plan(server, people=["ann"], parts=8, trials=1).json()["id"]
    assert compared(server, study)["readers"][0]["sensitivity"] == dict.fromkeys(("value", "low", "high")) | {
        "n": 0,
        "needed": 10,
    }
    run(server, study, "ann", truth)
    people = compared(server, study)["readers"][1]
    assert (people["who"], people["sensitivity"]["value"], people["sensitivity"]["n"]) == ("people", None, 4)


def compared_a_day_later(server: Served, baseline: str) -> BaselineComparison:
    """Today against the baseline, as if that had been frozen yesterday."""
    today, day = datetime.now(UTC).date(), timedelta(days=1)

    def job(connection: Connection) -> BaselineComparison:
        was = get(connection, baseline, server.service.settings.zone)
        earlier = {"since": was.since - day, "until": was.until - day}
        connection.execute(update(baselines).where(baselines.c.id == baseline).values(earlier))
        return compare(connection, baseline, today, today + day, imported=False, zone=server.service.settings.zone)

    return server.service.store.submit(job).result()


def test_what_escapes_people_alone_is_frozen_as_a_baseline(server: Served, truth: dict[str, bool]) -> None:
    study = plan(server, people=["ann"], parts=PARTS, trials=1).json()["id"]
    body = {"name": "before", "kind": "STUDY", "study": study, "person": "max", "reason": "before the system"}
    early = server.client.post("/v1/baselines", json=body)
    assert early.status_code == 422
    assert "have not called every part" in early.json()["detail"]
    run(server, study, "ann", truth)
    baseline = server.client.post("/v1/baselines", json=body).json()
    (counts,) = baseline["counts"]
    assert (counts["inspected"], counts["confirmed"], counts["audited"], counts["audit_defects"]) == (24, 0, 24, 12)
    assert counts["false_calls"] == 0
    compared = compared_a_day_later(server, baseline["id"])
    assert {change.key for change in compared.changes} <= {"escape_rate", "overkill_rate", "review_seconds"}
    assert (counts["units"], counts["looks"], counts["timed"], counts["seconds"]) == (24, 24, 24, 240)
    for number in range(20):
        frame = server.inspect(grey_png(0.9 if number < 10 else 0.1), part_id=f"L-{number}")
        if number < 10:
            review(server, frame["id"], "DEFECT_CONFIRMED", seconds=3)
    with server.service.store.reading() as connection:
        since = datetime.fromisoformat(baseline["until"])
        after = measured_counts(connection, since, datetime.now(UTC) + timedelta(seconds=1))
    assert [(one.units, one.looks, one.timed, one.seconds) for one in after] == [(20, 10, 10, 30)]
    change = {one.key: one for one in changes_between([LineCounts(**counts)], after)}["review_seconds"]
    assert (change.before.value, change.after.value) == (10, 1.5), "seconds for each inspected part"
    assert change.relative == pytest.approx(-0.85)
    assert server.client.post("/v1/baselines", json=body | {"kind": "SESSION"}).status_code == 422


def test_intervals_over_parts_hold_at_their_level() -> None:
    """1,000 studies of 25 parts and three people each, whose calls of one part depend on each other."""
    random = np.random.default_rng(5)
    inside = {"share": 0, "gap": 0, "seconds": 0}
    for _ in range(1000):
        ease = random.beta(9, 1, 25)
        alone, aided = (random.random((3, 25)) < one for one in (ease, 0.5 + 0.5 * ease))
        share = paired.share(alone.mean(axis=0))
        gap = paired.gap(aided.mean(axis=0) - alone.mean(axis=0))
        hard = random.gamma(4, 1.5, 25)
        seconds = paired.mean((hard * random.gamma(8, 1 / 8, (3, 25))).mean(axis=0))
        assert seconds is not None
        inside["seconds"] += seconds.low <= 6 <= seconds.high
        inside["share"] += share.low <= 0.9 <= share.high
        inside["gap"] += gap.low <= 0.05 <= gap.high
    assert min(inside.values()) >= 930, inside


def test_adjusted_intervals_are_those_of_the_papers_for_single_calls() -> None:
    found = paired.share(np.array([1.0] * 9 + [0.0]))
    centre, half = 11 / 14, 2.16037 * np.sqrt(11 / 14 * 3 / 14 / 14)
    assert (found.value, found.low) == (0.9, pytest.approx(centre - half, abs=1e-4))
    assert found.high == pytest.approx(min(1.0, centre + half))
    even = paired.gap(np.zeros(20))
    assert even.low == pytest.approx(-even.high)
    assert even.high > 0.05, "no difference in twenty parts is not none at all"
    assert paired.mean(np.array([3.0])) is None

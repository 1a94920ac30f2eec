"""Automation bias: calls with the model's verdict on the screen against calls without, told only where there are enough."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, insert

from serving.bias import metrics
from serving.bias_schema import BiasMetrics
from serving.role import Role
from serving.scope import Scope
from serving.settings import Reviewing, Settings
from serving.store import Store
from serving.tables import challenges, inspections, reviews
from tests.accounts import person_client
from tests.conftest import StartServer
from tests.serving.test_hourly import rows

DATABASES = ("sqlite", "postgresql")

NOW = datetime.now(UTC)
DAY = Scope(NOW - timedelta(days=1), NOW + timedelta(days=1))


@pytest.fixture
def store(database: str) -> Any:
    opened = Store.open(database)
    yield opened
    opened.close()


def look(
    store: Store,
    calls: Sequence[tuple[str, str, bool]],
    verdict: str = "REJECT",
    audit: str | None = None,
    truth: bool | None = None,
    seconds: float = 3.0,
) -> None:
    """One new frame, called in this order by (person, decision, blind)."""
    frame = rows(3)[0] | {"id": str(uuid4()), "part_id": str(uuid4()), "received_at": NOW, "verdict": verdict}
    made = [
        {
            "client_id": str(uuid4()),
            "inspection_id": frame["id"],
            "decision": decision,
            "note": "",
            "reviewer": person,
            "seconds": seconds,
            "blind": blind,
            "decided_at": NOW,
            "received_at": NOW,
        }
        for person, decision, blind in calls
    ]
    known = {"part_id": frame["part_id"], "defective": truth, "note": "", "person": "max", "registered_at": NOW}

    def write(connection: Connection) -> None:
        connection.execute(insert(inspections), frame | {"audit": audit})
        connection.execute(insert(reviews), made)
        if truth is not None:
            connection.execute(insert(challenges), known)

    store.submit(write).result()


def measured(store: Store, may_name: bool = True, **reviewing: Any) -> BiasMetrics:
    with store.reading() as connection:
        return metrics(connection, DAY, Settings(reviewing=Reviewing(**reviewing)), may_name)


def test_seeing_the_verdict_makes_a_gap_that_chance_would_not(store: Store) -> None:
    for number in range(100):
        defect = "DEFECT_CONFIRMED"
        look(store, [("ann", defect if number < 90 else "FALSE_CALL", False)], seconds=2)
        look(store, [("ann", defect if number < 60 else "FALSE_CALL", True)], seconds=10)
    found = measured(store)
    assert (found.agreed_shown.value, found.agreed_blind.value) == (0.9, 0.6)
    assert found.gap.value == pytest.approx(0.3)
    # Newcombe (1998), method 10, worked by hand from the two Wilson intervals (.8256, .9448) and (.5020, .6906)
    assert (found.gap.low, found.gap.high) == (pytest.approx(0.1827, abs=5e-4), pytest.approx(0.4077, abs=5e-4))
    rejected = {each.shown: each.against for each in found.overrides if each.verdict.value == "REJECT"}
    assert (rejected[True].hits, rejected[False].hits) == (10, 40)
    shown, blind = found.times
    assert (shown.p50, blind.p50, shown.counts[2], blind.counts[4]) == (2, 10, 100, 100)


def test_too_few_calls_are_no_figure(store: Store) -> None:
    for blind in (False, True):
        look(store, [("ann", "DEFECT_CONFIRMED", blind)])
    found = measured(store)
    assert (found.agreed_shown.value, found.agreed_shown.n, found.agreed_shown.needed) == (None, 1, 96)
    assert (found.gap.value, found.caught.value, found.caught.n) == (None, None, 0)
    assert found.times[0].p50 is None


def test_challenge_parts_tell_people_and_model_apart(store: Store) -> None:
    for number in range(30):
        call = "DEFECT_CONFIRMED" if number < 27 else "FALSE_CALL"
        verdict = "PASS" if number < 6 else "REJECT"
        look(store, [("ann", call, True)], verdict, "CHALLENGE", truth=True)
    look(store, [("ann", "DEFECT_CONFIRMED", True)], "PASS", "CHALLENGE", truth=False)
    found = measured(store)
    assert (found.caught.value, found.model_caught.value) == (0.9, 0.8)
    assert (found.cleared.hits, found.cleared.n, found.cleared.value) == (0, 1, None)
    assert found.agreed_blind.n == 0, "challenge parts are no production"


def test_second_opinions_and_changes_of_mind_are_counted(store: Store) -> None:
    look(store, [("ann", "DEFECT_CONFIRMED", False), ("bob", "FALSE_CALL", True)])
    look(store, [("ann", "DEFECT_CONFIRMED", False), ("bob", "DEFECT_CONFIRMED", True)])
    look(store, [("ann", "DEFECT_CONFIRMED", False), ("bob", "FALSE_CALL", False)])
    look(store, [("ann", "FALSE_CALL", True), ("ann", "DEFECT_CONFIRMED", True)])
    found = measured(store)
    assert (found.second.hits, found.second.n) == (1, 2), "whoever saw the first one gives no second opinion"
    assert (found.first_defect_only, found.second_defect_only) == (1, 0)
    assert (found.switched.hits, found.switched.n, found.switched_to_model) == (1, 3, 1)
    assert found.agreed_shown.n == 3, "the first decision alone counts"


def test_people_are_pseudonyms_and_names_only_for_who_may_plan(store: Store) -> None:
    for person in ("ann", "bob"):
        look(store, [(person, "DEFECT_CONFIRMED", False)])
    assert measured(store).people == [], "a pseudonym in a team of two hides nobody"
    look(store, [("cyd", "DEFECT_CONFIRMED", False)])
    assert [person.name for person in measured(store).people] == ["A", "B", "C"]
    named = measured(store, people_in_figures="names")
    assert [person.name for person in named.people] == ["ann", "bob", "cyd"]
    hidden = measured(store, may_name=False, people_in_figures="names")
    assert (hidden.people_shown, hidden.people[0].name) == ("pseudonyms", "A")
    assert measured(store, people_in_figures="none").people == []


def test_the_route_is_for_those_who_measure(start_server: StartServer) -> None:
    server = start_server(auth=True)
    answer = person_client(server, "max", Role.MANAGER).get("/v1/metrics/bias")
    assert answer.json()["agreed_shown"] == {"value": None, "low": None, "high": None, "hits": 0, "n": 0, "needed": 96}
    assert person_client(server, "ann", Role.INSPECTOR).get("/v1/metrics/bias").status_code == 403

"""What takes an assumption's place: before and after the system, measured alike and of the right days."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import insert

from serving.assumptions import adopt, read_assumptions
from serving.baseline_schema import BaselineKind, FreezeBaseline, LineCounts, RolloutRequest
from serving.baselines import compare, freeze, list_all, roll_out
from serving.changes import changes_between
from serving.escapes import count_span, metrics
from serving.figures import figures
from serving.measured import Measured, measure
from serving.metrics import quality
from serving.past_counts import measured_counts
from serving.quality_schema import GroupBy
from serving.roi import report, what_if
from serving.scope import Scope
from serving.settings import Settings, load_settings
from serving.store import Store
from serving.tables import baselines, field_returns, inspections, reviews
from serving.tallies import span_of
from tests.conftest import ROOT

DATABASES = ("sqlite", "postgresql")

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
WHO = {"person": "mei", "reason": "to know"}


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = Store.open(database)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(ROOT / "configs/serving/default.yaml", []).model_copy(update={"enough_reviews": 5})


def frame(days_ago: float, decision: str | None = None, **changes: Any) -> dict[str, Any]:
    """Passed; flagged where there is a decision (an empty one leaves the flag open)."""
    return {
        "id": str(uuid4()),
        "received_at": NOW - days_ago * DAY,
        "captured_at": NOW,
        "product": "p",
        "line": "a",
        "station": "s",
        "camera": "c",
        "part_id": str(uuid4()),
        "lot": "lot",
        "verdict": "PASS" if decision is None else "REVIEW",
        "decision": decision or None,
        "class_probability": {},
        "regions": [],
        "latency_ms": 1.0,
        "image_sha256": "0" * 64,
        "image_type": "image/png",
        "image_bytes": 1,
        "audit": None,
        "audit_band": None,
        "audit_probability": None,
        **changes,
    }


def made(days_ago: float, count: int, false_calls: int, **changes: Any) -> list[dict[str, Any]]:
    """So many frames of one day, all flags among them decided."""
    return [
        frame(days_ago + number / count, "FALSE_CALL" if number < false_calls else None, **changes)
        for number in range(count)
    ]


def keep(store: Store, rows: Sequence[dict[str, Any]]) -> None:
    store.submit(lambda connection: connection.execute(insert(inspections), list(rows)) and None).result()


def frozen(store: Store, name: str, first: int, last: int) -> None:
    """A SESSION baseline from `first` to `last` days ago."""
    request = FreezeBaseline(
        name=name,
        kind=BaselineKind.SESSION,
        first_day=(NOW - first * DAY).date(),
        last_day=(NOW - last * DAY).date(),
        **WHO,
    )
    store.submit(lambda connection: freeze(connection, request, ZoneInfo("UTC"))).result()


def kept(store: Store, kind: BaselineKind, until: float, **counts: Any) -> None:
    """A baseline that is there already, frozen now, whose period ends `until` days ago."""
    one = LineCounts.model_validate(
        {
            "line": "a",
            "product": "p",
            **dict.fromkeys(("flagged", "reviewed", "false_calls", "confirmed", "audited", "audit_defects", "escapes")),
            **counts,
        }
    )
    row = {
        "id": str(uuid4()),
        "name": kind.value,
        "kind": kind.value,
        "since": NOW - (until + 10) * DAY,
        "until": NOW - until * DAY,
        "counts": [one.model_dump(mode="json")],
        "frozen_at": datetime.now(UTC),
        **WHO,
    }
    store.submit(lambda connection: connection.execute(insert(baselines), row) and None).result()


def rolled_out(store: Store, line: str, days_ago: int) -> None:
    request = RolloutRequest(line=line, day=(NOW - days_ago * DAY).date(), **WHO)
    store.submit(lambda connection: roll_out(connection, request)).result()


def measured(store: Store, settings: Settings) -> Measured:
    with store.reading() as connection:
        return measure(connection, settings)


def test_before_is_what_was_before_the_system_and_not_what_was_frozen_last(store: Store, settings: Settings) -> None:
    keep(store, made(50, 500, 40))
    keep(store, made(5, 500, 5))
    frozen(store, "old way", 52, 48)
    rolled_out(store, "a", 40)
    before = measured(store, settings).inputs["false_call_rate_before"]
    assert before.value == pytest.approx(0.08)
    # Of the model itself beside another; of people without the model, long after they got it.
    kept(store, BaselineKind.SHADOW, 45, inspected=500, flagged=5, reviewed=5, false_calls=5, confirmed=0)
    kept(store, BaselineKind.STUDY, 10, inspected=500, flagged=400, reviewed=400, confirmed=400)
    kept(store, BaselineKind.HISTORY, 10, inspected=500, flagged=5, reviewed=5, false_calls=5, confirmed=0)
    assert measured(store, settings).inputs["false_call_rate_before"] == before


def test_a_study_that_says_nothing_of_false_calls_hides_no_older_baseline(store: Store, settings: Settings) -> None:
    keep(store, made(50, 500, 40))
    keep(store, made(5, 500, 5))
    frozen(store, "old way", 52, 48)
    rolled_out(store, "a", 40)
    study = {"inspected": 400, "flagged": 160, "reviewed": 160, "confirmed": 160, "audited": 240, "audit_defects": 40}
    kept(store, BaselineKind.STUDY, 42, **study)
    found = measured(store, settings)
    assert found.inputs["false_call_rate_before"].value == pytest.approx(0.08)
    assert found.beside["escape_rate_before"].value == pytest.approx(0.2)


def test_since_is_counted_after_the_baseline_and_in_recent_days(store: Store, settings: Settings) -> None:
    keep(store, made(95, 200, 100))
    keep(store, made(50, 500, 40))
    keep(store, made(5, 500, 5))
    assert measured(store, settings).inputs["false_call_rate_after"].value == pytest.approx(45 / 1000)
    frozen(store, "old way", 52, 48)
    kept(store, BaselineKind.STUDY, 1, inspected=400, flagged=160, reviewed=160, confirmed=160)
    found = measured(store, settings)
    assert found.inputs["false_call_rate_after"].value == pytest.approx(0.01)
    assert found.inputs["false_call_rate_before"].value == pytest.approx(0.08)


def test_since_is_counted_on_each_line_from_its_roll_out(store: Store, settings: Settings) -> None:
    for line, days_ago, false_calls in (("a", 50, 40), ("a", 20, 10), ("b", 20, 40), ("b", 5, 5), ("c", 5, 400)):
        keep(store, made(days_ago, 500, false_calls, line=line))
    rolled_out(store, "a", 40)
    rolled_out(store, "b", 10)
    rolled_out(store, "c", -10)
    found = measured(store, settings)
    assert found.inputs["false_call_rate_after"].value == pytest.approx(15 / 1000)
    assert "Rates since are of the lines with a roll-out, each from that day on: a, b." in {
        note.en for note in found.notes
    }


def test_each_line_is_told_by_its_own_reviews(store: Store, settings: Settings) -> None:
    # Of line b hardly any flag is reviewed, and all are false.
    keep(store, made(5, 1000, 100, line="a") + [frame(5, "DEFECT_CONFIRMED", line="a") for _ in range(100)])
    keep(store, [frame(5, "FALSE_CALL" if number < 10 else "", line="b") for number in range(200)])
    found = measured(store, settings)
    assert found.inputs["false_call_rate_after"].value == pytest.approx((100 + 200) / 1300)
    assert found.inputs["false_call_rate_after"].n == 210
    assert found.at_least["defective_rate"].value == pytest.approx(100 / 1300)
    assert found.inputs["false_call_rate_after"].low < 0.2 < 300 / 1300 < found.inputs["false_call_rate_after"].high


def test_before_and_since_are_of_the_same_lines_in_the_same_proportions(store: Store, settings: Settings) -> None:
    for line, n, false_calls in (("a", 900, 9), ("b", 100, 50), ("gone", 500, 500)):
        keep(store, made(50, n, false_calls, line=line))
    for line, n, false_calls in (("a", 100, 1), ("b", 900, 450), ("new", 800, 0)):
        keep(store, made(5, n, false_calls, line=line))
    frozen(store, "old way", 52, 48)
    found = measured(store, settings).inputs
    for name in ("false_call_rate_before", "false_call_rate_after"):
        assert found[name].value == pytest.approx(0.451), "nothing changed on the lines of both"
    assert "on the lines and products of baseline old way alone" in found["false_call_rate_after"].source.en


def test_a_baseline_of_other_products_is_compared_and_not_counted(store: Store, settings: Settings) -> None:
    keep(store, made(50, 500, 40, product="other"))
    keep(store, made(5, 500, 5))
    frozen(store, "old way", 52, 48)
    found = measured(store, settings)
    assert "false_call_rate_before" not in found.inputs
    assert found.inputs["false_call_rate_after"].value == pytest.approx(0.01)
    assert found.beside["false_call_rate_before"].value == pytest.approx(0.08)
    assert any("No line made the same product in the baseline old way and since" in note.en for note in found.notes)


def test_how_long_people_look_is_measured_where_they_looked_at_each_part(store: Store, settings: Settings) -> None:
    times = {"units": 50, "timed": 50, "seconds": 300.0, "squared_seconds": 1900.0}
    kept(store, BaselineKind.SESSION, 5, inspected=50, flagged=20, reviewed=20, looks=20, **times)
    assert "look_seconds" not in measured(store, settings).inputs
    kept(store, BaselineKind.STUDY, 5, inspected=50, flagged=20, reviewed=20, looks=50, **times)
    found = measured(store, settings)
    seconds = found.inputs["look_seconds"]
    assert (seconds.value, seconds.n, seconds.source.en) == (6, 50, "baseline STUDY")
    half = 2.0096 * np.sqrt((1900 / 50 - 36) * 50 / 49 / 50)
    assert (seconds.low, seconds.high) == (pytest.approx(6 - half, abs=0.02), pytest.approx(6 + half, abs=0.02))
    assert any("People alone took 6.0 s to look at a part (baseline STUDY)" in note.en for note in found.notes)


def test_inspector_seconds_of_the_history_are_the_time_before(store: Store, settings: Settings) -> None:
    each = [{"day": f"2026-03-{day:02}", "inspected": 25, "seconds": 150 + 30 * (-1) ** day} for day in range(1, 21)]
    timed = {"days": 20, "inspected": 500, "seconds": 3000.0, "each": each}
    counted = {"inspected": 500, "flagged": 40, "reviewed": 40, "false_calls": 40, "confirmed": 0}
    kept(store, BaselineKind.HISTORY, 10, **counted, timed_days=timed)
    keep(store, made(5, 500, 5))
    found = measured(store, settings)
    assert found.seconds_before is None
    assert any(
        "Inspectors took 6.0 s for each part (baseline HISTORY). That counts once" in one.en for one in found.notes
    )
    looks = [
        {"client_id": str(n), "inspection_id": "x", "decision": "FALSE_CALL", "note": "", "reviewer": "mei"}
        for n in range(9)
    ]
    times = {"seconds": 12.0, "decided_at": NOW, "received_at": NOW}
    store.submit(
        lambda connection: connection.execute(insert(reviews), [one | times for one in looks]) and None
    ).result()
    found = measured(store, settings)
    assert found.seconds_before is not None and found.seconds_before.value == 6
    given = read_assumptions(ROOT / settings.roi_assumptions)
    store.submit(lambda connection: adopt(connection, given, ROOT / settings.roi_assumptions)).result()
    with store.reading() as connection:
        scenario = report(connection, given, settings).measured
        slid = what_if(connection, given, settings, {"look_seconds": 1, "looked_at_before": 0.5})
    inputs = {one.key: one for one in scenario.inputs}
    # 8 % false calls of 12 s each are counted as such: together they come to 6 s a part.
    assert inputs["look_seconds"].value == pytest.approx(6 - 0.08 * 12)
    assert inputs["looked_at_before"].value == 1
    volume, wage = 50e6, 40 / 3600
    since = 0.01 * 12 + 0.01 * (1 - 0.13) * 12
    saved = {one.key: one.run_rate for one in scenario.benefits}
    assert saved["false_calls_fewer"] + saved["looks_saved"] == pytest.approx(volume * (6 - since) * wage)
    appraisal = next(one for one in scenario.copq if one.category == "appraisal")
    assert (appraisal.before, appraisal.after) == (
        pytest.approx(volume * 6 * wage),
        pytest.approx(volume * since * wage),
    )
    assert {one.key: one.value for one in slid.inputs}["look_seconds"] == 1


def test_seconds_of_a_baseline_frozen_with_their_sum_alone_are_missed_with_a_word(
    store: Store, settings: Settings
) -> None:
    timed = {"days": 20, "inspected": 500, "seconds": 3000.0, "squared_errors": 4000.0}
    counted = {"inspected": 500, "flagged": 40, "reviewed": 40, "false_calls": 40, "confirmed": 0}
    kept(store, BaselineKind.HISTORY, 10, **counted, timed_days=timed)
    keep(store, made(5, 500, 5))
    found = measured(store, settings)
    assert found.seconds_before is None
    assert any("not taken from baseline HISTORY" in note.en and "anew" in note.en for note in found.notes)


def test_challenge_parts_are_no_false_calls_of_the_line(store: Store, settings: Settings) -> None:
    keep(store, made(5, 500, 10))
    keep(store, made(4, 500, 500, audit="CHALLENGE"))
    assert measured(store, settings).inputs["false_call_rate_after"].value == pytest.approx(0.02)


def test_both_rates_since_are_of_the_same_days(store: Store, settings: Settings) -> None:
    drawn = {"audit": "SAMPLE", "audit_band": 0, "audit_probability": 1.0}
    for days_ago, missed in ((50, 60), (5, 10)):
        keep(store, [frame(days_ago, "DEFECT_CONFIRMED") for _ in range(90)])
        for number in range(200):
            decision = "DEFECT_CONFIRMED" if number < missed else "FALSE_CALL"
            keep(store, [frame(days_ago, decision, verdict="PASS", **drawn)])
    rolled_out(store, "a", 40)
    assert measured(store, settings).inputs["escape_rate_after"].value == pytest.approx(0.1)


def test_a_part_accepted_as_it_is_was_reviewed(store: Store, settings: Settings) -> None:
    decisions = ["DEFECT_CONFIRMED", "FALSE_CALL", "DEFECT_ACCEPTED", "DEFECT_ACCEPTED"]
    keep(store, [frame(5 + number / 900) for number in range(900)])
    keep(store, [frame(5 + number / 100, decisions[number % 4]) for number in range(100)])
    with store.reading() as connection:
        counts = measured_counts(connection, NOW - 30 * DAY, NOW)
        told = quality(connection, NOW - 30 * DAY, NOW, None, None, settings).false_call_rate
    assert [(one.flagged, one.reviewed, one.false_calls, one.confirmed) for one in counts] == [(100, 100, 25, 25)]
    rates = {change.key: change.before for change in changes_between(counts, [])}
    assert rates["false_call_rate"] == told
    assert rates["caught_rate"].value == pytest.approx(0.025)
    found = measured(store, settings)
    assert found.inputs["false_call_rate_after"].value == pytest.approx(0.025)
    assert not any("flagged frames are reviewed" in note.en for note in found.notes)


def test_escapes_before_are_as_unsure_as_their_few_audits(store: Store, settings: Settings) -> None:
    # 3 findings in 300 audits of nearly a million passed parts, which stand for 9,800 escapes of 17,800 defects
    counts = {"inspected": 1_000_000, "flagged": 20_000, "reviewed": 20_000, "false_calls": 12_000, "confirmed": 8000}
    kept(store, BaselineKind.HISTORY, 5, **counts, audited=300, audit_defects=3)
    before = measured(store, settings).beside["escape_rate_before"]
    assert before.n == 300
    assert before.value == pytest.approx(9800 / 17_800)
    low, high = before.spread.quantile(np.array([0.025, 0.975]), before.value)
    assert low < 0.35 and high > 0.70
    enough = settings.model_copy(update={"audit": settings.audit.model_copy(update={"enough": 301})})
    assert "escape_rate_before" not in measured(store, enough).beside


def test_a_part_left_on_a_screen_overnight_took_no_night(store: Store, settings: Settings) -> None:
    looked = [
        {
            "client_id": str(uuid4()),
            "inspection_id": "x",
            "decision": "FALSE_CALL",
            "note": "",
            "reviewer": "mei",
            "seconds": seconds,
            "decided_at": NOW,
            "received_at": NOW,
        }
        for seconds in [5.0] * 199 + [14 * 3600.0]
    ]
    store.submit(lambda connection: connection.execute(insert(reviews), looked) and None).result()
    found = measured(store, settings)
    assert (found.inputs["review_minutes"].value, found.inputs["review_minutes"].n) == (pytest.approx(5 / 60), 199)
    assert any("1 reviews took longer than 5 minutes" in note.en for note in found.notes)


def seen_by_four(days_ago: int) -> list[dict[str, Any]]:
    """A hundred parts, every fourth of them called false by one of four cameras."""
    return [
        frame(days_ago + number / 100, "FALSE_CALL" if number % 16 == 4 * of else None, part_id=part, camera=camera)
        for number, part in enumerate(str(uuid4()) for _ in range(100))
        for of, camera in enumerate("cdef")
    ]


def test_shares_of_frames_are_not_taken_for_shares_of_parts(store: Store, settings: Settings) -> None:
    keep(store, seen_by_four(50))
    keep(store, seen_by_four(5))
    frozen(store, "old way", 52, 48)
    found = measured(store, settings)
    assert not found.inputs and not found.at_least and not found.beside
    assert any("A part has 4.0 frames on one line." in note.en for note in found.notes)
    kept(store, BaselineKind.HISTORY, 40, inspected=1000, flagged=80, reviewed=80, false_calls=80, confirmed=0)
    assert measured(store, settings).beside["false_call_rate_before"].value == pytest.approx(0.08)
    with store.reading() as connection:
        history, session = list_all(connection, ZoneInfo("UTC"))
        days = (NOW - 10 * DAY).date(), NOW.date()
        caveats = [
            [one.en for one in compare(connection, id_, *days, imported=False, zone=ZoneInfo("UTC")).caveats]
            for id_ in (history.id, session.id)
        ]
    assert [any("of which a part has 4.0 on one line" in one for one in each) for each in caveats] == [True, False]


def test_a_part_that_came_back_escaped_once(store: Store, settings: Settings) -> None:
    parts = [str(uuid4()) for _ in range(10)]
    # Some in whole half-hours and some at the end of the period, where rows are counted.
    keep(
        store,
        [frame(5 - 5 * (number > 7), part_id=part, camera=of) for number, part in enumerate(parts) for of in "cdef"],
    )
    returned = [{"part_id": part, "found_at": NOW, "note": "", "person": "mei", "registered_at": NOW} for part in parts]
    store.submit(lambda connection: connection.execute(insert(field_returns), returned) and None).result()
    with store.reading() as connection:
        assert count_span(connection, span_of(Scope(NOW - 10 * DAY, NOW + DAY)))[""].known == 10
        until_now = span_of(Scope(NOW - 10 * DAY, NOW + timedelta(seconds=1)), GroupBy.LINE, settings.clocks)
        by_line = count_span(connection, until_now)
    assert {line: counts.known for line, counts in by_line.items()} == {"a": 10}


def audited(days_ago: float, audits: int, missed: int, caught: int, **changes: Any) -> list[dict[str, Any]]:
    """Passed frames of one day, all audited; and caught defects."""
    drawn = {"verdict": "PASS", "audit": "SAMPLE", "audit_band": 0, "audit_probability": 1.0, **changes}
    return [
        *(frame(days_ago, "DEFECT_CONFIRMED" if n < missed else "FALSE_CALL", **drawn) for n in range(audits)),
        *(frame(days_ago, "DEFECT_CONFIRMED", **changes) for _ in range(caught)),
    ]


def test_no_escape_in_few_audits_is_not_sure_to_be_none(store: Store, settings: Settings) -> None:
    keep(store, audited(5, audits=200, missed=0, caught=90) + made(5, 800, 0))
    rate = measured(store, settings).inputs["escape_rate_after"]
    assert rate.value == 0 and rate.high > 0.05
    low, middle, high = rate.spread.quantile(np.array([0.05, 0.5, 0.975]), rate.value)
    assert 0 < low < 0.001 < 0.005 < middle < high == pytest.approx(rate.high, abs=0.01)


def test_a_line_without_audits_is_named(store: Store, settings: Settings) -> None:
    keep(store, audited(5, audits=200, missed=9, caught=90) + made(5, 800, 0, line="b"))
    keep(store, [frame(0.001, line="c"), frame(5, "", verdict="PASS", audit="SAMPLE", audit_probability=0.1, line="d")])
    with store.reading() as connection:
        found = metrics(connection, Scope(NOW - 10 * DAY, NOW), settings)
        figure = figures(connection, Scope(NOW - 10 * DAY, NOW), settings, None).groups[0].figures[4]
    notes = [note.en for note in found.notes]
    assert figure.key == "escape_rate"
    for one in (figure, found.rate):
        assert one.rests_on.en.endswith("; none of these audits was on b, c, d")
    wanted = (
        "No passed frame of b, c, d was audited: its passed frames are taken to be like those of the other lines with the same "
        "score."
    )
    assert wanted in notes and wanted in [note.en for note in measured(store, settings).notes]

"""Rates of a period from counts by line and product: what they are, and that their intervals hold the truth."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from serving import changes as module
from serving.baseline_schema import Change, LineCounts, TimedDay, TimedDays
from serving.changes import changes_between
from serving.quality import rates

NAMES = ("flagged", "reviewed", "false_calls", "confirmed", "audited", "audit_defects", "escapes")


def line(name: str = "a", **counts: Any) -> LineCounts:
    return LineCounts.model_validate({"line": name, "product": "p", **dict.fromkeys(NAMES), **counts})


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth as many: the ends of each interval are a little less sure, which a thousand intervals average out."""
    monkeypatch.setattr(module, "_DRAWS", 1000)


def changes(before: list[LineCounts], after: list[LineCounts]) -> dict[str, Change]:
    return {change.key: change for change in changes_between(before, after)}


def test_flags_that_nobody_reviewed_hide_no_caught_defects() -> None:
    counts = {"inspected": 11_000, "flagged": 1000, "audited": 1000, "audit_defects": 10}
    half = line(**counts, reviewed=500, false_calls=300, confirmed=200)
    whole = line(**counts, reviewed=1000, false_calls=600, confirmed=400)
    rates = changes([half], [whole])
    # 10,000 passed parts with 100 defects, and 400 caught
    assert rates["escape_rate"].before.value == pytest.approx(0.2)
    assert rates["escape_rate"].after.value == pytest.approx(0.2)
    assert rates["false_call_rate"].before.value == pytest.approx(0.6 * 1000 / 11_000)
    overkill = rates["overkill_rate"].before
    assert overkill.value == pytest.approx(600 / 10_500), "of the good parts"
    assert overkill.low < overkill.value < overkill.high < 0.07


def test_a_line_that_nobody_counted_is_named_where_others_were() -> None:
    counted = line("a", inspected=1000, flagged=20, reviewed=20, false_calls=5, confirmed=15, escapes=1)
    found = changes([counted, line("b", inspected=10)], [line("b", inspected=10)])
    for key, why in (
        ("false_call_rate", "nobody counted the flags of this period"),
        ("overkill_rate", "nobody counted the flags of this period"),
        ("returns_rate", "no field returns of this period are known"),
    ):
        assert found[key].before.why_unknown.en == f"{why}: b / p"
        assert found[key].after.why_unknown.en == why


def test_audits_count_for_the_parts_that_they_were_drawn_from() -> None:
    large = line("a", inspected=100_100, flagged=100, reviewed=100, false_calls=0, confirmed=100, audited=100)
    small = line("b", inspected=2100, flagged=100, reviewed=100, false_calls=0, confirmed=100, audited=100)
    large.audit_defects, small.audit_defects = 0, 10
    rate = changes([large, small], [])["escape_rate"].before
    assert rate.value == pytest.approx(200 / 400)
    assert (rate.numerator, rate.denominator) == (None, 200)


def test_reviews_count_for_the_flags_that_they_were_drawn_from() -> None:
    seen = line("a", inspected=10_000, flagged=1000, reviewed=1000, false_calls=900, confirmed=100)
    hardly = line("b", inspected=10_000, flagged=1000, reviewed=50, false_calls=5, confirmed=45)
    never = line("c", inspected=10_000, flagged=1000, reviewed=0, false_calls=0, confirmed=0)
    rates = changes([seen, hardly], [seen, hardly, never])
    assert rates["false_call_rate"].before.value == pytest.approx(0.05)
    assert rates["caught_rate"].before.value == pytest.approx(0.05)
    assert rates["false_call_rate"].after.value == pytest.approx(0.05), "taken to be like the others"
    assert rates["false_call_rate"].before.denominator < 10_000, "less sure than 20,000 counted parts"


def test_without_audits_nobody_knows_how_many_parts_are_good() -> None:
    counts = {"inspected": 1000, "flagged": 20, "reviewed": 20, "false_calls": 5, "confirmed": 15}
    rates = changes([line(**counts)], [])
    assert rates["overkill_rate"].before.value is None
    assert rates["false_call_rate"].before.value == pytest.approx(0.005)


def test_lines_without_an_audit_are_taken_to_be_like_the_others() -> None:
    counts = {"inspected": 1020, "flagged": 20, "reviewed": 20, "false_calls": 0, "confirmed": 20}
    audited, never = line("a", **counts, audited=100, audit_defects=2), line("b", **counts, audited=0, audit_defects=0)
    rates = changes([audited], [audited, never])["escape_rate"]
    assert rates.after.value == rates.before.value == pytest.approx(0.5)


def test_a_line_that_counted_its_defects_and_no_flags_has_an_escape_rate() -> None:
    counted = line("a", inspected=2100, confirmed=100, audited=100, audit_defects=10)
    no_flags = line("b", inspected=2100, flagged=0, reviewed=0, confirmed=100, audited=100, audit_defects=10)
    for one in (counted, no_flags):
        assert changes([one], [])["escape_rate"].before.value == pytest.approx(200 / 300)


def drawn(random: np.random.Generator) -> LineCounts:
    """One line of 2,000 to 60,000 parts, its audits a fixed quota, its flags reviewed in part."""
    defective = int(random.integers(100, 900))
    good = int(random.integers(2000, 60_000)) - defective
    missed = int(random.binomial(defective, 0.2))
    false_calls = int(random.binomial(good, 0.03))
    flagged, passed = false_calls + defective - missed, good - false_calls + missed
    reviewed = int(flagged * random.uniform(0.3, 1))
    confirmed = int(random.hypergeometric(defective - missed, false_calls, reviewed))
    found = int(random.hypergeometric(missed, passed - missed, 200))
    return line(
        str(random.integers(10**9)),
        inspected=good + defective,
        flagged=flagged,
        reviewed=reviewed,
        false_calls=reviewed - confirmed,
        confirmed=confirmed,
        audited=200,
        audit_defects=found,
    )


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_intervals_of_unequal_lines_hold_the_truth(few_draws: None) -> None:
    random = np.random.default_rng(3)
    held: dict[str, list[bool]] = {"escape_rate": [], "change": [], "overkill_rate": [], "overkill change": []}
    for _ in range(1000):
        before, after = ([drawn(random) for _ in range(3)] for _ in range(2))
        for number in range(3):
            after[number].line = before[number].line
        found = changes(before, after)
        change, overkill = found["escape_rate"], found["overkill_rate"]
        if overkill.low is not None and overkill.high is not None:
            assert overkill.after.low is not None and overkill.after.high is not None
            held["overkill_rate"].append(overkill.after.low <= 0.03 <= overkill.after.high)
            held["overkill change"].append(overkill.low <= 0 <= overkill.high)
        if change.before.low is None or change.before.high is None:
            continue
        held["escape_rate"].append(change.before.low <= 0.2 <= change.before.high)
        if change.low is not None and change.high is not None:
            held["change"].append(change.low <= 0 <= change.high)
    shares = {name: round(float(np.mean(each)), 3) for name, each in held.items()}
    assert min(shares.values()) >= 0.93, shares
    assert min(map(len, held.values())) > 900


def looked(name: str = "a", **counts: Any) -> LineCounts:
    return line(name, inspected=counts["units"], **counts)


def test_seconds_for_each_part_are_those_of_all_looks_that_a_period_calls_for() -> None:
    alone = looked(units=50, looks=50, timed=50, seconds=300.0, squared_seconds=1900.0)
    # A tenth is flagged; of these looks a fifth is made so far, 4 s each.
    helped = looked(units=5000, looks=500, timed=100, seconds=400.0, squared_seconds=1700.0)
    seconds = changes([alone], [helped])["review_seconds"]
    assert seconds.before.value == pytest.approx(6.0)
    assert seconds.after.value == pytest.approx(0.4), "what waits to be looked at takes time too"
    assert seconds.relative == pytest.approx(0.4 / 6 - 1)
    assert seconds.before.low < 6 < seconds.before.high and seconds.before.denominator == 50
    assert seconds.low < 0.4 / 6 - 1 < seconds.high < -0.9
    few = looked(units=50, looks=50, timed=9, seconds=54.0, squared_seconds=330.0)
    unknown = changes([few], [line(inspected=50)])["review_seconds"]
    assert unknown.before.why_unknown.en == "not enough timed looks: n = 9, need 10"
    assert unknown.after.why_unknown.en == "nobody timed the looks of this period"
    assert (
        changes([looked(units=9, looks=0, timed=0, seconds=0, squared_seconds=0)], [])["review_seconds"].before.value
        == 0
    )


def test_what_is_made_more_of_is_no_change_of_quality() -> None:
    """Each line is the same in both periods; only the good one makes more before, and the bad one after."""
    good = {"flagged": 100, "reviewed": 100, "false_calls": 80, "confirmed": 20, "audited": 300, "audit_defects": 1}
    bad = {"flagged": 900, "reviewed": 900, "false_calls": 700, "confirmed": 200, "audited": 300, "audit_defects": 30}
    times = {"timed": 100, "seconds": 500.0, "squared_seconds": 2600.0, "escapes": 2}

    def made(name: str, counts: dict[str, int], times_as_many: int) -> LineCounts:
        scaled = {key: value * times_as_many for key, value in counts.items() if not key.startswith("audit")}
        looks = scaled["flagged"] * (2 if name == "b" else 1)
        return line(
            name,
            inspected=10_000 * times_as_many,
            audited=counts["audited"],
            audit_defects=counts["audit_defects"],
            units=10_000 * times_as_many,
            looks=looks,
            **times | {"escapes": times["escapes"] * times_as_many * (5 if name == "b" else 1)} | scaled,
        )

    before = [made("a", good, 9), made("b", bad, 1)]
    found = changes(before, [made("a", good, 1), made("b", bad, 9)])
    assert {key: round(change.relative or 0.0, 2) for key, change in found.items()} == dict.fromkeys(found, 0)
    for change in found.values():
        assert change.low < 0 < change.high
    assert found["false_call_rate"].before.value == pytest.approx(0.1 * 0.008 + 0.9 * 0.07)
    assert found["false_call_rate"].before.denominator < 100_000, "one that is made to count for more tells no more"


def test_a_line_whose_few_reviews_found_nothing_may_still_have_something() -> None:
    seen = line("a", inspected=10_000, flagged=100, reviewed=100, false_calls=50, confirmed=50)
    hardly = line("b", inspected=10_000, flagged=5000, reviewed=20, false_calls=0, confirmed=20)
    rate = changes([seen, hardly], [])["false_call_rate"].before
    assert rate.value == pytest.approx(50 / 20_000)
    assert rate.high > 200 / 20_000, "up to 14 % of 5,000 flags would have shown none in 20"


def days_of(seconds: list[float], parts: list[int], name: str = "a") -> LineCounts:
    each = [
        TimedDay(day=date(2026, 3, 2) + timedelta(day), inspected=n, seconds=took)
        for day, (n, took) in enumerate(zip(parts, seconds, strict=True))
    ]
    timed = TimedDays(days=len(parts), inspected=sum(parts), seconds=sum(seconds), each=each)
    return line(name, inspected=sum(parts), timed_days=timed)


def test_seconds_of_lines_that_make_nothing_any_more_are_unknown() -> None:
    timed = days_of([3000.0, 2800, 3300, 2900, 3000], [1000] * 5)
    found = changes([timed, line("b", inspected=900)], [days_of([], []), line("b", inspected=900)])["review_seconds"]
    assert found.before.value is None
    assert found.before.why_unknown is not None


def test_seconds_of_whole_days_are_as_unsure_as_their_days_differ() -> None:
    before, after = [3000.0, 2800, 3300, 2900, 3000], [1500.0, 1400, 1650, 1450, 1500]
    found = changes([days_of(before, [1000] * 5)], [days_of(after, [1000] * 5)])["review_seconds"]
    assert (found.before.value, found.after.value, found.before.denominator) == (3.0, 1.5, 5)
    factor = np.exp(2.77645 * np.std(before, ddof=1) / np.sqrt(5) / 3000)
    assert found.before.low == pytest.approx(3 / factor)
    assert found.before.high == pytest.approx(3 * factor)
    assert found.relative == pytest.approx(-0.5)
    assert found.low < -0.5 < found.high < -0.3
    few = changes([days_of(before[:4], [1000] * 4)], [])["review_seconds"].before
    assert few.value is None and few.why_unknown.en == "not enough days with inspector seconds: n = 4, need 5"
    rare = [days_of([3000.0], [1000], str(number)) for number in range(6)]
    for number, one in enumerate(rare):
        one.timed_days.each[0].day += timedelta(number)
    few = changes([*rare, days_of(before[:3], [1000] * 3)], [])["review_seconds"].before
    assert few.why_unknown.en.startswith(
        "not enough days with inspector seconds: n = 9 of 7 lines and products, need 11"
    )
    alone = days_of([600.0], [100], "b")
    both = changes([days_of(before, [1000] * 5), alone], [])["review_seconds"].before
    assert both.value == pytest.approx(15_600 / 5100)
    assert both.low < 15_000 / 5100 and both.high > 16_200 / 5100, "a single day tells of no other"
    untimed = changes([days_of(before, [1000] * 5), line("b", inspected=1000)], [])["review_seconds"].before
    assert untimed.value == pytest.approx(3.0), "taken to be like the others"


def test_a_baseline_whose_days_were_frozen_in_sum_says_so() -> None:
    timed = TimedDays.model_validate({"days": 20, "inspected": 500, "seconds": 3000.0, "squared_errors": 4000.0})
    seconds = changes([line(inspected=500, timed_days=timed)], [])["review_seconds"].before
    assert seconds.value is None and "freeze the same days anew" in seconds.why_unknown.en


LINES = {"x": (0.06, 0.1), "y": (0.05, 0.6), "z": (0.005, 1.0)}
"""Share of false calls, and of flags that are reviewed."""


def flagged(random: np.random.Generator) -> list[LineCounts]:
    """Three lines in any proportions, 1 % of whose parts are caught; people look 6 s, now and then much longer."""
    rows = []
    for name, (rate, reviewed) in LINES.items():
        inspected = int(random.integers(1000, 20_000))
        false_calls, confirmed = (int(random.binomial(inspected, one)) for one in (rate, 0.01))
        seen = max(1, round((false_calls + confirmed) * reviewed))
        false_seen = int(random.hypergeometric(false_calls, confirmed, seen))
        times = random.gamma(2, 3, seen)
        rows.append(
            looked(
                name,
                units=inspected,
                flagged=false_calls + confirmed,
                reviewed=seen,
                false_calls=false_seen,
                confirmed=seen - false_seen,
                looks=false_calls + confirmed,
                timed=seen,
                seconds=float(times.sum()),
                squared_seconds=float((times**2).sum()),
            )
        )
    return rows


@pytest.mark.heavy
def test_intervals_of_unequal_reviews_hold_the_truth(few_draws: None) -> None:
    """1,000 plants before and after, nothing of which changed but what is made where."""
    random = np.random.default_rng(11)
    held: dict[str, list[bool]] = {}
    naive = []
    for _ in range(1000):
        before, after = flagged(random), flagged(random)
        found = changes(before, after)
        of = np.array([row.inspected for row in after]) / sum(row.inspected for row in after)
        false_rates = np.array([rate for rate, _ in LINES.values()])
        truth = {
            "false_call_rate": of @ false_rates,
            "caught_rate": 0.01,
            "review_seconds": 6 * of @ (false_rates + 0.01),
        }
        for key, value in truth.items():
            for side in (found[key].before, found[key].after):
                held.setdefault(key, []).append(bool(side.low <= value <= side.high))
            held.setdefault(f"{key} change", []).append(bool(found[key].low <= 0 <= found[key].high))
        flags, false_calls, reviewed, inspected = (
            sum(getattr(row, name) for row in after) for name in ("flagged", "false_calls", "reviewed", "inspected")
        )
        pooled = rates.share(round(flags * false_calls / reviewed), inspected)
        naive.append(pooled.low <= truth["false_call_rate"] <= pooled.high)
    shares = {name: round(float(np.mean(each)), 3) for name, each in held.items()}
    assert min(shares.values()) >= 0.93, shares
    assert np.mean(naive) < 0.3, "flags of all lines together are not like the reviewed ones"

"""Rates of a period from counts by line and product: what they are, and that their intervals hold the truth."""

from typing import Any

import numpy as np
import pytest

from serving.baseline_schema import Change, LineCounts
from serving.baselines import changes_between

NAMES = ("flagged", "reviewed", "false_calls", "confirmed", "audited", "audit_defects", "escapes")


def line(name: str = "a", **counts: Any) -> LineCounts:
    return LineCounts.model_validate({"line": name, "product": "p", **dict.fromkeys(NAMES), **counts})


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


def test_intervals_of_unequal_lines_hold_the_truth() -> None:
    random = np.random.default_rng(3)
    held: dict[str, list[bool]] = {"escape_rate": [], "change": []}
    for _ in range(150):
        before, after = ([drawn(random) for _ in range(3)] for _ in range(2))
        change = changes(before, after)["escape_rate"]
        if change.before.low is None or change.before.high is None:
            continue
        held["escape_rate"].append(change.before.low <= 0.2 <= change.before.high)
        if change.low is not None and change.high is not None:
            held["change"].append(change.low <= 0 <= change.high)
    assert {name: np.mean(each) >= 0.93 for name, each in held.items()} == {"escape_rate": True, "change": True}
    assert len(held["change"]) > 100

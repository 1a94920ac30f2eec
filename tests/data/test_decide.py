"""The deciding core: what the thresholds promise, against an oracle, simulation and hypothesis."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from data.decide import Aims, Thresholds, allowed_errors, choose_thresholds, decide, needed_images
from data.verdict import Verdict, part_verdict

probability = st.floats(0, 1, allow_nan=False)


@given(probability, probability, probability)
def test_verdict_is_monotone_in_the_defect_probability(one: float, other: float, score: float) -> None:
    limits = Thresholds(pass_below=min(one, other), reject_from=max(one, other))
    order = [Verdict.PASS, Verdict.REVIEW, Verdict.REJECT]
    verdict = decide(score, limits)
    assert order.index(verdict) <= order.index(decide(min(1.0, score + 0.1), limits))
    assert (verdict is Verdict.PASS) == (score < limits.pass_below)
    assert (verdict is Verdict.REJECT) == (score >= limits.reject_from and score >= limits.pass_below)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, -1e-9, 1.0000001])
def test_a_score_that_is_no_probability_is_never_passed(score: float) -> None:
    assert decide(score, Thresholds(pass_below=1.0, reject_from=1.0)) is Verdict.NO_DECISION


@pytest.mark.parametrize(("n", "expected"), [(298, None), (299, 0), (472, 0), (473, 1), (1048, 4), (1049, 5)])
def test_allowed_errors_at_one_percent(n: int, expected: int | None) -> None:
    assert allowed_errors(n, 0.01, 0.05) == expected


@given(st.integers(0, 3000), st.sampled_from([0.005, 0.01, 0.02, 0.05, 0.1]), st.sampled_from([0.01, 0.05, 0.1]))
def test_allowed_errors_is_where_the_clopper_pearson_upper_limit_crosses(n: int, limit: float, delta: float) -> None:
    """Oracle: k errors of n are allowed exactly when the one-sided Clopper-Pearson limit for k of n is within `limit`."""
    allowed = allowed_errors(n, limit, delta)
    k = -1 if allowed is None else allowed
    if k >= 0:
        assert beta.ppf(1 - delta, k + 1, n - k) <= limit + 1e-12
    if k + 1 < n:
        assert beta.ppf(1 - delta, k + 2, n - k - 1) > limit - 1e-12
    assert (allowed is None) == (n < needed_images(limit, delta))


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), max_size=400),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_held_out_errors_never_exceed_what_is_allowed(scored: list[tuple[float, bool]], limit: float) -> None:
    scores = np.array([score for score, _ in scored], dtype=np.float32)
    defect = np.array([is_defect for _, is_defect in scored], dtype=bool)
    thresholds, guarantee = choose_thresholds(scores, defect, Aims(escape_rate=limit, reject_good_rate=limit))
    verdicts = np.array([decide(float(score), thresholds) for score in scores], dtype=object)
    escapes = int(np.sum((verdicts == Verdict.PASS) & defect))
    rejected_good = int(np.sum((verdicts == Verdict.REJECT) & ~defect))
    assert escapes == guarantee.escape.observed <= (guarantee.escape.allowed or 0)
    assert rejected_good == guarantee.reject_good.observed <= (guarantee.reject_good.allowed or 0)


def test_too_few_defects_say_so_and_pass_nothing() -> None:
    scores = np.linspace(0, 1, 40)
    thresholds, guarantee = choose_thresholds(scores, scores > 0.5, Aims())
    assert thresholds.pass_below == 0
    assert decide(0.0, thresholds) is Verdict.REVIEW
    assert decide(1.0, thresholds) is Verdict.REVIEW
    assert not guarantee.escape.holds
    assert "No guarantee possible" in guarantee.escape.sentence
    assert "149 are needed" in guarantee.escape.sentence


@pytest.mark.parametrize("bad", [[0.1, math.nan], [0.1, 1.2], [-0.1, 0.5]])
def test_scores_that_are_no_probabilities_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        choose_thresholds(bad, [True, False], Aims())


def test_the_escape_bound_holds_in_simulation() -> None:
    """1,000 plants, 400 held-out defects each: the realised escape rate exceeds the bound in at most delta of them."""
    rng = np.random.default_rng(7)
    exceeded = 0
    for _ in range(1000):
        defects = rng.beta(4, 1.5, 400)
        thresholds, _ = choose_thresholds(
            np.concatenate([defects, rng.beta(1, 8, 400)]), np.arange(800) < 400, Aims(escape_rate=0.05)
        )
        exceeded += beta.cdf(thresholds.pass_below, 4, 1.5) > 0.05
    assert exceeded <= 1000 * 0.05 + 3 * math.sqrt(1000 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("views", "expected", "verdict"),
    [
        ({"top": Verdict.PASS, "side": Verdict.PASS}, ["top", "side"], Verdict.PASS),
        ({"top": Verdict.PASS, "side": Verdict.REJECT}, ["top", "side"], Verdict.REJECT),
        ({"top": Verdict.PASS}, ["top", "side"], Verdict.NO_DECISION),
        ({"top": Verdict.PASS, "side": Verdict.NO_DECISION}, [], Verdict.NO_DECISION),
        ({}, [], Verdict.NO_DECISION),
    ],
)
def test_a_part_is_as_bad_as_its_worst_view(views: dict[str, Verdict], expected: list[str], verdict: Verdict) -> None:
    assert part_verdict(views, expected) is verdict

"""Control charts: limits, scores and signals, against capstat-core, manufacturing and the run lengths of theory."""

import numpy as np
import pytest
from capstat_core.control_charts import ControlChart, ControlLimits
from capstat_core.rules import western_electric_rules
from capstat_core.time_weighted import cusum_chart, ewma_chart
from hypothesis import given, settings
from hypothesis import strategies as st
from manufacturing.analysis import control_beyond_limits
from scipy.stats import norm

from serving.quality.charts import (
    CUSUM_LIMIT,
    CUSUM_SLACK,
    EWMA_LIMIT,
    EWMA_WEIGHT,
    cusum,
    ewma,
    ewma_limit,
    freeze,
    signals,
)

SCORES = st.lists(st.floats(-6, 6).map(lambda score: round(score, 3)), min_size=8, max_size=60)
_RULES = {"beyond_3": 1, "two_of_three": 2, "four_of_five": 3, "eight_on_one_side": 4}


def test_p_chart_has_three_sigma_limits_of_each_n_and_never_goes_below_zero() -> None:
    limits = freeze("p", [5, 3, 4, 8], [100, 100, 100, 100])
    assert limits.centre == pytest.approx(0.05)
    assert limits.bounds(100) == (0.0, pytest.approx(0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)))
    assert limits.bounds(10_000) == (pytest.approx(0.0434617, abs=1e-7), pytest.approx(0.0565383, abs=1e-7))
    assert limits.score(9, 100) == pytest.approx(0.04 / np.sqrt(0.05 * 0.95 / 100))


def test_u_chart_counts_defects_and_may_exceed_one_a_unit() -> None:
    limits = freeze("u", [120, 80], [100, 100])
    assert limits.centre == 1
    assert limits.bounds(100) == (pytest.approx(0.7), pytest.approx(1.3))


def test_laney_widens_the_limits_by_what_points_vary_beyond_chance() -> None:
    random = np.random.default_rng(1)
    n = [10_000] * 400
    shares = random.normal(0.05, 0.01, 400)
    counts = random.binomial(n, np.clip(shares, 0, 1)).tolist()
    limits = freeze("laney", counts, n)
    assert limits.spread == pytest.approx(np.hypot(1, 0.01 / np.sqrt(0.05 * 0.95 / 10_000)), rel=0.1)
    plain = freeze("p", counts, n)
    assert np.mean([abs(plain.score(count, 10_000)) > 3 for count in counts]) > 0.3
    assert np.mean([abs(limits.score(count, 10_000)) > 3 for count in counts]) < 0.02


def test_baseline_without_a_defect_still_gives_finite_scores() -> None:
    limits = freeze("p", [0] * 25, [100] * 25)
    assert 0 < limits.centre < 0.001
    assert np.isfinite(limits.score(1, 100))
    assert np.isfinite(freeze("laney", [0] * 25, [100] * 25).score(1, 100))


@settings(max_examples=50, deadline=None)
@given(SCORES)
def test_run_rules_signal_where_capstat_core_does(scores: list[float]) -> None:
    # Theirs wants whole windows: quiet points first make every window whole.
    scores = [0.0] * 8 + scores
    limits = ControlLimits(center=0.0, lower=-3.0, upper=3.0)
    chart = ControlChart("scores", tuple(scores), limits, violations=())
    theirs = {(violation.rule, violation.point) for violation in western_electric_rules(chart)}
    ours = {(_RULES[rule], number) for number, point in enumerate(signals(scores)) for rule in point if rule in _RULES}
    assert ours == theirs


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # theirs, of pandas
@settings(max_examples=50, deadline=None)
@given(SCORES)
def test_points_beyond_three_sigma_are_those_of_manufacturing(scores: list[float]) -> None:
    theirs = control_beyond_limits(data=np.array(scores), upper_control_limit=3.0, lower_control_limit=-3.0)
    ours = [number for number, point in enumerate(signals(scores)) if "beyond_3" in point]
    assert ours == sorted(int(number) for number in theirs.index)


@settings(max_examples=50, deadline=None)
@given(SCORES)
def test_ewma_and_cusum_are_those_of_capstat_core(scores: list[float]) -> None:
    theirs = ewma_chart(scores, target=0.0, sigma=1.0, lmbda=EWMA_WEIGHT, L=EWMA_LIMIT)
    assert ewma(scores) == pytest.approx(theirs.points)
    assert ewma_limit(np.arange(len(scores))).tolist() == pytest.approx(theirs.upper)
    sums = cusum_chart(scores, target=0.0, sigma=1.0, k=CUSUM_SLACK, h=CUSUM_LIMIT)
    upper, lower = cusum(scores, limit=np.inf)
    assert (upper.tolist(), lower.tolist()) == (pytest.approx(sums.upper), pytest.approx(sums.lower))


def test_cumulative_sum_starts_again_once_it_signalled() -> None:
    upper, _ = cusum([3.0] * 6)
    assert upper.tolist() == [2.5, 5.0, 7.5, 2.5, 5.0, 7.5]


def _run_lengths(random: np.random.Generator, rules: set[str], runs: int) -> float:
    """Mean points until the first signal of a process in control."""
    total = 0
    for _ in range(runs):
        start, done = 0, False
        scores: list[float] = []
        while not done:
            scores = [*scores, *random.normal(size=200)]
            found = [number for number, point in enumerate(signals(scores)) if number >= start and point & rules]
            start, done = len(scores), bool(found)
            if found:
                total += found[0] + 1
    return total / runs


def _ewma_theory(weight: float, width: float, cells: int = 201) -> float:
    """Mean run length of an EWMA with fixed limits, by a Markov chain (Lucas and Saccucci 1990)."""
    limit = width * np.sqrt(weight / (2 - weight))
    edges = np.linspace(-limit, limit, cells + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    ends = (edges[None, :] - (1 - weight) * middles[:, None]) / weight
    moves = np.diff(norm.cdf(ends), axis=1)
    return float(np.linalg.solve(np.eye(cells) - moves, np.ones(cells))[cells // 2])


def _cusum_theory(slack: float, limit: float, cells: int = 400) -> float:
    """Mean run length of a two-sided CUSUM, by Brook and Evans' (1972) Markov chain of one side."""
    width = 2 * limit / (2 * cells - 1)
    levels = np.arange(cells) * width
    steps = levels[None, :] - levels[:, None] + slack
    moves = norm.cdf(steps + width / 2) - norm.cdf(steps - width / 2)
    moves[:, 0] = norm.cdf(steps[:, 0] + width / 2)
    return float(np.linalg.solve(np.eye(cells) - moves, np.ones(cells))[0]) / 2


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("rules", "theory"),
    [
        ({"beyond_3"}, 1 / (2 * norm.sf(3))),
        # Champ and Woodall (1987), table 1.
        ({"beyond_3", "two_of_three", "four_of_five", "eight_on_one_side"}, 91.75),
        ({"ewma"}, _ewma_theory(EWMA_WEIGHT, EWMA_LIMIT)),
        ({"cusum"}, _cusum_theory(CUSUM_SLACK, CUSUM_LIMIT)),
    ],
    ids=["three sigma", "Western Electric", "EWMA", "CUSUM"],
)
def test_in_control_run_length_is_that_of_theory(rules: set[str], theory: float) -> None:
    # 3,000 runs: the standard error is about 2 % of the mean.
    assert _run_lengths(np.random.default_rng(20_261_124), rules, 3000) == pytest.approx(theory, rel=0.1)

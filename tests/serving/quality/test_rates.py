"""Intervals of yields, defect counts and review effort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, chi2

from serving.quality import rates
from serving.quality.agreement import Counted

PLANTS = 1000


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_share_lies_in_its_interval(counts: tuple[int, int]) -> None:
    found = rates.share(*counts)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_defects_per_million_have_the_exact_poisson_interval() -> None:
    found = rates.per_million(3, 1000)
    assert (found.low, found.high) == (pytest.approx(500 * chi2.ppf(0.025, 6)), pytest.approx(500 * chi2.ppf(0.975, 8)))
    assert rates.per_million(0, 1000).low == 0


def test_rolled_yield_is_the_product_and_of_one_station_its_yield() -> None:
    assert rates.product((90, 80), (100, 100)).value == pytest.approx(0.72)
    one = rates.product((90,), (100,))
    assert (one.low, one.high) == (pytest.approx(0.824, abs=0.005), pytest.approx(0.951, abs=0.005))  # Clopper-Pearson
    assert rates.product((100,), (100,)).high == 1


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_over_a_thousand_plants_the_intervals_cover_the_truth() -> None:
    random = np.random.default_rng(20_261_124)
    covered = {"share": 0, "defects": 0, "product": 0, "effort": 0, "difference": 0, "observed": 0}
    for _ in range(PLANTS):
        n, p = int(random.integers(200, 5000)), random.uniform(0.8, 0.999)
        share = rates.share(int(random.binomial(n, p)), n)
        covered["share"] += share.low <= p <= share.high
        rate = 10 ** random.uniform(-4, -2)
        defects = rates.per_million(int(random.poisson(rate * n * 50)), n * 50)
        covered["defects"] += defects.low <= 1e6 * rate <= defects.high
        yields = random.uniform(0.85, 0.999, 3)
        rolled = rates.product(tuple(int(random.binomial(n, each)) for each in yields), (n,) * 3)
        covered["product"] += rolled.low <= np.prod(yields) <= rolled.high
        reviewed = int(random.poisson(0.05 * n))
        seconds = random.lognormal(1.5, 0.8, reviewed)
        effort = rates.sum_per_unit(float(seconds.sum()), float((seconds**2).sum()), n)
        covered["effort"] += effort.low <= 0.05 * np.exp(1.5 + 0.8**2 / 2) <= effort.high
        n, m = random.integers(96, 500, 2)
        shown, blind = random.uniform(0.02, 0.6, 2)
        calls = int(random.binomial(n, shown)), int(random.binomial(m, blind))
        gap = rates.difference(calls[0], int(n), calls[1], int(m))
        covered["difference"] += gap.low <= shown - blind <= gap.high
        seen = Counted(calls[0], int(n)).interval
        assert seen is not None
        covered["observed"] += seen.low <= shown <= seen.high
    # A normal interval of a skewed sum over few reviews comes a little short.
    assert {name: count / PLANTS >= 0.93 for name, count in covered.items()} == dict.fromkeys(covered, True), covered


@given(st.integers(0, 50), st.integers(51, 10_000))
def test_a_share_and_its_upper_end_tell_of_how_many_parts_they_are(hits: int, n: int) -> None:
    high = float(beta.ppf(0.975, hits + 0.5, n - hits + 0.5))
    assert rates.as_many(hits / n, high) == pytest.approx(n, rel=0.01)


def test_a_share_that_tells_nothing_is_of_no_part_and_a_certain_one_of_many() -> None:
    assert rates.as_many(0.2, 1.0) == pytest.approx(1e-3)
    assert rates.as_many(0.2, 0.2) > 1e9

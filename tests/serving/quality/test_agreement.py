"""Agreement of appraisers: published examples, extremes and coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import fleiss_kappa

from serving.quality import agreement

STUDIES = 1000


def calls(random: np.random.Generator, truth: np.ndarray, people: int, trials: int, error: float) -> np.ndarray:
    """Independent errors: each call is wrong with the same chance."""
    return truth ^ (random.random((people, trials, truth.size)) < error)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.5))
def test_nobody_agrees_more_together_than_alone(seed: int, error: float) -> None:
    random = np.random.default_rng(seed)
    truth = random.random(30) < 0.5
    given_calls = calls(random, truth, 3, 2, error)
    alone = [agreement.within(one)[0] for one in given_calls]
    together, _ = agreement.between(given_calls)
    everybody, _ = agreement.all_against(given_calls, truth)
    assert everybody.hits <= together.hits <= min(one.hits for one in alone)


def test_perfect_appraisers_have_kappa_one_and_no_errors() -> None:
    truth = np.arange(50) % 2 == 0
    perfect = np.tile(truth, (3, 3, 1))
    appraiser = agreement.against(perfect[0], truth)
    assert appraiser.kappa is not None and appraiser.kappa.value == pytest.approx(1)
    assert (appraiser.effectiveness.hits, appraiser.miss.hits, appraiser.false_alarm.hits) == (50, 0, 0)
    _, kappa = agreement.between(perfect)
    assert kappa is not None and (kappa.low, kappa.value, kappa.high) == (1, 1, 1)


def test_misses_and_false_alarms_are_counted_over_all_trials() -> None:
    truth = np.array([True, True, False, False, False])
    given_calls = np.array([[True, False, False, True, False], [True, True, False, True, False]])
    appraiser = agreement.against(given_calls, truth)
    assert (appraiser.effectiveness.hits, appraiser.effectiveness.n) == (3, 5)
    assert (appraiser.miss.hits, appraiser.miss.n) == (1, 4)
    assert (appraiser.false_alarm.hits, appraiser.false_alarm.n) == (2, 6)


def test_kappa_is_what_the_manual_says() -> None:
    # (Po - Pe) / (1 - Pe) of 44 both bad, 6 and 3 apart, 97 both good: AIAG MSA, 4th edition, table III-C 2 (A and B).
    first = np.array([True] * 44 + [True] * 6 + [False] * 3 + [False] * 97)
    second = np.array([True] * 44 + [False] * 6 + [True] * 3 + [False] * 97)
    kappa = agreement.cohen(first, second)
    assert kappa is not None and kappa.value == pytest.approx(0.86, abs=0.005)


def test_fleiss_kappa_of_every_draw_is_statsmodels_own() -> None:
    tables = np.random.default_rng(2).multinomial(6, [0.3, 0.7], (20, 30))
    assert agreement._fleiss(tables) == pytest.approx([fleiss_kappa(table) for table in tables])


def test_kappa_of_a_single_call_throughout_is_unknown_not_perfect() -> None:
    same = np.ones((3, 10), bool)
    assert agreement.fleiss(same) is None
    assert agreement.cohen(same[0], same[1]) is None


def test_mcnemar_counts_only_where_the_two_differ() -> None:
    people = np.array([True] * 10 + [True] * 8 + [False] * 1 + [False] * 5)
    model = np.array([True] * 10 + [False] * 8 + [True] * 1 + [False] * 5)
    found = agreement.compare(people, model)
    assert (found.both, found.only_first, found.only_second, found.neither) == (10, 8, 1, 5)
    assert found.p == pytest.approx(2 * 10 / 2**9)  # two-sided binomial: P(X <= 1) of 9 fair ones, doubled
    assert agreement.compare(people, people).p is None


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_over_a_thousand_studies_the_intervals_cover_the_truth() -> None:
    random = np.random.default_rng(20_261_124)
    covered = {"effectiveness": 0, "miss": 0, "cohen": 0, "fleiss": 0}
    for _ in range(STUDIES):
        error = random.uniform(0.02, 0.2)
        truth = random.random(50) < 0.5
        given_calls = calls(random, truth, 3, 3, error)
        appraiser = agreement.against(given_calls[0], truth)
        right = (1 - error) ** 3
        effectiveness, miss = appraiser.effectiveness.interval, appraiser.miss.interval
        assert effectiveness is not None and miss is not None and appraiser.kappa is not None
        covered["effectiveness"] += effectiveness.low <= right <= effectiveness.high
        covered["miss"] += miss.low <= error <= miss.high
        # Half the parts are defective, so chance agreement is one half.
        covered["cohen"] += appraiser.kappa.low <= 1 - 2 * error <= appraiser.kappa.high
        _, kappa = agreement.between(given_calls)
        assert kappa is not None
        covered["fleiss"] += kappa.low <= (1 - 2 * error) ** 2 <= kappa.high
    assert {name: count / STUDIES >= 0.93 for name, count in covered.items()} == dict.fromkeys(covered, True), covered

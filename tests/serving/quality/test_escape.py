"""Escapes from audits: what the estimate says, what its interval covers, and how wrong the naive rate is."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.quality.allocation import allocate
from serving.quality.escape import Band, Escapes, Flags, Known, collapse, naive_rate

DRAWS = 1000  # a fifth as many: a thousand plants average out what is less sure of each interval's ends
PLANTS = 1000


def drawn_evenly(passed: int, audited: int, defective: int) -> Band:
    """A band whose audited parts were all drawn with the same chance."""
    rest = Band(passed - audited)
    return rest + Band.drawn(audited, defective, audited / passed) if audited else rest


@st.composite
def bands(draw: st.DrawFn) -> Band:
    passed = draw(st.integers(0, 10_000))
    audited = draw(st.integers(0, min(passed, 200)))
    return drawn_evenly(passed, audited, draw(st.integers(0, audited)))


@settings(max_examples=30, deadline=None)
@given(st.lists(bands(), min_size=1, max_size=5), st.integers(0, 500), st.integers(0, 50))
def test_estimate_lies_in_its_interval_and_below_its_bound(given_bands: list[Band], confirmed: int, known: int) -> None:
    found = Escapes(given_bands, [Flags(confirmed, confirmed, confirmed, 0)], Known(returned=known))
    if any(band.audited for band in given_bands):
        assert 0 <= found.rate.low <= found.rate.value + 1e-9
        assert found.rate.value <= found.bound + 1e-9
        assert found.rate.high <= 1
    assert found.escaped.value <= sum(band.passed for band in given_bands) + known + 1e-6


def test_auditing_everything_leaves_no_doubt() -> None:
    found = Escapes([drawn_evenly(100, 100, 10)], [Flags(40, 40, 40, 0)], Known())
    assert (found.rate.value, found.rate.low, found.rate.high) == (pytest.approx(0.2),) * 3
    assert found.bound == pytest.approx(0.2)


def test_no_defect_in_29956_audits_means_at_most_100_in_a_million() -> None:
    # By hand; one band, so that Bonferroni takes nothing away.
    found = Escapes([drawn_evenly(10_000_000, 29_956, 0)], [Flags(0, 0, 0, 0)], Known())
    assert found.escaped.value == 0
    worst = found.bound
    assert worst == 1, "nothing else is defective: the bound on the rate itself says nothing"
    many = Escapes([drawn_evenly(10_000_000, 29_956, 0)], [Flags(10_000, 10_000, 10_000, 0)], Known())
    # 100 in a million of those that nobody looked at.
    unseen = 1 - 29_956 / 10_000_000
    assert many.bound * 10_000 / (1 - many.bound) / 10 == pytest.approx(100 * unseen, rel=0.001)


def test_parts_drawn_with_different_chances_count_by_their_weights() -> None:
    # Of one band: 100 drawn one in ten, 2 defective; 50 drawn one in a hundred, 3 defective.
    band = Band(6000, 150, 5, 100 * 10 + 50 * 100, 100 * 10**2 + 50 * 100**2, 2 * 10 + 3 * 100)
    assert band.share == pytest.approx(320 / 6000)
    found = Escapes([band], [Flags(0, 0, 0, 0)], Known())
    assert found.escaped.value == pytest.approx(320)


def test_band_without_audits_is_taken_like_the_next_worse_one() -> None:
    joined = collapse([drawn_evenly(1000, 0, 0), drawn_evenly(100, 50, 5), drawn_evenly(10, 0, 0)])
    assert [(band.passed, band.audited) for band in joined] == [(1110, 50)]
    assert collapse([Band(5)]) == [Band(5)]


def test_known_escapes_and_challenge_parts_are_in_the_denominator() -> None:
    flags = [Flags(90, 90, 90, 0)]
    before = Escapes([drawn_evenly(1000, 1000, 10)], flags, Known())
    after = Escapes(
        [drawn_evenly(1000, 1000, 10)], flags, Known(returned=5, challenges_passed=5, challenges_flagged=10)
    )
    assert before.rate.value == pytest.approx(10 / 100)
    assert after.rate.value == pytest.approx(20 / 120)


@settings(max_examples=30, deadline=None)
@given(st.lists(bands(), min_size=1, max_size=5), st.integers(0, 200), st.integers(0, 200))
def test_challenge_parts_are_never_shipped_and_leave_the_number_of_escapes_as_it_is(
    given_bands: list[Band], passed: int, flagged: int
) -> None:
    flags = [Flags(90, 50, 20, 30)]
    without = Escapes(given_bands, flags, Known(returned=3))
    challenged = Escapes(given_bands, flags, Known(returned=3, challenges_passed=passed, challenges_flagged=flagged))
    assert (challenged.escaped, challenged.overkill) == (without.escaped, without.overkill)
    assert challenged.bound >= without.bound or flagged


def test_undecided_flags_are_taken_like_the_decided_ones_and_widen_the_interval() -> None:
    band = [drawn_evenly(1000, 1000, 10)]
    decided = Escapes(band, [Flags(100, 100, 40, 60)], Known())
    waiting = Escapes(band, [Flags(100, 20, 8, 12)], Known())
    assert waiting.rate.value == pytest.approx(decided.rate.value)
    assert waiting.rate.high - waiting.rate.low > decided.rate.high - decided.rate.low


def test_returned_flags_that_nobody_decided_say_nothing_of_the_others_that_wait() -> None:
    band = [drawn_evenly(1000, 1000, 10)]
    without = Escapes(band, [Flags(1000, 100, 5, 95)], Known())
    returned = Escapes(band, [Flags(1010, 100, 5, 95, returned=10)], Known())
    assert without.defective.value == pytest.approx(60)
    assert returned.defective.value == pytest.approx(70)
    assert returned.overkill.value == pytest.approx(without.overkill.value)


@dataclass(frozen=True)
class Plant:
    passed: np.ndarray
    defects: np.ndarray
    caught: int
    flagged_good: int

    @property
    def escape_rate(self) -> float:
        return float(self.defects.sum() / (self.defects.sum() + self.caught))


def simulated_plant(random: np.random.Generator) -> Plant:
    passed = np.array(
        [random.integers(low, high) for low, high in ((20_000, 120_000), (3000, 20_000), (800, 5000), (200, 2000))]
    )
    shares = 10 ** np.array(
        [random.uniform(-4.3, -3), random.uniform(-3.3, -2), random.uniform(-2.5, -1.3), random.uniform(-1.7, -0.7)]
    )
    return Plant(
        passed, random.binomial(passed, shares), int(random.integers(200, 2000)), int(random.integers(200, 4000))
    )


def audit(plant: Plant, capacity: int, random: np.random.Generator) -> list[Band]:
    """As the server draws: each passed part by chance, with chances from a guess that is off by a factor of up to three."""
    guess = np.clip(plant.defects / plant.passed * 3 ** random.uniform(-1, 1, 4), 1e-5, 0.5)
    chances = allocate(plant.passed.tolist(), guess.tolist(), capacity, least=0.2)
    audited_bad = random.binomial(plant.defects, chances)
    audited_good = random.binomial(plant.passed - plant.defects, chances)
    return [
        Band(int(n), int(bad + good), int(bad), (bad + good) / chance, (bad + good) / chance**2, bad / chance)
        for n, bad, good, chance in zip(plant.passed, audited_bad, audited_good, chances, strict=True)
    ]


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("capacity", [60, 300, 2000])
def test_over_a_thousand_plants_the_intervals_cover_the_truth(capacity: int) -> None:
    random = np.random.default_rng(20_261_124)
    covered = bounded = overkill_covered = escaped_covered = 0
    for _ in range(PLANTS):
        plant = simulated_plant(random)
        # The overkill of the process is what a period's share of flagged good parts is drawn from.
        good = int((plant.passed - plant.defects).sum()) + plant.flagged_good
        process = plant.flagged_good / good
        called = int(random.binomial(good, process))
        decided = int(random.integers(60, 101)) * (called + plant.caught) // 100
        hits = int(random.hypergeometric(plant.caught, called, decided))
        flags = [Flags(called + plant.caught, decided, hits, decided - hits)]
        found = Escapes(audit(plant, capacity, random), flags, Known(), draws=DRAWS)
        covered += found.rate.low <= plant.escape_rate <= found.rate.high
        bounded += plant.escape_rate <= found.bound
        escaped_covered += found.escaped.low <= plant.defects.sum() <= found.escaped.high
        overkill_covered += found.overkill.low <= process <= found.overkill.high
    assert covered / PLANTS >= 0.93
    assert bounded / PLANTS >= 0.95
    assert overkill_covered / PLANTS >= 0.93
    assert escaped_covered / PLANTS >= 0.93


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_estimate_is_unbiased_where_the_naive_rate_misses_most_escapes() -> None:
    random = np.random.default_rng(7)
    plant = simulated_plant(random)
    # Few enough draws make this quick: the estimate of escapes needs no interval.
    totals = np.array([sum(band.passed * band.share for band in audit(plant, 2000, random)) for _ in range(3000)])
    error = totals.std(ddof=1) / np.sqrt(len(totals))
    assert abs(totals.mean() - plant.defects.sum()) < 3 * error
    naive = naive_rate(int(0.05 * plant.defects.sum()), plant.caught)
    assert naive < plant.escape_rate / 3, "with one escape in twenty coming back, the naive rate hides the others"


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_the_interval_holds_where_most_passed_parts_are_audited() -> None:
    random = np.random.default_rng(11)
    covered = bounded = 0
    for _ in range(PLANTS):
        passed = random.integers(20, 200, random.integers(1, 5))
        defects = random.binomial(passed, random.uniform(0.01, 0.5, len(passed)))
        chances = random.uniform(0.3, 0.95, len(passed))
        plant = Plant(passed, defects, caught=int(random.integers(20, 200)), flagged_good=0)
        bad, good = random.binomial(defects, chances), random.binomial(passed - defects, chances)
        found = Escapes(
            [
                Band(int(n - b - g)) + Band.drawn(int(b + g), int(b), chance)
                for n, b, g, chance in zip(passed, bad, good, chances, strict=True)
            ],
            [Flags(plant.caught, plant.caught, plant.caught, 0)],
            Known(),
            draws=DRAWS,
        )
        covered += found.rate.low <= plant.escape_rate <= found.rate.high
        bounded += plant.escape_rate <= found.bound
    assert covered / PLANTS >= 0.93
    assert bounded / PLANTS >= 0.95

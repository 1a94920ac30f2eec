"""How audits are shared out over score bands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.quality.allocation import BANDS, allocate, band_of, expected_share

SIZES = st.lists(st.floats(0, 1e6), min_size=BANDS, max_size=BANDS)
SHARES = st.lists(st.floats(0, 1), min_size=BANDS, max_size=BANDS)


@given(SIZES, SHARES, st.floats(0, 1e5), st.floats(0, 1))
def test_no_plan_asks_for_more_than_people_can_review(
    sizes: list[float], shares: list[float], capacity: float, least: float
) -> None:
    chances = allocate(sizes, shares, capacity, least)
    assert ((chances >= 0) & (chances <= 1 + 1e-9)).all()
    assert np.dot(chances, sizes) <= capacity * (1 + 1e-6) + 1e-6


@given(SIZES, SHARES, st.floats(1, 1e5), st.floats(0.05, 1))
def test_capacity_is_used_up_and_every_band_with_parts_is_seen(
    sizes: list[float], shares: list[float], capacity: float, least: float
) -> None:
    sizes = [0.0 if size < 1 else size for size in sizes]
    chances = allocate(sizes, shares, capacity, least)
    assert np.dot(chances, sizes) == pytest.approx(min(capacity, sum(sizes)), rel=1e-6)
    assert all(chance > 0 for chance, size in zip(chances, sizes, strict=True) if size > 0)


def test_neyman_gives_each_band_by_its_size_times_its_deviation() -> None:
    sizes, shares = [10_000.0, 1000.0, 100.0, 100.0], [0.001, 0.01, 0.1, 0.2]
    deviations = np.sqrt(np.array(shares) * (1 - np.array(shares)))
    wanted = 100 * np.array(sizes) * deviations / np.dot(sizes, deviations)
    assert allocate(sizes, shares, 100, least=0) * sizes == pytest.approx(wanted)


def test_what_a_small_band_cannot_use_goes_to_the_others() -> None:
    chances = allocate([1000.0, 0.0, 0.0, 5.0], [0.0001, 0, 0, 0.5], 100, least=0.5)
    assert chances[3] == 1
    assert chances[0] * 1000 == pytest.approx(95)


@pytest.mark.parametrize(("score", "band"), [(0.0, 0), (0.014, 0), (0.016, 1), (0.07, 2), (0.2, 3), (0.299, 3)])
def test_bands_follow_the_score_relative_to_the_pass_limit(score: float, band: int) -> None:
    assert band_of(score, 0.3) == band


def test_guessed_share_moves_from_the_models_word_to_what_audits_found() -> None:
    assert expected_share([0], [0], [0.02])[0] == pytest.approx(0.02)
    assert expected_share([100], [1000], [0.02])[0] == pytest.approx(0.1, abs=0.003)

"""Seconds a part by whole days: closed forms, and that the intervals hold the truth with few days, unequal ones and bad ones."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.quality.day_ratio import DayRatio, day_ratio
from serving.quality.paired import mean

PLANTS = 1000
Floats = NDArray[np.float64]


def test_equal_days_of_one_line_have_students_interval_of_their_logarithm() -> None:
    seconds = np.array([3000.0, 2800, 3300, 2900, 3000])
    found = day_ratio(np.full((1, 5), 1000.0), seconds[None], np.ones(1))
    student = mean(seconds / 1000)
    assert student is not None
    assert (found.value, found.degrees) == (3.0, pytest.approx(4))
    assert found.interval.high == pytest.approx(3 * np.exp(student.high / 3 - 1))
    assert found.interval.low == pytest.approx(3 / np.exp(student.high / 3 - 1))
    drawn = np.quantile(found.draws(np.random.default_rng(1), 200_000), [0.025, 0.975])
    assert drawn == pytest.approx([found.interval.low, found.interval.high], rel=0.01)


def test_the_error_of_few_unequal_days_is_not_too_small() -> None:
    """With residuals alone it comes to a third of what it is: the largest day pulls the ratio to itself."""
    random, parts = np.random.default_rng(2), np.array([[200.0, 2000.0]])
    found = [day_ratio(parts, parts * random.normal(1, 0.01, (1, 2)), np.ones(1)) for _ in range(4000)]
    true = np.std([one.value for one in found])
    assert np.sqrt(np.mean([one.log_error**2 for one in found])) == pytest.approx(true, rel=0.05)
    assert {one.degrees for one in found} == {1.0}


def test_lines_that_have_a_bad_day_together_tell_no_more_than_one() -> None:
    days = np.array([1.0, 1.3, 0.8, 1.1, 0.9, 1.2])
    one = day_ratio(np.full((1, 6), 100.0), 100 * days[None], np.ones(1))
    many = day_ratio(np.full((4, 6), 100.0), 100 * np.tile(days, (4, 1)), np.ones(4))
    assert many.log_error == pytest.approx(one.log_error)
    assert many.degrees == pytest.approx(one.degrees)


def test_a_line_of_one_day_is_as_unsure_as_what_it_took() -> None:
    parts = np.array([[100.0] * 5, [100.0, 0, 0, 0, 0]])
    found = day_ratio(parts, parts * np.array([[3.0], [6.0]]), np.array([9.0, 1.0]))
    assert (found.value, found.log_error) == (pytest.approx(3.3), pytest.approx(0.6 / 3.3))
    with pytest.raises(ValueError, match="two days"):
        day_ratio(parts[1:], parts[1:], np.ones(1))


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_days_that_are_all_alike_leave_no_doubt(seconds: float) -> None:
    parts = np.array([[100.0, 200, 300], [0, 50, 60]])
    found = day_ratio(parts, seconds * parts, np.array([2.0, 1.0]))
    assert found.interval.low == pytest.approx(seconds) == pytest.approx(found.interval.high)


@dataclass(frozen=True)
class Plant:
    """Of each product how many days it is made, how much these differ (as a share), and its seconds a part."""

    days: tuple[int, ...]
    off: tuple[float, ...]
    each: tuple[float, ...] = (3.0, 9.0, 20.0)
    parts: tuple[int, int] = (200, 2000)
    together: float = 0.0
    """how much the days of all differ alike"""
    heavy: bool = False
    """lognormal, whose worst days are worse than a gamma distribution's"""

    def year(self, random: np.random.Generator) -> tuple[Floats, Floats]:
        """Parts and seconds, [products, days]."""
        parts = np.zeros((len(self.days), max(self.days)))
        for row, made in enumerate(self.days):
            parts[row, random.choice(parts.shape[1], made, replace=False)] = random.integers(*self.parts, made)
        own = np.stack([self._factors(off, parts.shape[1], random) for off in self.off])
        shared = self._factors(self.together, parts.shape[1], random)
        return parts, parts * np.array(self.each[: len(self.days)])[:, None] * own * shared

    def _factors(self, off: float, size: int, random: np.random.Generator) -> Floats:
        if not off:
            return np.ones(size)
        if self.heavy:
            sigma = np.sqrt(np.log1p(off**2))
            return random.lognormal(-(sigma**2) / 2, sigma, size)
        return random.gamma(off**-2, off**2, size)


CASES = {
    "one product, 2 days": Plant((2,), (0.3,)),
    "one product, 3 very unequal days": Plant((3,), (0.6,)),
    "one product, 8 days": Plant((8,), (0.3,)),
    "one product, 8 days of 20 to 5,000 parts": Plant((8,), (0.5,), parts=(20, 5000)),
    "one product, 20 days of 20 to 5,000 parts": Plant((20,), (0.5,), parts=(20, 5000)),
    "a product of one day": Plant((20, 8, 1), (0.05, 0.2, 0.3)),
    "a product of one day, very unlike": Plant((20, 8, 1), (0.05, 0.2, 0.5)),
    "a product of one day, heavy tails": Plant((20, 8, 1), (0.3, 0.3, 0.8), heavy=True),
    "a product of two days": Plant((20, 8, 2), (0.05, 0.2, 0.3)),
    "a product of two days, very unlike": Plant((20, 8, 2), (0.05, 0.2, 0.5)),
    "a product of three days, very unlike": Plant((20, 8, 3), (0.05, 0.2, 0.6)),
    "three products, 3 days each": Plant((3, 3, 3), (0.3, 0.3, 0.3)),
    "ten products of one day": Plant((20,) + (1,) * 10, (0.2,) + (0.5,) * 10, tuple(map(float, range(2, 13)))),
    "bad days of all lines": Plant((20, 20, 20), (0.1, 0.1, 0.1), together=0.2),
    "bad days of all lines, 8 days": Plant((8, 8, 8), (0.1, 0.1, 0.3), parts=(20, 5000), together=0.3),
    "bad days of all lines, one rare": Plant((20, 8, 2), (0.1, 0.1, 0.2), together=0.4),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", CASES)
def test_over_a_thousand_plants_the_intervals_hold_the_truth(name: str) -> None:
    """In the proportions of a later period, in which nothing changed."""
    plant, random = CASES[name], np.random.default_rng(17)
    held, unchanged, naive = [], [], []
    for _ in range(PLANTS):
        (parts, took), (later, later_took) = plant.year(random), plant.year(random)
        weights = later.sum(axis=1)
        truth = float(weights @ np.array(plant.each[: len(plant.days)]) / weights.sum())
        before, after = day_ratio(parts, took, weights), day_ratio(later, later_took, weights)
        held += [one.interval.low <= truth <= one.interval.high for one in (before, after)]
        change = np.quantile(after.draws(random, 4000) / before.draws(random, 4000), [0.025, 0.975])
        unchanged.append(change[0] <= 1 <= change[1])
        if plant.together:
            naive.append(_naive(parts, took, weights, before, truth))
    shares = {"held": np.mean(held), "unchanged": np.mean(unchanged)}
    assert min(shares.values()) >= 0.93, shares
    if plant.together:
        assert np.mean(naive) < 0.9, "as if lines had their bad days on their own, with the normal distribution"


def _naive(parts: Floats, took: Floats, weights: Floats, found: DayRatio, truth: float) -> bool:
    each, days = took.sum(axis=1) / parts.sum(axis=1), (parts > 0).sum(axis=1)
    errors = ((took - each[:, None] * parts) ** 2).sum(axis=1) / (days - 1) * days / parts.sum(axis=1) ** 2
    return abs(found.value - truth) <= 1.96 * np.sqrt(weights**2 @ errors) / weights.sum()

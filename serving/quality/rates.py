"""Intervals of counts: what a figure of quality may be when chance is taken out of it."""

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.rates import confint_poisson

from serving.quality.escape import Interval

_DRAWS = 20_000
# A page of fifty lots asks for hundreds of intervals, mostly of the same numbers as the last time.
_remembered = lru_cache(maxsize=4096)
_SEED = 20_261_124


@_remembered
def share(hits: float, n: float) -> Interval:
    """A share with Wilson's interval (1927); n is at least 1. Of weighted counts both are effective numbers (Kish 1965)."""
    low, high = proportion_confint(hits, n, alpha=0.05, method="wilson")
    # Rounding may put an end of the interval just past 0 or 1.
    return Interval(hits / n, min(hits / n, max(0.0, float(low))), max(hits / n, min(1.0, float(high))))


def difference(hits: int, n: int, others: int, m: int) -> Interval:
    """The share of hits among n less that of others among m, -1..1 (hybrid score; Newcombe 1998); n and m at least 1."""
    low, high = confint_proportions_2indep(hits, n, others, m, method="newcomb", compare="diff")
    return Interval(hits / n - others / m, float(low), float(high))


def as_many(value: float, high: float) -> float:
    """Of how many parts a plain count would have this share and this upper end (Jeffreys' posterior, 97.5 %), at least 1e-3.

    An estimate from a stratified sample is as sure as a count of so many, also where its value is 0.
    """
    least, most = 1e-3, 1e12

    def beyond(log_n: float) -> float:
        n = np.exp(log_n)
        return float(beta.ppf(0.975, value * n + 0.5, (1 - value) * n + 0.5)) - high

    low, far = np.log(least), np.log(most)
    if beyond(low) <= 0:
        return least
    return most if beyond(far) >= 0 else float(np.exp(brentq(beyond, low, far, xtol=1e-6)))


@_remembered
def per_million(defects: int, opportunities: float) -> Interval:
    """Defects for each million opportunities, with the exact Poisson interval (Garwood 1936): a unit may have several."""
    low, high = confint_poisson(defects, opportunities, method="exact-c")
    return Interval(1e6 * defects / opportunities, 1e6 * max(0.0, float(low)), 1e6 * float(high))


@_remembered
def product(hits: tuple[int, ...], n: tuple[int, ...], draws: int = _DRAWS) -> Interval:
    """Product of independent shares, such as the rolled throughput yield, by draws of each share.

    The lower end draws Beta(h, n - h + 1), the upper Beta(h + 1, n - h) (Clopper and Pearson's two ends), so that
    short stations do not make it too narrow.
    """
    random = np.random.default_rng(_SEED)
    lower, upper = np.ones(draws), np.ones(draws)
    for hit, count in zip(hits, n, strict=True):
        lower *= random.beta(hit, count - hit + 1, draws) if hit else 0.0
        upper *= random.beta(hit + 1, count - hit, draws) if hit < count else 1.0
    value = float(np.prod([hit / count for hit, count in zip(hits, n, strict=True)]))
    return Interval(value, float(np.quantile(lower, 0.025)), float(np.quantile(upper, 0.975)))


def sum_per_unit(total: float, sum_of_squares: float, units: int) -> Interval:
    """What a sum of random many random amounts comes to for each of `units`, such as review seconds for each inspected part.

    A compound Poisson sum: its variance is estimated by the sum of squares.
    """
    error = 1.96 * float(np.sqrt(sum_of_squares))
    return Interval(total / units, max(0.0, total - error) / units, (total + error) / units)

"""Agreement on attributes, good or defective, after AIAG's Measurement Systems Analysis (4th ed., chapter III, section C).

Kappas and McNemar's test are statsmodels'. It has no interval for Fleiss' kappa: parts are drawn again with replacement (a
bootstrap), because parts are what the next study would draw anew.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from serving.quality.escape import Interval

_DRAWS = 1000
_SEED = 20_261_124

Calls = NDArray[np.bool_]


@dataclass(frozen=True)
class Counted:
    """A share with Clopper and Pearson's exact interval, at 95 %."""

    hits: int
    n: int

    @property
    def interval(self) -> Interval | None:
        """None when there is nothing to share."""
        if self.n == 0:
            return None
        low, high = proportion_confint(self.hits, self.n, alpha=0.05, method="beta")
        return Interval(self.hits / self.n, float(low), float(high))


@dataclass(frozen=True)
class Appraiser:
    """One person, or the model, against the truth."""

    kappa: Interval | None
    effectiveness: Counted
    """parts called rightly in every trial, of all"""
    miss: Counted
    """calls of good on defective parts, of all calls on them"""
    false_alarm: Counted
    """calls of defective on good parts, of all calls on them"""


@dataclass(frozen=True)
class McNemar:
    """Two appraisers on the same calls; `p` is exact and two-sided, None when they never differ."""

    n: int
    both: int
    only_first: int
    only_second: int
    neither: int
    p: float | None


def within(calls: Calls) -> tuple[Counted, Interval | None]:
    """One person with himself: parts with the same call in every trial, and Fleiss' kappa over trials.

    `calls` is bool [trials, parts], true for defective.
    """
    same = (calls == calls[0]).all(axis=0)
    return Counted(int(same.sum()), calls.shape[1]), fleiss(calls)


def between(calls: Calls) -> tuple[Counted, Interval | None]:
    """All people with each other, over all trials. `calls` is bool [people, trials, parts]."""
    flat = calls.reshape(-1, calls.shape[-1])
    same = (flat == flat[0]).all(axis=0)
    return Counted(int(same.sum()), flat.shape[1]), fleiss(flat)


def against(calls: Calls, truth: Calls) -> Appraiser:
    """One appraiser against the standard. `calls` is bool [trials, parts], `truth` bool [parts]."""
    right = calls == truth
    trials = calls.shape[0]
    return Appraiser(
        kappa=cohen(calls.ravel(), np.tile(truth, trials)),
        effectiveness=Counted(int(right.all(axis=0).sum()), truth.size),
        miss=Counted(int((~calls[:, truth]).sum()), int(truth.sum()) * trials),
        false_alarm=Counted(int(calls[:, ~truth].sum()), int((~truth).sum()) * trials),
    )


def all_against(calls: Calls, truth: Calls) -> tuple[Counted, Interval | None]:
    """Everybody against the standard: parts that all called rightly in all trials, and the mean of the persons' kappas.

    `calls` is bool [people, trials, parts].
    """
    right = (calls == truth).all(axis=(0, 1))

    def mean(chosen: NDArray[np.int64]) -> float:
        trials = calls.shape[1]
        kappas = [_cohen(one[:, chosen].ravel(), np.tile(truth[chosen], trials)) for one in calls]
        return float(np.mean(kappas))

    return Counted(int(right.sum()), truth.size), _bootstrap(mean, truth.size)


def fleiss(calls: Calls) -> Interval | None:
    """Fleiss' kappa (1971) of `calls`, bool [ratings, parts]; None for one rating a part or a single call everywhere."""
    if calls.shape[0] < 2 or calls.all() or not calls.any():
        return None
    defective = calls.sum(axis=0)
    table = np.column_stack([calls.shape[0] - defective, defective])
    random = np.random.default_rng(_SEED)
    low, high = np.quantile(_fleiss(table[random.integers(0, len(table), (_DRAWS, len(table)))]), (0.025, 0.975))
    return Interval(float(fleiss_kappa(table)), float(low), float(high))


def cohen(first: Calls, second: Calls) -> Interval | None:
    """Cohen's kappa (1960); None when both made a single call throughout.

    The asymptotic interval alone covers too rarely near 1 (92.7 % of 1,000 simulated studies), where errors are few. Each end is
    the farther of its own and of the one that Wilson's interval of the observed agreement gives, chance agreement held.
    """
    table = _table(first, second)
    if table.sum() == 0 or (np.count_nonzero(table.sum(axis=0)) < 2 and np.count_nonzero(table.sum(axis=1)) < 2):
        return None
    # Where one of them never changed the call, its z value, which nobody reads here, is 0 / 0.
    with np.errstate(invalid="ignore"):
        result = cohens_kappa(table)
    low, high = float(result.kappa_low), float(result.kappa_upp)
    if not np.isfinite([result.kappa, low, high]).all():
        return None
    total = int(table.sum())
    chance = float((table.sum(axis=0) * table.sum(axis=1)).sum()) / total**2
    wilson = proportion_confint(int(np.trace(table)), total, alpha=0.05, method="wilson")
    least, most = ((float(end) - chance) / (1 - chance) for end in wilson)
    return Interval(float(result.kappa), max(-1.0, min(low, least)), min(1.0, max(high, most)))


def compare(first: Calls, second: Calls) -> McNemar:
    """McNemar's (1947) exact test of two answers to the same question, bool [n] each."""
    table = _table(first, second)
    neither, only_second, only_first, both = (int(count) for count in table.ravel())
    p = float(mcnemar(table, exact=True).pvalue) if only_first + only_second else None
    return McNemar(int(first.size), both, only_first, only_second, neither, p)


def _table(first: Calls, second: Calls) -> NDArray[np.int64]:
    return np.array([[np.count_nonzero((first == a) & (second == b)) for b in (False, True)] for a in (False, True)])


def _cohen(first: Calls, second: Calls) -> float:
    table = _table(first, second)
    total = table.sum()
    expected = (table.sum(axis=0) * table.sum(axis=1)).sum() / total**2
    return float((np.trace(table) / total - expected) / (1 - expected)) if expected < 1 else 1.0


def _fleiss(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Fleiss' kappas of many tables [draws, parts, 2] at once, which statsmodels does one by one; 1 where all calls are alike."""
    ratings = tables.sum(axis=2)[0, 0]
    observed = ((tables * (tables - 1)).sum(axis=2) / (ratings * (ratings - 1))).mean(axis=1)
    expected = ((tables.sum(axis=1) / tables.sum(axis=(1, 2))[:, None]) ** 2).sum(axis=1)
    kappas: NDArray[np.float64] = np.divide(
        observed - expected, 1 - expected, out=np.ones_like(observed), where=expected < 1
    )
    return kappas


def _bootstrap(statistic: Callable[[NDArray[np.int64]], float], parts: int) -> Interval:
    random = np.random.default_rng(_SEED)
    draws = [statistic(random.integers(0, parts, parts)) for _ in range(_DRAWS)]
    low, high = np.quantile(draws, (0.025, 0.975))
    return Interval(statistic(np.arange(parts)), float(low), float(high))

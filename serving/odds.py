"""How sure the return is: Monte Carlo over every number that may be off, by Latin hypercube (scipy.stats.qmc)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import qmc

from serving.payoff import Payoff, Values, payoff
from serving.roi_schema import Driver, ReturnHistogram, RoiOdds
from serving.spread import Spread

DRAWS = 100_000
_BINS = 48
_SEED = 20_261_100
_ENDS = (0.05, 0.95)


@dataclass(frozen=True)
class Uncertain:
    """A number, how far it may be off, and the bounds that it cannot leave."""

    value: float
    spread: Spread | None = None
    least: float = 0.0
    most: float = float("inf")

    def at(self, shares: Values) -> Values:
        """The number at these shares (0..1) of its distribution."""
        assert self.spread is not None
        return np.clip(self.spread.quantile(shares, self.value), self.least, self.most)

    @property
    def ends(self) -> tuple[float, float] | None:
        """Its 5 % and 95 % points; None for a number without spread."""
        if self.spread is None:
            return None
        low, high = self.at(np.array(_ENDS))
        return float(low), float(high)

    @property
    def certain(self) -> bool:
        """Whether it is the same in all draws, because nobody said how far it may be off."""
        return self.ends is None or self.ends[0] == self.ends[1]


def odds(inputs: Mapping[str, Uncertain]) -> RoiOdds:
    """Quantiles, chances and drivers of the first-year return. The same inputs always give the same answer."""
    return _odds(tuple(sorted(inputs.items(), key=lambda item: item[0])))


def draw(inputs: Mapping[str, Uncertain]) -> Payoff:
    """DRAWS payoffs; a number without spread stays the same in all of them."""
    unsure = sorted(key for key, one in inputs.items() if one.spread is not None)
    drawn: dict[str, float | Values] = {key: one.value for key, one in inputs.items()}
    if unsure:
        drawn |= {key: _drawn(inputs[key], len(unsure), column) for column, key in enumerate(unsure)}
    return payoff(drawn)


@lru_cache(maxsize=4)
def _sample(dimensions: int) -> Values:
    """DRAWS x dimensions in 0..1; the same for all, so that two what-ifs differ by their numbers alone."""
    sample: Values = qmc.LatinHypercube(dimensions, rng=np.random.default_rng(_SEED)).random(DRAWS)
    return sample


# A what-if changes one number of twenty, and quantiles of one Beta distribution take a tenth of a second.
@lru_cache(maxsize=64)
def _drawn(one: Uncertain, dimensions: int, column: int) -> Values:
    """DRAWS of a number, which is the `column`th of `dimensions` that are not sure."""
    draws = one.at(_sample(dimensions)[:, column])
    draws.flags.writeable = False
    return draws


@lru_cache(maxsize=64)
def _odds(items: tuple[tuple[str, Uncertain], ...]) -> RoiOdds:
    inputs = dict(items)
    target = inputs["target_roi"].value
    drawn = draw(inputs)
    returns = np.broadcast_to(drawn.first_year_roi, DRAWS)
    worth = np.broadcast_to(drawn.npv, DRAWS)
    p5, p50, p95 = (float(one) for one in np.quantile(returns, (0.05, 0.5, 0.95)))
    npv_p5, npv_p50, npv_p95 = (float(one) for one in np.quantile(worth, (0.05, 0.5, 0.95)))
    low, high = np.quantile(returns, (0.005, 0.995))
    counts, edges = np.histogram(returns, _BINS, (low, high) if high > low else (low - 0.5, low + 0.5))
    return RoiOdds(
        draws=DRAWS,
        p5=p5,
        p50=p50,
        p95=p95,
        target=target,
        reaches_target=float(np.mean(returns >= target)),
        loses=float(np.mean(returns < 0)),
        npv_p5=npv_p5,
        npv_p50=npv_p50,
        npv_p95=npv_p95,
        histogram=ReturnHistogram(edges=edges.tolist(), counts=counts.tolist()),
        drivers=_drivers(inputs),
        # A target is set, and neither sure nor unsure.
        certain=[key for key, one in inputs.items() if key != "target_roi" and one.certain],
    )


def _drivers(inputs: Mapping[str, Uncertain]) -> list[Driver]:
    base: dict[str, float | Values] = {key: one.value for key, one in inputs.items()}
    drivers = []
    for key, one in inputs.items():
        if (ends := one.ends) is None:
            continue
        at_low, at_high = (float(payoff(base | {key: end}).first_year_roi) for end in ends)
        drivers.append(Driver(key=key, low=ends[0], high=ends[1], roi_at_low=at_low, roi_at_high=at_high))
    return sorted(drivers, key=lambda driver: -abs(driver.roi_at_high - driver.roi_at_low))

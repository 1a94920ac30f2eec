"""How far a number may be off: distributions by their quantile function, so that any of them can be sampled in strata."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat
from scipy import stats

from data.record import Record

Floats = NDArray[np.float64]
_LARGEST_COUNT = 10**12


class Triangular(Record):
    """From `low` to `high`, most likely at the number itself."""

    kind: Literal["triangular"] = "triangular"
    low: FiniteFloat
    high: FiniteFloat

    def quantile(self, share: Floats, value: float) -> Floats:
        """What the number is at these shares (0..1) of its distribution."""
        width = self.high - self.low
        if width == 0:
            return np.full_like(share, value)
        quantiles: Floats = stats.triang.ppf(share, (value - self.low) / width, self.low, width)
        return quantiles


class Lognormal(Record):
    """Off by a factor; the number itself is the median (ratios and rates) or the mean (money, which adds up)."""

    kind: Literal["lognormal"] = "lognormal"
    log_sd: float = Field(gt=0, le=3)
    centre: Literal["median", "mean"]

    def quantile(self, share: Floats, value: float) -> Floats:
        """What the number is at these shares (0..1) of its distribution."""
        shift = self.log_sd**2 / 2 if self.centre == "mean" else 0.0
        quantiles: Floats = value * np.exp(self.log_sd * stats.norm.ppf(share) - shift)
        return quantiles


class Normal(Record):
    """A measured mean with its standard error."""

    kind: Literal["normal"] = "normal"
    sd: float = Field(gt=0)

    def quantile(self, share: Floats, value: float) -> Floats:
        """What the number is at these shares (0..1) of its distribution."""
        quantiles: Floats = stats.norm.ppf(share, value, self.sd)
        return quantiles


class Proportion(Record):
    """A measured share: Jeffreys' posterior of `hits` among `n`, scaled by `factor` where only a part could have been hit.

    Of an estimate, such as one from a stratified sample, the counts are those of a plain one that would tell as much.
    """

    kind: Literal["proportion"] = "proportion"
    hits: float = Field(ge=0, le=_LARGEST_COUNT)
    n: float = Field(gt=0, le=_LARGEST_COUNT)
    factor: float = Field(default=1.0, gt=0)

    def quantile(self, share: Floats, value: float) -> Floats:  # noqa: ARG002 - the counts give the value
        """What the number is at these shares (0..1) of its distribution."""
        posterior: Floats = self.factor * stats.beta.ppf(share, self.hits + 0.5, self.n - self.hits + 0.5)
        return posterior


class Estimated(Record):
    """An estimated share above 0 and below 1: the Beta distribution of its value and standard error."""

    kind: Literal["estimated"] = "estimated"
    sd: float = Field(gt=0)

    def quantile(self, share: Floats, value: float) -> Floats:
        """What the number is at these shares (0..1) of its distribution."""
        mean = min(max(value, 1e-6), 1 - 1e-6)
        # No Beta distribution of this mean is wider than the one that is all at its ends.
        size = max(mean * (1 - mean) / self.sd**2 - 1, 1e-3)
        quantiles: Floats = stats.beta.ppf(share, mean * size, (1 - mean) * size)
        return quantiles


Spread = Annotated[Triangular | Lognormal | Normal | Proportion | Estimated, Field(discriminator="kind")]

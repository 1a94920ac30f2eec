"""Escapes from audits of passed parts: an estimate, its interval, and a bound that is sure to hold.

Horvitz and Thompson (1952) over score bands. The interval is of draws from Beta distributions of each band's share. Jeffreys'
Beta(d + 1/2, n - d + 1/2) covers the truth far too rarely where bands have few audits (40 % with 60 of them, in a simulation
of this project's own): half a defect in each of several large bands adds up. So the lower end draws Beta(d, n - d + 1) and the
upper end adds half a defect to the one band where a defect weighs most, as Fay and Kim (2017) do for weighted sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

DRAWS = 5_000
"""four times as many move the ends by less than a hundredth of the interval's width"""
_SEED = 20_261_124

Floats = NDArray[np.float64]
Outcome = Literal["confirmed", "false_calls"]


@dataclass(frozen=True)
class Band:
    """Passed parts of one score band. Weights are the inverse of the chances with which audited parts were drawn."""

    passed: int
    audited: int = 0
    defective: int = 0
    weight: float = 0.0
    """sum over the audited"""
    weight_squared: float = 0.0
    defective_weight: float = 0.0
    """sum over the defective"""
    scale: float = 1.0
    """how many parts each of these stands for"""

    @property
    def share(self) -> float:
        """Share of defects, 0..1, each audited part counting by its weight (Hajek); 0 when none is audited."""
        return self.defective_weight / self.weight if self.weight > 0 else 0.0

    @property
    def effective(self) -> float:
        """Audits that would tell as much had all been drawn with one chance (Kish 1965)."""
        return self.weight**2 / self.weight_squared if self.weight_squared > 0 else 0.0

    def __add__(self, other: "Band") -> "Band":
        return Band(
            self.passed + other.passed,
            self.audited + other.audited,
            self.defective + other.defective,
            self.weight + other.weight,
            self.weight_squared + other.weight_squared,
            self.defective_weight + other.defective_weight,
            self.scale,
        )

    @classmethod
    def drawn(cls, audited: int, defective: int, chance: float) -> "Band":
        """Audited parts alone, all drawn with this chance."""
        weight = 1 / chance
        return cls(audited, audited, defective, audited * weight, audited * weight**2, defective * weight)


@dataclass(frozen=True)
class Flags:
    """Parts of one flagged verdict, of which people have decided some."""

    flagged: int
    decided: int
    confirmed: int
    false_calls: int
    returned: int = 0
    """nobody decided on them, and the part came back defective; they say nothing of the others that wait"""
    scale: float = 1.0
    """how many parts each of these stands for"""

    @property
    def waiting(self) -> int:
        """Undecided, and not known either."""
        return max(0, self.flagged - self.decided - self.returned)


@dataclass(frozen=True)
class Known:
    """Truly defective parts beside the audited ones."""

    returned: int = 0
    """passed here and found defective later; not among the bands' parts"""
    challenges_passed: int = 0
    challenges_flagged: int = 0


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class Escapes:
    """The escape rate and what belongs to it, from the audits of each band, reviews by flagged verdict, and known escapes.

    Flagged parts that nobody has decided yet are taken to be like the decided ones of their verdict. The rate is that of these
    very parts; overkill is that of the process, so that its interval also holds the luck of the draw. An interval is drawn when
    it is first asked for: of fifty lots, most have too few audits for any but overkill.
    """

    def __init__(
        self, bands: Sequence[Band], flags: Sequence[Flags], known: Known, seed: int = _SEED, draws: int = DRAWS
    ) -> None:
        self._bands = collapse(bands)
        self._flags = flags
        self._known = known
        self._seed = seed
        self._draws = draws
        self._returned = sum(each.scale * each.returned for each in flags)
        self._caught = self._likely("confirmed") + self._returned
        self._escaped = sum(band.scale * band.passed * band.share for band in self._bands) + known.returned

    @cached_property
    def rate(self) -> Interval:
        """Passed / truly defective, challenge parts too."""
        passed, seen = self._escaped + self._known.challenges_passed, self._caught + self._known.challenges_flagged
        return _interval(_ratio(passed, passed + seen), *self.rate_draws)

    @cached_property
    def rate_draws(self) -> tuple[Floats, Floats]:
        """Of the rate, float64 [draws] each: those of its lower end, and those of its upper end."""
        (low, high), seen = self._passed_draws, self._seen_draws
        low, high = low + self._known.challenges_passed, high + self._known.challenges_passed
        return _ratios(low, low + seen), _ratios(high, high + seen)

    @cached_property
    def bound(self) -> float:
        """The conservative upper bound of the rate, at 95 %."""
        known = self._known
        worst = sum(band.scale * _most(band, 0.05 / max(1, len(self._bands))) for band in self._bands)
        worst += known.returned + known.challenges_passed
        least_seen = (
            sum(each.scale * each.confirmed for each in self._flags) + self._returned + known.challenges_flagged
        )
        return _ratio(worst, worst + least_seen)

    @cached_property
    def escaped(self) -> Interval:
        """Passed defective parts of production: without challenge parts, which are never shipped."""
        return _interval(self._escaped, *self._passed_draws)

    @cached_property
    def defective(self) -> Interval:
        """All truly defective parts, challenge parts too."""
        known, seen = self._known, self._seen_draws
        low, high = (each + known.challenges_passed + seen for each in self._passed_draws)
        challenges = known.challenges_passed + known.challenges_flagged
        return _interval(self._escaped + self._caught + challenges, low, high)

    @cached_property
    def overkill(self) -> Interval:
        """Good parts flagged / good parts, of production."""
        return _interval(_ratio(self._likely("false_calls"), self._good), self.overkill_draws, self.overkill_draws)

    @cached_property
    def overkill_draws(self) -> Floats:
        """float64 [draws]"""
        random = np.random.default_rng([self._seed, 1])
        called = self._hits("false_calls", random)
        # Parts of unequal scale tell as much as fewer of one scale (Kish 1965).
        as_one = _ratio(sum(scale * n for scale, n in self._sizes), sum(scale**2 * n for scale, n in self._sizes))
        draws: Floats = random.beta(as_one * called + 0.5, as_one * np.maximum(self._good - called, 0) + 0.5)
        return draws

    @property
    def _good(self) -> float:
        parts = sum(scale * n for scale, n in self._sizes) + self._known.returned
        return max(parts - self._caught - self._escaped, 0.0)

    @property
    def _sizes(self) -> list[tuple[float, int]]:
        """Scale and number of the passed and of the flagged parts."""
        passed = [(band.scale, band.passed) for band in self._bands]
        return passed + [(each.scale, each.flagged) for each in self._flags]

    @cached_property
    def _passed_draws(self) -> tuple[Floats, Floats]:
        """Draws of the defective parts that passed, for the lower and for the upper end."""
        lower, upper = _passed_defects(self._bands, np.random.default_rng(self._seed), self._draws)
        return lower + self._known.returned, upper + self._known.returned

    @cached_property
    def _seen_draws(self) -> Floats:
        """Draws of the defective parts that were flagged."""
        hits = self._hits("confirmed", np.random.default_rng([self._seed, 2]))
        return hits + self._returned + self._known.challenges_flagged

    def _likely(self, outcome: Outcome) -> float:
        """How many of the flagged have this outcome. Those of a verdict of which none is decided are like the decided of all."""
        decided = sum(each.decided for each in self._flags)
        elsewhere = _ratio(sum(getattr(each, outcome) for each in self._flags), decided)
        found = 0.0
        for each in self._flags:
            hits = getattr(each, outcome)
            found += each.scale * (hits + each.waiting * (hits / each.decided if each.decided else elsewhere))
        return found

    def _hits(self, outcome: Outcome, random: np.random.Generator) -> Floats:
        """Draws of how many of the flagged have this outcome: what the undecided may add."""
        found = np.zeros(self._draws)
        for each in self._flags:
            hits = getattr(each, outcome)
            found += each.scale * hits
            if each.waiting:
                share = random.beta(hits + 0.5, each.decided - hits + 0.5, self._draws)
                found += each.scale * random.binomial(each.waiting, share)
        return found


def collapse(bands: Sequence[Band]) -> list[Band]:
    """Bands in the order of their score, those without audits joined to the next worse one that has some (else the better)."""
    joined: list[Band] = []
    waiting = Band(0)
    for band in bands:
        if band.audited == 0:
            waiting += band
        else:
            joined.append(band + waiting)
            waiting = Band(0)
    if waiting.passed:
        joined = [*joined[:-1], joined[-1] + waiting] if joined else [waiting]
    return joined


def naive_rate(known_escapes: int, confirmed: int) -> float:
    """What one gets who counts only the escapes that came to light: too low, and the lower the less one looks."""
    return _ratio(known_escapes, known_escapes + confirmed)


def _passed_defects(bands: Sequence[Band], random: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
    """Draws of the defects among all passed parts, for the lower and for the upper end."""
    lower, upper = np.zeros(draws), np.zeros(draws)
    heaviest = max(range(len(bands)), key=lambda h: _weight(bands[h]), default=0)
    for number, band in enumerate(bands):
        if band.passed == 0:
            continue
        n, d = band.effective, band.share * band.effective
        rest = max(0, band.passed - band.audited)
        more = 0.5 if number == heaviest else 0.0
        # A Beta draw is a / (a + b) of two gamma draws; sharing them keeps the two ends in order.
        a, b, half, remainder = (_gamma(shape, random, draws) for shape in (d, n - d, more, 1 - more))
        share_low = _ratios(a, a + b + half + remainder)
        share_high = _ratios(a + half, a + b + half + remainder)
        # The luck of those nobody looked at counts as well, and much where many were looked at.
        low = random.binomial(rest, share_low)
        added = random.binomial(rest - low, _ratios(share_high - share_low, 1 - share_low))
        lower += band.scale * (band.defective + low)
        upper += band.scale * (band.defective + low + added)
    return lower, upper


def _weight(band: Band) -> float:
    return band.scale * (band.passed / band.effective if band.effective > 0 else band.passed)


def _gamma(shape: float, random: np.random.Generator, draws: int) -> Floats:
    return random.gamma(shape, size=draws) if shape > 0 else np.zeros(draws)


def _most(band: Band, alpha: float) -> float:
    """Upper bound of the defects in a band (Clopper and Pearson 1934, one-sided), its share of the joint risk being `alpha`."""
    n, d = band.effective, band.share * band.effective
    share = 1.0 if n == 0 or d >= n else float(beta.ppf(1 - alpha, d + 1, n - d))
    return band.defective + max(0, band.passed - band.audited) * share


def _interval(value: float, lower: Floats, upper: Floats) -> Interval:
    if lower is upper:
        low, high = np.quantile(lower, (0.025, 0.975))
    else:
        low, high = np.quantile(lower, 0.025), np.quantile(upper, 0.975)
    return Interval(float(value), float(low), float(high))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _ratios(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

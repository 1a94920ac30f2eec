"""Escapes from audits of passed parts: an estimate, its interval, and a bound that is sure to hold.

Horvitz and Thompson (1952) over score bands. The interval is of draws from Beta distributions of each band's share. Jeffreys'
Beta(d + 1/2, n - d + 1/2) covers the truth far too rarely where bands have few audits (40 % with 60 of them, in a simulation
of this project's own): half a defect in each of several large bands adds up. So the lower end draws Beta(d, n - d + 1) and the
upper end adds half a defect to the one band where a defect weighs most, as Fay and Kim (2017) do for weighted sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

DRAWS = 5_000
"""four times as many move the ends by less than a hundredth of the interval's width"""
_SEED = 20_261_124

Floats = NDArray[np.float64]


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


@dataclass(frozen=True)
class Escapes:
    """What the audits say; `bound` is the conservative upper bound of the rate, at 95 %."""

    rate: Interval
    bound: float
    escaped: Interval
    """of production: challenge parts, which are never shipped, are in all else but `overkill`"""
    defective: Interval
    overkill: Interval
    rate_draws: tuple[Floats, Floats] = field(compare=False, repr=False)
    """of the rate, float64 [draws] each: those of its lower end, and those of its upper end"""
    overkill_draws: Floats = field(compare=False, repr=False)
    """float64 [draws]"""


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


def estimate(
    bands: Sequence[Band], flags: Sequence[Flags], known: Known, seed: int = _SEED, draws: int = DRAWS
) -> Escapes:
    """The escape rate (passed / truly defective, challenge parts too) and what belongs to it.

    Flagged parts that nobody has decided yet are taken to be like the decided ones of their verdict. The rate is that of these
    very parts; overkill (good parts flagged / good parts) is that of the process, so that its interval also holds the
    luck of the draw.
    """
    bands = collapse(bands)
    random = np.random.default_rng(seed)
    lower, upper = _passed_defects(bands, random, draws)
    decided = sum(each.decided for each in flags)
    confirmed = [
        _flagged(each, each.confirmed, _ratio(sum(one.confirmed for one in flags), decided), random, draws)
        for each in flags
    ]
    false_calls = [
        _flagged(each, each.false_calls, _ratio(sum(one.false_calls for one in flags), decided), random, draws)
        for each in flags
    ]
    returned = sum(each.scale * each.returned for each in flags)
    caught_value = sum(value for value, _ in confirmed) + returned
    seen_value = caught_value + known.challenges_flagged
    seen = np.sum([each for _, each in confirmed], axis=0) + returned + known.challenges_flagged + np.zeros(draws)
    escaped_value = sum(band.scale * band.passed * band.share for band in bands) + known.returned
    escaped_low, escaped_high = lower + known.returned, upper + known.returned
    passed_value = escaped_value + known.challenges_passed
    passed_low, passed_high = escaped_low + known.challenges_passed, escaped_high + known.challenges_passed
    rate_draws = _ratios(passed_low, passed_low + seen), _ratios(passed_high, passed_high + seen)
    rate = _interval(_ratio(passed_value, passed_value + seen_value), *rate_draws)
    worst = (
        sum(band.scale * _most(band, 0.05 / max(1, len(bands))) for band in bands)
        + known.returned
        + known.challenges_passed
    )
    least_seen = sum(each.scale * each.confirmed for each in flags) + returned + known.challenges_flagged
    sizes = [(band.scale, band.passed) for band in bands] + [(each.scale, each.flagged) for each in flags]
    parts = sum(scale * n for scale, n in sizes) + known.returned
    natural = caught_value + escaped_value
    good = np.maximum(parts - (natural if natural else 0.0), 0.0)
    called = np.sum([each for _, each in false_calls], axis=0) + np.zeros(draws)
    # Parts of unequal scale tell as much as fewer of one scale (Kish 1965).
    as_one = _ratio(sum(scale * n for scale, n in sizes), sum(scale**2 * n for scale, n in sizes))
    process = random.beta(as_one * called + 0.5, as_one * np.maximum(good - called, 0) + 0.5)
    called_value = sum(value for value, _ in false_calls)
    return Escapes(
        rate=rate,
        bound=_ratio(worst, worst + least_seen),
        escaped=_interval(escaped_value, escaped_low, escaped_high),
        defective=_interval(passed_value + seen_value, passed_low + seen, passed_high + seen),
        overkill=_interval(_ratio(called_value, float(good)), process, process),
        rate_draws=rate_draws,
        overkill_draws=process,
    )


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


def _flagged(
    flags: Flags, hits: int, elsewhere: float, random: np.random.Generator, draws: int
) -> tuple[float, Floats]:
    """How many of the flagged are hits: an estimate, and draws of what the undecided may add.

    `elsewhere` is the share of hits among the decided of all verdicts, for a verdict of which none is decided.
    """
    waiting = flags.flagged - flags.decided - flags.returned
    if waiting <= 0:
        return flags.scale * hits, np.full(draws, flags.scale * hits)
    share = random.beta(hits + 0.5, flags.decided - hits + 0.5, draws)
    likely = hits / flags.decided if flags.decided else elsewhere
    more: Floats = random.binomial(waiting, share).astype(float)
    return flags.scale * (hits + waiting * likely), flags.scale * (hits + more)


def _interval(value: float, lower: Floats, upper: Floats) -> Interval:
    return Interval(float(value), float(np.quantile(lower, 0.025)), float(np.quantile(upper, 0.975)))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _ratios(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

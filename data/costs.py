"""What the verdicts of a line are expected to cost, and the cheapest thresholds that keep the bounds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from data.record import Record

Floats = NDArray[np.float64]

PARTS = 1000
"""that a bill is of"""


class Costs(Record):
    """What one part costs, in `currency`, when it escapes, when it is good and rejected unseen, and when a person reviews it."""

    escape: float = Field(ge=0)
    good_rejected: float = Field(ge=0)
    review: float = Field(ge=0)
    currency: str = Field(min_length=1)


class Capacity(Record):
    """How many of a shift's parts people can review."""

    parts_per_shift: int = Field(gt=0)
    reviews_per_shift: int = Field(ge=0)

    @property
    def share(self) -> float:
        """Parts that can be reviewed / parts made, not limited to 1."""
        return self.reviews_per_shift / self.parts_per_shift


class Bill(Record):
    """What to expect of 1,000 parts of the line, `defect_rate` (0..1) of which are truly defective.

    `overkill` counts good parts rejected or sent to review, `good_rejected` those of them that no person looks at. Where
    `defect_rate_given` is false it is the share among the held-out parts, which were collected and not drawn from the
    line. Reviews are taken to find the truth; frames that look unknown are reviewed on top of these.
    """

    defect_rate: float = Field(gt=0, lt=1)
    defect_rate_given: bool
    escapes: float = Field(ge=0)
    overkill: float = Field(ge=0)
    good_rejected: float = Field(ge=0)
    reviews: float = Field(ge=0)
    money: float | None = None
    currency: str | None = None
    capacity: Capacity | None = None

    @property
    def fits(self) -> bool:
        """Whether people can do the reviews; always true where no capacity was stated."""
        return self.capacity is None or self.reviews <= PARTS * self.capacity.share + 1e-6

    @property
    def capacity_sentence(self) -> str | None:
        """Whether the reviews fit what people can do, in one plain sentence; None where no capacity was stated."""
        if self.capacity is None:
            return None
        share = self.reviews / PARTS
        needed = f"{100 * share:.3g}% of the parts ({share * self.capacity.parts_per_shift:,.0f} a shift)"
        can = f"{100 * self.capacity.share:.3g}% ({self.capacity.reviews_per_shift} of {self.capacity.parts_per_shift})"
        if self.fits:
            return f"{needed} are expected in review, of the {can} that people can review."
        return (
            f"The review capacity cannot be met inside the bounds: {needed} would have to be reviewed, "
            f"people can review {can}."
        )


@dataclass(frozen=True)
class Outcomes:
    """What becomes of a line's parts at any thresholds, as held-out scores of defective and of good parts tell it.

    Each kind is weighted to its share on the line, so that the mixture of the held-out images does not matter.
    """

    defect: Floats
    """[nd] scores in 0..1, sorted, nd > 0"""
    good: Floats
    """[ng] scores in 0..1, sorted, ng > 0"""
    defect_rate: float
    """of the line, 0..1 exclusive"""

    def bill(
        self, pass_below: float, reject_from: float, given: bool, costs: Costs | None, capacity: Capacity | None
    ) -> Bill:
        """The expected bill; `given` says that the defect rate is the line's own.

        Thresholds that were chosen as the cheapest on the same scores make it a little too cheap.
        """
        ends = np.array([pass_below, reject_from])
        (escaped, defect_below), (passed, good_below) = self._below(ends)
        escapes = self.defect_rate * escaped
        overkill = (1 - self.defect_rate) * (1 - passed)
        good_rejected = (1 - self.defect_rate) * (1 - good_below)
        reviews = self.defect_rate * (defect_below - escaped) + (1 - self.defect_rate) * (good_below - passed)
        money = None
        if costs is not None:
            money = costs.escape * escapes + costs.good_rejected * good_rejected + costs.review * reviews
        return Bill(
            defect_rate=self.defect_rate,
            defect_rate_given=given,
            escapes=PARTS * escapes,
            overkill=PARTS * overkill,
            good_rejected=PARTS * good_rejected,
            reviews=PARTS * reviews,
            money=None if money is None else PARTS * money,
            currency=costs and costs.currency,
            capacity=capacity,
        )

    def cheapest(
        self, most_pass_below: float, least_reject_from: float, costs: Costs | None, capacity: Capacity | None
    ) -> tuple[float, float]:
        """`pass_below` <= `most_pass_below` and `reject_from` >= `least_reject_from` of least expected cost.

        Only thresholds whose reviews fit the capacity are taken; when none do, the pair with the fewest reviews, both
        limits themselves. Without costs, a capacity is spent on the fewest escapes, then on the fewest good parts rejected
        unseen. Of equally cheap ones the pair with the fewest reviews is taken. Exact over all pairs of held-out scores.
        """
        scores = np.unique(np.concatenate([self.defect, self.good]))
        lower = np.unique([0.0, *scores[scores <= most_pass_below], most_pass_below])
        upper = np.unique([least_reject_from, *scores[scores >= least_reject_from], np.nextafter(1.0, 2.0)])
        pass_cost, reject_cost = self._costs(lower, upper, costs)
        load_below, load_from = self._load_below(lower), self._load_below(upper)
        room = np.inf if capacity is None else capacity.share + 1e-9
        best, chosen = np.inf, (most_pass_below, max(least_reject_from, most_pass_below))
        # From above, so that the first of equal pairs has the fewest reviews.
        for index in range(len(lower) - 1, -1, -1):
            first = int(np.searchsorted(upper, lower[index]))
            end = int(np.searchsorted(load_from, load_below[index] + room, side="right"))
            if first < end:
                other = first + int(np.argmin(reject_cost[first:end]))
                cost = pass_cost[index] + reject_cost[other]
                if cost < best:
                    best, chosen = cost, (float(lower[index]), float(upper[other]))
        return chosen

    def _costs(self, lower: Floats, upper: Floats, costs: Costs | None) -> tuple[Floats, Floats]:
        """Two vectors whose sum is the cost of a pair of thresholds, but for a constant."""
        escaped, passed = self._below(lower)
        defect_below, good_below = self._below(upper)
        if costs is None:
            # Any escape outweighs all good parts together; counts are exact.
            counted = np.rint(escaped * len(self.defect)) * (len(self.good) + 1)
            return counted, np.rint((1 - good_below) * len(self.good))
        bad, good = self.defect_rate, 1 - self.defect_rate
        return (
            bad * escaped * costs.escape - costs.review * (bad * escaped + good * passed),
            good * (1 - good_below) * costs.good_rejected + costs.review * (bad * defect_below + good * good_below),
        )

    def _below(self, thresholds: Floats) -> tuple[Floats, Floats]:
        """The shares of defective and of good parts that score below each threshold."""
        return (
            np.searchsorted(self.defect, thresholds) / len(self.defect),
            np.searchsorted(self.good, thresholds) / len(self.good),
        )

    def _load_below(self, thresholds: Floats) -> Floats:
        defect, good = self._below(thresholds)
        return self.defect_rate * defect + (1 - self.defect_rate) * good

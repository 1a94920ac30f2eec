"""What held-out images say of any two thresholds: the bundle's curve, and the guarantee and bill at thresholds of one's own."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from data.costs import PARTS, Bill
from data.decide import Bound, Guarantee, Thresholds
from data.groups import numbered, worst_scores
from data.record import Record

Floats = NDArray[np.float64]

_MOST_POINTS = 400
# The scores at which the two bounds are decided, one by one; all others by quantiles.
_FINE = 100


class OperatingCurve(Record):
    """How many held-out images score below each of `points`, defective and good ones apart; exact there.

    Images of one group count as one, as in `data.decide.choose_thresholds`: a defective one is below as soon as one of its
    images is, a good one when all are. Between two points every question is answered by the one that looks worse, so a figure
    is never too good.
    """

    points: list[float] = Field(min_length=2)
    """rising strictly, from 0 to just above 1"""
    defects_below: list[int]
    goods_below: list[int]
    classes_below: dict[str, list[int]] = Field(default={})
    """of each defect class by itself, where there is more than one"""

    @model_validator(mode="after")
    def _counts_fit(self) -> Self:
        if any(b <= a for a, b in pairwise(self.points)) or self.points[0] != 0 or self.points[-1] <= 1:
            raise ValueError("points must rise strictly from 0 to above 1")
        for name, counts in (
            ("defects_below", self.defects_below),
            ("goods_below", self.goods_below),
            *self.classes_below.items(),
        ):
            if len(counts) != len(self.points) or counts[0] != 0 or any(b < a for a, b in pairwise(counts)):
                raise ValueError(
                    f"{name} must begin at 0 and never fall, a count for each of {len(self.points)} points"
                )
        return self

    @classmethod
    def of(
        cls,
        defect_probability: ArrayLike,
        is_defect: ArrayLike,
        thresholds: Thresholds,
        labels: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> Self:
        """From held-out scores float [n] in 0..1, the truth bool [n] and, for the classes apart, labels [n].

        `groups` [n] are those of `data.decide.choose_thresholds`. The chosen `thresholds` are among the points, with the scores
        where the bounds are decided.
        """
        scores = np.asarray(defect_probability, dtype=np.float64)
        defect = np.asarray(is_defect, dtype=bool)
        group = numbered(groups, len(scores))
        defect_scores, good_scores = worst_scores(scores, defect, group)
        points = _points(defect_scores, good_scores, thresholds)
        named = np.asarray([] if labels is None else labels, dtype=str)
        classes = [] if labels is None else np.unique(named[defect]).tolist()

        def below(ordered: Floats) -> list[int]:
            return [int(count) for count in np.searchsorted(ordered, points)]

        return cls(
            points=points.tolist(),
            defects_below=below(defect_scores),
            goods_below=below(good_scores),
            classes_below={
                name: below(worst_scores(scores, defect & (named == name), group)[0])
                for name in (classes if len(classes) > 1 else [])
            },
        )

    @property
    def defects(self) -> int:
        return self.defects_below[-1]

    @property
    def goods(self) -> int:
        return self.goods_below[-1]

    def most_below(self, counts: list[int], threshold: float) -> int:
        """How many of `counts`' images score below `threshold`, or a few more where it is no point."""
        return counts[min(int(np.searchsorted(self.points, threshold, side="left")), len(counts) - 1)]

    def least_below(self, counts: list[int], threshold: float) -> int:
        """How many of `counts`' images score below `threshold`, or a few less where it is no point."""
        return counts[max(0, int(np.searchsorted(self.points, threshold, side="right")) - 1)]

    def bill(self, thresholds: Thresholds, like: Bill) -> Bill:
        """What 1,000 parts come to at `thresholds`, at the defect rate and capacity of the bill `like`; without money."""
        pass_below, reject_from = thresholds.pass_below, thresholds.reject_from
        bad, good = like.defect_rate, 1 - like.defect_rate
        reviewed_defects = self.most_below(self.defects_below, reject_from) - self.least_below(
            self.defects_below, pass_below
        )
        reviewed_goods = self.most_below(self.goods_below, reject_from) - self.least_below(self.goods_below, pass_below)
        passed = self.least_below(self.goods_below, pass_below)
        seen = self.least_below(self.goods_below, reject_from)
        return Bill(
            defect_rate=like.defect_rate,
            defect_rate_given=like.defect_rate_given,
            escapes=PARTS * bad * self.most_below(self.defects_below, pass_below) / self.defects,
            overkill=PARTS * good * (1 - passed / self.goods),
            good_rejected=PARTS * good * (1 - seen / self.goods),
            reviews=PARTS * (bad * reviewed_defects / self.defects + good * reviewed_goods / self.goods),
            capacity=like.capacity,
        )


def guarantee_at(
    thresholds: Thresholds, own: Thresholds, promised: Guarantee, curve: OperatingCurve | None
) -> Guarantee | None:
    """What `thresholds` promise when a model promises `promised` at its `own`; None when nothing tells.

    Whoever chose them, and after looking at whatever: they err no more often than the widest ones whenever no more of the
    held-out images do (data.decide.Bound.holds). Without a curve only thresholds no wider than the model's own are known:
    at those, no more images err than at its own.
    """
    if curve is None:
        narrower = thresholds.pass_below <= own.pass_below and thresholds.reject_from >= own.reject_from
        return promised.model_copy(update={"bill": None}) if narrower else None

    def recount(bound: Bound, counts: list[int]) -> Bound:
        return bound.model_copy(update={"observed": curve.most_below(counts, thresholds.pass_below)})

    rejected = curve.goods - curve.least_below(curve.goods_below, thresholds.reject_from)
    return Guarantee(
        escape=recount(promised.escape, curve.defects_below),
        reject_good=promised.reject_good.model_copy(update={"observed": rejected}),
        classes=[
            recount(bound, curve.classes_below[bound.of_class])
            for bound in promised.classes
            if bound.of_class in curve.classes_below
        ],
        bill=None if promised.bill is None else curve.bill(thresholds, promised.bill),
    )


def _points(defect: Floats, good: Floats, thresholds: Thresholds) -> Floats:
    """Rising strictly, from the sorted scores of both kinds."""
    scores = np.concatenate([defect, good])
    distinct = np.unique(scores)
    if len(distinct) > _MOST_POINTS:
        distinct = np.unique(np.quantile(scores, np.linspace(0, 1, _MOST_POINTS - 2 * _FINE), method="nearest"))
    ends = [0.0, float(np.nextafter(1.0, 2.0)), thresholds.pass_below, thresholds.reject_from]
    last_goods = np.nextafter(good[-_FINE:], 2.0)
    return np.unique(np.concatenate([distinct, ends, defect[:_FINE], last_goods]))

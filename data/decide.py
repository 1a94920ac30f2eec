"""From a defect probability to a verdict, and from held-out predictions to the two thresholds with their guarantee."""

import math
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator
from scipy.stats import binom

from data.costs import Bill, Capacity, Costs, Outcomes
from data.groups import Indices, are_shared, numbered, worst_scores
from data.record import Record
from data.verdict import Verdict
from data.wording import Text, text


class Thresholds(Record):
    """Below `pass_below` PASS, from `reject_from` REJECT, between REVIEW.

    `pass_below` 0 passes nothing; a `reject_from` above 1 rejects nothing without a person.
    """

    pass_below: float = Field(ge=0, le=1)
    reject_from: float = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.pass_below > self.reject_from:
            raise ValueError(f"pass_below {self.pass_below} is above reject_from {self.reject_from}")
        return self


class InForce(Thresholds):
    """The thresholds that a verdict came from, and what stands behind them."""

    change: int | None = Field(description="number of the change by a person that set them; null: the model's own")
    guaranteed: bool | None = Field(
        description="whether the bounds on escapes and on good parts rejected unseen both hold at these thresholds; false: "
        "no guarantee. null: from before this was written down"
    )


Counted = Literal["images", "parts"]

_ESCAPE, _REJECT_GOOD = "escape rate", "good parts rejected"
_RATES_ZH_HANT = {_ESCAPE: "漏檢率", _REJECT_GOOD: "良品未經人員查看即剔除的比率"}


class Bound(Record):
    """A one-sided limit on an error rate, `rate <= limit` with confidence `1 - delta`, over `n` held-out images or parts.

    `allowed` is how many of the n may err at the threshold; None when n is too small for any promise, and then
    `needed` says how many the limit takes. `observed` is how many of them did err. `of_class` names the one defect
    class that a bound is about; such a bound holds by itself, not together with those of the other classes. `counted` is
    `parts` where some groups of the catalog have several images: these are no independent evidence, so that each group
    counts as one, which errs as soon as one of its images does.
    """

    rate: str
    limit: float = Field(gt=0, lt=1)
    delta: float = Field(gt=0, lt=1)
    n: int = Field(ge=0)
    allowed: int | None
    observed: int = Field(ge=0)
    needed: int
    of_class: str | None = None
    counted: Counted = "images"

    @property
    def holds(self) -> bool:
        """Saying so is wrong with a chance of at most `delta`.

        `observed` is within `allowed` exactly when the threshold is no wider than the widest that these n permit,
        so wherever it came from, it errs no more often than that one, which is within `limit` with confidence 1 - `delta`.
        """
        return self.allowed is not None and self.observed <= self.allowed

    @property
    def least_limit(self) -> float:
        """The lowest limit that these n can promise at all, none of them erring; 1 without any.

        >>> bound = Bound(rate="escape rate", limit=0.02, delta=0.05, n=38, allowed=None, observed=0, needed=149)
        >>> round(bound.least_limit, 4)
        0.0758
        """
        return 1 - self.delta ** (1 / self.n) if self.n else 1.0

    @property
    def sentence(self) -> Text:
        """The guarantee in one plain sentence."""
        defects = "defects" if self.counted == "images" else "defective parts"
        confidence = f"{100 * (1 - self.delta):.4g}% confidence"
        held_out = f"{self.n} {'張' if self.counted == 'images' else '個'}未用於訓練的"
        held_out += "影像" if self.counted == "images" else "零件"
        bound = (
            f"信心水準 {100 * (1 - self.delta):.4g}% 下{_RATES_ZH_HANT.get(self.rate, self.rate)} <= {self.limit:.1%}"
        )
        if self.of_class is not None and not self.holds:
            if self.allowed is None:
                return text(
                    f"No guarantee possible for class {self.of_class} with {self.n} held-out {defects}; {self.needed} are "
                    f"needed for {self.rate} <= {self.limit:.1%} at {confidence}.",
                    f"缺陷類別 {self.of_class} 僅有 {held_out}，無法保證{bound}；需要 {self.needed}。",
                )
            return text(
                f"No guarantee for class {self.of_class} at these thresholds: {self.observed} of {self.n} held-out "
                f"{defects} were passed, {self.allowed} are allowed for {self.rate} <= {self.limit:.1%} at {confidence}; "
                "aims.per_class: true would enforce it.",
                f"缺陷類別 {self.of_class} 在此門檻下沒有保證：{held_out}中有 {self.observed} 被放行，{bound}僅容許 "
                f"{self.allowed}；設定 aims.per_class: true 可強制達成。",
            )
        if self.allowed is not None and not self.holds:
            return text(
                f"No guarantee for {self.rate} <= {self.limit:.1%} at these thresholds: {self.observed} of {self.n} "
                f"held-out {self.counted} erred, {self.allowed} are allowed at {confidence}.",
                f"此門檻不保證{bound}：{held_out}中誤判 {self.observed}，僅容許 {self.allowed}。",
            )
        if self.allowed is None:
            return text(
                f"No guarantee possible for {self.rate} <= {self.limit:.1%} at {confidence} with {self.n} held-out "
                f"{self.counted}; {self.needed} are needed. The most cautious threshold is used.",
                f"僅有 {held_out}，無法保證{bound}；需要 {self.needed}。目前採用最謹慎的門檻。",
            )
        of_class = "" if self.of_class is None else f" of class {self.of_class}"
        of_class_zh_hant = "" if self.of_class is None else f"缺陷類別 {self.of_class}："
        return text(
            f"{self.rate}{of_class} <= {self.limit:.1%} at {confidence}, from {self.n} held-out {self.counted} "
            f"({self.observed} erred, {self.allowed} allowed).",
            f"{of_class_zh_hant}{bound}，依據 {held_out}（誤判 {self.observed}，容許 {self.allowed}）。",
        )


class Aims(Record):
    """What the plant asks of the thresholds; the limits are rates in 0..1.

    The bounds come first: with `costs` the thresholds are the cheapest within them, with `capacity` those whose reviews
    people can do, with both the cheapest of these. `defect_rate` is the share of truly defective parts on the line, which
    held-out images do not tell. `per_class` holds the escape bound for every defect class that has enough of them too.
    """

    escape_rate: float = Field(default=0.02, gt=0, lt=1)
    reject_good_rate: float = Field(default=0.01, gt=0, lt=1)
    delta: float = Field(default=0.05, gt=0, lt=1)
    per_class: bool = False
    defect_rate: float | None = Field(default=None, gt=0, lt=1)
    costs: Costs | None = None
    capacity: Capacity | None = None


class Guarantee(Record):
    """What the thresholds promise: escapes among defective parts, and good parts rejected with no person looking.

    `classes` are the escape bounds of the defect classes by themselves, empty where there is one class or none was named.
    `bill` is what the thresholds are expected to cost, None without held-out images of both kinds.
    """

    escape: Bound
    reject_good: Bound
    classes: list[Bound] = Field(default=[])
    bill: Bill | None = None

    @property
    def holds(self) -> bool:
        """Whether both bounds hold; those of single classes are told, and not promised."""
        return self.escape.holds and self.reject_good.holds


def decide(defect_probability: float, thresholds: Thresholds, unknown: bool = False) -> Verdict:
    """The verdict for one calibrated defect probability in 0..1; anything else, NaN too, is NO_DECISION.

    The probability of a frame that looks `unknown` (data.novelty) means nothing, high or low: it goes to a person. Both
    bounds of the thresholds keep holding, for no more parts are passed or rejected than without it.

    >>> limits = Thresholds(pass_below=0.1, reject_from=0.9)
    >>> [decide(p, limits).value for p in (0.05, 0.1, 0.9, float("nan"))]
    ['PASS', 'REVIEW', 'REJECT', 'NO_DECISION']
    >>> [decide(p, limits, unknown=True).value for p in (0.05, 0.9, float("nan"))]
    ['REVIEW', 'REVIEW', 'NO_DECISION']
    """
    if not 0.0 <= defect_probability <= 1.0:
        return Verdict.NO_DECISION
    if unknown:
        return Verdict.REVIEW
    if defect_probability < thresholds.pass_below:
        return Verdict.PASS
    if defect_probability >= thresholds.reject_from:
        return Verdict.REJECT
    return Verdict.REVIEW


def allowed_errors(n: int, limit: float, delta: float) -> int | None:
    """The largest k with BinomCDF(k; n, limit) <= delta, None when even k = 0 is too many (Learn-then-Test, arXiv 2110.01052).

    >>> [allowed_errors(n, 0.01, 0.05) for n in (298, 299, 472, 473, 1049)]
    [None, 0, 0, 1, 5]
    """
    k = int(binom.ppf(delta, n, limit))
    while k >= 0 and binom.cdf(k, n, limit) > delta:
        k -= 1
    return k if k >= 0 else None


def needed_images(limit: float, delta: float) -> int:
    """The fewest held-out images with which `limit` can be promised at all (no error allowed).

    >>> needed_images(0.02, 0.05)
    149
    """
    return math.ceil(math.log(delta) / math.log1p(-limit))


def choose_thresholds(
    defect_probability: ArrayLike,
    is_defect: ArrayLike,
    aims: Aims,
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
) -> tuple[Thresholds, Guarantee]:
    """The widest PASS and REJECT ranges that keep both bounds of `aims`, or the cheapest within them.

    `defect_probability` float [n] in 0..1 and `is_defect` bool [n] are held-out: no image of them was trained on; `labels`
    [n] are their classes. `groups` [n] say which images show the same part: they count as one, by the worst of them
    (data.groups), since the bounds take independent draws; None: every image is by itself. The widest PASS ends at the
    (k+1)-th smallest defect score, so at most k held-out defects lie below; the widest REJECT starts just above the (k+1)-th
    largest good score. Where the ranges would overlap, REJECT gives way: both bounds still hold.

    Costs and capacity are looked at on the same images without weakening a bound: they only ever move `pass_below` down and
    `reject_from` up. Escapes can but fall when `pass_below` does, so a choice that lets too many through, however it was made,
    implies that the widest one does too, and that has a chance of at most `delta` (likewise REJECT). The same holds for a
    `pass_below` that is the least over the defect classes.

    Raises ValueError for scores outside 0..1 or NaN, for lengths that differ, and for costs or capacity without held-out
    images of both kinds.
    """
    scores = np.asarray(defect_probability, dtype=np.float64)
    defect = np.asarray(is_defect, dtype=bool)
    if scores.ndim != 1 or scores.shape != defect.shape:
        raise ValueError(f"expected two vectors of one length, got shapes {scores.shape} and {defect.shape}")
    if not np.all((scores >= 0) & (scores <= 1)):
        raise ValueError("defect probabilities must lie in 0..1; found values outside or NaN")
    group = numbered(groups, len(scores))
    counted: Counted = "parts" if are_shared(group) else "images"
    by_class = {} if labels is None else _by_class(scores, defect, labels, group)

    defect_scores, good_scores = worst_scores(scores, defect, group)
    limits = [_most_pass_below(defect_scores, aims) or 0.0]
    if aims.per_class:
        limits += [limit for own in by_class.values() if (limit := _most_pass_below(own, aims)) is not None]
    pass_below = min(limits)
    allowed_good = allowed_errors(len(good_scores), aims.reject_good_rate, aims.delta)
    least_reject_from = float(np.nextafter(1.0 if allowed_good is None else good_scores[-1 - allowed_good], np.inf))
    reject_from = max(least_reject_from, pass_below)

    bill = None
    outcomes = _outcomes(defect_scores, good_scores, aims)
    if outcomes is not None:
        if aims.costs is not None or aims.capacity is not None:
            pass_below, reject_from = outcomes.cheapest(pass_below, least_reject_from, aims.costs, aims.capacity)
        bill = outcomes.bill(pass_below, reject_from, aims.defect_rate is not None, aims.costs, aims.capacity)
    elif aims.costs is not None or aims.capacity is not None:
        raise ValueError("costs and capacity need held-out images of both kinds, good and defective")
    return (
        Thresholds(pass_below=pass_below, reject_from=reject_from),
        Guarantee(
            escape=_escape_bound(defect_scores, pass_below, aims, counted),
            reject_good=Bound(
                rate=_REJECT_GOOD,
                limit=aims.reject_good_rate,
                delta=aims.delta,
                n=len(good_scores),
                allowed=allowed_good,
                observed=int((good_scores >= reject_from).sum()),
                needed=needed_images(aims.reject_good_rate, aims.delta),
                counted=counted,
            ),
            classes=[_escape_bound(own, pass_below, aims, counted, name) for name, own in by_class.items()],
            bill=bill,
        ),
    )


def expected_bill(
    defect_probability: ArrayLike,
    is_defect: ArrayLike,
    thresholds: Thresholds,
    aims: Aims,
    groups: Sequence[str] | None = None,
) -> Bill:
    """What any thresholds would cost, bounds or not, from scores float [n] in 0..1 and the truth bool [n].

    Images of one of the `groups` [n] count as one part, as in `choose_thresholds`. Raises ValueError without images of both
    kinds.
    """
    scores = np.asarray(defect_probability, dtype=np.float64)
    defect = np.asarray(is_defect, dtype=bool)
    outcomes = _outcomes(*worst_scores(scores, defect, numbered(groups, len(scores))), aims)
    if outcomes is None:
        raise ValueError("a bill needs images of both kinds, good and defective")
    given = aims.defect_rate is not None
    return outcomes.bill(thresholds.pass_below, thresholds.reject_from, given, aims.costs, aims.capacity)


def _outcomes(defect: NDArray[np.float64], good: NDArray[np.float64], aims: Aims) -> Outcomes | None:
    if not len(defect) or not len(good):
        return None
    held_out = len(defect) / (len(defect) + len(good))
    return Outcomes(defect, good, held_out if aims.defect_rate is None else aims.defect_rate)


def _by_class(
    scores: NDArray[np.float64], defect: NDArray[np.bool_], labels: Sequence[str], group: Indices
) -> dict[str, NDArray[np.float64]]:
    """The sorted scores of each defect class; none where there is but one."""
    if len(labels) != len(scores):
        raise ValueError(f"expected a class for each of {len(scores)} images, got {len(labels)}")
    named = np.asarray(labels, dtype=str)
    names = np.unique(named[defect])
    # Whatever is not of the class falls on the other side, which is not looked at.
    each = {str(name): worst_scores(scores, defect & (named == name), group)[0] for name in names}
    return each if len(each) > 1 else {}


def _most_pass_below(defect_scores: NDArray[np.float64], aims: Aims) -> float | None:
    """The widest `pass_below` that the bound permits on sorted scores, None when it permits none."""
    allowed = allowed_errors(len(defect_scores), aims.escape_rate, aims.delta)
    return None if allowed is None else float(defect_scores[allowed])


def _escape_bound(
    defect_scores: NDArray[np.float64], pass_below: float, aims: Aims, counted: Counted, of_class: str | None = None
) -> Bound:
    return Bound(
        rate=_ESCAPE,
        limit=aims.escape_rate,
        delta=aims.delta,
        n=len(defect_scores),
        allowed=allowed_errors(len(defect_scores), aims.escape_rate, aims.delta),
        observed=int((defect_scores < pass_below).sum()),
        needed=needed_images(aims.escape_rate, aims.delta),
        of_class=of_class,
        counted=counted,
    )

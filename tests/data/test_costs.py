"""The cheapest thresholds inside the bounds, against brute force over every pair, and the bill that they carry."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.costs import Bill, Capacity, Costs
from data.decide import Aims, Thresholds, choose_thresholds, decide, expected_bill
from data.verdict import Verdict

# Few distinct scores, so that ties are the rule; loose limits, so that small samples have room inside the bounds.
scored = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=8, max_size=60).filter(
    lambda images: 0 < sum(is_defect for _, is_defect in images) < len(images)
)
money = st.integers(0, 50)
costs = st.builds(Costs, escape=money, good_rejected=money, review=money, currency=st.just("USD"))
capacity = st.builds(Capacity, parts_per_shift=st.just(100), reviews_per_shift=st.integers(0, 100))
LOOSE = {"escape_rate": 0.4, "reject_good_rate": 0.4, "delta": 0.2}


def arrays(images: list[tuple[int, bool]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.array([score for score, _ in images]) / 12, np.array([is_defect for _, is_defect in images])


def pairs_inside(scores: NDArray[np.float64], widest: Thresholds, least_reject: float) -> list[Thresholds]:
    """Every pair of thresholds that the bounds permit, as far as held-out scores can tell them apart."""
    values = [0.0, *np.unique(scores), np.nextafter(1.0, 2.0)]
    return [
        Thresholds(pass_below=low, reject_from=high)
        for low, high in itertools.product(values, [*values, least_reject])
        if low <= min(high, widest.pass_below) and high >= least_reject
    ]


def least_reject(scores: NDArray[np.float64], defect: NDArray[np.bool_]) -> float:
    """The REJECT threshold of its own bound: as chosen where nothing may be passed."""
    strict = Aims(**LOOSE | {"escape_rate": 1e-9})
    return choose_thresholds(scores, defect, strict)[0].reject_from


@settings(deadline=None, max_examples=150)
@given(scored, costs, st.one_of(st.none(), capacity), st.floats(0.01, 0.99))
def test_no_pair_inside_the_bounds_is_cheaper(
    images: list[tuple[int, bool]], costs: Costs, capacity: Capacity | None, defect_rate: float
) -> None:
    scores, defect = arrays(images)
    aims = Aims(**LOOSE, costs=costs, capacity=capacity, defect_rate=defect_rate)
    thresholds, guarantee = choose_thresholds(scores, defect, aims)
    widest, _ = choose_thresholds(scores, defect, Aims(**LOOSE))
    possible = [
        expected_bill(scores, defect, pair, aims) for pair in pairs_inside(scores, widest, least_reject(scores, defect))
    ]
    bill = guarantee.bill
    assert bill is not None
    assert bill == expected_bill(scores, defect, thresholds, aims)
    fitting = [other for other in possible if other.fits]
    if fitting:
        assert bill.fits
        assert bill.money == pytest.approx(min(other.money or 0.0 for other in fitting), abs=1e-6)
    else:
        assert thresholds == widest
        assert bill.reviews == pytest.approx(min(other.reviews for other in possible))


@settings(deadline=None, max_examples=150)
@given(scored, capacity, st.floats(0.01, 0.99))
def test_a_capacity_alone_buys_the_fewest_escapes_then_the_fewest_good_parts_rejected(
    images: list[tuple[int, bool]], capacity: Capacity, defect_rate: float
) -> None:
    scores, defect = arrays(images)
    aims = Aims(**LOOSE, capacity=capacity, defect_rate=defect_rate)
    _, guarantee = choose_thresholds(scores, defect, aims)
    widest, _ = choose_thresholds(scores, defect, Aims(**LOOSE))

    def order(bill: Bill) -> tuple[float, ...]:
        return tuple(round(value, 6) for value in (bill.escapes, bill.good_rejected, bill.reviews))

    possible = [
        expected_bill(scores, defect, pair, aims) for pair in pairs_inside(scores, widest, least_reject(scores, defect))
    ]
    assert guarantee.bill is not None
    if fitting := [bill for bill in possible if bill.fits]:
        assert order(guarantee.bill) == min(order(bill) for bill in fitting)


@settings(deadline=None, max_examples=200)
@given(scored, st.one_of(st.none(), costs), st.one_of(st.none(), capacity), st.floats(0.01, 0.99), st.booleans())
def test_money_never_widens_what_the_bounds_permit(
    images: list[tuple[int, bool]],
    costs: Costs | None,
    capacity: Capacity | None,
    defect_rate: float,
    per_class: bool,
) -> None:
    """What makes it right to choose after looking: PASS only ends lower, REJECT only starts higher than its own bound."""
    scores, defect = arrays(images)
    labels = [f"kind {number % 2}" for number in range(len(scores))]
    aims = Aims(**LOOSE, costs=costs, capacity=capacity, defect_rate=defect_rate, per_class=per_class)
    thresholds, guarantee = choose_thresholds(scores, defect, aims, labels)
    widest, _ = choose_thresholds(scores, defect, Aims(**LOOSE))
    assert thresholds.pass_below <= widest.pass_below
    assert thresholds.reject_from >= least_reject(scores, defect)
    for bound in (guarantee.escape, guarantee.reject_good):
        assert bound.observed <= (bound.allowed or 0)


@settings(deadline=None)
@given(scored, st.tuples(st.floats(0, 1), st.floats(0, 1)), st.floats(0.01, 0.99))
def test_the_bill_counts_what_the_verdicts_do(
    images: list[tuple[int, bool]], ends: tuple[float, float], defect_rate: float
) -> None:
    """Oracle: 1,000 parts, each held-out image standing for its share of its kind on the line."""
    scores, defect = arrays(images)
    thresholds = Thresholds(pass_below=min(ends), reject_from=max(ends))
    prices = Costs(escape=100, good_rejected=7, review=2, currency="EUR")
    bill = expected_bill(scores, defect, thresholds, Aims(defect_rate=defect_rate, costs=prices))
    verdicts = np.array([decide(score, thresholds) for score in scores], dtype=object)
    weight = 1000 * np.where(defect, defect_rate / defect.sum(), (1 - defect_rate) / (~defect).sum())
    escapes = weight[defect & (verdicts == Verdict.PASS)].sum()
    rejected = weight[~defect & (verdicts == Verdict.REJECT)].sum()
    reviews = weight[verdicts == Verdict.REVIEW].sum()
    assert bill.escapes == pytest.approx(escapes)
    assert bill.overkill == pytest.approx(weight[~defect & (verdicts != Verdict.PASS)].sum())
    assert bill.good_rejected == pytest.approx(rejected, abs=1e-9)
    assert bill.reviews == pytest.approx(reviews, abs=1e-9)
    assert bill.money == pytest.approx(100 * escapes + 7 * rejected + 2 * reviews)


def test_the_line_s_defect_rate_and_not_the_collection_s_makes_the_bill() -> None:
    """Half of the collected images are defective, one part in a hundred is: a dear review is worth it on the first only."""
    random = np.random.default_rng(3)
    scores = np.concatenate([random.beta(5, 2, 600), random.beta(2, 5, 600)])
    defect = np.arange(1200) < 600
    prices = Costs(escape=200, good_rejected=20, review=5, currency="USD")
    collected, told = (Aims(escape_rate=0.1, costs=prices, defect_rate=rate) for rate in (None, 0.01))
    cautious, guess = choose_thresholds(scores, defect, collected)
    wide, known = choose_thresholds(scores, defect, told)
    assert guess.bill is not None
    assert known.bill is not None
    assert (guess.bill.defect_rate, guess.bill.defect_rate_given) == (0.5, False)
    assert (known.bill.defect_rate, known.bill.defect_rate_given) == (0.01, True)
    assert cautious.pass_below < wide.pass_below


def test_a_capacity_below_what_the_bounds_need_is_said_and_breaks_no_bound() -> None:
    random = np.random.default_rng(4)
    scores = np.concatenate([random.beta(3, 2, 400), random.beta(2, 3, 400)])
    defect = np.arange(800) < 400
    small = Capacity(parts_per_shift=2000, reviews_per_shift=100)
    widest, plain = choose_thresholds(scores, defect, Aims(defect_rate=0.05))
    thresholds, guarantee = choose_thresholds(scores, defect, Aims(defect_rate=0.05, capacity=small))
    assert thresholds == widest
    assert guarantee.escape == plain.escape
    assert guarantee.bill is not None
    share = guarantee.bill.reviews / 1000
    assert share > 0.5
    assert guarantee.bill.capacity_sentence == (
        f"The review capacity cannot be met inside the bounds: {100 * share:.3g}% of the parts ({2000 * share:,.0f} a shift) "
        "would have to be reviewed, people can review 5% (100 of 2000)."
    )


def test_spare_capacity_is_spent_on_escapes() -> None:
    random = np.random.default_rng(5)
    scores = np.concatenate([random.beta(6, 2, 500), random.beta(2, 6, 500)])
    defect = np.arange(1000) < 500
    _, widest = choose_thresholds(scores, defect, Aims(escape_rate=0.05, defect_rate=0.05))
    ample = Capacity(parts_per_shift=1000, reviews_per_shift=600)
    _, guarantee = choose_thresholds(scores, defect, Aims(escape_rate=0.05, defect_rate=0.05, capacity=ample))
    assert widest.escape.observed > 0
    assert guarantee.escape.observed == 0
    assert guarantee.bill is not None
    assert guarantee.bill.reviews <= 600
    assert "of the 60% (600 of 1000) that people can review" in (guarantee.bill.capacity_sentence or "")


def test_without_both_kinds_there_is_no_bill_and_no_cheapest() -> None:
    assert choose_thresholds([0.1, 0.2], [False, False], Aims())[1].bill is None
    with pytest.raises(ValueError, match="both kinds"):
        choose_thresholds([0.1, 0.2], [False, False], Aims(capacity=Capacity(parts_per_shift=10, reviews_per_shift=1)))
    with pytest.raises(ValueError, match="both kinds"):
        expected_bill([0.1, 0.2], [True, True], Thresholds(pass_below=0.1, reject_from=0.9), Aims())

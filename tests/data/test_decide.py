"""The deciding core: what the thresholds promise, against an oracle, simulation and hypothesis."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.risk_control import BinaryClassificationController, BinaryRisk
from numpy.typing import NDArray
from scipy.stats import beta

from data.costs import Capacity, Costs
from data.decide import Aims, Thresholds, allowed_errors, choose_thresholds, decide, needed_images
from data.verdict import Verdict, part_verdict

probability = st.floats(0, 1, allow_nan=False)


@given(probability, probability, probability)
def test_verdict_is_monotone_in_the_defect_probability(one: float, other: float, score: float) -> None:
    limits = Thresholds(pass_below=min(one, other), reject_from=max(one, other))
    order = [Verdict.PASS, Verdict.REVIEW, Verdict.REJECT]
    verdict = decide(score, limits)
    assert order.index(verdict) <= order.index(decide(min(1.0, score + 0.1), limits))
    assert (verdict is Verdict.PASS) == (score < limits.pass_below)
    assert (verdict is Verdict.REJECT) == (score >= limits.reject_from and score >= limits.pass_below)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, -1e-9, 1.0000001])
def test_a_score_that_is_no_probability_is_never_passed(score: float) -> None:
    assert decide(score, Thresholds(pass_below=1.0, reject_from=1.0)) is Verdict.NO_DECISION


@pytest.mark.parametrize(("n", "expected"), [(298, None), (299, 0), (472, 0), (473, 1), (1048, 4), (1049, 5)])
def test_allowed_errors_at_one_percent(n: int, expected: int | None) -> None:
    assert allowed_errors(n, 0.01, 0.05) == expected


@given(st.integers(0, 3000), st.sampled_from([0.005, 0.01, 0.02, 0.05, 0.1]), st.sampled_from([0.01, 0.05, 0.1]))
def test_allowed_errors_is_where_the_clopper_pearson_upper_limit_crosses(n: int, limit: float, delta: float) -> None:
    """Oracle: k errors of n are allowed exactly when the one-sided Clopper-Pearson limit for k of n is within `limit`."""
    allowed = allowed_errors(n, limit, delta)
    k = -1 if allowed is None else allowed
    if k >= 0:
        assert beta.ppf(1 - delta, k + 1, n - k) <= limit + 1e-12
    if k + 1 < n:
        assert beta.ppf(1 - delta, k + 2, n - k - 1) > limit - 1e-12
    assert (allowed is None) == (n < needed_images(limit, delta))


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), max_size=400),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_held_out_errors_never_exceed_what_is_allowed(scored: list[tuple[float, bool]], limit: float) -> None:
    scores = np.array([score for score, _ in scored], dtype=np.float32)
    defect = np.array([is_defect for _, is_defect in scored], dtype=bool)
    thresholds, guarantee = choose_thresholds(scores, defect, Aims(escape_rate=limit, reject_good_rate=limit))
    verdicts = np.array([decide(float(score), thresholds) for score in scores], dtype=object)
    escapes = int(np.sum((verdicts == Verdict.PASS) & defect))
    rejected_good = int(np.sum((verdicts == Verdict.REJECT) & ~defect))
    assert escapes == guarantee.escape.observed <= (guarantee.escape.allowed or 0)
    assert rejected_good == guarantee.reject_good.observed <= (guarantee.reject_good.allowed or 0)


def test_too_few_defects_say_so_and_pass_nothing() -> None:
    scores = np.linspace(0, 1, 40)
    thresholds, guarantee = choose_thresholds(scores, scores > 0.5, Aims())
    assert thresholds.pass_below == 0
    assert decide(0.0, thresholds) is Verdict.REVIEW
    assert decide(1.0, thresholds) is Verdict.REVIEW
    assert not guarantee.escape.holds
    assert "No guarantee possible" in guarantee.escape.sentence.en
    assert "149 are needed" in guarantee.escape.sentence.en


@pytest.mark.parametrize("bad", [[0.1, math.nan], [0.1, 1.2], [-0.1, 0.5]])
def test_scores_that_are_no_probabilities_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        choose_thresholds(bad, [True, False], Aims())


@pytest.mark.parametrize("digits", [17, 2, 1])
@pytest.mark.parametrize(
    ("n", "limit", "delta"),
    [(40, 0.1, 0.05), (149, 0.02, 0.05), (300, 0.02, 0.05), (411, 0.02, 0.1), (500, 0.01, 0.05), (200, 0.05, 0.01)],
)
def test_pass_ends_where_mapie_s_learn_then_test_ends(n: int, limit: float, delta: float, digits: int) -> None:
    """Oracle: mapie, fixed-sequence testing from the most cautious threshold on, on distinct scores and on tied ones."""
    random = np.random.default_rng(n)
    scores = np.round(np.concatenate([random.beta(4, 1.5, n), random.beta(1, 8, 50)]), digits)
    defect = np.arange(n + 50) < n
    oracle = BinaryClassificationController(
        predict_function=lambda given: np.column_stack([1 - given, given]),
        risk=BinaryRisk(
            risk_occurrence=lambda truth, flagged: flagged == 0,
            risk_condition=lambda truth, flagged: truth == 1,
            higher_is_better=False,
        ),
        target_level=limit,
        confidence_level=1 - delta,
        best_predict_param_choice="predicted_positive_fraction",
        list_predict_params=np.unique(scores[defect]),
        fwer_method="fixed_sequence",
    ).calibrate(scores, defect.astype(int))
    thresholds, guarantee = choose_thresholds(scores, defect, Aims(escape_rate=limit, delta=delta))
    assert guarantee.escape.holds
    assert thresholds.pass_below == oracle.valid_predict_params.max()


def test_the_escape_bound_holds_in_simulation() -> None:
    """1,000 plants, 400 held-out defects each: the realised escape rate exceeds the bound in at most delta of them."""
    rng = np.random.default_rng(7)
    exceeded = 0
    for _ in range(1000):
        defects = rng.beta(4, 1.5, 400)
        thresholds, _ = choose_thresholds(
            np.concatenate([defects, rng.beta(1, 8, 400)]), np.arange(800) < 400, Aims(escape_rate=0.05)
        )
        exceeded += beta.cdf(thresholds.pass_below, 4, 1.5) > 0.05
    assert exceeded <= within_monte_carlo(1000, 0.05)


def test_frames_of_one_part_are_one_piece_of_evidence() -> None:
    """400 plants with 160 frames of 40 defective parts: as many frames would suffice for 2 %, as many parts do not."""
    rng = np.random.default_rng(0)
    defect = np.arange(560) < 160
    parts = [f"bad {number // 4}" for number in range(160)] + [f"good {number}" for number in range(400)]
    for _ in range(400):
        scores = np.concatenate([near_identical(rng.random(40), rng), 0.3 * rng.random(400)])
        thresholds, guarantee = choose_thresholds(scores, defect, Aims(escape_rate=0.02), groups=parts)
        assert thresholds.pass_below == 0
        assert (guarantee.escape.n, guarantee.escape.allowed, guarantee.escape.needed) == (40, None, 149)
    assert not guarantee.holds
    assert "with 40 held-out parts; 149 are needed" in guarantee.escape.sentence.en


def test_the_bounds_hold_in_simulation_for_parts_of_several_frames() -> None:
    """400 plants, 200 parts of each kind in three near-identical frames: both rates exceed their bounds as rarely as promised."""
    rng = np.random.default_rng(3)
    parts = [str(number // 3) for number in range(1200)]
    exceeded = np.zeros(2)
    for _ in range(400):
        scores = near_identical(np.concatenate([rng.beta(4, 1.5, 200), rng.beta(1, 8, 200)]), rng, frames=3)
        aims = Aims(escape_rate=0.05, reject_good_rate=0.05)
        thresholds, guarantee = choose_thresholds(scores, np.arange(1200) < 600, aims, groups=parts)
        assert (guarantee.escape.n, guarantee.reject_good.n) == (200, 200)
        exceeded += beta.cdf(thresholds.pass_below, 4, 1.5) > 0.05, beta.sf(thresholds.reject_from, 1, 8) > 0.05
    assert (exceeded <= within_monte_carlo(400, 0.05)).all()


def near_identical(parts: NDArray[np.float64], rng: np.random.Generator, frames: int = 4) -> NDArray[np.float64]:
    """The scores of so many frames of each part."""
    return np.clip(np.repeat(parts, frames) + rng.normal(0, 0.002, frames * len(parts)), 0, 1)


def test_a_part_errs_as_soon_as_one_of_its_frames_does() -> None:
    scores = [0.1, 0.8, 0.9, 0.2, 0.3, 0.05]
    defect = [True, True, True, False, False, False]
    groups = ["a", "a", "b", "c", "c", "a"]  # of part a some frames are defective, and one shows nothing
    labels = ["crack", "stain", "stain", "good", "good", "good"]
    thresholds, guarantee = choose_thresholds(
        scores, defect, Aims(escape_rate=0.98, reject_good_rate=0.9), labels, groups
    )
    assert thresholds.pass_below == 0.9, "one part of two may escape, not one of three frames"
    assert (guarantee.escape.n, guarantee.escape.observed) == (2, 1)
    assert guarantee.reject_good.n == 2
    assert {bound.of_class: (bound.n, bound.observed, bound.counted) for bound in guarantee.classes} == {
        "crack": (1, 1, "parts"),
        "stain": (2, 1, "parts"),
    }


@given(st.integers(0, 1000), st.integers(10, 60))
def test_groups_of_one_image_change_nothing(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, defect = rng.random(n).round(2), np.arange(n) % 2 == 0
    labels = np.where(defect, rng.choice(["crack", "stain"], n), "good").tolist()
    aims = Aims(escape_rate=0.2, reject_good_rate=0.2, per_class=True)
    alone = [str(number) for number in rng.permutation(n)]
    assert choose_thresholds(scores, defect, aims, labels, alone) == choose_thresholds(scores, defect, aims, labels)


def within_monte_carlo(runs: int, delta: float) -> float:
    """As many of `runs` as may go wrong when each does with chance `delta`: the mean and three standard deviations."""
    return runs * delta + 3 * math.sqrt(runs * delta * (1 - delta))


CHEAP_ESCAPES = Aims(escape_rate=0.05, costs=Costs(escape=1, good_rejected=50, review=10, currency="USD"))
DEAR_ESCAPES = Aims(escape_rate=0.05, costs=Costs(escape=300, good_rejected=50, review=10, currency="USD"))


@pytest.mark.parametrize("digits", [17, 2, 1])
@pytest.mark.parametrize(
    "aims",
    [
        Aims(escape_rate=0.05),
        CHEAP_ESCAPES,
        DEAR_ESCAPES,
        Aims(escape_rate=0.05, capacity=Capacity(parts_per_shift=100, reviews_per_shift=50)),
    ],
    ids=["widest", "cheap escapes", "dear escapes", "capacity"],
)
def test_both_bounds_hold_over_500_re_splits_however_the_thresholds_were_chosen(aims: Aims, digits: int) -> None:
    """The fixed scores are the whole truth; 500 times a held-out half is drawn from them and the thresholds face the truth.

    Drawn with replacement, as parts come from a line. Among the few images of the other half alone, their own chance would
    come on top of the held-out one, which no bound on the true rate covers.
    """
    random = np.random.default_rng(11)
    defects, goods = np.round(random.beta(4, 1.5, 1000), digits), np.round(random.beta(1, 8, 1000), digits)
    escaped, rejected = 0, 0
    for _ in range(500):
        held_out = np.concatenate([random.choice(defects, 500), random.choice(goods, 500)])
        thresholds, _ = choose_thresholds(held_out, np.arange(1000) < 500, aims)
        escaped += np.mean(defects < thresholds.pass_below) > aims.escape_rate
        rejected += np.mean(goods >= thresholds.reject_from) > aims.reject_good_rate
    assert escaped <= within_monte_carlo(500, aims.delta)
    assert rejected <= within_monte_carlo(500, aims.delta)


def three_classes(random: np.random.Generator, rare: int) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[str]]:
    """Scores of easy cracks, of hard stains and of `rare` scratches, and of good parts."""
    scores = [random.beta(8, 1.5, 400), random.beta(3, 2, 400), random.beta(4, 1, rare), random.beta(1, 8, 400)]
    labels = ["crack"] * 400 + ["stain"] * 400 + ["scratch"] * rare + ["good"] * 400
    return np.concatenate(scores), np.array(labels) != "good", labels


def test_each_class_says_what_holds_for_it() -> None:
    scores, defect, labels = three_classes(np.random.default_rng(1), rare=20)
    loose, guarantee = choose_thresholds(scores, defect, Aims(escape_rate=0.05), labels)
    by_name = {bound.of_class: bound for bound in guarantee.classes}
    assert set(by_name) == {"crack", "scratch", "stain"}
    assert by_name["crack"].holds
    assert "escape rate of class crack <= 5.0% at 95% confidence" in by_name["crack"].sentence.en
    assert not by_name["stain"].holds
    assert "No guarantee for class stain at these thresholds" in by_name["stain"].sentence.en
    assert by_name["scratch"].sentence.en == (
        "No guarantee possible for class scratch with 20 held-out defects; 59 are needed for escape rate <= 5.0% at "
        "95% confidence."
    )
    strict, guarantee = choose_thresholds(scores, defect, Aims(escape_rate=0.05, per_class=True), labels)
    assert strict.pass_below < loose.pass_below
    assert [bound.holds for bound in guarantee.classes] == [True, False, True]
    assert guarantee.escape.holds


def test_a_class_s_bound_is_claimed_wrongly_in_at_most_delta_of_500_plants() -> None:
    """With the threshold at the edge of the class's own bound (enforced), and where it is left to chance (reported)."""
    random = np.random.default_rng(2)
    wrong = {True: 0, False: 0}
    for _ in range(500):
        scores, defect, labels = three_classes(random, rare=20)
        for per_class in wrong:
            thresholds, guarantee = choose_thresholds(
                scores, defect, Aims(escape_rate=0.05, per_class=per_class), labels
            )
            stain = next(bound for bound in guarantee.classes if bound.of_class == "stain")
            wrong[per_class] += stain.holds and beta.cdf(thresholds.pass_below, 3, 2) > 0.05
    assert wrong[True] > 0, "the simulation reaches the edge"
    assert max(wrong.values()) <= within_monte_carlo(500, 0.05)


def test_one_defect_class_is_not_said_twice_and_every_image_needs_its_class() -> None:
    scores = np.linspace(0, 1, 40)
    labels = ["good" if score <= 0.5 else "bad" for score in scores]
    assert choose_thresholds(scores, scores > 0.5, Aims(), labels)[1].classes == []
    with pytest.raises(ValueError, match="a class for each of 40 images, got 39"):
        choose_thresholds(scores, scores > 0.5, Aims(), labels[1:])


@pytest.mark.parametrize(
    ("views", "expected", "verdict"),
    [
        ({"top": Verdict.PASS, "side": Verdict.PASS}, ["top", "side"], Verdict.PASS),
        ({"top": Verdict.PASS, "side": Verdict.REJECT}, ["top", "side"], Verdict.REJECT),
        ({"top": Verdict.PASS}, ["top", "side"], Verdict.NO_DECISION),
        ({"top": Verdict.PASS, "side": Verdict.NO_DECISION}, [], Verdict.NO_DECISION),
        ({}, [], Verdict.NO_DECISION),
    ],
)
def test_a_part_is_as_bad_as_its_worst_view(views: dict[str, Verdict], expected: list[str], verdict: Verdict) -> None:
    assert part_verdict(views, expected) is verdict

"""The bundle's curve: exact at its points, never too good between them, and the guarantee at other thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.decide import Aims, Guarantee, Thresholds, choose_thresholds, expected_bill
from data.operating import OperatingCurve, guarantee_at

RANDOM = np.random.default_rng(0)
IS_DEFECT = np.arange(2000) % 2 == 0
SCORES = np.clip(np.where(IS_DEFECT, 0.75, 0.25) + 0.2 * RANDOM.standard_normal(2000), 0, 1)
OWN, PROMISED = choose_thresholds(SCORES, IS_DEFECT, Aims())
CURVE = OperatingCurve.of(SCORES, IS_DEFECT, OWN)


def at(pass_below: float, reject_from: float, curve: OperatingCurve | None = CURVE) -> Guarantee | None:
    return guarantee_at(Thresholds(pass_below=pass_below, reject_from=reject_from), OWN, PROMISED, curve)


def test_at_its_own_thresholds_the_curve_gives_the_guarantee_that_the_model_came_with() -> None:
    assert len(CURVE.points) <= 400 + 4
    again = at(OWN.pass_below, OWN.reject_from)
    assert again is not None
    assert (again.escape, again.reject_good) == (PROMISED.escape, PROMISED.reject_good)
    assert again.bill is not None
    assert PROMISED.bill is not None
    assert again.bill.model_dump() == pytest.approx(PROMISED.bill.model_dump())


def test_every_point_counts_exactly() -> None:
    for point, defects, goods in zip(CURVE.points, CURVE.defects_below, CURVE.goods_below, strict=True):
        assert defects == (SCORES[IS_DEFECT] < point).sum()
        assert goods == (SCORES[~IS_DEFECT] < point).sum()


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_between_points_no_figure_is_better_than_the_truth(one: float, other: float) -> None:
    thresholds = Thresholds(pass_below=min(one, other), reject_from=max(one, other))
    told, truth = (
        at(thresholds.pass_below, thresholds.reject_from),
        expected_bill(SCORES, IS_DEFECT, thresholds, Aims()),
    )
    assert told is not None
    assert told.bill is not None
    assert told.escape.observed >= (SCORES[IS_DEFECT] < thresholds.pass_below).sum()
    assert told.reject_good.observed >= (SCORES[~IS_DEFECT] >= thresholds.reject_from).sum()
    for name in ("escapes", "overkill", "good_rejected", "reviews"):
        assert getattr(told.bill, name) >= getattr(truth, name) - 1e-9


def test_the_guarantee_ends_one_held_out_defect_beyond_the_widest_threshold() -> None:
    defects = np.sort(SCORES[IS_DEFECT])
    allowed = PROMISED.escape.allowed
    assert allowed is not None
    widest, beyond = at(float(defects[allowed]), 1.0), at(float(defects[allowed + 1]), 1.0)
    assert widest is not None
    assert beyond is not None
    assert widest.escape.holds
    assert not beyond.escape.holds
    assert (
        f"No guarantee for escape rate <= 2.0% at these thresholds: {allowed + 1} of 1000" in beyond.escape.sentence.en
    )


def test_without_a_curve_only_thresholds_no_wider_than_the_models_own_are_known() -> None:
    narrower = at(OWN.pass_below / 2, OWN.reject_from, None)
    assert narrower is not None
    assert narrower.holds
    assert at(OWN.pass_below + 0.01, OWN.reject_from, None) is None


def test_classes_are_counted_apart() -> None:
    labels = ["good" if not bad else "crack" if number % 4 else "scratch" for number, bad in enumerate(IS_DEFECT)]
    own, promised = choose_thresholds(SCORES, IS_DEFECT, Aims(), labels)
    curve = OperatingCurve.of(SCORES, IS_DEFECT, own, labels)
    told = guarantee_at(own, own, promised, curve)
    assert told is not None
    assert told.classes == promised.classes
    assert {bound.of_class for bound in told.classes} == {"crack", "scratch"}


@pytest.mark.parametrize("changes", [{"points": [0.0, 0.0]}, {"points": [0.0, 0.9]}, {"goods_below": [1, 2]}])
def test_a_curve_that_cannot_be_is_refused(changes: dict[str, list[float]]) -> None:
    sound = {"points": [0.0, 1.1], "defects_below": [0, 2], "goods_below": [0, 2]}
    OperatingCurve.model_validate(sound)
    with pytest.raises(ValidationError):
        OperatingCurve.model_validate({**sound, **changes})


def test_curve_of_parts_answers_as_their_guarantee_was_made() -> None:
    groups = [str(number // 3) for number in range(len(SCORES))]
    own, promised = choose_thresholds(SCORES, IS_DEFECT, Aims(escape_rate=0.1), groups=groups)
    curve = OperatingCurve.of(SCORES, IS_DEFECT, own, groups=groups)
    assert (curve.defects, curve.goods) == (promised.escape.n, promised.reject_good.n)
    assert curve.defects < IS_DEFECT.sum()
    again = guarantee_at(own, own, promised, curve)
    assert again is not None
    assert again.bill is not None
    assert promised.bill is not None
    assert (again.escape, again.reject_good) == (promised.escape, promised.reject_good)
    assert again.bill.model_dump() == pytest.approx(promised.bill.model_dump())

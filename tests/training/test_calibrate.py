import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from data.errors import InputError
from training.calibrate import apply, calibrate, cross_calibrated
from training.scores import calibration_error


@settings(deadline=None, max_examples=8)
@given(slope=st.floats(0.2, 5), shift=st.floats(-3, 3), seed=st.integers(0, 1000))
def test_distorted_log_odds_are_put_right(slope: float, shift: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    true = random.normal(0, 2, 2000)
    defect = random.random(2000) < expit(true)
    given_scores = (true - shift) / slope
    calibration = calibrate(given_scores, defect)
    assert np.abs(apply(calibration, given_scores) - expit(true)).mean() < 0.04
    # Where there is nothing to put right, two fitted numbers cost about 2 / (2 n) nats = 5e-4.
    assert calibration.log_loss[calibration.method] <= calibration.log_loss["none"] + 1e-3


def test_each_method_is_chosen_where_it_is_right() -> None:
    random = np.random.default_rng(0)
    true = random.normal(0, 2, 6000)
    defect = random.random(6000) < expit(true)
    assert calibrate(true / 2, defect).method == "temperature"
    assert calibrate(true / 2 + 1, defect).method == "platt"
    # Neither end of this S is a line.
    assert calibrate(np.sign(true) * np.abs(true) ** 4, defect).method == "isotonic"


@settings(deadline=None, max_examples=12)
@given(power=st.sampled_from([1, 3, 5]), seed=st.integers(0, 1000), n=st.integers(20, 200))
def test_every_calibration_keeps_the_order_of_scores(power: int, seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    true = np.concatenate([random.normal(-1, 1, n), random.normal(1, 1, n)])
    defect = np.repeat([False, True], n)
    scores = np.sign(true) * np.abs(true) ** power
    beyond = np.concatenate([scores, [scores.min() - 9, scores.min() - 1, scores.max() + 1, scores.max() + 9]])
    probability = apply(calibrate(scores, defect), beyond)
    assert np.isfinite(probability).all()
    assert (np.diff(probability[np.argsort(beyond)]) >= 0).all()
    assert roc_auc_score(defect, probability[: 2 * n]) == pytest.approx(roc_auc_score(defect, scores), abs=1e-9)


def test_images_are_calibrated_by_others() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(0, 3, 3000)
    defect = random.random(3000) < expit(scores / 3)
    assert calibration_error(expit(scores), defect) > 0.1
    assert calibration_error(cross_calibrated(scores, defect), defect) < 0.04


def test_separable_scores_stay_finite() -> None:
    calibration = calibrate([-2.0, -1.0, 1.0, 2.0], [False, False, True, True])
    assert 0.5 < apply(calibration, [2.0])[0] < 1


def test_scores_that_fall_with_defects_are_refused() -> None:
    with pytest.raises(InputError, match="no better than chance"):
        calibrate([2.0, 1.0, -1.0, -2.0], [False, False, True, True])

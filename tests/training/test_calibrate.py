import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from data.errors import InputError
from training.calibrate import calibrate


@settings(deadline=None, max_examples=30)
@given(slope=st.floats(0.2, 5), shift=st.floats(-3, 3), seed=st.integers(0, 1000))
def test_distorted_log_odds_are_put_right(slope: float, shift: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    true = random.normal(0, 2, 4000)
    defect = random.random(4000) < expit(true)
    calibration = calibrate((true - shift) / slope, defect)
    assert calibration.log_loss_after <= calibration.log_loss_before + 1e-4
    assert calibration.slope == pytest.approx(slope, rel=0.2)
    assert calibration.intercept == pytest.approx(shift, abs=0.3 + 0.1 * abs(shift))


def test_separable_scores_stay_finite() -> None:
    calibration = calibrate([-2.0, -1.0, 1.0, 2.0], [False, False, True, True])
    assert 0 < calibration.slope < 10


def test_scores_that_fall_with_defects_are_refused() -> None:
    with pytest.raises(InputError, match="no better than chance"):
        calibrate([2.0, 1.0, -1.0, -2.0], [False, False, True, True])

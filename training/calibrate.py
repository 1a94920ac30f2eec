"""Platt's calibration: held-out log-odds to a probability that means what it says (Platt 1999)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from data.bundle import Calibration
from data.errors import InputError


def calibrate(log_odds: ArrayLike, is_defect: ArrayLike) -> Calibration:
    """The slope and intercept that minimise the log-loss of sigmoid(slope * log_odds + intercept), both float/bool [n].

    The images must be held out from training. Targets are Platt's smoothed ones, so separable scores stay finite.
    The map is monotone: thresholds chosen on the same images afterwards are order statistics and keep their guarantee.
    Raises InputError when the scores do not rise with defects, since then the model has learnt nothing.
    """
    scores = np.asarray(log_odds, dtype=np.float64)
    defect = np.asarray(is_defect, dtype=bool)
    positive, negative = int(defect.sum()), int((~defect).sum())
    goal = np.where(defect, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = parameters[0] * scores + parameters[1]
        error = (expit(z) - goal) / len(scores)
        value = float(np.mean(np.logaddexp(0, z) - goal * z))
        return value, np.array([error @ scores, error.sum()])

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    if not slope > 0:
        raise InputError(
            f"the model ranks the {len(scores)} held-out images no better than chance (calibration slope {slope:.2g}); "
            "check the labels, or train longer"
        )
    return Calibration(
        slope=float(slope),
        intercept=float(intercept),
        n=len(scores),
        log_loss_before=log_loss(scores, defect),
        log_loss_after=log_loss(slope * scores + intercept, defect),
    )


def log_loss(log_odds: NDArray[np.float64], is_defect: NDArray[np.bool_]) -> float:
    """Mean log-loss in nats of log-odds float [n] against bool [n]."""
    return float(np.mean(np.logaddexp(0, log_odds) - is_defect * log_odds))

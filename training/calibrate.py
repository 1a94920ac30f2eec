"""From held-out log-odds to a probability that means what it says: temperature, Platt or isotonic, whichever predicts best."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedKFold

from data.bundle import Calibration, CalibrationMethod
from data.errors import InputError

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]
Knots = tuple[Floats, Floats]
"""given and calibrated log-odds, both rising; straight between the knots and beyond them"""

_FOLDS = 5
_REPEATS = 2


def calibrate(log_odds: ArrayLike, is_defect: ArrayLike) -> Calibration:
    """The map of log-odds float [n] to calibrated log-odds that predicts the truth bool [n] best on images it was not fitted on.

    Temperature (Guo et al., arXiv 1706.04599), Platt (1999) and isotonic regression (Zadrozny and Elkan 2002) are compared by
    cross-validated log-loss; a method with more freedom must beat the simpler one by more than the standard error of the
    difference. All of them rise strictly, so thresholds chosen on the same images afterwards are order statistics
    and keep their guarantee. The images must be held out from training. Raises InputError when the scores do not rise
    with defects, since then the model has learnt nothing.
    """
    scores = np.asarray(log_odds, dtype=np.float64)
    defect = np.asarray(is_defect, dtype=bool)
    _, (low, high) = _fit_platt(scores, defect)
    if not high > low:
        raise InputError(
            f"the model ranks the {len(scores)} held-out images no better than chance; check the labels, or train longer"
        )
    losses = {method: _held_out_loss(fit, scores, defect) for method, fit in _METHODS.items()}
    best: CalibrationMethod = "temperature"
    for method in ("platt", "isotonic"):
        gain = losses[best] - losses[method]
        if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
            best = method
    given, calibrated = _METHODS[best](scores, defect)
    return Calibration(
        method=best,
        given=given.tolist(),
        calibrated=calibrated.tolist(),
        n=len(scores),
        log_loss={"none": _log_loss(scores, defect).mean()}
        | {name: float(loss.mean()) for name, loss in losses.items()},
    )


def apply(calibration: Calibration, log_odds: ArrayLike) -> Floats:
    """Calibrated defect probabilities float64 [n] in 0..1 of log-odds [n], as the exported graph computes them."""
    knots = np.asarray(calibration.given), np.asarray(calibration.calibrated)
    return np.asarray(expit(_interpolate(knots, np.asarray(log_odds, dtype=np.float64))))


def cross_calibrated(log_odds: ArrayLike, is_defect: ArrayLike) -> Floats:
    """Probabilities float64 [n], each from a calibration that did not see its image: for honest figures on the same images."""
    scores, defect = np.asarray(log_odds, dtype=np.float64), np.asarray(is_defect, dtype=bool)
    probability = np.empty(len(scores))
    for fitted, other in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(scores, defect):
        probability[other] = apply(calibrate(scores[fitted], defect[fitted]), scores[other])
    return probability


def _fit_line(scores: Floats, defect: Truth, start: list[float]) -> Knots:
    """slope (and intercept, when `start` has two numbers) of least log-loss, on Platt's smoothed targets."""
    positive, negative = int(defect.sum()), int((~defect).sum())
    goal = np.where(defect, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        z = parameters[0] * scores + (parameters[1] if len(parameters) > 1 else 0.0)
        error = (expit(z) - goal) / len(scores)
        return float(np.mean(np.logaddexp(0, z) - goal * z)), np.array([error @ scores, error.sum()])[: len(parameters)]

    slope, intercept = [*minimize(loss, np.array(start), jac=True, method="BFGS").x, 0.0][:2]
    ends = np.array([-1.0, 1.0])
    return ends, slope * ends + intercept


def _fit_temperature(scores: Floats, defect: Truth) -> Knots:
    return _fit_line(scores, defect, [1.0])


def _fit_platt(scores: Floats, defect: Truth) -> Knots:
    return _fit_line(scores, defect, [1.0, 0.0])


def _fit_isotonic(scores: Floats, defect: Truth) -> Knots:
    """The blocks of the isotonic fit, each a knot at its mean score; rates are smoothed by half a case, so none is 0 or 1."""
    fitted = IsotonicRegression(out_of_bounds="clip").fit_transform(scores, defect)
    _, block = np.unique(fitted, return_inverse=True)
    count = np.bincount(block)
    given = np.bincount(block, scores) / count
    rate = logit((np.bincount(block, defect) + 0.5) / (count + 1))
    # Smoothing small blocks can turn the order of two neighbours round.
    rising = IsotonicRegression().fit_transform(given, rate, sample_weight=count)
    keep = np.flatnonzero(np.diff(rising, prepend=-np.inf) > 0)
    if len(keep) < 2:
        return _fit_platt(scores, defect)
    return given[keep], rising[keep]


_METHODS: dict[CalibrationMethod, Callable[[Floats, Truth], Knots]] = {
    "temperature": _fit_temperature,
    "platt": _fit_platt,
    "isotonic": _fit_isotonic,
}


def _held_out_loss(fit: Callable[[Floats, Truth], Knots], scores: Floats, defect: Truth) -> Floats:
    """The log-loss float [n] of each image under calibrations fitted without it, a mean over several ways to cut folds."""
    folds = min(_FOLDS, int(defect.sum()), int((~defect).sum()))
    if folds < 2:
        return _log_loss(_interpolate(fit(scores, defect), scores), defect)
    losses = np.zeros(len(scores))
    for repeat in range(_REPEATS):
        for fitted, other in StratifiedKFold(folds, shuffle=True, random_state=repeat).split(scores, defect):
            calibrated = _interpolate(fit(scores[fitted], defect[fitted]), scores[other])
            losses[other] += _log_loss(calibrated, defect[other]) / _REPEATS
    return losses


def _interpolate(knots: Knots, scores: Floats) -> Floats:
    given, calibrated = knots
    rise = np.diff(calibrated) / np.diff(given)
    return np.asarray(
        np.interp(scores, given, calibrated)
        + np.minimum(scores - given[0], 0) * rise[0]
        + np.maximum(scores - given[-1], 0) * rise[-1]
    )


def _log_loss(log_odds: Floats, is_defect: Truth) -> Floats:
    """Log-loss in nats [n] of log-odds [n] against bool [n]."""
    return np.asarray(np.logaddexp(0, log_odds) - is_defect * log_odds)

"""How good the verdicts are: rates and scores on held-out images, each with its 95 % interval."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from data import comparison
from data.decide import Thresholds
from data.groups import Indices, clusters, effective_size, numbered
from data.input_health import InputHealth, fit_input_health, look_at
from data.metric import Metric
from data.novelty import Novelty, NoveltySummary, false_alarms_expected
from training.dataset import Examples

Scores = NDArray[np.floating]
Truth = NDArray[np.bool_]

_RESAMPLES = 500
_BINS = 10


@dataclass(frozen=True)
class ClassScore:
    """What became of the test images of one true class."""

    name: str
    ok: bool
    flagged: Metric
    """not passed: found, for a defect class; overkill, for an OK class"""
    recall: Metric
    """given this class as the most probable one"""
    taken_for: dict[str, int]
    """how many got each class as the most probable one; a row of the confusion matrix"""


def score(
    defect_probability: NDArray[np.floating],
    is_defect: Truth,
    thresholds: Thresholds,
    unknown: Truth | None = None,
    groups: Sequence[str] | None = None,
) -> dict[str, Metric]:
    """Metrics of defect probabilities float [n] in 0..1 against the truth bool [n]; both kinds must be there.

    `unknown` bool [n] says which look unlike anything in training (None: the bundle cannot tell): they are sent to review.

    `test_auroc`, `test_accuracy` (defect probability over 0.5), `escape_rate` (defects passed), `overkill_rate` (good
    parts rejected or sent to review), `reject_good_rate`, `pass_rate`, `review_rate`, `ece` (expected calibration error).
    Rates carry Clopper-Pearson intervals, AUROC and ECE percentile intervals of a stratified bootstrap; both allow for
    images of one of the `groups` [n], which are no independent evidence (None: every image is by itself).
    """
    scores: Scores = np.asarray(defect_probability, dtype=np.float64)
    known = np.ones(len(scores), bool) if unknown is None else ~unknown
    passed, rejected = known & (scores < thresholds.pass_below), known & (scores >= thresholds.reject_from)
    group = numbered(groups, len(scores))
    defect, good = group[is_defect], group[~is_defect]
    return {
        "test_auroc": bootstrap(auroc, scores, is_defect, groups),
        "test_accuracy": rate((scores > 0.5) == is_defect, group),
        "escape_rate": rate(passed[is_defect], defect),
        "overkill_rate": rate(~passed[~is_defect], good),
        "reject_good_rate": rate(rejected[~is_defect], good),
        "pass_rate": rate(passed, group),
        "review_rate": rate(~passed & ~rejected, group),
        "ece": bootstrap(calibration_error, scores, is_defect, groups),
    }


def class_scores(
    class_probability: NDArray[np.floating],
    labels: Sequence[str],
    classes: Sequence[str],
    ok_classes: Collection[str],
    passed: Truth,
    groups: Sequence[str] | None = None,
) -> list[ClassScore]:
    """What became of each class, in the order of `classes`, from class probabilities float [n, C] and true `labels` [n].

    `passed` bool [n] says which images got PASS; images of one of the `groups` [n] are no independent evidence. Classes
    without a test image are left out.
    """
    taken = class_probability.argmax(axis=1)
    truth = np.array([classes.index(label) for label in labels])
    group = numbered(groups, len(truth))
    return [
        ClassScore(
            name=name,
            ok=name in ok_classes,
            flagged=rate(~passed[truth == index], group[truth == index]),
            recall=rate(taken[truth == index] == index, group[truth == index]),
            taken_for={other: int(np.sum(taken[truth == index] == place)) for place, other in enumerate(classes)},
        )
        for index, name in enumerate(classes)
        if np.any(truth == index)
    ]


def summarise_novelty(
    novelty: Novelty, test: NDArray[np.float32], groups: Sequence[str], held_out: int
) -> NoveltySummary:
    """For the manifest: `novelty`, fitted with `held_out` images, measured on the test images' embeddings float32 [n, d].

    `groups` [n] are the test images'.
    """
    return NoveltySummary(
        threshold=float(novelty.threshold),
        expected=false_alarms_expected(held_out) / (held_out + 1),
        n=held_out,
        false_alarm=rate(novelty.unknown(test), numbered(groups, len(test))),
    )


def input_health(known: Sequence[Examples], test: Examples) -> InputHealth:
    """For the manifest: what frames of the training camera look like, from `known` images and measured on the test images."""
    looks = [look_at(image) for examples in known for image in examples.images]
    health = fit_input_health(looks, [(row.width, row.height) for examples in known for row in examples.rows])
    alarms = [
        health.check(look_at(image).measures, row.width, row.height) is not None
        for image, row in zip(test.images, test.rows, strict=True)
    ]
    return health.model_copy(update={"false_alarm": rate(np.array(alarms), numbered(test.groups, len(alarms)))})


def auroc(scores: Scores, is_defect: Truth) -> float:
    """Area under the ROC curve: the chance that a defect scores above a good part."""
    return float(comparison.auroc(scores, is_defect))


def calibration_error(scores: Scores, is_defect: Truth) -> float:
    """Expected calibration error over ten bins of equal count (Naeini et al. 2015), 0 to 1."""
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    gaps = [len(part) * abs(scores[part].mean() - is_defect[part].mean()) for part in parts]
    return float(sum(gaps) / len(scores))


def rate(events: Truth, group: Indices | None = None) -> Metric:
    """The share of True among bool [n], with its exact (Clopper-Pearson) interval.

    Where images share a `group` (int [n], as of data.groups.numbered), the interval is that of as many independent images as
    tell as much (Korn and Graubard 1998); None: every image is by itself.
    """
    share = float(events.mean())
    size = len(events) if group is None else effective_size(events, group)
    low, high = proportion_confint(share * size, size, alpha=0.05, method="beta")
    return Metric(value=share, low=float(low), high=float(high), n=len(events))


def bootstrap(
    measure: Callable[[Scores, Truth], float], scores: Scores, is_defect: Truth, groups: Sequence[str] | None = None
) -> Metric:
    """A score with its percentile interval, good and defective images resampled apart (Efron 1979), seeded.

    Images of one of the `groups` [n] tell little more than one of them, so they are drawn together (cluster bootstrap; Davison
    and Hinkley 1997, section 3.8); None: every image is by itself.
    """
    random = np.random.default_rng(0)
    group = numbered(groups, len(scores))
    kinds = [clusters(np.flatnonzero(kind), group) for kind in (is_defect, ~is_defect)]
    values = []
    for _ in range(_RESAMPLES):
        index = np.concatenate([kind[drawn] for kind in kinds for drawn in random.choice(len(kind), len(kind))])
        values.append(measure(scores[index], is_defect[index]))
    value = measure(scores, is_defect)
    low, high = np.quantile(values, [0.025, 0.975])
    # Resampling pushes a calibration error upwards, so that its interval can miss the value itself.
    return Metric(value=value, low=min(float(low), value), high=max(float(high), value), n=len(scores))

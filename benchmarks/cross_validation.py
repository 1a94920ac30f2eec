"""What cross-validation says of the ELPV recipe, and whether the escape bound keeps its word on those scores.

After `python -m training cross-validate --config configs/train/elpv.yaml --set folds=5`, which writes the predictions read here.
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import write_table
from data.decide import Aims, choose_thresholds
from data.metric import Metric
from data.sources.elpv import read_elpv
from training.scores import auroc, bootstrap, calibration_error, rate

PREDICTIONS = Path("var/cross_validation/elpv.csv")
SPLITS = 500
SHARES = (0.25, 0.5)


def main() -> None:
    catalog = read_elpv(None)
    with PREDICTIONS.open(newline="", encoding="utf-8") as stream:
        probability_of = {line["sha256"]: float(line["defect_probability"]) for line in csv.DictReader(stream)}
    scores = np.array([probability_of[row.sha256] for row in catalog.rows])
    defect = np.array([row.is_defect for row in catalog.rows])
    label = np.array([row.defect_probability for row in catalog.rows])
    sure = (label == 0) | (label == 1)
    rows = [
        _row("AUROC, label > 0.5", bootstrap(auroc, scores, defect), ">= 0.94"),
        _row("accuracy, label > 0.5", rate((scores > 0.5) == defect), ">= 0.90"),
        _row("AUROC, label 0 or 1 only", bootstrap(auroc, scores[sure], defect[sure]), ">= 0.96"),
        _row("accuracy, label 0 or 1 only", rate((scores[sure] > 0.5) == defect[sure]), ""),
        _row("accuracy, label 1/3 or 2/3 only", rate((scores[~sure] > 0.5) == defect[~sure]), ""),
        _row("expected calibration error, 10 bins", bootstrap(calibration_error, scores, defect), "<= 0.03"),
    ]
    for limit in (0.02, 0.05, 0.10):
        for share in SHARES:
            line, rest = _exceeds(scores, defect, Aims(escape_rate=limit), share)
            name = f"escapes over {limit:.0%}, {share:.0%} of the images choose the threshold"
            rows.append(_row(f"{name}: among all images, which stand for the line", rate(line), "<= 0.05"))
            rows.append(_row(f"{name}: among the remaining images", rate(rest), ""))
    write_table(
        "cross_validation",
        "ELPV, five folds, every image out of fold",
        ["measure", "value", "95 % interval", "n", "aim"],
        rows,
        [
            "probabilities are calibrated by other images than their own; one seed",
            f"escapes: share of {SPLITS} random splits in which the rate is above the bound. For all images, those that "
            "choose are drawn with replacement, as the bound assumes of a line. The remaining images are a small sample "
            "themselves, whose own chance no bound on the line's rate covers",
            "predictions: `python -m training cross-validate --config configs/train/elpv.yaml --set folds=5`",
        ],
    )


def _exceeds(
    scores: NDArray[np.float64], defect: NDArray[np.bool_], aims: Aims, share: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """bool [SPLITS] twice, whether the escape rate is above the bound: among all images, and among those not used to choose."""
    random = np.random.default_rng(0)
    n = round(share * len(scores))
    line, rest = np.zeros(SPLITS, dtype=bool), np.zeros(SPLITS, dtype=bool)
    for split in range(SPLITS):
        drawn = random.integers(0, len(scores), n)
        thresholds, _ = choose_thresholds(scores[drawn], defect[drawn], aims)
        line[split] = (scores[defect] < thresholds.pass_below).mean() > aims.escape_rate
        chooses = np.isin(np.arange(len(scores)), random.permutation(len(scores))[:n])
        thresholds, _ = choose_thresholds(scores[chooses], defect[chooses], aims)
        rest[split] = (scores[~chooses & defect] < thresholds.pass_below).mean() > aims.escape_rate
    return line, rest


def _row(name: str, metric: Metric, aim: str) -> list[str]:
    return [name, f"{metric.value:.4f}", f"{metric.low:.4f} to {metric.high:.4f}", str(metric.n), aim]


if __name__ == "__main__":
    main()

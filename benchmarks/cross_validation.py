"""What cross-validation says of the ELPV recipe, and whether the escape bound keeps its word on those scores.

After `python -m training cross-validate --config configs/train/elpv.yaml`, which writes the predictions read here.
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
            exceeded = rate(_exceeds(scores, defect, Aims(escape_rate=limit), share))
            rows.append(
                _row(
                    f"escapes over {limit:.0%} after {SPLITS} splits, {share:.0%} to choose the threshold",
                    exceeded,
                    "<= 0.05",
                )
            )
    write_table(
        "cross_validation",
        "ELPV, five folds, every image out of fold",
        ["measure", "value", "95 % interval", "n", "aim"],
        rows,
        [
            "probabilities are calibrated by other images than their own; one seed",
            "re-splits: the threshold is chosen on a random share of the images, the escapes counted among the rest; "
            "the rest is a sample too, so its rate can exceed a bound that the line's rate keeps",
            "predictions: `python -m training cross-validate --config configs/train/elpv.yaml`",
        ],
    )


def _exceeds(scores: NDArray[np.float64], defect: NDArray[np.bool_], aims: Aims, share: float) -> NDArray[np.bool_]:
    """bool [SPLITS], whether the escape rate of the images that did not choose the threshold is above the bound."""
    random = np.random.default_rng(0)
    exceeded = np.zeros(SPLITS, dtype=bool)
    for split in range(SPLITS):
        chooses = random.random(len(scores)) < share
        thresholds, _ = choose_thresholds(scores[chooses], defect[chooses], aims)
        escaped = scores[~chooses & defect] < thresholds.pass_below
        exceeded[split] = escaped.mean() > aims.escape_rate
    return exceeded


def _row(name: str, metric: Metric, aim: str) -> list[str]:
    return [name, f"{metric.value:.4f}", f"{metric.low:.4f} to {metric.high:.4f}", str(metric.n), aim]


if __name__ == "__main__":
    main()

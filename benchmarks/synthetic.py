"""Do synthetic defects help a plant that has few real ones? Test AUROC with 10, 25 and 50 real defects, without and with them.

python -m benchmarks.synthetic --data DIR_or_catalog.csv [--seeds 1] trains twice for each number and seed, on 300 good images at
128 px, and tests on all of the data's own test images. Everything it trains lies under var/benchmarks/synthetic.
"""

import argparse
import logging
from pathlib import Path

import numpy as np

from benchmarks.table import write_table
from data.bundle import Manifest
from data.catalog import Catalog, CatalogRow, read_catalog, write_catalog
from data.comparison import Comparison, compare
from data.config import load_config
from data.sources.folder import read_folder
from data.split import SplitShares, assign_splits
from training.config import TrainConfig
from training.run import train

DEFECTS = (10, 25, 50)
GOOD = 300
SHARE = 0.5
OUT = Path("var/benchmarks/synthetic")
SETTINGS = (
    "model.image={width: 128, height: 128}",
    "fit.epochs=10",
    "fit.batch_size=16",
    "targets={}",
    "export.calibration_images=64",
    f"output={OUT}",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="labelled folder or catalog CSV")
    parser.add_argument("--seeds", type=int, default=1, help="how often, each time with other images to train on")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    whole = read_catalog(given.data) if given.data.suffix.lower() == ".csv" else read_folder(given.data)
    if not all(row.split for row in whole.rows):
        whole = assign_splits(whole, SplitShares())
    rows = []
    for seed in range(given.seeds):
        for defects in DEFECTS:
            file = OUT / f"{defects}-{seed}.csv"
            write_catalog(reduced(whole, defects, seed), file)
            (without, off), (drawn, on) = (_train(file, seed, share) for share in (0.0, SHARE))
            rows.append(_row(defects, seed, off, on, compare(drawn, without)))
    test = whole.of_split("test")
    write_table(
        "synthetic",
        "Synthetic defects beside few real ones",
        ("real defects", "seed", "AUROC without", "AUROC with", "difference (paired)", "shown to help"),
        rows,
        [
            f"{given.data.name}: {len(test)} test images, {sum(row.is_defect for row in test)} of them defective; trained on "
            f"{GOOD} good images and the defects named, a quarter of each held out to calibrate",
            f"with: each good image of a batch receives a synthetic defect with probability {SHARE}, all kinds alike, `real` "
            f"{'too, pasted from the marked defects' if any(row.marks for row in whole.rows) else 'not: none is marked'}",
            f"configs/train/folder.yaml with {', '.join(SETTINGS[:3])}",
            "in brackets 95 % bootstrap intervals over the boards (groups) of the test images, which number "
            f"{len({row.group for row in test})}; a seed chooses other training images",
        ],
    )


def reduced(whole: Catalog, defects: int, seed: int) -> Catalog:
    """All test images; of the others `GOOD` good ones and `defects` defects: with more defects, the same ones and others."""
    random = np.random.default_rng(seed)
    open_rows = [row for row in whole.rows if row.split != "test"]
    kept = whole.of_split("test")
    for is_defect, number in ((False, GOOD), (True, defects)):
        of_kind = [row for row in open_rows if row.is_defect == is_defect]
        kept += [_to_train(of_kind[index]) for index in random.permutation(len(of_kind))[:number]]
    return Catalog(root=whole.root, rows=tuple(kept))


def _to_train(row: CatalogRow) -> CatalogRow:
    return row.model_copy(update={"split": "train"})


def _train(catalog: Path, seed: int, share: float) -> tuple[Path, Manifest]:
    told = (
        f"name=synthetic-{catalog.stem}-{'on' if share else 'off'}",
        "data.source=catalog",
        f"data.path={catalog}",
        f"seed={seed}",
        f"synthetic.share={share}",
    )
    return train(load_config(Path("configs/train/folder.yaml"), TrainConfig, (*SETTINGS, *told)))


def _row(defects: int, seed: int, off: Manifest, on: Manifest, comparison: Comparison) -> tuple[str, ...]:
    scores = (manifest.metrics["test_auroc"] for manifest in (off, on))
    difference = comparison.auroc_difference
    return (
        str(defects),
        str(seed),
        *(f"{score.value:.4f} ({score.low:.3f} to {score.high:.3f})" for score in scores),
        f"{difference.value:+.4f} ({difference.low:+.3f} to {difference.high:+.3f})",
        "yes" if comparison.better else "no",
    )


if __name__ == "__main__":
    main()

"""int8 against float32: time, accuracy and size of the demo model, on its held-out test images."""

import json
import statistics
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.table import write_table
from data.bundle import MODEL, open_session, read_manifest, run_session
from data.catalog import read_catalog
from data.image import decode, prepare

ROUNDS = 200


def main() -> None:
    bundle = Path(json.loads(Path("var/demo/model.json").read_text(encoding="utf-8"))["bundle"])
    manifest = read_manifest(bundle)
    catalog = read_catalog(Path("var/catalogs") / f"{manifest.name}.csv")
    test = catalog.of_split("test")
    frames = [decode(catalog.file(row).read_bytes()) for row in test]
    images = prepare(frames, manifest.preprocessing)
    truth = np.array([row.is_defect for row in test])
    float32_file = "model_float32.onnx" if manifest.precision == "int8" else MODEL
    sessions = {"float32": open_session(bundle / float32_file, threads=1)}
    if manifest.precision == "int8":
        sessions["int8"] = open_session(bundle / MODEL, threads=1)
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(ROUNDS + 20):
        for name, session in sessions.items():
            start = time.perf_counter()
            run_session(session, images[turn % len(images)][None])
            if turn >= 20:
                seconds[name].append(time.perf_counter() - start)
    rows = []
    median = {name: statistics.median(values) * 1e3 for name, values in seconds.items()}
    auroc = {}
    for name, session in sessions.items():
        scores = np.concatenate(
            [run_session(session, chunk).defect_probability for chunk in np.array_split(images, 40)]
        )
        auroc[name] = float(roc_auc_score(truth, scores))
        size = (bundle / (MODEL if name == manifest.precision else float32_file)).stat().st_size
        rows.append(
            [
                name,
                f"{median[name]:.2f}",
                f"{median[name] / median['float32']:.2f}",
                f"{auroc[name]:.4f}",
                f"{auroc['float32'] - auroc[name]:+.4f}",
                f"{size / 1e6:.1f}",
            ]
        )
    write_table(
        "precision",
        "int8 against float32",
        ["precision", "ms an image (median)", "ratio", "test AUROC", "AUROC loss", "MB"],
        rows,
        [
            f"{len(test)} held-out test images ({truth.sum()} defective); {ROUNDS} alternating single images on one thread, "
            "as the server runs them",
        ],
    )


if __name__ == "__main__":
    main()

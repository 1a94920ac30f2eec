"""How soon a changed camera is noticed, and how often an unchanged one raises an alarm: python -m benchmarks.drift BUNDLE CATALOG

The test images of the catalog, in random order, are the frames of one camera; then the same frames changed. Nothing of the test
images is in the bundle's references. Each row repeats the run with other orders.
"""

import argparse
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from benchmarks.table import write_table
from data.bundle import Bundle
from data.catalog import read_catalog
from data.drift import Floats, Reference
from data.image import Pixels, decode, prepare
from data.input_health import look_at
from data.verdict import Verdict
from serving.cameras import Camera
from serving.drift import Window
from serving.schema import Inspection, ModelRef, StoredImage
from serving.settings import Drift

ORDERS = 20
HEALTHY = 400
MOST = 400

Change = Callable[[Pixels], Pixels]


def moved(image: Pixels) -> Pixels:
    """By 20 pixels to the right and down; the border is repeated."""
    shift = np.array([[1, 0, 20], [0, 1, 20]], np.float32)
    size = (image.shape[1], image.shape[0])
    return cv2.warpAffine(image, shift, size, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "unchanged": lambda image: image,
    "moved by 20 px": moved,
    "blurred, sigma 2": lambda image: cv2.GaussianBlur(image, (0, 0), 2).astype(np.uint8),
    "brightness x 0.7": lambda image: (image * 0.7).astype(np.uint8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("catalog", type=Path)
    arguments = parser.parse_args()
    bundle, catalog = Bundle.load(arguments.bundle), read_catalog(arguments.catalog)
    if bundle.novelty is None or bundle.held_out is None or bundle.manifest.input_health is None:
        raise SystemExit("the bundle is of an earlier export: it keeps no held-out frames; train it again")
    images = [decode(catalog.file(row).read_bytes()) for row in catalog.of_split("test")]
    settings, training = Drift(), Reference.of(bundle.held_out)
    rows, looks = [], {}
    for name, change in CHANGES.items():
        prepared = prepare([change(image) for image in images], bundle.manifest.preprocessing)
        parts = [bundle.predict(prepared[start : start + 16]) for start in range(0, len(prepared), 16)]
        scores = np.concatenate([part.defect_probability for part in parts])
        positions = bundle.novelty.position(np.concatenate([part.embedding for part in parts]))
        looks[name] = scores, positions
        health = bundle.manifest.input_health
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        found = [health.check(look_at(one).measures, *size) for one, size in zip(prepared, sizes, strict=True)]
        faults = sum(finding is not None for finding in found) / len(images)
        unknown = float((bundle.novelty.relative(positions) > 1).mean())
        delays = [
            frames_until_alarm(looks["unchanged"], looks[name], order, settings, training) for order in range(ORDERS)
        ]
        seen = [delay for delay in delays if delay is not None and delay > 0]
        early = sum(delay is not None and delay <= 0 for delay in delays)
        rows.append(
            [
                name,
                f"{faults:.1%}",
                f"{unknown:.1%}",
                f"{early}",
                f"{len(seen)} of {ORDERS - early}",
                "-" if not seen else f"{statistics.median(seen):.0f}",
                "-" if not seen else f"{max(seen)}",
            ]
        )
    write_table(
        "drift",
        "A changed camera",
        [
            "frames",
            "flagged by input health",
            "flagged as unknown",
            "runs with a false alarm before the change",
            "runs with a drift alarm after it",
            "frames until it, median",
            "most",
        ],
        rows,
        [
            f"{len(images)} test images, {ORDERS} random orders; {HEALTHY} unchanged frames, then up to {MOST} changed ones; "
            "past the last image another random order follows",
            f"model {arguments.bundle.name}; {len(bundle.held_out.scores)} held-out frames; window {settings.window}, "
            f"false alarm {settings.false_alarm:g} a window",
        ],
    )


def frames_until_alarm(
    before: tuple[Floats, Floats],
    after: tuple[Floats, Floats],
    order: int,
    settings: Drift,
    training: Reference,
) -> int | None:
    """Of a camera that changes after HEALTHY frames, each given as (scores [n], positions [n, p]); below 1, a false alarm."""
    random = np.random.default_rng(order)
    window = Window(Camera("l", "s", "c"), ModelRef(name="m", version="v"), settings, training, None)
    count = len(before[0])
    rounds = -(-(HEALTHY + MOST) // count)
    places = np.concatenate([random.permutation(count) for _ in range(rounds)])[: HEALTHY + MOST]
    for number, place in enumerate(places, start=1):
        scores, positions = before if number <= HEALTHY else after
        window.add(frame(float(scores[place])), positions[place])
        window.take_reference()
        glance = window.look()
        if glance is not None and glance.drifted:
            return number - HEALTHY
    return None


def frame(score: float) -> Inspection:
    now = datetime.now(UTC)
    return Inspection(
        id="i",
        received_at=now,
        captured_at=now,
        product="cell",
        line="l",
        station="s",
        camera="c",
        part_id="p",
        lot="l",
        verdict=Verdict.PASS,
        cause=None,
        fault=None,
        reason=None,
        defect_probability=score,
        novelty=None,
        class_name=None,
        class_probability={},
        thresholds=None,
        regions=[],
        model=ModelRef(name="m", version="v"),
        latency_ms=0,
        image=StoredImage(sha256="", media_type="", bytes=0, width=None, height=None),
        review=None,
    )


if __name__ == "__main__":
    main()

"""5-megapixel JPEG frames to model input: reduced decoding against plain cv2.imdecode + resize, and whether verdicts agree.

The frames are generated, textured like a machined surface with grain; every third one has a bright blemish. The plain way
and ours take turns on one thread.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.table import write_table
from data.bundle import Bundle
from data.decide import decide
from data.image import Pixels, Preprocessing, decode_for, prepare, read_header, reduction

FRAMES = 24
TURNS = 3
WIDTH, HEIGHT = 2592, 1944
QUALITIES = (75, 90)
SIDE = 224
MODEL = Path("var/demo/model.json")


def main() -> None:
    cv2.setNumThreads(1)
    bundle = Bundle.load(Path(json.loads(MODEL.read_text(encoding="utf-8"))["bundle"])) if MODEL.is_file() else None
    spec = Preprocessing(width=SIDE, height=SIDE) if bundle is None else bundle.manifest.preprocessing

    def plain(data: bytes) -> Pixels:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        pixels = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
        return cv2.resize(pixels, (spec.width, spec.height), interpolation=cv2.INTER_AREA)[None].astype(np.uint8)

    def ours(data: bytes) -> Pixels:
        return prepare([decode_for(spec, data).pixels], spec)

    rows = []
    for quality in QUALITIES:
        frames = [frame(number, quality) for number in range(FRAMES)]
        seconds: dict[Callable[[bytes], Pixels], list[float]] = {plain: [], ours: []}
        for data in frames * TURNS:
            for way, taken in seconds.items():
                start = time.perf_counter()
                way(data)
                taken.append(time.perf_counter() - start)
        apart = float(np.mean([np.abs(plain(data).astype(int) - ours(data)).mean() for data in frames]))
        before, now = (statistics.median(taken) * 1e3 for taken in seconds.values())
        by = reduction(read_header(frames[0]), spec)
        size = statistics.mean(len(data) for data in frames) / 1e6
        rows.append(
            [
                f"{quality} ({size:.1f} MB)",
                f"1/{by}",
                f"{before:.1f}",
                f"{now:.1f}",
                f"{before / now:.2f}",
                f"{apart:.2f}",
                "no model"
                if bundle is None
                else verdicts(bundle, [plain(one) for one in frames], list(map(ours, frames))),
            ]
        )
    write_table(
        "decode",
        "5-megapixel JPEG frames to model input",
        [
            "JPEG quality",
            "decoded at",
            "plain ms",
            "ours ms",
            "times faster",
            "mean difference of 255",
            "same verdicts",
        ],
        rows,
        [
            f"{FRAMES} generated frames of {WIDTH} x {HEIGHT}, {TURNS} times, medians; model input {spec.width} x {spec.height}",
            "plain: cv2.imdecode + cvtColor + resize INTER_AREA; ours: data.image (header, end marker, decode_for, prepare)",
            "no model" if bundle is None else f"verdicts of {bundle.manifest.name} {bundle.manifest.version}",
        ],
    )


def frame(number: int, quality: int) -> bytes:
    """A grey surface with brushed texture, uneven light and sensor grain; a blemish on every third."""
    random = np.random.default_rng(number)
    brushed = cv2.GaussianBlur(random.normal(0, 60, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 12, sigmaY=1)
    light = cv2.resize(
        random.uniform(60, 170, (5, 6)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    surface = light + brushed
    if number % 3 == 0:
        centre = (int(random.integers(300, WIDTH - 300)), int(random.integers(300, HEIGHT - 300)))
        cv2.circle(surface, centre, int(random.integers(40, 250)), 230.0, -1)
    colour = np.dstack([surface * 0.95, surface, surface * 1.03]) + random.normal(0, 4, (HEIGHT, WIDTH, 3))
    ok, jpeg = cv2.imencode(".jpg", colour.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return jpeg.tobytes()


def verdicts(bundle: Bundle, plain: list[Pixels], ours: list[Pixels]) -> str:
    """How many verdicts are the same, of how many, and the largest difference of the defect probability."""
    one, other = (bundle.predict(np.concatenate(images)).defect_probability for images in (plain, ours))
    limits = bundle.manifest.thresholds
    same = sum(decide(float(a), limits) is decide(float(b), limits) for a, b in zip(one, other, strict=True))
    return f"{same} of {len(one)} (probability apart by {np.abs(one - other).max():.3f})"


if __name__ == "__main__":
    main()

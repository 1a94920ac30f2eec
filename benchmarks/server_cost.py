"""What the server costs above the bare decode + prepare + onnxruntime, how it grows with cameras, and latency below capacity.

CPU time is the server process's own, from /proc; the cameras run in another process and are not counted.
"""

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Literal

from benchmarks.http_latency import PORT, server
from benchmarks.load import Load, MakeRequest, closed_loop, inspection, open_loop
from benchmarks.table import write_table
from data.bundle import Bundle, read_manifest
from data.image import decode_for, prepare
from data.input_health import look_at
from data.region import find_regions
from data.sketch import sketch, write
from data.sources.elpv import read_elpv
from serving import heatmap

CAMERAS = (1, 4, 8, 16, 64)
SECONDS = 6.0
WARM_UP_FRAMES = 450
BARE_FRAMES = 600
OPEN_SHARE = 0.7
ROUNDS = 3
MODEL = Path("var/demo/model.json")


def main() -> None:
    path = Path(json.loads(MODEL.read_text(encoding="utf-8"))["bundle"])
    if sys.argv[1:] in (["bare"], ["evidence"]):
        print(bare(path, evidence=sys.argv[1] == "evidence"))
        return
    frames = elpv_frames()
    loads: dict[int, list[Load]] = {cameras: [] for cameras in CAMERAS}
    costs: dict[int, list[float]] = {cameras: [] for cameras in CAMERAS}
    ratios: dict[int, list[float]] = {cameras: [] for cameras in CAMERAS}
    bare_costs = [bare_in_a_process()]
    evidence_ratios: list[float] = []
    with tempfile.TemporaryDirectory(dir="var") as place, server(path, Path(place)):
        pid = int((Path(place) / "pid").read_text(encoding="utf-8"))
        warm_up(frames)
        for _ in range(ROUNDS):
            for cameras in CAMERAS:
                before = cpu_seconds(pid)
                load = closed_loop(PORT, frames, cameras, SECONDS)
                cost = (cpu_seconds(pid) - before) / load.statuses[201]
                bare_costs.append(bare_in_a_process())
                evidence_ratios.append(bare_in_a_process("evidence") / bare_costs[-1])
                loads[cameras].append(load)
                costs[cameras].append(cost)
                # The processor's speed changes by the minute: each load is held against the bare loops beside it.
                ratios[cameras].append(cost / statistics.mean(bare_costs[-2:]))
        capacity = max(statistics.median(load.per_second for load in of_one) for of_one in loads.values())
        calm = open_loop(PORT, frames, OPEN_SHARE * capacity, SECONDS * 2)
    each = statistics.median(bare_costs)
    carried = statistics.median(evidence_ratios)
    rows = [
        ["bare loop, 1 process", f"{1 / each:.0f}*", f"{each * 1e3:.2f}", "1.00", "", "", "", ""],
        [
            "the same with a verdict's evidence",
            f"{1 / (each * carried):.0f}*",
            f"{each * carried * 1e3:.2f}",
            f"{carried:.2f} ({min(evidence_ratios):.2f} to {max(evidence_ratios):.2f})",
            "",
            "",
            "",
            "",
        ],
    ]
    for cameras in CAMERAS:
        rate = statistics.median(load.per_second for load in loads[cameras])
        low, ratio, high = sorted(ratios[cameras])
        rows.append(
            [
                f"{cameras} cameras, closed loop",
                f"{rate:.0f}",
                f"{statistics.median(costs[cameras]) * 1e3:.2f}",
                f"{ratio:.2f} ({low:.2f} to {high:.2f})",
                *_latency(*loads[cameras]),
            ]
        )
    rows.append([f"open loop at {OPEN_SHARE:.0%} of capacity", f"{calm.per_second:.0f}", "", "", *_latency(calm)])
    manifest = read_manifest(path)
    write_table(
        "server_cost",
        "What the server costs above the bare loop",
        ["load", "frames/s", "CPU ms a frame", "ratio", "p50 ms", "p99 ms", "p99/p50", "refused"],
        rows,
        [
            f"ELPV frames (300 x 300 PNG), every one new to the store and with a new Idempotency-Key, "
            f"{ROUNDS} times {SECONDS:g} s for each row; answered after commit (SQLite WAL, synchronous=FULL; images fsynced)",
            f"model {manifest.name}, {manifest.precision}, {manifest.preprocessing.width} px, "
            "one onnxruntime thread a frame in either process; the cameras share "
            f"the machine's {os.cpu_count()} cores with the server, and take up to one of them",
            "evidence: sha256 of the frame, input health, novelty, likeness, heatmap as PNG, regions; still without HTTP, "
            "database and disk",
            "*: one over its CPU time, were one core kept busy; the bare loop was measured before and after each "
            "load, the ratio is to the mean of these two; medians are shown, and of the ratio the least and the greatest too",
        ],
    )


def warm_up(frames: list[bytes], make: MakeRequest = inspection) -> None:
    """Until one camera has its own drift reference: limits are drawn once for each size of a window that fills up."""
    answered = 0
    while answered < WARM_UP_FRAMES:
        answered += len(closed_loop(PORT, frames, 1, SECONDS / 3, make).seconds)


def elpv_frames(count: int = 600) -> list[bytes]:
    """Frames of the demo data."""
    catalog = read_elpv(count)
    return [catalog.file(row).read_bytes() for row in catalog.rows]


def bare(path: Path, evidence: bool) -> float:
    """CPU seconds a frame of decode + prepare + onnxruntime, one frame at a time; with what a verdict carries besides."""
    bundle, frames = Bundle.load(path, threads=1), elpv_frames(BARE_FRAMES)
    spec = bundle.manifest.preprocessing

    def decide(frame: bytes) -> None:
        decoded = decode_for(spec, frame)
        prepared = prepare([decoded.pixels], spec)
        prediction = bundle.predict(prepared)
        if evidence:
            hashlib.sha256(frame).hexdigest()
            look_at(prepared[0])
            if bundle.novelty is not None:
                bundle.novelty.distance(prediction.embedding)
            write(sketch(prediction.embedding)[0])
            heatmap.encode(prediction.heatmap[0])
            thresholds = bundle.own_thresholds
            if prediction.defect_probability[0] >= thresholds.pass_below:
                find_regions(prediction.heatmap[0], decoded.width, decoded.height, thresholds.pass_below)

    for frame in frames[:50]:
        decide(frame)
    before = time.process_time()
    for frame in frames:
        decide(frame)
    return (time.process_time() - before) / len(frames)


def bare_in_a_process(loop: Literal["bare", "evidence"] = "bare") -> float:
    """What `bare` measures, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.server_cost", loop]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _latency(*loads: Load) -> tuple[str, str, str, str]:
    cuts = statistics.quantiles([seconds for load in loads for seconds in load.seconds], n=100)
    statuses = sum((load.statuses for load in loads), Counter[int]())
    refused = 1 - statuses[201] / statuses.total()
    return f"{cuts[49] * 1e3:.1f}", f"{cuts[98] * 1e3:.1f}", f"{cuts[98] / cuts[49]:.1f}", f"{refused:.1%}"


if __name__ == "__main__":
    main()

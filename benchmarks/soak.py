"""Does the server grow or slow down over many inspections: python -m benchmarks.soak [INSPECTIONS]

Cameras post one frame after another to a server process, in ten equal parts; its memory is read after each.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.crash import start
from benchmarks.load import Load, closed_loop_of
from benchmarks.server_cost import elpv_frames
from benchmarks.table import write_table
from data.bundle import read_manifest

INSPECTIONS = 100_000
CAMERAS = 8
WARM_UP = 200
TENTHS = 10
MODEL = Path("var/demo/model.json")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else INSPECTIONS
    path = Path(json.loads(MODEL.read_text(encoding="utf-8"))["bundle"])
    frames = elpv_frames()
    each = count // TENTHS // CAMERAS
    loads: list[Load] = []
    memory: list[int] = []
    with tempfile.TemporaryDirectory(dir="var") as place:
        process, client = start(path, Path(place), f"sqlite:///{place}/qc.db")
        port = client.base_url.port
        assert port is not None
        try:
            closed_loop_of(port, frames, CAMERAS, WARM_UP // CAMERAS, 0)
            for tenth in range(TENTHS):
                loads.append(closed_loop_of(port, frames, CAMERAS, each, WARM_UP + tenth * each))
                memory.append(resident(process.pid))
                print(f"{tenth + 1} of {TENTHS}: {loads[-1].per_second:.0f}/s, {memory[-1] / 1e6:.0f} MB", flush=True)
            (line,) = client.get("/v1/metrics/throughput", timeout=60).json()["lines"]
        finally:
            process.terminate()
            process.wait(60)
    posted = sum(load.statuses[201] for load in loads)
    stored = line["inspected"]
    if stored != posted + WARM_UP // CAMERAS * CAMERAS:
        raise SystemExit(f"{posted} inspections were acknowledged after the warm-up, but {stored} are stored in all")
    p99s = [statistics.quantiles(load.seconds, n=100)[98] * 1e3 for load in loads]
    rows = [
        [
            f"{tenth + 1}",
            f"{load.per_second:.0f}",
            f"{statistics.median(load.seconds) * 1e3:.1f}",
            f"{p99s[tenth]:.1f}",
            f"{load.statuses.total() - load.statuses[201]}",
            f"{memory[tenth] / 1e6:.1f}",
        ]
        for tenth, load in enumerate(loads)
    ]
    manifest = read_manifest(path)
    write_table(
        "soak",
        f"{posted:,} inspections one after another",
        ["tenth", "frames/s", "p50 ms", "p99 ms", "refused", "server MB"],
        rows,
        [
            f"memory after the first tenth {memory[0] / 1e6:.1f} MB, at the end {memory[-1] / 1e6:.1f} MB: "
            f"{memory[-1] / memory[0] - 1:+.1%}; p99 of the last tenth / first {p99s[-1] / p99s[0]:.2f}",
            f"{CAMERAS} cameras in a closed loop, ELPV frames (300 x 300 PNG), every one new to the store; resident memory "
            "from /proc; the cameras run in a process of their own and share the machine",
            f"model {manifest.name}, {manifest.precision}, {manifest.preprocessing.width} px; SQLite",
        ],
    )


def resident(pid: int) -> int:
    """Bytes of memory that a process holds, without what is swapped out."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"process {pid} has ended")


if __name__ == "__main__":
    main()

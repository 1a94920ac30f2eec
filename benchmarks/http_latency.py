"""One frame through HTTP on an idle server against the bare decode + prepare + onnxruntime, taking turns in one run."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx

from benchmarks.table import write_table
from data.bundle import Bundle, read_manifest
from data.catalog import read_catalog
from data.image import decode, prepare

TURNS = 300
WARM_UP = 30
PORT = 8765


def main() -> None:
    path = Path(json.loads(Path("var/demo/model.json").read_text(encoding="utf-8"))["bundle"])
    bundle = Bundle.load(path, threads=1)
    catalog = read_catalog(Path("var/catalogs") / f"{bundle.manifest.name}.csv")
    frames = [catalog.file(row).read_bytes() for row in catalog.of_split("test")]
    milliseconds: dict[str, list[float]] = {"bare": [], "http": []}
    with tempfile.TemporaryDirectory(dir="var") as place, server(path, Path(place)) as client:
        for turn in range(WARM_UP + TURNS):
            frame = frames[turn % len(frames)]
            start = time.perf_counter()
            bundle.predict(prepare([decode(frame)], bundle.manifest.preprocessing))
            bare = time.perf_counter()
            answer = client.post("/v1/inspections", params=metadata(turn), content=frame, headers=key())
            end = time.perf_counter()
            answer.raise_for_status()
            if turn >= WARM_UP:
                milliseconds["bare"].append((bare - start) * 1e3)
                milliseconds["http"].append((end - bare) * 1e3)
    rows = []
    bare_p50 = statistics.median(milliseconds["bare"])
    for name, title in (("bare", "decode + prepare + onnxruntime"), ("http", "POST /v1/inspections, stored")):
        cuts = statistics.quantiles(milliseconds[name], n=100)
        rows.append([title, f"{cuts[49]:.2f}", f"{cuts[94]:.2f}", f"{cuts[98]:.2f}", f"{cuts[49] / bare_p50:.2f}"])
    write_table(
        "http_latency",
        "A single frame over HTTP",
        ["path", "p50 ms", "p95 ms", "p99 ms", "p50 ratio"],
        rows,
        [
            f"{TURNS} ELPV frames (300 x 300 PNG), one at a time, bare and HTTP taking turns; every frame new to the store, "
            "answered after commit (SQLite WAL, synchronous=FULL; image and directory fsynced)",
            f"model {read_manifest(path).name}, {bundle.manifest.precision}, {bundle.manifest.preprocessing.width} px, "
            "one onnxruntime thread a frame in either process; client and server share the machine",
        ],
    )


def metadata(turn: int) -> dict[str, str]:
    where = {"product": "cell", "line": "line-1", "station": "final", "camera": "camera-1", "lot": "bench"}
    return {**where, "part_id": f"part-{turn}", "captured_at": "2026-01-01T00:00:00Z"}


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex, "Content-Type": "image/png"}


@contextmanager
def server(bundle: Path, place: Path, **changes: str) -> Iterator[httpx.Client]:
    """A server process of its own that keeps everything under `place`; its number is in the file `pid` there."""
    settings = {
        "port": PORT,
        "auth": False,
        "bundle": str(bundle),
        "database_url": f"sqlite:///{place}/qc.db",
        "images": str(place / "images"),
        **changes,
    }
    arguments = [part for name, value in settings.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "serving", "serve", *arguments], stdout=log, stderr=log)
    (place / "pid").write_text(str(process.pid), encoding="utf-8")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}") as client:
            while True:
                if process.poll() is not None:
                    raise SystemExit(f"the server ended: {(place / 'log').read_text(encoding='utf-8')}")
                try:
                    if client.get("/readyz").is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()

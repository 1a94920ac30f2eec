"""This server, which stores everything, against LitServe, BentoML and plain FastAPI, which store nothing, on one model.

All have the same decoding, the same onnxruntime session and the same cameras, and take turns; the peers run in an environment
of their own with this project's versions of what both use.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import httpx

from benchmarks.http_latency import PORT, server
from benchmarks.load import MakeRequest, closed_loop, inspection, request
from benchmarks.server_cost import MODEL, WARM_UP_FRAMES, cpu_seconds, elpv_frames, warm_up
from benchmarks.table import write_table
from data.bundle import read_manifest

CAMERAS = 8
ROUNDS = 3
SECONDS = 6.0
START_SECONDS = 120
PLACE = Path("var/benchmarks/peers")
PYTHON = PLACE / "venv" / "bin" / "python"
PEERS = ("litserve", "bentoml")
SHARED = ("fastapi", "numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydantic", "scipy", "uvicorn")


def raw(camera: str, number: int, frame: bytes) -> bytes:  # noqa: ARG001 - as benchmarks.load asks
    """The image as the body."""
    return request("/predict", "Content-Type: image/png\r\n", frame)


def multipart(camera: str, number: int, frame: bytes) -> bytes:  # noqa: ARG001 - as above
    """The image as a form's file."""
    mark = uuid4().hex
    disposition = 'Content-Disposition: form-data; name="images"; filename="frame.png"'
    before = f"--{mark}\r\n{disposition}\r\nContent-Type: image/png\r\n\r\n".encode()
    body = before + frame + f"\r\n--{mark}--\r\n".encode()
    return request("/predict", f"Content-Type: multipart/form-data; boundary={mark}\r\n", body)


@dataclass
class Contender:
    """One server; `command` None is this project's. Filled with frames a second and CPU seconds a frame of each round."""

    title: str
    command: list[str] | None
    make: MakeRequest
    workers: int = 1
    per_second: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


def contenders() -> list[Contender]:
    lit = [str(PYTHON), "-m", "benchmarks.peer_servers.lit"]
    bento = [str(PYTHON), "-m", "bentoml", "serve", "benchmarks.peer_servers.bento:Inspect", "--port", str(PORT)]
    return [
        Contender("this server, everything stored", None, inspection),
        Contender("LitServe, 1 worker", lit, raw),
        Contender("LitServe, 2 workers", lit, raw, 2),
        Contender("BentoML, 1 worker", bento, multipart),
        Contender("BentoML, 2 workers", bento, multipart, 2),
        Contender("FastAPI, sync endpoint", [str(PYTHON), "-m", "benchmarks.peer_servers.plain_fastapi"], raw),
    ]


def main() -> None:
    install()
    bundle = Path(json.loads(MODEL.read_text(encoding="utf-8"))["bundle"])
    frames, all_of_them = elpv_frames(), contenders()
    for _ in range(ROUNDS):
        for one in all_of_them:
            measure(one, bundle, frames)
    ours = all_of_them[0]
    rows = []
    for one in all_of_them:
        ratios = [mine / theirs for mine, theirs in zip(ours.per_second, one.per_second, strict=True)]
        rows.append(
            [
                one.title,
                f"{statistics.median(one.per_second):.0f}",
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                f"{statistics.median(one.milliseconds):.1f}",
                f"{statistics.median(one.cpu) * 1e3:.2f}",
            ]
        )
    manifest = read_manifest(bundle)
    versions = ", ".join(f"{name} {installed(name)}" for name in (*PEERS, "fastapi", "uvicorn"))
    write_table(
        "peers",
        "Against other model servers",
        ["server", "frames/s", "this server is faster by", "p50 ms", "CPU ms a frame"],
        rows,
        [
            f"{CAMERAS} cameras in closed loop, ELPV frames (300 x 300 PNG), every one new; {ROUNDS} rounds of {SECONDS:g} s in "
            f"turn after a warm-up of {WARM_UP_FRAMES} frames, medians (lowest to highest round)",
            "this server answers after commit (SQLite WAL, synchronous=FULL; images fsynced), checks input health, novelty and "
            "drift, and finds regions; the others answer the defect probability and store nothing",
            f"model {manifest.name}, {manifest.precision}, {manifest.preprocessing.width} px, "
            "one onnxruntime thread a batch where several run at once, else two; batches of at most 8; CPU of all of a server's "
            "processes; cameras share the machine with the servers",
            versions,
        ],
    )


def install() -> None:
    """The peers' environment, made once."""
    if (PLACE / "installed").is_file():
        return
    subprocess.run([sys.executable, "-m", "venv", PYTHON.parent.parent], check=True)
    wanted = [*PEERS, *(f"{name}=={version(name)}" for name in SHARED)]
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
    (PLACE / "installed").touch()


def installed(name: str) -> str:
    show = f"import importlib.metadata as m; print(m.version({name!r}))"
    return subprocess.run([PYTHON, "-c", show], capture_output=True, text=True, check=True).stdout.strip()


def measure(contender: Contender, bundle: Path, frames: list[bytes]) -> None:
    with tempfile.TemporaryDirectory(dir="var") as place, running(contender, bundle, Path(place)) as pid:
        warm_up(frames, contender.make)
        before = tree_cpu_seconds(pid)
        load = closed_loop(PORT, frames, CAMERAS, SECONDS, contender.make)
        if not load.seconds or set(load.statuses) - {200, 201}:
            raise SystemExit(f"{contender.title} answered {dict(load.statuses)}")
        contender.cpu.append((tree_cpu_seconds(pid) - before) / len(load.seconds))
        contender.per_second.append(load.per_second)
        contender.milliseconds.append(statistics.median(load.seconds) * 1e3)
        print(f"{contender.title}: {load.per_second:.0f} frames/s")


@contextmanager
def running(contender: Contender, bundle: Path, place: Path) -> Iterator[int]:
    """The server, once it answers; the number of its first process."""
    if contender.command is None:
        with server(bundle, place):
            yield int((place / "pid").read_text(encoding="utf-8"))
        return
    environment = {
        **os.environ,
        "PEER_BUNDLE": str(bundle),
        "PEER_WORKERS": str(contender.workers),
        "PEER_PORT": str(PORT),
        "BENTOML_HOME": str(place / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONPATH": str(Path.cwd()),
    }
    with (place / "log").open("wb") as log:
        # In a session of its own: a peer leaves workers behind when its first process is told to stop.
        process = subprocess.Popen(contender.command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        wait_for_answer(process, contender, place / "log")
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def wait_for_answer(process: subprocess.Popen[bytes], contender: Contender, log: Path) -> None:
    """Until the server answers a frame; ends the benchmark when it does not."""
    frame = elpv_frames(1)[0]
    head, _, body = contender.make("", 0, frame).partition(b"\r\n\r\n")
    content_type = next(line for line in head.decode().splitlines() if line.startswith("Content-Type")).partition(": ")[
        2
    ]
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            answer = httpx.post(
                f"http://127.0.0.1:{PORT}/predict", content=body, headers={"Content-Type": content_type}, timeout=30
            )
            if answer.is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit(
        f"{contender.title} does not answer; the end of its log:\n{log.read_text(encoding='utf-8')[-3000:]}"
    )


def tree_cpu_seconds(pid: int) -> float:
    """CPU seconds so far of a process and all that it started."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        children.setdefault(parent, []).append(int(stat.parent.name))
    tree = [pid]
    for one in tree:
        tree += children.get(one, [])
    return sum(cpu_seconds(one) for one in tree)


if __name__ == "__main__":
    main()

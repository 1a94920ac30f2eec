"""The History gallery over a hundred thousand parts, in Chromium at a real server: python -m benchmarks.gallery [PARTS]

How long until the last part is on the screen, what the page's memory does on the way through all of them, and how long the
page is busy at a time while the scroll bar is dragged.
"""

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from benchmarks import crash
from benchmarks.browser import Unwatched, unwatched
from benchmarks.server_cost import elpv_frames
from benchmarks.table import write_table
from serving.tables import inspections, microseconds

PARTS = 100_000
IMAGES = 40
DAYS = 20
WIDTH, HEIGHT = 1280, 800
JUMPS = 20
DRAG_STEPS = 600
MODEL = Path("var/demo/model.json")
_AT_ONCE = 5_000
_OWN = ("id", "part_id", "lot", "received_at", "captured_at", "idempotency_key")

_WATCH = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) { window.longest = Math.max(window.longest, duration); }
}).observe({ type: "longtask" });
"""
# Every card that is on the screen is a part's, and its picture is there.
_SHOWN = """
(() => {
  const cards = [...document.querySelectorAll("[role=feed] article")].filter((card) => {
    const { top, bottom } = card.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  const empty = [...document.querySelectorAll("[role=feed] > div > div")].some((card) => {
    const { top, bottom } = card.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  const there = (image) => image.complete && image.naturalWidth > 0;
  return cards.length > 0 && !empty && cards.every((card) => [...card.querySelectorAll("img")].every(there));
})()
"""
_LAST = "document.querySelector(`article[aria-posinset='{parts}']`) !== null"
_DRAG = """
new Promise((done) => {
  const height = document.documentElement.scrollHeight - innerHeight;
  const gaps = [];
  let [step, before] = [0, performance.now()];
  window.longest = 0;
  (function move() {
    const now = performance.now();
    if (step > 0) { gaps.push(now - before); }
    before = now;
    if (step > STEPS) { return done({ gaps, longest: window.longest }); }
    window.scrollTo(0, (height * step++) / STEPS);
    requestAnimationFrame(move);
  })();
})
"""


def main() -> None:
    parts = int(sys.argv[1]) if len(sys.argv) > 1 else PARTS
    bundle = Path(json.loads(MODEL.read_text(encoding="utf-8"))["bundle"])
    Path("var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="var") as place:
        process, client = crash.start(bundle, Path(place), f"sqlite:///{place}/qc.db")
        try:
            for number, content in zip(range(IMAGES), elpv_frames(), strict=False):
                where = {**crash.FRAME, "camera": "top", "part_id": f"G-{number}", "lot": "bench"}
                headers = {"Idempotency-Key": uuid4().hex}
                client.post("/v1/inspections", params=where, content=content, headers=headers).raise_for_status()
            multiply(Path(place) / "qc.db", parts)
            assert client.get("/v1/history/outline", timeout=60).json()["items"] == parts
            with unwatched(WIDTH, HEIGHT) as page:
                rows = measure(page, str(client.base_url).rstrip("/"), parts)
        finally:
            process.terminate()
            process.wait(60)
    write_table(
        "gallery",
        f"The History gallery over {parts:,} parts",
        ["what", "measured"],
        rows,
        [
            f"SQLite, {parts:,} inspections over {DAYS} days that share {IMAGES} images; server and headless Chromium of "
            f"{WIDTH} x {HEIGHT} (which draws without a GPU) on the same machine",
            f"load of the machine when it ended: {os.getloadavg()[1]:.1f} over five minutes, on {os.cpu_count()} cores",
        ],
    )


def multiply(file: Path, parts: int) -> None:
    """As many inspections as `parts`, copies of those that are there, spread over the last days."""
    database = sqlite3.connect(file, timeout=60, isolation_level=None)
    there = [row[0] for row in database.execute("SELECT id FROM inspections")]
    copied = [column.name for column in inspections.c if column.name not in _OWN]
    statement = (
        f"INSERT INTO inspections ({', '.join((*_OWN, *copied))}) "
        f"SELECT ?, ?, ?, ?, ?, NULL, {', '.join(copied)} FROM inspections WHERE id = ?"
    )
    # Before those that were posted.
    now, step = microseconds(datetime.now(UTC)) - 3600 * 1_000_000, DAYS * 24 * 3600 * 1_000_000 // parts
    more = parts - len(there)
    for start in range(0, more, _AT_ONCE):
        database.execute("BEGIN IMMEDIATE")
        for number in range(start, min(start + _AT_ONCE, more)):
            at = now - number * step
            row = (str(uuid4()), f"H-{number:06d}", f"L-{number // 400}", at, at, there[number % len(there)])
            database.execute(statement, row)
        database.execute("COMMIT")
    database.close()


def measure(page: Unwatched, url: str, parts: int) -> list[list[str]]:
    started = time.monotonic()
    page.open(f"{url}/history", _WATCH)
    page.wait_for(_SHOWN)
    first = time.monotonic() - started
    early = page.heap_megabytes(), page.process_megabytes()

    started = time.monotonic()
    page.key("End")
    page.wait_for(f"{_LAST.format(parts=parts)} && {_SHOWN}")
    end = time.monotonic() - started
    started = time.monotonic()
    page.key("Home")
    page.wait_for(f"{_LAST.format(parts=1)} && {_SHOWN}")
    home = time.monotonic() - started

    drag = page.evaluate(_DRAG.replace("STEPS", str(DRAG_STEPS)))
    gaps = drag["gaps"]
    jumps = []
    height = page.evaluate("document.documentElement.scrollHeight - innerHeight")
    for jump in range(JUMPS):
        started = time.monotonic()
        page.evaluate(f"scrollTo(0, {height * (jump * 7 % JUMPS + 0.5) / JUMPS})")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.wait_for(_SHOWN)
        jumps.append((time.monotonic() - started) * 1000)
    late = page.heap_megabytes(), page.process_megabytes()
    articles = page.evaluate("document.querySelectorAll('[role=feed] article').length")
    return [
        ["first parts with their pictures on the screen, from opening the page", f"{first:.2f} s"],
        ["End key until the last parts with their pictures", f"{end * 1000:.0f} ms"],
        ["Home key until the first again", f"{home * 1000:.0f} ms"],
        [
            f"jump anywhere until the parts there with their pictures ({JUMPS})",
            f"p50 {statistics.median(jumps):.0f} ms, longest {max(jumps):.0f} ms",
        ],
        [
            f"scroll bar dragged through all in {len(gaps)} frames: time between frames; longest task",
            f"p50 {statistics.median(gaps):.0f} ms, p95 {statistics.quantiles(gaps, n=20)[18]:.0f} ms, longest "
            f"{max(gaps):.0f} ms, {sum(gap > 50 for gap in gaps)} longer than 50 ms; {drag['longest']:.0f} ms",
        ],
        ["JavaScript heap at first and after all of this", f"{early[0]:.1f} and {late[0]:.1f} MB"],
        ["page process (PSS), the same", f"{early[1]:.0f} and {late[1]:.0f} MB"],
        ["cards in the page", f"{articles}"],
    ]


if __name__ == "__main__":
    main()

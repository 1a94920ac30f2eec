"""How quick the inspector's page is, in Chromium at a real server: python -m benchmarks.workplace [REVIEWS]

From a key press to the next picture on the screen, with pictures of five megapixels; the first load over a slow link; what
the browser must fetch; and whether memory grows over many reviews.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import httpx
import numpy as np
from playwright.sync_api import Browser, BrowserContext, Page

from benchmarks import crash
from benchmarks.browser import Unwatched, chromium, unwatched
from benchmarks.server_cost import elpv_frames
from benchmarks.table import write_table
from data.bundle import read_manifest

REVIEWS = 500
EARLY = 50
TIMED = 120
DECISIONS_A_MINUTE = 60
WIDTH, HEIGHT = 2592, 1944
VIEW_WIDTH, VIEW_HEIGHT = 1280, 800
DECODING_SECONDS = 5
QUALITY = 92
SCANNED = 60
MODEL = Path("var/demo/model.json")
UI = Path("inspector_ui")
MEGABITS, LATENCY_MS = 3, 40

# Until the frame after the one in which the viewer says that it has drawn: at most one frame more than what a person sees.
_TIMER = """
window.shown = [];
let pressed = null;
addEventListener("keydown", (event) => {
  if (event.code === "KeyF" && !event.repeat) {
    pressed = { at: event.timeStamp, drawn: document.querySelector("[data-testid=viewer]")?.dataset.drawn };
  }
}, true);
new MutationObserver(([{ target }]) => {
  if (pressed !== null && target.dataset.drawn !== pressed.drawn) {
    const { at } = pressed;
    pressed = null;
    requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = () => window.shown.push(performance.now() - at);
      after.port2.postMessage(null);
    });
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-drawn"] });
"""
_NEXT_IS_THERE = """
(many) => window.shown.length >= many
  && Number(document.querySelector("[data-testid=count-decided]").textContent.replaceAll(",", "")) >= many
"""
_REVIEWER = "localStorage.setItem('inspector.reviewer', JSON.stringify('bench'));"


@dataclass(frozen=True)
class Reviewing:
    """Milliseconds from key to picture, and megabytes early and late: JavaScript's heap, and the whole page process."""

    timed: list[float]
    quick: list[float]
    heap: tuple[float, float]
    process: tuple[float, float]


@dataclass(frozen=True)
class Load:
    """Seconds until the page can be used and until its picture is there; kilobytes that came over the link."""

    usable: float
    drawn: float | None
    kilobytes: float


def main() -> None:
    reviews = int(sys.argv[1]) if len(sys.argv) > 1 else REVIEWS
    if reviews < TIMED + 2:
        raise SystemExit(f"at least {TIMED + 2} reviews: the first {TIMED} are at the pace of a person")
    bundle = Path(json.loads(MODEL.read_text(encoding="utf-8"))["bundle"])
    Path("var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="var") as place:
        process, client = crash.start(bundle, Path(place), f"sqlite:///{place}/qc.db")
        try:
            kilobytes = post_flagged(client, reviews + 30)
            with chromium() as browser:
                loads = {
                    f"{path}, {state}": load
                    for path in ("/review", "/live")
                    for state, load in first_loads(browser, str(client.base_url), path)
                }
            with unwatched(VIEW_WIDTH, VIEW_HEIGHT) as page:
                reviewed = review(page, str(client.base_url).rstrip("/"), reviews)
        finally:
            process.terminate()
            process.wait(60)
    rows = [
        [
            f"key to next picture, {DECISIONS_A_MINUTE} decisions a minute ({len(reviewed.timed)})",
            spread(reviewed.timed),
        ],
        [f"key to next picture, as quickly as pictures come ({len(reviewed.quick)})", spread(reviewed.quick)],
        [
            f"JavaScript heap after {EARLY} and after {reviews} reviews",
            f"{reviewed.heap[0]:.1f} and {reviewed.heap[1]:.1f} MB",
        ],
        [
            "page process (PSS), the same",
            f"{reviewed.process[0]:.0f} and {reviewed.process[1]:.0f} MB",
        ],
        *([f"first load, {name}", told(load)] for name, load in loads.items()),
        *sizes(),
    ]
    write_table(
        "workplace",
        "The inspector's page",
        ["what", "measured"],
        rows,
        [
            f"grey JPEGs of {WIDTH} x {HEIGHT} pixels, {kilobytes:.0f} kB each; model {read_manifest(bundle).name}; server and "
            "headless Chromium (which draws without a GPU) on the same machine",
            f"load of the machine when it ended: {os.getloadavg()[1]:.1f} over five minutes, on {os.cpu_count()} cores",
            "a key press counts from the event's own time stamp to the frame after the picture was drawn",
            f"first loads at {MEGABITS} Mbit/s and {LATENCY_MS} ms: cold is an empty profile, warm the same profile again, "
            "with the service worker; usable means that the part's facts, or the line's verdict, can be read",
        ],
    )


def flagged_frames(client: httpx.Client) -> Iterator[tuple[int, bytes]]:
    """Ever new large frames made of those demo images that the model does not pass."""
    sources = [frame for frame in elpv_frames(SCANNED) if post(client, "scan", enlarged(frame, 0))["verdict"] != "PASS"]
    if not sources:
        raise SystemExit(f"the model passes all of the first {SCANNED} demo images; there is nothing to review")
    for number in count(1):
        yield number, enlarged(sources[number % len(sources)], number)


def enlarged(frame: bytes, number: int) -> bytes:
    """A demo image at five megapixels, with its number in the corner, so that no two are the same file."""
    image = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    large = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    cv2.putText(large, f"{number}", (40, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, (128,), 3)
    ok, jpeg = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert ok
    return jpeg.tobytes()


def post(client: httpx.Client, part: str, content: bytes) -> dict[str, Any]:
    where = {**crash.FRAME, "camera": "top", "part_id": part, "lot": "bench"}
    headers = {"Idempotency-Key": uuid4().hex}
    answer = client.post("/v1/inspections", params=where, content=content, headers=headers)
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def post_flagged(client: httpx.Client, wanted: int) -> float:
    """Post until so many frames wait for a person; the mean size of one, in kilobytes."""
    sizes_: list[int] = []
    for number, content in flagged_frames(client):
        post(client, f"W-{number:05d}", content)
        sizes_.append(len(content))
        if number % 20 == 0 and client.get("/v1/reviews/queue").json()["waiting"] >= wanted:
            return statistics.mean(sizes_) / 1000
    raise AssertionError("the frames have no end")


def review(page: Unwatched, url: str, reviews: int) -> Reviewing:
    """Decide by keyboard: the first ones at the pace of a person, the others as soon as the picture is there."""
    page.open(f"{url}/review", _TIMER + _REVIEWER)
    page.wait_for("document.querySelector('[data-testid=viewer][data-drawn]') !== null")
    # the browser decodes ahead
    time.sleep(DECODING_SECONDS)
    early: tuple[float, float] | None = None
    due = time.monotonic()
    for number in range(reviews):
        if number < TIMED:
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - 1) + 60 / DECISIONS_A_MINUTE
        page.press("f")
        # A key is not taken while the decision before is being kept: a bouncing one must not decide the next part.
        page.wait_for(f"({_NEXT_IS_THERE})({number + 1})")
        if number + 1 == EARLY:
            early = page.heap_megabytes(), page.process_megabytes()
    assert early is not None
    late = page.heap_megabytes(), page.process_megabytes()
    page.wait_for("document.querySelector('[data-testid=count-unsent]').textContent === '0'")
    shown: list[float] = page.evaluate("window.shown")
    return Reviewing(shown[:TIMED], shown[TIMED:], (early[0], late[0]), (early[1], late[1]))


def first_loads(browser: Browser, url: str, path: str) -> Iterator[tuple[str, Load]]:
    """Cold and warm, over a slow link."""
    context = browser.new_context(base_url=url, locale="en-US", viewport={"width": VIEW_WIDTH, "height": VIEW_HEIGHT})
    context.add_init_script(_REVIEWER)
    yield "cold", load(context, path)
    yield "warm", load(context, path)
    context.close()


def load(context: BrowserContext, path: str) -> Load:
    page = context.new_page()
    session = context.new_cdp_session(page)
    received: Counter[str] = Counter()
    session.on("Network.loadingFinished", lambda event: received.update({"bytes": event["encodedDataLength"]}))
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": MEGABITS * 1e6 / 8,
            "uploadThroughput": MEGABITS * 1e6 / 8,
        },
    )
    started = time.monotonic()
    page.goto(path, wait_until="commit")
    reviewing = path == "/review"
    page.wait_for_selector(f"[data-testid={'fact-part' if reviewing else 'live-verdict'}]", timeout=120_000)
    usable, drawn = time.monotonic() - started, None
    kilobytes = received["bytes"] / 1000
    if reviewing:
        page.wait_for_selector("[data-testid=viewer][data-drawn]", timeout=120_000)
        drawn = time.monotonic() - started
    wait_for_the_service_worker(page)
    page.close()
    return Load(usable, drawn, kilobytes)


def wait_for_the_service_worker(page: Page) -> None:
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")


def told(load: Load) -> str:
    drawn = "" if load.drawn is None else f", picture after {load.drawn:.1f} s"
    return f"usable after {load.usable:.1f} s ({load.kilobytes:.0f} kB until then){drawn}"


def spread(milliseconds: list[float]) -> str:
    """The median, the 95th percentile and the longest."""
    p95 = statistics.quantiles(milliseconds, n=20)[18]
    return f"p50 {statistics.median(milliseconds):.0f} ms, p95 {p95:.0f} ms, longest {max(milliseconds):.0f} ms"


def sizes() -> Iterator[list[str]]:
    """What a page needs before it is usable, packed, and of which packages that is made."""
    script = subprocess.run(["node", "sizes.mjs"], cwd=UI, capture_output=True, text=True, check=True)
    files: dict[str, Any] = json.loads(script.stdout)
    entry = next(name for name, file in files.items() if file["entry"])
    shared = needed(files, entry)
    for title, page in (
        ("every page", None),
        ("Review", "ReviewPage"),
        ("Live", "LivePage"),
        ("Quality", "QualityPage"),
    ):
        names = shared if page is None else needed(files, chunk_of(files, page)) - shared
        packages: Counter[str] = Counter()
        for name in names:
            packages.update(files[name]["packages"])
        whole = packages.total() or 1
        largest = ", ".join(f"{name} {size / whole:.0%}" for name, size in packages.most_common(5))
        packed = sum(files[name]["packed"] for name in names) / 1000
        raw = sum(files[name]["bytes"] for name in names) / 1000
        more = "" if page is None else "more "
        yield [f"bundle of {title}", f"{packed:.0f} kB {more}packed ({raw:.0f} kB), {len(names)} files: {largest}"]
    everything = sum(file["packed"] for name, file in files.items() if name.startswith("assets/"))
    yield [
        "bundle of all pages",
        f"{everything / 1000:.0f} kB packed; the service worker keeps it for when the server is away",
    ]


def chunk_of(files: dict[str, Any], page: str) -> str:
    return next(name for name in files if name.startswith(f"assets/{page}-") and name.endswith(".js"))


def needed(files: dict[str, Any], first: str) -> set[str]:
    """A file and all that it cannot run without."""
    found: set[str] = set()
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if name in files and name not in found:
            found.add(name)
            waiting += files[name]["imports"]
    return found


if __name__ == "__main__":
    main()

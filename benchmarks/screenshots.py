"""Pictures of every page in both languages, light and dark, 1280 and 768 wide: python -m benchmarks.screenshots [DIR]

A server of its own with the demo model and demo images; `index.html` in DIR (var/screenshots) shows them side by side.
"""

import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import httpx
import numpy as np
from playwright.sync_api import Browser, Page

from benchmarks.browser import chromium
from benchmarks.server_cost import elpv_frames
from serving.role import Role
from serving.server import Server
from serving.service import Service
from serving.settings import load_settings
from tests.e2e.plant import menu

MODEL = Path("var/demo/model.json")
FRAMES = 90
LINES = ("line-1", "line-2", "line-3")
DARK_FRAMES = 8
PERSON, PASSWORD = "Chen Yi-Jun", "correct horse battery"
LANGUAGES = ("en", "zh-Hant")
SCHEMES = ("light", "dark")
WIDTHS = {1280: 800, 768: 1024}
_BUSY = "[class*=Loader], [class*=Skeleton]"


def main() -> None:
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("var/screenshots")
    place.mkdir(parents=True, exist_ok=True)
    bundle = Path(json.loads(MODEL.read_text(encoding="utf-8"))["bundle"])
    with tempfile.TemporaryDirectory(dir="var") as data, serving(bundle, Path(data)) as (url, service):
        story = fill(url, service)
        with chromium() as browser:
            names = [
                name
                for language in LANGUAGES
                for scheme in SCHEMES
                for width in WIDTHS
                for name in shoot(browser, url, place, f"{language}-{scheme}-{width}", story)
            ]
    (place / "index.html").write_text(index(list(dict.fromkeys(names))), encoding="utf-8")
    print(f"{place / 'index.html'} shows {len(names)} pictures")


@contextmanager
def serving(bundle: Path, place: Path) -> Iterator[tuple[str, Service]]:
    """A server in this process, at which people sign in."""
    settings = load_settings(
        overrides=[
            "auth=on",
            "port=0",
            f"bundle={json.dumps(str(bundle))}",
            f"database_url={json.dumps(f'sqlite:///{place}/qc.db')}",
            f"images={json.dumps(str(place / 'images'))}",
            "roi_candidates=configs/roi/candidates.yaml",
            "spc={subgroup: 10, baseline: 10}",
            "drift={window: 50, reference: 50}",
        ]
    )
    service = Service.open(settings)
    server = Server(settings, service)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.05)
        if not thread.is_alive():
            raise SystemExit("the server did not start")
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", service
    server.should_exit = True
    thread.join(30)


def fill(url: str, service: Service) -> str:
    """A shift's worth of parts: some reviewed, a camera in the dark, a line on hold. The id of a reviewed inspection."""
    person, one_time = service.people.add(PERSON, Role.ADMIN, "screenshots")
    service.people.change_password(person.id, one_time, PASSWORD)
    service.people.add("Lin", Role.INSPECTOR, "screenshots")
    _, secret = service.keys.add("cameras", Role.CAMERA, "screenshots")
    reviewed = ""
    with (
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as camera,
        httpx.Client(base_url=url, timeout=60) as browser,
    ):
        session = browser.post("/v1/session", json={"name": PERSON, "password": PASSWORD}).raise_for_status().json()
        browser.headers["X-CSRF-Token"] = session["csrf_token"]
        for number, frame in enumerate(elpv_frames(FRAMES)):
            inspection = post(camera, number, LINES[number % len(LINES)], "top", frame)
            if inspection["verdict"] == "REJECT" or (inspection["verdict"] == "REVIEW" and number % 3 == 0):
                decide(browser, inspection, number)
                reviewed = inspection["id"]
        ok, dark = cv2.imencode(".png", np.random.default_rng(1).integers(0, 6, (300, 300), dtype=np.uint8))
        assert ok
        for number in range(DARK_FRAMES):
            post(camera, FRAMES + number, LINES[1], "side", dark.tobytes() + bytes([number]))
        hold = {"line": LINES[2], "reason": "solder paste of the wrong lot", "person": PERSON}
        browser.post("/v1/line-holds", json=hold).raise_for_status()
        study = {"name": "Autumn", "people": [PERSON, "Lin"], "parts": 10, "trials": 2, "person": PERSON}
        browser.post("/v1/studies", json=study).raise_for_status()
    return reviewed


def post(client: httpx.Client, number: int, line: str, camera: str, content: bytes) -> dict[str, Any]:
    where = {
        "product": "cell",
        "line": line,
        "station": "final",
        "camera": camera,
        "part_id": f"P-{number:05d}",
        "lot": f"L-{number // 40:03d}",
        "captured_at": datetime.now(UTC).isoformat(),
    }
    answer = client.post("/v1/inspections", params=where, content=content, headers={"Idempotency-Key": uuid4().hex})
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


def decide(client: httpx.Client, inspection: dict[str, Any], number: int) -> None:
    decision = "FALSE_CALL" if number % 4 == 0 else "DEFECT_CONFIRMED"
    body = {
        "inspection_id": inspection["id"],
        "decision": decision,
        "defect_class": None if decision == "FALSE_CALL" else inspection["class"],
        "reviewer": PERSON,
        "seconds": 3 + number % 7,
        "decided_at": datetime.now(UTC).isoformat(),
    }
    client.put(f"/v1/reviews/{uuid4()}", json=body).raise_for_status()


def shoot(browser: Browser, url: str, place: Path, kind: str, story: str) -> Iterator[str]:
    """One picture of each page; `kind` is language, scheme and width. The names of the pages."""
    language, scheme, width = kind.rsplit("-", 2)
    context = browser.new_context(
        base_url=url,
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        viewport={"width": int(width), "height": WIDTHS[int(width)]},
        service_workers="block",
        # waiting for a condition evaluates it in the page, which the policy forbids
        bypass_csp=True,
    )
    context.add_init_script(f"localStorage.setItem('inspector.language', '{language}')")
    page = context.new_page()
    page.set_default_timeout(120_000)

    def take(name: str) -> str:
        page.screenshot(path=place / f"{name}-{kind}.png")
        return name

    page.goto("/live")
    page.wait_for_selector("form")
    yield take("sign-in")
    page.locator("input").first.fill(PERSON)
    page.locator("input[type=password]").fill(PASSWORD)
    page.locator("form button[type=submit]").click()
    page.wait_for_selector("nav a")
    paths = [*menu(page), "guide", f"history?id={story}"]
    page.locator("nav button").first.click()
    page.wait_for_selector("[role=menuitem]")
    yield take("menu")
    for path in paths:
        page.goto(f"/{path}")
        settle(page, path)
        yield take("story" if "?" in path else path)
    page.goto("/live")
    settle(page, "live")
    page.keyboard.press("?")
    page.wait_for_selector("[role=dialog]")
    yield take("help")
    context.close()


def settle(page: Page, path: str) -> None:
    """Until the page has what it shows."""
    page.wait_for_function("/\\S/.test(document.querySelector('main')?.innerText ?? '')")
    page.wait_for_function(f"document.querySelector('{_BUSY}') === null")
    if path == "live":
        page.wait_for_selector("[data-testid=live-verdict]")
    if path == "history":
        page.wait_for_selector("[role=feed] article")
    if path == "review" or "?" in path:
        page.wait_for_selector("[data-testid=viewer][data-drawn]")
    page.wait_for_load_state("load")
    page.wait_for_function("[...document.images].every((image) => image.complete || image.loading === 'lazy')")


def index(names: list[str]) -> str:
    """A page that shows every picture, a row for each page."""
    kinds = [f"{language}-{scheme}-{width}" for language in LANGUAGES for scheme in SCHEMES for width in WIDTHS]
    head = "".join(f"<th>{escape(kind)}</th>" for kind in kinds)
    rows = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(
            f'<td><a href="{name}-{kind}.png"><img src="{name}-{kind}.png" alt="{name}, {kind}" loading="lazy"></a></td>'
            for kind in kinds
        )
        + "</tr>"
        for name in names
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Every page</title><style>'
        "body{font-family:system-ui;margin:16px}th{text-align:left;position:sticky;top:0;background:#fff;padding:6px}"
        "img{width:340px;border:1px solid #ccc}td{vertical-align:top;padding:6px}</style></head><body>"
        f"<table><tr><th>page</th>{head}</tr>{rows}</table></body></html>\n"
    )


if __name__ == "__main__":
    main()

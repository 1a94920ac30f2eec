"""A plant in the middle of its day, for what looks at every page: lines, reviews, alarms, a study, a line on hold."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from playwright.sync_api import Locator, Page, expect

from serving.role import Role
from tests.accounts import key_client, person_client
from tests.conftest import Served, grey_png

PERSON = "ann"
LANGUAGES = ("en", "zh-Hant")
SCHEMES = ("light", "dark")
_LINES = ("line-1", "line-2", "line-3")
_BRIGHTNESSES = (0.1, 0.15, 0.35, 0.12, 0.62, 0.9, 0.2, 0.55)


def fill(server: Served) -> None:
    """Parts of every verdict on three lines, some reviewed; the third line is on hold. `PERSON` is an admin."""
    camera = key_client(server, Role.CAMERA)
    person = person_client(server, PERSON, Role.ADMIN)
    for number in range(36):
        line = _LINES[number % len(_LINES)]
        brightness = _BRIGHTNESSES[number % len(_BRIGHTNESSES)] + number / 1000
        where = server.frame(part_id=f"P-{number:04d}", line=line, lot=f"L-{number // 12}")
        answer = camera.post("/v1/inspections", params=where, content=grey_png(brightness))
        assert answer.status_code == 201, answer.text
        if answer.json()["verdict"] == "REJECT" and number > 6:
            _review(person, answer.json())
    hold = {"line": _LINES[-1], "reason": "solder paste of the wrong lot", "person": PERSON}
    person.post("/v1/line-holds", json=hold).raise_for_status()


def _review(person: httpx.Client, inspection: dict[str, Any]) -> None:
    body = {
        "inspection_id": inspection["id"],
        "decision": "DEFECT_CONFIRMED",
        "defect_class": "bright",
        "reviewer": PERSON,
        "seconds": 4,
        "decided_at": datetime.now(UTC).isoformat(),
    }
    person.put(f"/v1/reviews/{uuid4()}", json=body).raise_for_status()


def menu(page: Page) -> dict[str, str]:
    """All pages that the menu has, by path, as they are called there; somebody must be signed in."""
    bar = page.get_by_role("navigation")
    links = bar.get_by_role("link")
    expect(links.first).to_be_visible()
    pages = {_path(link): link.inner_text().split()[0] for link in links.all()}
    for group in bar.get_by_role("button").all():
        group.click()
        items = page.get_by_role("menuitem")
        expect(items.first).to_be_visible()
        pages |= {_path(item): item.inner_text() for item in items.all()}
        page.keyboard.press("Escape")
        expect(items).to_have_count(0)
    return pages


def _path(link: Locator) -> str:
    return str(link.get_attribute("href")).strip("/")


def first_story(server: Served) -> str:
    """The path of the page of one part."""
    with server.service.store.reading() as connection:
        (found,) = connection.exec_driver_sql("SELECT id FROM inspections ORDER BY id LIMIT 1").fetchone() or ("",)
    return f"history?id={found}"


def visited(page: Page, paths: Sequence[str]) -> Iterator[str]:
    """Open each page in turn, and wait until it shows what it has to say."""
    for path in paths:
        page.goto(f"/{path}")
        content = page.locator("main#content")
        expect(content.get_by_text(re.compile(r"\S")).first).to_be_visible()
        expect(page.locator("[class*=Loader], [class*=Skeleton]")).to_have_count(0)
        page.evaluate("document.fonts.ready.then(() => null)")
        if path == "review":
            expect(page.get_by_test_id("viewer")).to_have_attribute("data-drawn", re.compile("."))
        yield path

"""The history in a real browser: parts are found, their story is told and printed, and the tables come down."""

import csv
import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import openpyxl
import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import insert, select

from serving import history
from serving.tables import inspections
from tests.conftest import Served, grey_png

MANY = 3000


@pytest.fixture
def defect(server: Served) -> dict[str, Any]:
    """Three parts, of which the second is a confirmed defect."""
    server.inspect(grey_png(0.1), part_id="H-1", lot="L-7")
    found = server.inspect(grey_png(0.9, width=320, height=240), part_id="H-2", lot="L-7")
    server.inspect(grey_png(0.5), part_id="H-3", lot="L-8")
    review: dict[str, Any] = {"inspection_id": found["id"], "decision": "DEFECT_CONFIRMED", "defect_class": "scratch"}
    review |= {"reviewer": "ann", "decided_at": "2026-11-01T08:00:00Z", "note": "across the edge", "seconds": 4}
    server.client.put(f"/v1/reviews/{uuid4()}", json=review).raise_for_status()
    return found


def test_a_part_is_found_and_its_story_told(page: Page, defect: dict[str, Any]) -> None:
    page.goto("/history")
    gallery = page.get_by_role("feed")
    expect(gallery.get_by_role("article")).to_have_count(3)
    page.get_by_label("Part", exact=True).fill("H-2")
    expect(gallery.get_by_role("article")).to_have_count(1)
    gallery.get_by_role("article", name="H-2").get_by_role("link").click()

    expect(page.get_by_role("heading", name="Part H-2")).to_be_visible()
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-drawn", re.compile("."))
    expect(page.get_by_test_id("fact-lot")).to_have_text("L-7")
    expect(page.get_by_test_id("fact-image")).to_have_text("320 × 240")
    score = page.get_by_role("img", name=re.compile("90.*%"))
    for threshold in ("30", "70"):
        expect(score).to_contain_text(re.compile(rf"{threshold}(\.0)?\s?%"))
    reviews = page.get_by_test_id("reviews")
    for told in ("ann", "scratch", "across the edge", "Audit entry"):
        expect(reviews).to_contain_text(told)
    page.get_by_role("link", name="Back to the search").click()
    expect(page.get_by_label("Part", exact=True)).to_have_value("H-2")
    expect(gallery.get_by_role("article")).to_have_count(1)


def test_the_tables_hold_what_was_looked_for(page: Page, defect: dict[str, Any]) -> None:
    page.goto("/history?lot=L-7")
    expect(page.get_by_role("feed").get_by_role("article")).to_have_count(2)
    content = {}
    for kind in ("CSV", "Excel"):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Export ({kind})").click()
        content[kind] = Path(download.value.path()).read_bytes()
        assert download.value.suggested_filename == f"inspections.{'csv' if kind == 'CSV' else 'xlsx'}"
    table = list(csv.DictReader(io.StringIO(content["CSV"].decode("utf-8-sig"))))
    head, *rows = openpyxl.load_workbook(io.BytesIO(content["Excel"])).worksheets[0].iter_rows(values_only=True)
    workbook = [dict(zip(head, row, strict=True)) for row in rows]
    for found in (table, workbook):
        assert [(row["part_id"], row["decision"] or None) for row in found] == [
            ("H-2", "DEFECT_CONFIRMED"),
            ("H-1", None),
        ]


@pytest.mark.parametrize(("scheme", "button"), [("dark", "Print"), ("light", "列印")])
def test_the_story_prints_light_and_without_what_is_pressed(
    page: Page, defect: dict[str, Any], scheme: Any, button: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    if button != "Print":
        page.goto("/history")
        page.get_by_role("button", name="Language").click()
        page.get_by_role("menuitem", name="繁體中文").click()
    page.add_init_script("window.print = () => { window.asked = true; }")
    page.goto(f"/history?id={defect['id']}")
    expect(page.get_by_test_id("reviews")).to_contain_text("ann")
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_function("window.asked === true")

    scheme_shown = "document.documentElement.getAttribute('data-mantine-color-scheme')"
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = {scheme_shown}; }})")
    assert page.pdf().startswith(b"%PDF")
    page.wait_for_function("window.printed === 'light'")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)  # the screen is as it was

    page.emulate_media(media="print", color_scheme=scheme)
    expect(page.get_by_role("navigation")).to_have_count(0)
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.get_by_test_id("viewer")).to_be_hidden()
    image = page.locator("figure svg[role=img]:visible")
    expect(image).to_have_count(1)
    box = image.bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(320 / 240, rel=0.02), "the whole frame, not squeezed"
    expect(page.get_by_test_id("reviews")).to_be_visible()


@pytest.fixture
def thousands(server: Served) -> None:
    """`MANY` parts over as many minutes, named from the newest, M-0; they share an image."""
    server.inspect(grey_png(0.1), part_id="M-0")
    with server.service.store.reading() as connection:
        (one,) = connection.execute(select(inspections)).mappings().all()
    rows = [
        {
            **one,
            "id": str(uuid4()),
            "part_id": f"M-{number}",
            "received_at": one["received_at"] - timedelta(minutes=number),
            "idempotency_key": None,
        }
        for number in range(1, MANY)
    ]
    server.service.store.submit(lambda connection: connection.execute(insert(inspections), rows) and None).result()


def test_one_goes_anywhere_among_thousands_of_parts_and_only_those_on_the_screen_are_loaded(
    page: Page, thousands: None
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/history?" in request.url else None)
    page.goto("/history")
    parts = page.get_by_role("article")

    def part(number: int) -> Locator:
        return page.get_by_role("article", name=f"M-{number}", exact=True)

    expect(part(0)).to_be_visible()
    page.keyboard.press("End")
    expect(part(MANY - 1)).to_be_in_viewport()
    expect(part(MANY - 1)).to_have_attribute("aria-posinset", str(MANY))
    expect(part(MANY - 1)).to_have_attribute("aria-setsize", str(MANY))
    expect(page.get_by_test_id("gallery-place")).to_contain_text(f"to {MANY:,} of {MANY:,}")
    assert parts.count() < 100
    assert len(asked) <= 6 < MANY / 200, "the pages between are not loaded"

    # As when the scroll bar is dragged.
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    expect(parts.first).to_have_attribute("aria-posinset", re.compile(r"1[45]\d\d"))
    middle = parts.nth(parts.count() // 2)
    expect(middle).to_be_in_viewport()
    expect(middle).to_have_attribute("aria-label", re.compile("^M-"))
    assert abs(int(middle.get_attribute("aria-posinset") or 0) - MANY / 2) < 100
    assert parts.count() < 100

    # Where somebody was is where they come back to.
    before = page.evaluate("scrollY")
    opened = middle.get_attribute("aria-label") or ""
    middle = page.get_by_role("article", name=opened, exact=True)
    middle.get_by_role("link").click()
    expect(page.get_by_role("heading", name=f"Part {opened}")).to_be_in_viewport()
    page.get_by_role("link", name="Back to the search").click()
    expect(page.get_by_role("article", name=opened, exact=True)).to_be_in_viewport()
    page.wait_for_function("before => Math.abs(scrollY - before) < 5", arg=before)

    page.keyboard.press("Home")
    expect(part(0)).to_be_in_viewport()


def test_one_goes_to_a_day(page: Page, server: Served, thousands: None) -> None:
    page.goto("/history")
    expect(page.get_by_role("article", name="M-0", exact=True)).to_be_visible()
    # The last part of the day before, in the time zone of the browser.
    newest = server.client.get("/v1/history", params={"limit": 1}).json()["items"][0]["received_at"]
    day, last = page.evaluate(
        """(newest) => {
          const midnight = new Date(newest);
          midnight.setHours(0, 0, 0, 0);
          const last = Math.floor((new Date(newest) - midnight) / 60000) + 1;
          midnight.setDate(midnight.getDate() - 1);
          return [midnight.toLocaleDateString("sv"), last];
        }""",
        newest,
    )
    page.get_by_label("Go to day").fill(day)
    expect(page.get_by_role("article", name=f"M-{last}", exact=True)).to_be_in_viewport()
    expect(page.get_by_role("article", name=f"M-{last - 40}", exact=True)).not_to_be_in_viewport()


def test_what_is_older_than_an_outline_is_gone_to_as_well(
    page: Page, thousands: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "OUTLINED", 400)
    page.goto("/history")
    expect(page.get_by_role("article", name="M-0", exact=True)).to_be_visible()
    page.keyboard.press("End")
    expect(page.get_by_text("These are the newest 400.")).to_be_visible()
    page.get_by_role("button", name="Older parts").click()
    expect(page.get_by_role("article", name="M-399", exact=True)).to_be_visible()
    expect(page.get_by_test_id("gallery-place")).to_contain_text("of 400")
    page.get_by_role("button", name="Back to the newest").click()
    expect(page.get_by_role("article", name="M-0", exact=True)).to_be_visible()

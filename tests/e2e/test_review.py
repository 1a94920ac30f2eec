"""A person decides flagged parts by keyboard: counts, undo, an unreachable server, both languages."""

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.conftest import Served, grey_png
from tests.e2e.conftest import Watch

FLAGGED = {"E-1": 0.35, "E-2": 0.45, "E-3": 0.55, "E-4": 0.62, "E-5": 0.9}
PASSED = "E-6"


@pytest.fixture
def inspections(server: Served) -> dict[str, Any]:
    """Five flagged parts and one that passed, by part_id."""
    posted = {part: server.inspect(grey_png(brightness), part_id=part) for part, brightness in FLAGGED.items()}
    posted[PASSED] = server.inspect(grey_png(0.1), part_id=PASSED)
    assert posted[PASSED]["verdict"] == "PASS"
    return posted


def open_review(page: Page, reviewer: str = "ann") -> None:
    page.goto("/review")
    page.get_by_role("textbox", name="Name or badge").fill(reviewer)
    page.get_by_role("button", name="Start reviewing").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def shown_part(page: Page) -> str:
    return page.get_by_test_id("fact-part").inner_text()


def decide(page: Page, key: str) -> str:
    """Press a decision's key and wait until another part is shown; returns the part decided on."""
    part = shown_part(page)
    page.keyboard.press(key)
    expect(page.get_by_test_id("last-decision")).to_contain_text(part)
    return part


def expect_counts(page: Page, **counts: int) -> None:
    for name, count in counts.items():
        expect(page.get_by_test_id(f"count-{name}")).to_have_text(str(count))


def review_of(server: Served, inspection: dict[str, Any]) -> dict[str, Any] | None:
    review: dict[str, Any] | None = server.client.get(f"/v1/inspections/{inspection['id']}").json()["review"]
    return review


def waiting(server: Served) -> int:
    count: int = server.client.get("/v1/reviews/queue").json()["waiting"]
    return count


def test_three_parts_are_decided_by_keyboard(page: Page, server: Served, inspections: dict[str, Any]) -> None:
    open_review(page)
    expect_counts(page, waiting=5, decided=0, unsent=0)
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-drawn", re.compile("."))
    chosen = {"d": "DEFECT_CONFIRMED", "f": "FALSE_CALL", "3": "DEFECT_ACCEPTED"}
    decided = {decide(page, key): decision for key, decision in chosen.items()}
    expect_counts(page, waiting=2, decided=3, unsent=0)
    assert len(decided) == 3
    assert PASSED not in decided
    for part, decision in decided.items():
        review = review_of(server, inspections[part])
        assert review is not None
        assert (review["decision"], review["reviewer"]) == (decision, "ann")
        assert review["defect_class"] == (None if decision == "FALSE_CALL" else "bright")
        assert review["seconds"] >= 0
    assert waiting(server) == 2


def test_a_browser_that_keeps_nothing_says_so_and_sends_before_the_next_part(
    page: Page, server: Served, inspections: dict[str, Any], watch: Watch
) -> None:
    watch.expected = ("ERR_FAILED",)
    page.add_init_script(
        "IDBFactory.prototype.open = () => { throw new DOMException('forbidden here', 'SecurityError'); }"
    )
    open_review(page)
    expect(page.get_by_test_id("unkept")).to_contain_text("This browser keeps nothing on this machine (forbidden here)")
    part = decide(page, "f")
    review = review_of(server, inspections[part])
    assert review is not None
    assert review["decision"] == "FALSE_CALL"
    part = shown_part(page)
    page.route("**/v1/reviews/*-*", lambda route: route.abort())
    page.keyboard.press("f")
    expect(page.get_by_role("alert")).to_contain_text("could not be saved, so the part stays here")
    assert shown_part(page) == part
    expect_counts(page, decided=1)


def test_a_tablet_whose_clock_is_a_day_ahead_decides_at_the_servers_time(
    page: Page, server: Served, inspections: dict[str, Any]
) -> None:
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(days=1))
    open_review(page)
    part = decide(page, "f")
    expect_counts(page, unsent=0)
    review = review_of(server, inspections[part])
    assert review is not None
    assert abs(datetime.fromisoformat(review["decided_at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    page.goto("/live")
    expect(page.get_by_test_id("live-verdict")).to_have_count(1)


def test_a_note_is_typed_without_deciding(page: Page, server: Served, inspections: dict[str, Any]) -> None:
    open_review(page)
    part = shown_part(page)
    page.keyboard.press("n")
    expect(page.get_by_role("textbox", name="Note")).to_be_focused()
    page.keyboard.type("dauf")
    expect(page.get_by_role("textbox", name="Note")).to_have_value("dauf")
    page.keyboard.press("Escape")
    decide(page, "d")
    expect_counts(page, decided=1, unsent=0)
    review = review_of(server, inspections[part])
    assert review is not None
    assert review["note"] == "dauf"


def test_a_held_key_decides_one_part(page: Page, server: Served, inspections: dict[str, Any]) -> None:
    open_review(page)
    expect_counts(page, waiting=5)
    page.keyboard.down("f")
    for _ in range(5):
        page.keyboard.down("f")
    page.keyboard.up("f")
    expect_counts(page, waiting=4, decided=1, unsent=0)
    assert waiting(server) == 4


def test_undo_brings_the_part_back(page: Page, server: Served, inspections: dict[str, Any]) -> None:
    open_review(page)
    part = decide(page, "u")
    expect_counts(page, waiting=4, decided=1, unsent=0)
    page.keyboard.press("z")
    expect(page.get_by_test_id("fact-part")).to_have_text(part)
    expect_counts(page, waiting=5, decided=0, unsent=0)
    assert review_of(server, inspections[part]) is None
    assert waiting(server) == 5


def test_an_unsent_review_outlives_a_reload(
    page: Page, server: Served, inspections: dict[str, Any], watch: Watch
) -> None:
    watch.expected = ("ERR_CONNECTION_REFUSED",)
    open_review(page)

    def refuse(route: Route) -> None:
        route.abort("connectionrefused")

    page.route("**/v1/reviews/*-*", refuse)
    part = decide(page, "d")
    expect_counts(page, waiting=4, decided=1, unsent=1)
    expect(page.get_by_role("button", name="1 unsent")).to_be_visible()
    page.reload()
    expect_counts(page, waiting=4, decided=1, unsent=1)
    assert review_of(server, inspections[part]) is None
    page.unroute("**/v1/reviews/*-*", refuse)
    expect_counts(page, waiting=4, unsent=0)
    review = review_of(server, inspections[part])
    assert review is not None
    assert review["decision"] == "DEFECT_CONFIRMED"


def test_a_refused_review_is_shown_and_kept(
    page: Page, server: Served, inspections: dict[str, Any], watch: Watch
) -> None:
    watch.expected = ("409 (Conflict)",)
    open_review(page)
    problem = {"title": "Conflict", "status": 409, "detail": "Another review has this client_id."}
    page.route("**/v1/reviews/*-*", lambda route: route.fulfill(status=409, json=problem))
    decide(page, "d")
    refused = page.get_by_role("button", name="1 refused")
    refused.click()
    expect(page.get_by_role("dialog")).to_contain_text("Another review has this client_id.")
    page.unroute_all()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("dialog")).to_contain_text("Everything is sent.")
    assert waiting(server) == 4


def test_no_decision_shows_its_reason(page: Page, server: Served) -> None:
    inspection = server.inspect(b"not an image", part_id="E-9")
    assert inspection["verdict"] == "NO_DECISION"
    open_review(page)
    side = page.get_by_role("complementary")
    expect(side).to_contain_text("No decision")
    expect(side).to_contain_text(inspection["reason"])
    decide(page, "f")
    expect_counts(page, waiting=0, decided=1, unsent=0)
    expect(page.get_by_text("Nothing waits for review")).to_be_visible()


def test_live_shows_a_new_verdict_at_once(page: Page, server: Served, inspections: dict[str, Any]) -> None:
    page.goto("/live")
    verdict = page.get_by_test_id("live-verdict")
    expect(verdict).to_contain_text("Pass")
    server.inspect(grey_png(0.95), part_id="E-7")
    expect(verdict).to_contain_text("Reject")
    expect(verdict).to_contain_text("E-7")


PAGES = {
    "/review": ("Defect probability", "缺陷機率"),
    "/live": ("Line line-1", "產線 line-1"),
    "/quality": ("Flag rate", "標示率"),
    "/roi": ("First-year ROI", "首年投資報酬率"),
}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_speaks_both_languages(page: Page, inspections: dict[str, Any], path: str) -> None:
    open_review(page)
    page.goto(path)
    content = page.locator("body")
    english, chinese = PAGES[path]
    if path == "/review":
        expect(page.get_by_role("img", name=re.compile(english))).to_be_visible()
    else:
        expect(content).to_contain_text(english)
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitem", name="繁體中文").click()
    if path == "/review":
        expect(page.get_by_role("img", name=re.compile(chinese))).to_be_visible()
    else:
        expect(content).to_contain_text(chinese)
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hant")
    # a missing key would show as the key itself
    assert (
        re.findall(r"\b(?:nav|header|state|verdict|decision|review|live|quality|roi\w*)\.\w+", content.inner_text())
        == []
    )


def test_an_image_that_is_long_in_coming_says_so_and_shows_no_boxes_on_nothing(page: Page, server: Served) -> None:
    server.inspect(grey_png(0.5))
    held: list[Route] = []
    released = threading.Event()

    def hold(route: Route) -> None:
        if released.is_set():
            route.continue_()
        else:
            held.append(route)

    page.route(re.compile("/image$"), hold)
    open_review(page)
    expect(page.get_by_text("The image is being fetched")).to_be_visible()
    expect(page.get_by_test_id("regions")).to_have_count(0)
    released.set()
    for route in held:
        route.continue_()
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-drawn", re.compile("."))
    expect(page.get_by_text("The image is being fetched")).to_have_count(0)

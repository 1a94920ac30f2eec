"""What helps a person to see and to compare, and what keeps two people from each other's parts."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.conftest import Served, StartServer, grey_png
from tests.e2e.conftest import Watch
from tests.e2e.test_review import decide, expect_counts, open_review, review_of, shown_part
from tests.serving.test_cameras import eventually

OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, server: Served, watch: Watch) -> Iterator[OpenPage]:
    """Further people, each with a browser profile of their own, on the Review page."""
    contexts = []

    def open_one(reviewer: str, **options: Any) -> Page:
        context = browser.new_context(
            base_url=server.url, locale="en-US", viewport={"width": 1280, "height": 800}, **options
        )
        context.on("request", watch.on_request)
        context.on("console", watch.on_console)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        open_review(page, reviewer)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert watch.elsewhere == []
    assert watch.complaints == []


def patterned_png(seed: int, width: int = 300, height: int = 240) -> bytes:
    """Random pixels around a middle grey, so that REVIEW is the verdict and no two pixels are alike by chance."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    ok, png = cv2.imencode(".png", pixels)
    assert ok
    return png.tobytes()


def drawn(page: Page, inspection: dict[str, Any]) -> None:
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-drawn", inspection["id"])


def hold(page: Page, key: str) -> None:
    page.keyboard.down(key)


def decide_over_http(server: Served, inspection: dict[str, Any], decision: str, reviewer: str) -> None:
    body = {
        "inspection_id": inspection["id"],
        "decision": decision,
        "reviewer": reviewer,
        "decided_at": "2026-11-01T08:00:00Z",
    }
    server.client.put(f"/v1/reviews/{uuid4()}", json=body).raise_for_status()


def test_two_inspectors_never_have_the_same_part(open_page: OpenPage, server: Served) -> None:
    for number in range(8):
        server.inspect(grey_png(0.65 - number / 50), part_id=f"W-{number}")
    ann = open_page("ann")
    expect(ann.get_by_test_id("fact-part")).to_have_text("W-0")
    bob = open_page("bob")
    # ann's page gives bob his share with its next look at the queue, and his takes it with the one after
    expect(bob.get_by_test_id("fact-part")).not_to_have_text("W-0", timeout=60_000)
    decided: list[str] = []
    for turn in range(8):
        page = (ann, bob)[turn % 2]
        expect(page.get_by_test_id("fact-part")).to_be_visible(timeout=60_000)
        decided.append(decide(page, "f"))
    assert len(set(decided)) == len(decided)
    for page in (ann, bob):
        expect_counts(page, unsent=0)
    reviewers = {
        item["part_id"]: item["review"]["reviewer"]
        for item in server.client.get("/v1/inspections").json()["items"]
        if item["review"]
    }
    assert set(reviewers.values()) == {"ann", "bob"}


def test_what_others_have_is_shown_and_comes_when_they_leave(open_page: OpenPage, server: Served) -> None:
    server.inspect(grey_png(0.6), part_id="only one")
    ann = open_page("ann")
    expect(ann.get_by_test_id("fact-part")).to_have_text("only one")
    bob = open_page("bob")
    expect(bob.get_by_text("1 part waits, with somebody else")).to_be_visible()
    expect_counts(bob, others=1, waiting=1)
    ann.get_by_role("link", name="Live").click()
    server.inspect(grey_png(0.1), part_id="passed")
    bob.reload()
    expect(bob.get_by_test_id("fact-part")).to_have_text("only one")


def test_at_actual_size_every_screen_pixel_is_a_camera_pixel(page: Page, server: Served) -> None:
    content = patterned_png(1, 1600, 1300)
    inspection = server.inspect(content, part_id="V-1")
    open_review(page)
    drawn(page, inspection)
    page.keyboard.press("r")  # no frames over the image
    page.keyboard.press("p")
    viewer = page.get_by_test_id("viewer")
    expect(viewer).to_have_attribute("data-scale", "1.0000")
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None

    def found_exactly() -> bool:
        shot = cv2.imdecode(np.frombuffer(viewer.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
        assert shot is not None
        part = shot[100:300, 100:300]
        # the sum of squares itself is rounded, on some processors to more than 0
        x, y = cv2.minMaxLoc(cv2.matchTemplate(image, part, cv2.TM_SQDIFF))[2]
        return np.array_equal(image[y : y + 200, x : x + 200], part)

    # what is kept ready has the size of the screen; every pixel is decoded when it is asked for
    eventually(found_exactly)


def test_zoom_moves_the_evidence_with_the_image(page: Page, server: Served) -> None:
    inspection = server.inspect(patterned_png(2), part_id="V-2")
    assert inspection["regions"]
    open_review(page)
    drawn(page, inspection)
    viewer = page.get_by_test_id("viewer")
    whole = float(viewer.get_attribute("data-scale") or 0)
    regions = page.get_by_test_id("regions")
    before = regions.bounding_box()
    page.keyboard.press("+")
    expect(viewer).to_have_attribute("data-scale", f"{whole * 1.5:.4f}")
    after = regions.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] == pytest.approx(before["width"] * 1.5, rel=0.01)
    page.keyboard.press("0")
    expect(viewer).to_have_attribute("data-scale", f"{whole:.4f}")


def test_the_evidence_hides_while_a_key_is_held(page: Page, server: Served) -> None:
    inspection = server.inspect(patterned_png(3), part_id="V-3")
    open_review(page)
    drawn(page, inspection)
    page.keyboard.press("h")
    for evidence in ("heat", "regions"):
        expect(page.get_by_test_id(evidence)).to_be_visible()
    hold(page, "Space")
    for evidence in ("heat", "regions"):
        expect(page.get_by_test_id(evidence)).to_have_count(0)
    page.keyboard.up("Space")
    expect(page.get_by_test_id("heat")).to_be_visible()
    expect_counts(page, decided=0)


def test_a_good_part_and_past_decisions_stand_beside_the_part(page: Page, server: Served) -> None:
    good = server.inspect(grey_png(0.1), part_id="good one")
    assert good["verdict"] == "PASS"
    past = server.inspect(grey_png(0.8), part_id="decided before")
    decide_over_http(server, past, "DEFECT_CONFIRMED", "bob")
    inspection = server.inspect(patterned_png(4), part_id="V-4")
    open_review(page)
    drawn(page, inspection)
    case = page.get_by_test_id("similar").get_by_role("button")
    expect(case).to_have_count(1)
    expect(case).to_contain_text("Defect")
    hold(page, "g")
    expect(page.get_by_text("Good part good one")).to_be_visible()
    page.keyboard.up("g")
    expect(page.get_by_text("Good part good one")).to_have_count(0)
    case.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("decided before")
    expect(dialog).to_contain_text("bob")
    expect(dialog.get_by_test_id("viewer").last).to_have_attribute("data-drawn", past["id"])
    expect(page.get_by_test_id("past")).to_contain_text("Lot L-1inspected 3, flagged 2, defects 1, false calls 0")


def test_the_queue_is_filtered_by_line(page: Page, server: Served) -> None:
    for part, line in (("F-1", "line-1"), ("F-2", "line-2")):
        server.inspect(grey_png(0.6), part_id=part, line=line)
    open_review(page)
    expect_counts(page, waiting=2)
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("combobox", name="Line").click()
    page.get_by_role("option", name="line-2").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_counts(page, waiting=1)
    decide(page, "f")
    expect(page.get_by_text("Nothing waits for review")).to_be_visible()
    expect_counts(page, unsent=0)
    assert [item["part_id"] for item in server.client.get("/v1/reviews/queue").json()["items"]] == ["F-1"]


def test_an_earlier_decision_is_undone(page: Page, server: Served) -> None:
    parts = {f"U-{number}": server.inspect(grey_png(0.6 - number / 50), part_id=f"U-{number}") for number in range(4)}
    open_review(page)
    decided = [decide(page, "f") for _ in range(3)]
    page.get_by_role("button", name="Undo an earlier decision").click()
    page.get_by_role("menuitem", name=re.compile(decided[0])).click()
    expect(page.get_by_test_id("fact-part")).to_have_text(decided[0])
    expect_counts(page, decided=2, unsent=0)
    assert review_of(server, parts[decided[0]]) is None
    assert review_of(server, parts[decided[1]]) is not None
    decide(page, "d")
    expect_counts(page, decided=3, unsent=0)
    review = review_of(server, parts[decided[0]])
    assert review is not None
    assert review["decision"] == "DEFECT_CONFIRMED"


def test_unsure_goes_to_a_second_person_and_not_back(open_page: OpenPage, server: Served) -> None:
    server.inspect(grey_png(0.6), part_id="doubtful")
    ann = open_page("ann")
    decide(ann, "u")
    expect_counts(ann, unsent=0, waiting=0)
    bob = open_page("bob")
    expect(bob.get_by_test_id("fact-part")).to_have_text("doubtful")
    ann.reload()
    expect(ann.get_by_text("Nothing waits for review")).to_be_visible()


def test_a_decision_that_crossed_anothers_is_shown_and_nothing_overwritten(
    page: Page, server: Served, watch: Watch
) -> None:
    watch.expected = ("412 (Precondition Failed)", "ERR_FAILED", "ERR_INTERNET_DISCONNECTED", "failed to load")
    inspection = server.inspect(grey_png(0.6), part_id="crossed")
    page.route("**/v1/events", lambda route: route.abort())  # or the page would tell of bob's decision beforehand
    open_review(page)
    expect(page.get_by_test_id("fact-part")).to_have_text("crossed")
    page.context.set_offline(True)
    decide_over_http(server, inspection, "DEFECT_CONFIRMED", "bob")
    decide(page, "f")
    expect_counts(page, unsent=1)
    page.context.set_offline(False)
    page.get_by_role("button", name="1 refused").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("bob decided meanwhile: Defect")
    review = review_of(server, inspection)
    assert review is not None
    assert review["reviewer"] == "bob"
    page.get_by_role("button", name="Replace it by mine: False call").click()
    expect(dialog).to_contain_text("Everything is sent.")
    review = review_of(server, inspection)
    assert review is not None
    assert (review["reviewer"], review["decision"]) == ("ann", "FALSE_CALL")


def test_a_part_decided_long_ago_does_not_come_back_while_the_hand_is_old(
    page: Page, server: Served, watch: Watch
) -> None:
    watch.expected = ("ERR_FAILED",)
    for number in range(14):
        server.inspect(grey_png(0.65 - number / 50), part_id=f"H-{number:02d}")
    page.route("**/v1/events", lambda route: route.abort())
    open_review(page)
    expect_counts(page, waiting=14)
    page.route("**/v1/reviews/claims", lambda route: route.abort())
    assert [decide(page, "f") for _ in range(13)] == [f"H-{number:02d}" for number in range(13)]
    expect_counts(page, unsent=0)
    expect(page.get_by_test_id("fact-part")).to_have_text("H-13")


def test_an_image_that_the_lost_connection_withheld_is_told_and_comes_with_it(
    page: Page, server: Served, watch: Watch
) -> None:
    watch.expected = ("ERR_FAILED", "ERR_INTERNET_DISCONNECTED", "failed to load", "ERR_INCOMPLETE_CHUNKED_ENCODING")
    first, second = (server.inspect(patterned_png(seed), part_id=f"I-{seed}") for seed in (5, 6))
    withheld = {each["id"]: f"**/v1/inspections/{each['id']}/image" for each in (first, second)}
    for address in withheld.values():
        page.route(address, lambda route: route.abort())
    open_review(page)
    expect(page.get_by_text("This image is not on this machine yet")).to_be_visible()
    page.context.set_offline(True)
    for address in withheld.values():
        page.unroute(address)
    page.context.set_offline(False)
    part = shown_part(page)
    drawn(page, {"I-5": first, "I-6": second}[part])
    expect(page.get_by_text("This image is not on this machine yet")).to_have_count(0)


@pytest.mark.parametrize("lost", [None, 503])
def test_an_image_whose_answer_was_lost_once_comes_by_itself(
    page: Page, server: Served, watch: Watch, lost: int | None
) -> None:
    watch.expected = ("ERR_FAILED", "503 (Service Unavailable)", "failed to load")
    made = server.inspect(patterned_png(5), part_id="I-5")
    tries: list[str] = []

    def answer(route: Route) -> None:
        tries.append(route.request.url)
        if len(tries) > 2:
            route.continue_()
        elif lost is None:
            route.abort()
        else:
            route.fulfill(status=lost)

    page.route(f"**/v1/inspections/{made['id']}/image", answer)
    open_review(page)
    expect(page.get_by_text("This image is not on this machine yet")).to_be_visible()
    drawn(page, made)
    expect(page.get_by_text("This image is not on this machine yet")).to_have_count(0)


def test_an_image_that_the_server_has_lost_is_not_announced_for_ever(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("503 (Service Unavailable)", "failed to load")
    made = server.inspect(patterned_png(5), part_id="I-5")
    (image,) = (file for file in Path(server.service.settings.images).rglob(made["image"]["sha256"]))
    image.write_bytes(b"damaged")
    open_review(page)
    expect(page.get_by_text("This image is not on this machine yet")).to_be_visible()
    expect(page.get_by_text("This image cannot be shown")).to_be_visible()


@pytest.fixture
def blind_server(start_server: StartServer) -> Served:
    return start_server(reviewing={"blind_share": 1}, audit={"per_day": 1000, "first_share": 1.0})


class TestBlind:
    @pytest.fixture
    def server(self, blind_server: Served) -> Served:
        return blind_server

    def test_the_models_verdict_shows_after_the_decision_only(self, page: Page, server: Served) -> None:
        inspection = server.inspect(grey_png(0.9), part_id="B-1")
        assert inspection["verdict"] == "REJECT"
        open_review(page)
        drawn(page, inspection)
        expect(page.get_by_test_id("blind")).to_be_visible()
        side = page.get_by_role("complementary")
        for told in ("Defect probability", "Regions marked"):
            expect(side).not_to_contain_text(told)
        expect(page.get_by_test_id("regions")).to_have_count(0)
        expect(page.get_by_role("radio", checked=True)).to_have_count(0)
        assert shown_part(page) == "B-1"
        decide(page, "f")
        expect(page.get_by_test_id("revealed")).to_contain_text("The model said: Reject, 90")
        expect_counts(page, unsent=0)
        review = review_of(server, inspection)
        assert review is not None
        assert review["blind"] is True

    @pytest.mark.parametrize(("language", "good"), [("English", "Good part"), ("繁體中文", "良品")])
    def test_the_words_on_the_buttons_do_not_tell_whether_the_part_passed(
        self, page: Page, server: Served, language: str, good: str
    ) -> None:
        for part, brightness in (("B-1", 0.9), ("B-2", 0.1)):
            server.inspect(grey_png(brightness), part_id=part)
        open_review(page)
        page.get_by_role("button", name="Language").click()
        page.get_by_role("menuitem", name=language).click()
        buttons = page.get_by_role("complementary").locator("button:has(kbd)")
        words = {}
        for _ in range(2):
            expect(buttons.filter(has_text=good)).to_be_enabled()
            words[shown_part(page)] = buttons.all_inner_texts()[:4]
            decide(page, "f")
            expect(page.get_by_test_id("last-decision")).to_contain_text(good)
        assert words["B-1"] == words["B-2"]

    def test_a_key_chooses_the_class_where_none_is_chosen(self, page: Page, server: Served) -> None:
        inspection = server.inspect(grey_png(0.9), part_id="B-1")
        open_review(page)
        expect(page.get_by_test_id("blind")).to_be_visible()
        page.keyboard.press("c")
        expect(page.get_by_role("radio", name="bright")).to_be_checked()
        decide(page, "d")
        expect_counts(page, unsent=0)
        review = review_of(server, inspection)
        assert review is not None
        assert review["defect_class"] == "bright"

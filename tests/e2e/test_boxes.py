"""A person draws boxes round defects, by mouse and by keyboard, as far as they want to; and finds them again."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.conftest import Served, StartServer, grey_png
from tests.e2e.conftest import Watch
from tests.e2e.test_accessibility import violations
from tests.e2e.test_review import decide, expect_counts, open_review, review_of
from tests.serving.test_cameras import eventually


@pytest.fixture
def server(start_server: StartServer) -> Served:
    return start_server(reviewing={"blind_share": 0})


@pytest.fixture
def part(server: Served, page: Page) -> dict[str, Any]:
    """The only part that waits, on the screen."""
    inspection = server.inspect(grey_png(0.9), part_id="B-1")
    open_review(page)
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-drawn", inspection["id"])
    return inspection


def boxes(page: Page) -> Locator:
    return page.get_by_test_id("boxes").locator(":scope > *")


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From one place of the viewer to another, in shares of its size."""
    area = page.get_by_test_id("viewer").bounding_box()
    assert area is not None
    (from_x, from_y), (to_x, to_y) = (
        (area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in (start, end)
    )
    page.mouse.move(from_x, from_y)
    page.mouse.down()
    page.mouse.move((from_x + to_x) / 2, (from_y + to_y) / 2)
    page.mouse.move(to_x, to_y)
    page.mouse.up()


def evidence(page: Page) -> Locator:
    """What the viewer lays over the image: its style says where the image is, also in the middle of a movement."""
    return page.get_by_test_id("regions").locator("..")


def begin_drawing(page: Page) -> None:
    """The bar of the boxes takes room from the viewer: nothing is drawn before the image is fitted into the rest."""

    def fitted() -> bool:
        image, viewer = (one.bounding_box() for one in (evidence(page), page.get_by_test_id("viewer")))
        assert image is not None and viewer is not None
        filled = min(abs(viewer["width"] - image["width"]), abs(viewer["height"] - image["height"])) < 3
        to_left, to_right = image["x"] - viewer["x"], viewer["x"] + viewer["width"] - image["x"] - image["width"]
        above, below = image["y"] - viewer["y"], viewer["y"] + viewer["height"] - image["y"] - image["height"]
        return filled and abs(to_left - to_right) < 3 and abs(above - below) < 3

    page.keyboard.press("b")
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-drawing", "true")
    expect(page.get_by_test_id("box-bar")).to_be_visible()
    eventually(fitted)


def pixels(box: Locator) -> list[int]:
    """x, y, width and height, as a screen reader hears them."""
    name = box.get_attribute("aria-label") or ""
    width, height, x, y = map(int, re.findall(r"(\d+)\s×\s(\d+)\spixels at (\d+), (\d+)", name)[0])
    return [x, y, width, height]


def expect_pixels(box: Locator, x: int, y: int, width: int, height: int) -> None:
    expect(box).to_have_attribute("aria-label", re.compile(rf"\b{width}\s×\s{height}\spixels at {x}, {y}\b"))


def test_a_box_is_drawn_by_mouse_adjusted_by_keyboard_and_found_in_the_history(
    page: Page, server: Served, part: dict[str, Any]
) -> None:
    whole = evidence(page).get_attribute("style") or ""
    drag(page, (0.4, 0.4), (0.6, 0.6))
    expect(boxes(page)).to_have_count(0)
    page.keyboard.press("0")
    expect(evidence(page)).to_have_attribute("style", whole)
    begin_drawing(page)
    drag(page, (0.4, 0.4), (0.6, 0.6))
    box = boxes(page)
    expect(box).to_have_count(1)
    expect(box).to_be_focused()
    expect(box).to_contain_text("bright")
    x, y, width, height = drawn = pixels(box)
    assert min(drawn) > 0
    assert x + width < 300

    named = box.get_attribute("aria-label") or ""
    drag(page, (0.5, 0.5), (0.5, 0.45))
    expect(box).not_to_have_attribute("aria-label", named)
    assert pixels(box)[0::2] == [x, width], "it was moved up as it is"
    y, before = pixels(box)[1], y
    assert y < before
    page.keyboard.press("Control+ArrowRight")
    page.keyboard.press("Control+Shift+ArrowDown")
    expect_pixels(box, x + 1, y, width, height + 1)
    page.keyboard.press("z")
    expect_pixels(box, x + 1, y, width, height)
    page.keyboard.down("Space")
    expect(page.get_by_test_id("boxes")).to_have_css("opacity", "0")
    page.keyboard.up("Space")
    expect(box).to_be_focused()

    scale = page.get_by_test_id("viewer").get_attribute("data-scale") or ""
    page.mouse.wheel(0, -400)
    expect(page.get_by_test_id("viewer")).not_to_have_attribute("data-scale", scale)
    assert pixels(box) == [x + 1, y, width, height], "to zoom moves no box"
    page.keyboard.press("m")
    expect(box).to_have_count(2)
    expect(box.nth(1)).to_be_focused()
    page.get_by_label("Class of the box").select_option("bright")
    page.keyboard.press("m")
    expect(box).to_have_count(3)
    page.keyboard.press("Delete")
    expect(box).to_have_count(2)
    assert violations(page) == []
    second = pixels(box.nth(1))

    decide(page, "d")
    expect_counts(page, unsent=0)
    review = review_of(server, part)
    assert review is not None
    assert [[one["x0"], one["y0"], one["x1"] - one["x0"], one["y1"] - one["y0"]] for one in review["boxes"]] == [
        [x + 1, y, width, height],
        second,
    ]
    assert {one["label"] for one in review["boxes"]} == {"bright"}

    page.goto(f"/history?id={part['id']}")
    expect(boxes(page)).to_have_count(2)
    expect(page.get_by_test_id("box-key")).to_contain_text("Drawn by ann")
    expect(page.get_by_test_id("box-key")).to_contain_text("Found by the model")
    expect(page.get_by_test_id("reviews")).to_contain_text("Boxes: 2")
    assert violations(page) == []


def test_boxes_are_drawn_by_keyboard_alone_and_an_undone_decision_brings_them_back(
    page: Page, server: Served, part: dict[str, Any]
) -> None:
    box = boxes(page)
    begin_drawing(page)
    page.keyboard.press("m")
    expect(box).to_be_focused()
    for key in ("ArrowRight", "Shift+ArrowUp", "m"):
        page.keyboard.press(key)
    expect(box.nth(1)).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(box).to_have_count(2)
    expect(box.nth(0)).to_be_focused()
    page.keyboard.press("Backspace")
    expect(box).to_have_count(1)
    page.keyboard.press("z")
    expect(box).to_have_count(2)
    left = [pixels(box.nth(number)) for number in range(2)]

    decide(page, "f")
    expect_counts(page, unsent=0)
    assert (review_of(server, part) or {})["boxes"] == [], "nobody marks a defect where there is none"
    page.keyboard.press("z")
    expect(page.get_by_test_id("fact-part")).to_have_text("B-1")
    expect(box).to_have_count(2)
    expect(page.get_by_test_id("box-bar")).to_have_count(0)
    decide(page, "u")
    expect_counts(page, unsent=0)
    kept = (review_of(server, part) or {})["boxes"]
    assert [[one["x0"], one["y0"], one["x1"] - one["x0"], one["y1"] - one["y0"]] for one in kept] == left


def test_a_box_waits_with_its_decision_and_stands_beside_somebody_elses(
    page: Page, server: Served, part: dict[str, Any], watch: Watch
) -> None:
    watch.expected = ("ERR_CONNECTION_REFUSED", "412 (Precondition Failed)")

    def refuse(route: Route) -> None:
        route.abort("connectionrefused")

    page.route("**/v1/reviews/*-*", refuse)
    begin_drawing(page)
    drag(page, (0.4, 0.4), (0.6, 0.6))
    expect(boxes(page)).to_be_focused()
    mine = pixels(boxes(page))
    decide(page, "d")
    expect_counts(page, unsent=1)
    page.reload()
    expect_counts(page, unsent=1)
    theirs = {"x0": 5, "y0": 6, "x1": 70, "y1": 80, "label": "bright"}
    body = {"inspection_id": part["id"], "decision": "DEFECT_ACCEPTED", "reviewer": "bob", "boxes": [theirs]}
    body["decided_at"] = "2026-11-01T08:00:00Z"
    server.client.put("/v1/reviews/01890000-0000-7000-8000-000000000001", json=body).raise_for_status()
    page.unroute("**/v1/reviews/*-*", refuse)
    page.get_by_role("button", name="1 refused").click()
    both = page.get_by_test_id("both-boxes")
    expect(both).to_contain_text("Drawn by bob: Boxes: 1")
    expect(both).to_contain_text("Drawn by you: Boxes: 1")
    page.get_by_role("button", name="Replace it by mine").click()
    expect(page.get_by_role("dialog")).to_contain_text("Everything is sent.")
    (kept,) = (review_of(server, part) or {})["boxes"]
    assert [kept["x0"], kept["y0"], kept["x1"] - kept["x0"], kept["y1"] - kept["y0"]] == mine


def test_one_finger_draws_and_two_zoom(page: Page, part: dict[str, Any]) -> None:
    begin_drawing(page)
    viewer = page.get_by_test_id("viewer")
    area = viewer.bounding_box()
    assert area is not None
    screen = page.context.new_cdp_session(page)
    screen.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [
            {"x": area["x"] + x * area["width"], "y": area["y"] + y * area["height"], "id": number}
            for number, (x, y) in enumerate(places)
        ]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.4, 0.4))
    touch("touchMove", (0.5, 0.5))
    touch("touchMove", (0.6, 0.6))
    touch("touchEnd")
    expect(boxes(page)).to_be_focused()
    drawn = pixels(boxes(page))

    scale = viewer.get_attribute("data-scale") or ""
    touch("touchStart", (0.3, 0.3))
    touch("touchMove", (0.32, 0.32))
    touch("touchStart", (0.32, 0.32), (0.7, 0.7))
    touch("touchMove", (0.25, 0.25), (0.75, 0.75))
    touch("touchMove", (0.2, 0.2), (0.8, 0.8))
    touch("touchEnd")
    expect(viewer).not_to_have_attribute("data-scale", scale)
    expect(boxes(page)).to_have_count(1)
    expect_pixels(boxes(page), *drawn)

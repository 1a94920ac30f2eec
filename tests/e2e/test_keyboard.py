"""Every page by Tab alone: each stop is seen, lies under nothing, and none is missed on the way back; dialogs let go."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.conftest import Served, StartServer
from tests.e2e import plant
from tests.e2e.conftest import Watch
from tests.e2e.test_sign_in import sign_in

MOST_STOPS = 150

# The element with the focus: which one, and what is wrong with it. The ring stands on the gap that its shadow fills, so that
# the two are told apart on any ground (WCAG 2.4.7, 1.4.11); of what fits on the screen, more than half is free (2.4.11).
_STOP = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return null;
  window.stops ??= new Map();
  if (!window.stops.has(focused)) window.stops.set(focused, window.stops.size);
  const control = ["checkbox", "radio"].includes(focused.type)
    ? (focused.parentElement.querySelector(".mantine-Switch-track") ?? focused.labels[0])
    : focused;
  const wrong = [];
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
      const value = part / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ring = [focused, control, focused.nextElementSibling, ...(focused.labels ?? [])]
    .filter((each) => each !== null)
    .map((each) => getComputedStyle(each))
    .find(({ outlineStyle, outlineWidth }) => outlineStyle === "solid" && parseFloat(outlineWidth) >= 2);
  if (ring === undefined) {
    wrong.push("no ring");
  } else {
    const gap = ring.boxShadow.startsWith("rgb") ? ring.boxShadow : "";
    const two = [luminance(ring.outlineColor), gap === "" ? NaN : luminance(gap)].sort();
    const contrast = (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
    if (!(contrast >= 3)) wrong.push(`ring ${ring.outlineColor} on ${gap || "any ground"}`);
  }
  const box = control.getBoundingClientRect();
  const points = [[0.5, 0.5], [0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.9]]
    .map(([x, y]) => [box.left + x * box.width, box.top + y * box.height])
    .filter(([x, y]) => box.height < innerHeight / 2 || (x < innerWidth && y < innerHeight && x > 0 && y > 64));
  const free = points.filter(([x, y]) => {
    const top = document.elementFromPoint(x, y);
    return top !== null && (control.contains(top) || top.contains(control) || focused.contains(top));
  });
  if (2 * free.length <= points.length) wrong.push(`covered at ${[box.left, box.top].map(Math.round)}`);
  return { number: window.stops.get(focused), name: focused.outerHTML.slice(0, 140), wrong };
}"""


@pytest.fixture
def server(start_server: StartServer) -> Served:
    served = start_server(auth=True)
    plant.fill(served)
    return served


def stops(page: Page, key: str) -> list[dict[str, Any]]:
    """What `key` goes to from the top of the page until it has left the page or is back where it began."""
    found: list[dict[str, Any]] = []
    while len(found) < MOST_STOPS:
        page.keyboard.press(key)
        stop = page.evaluate(_STOP)
        if not found:
            found += [] if stop is None else [stop]
            continue
        if stop is None or stop["number"] == found[0]["number"]:
            return found
        assert stop["number"] not in {each["number"] for each in found}, f"{key} turns in a circle at {stop['name']}"
        found.append(stop)
    raise AssertionError(f"{key} comes to no end: {found[-1]['name']}")


@pytest.mark.parametrize(("language", "scheme", "width"), [("en", "light", 1280), ("zh-Hant", "dark", 768)])
def test_tab_goes_everywhere_and_is_seen(
    page: Page, server: Served, watch: Watch, language: str, scheme: str, width: int
) -> None:
    watch.expected = ("401 (Unauthorized)",)
    page.add_init_script(f"localStorage.setItem('inspector.language', '{language}')")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/live")
    names = {"en": ("Name", "Password", "Sign in"), "zh-Hant": ("姓名", "密碼", "登入")}[language]
    sign_in(page, plant.PERSON, names=names)
    # the gallery brings in more as it scrolls: it has no end to come to
    paths = [path for path in [*plant.menu(page), "guide", plant.first_story(server)] if path != "history"]
    found = {}
    for path in plant.visited(page, paths):
        there, back = stops(page, "Tab"), stops(page, "Shift+Tab")
        found[path] = [f"{each['name']}: {each['wrong']}" for each in [*there, *back] if each["wrong"]]
        assert len(there) == len(back), f"{path}: {len(there)} stops there, {len(back)} back"
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def openers(page: Page) -> dict[str, Locator]:
    """Buttons that open a dialog, by the page that they are on."""
    return {
        "live": page.get_by_role("button", name="Hold line").first,
        "roi": page.get_by_role("button", name="Import figures"),
        "people": page.get_by_role("button", name="Add person"),
        "review": page.get_by_role("button", name="Filter"),
        "settings": page.get_by_role("button", name="Set a hold"),
    }


def test_one_escape_closes_the_plan_of_a_study_from_any_field(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("401 (Unauthorized)",)
    page.goto("/quality")
    sign_in(page, plant.PERSON)
    button = page.get_by_role("button", name="Plan a study")
    for field in ("Name", "People", "Parts"):
        button.click()
        page.get_by_role("dialog").get_by_label(field, exact=True).click()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(button).to_be_focused()


def test_escape_closes_a_dialog_and_the_keyboard_goes_on_where_it_was(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("401 (Unauthorized)",)
    page.goto("/live")
    sign_in(page, plant.PERSON)
    buttons = openers(page)
    expect(buttons["live"]).to_be_visible()
    for path in plant.visited(page, list(buttons)):
        for button in (buttons[path], page.get_by_role("button", name="Keyboard help")):
            button.focus()
            page.keyboard.press("Enter")
            dialog = page.get_by_role("dialog")
            expect(dialog.locator(":focus")).to_have_count(1)
            page.keyboard.press("Shift+Tab")
            expect(dialog.locator(":focus")).to_have_count(1)
            page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
            expect(button).to_be_focused()

"""WCAG 2.2 AA, as far as axe can tell: every page and the dialogs that everybody meets, in both languages, light and dark."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from serving.role import Role
from tests.conftest import ROOT, Served, StartServer, grey_png
from tests.e2e import plant
from tests.e2e.conftest import Watch
from tests.e2e.test_sign_in import sign_in

AXE = ROOT / "inspector_ui/node_modules/axe-core/axe.min.js"
# Words that are still fading in have less contrast than they will have.
_RUN = """async () => {
  const ending = document.getAnimations().filter((each) => Number.isFinite(each.effect.getComputedTiming().endTime));
  await Promise.allSettled(ending.filter(({ playState }) => playState === "running").map(({ finished }) => finished));
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations, passes } = await axe.run(document, { runOnly: { type: "tag", values: tags } });
  return { violations, passed: passes.length };
}"""

# What can be pressed and is narrower or lower than a gloved finger. Links within a sentence are as high as its line, a
# slider is pressed anywhere along its bar, and the link that skips the menu is for the keyboard.
_SMALL = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary, [role=menuitem]")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }) && each.type !== "range" && each.type !== "file")
  .filter((each) => each.tagName !== "A" || getComputedStyle(each).display !== "inline")
  .filter((each) => each.getBoundingClientRect().right > 0)
  .map((each) => {
    const boxes = [each, ...(each.labels ?? [])].map((one) => one.getBoundingClientRect());
    const [width, height] = ["width", "height"].map((side) => Math.max(...boxes.map((box) => box[side])));
    return { name: each.outerHTML.slice(0, 160), width, height };
  })
  .filter(({ width, height }) => width > 1 && (width < 43.5 || height < 43.5))"""


@pytest.fixture
def server(start_server: StartServer) -> Served:
    served = start_server(auth=True)
    plant.fill(served)
    return served


def violations(page: Page) -> list[str]:
    """What axe objects to: rule, element and why."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    answer: dict[str, Any] = page.evaluate(_RUN)
    assert answer["passed"] > 5, "axe found nearly nothing to look at"
    return [
        f"{rule['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else rule['help']}"
        for rule in answer["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", plant.SCHEMES)
@pytest.mark.parametrize("language", plant.LANGUAGES)
def test_no_page_violates_wcag(page: Page, server: Served, watch: Watch, language: str, scheme: str) -> None:
    watch.expected = ("401 (Unauthorized)",)
    page.add_init_script(f"localStorage.setItem('inspector.language', '{language}')")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto("/live")
    expect(page.locator("form")).to_be_visible()
    found = {"sign in": violations(page)}
    names = {"en": ("Name", "Password", "Sign in"), "zh-Hant": ("姓名", "密碼", "登入")}[language]
    sign_in(page, plant.PERSON, names=names)
    for path in plant.visited(page, [*plant.menu(page), "guide", plant.first_story(server)]):
        found[path] = violations(page)
    page.goto("/live")
    expect(page.get_by_test_id("live-held")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    found["help"] = violations(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name={"en": "Hold line", "zh-Hant": "暫停放行"}[language]).first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found["hold"] = violations(page)
    assert {name: told for name, told in found.items() if told} == {}


def test_guide_is_reached_by_keyboard_and_names_the_keys(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("401 (Unauthorized)",)
    page.goto("/live")
    sign_in(page, plant.PERSON)
    expect(page.get_by_test_id("live-held")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    link = page.get_by_role("dialog").get_by_role("link", name="Guide")
    link.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/guide")
    expect(page.get_by_role("dialog")).to_have_count(0)
    chapters = page.get_by_test_id("chapter")
    expect(chapters).to_have_count(7)
    expect(chapters.first).to_contain_text("False call")
    expect(page.get_by_role("link", name="Guide")).to_be_visible()


@pytest.mark.parametrize("language", plant.LANGUAGES)
def test_a_page_magnified_four_times_scrolls_downward_only(
    page: Page, server: Served, watch: Watch, language: str
) -> None:
    """WCAG 1.4.10: 1280 px at 400 % leave 320."""
    watch.expected = ("401 (Unauthorized)",)
    page.add_init_script(f"localStorage.setItem('inspector.language', '{language}')")
    page.set_viewport_size({"width": 320, "height": 256})
    page.goto("/live")
    sign_in(
        page, plant.PERSON, names={"en": ("Name", "Password", "Sign in"), "zh-Hant": ("姓名", "密碼", "登入")}[language]
    )
    long = server.frame(part_id="A1B2C3D4E5" * 6, lot="批號" * 30)
    _, secret = server.service.keys.add("another camera", Role.CAMERA, "test")
    camera = server.another_client(Authorization=f"Bearer {secret}")
    made = camera.post("/v1/inspections", params=long, content=grey_png(0.5)).json()["id"]
    wider = {}
    for path in plant.visited(page, [*plant.menu(page), "guide", f"history?id={made}"]):
        wider[path] = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        bar = page.get_by_role("navigation")
        assert bar.evaluate("each => each.scrollWidth - each.clientWidth") == 0, f"{path}: some of the menu is cut off"
    assert {path: by for path, by in wider.items() if by > 0} == {}


def test_whatever_is_pressed_is_as_large_as_a_gloved_finger(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("401 (Unauthorized)",)
    page.set_viewport_size({"width": 768, "height": 1024})
    page.goto("/live")
    expect(page.locator("form")).to_be_visible()
    found = {"sign in": page.evaluate(_SMALL)}
    sign_in(page, plant.PERSON)
    for path in plant.visited(page, [*plant.menu(page), "guide", plant.first_story(server)]):
        found[path] = page.evaluate(_SMALL)
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{path} scrolls sideways"
    assert {name: small for name, small in found.items() if small} == {}

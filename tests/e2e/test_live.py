"""The Live page: read from four metres, and a line that a person puts on hold and releases."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, Request, expect
from sqlalchemy import insert

from serving.role import Role
from serving.tables import alarms
from tests.accounts import add_person, key_client
from tests.conftest import Served, StartServer, grey_png
from tests.e2e.conftest import Watch
from tests.e2e.test_review import open_review
from tests.e2e.test_sign_in import sign_in, sign_out
from tests.serving.test_hourly import add, rows

# 25 mm at 96 px an inch: what four metres ask for
FOUR_METRES_PX = 95
KEYS = re.compile(r"\b(?:live|hold|reason|verdict|alarm)\.\w+")


def letter_height(tile: Locator) -> float:
    """The type size of the huge word, which must not run out of its tile."""
    size, fits = tile.locator("xpath=.//*[contains(@class, 'word')]").evaluate(
        """(word) => {
          const box = word.getBoundingClientRect(), tile = word.closest("section").getBoundingClientRect();
          const inside = box.left >= tile.left && box.right <= tile.right && word.scrollWidth <= word.clientWidth + 1;
          return [parseFloat(getComputedStyle(word).fontSize), inside];
        }"""
    )
    assert fits, "the word is cut off"
    return float(size)


def hold(server: Served, line: str, reason: str) -> None:
    server.client.post("/v1/line-holds", json={"line": line, "reason": reason, "person": "ann"}).raise_for_status()


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_two_lines_on_a_desk_screen_are_read_from_four_metres(
    page: Page, server: Served, watch: Watch, language: str
) -> None:
    watch.expected = ("404 (Not Found)",)  # what cannot be read has no thumbnail
    page.add_init_script(f"localStorage.setItem('inspector.language', '{language}')")
    for line, brightness in (("line-1", 0.1), ("line-2", 0.9)):
        server.inspect(grey_png(brightness), line=line)
    page.goto("/live")
    tiles = page.get_by_test_id("live-verdict")
    expect(tiles).to_have_count(2)
    for brightness in (0.1, 0.5, 0.9):
        server.inspect(grey_png(brightness), line="line-2", part_id=f"P-{brightness}")
        expect(tiles.last).to_contain_text(f"P-{brightness}")
        for tile in tiles.all():
            assert letter_height(tile) >= FOUR_METRES_PX
    server.inspect(b"no image", line="line-2", part_id="no image")
    expect(tiles.last).to_contain_text("no image")
    assert letter_height(tiles.last) >= FOUR_METRES_PX


def test_a_plant_that_rested_is_not_taken_for_a_new_one(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("404 (Not Found)",)  # a row has no picture
    page.goto("/live")
    expect(page.get_by_text("No parts yet")).to_be_visible()
    row = rows(3)[0]
    add(server.service.store, [row | {"line": "line-7", "received_at": datetime.now(UTC) - timedelta(days=2)}])
    page.reload()
    expect(page.get_by_text("No parts in the last 24 hours")).to_be_visible()
    expect(page.get_by_text("on line line-7")).to_be_visible()
    expect(page.get_by_text("a key of its own")).to_have_count(0)
    server.inspect(grey_png(0.1), line="line-7", part_id="first today")
    expect(page.get_by_test_id("live-verdict")).to_contain_text("first today")


def test_a_hidden_tab_leaves_its_connection_to_others_and_catches_up(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("404 (Not Found)",)
    server.inspect(grey_png(0.1), line="line-1", part_id="before")
    page.goto("/live")
    tile = page.get_by_test_id("live-verdict")
    expect(tile).to_contain_text("before")

    def show(state: str) -> None:
        page.evaluate(
            """(state) => {
              Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            state,
        )

    def is_stream(request: Request) -> bool:
        return request.url.endswith("/v1/events")

    with page.expect_event("requestfailed", is_stream):
        show("hidden")
    server.inspect(grey_png(0.9), line="line-1", part_id="meanwhile")
    show("visible")
    expect(tile).to_contain_text("meanwhile")


def test_four_lines_fit_one_desk_screen(page: Page, server: Served) -> None:
    for number in range(1, 5):
        server.inspect(grey_png(0.1 + number / 5), line=f"line-{number}")
    page.goto("/live")
    tiles = page.get_by_test_id("live-verdict")
    expect(tiles).to_have_count(4)
    expect(page.get_by_test_id("trend")).to_have_count(4)
    assert min(letter_height(tile) for tile in tiles.all()) >= 70
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")


@pytest.mark.parametrize(("width", "height", "letters"), [(1280, 800, 70), (1024, 768, 60)])
def test_lines_with_alarms_stay_on_the_screen(
    page: Page, server: Served, width: int, height: int, letters: int
) -> None:
    for line in ("line-1", "line-2", "line-3", "line-4"):
        frame = server.inspect(grey_png(0.9), line=line)
        raised = [
            {
                "id": str(uuid4()),
                "kind": "SCORE_DRIFT",
                "line": line,
                "station": "final",
                "camera": f"camera-{number}",
                "reason": "the scores are spread otherwise",
                "inspection_id": frame["id"],
                "raised_at": datetime.now(UTC),
            }
            for number in range(0 if line == "line-4" else 3)
        ]
        if raised:
            server.service.store.submit(
                lambda connection, raised=raised: connection.execute(insert(alarms), raised) and None
            ).result()
    page.set_viewport_size({"width": width, "height": height})
    page.goto("/live")
    tiles = page.get_by_test_id("live-verdict")
    expect(tiles).to_have_count(4)
    expect(page.get_by_test_id("trend")).to_have_count(4)
    expect(page.get_by_test_id("alarm")).to_have_count(9)
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    assert min(letter_height(tile) for tile in tiles.all()) >= letters
    first = page.get_by_role("region", name="line-1")
    last = first.get_by_test_id("alarm").last
    expect(first.get_by_test_id("alarm").first).to_be_in_viewport(ratio=0.9)
    expect(last).to_contain_text("3/3")
    # A keyboard reaches those that are scrolled away.
    last.get_by_role("button", name="Acknowledge").focus()
    expect(last).to_be_in_viewport(ratio=0.9)


def test_last_hour_stands_on_the_tile(page: Page, server: Served) -> None:
    for brightness in (0.1, 0.1, 0.1, 0.9):
        server.inspect(grey_png(brightness))
    page.goto("/live")
    expect(page.get_by_test_id("trend")).to_contain_text("25% not passed")
    expect(page.get_by_test_id("trend")).to_contain_text("of 4 in the last hour")


def test_line_is_put_on_hold_and_released_with_a_reason(page: Page, server: Served) -> None:
    server.inspect(grey_png(0.1))
    page.goto("/live")
    page.get_by_role("button", name="Hold line").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name or badge").fill("eve")
    confirm = dialog.get_by_role("button", name="Hold line")
    expect(confirm).to_be_disabled()
    dialog.get_by_role("textbox", name="Reason").fill("paste of the wrong lot")
    confirm.click()
    held = page.get_by_test_id("live-held")
    for told in ("On hold", "paste of the wrong lot", "eve, since"):
        expect(held).to_contain_text(told)
    assert letter_height(held) >= FOUR_METRES_PX
    inspection = server.inspect(grey_png(0.1), part_id="meanwhile")
    assert inspection["line_hold"]["reason"] == "paste of the wrong lot"
    expect(held).to_contain_text("newest part meanwhile: Pass")
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitem", name="繁體中文").click()
    expect(held).to_contain_text("暫停放行")
    assert KEYS.findall(page.locator("body").inner_text()) == []
    page.get_by_role("button", name="恢復放行").click()
    dialog.get_by_role("textbox", name="姓名或工號").fill("eve")
    dialog.get_by_role("textbox", name="原因").fill("已更換錫膏")
    dialog.get_by_role("button", name="恢復放行").click()
    expect(held).to_have_count(0)
    expect(page.get_by_test_id("live-verdict")).to_contain_text("合格")
    (entry,) = server.client.get("/v1/line-holds").json()
    assert entry["release_reason"] == "已更換錫膏"


def test_hold_shows_on_every_page_and_on_a_line_that_made_nothing(page: Page, server: Served) -> None:
    server.inspect(grey_png(0.5))
    open_review(page)
    mark = page.get_by_test_id("held-mark")
    expect(mark).to_have_count(0)
    hold(server, "line-9", "new tooling")
    expect(mark).to_contain_text("line-9")
    page.set_viewport_size({"width": 768, "height": 1024})
    expect(mark).to_have_accessible_name("On hold line-9")
    mark.click()
    expect(page.get_by_test_id("live-held")).to_contain_text("new tooling")
    expect(page.get_by_test_id("live-verdict")).to_have_count(1)


class TestRoles:
    @pytest.fixture
    def server(self, start_server: StartServer) -> Served:
        return start_server(auth=True)

    def test_inspector_may_hold_and_only_who_answers_for_the_line_releases(
        self, page: Page, server: Served, watch: Watch
    ) -> None:
        watch.expected = ("401 (Unauthorized)",)
        key_client(server, Role.CAMERA).post("/v1/inspections", params=server.frame(), content=grey_png(0.1))
        add_person(server, "ann", Role.INSPECTOR)
        add_person(server, "eve", Role.ENGINEER)
        page.goto("/live")
        sign_in(page, "ann")
        page.get_by_role("button", name="Hold line").click()
        page.get_by_role("textbox", name="Reason").fill("scratches on every part")
        page.get_by_role("dialog").get_by_role("button", name="Hold line").click()
        expect(page.get_by_test_id("live-held")).to_contain_text("ann, since")
        expect(page.get_by_role("button", name="Release line")).to_have_count(0)
        sign_out(page)
        sign_in(page, "eve")
        expect(page.get_by_role("button", name="Release line")).to_be_visible()


class TestNewServer:
    @pytest.fixture
    def server(self, start_server: StartServer, tmp_path: Path) -> Served:
        return start_server(auth=True, bundles=tmp_path / "none")

    def test_it_says_what_is_missing_and_where(self, page: Page, server: Served, watch: Watch) -> None:
        watch.expected = ("401 (Unauthorized)",)
        add_person(server, "ann", Role.INSPECTOR)
        add_person(server, "root", Role.ADMIN)
        steps = page.locator("main").get_by_role("link")
        page.goto("/live")
        sign_in(page, "ann")
        expect(page.get_by_text("No model decides yet")).to_be_visible()
        expect(steps).to_have_text(["Models"])
        sign_out(page)
        sign_in(page, "root")
        expect(steps).to_have_text(["Models", "People"])
        page.goto("/settings")
        expect(page.get_by_text("No thresholds yet")).to_be_visible()

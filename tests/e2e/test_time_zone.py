"""A tablet on another clock: pages tell the plant's times and days, say so, and take what is picked as the plant's."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import Browser, expect

from tests.conftest import StartServer, grey_png

PLANT = "Asia/Taipei"
# Its midnight is the plant's noon or later all year round.
ELSEWHERE = "America/New_York"


def test_times_are_the_plants_wherever_they_are_read(browser: Browser, start_server: StartServer) -> None:
    server = start_server(time_zone=PLANT)
    captured = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
    made = server.inspect(grey_png(0.5), part_id="Z-1", captured_at=captured.isoformat())
    with browser.new_context(base_url=server.url, locale="en-US", timezone_id=ELSEWHERE) as context:
        page = context.new_page()
        page.goto(f"/history?id={made['id']}")
        expect(page.get_by_test_id("fact-time")).to_have_text(re.compile(r"^Nov 2,( 2026,)? 07:30:00 GMT\+8$"))
        expect(page.get_by_test_id("zone-mark")).to_contain_text("GMT+8")
        expect(page.locator("footer")).to_have_text(
            "All times are the plant's: Taiwan Standard Time (GMT+8). This device's clock is in another time zone."
        )
        page.goto("/settings")
        page.get_by_role("button", name="Set a hold").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Received or captured since").fill("2026-11-02T07:00")
        dialog.get_by_label("Name or badge").fill("bob")
        dialog.get_by_label("Reason").fill("claim 7")
        dialog.get_by_role("button", name="Set a hold").click()
        expect(page.get_by_test_id("holds")).to_contain_text(re.compile(r"since Nov 2,( 2026,)? 07:00:00"))
    (hold,) = server.client.get("/v1/holds").json()
    assert datetime.fromisoformat(hold["since"]) == captured - timedelta(minutes=30)
    assert datetime.fromisoformat(hold["since"]).astimezone(ZoneInfo(PLANT)).hour == 7


def test_a_device_on_the_plants_clock_is_told_the_zone_once(browser: Browser, start_server: StartServer) -> None:
    server = start_server(time_zone=PLANT)
    with browser.new_context(base_url=server.url, locale="en-US", timezone_id="Asia/Singapore") as context:
        page = context.new_page()
        page.goto("/audit")
        expect(page.locator("footer")).to_have_text("All times are the plant's: Taiwan Standard Time (GMT+8).")
        expect(page.get_by_test_id("zone-mark")).to_have_count(0)


def test_days_are_the_plants_where_the_day_is_further_on(browser: Browser, start_server: StartServer) -> None:
    server = start_server(time_zone=PLANT)
    rows = "day,product,line,inspected\n2026-03-02,cell,line-1,900\n2026-03-03,cell,line-1,900\n"
    past = {"person": "bob", "reason": "ledger"}
    server.client.post(
        "/v1/past-counts", params=past, content=rows, headers={"Content-Type": "text/csv"}
    ).raise_for_status()
    frozen = {"name": "March", "kind": "HISTORY", "first_day": "2026-03-02", "last_day": "2026-03-03", **past}
    server.client.post("/v1/baselines", json=frozen).raise_for_status()
    with browser.new_context(base_url=server.url, locale="en-US", timezone_id="Pacific/Auckland") as context:
        page = context.new_page()
        page.goto("/before")
        expect(page.get_by_test_id("baselines")).to_contain_text("2026-03-02 to 2026-03-03")

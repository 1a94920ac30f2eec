"""The Quality page: the control chart that a person looks at stays on the screen when a point comes elsewhere."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from serving.tables import spc_points
from tests.conftest import Served, StartServer, grey_png
from tests.e2e.conftest import Watch
from tests.e2e.test_review import open_review


@pytest.fixture
def server(start_server: StartServer) -> Served:
    return start_server()


def add_point(server: Served, minute: int, product: str, change: int | None = None) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute)
    row = {
        "line": "line-1",
        "station": "final",
        "camera": "top",
        "product": product,
        "model_name": "m",
        "model_version": "1",
        "threshold_change": change,
        "started_at": at,
        "ended_at": at,
        "n": 50,
        "flagged": 2,
        "defects": 2,
    }
    server.service.store.submit(lambda connection: connection.execute(insert(spc_points), row)).result()


def test_the_chosen_control_chart_stays_when_a_newer_point_comes_elsewhere(page: Page, server: Served) -> None:
    server.inspect(grey_png(0.9))  # a page without any frame shows no charts
    for minute, (product, change) in enumerate((("board", None), ("cell", None), ("cell", 4))):
        add_point(server, minute, product, change)
    open_review(page)
    page.goto("/quality")
    choice = page.get_by_label("Camera, product and model")
    names = [
        f"line-1 · final · top · {name}"
        for name in ("cell · m 1 · thresholds of change 4", "cell · m 1", "board · m 1")
    ]
    expect(choice.locator("option")).to_have_text(names)
    expect(choice.locator("option:checked")).to_have_text(names[0])
    for shown, elsewhere, chart in ((0, "board", "u"), (1, "board", "Laney p′")):
        if shown:
            choice.select_option(label=names[shown])
        add_point(server, 10 + shown, elsewhere)
        page.get_by_text(chart, exact=True).click()
        expect(choice.locator("option").first).to_have_text(names[2])
        expect(choice.locator("option:checked")).to_have_text(names[shown])


def test_a_page_that_a_proxy_could_not_fill_fills_itself_when_the_server_is_back(
    page: Page, server: Served, watch: Watch
) -> None:
    watch.expected = ("502 (Bad Gateway)",)
    server.inspect(grey_png(0.9))
    page.route("**/v1/baselines", lambda route: route.fulfill(status=502))
    open_review(page)
    page.goto("/before")
    expect(page.get_by_text("HTTP 502")).to_be_visible()
    page.unroute("**/v1/baselines")
    expect(page.get_by_text("HTTP 502")).to_have_count(0)

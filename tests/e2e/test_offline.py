"""What a person decided is never lost: the server goes away, the page is reloaded, the tab is closed, the server comes back."""

import threading
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.conftest import Served, StartServer, grey_png
from tests.e2e.test_review import decide, expect_counts, open_review

# long enough that no claim ends while a busy machine starts the server again
REVIEWING = {"claim_seconds": 900, "blind_share": 0}


@pytest.fixture
def server(start_server: StartServer) -> Served:
    return start_server(reviewing=REVIEWING)


def stop(server: Served) -> None:
    server.server.should_exit = True
    for client in (server.client, *server.others):
        client.close()
    while True:
        try:
            httpx.get(f"{server.url}/healthz", timeout=1)
        except httpx.TransportError:
            return
        threading.Event().wait(0.02)


def wait_for_the_service_worker(page: Page) -> None:
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_function("navigator.serviceWorker.controller !== null")


def test_decisions_outlive_server_reload_and_tab(
    context: BrowserContext, server: Served, start_server: StartServer
) -> None:
    for number in range(5):
        server.inspect(grey_png(0.65 - number / 50), part_id=f"O-{number}")
    page = context.new_page()
    open_review(page)
    wait_for_the_service_worker(page)
    expect_counts(page, waiting=5)
    order = [decide(page, "f")]
    expect_counts(page, unsent=0)
    stop(server)

    order.append(decide(page, "d"))
    expect_counts(page, unsent=1)
    page.reload()
    expect_counts(page, unsent=1, decided=2)
    order.append(decide(page, "f"))
    expect_counts(page, unsent=2)
    page.close()
    page = context.new_page()
    page.goto("/review")
    expect_counts(page, unsent=2)
    order.append(decide(page, "f"))
    expect_counts(page, unsent=3)

    again = start_server(port=urlsplit(server.url).port, reviewing=REVIEWING)
    expect(page.get_by_test_id("count-unsent")).to_have_text("0", timeout=60_000)
    reviewed = [item for item in again.client.get("/v1/inspections").json()["items"] if item["review"]]
    by_time = sorted(reviewed, key=lambda item: item["review"]["received_at"])
    assert [item["part_id"] for item in by_time] == order
    assert [item["review"]["decision"] for item in by_time].count("DEFECT_CONFIRMED") == 1
    assert again.client.get("/v1/reviews/queue").json()["waiting"] == 1


def test_without_the_server_every_page_opens_and_says_so_and_recovers_by_itself(
    context: BrowserContext, server: Served, start_server: StartServer
) -> None:
    page = context.new_page()
    open_review(page)
    wait_for_the_service_worker(page)
    stop(server)
    page.goto("/live")
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    expect(page.get_by_text("Connection lost, reconnecting")).to_be_visible()
    page.goto("/quality")
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    page.goto("/history")
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    again = start_server(port=urlsplit(server.url).port)
    again.inspect(grey_png(0.1), part_id="after the restart")
    expect(page.get_by_role("feed")).to_contain_text("after the restart", timeout=30_000)

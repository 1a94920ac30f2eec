"""A real Chromium against the real server; whatever the browser complains of, or asks of another host, fails the test."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.conftest import Served

UI = Path(__file__).parents[2] / "serving" / "static" / "index.html"
# What Playwright turns off itself, for the last list counts, and the popups of the address bar: Chromium makes a page of them
# for every window, which takes half a second of CPU, and no test has a use for it.
OFF = (
    "AimEnabled,AvoidCorsURLLoaderRestartOnRedirect,AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,"
    "HttpsFirstBalancedModeAutoEnable,HttpsUpgrades,LensOverlay,MediaRouter,NetworkTimeServiceQuerying,OptimizationHints,"
    "PaintHolding,PreconnectToSearch,TcpPortRandomizationWin,ThirdPartyStoragePartitioning,"
    "WebUIOmniboxAimPopup,WebUIOmniboxPopup"
)
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    f"--disable-features={OFF}",
]
# OpenSeadragon says the first of an image that is let go while it loads, Playwright the second where it blocks the worker.
HARMLESS = ("loaded before reset", "Service Worker registration blocked")
expect.set_options(timeout=15_000)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium_path() -> str:
    """Where Chromium is: $CHROMIUM, or the first of the usual names on the path."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail(
            "Chromium is not installed: install the system package `chromium` (Debian: apt-get install chromium), "
            "or set CHROMIUM to the path of a Chromium or Chrome",
            pytrace=False,
        )
    return path


# Not for the session: Playwright keeps an event loop running in this thread, in which no other test could start its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    if not UI.is_file():
        pytest.fail("the inspector UI is not built: run `make setup` (npm run build in inspector_ui/)", pytrace=False)
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


class Watch:
    """What the browser said and where it went."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()

    def on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != self._host:
            self.elsewhere.append(request.url)

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(
            text in message.text for text in (*HARMLESS, *self.expected)
        ):
            self.complaints.append(f"{message.type}: {message.text}")

    def on_page_error(self, error: Exception) -> None:
        self.complaints.append(f"uncaught: {error}")


@pytest.fixture
def watch(server: Served) -> Watch:
    return Watch(urlsplit(server.url).netloc)


@pytest.fixture
def page(browser: Browser, server: Served, watch: Watch) -> Iterator[Page]:
    """A fresh browser profile, in English, on the server; without the service worker, whose answers no route could change."""
    context = browser.new_context(
        base_url=server.url, locale="en-US", viewport={"width": 1280, "height": 800}, service_workers="block"
    )
    context.on("request", watch.on_request)
    context.on("console", watch.on_console)
    context.on("weberror", lambda error: watch.on_page_error(error.error))
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()
    assert watch.elsewhere == [], "the page sent requests to another host"
    assert watch.complaints == []


NewContext = Callable[[], BrowserContext]


@pytest.fixture
def new_context(browser: Browser, server: Served, watch: Watch) -> Iterator[NewContext]:
    """Browser profiles that keep the app with the service worker and may lose the connection, one for each person."""
    watch.expected = (
        "ERR_CONNECTION_REFUSED",
        "ERR_FAILED",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
        "ERR_INTERNET_DISCONNECTED",
        "503",
    )
    contexts = []

    def new() -> BrowserContext:
        context = browser.new_context(base_url=server.url, locale="en-US", viewport={"width": 1280, "height": 800})
        contexts.append(context)
        context.on("request", watch.on_request)
        context.on("console", watch.on_console)
        context.on("weberror", lambda error: watch.on_page_error(error.error))
        context.set_default_timeout(30_000)
        return context

    yield new
    for context in contexts:
        context.close()
    assert watch.elsewhere == [], "a page sent requests to another host"
    assert watch.complaints == []


@pytest.fixture
def context(new_context: NewContext) -> BrowserContext:
    """A browser profile with the service worker."""
    return new_context()

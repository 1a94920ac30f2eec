"""A Chromium for measurements, driven by Playwright or, where its inspector would be measured too, without."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, sync_playwright
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 60
_DEVTOOLS = re.compile(r"ws://127\.0\.0\.1:(\d+)/\S+")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser that $CHROMIUM names, or the first of the usual names on the path."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_executable(), args=_flags())
        yield browser
        browser.close()


class Unwatched:
    """A page whose requests nobody inspects: for Playwright, Chromium keeps what a page fetches in the page's own process.

    It speaks the DevTools protocol itself, of which it leaves out the network.
    """

    def __init__(self, browser: ClientConnection, page: ClientConnection) -> None:
        self._browser = browser
        self._page = page
        self._numbers = count(1)

    def open(self, url: str, script: str) -> None:
        """Go to `url`; `script` runs there before the page's own."""
        self._send(self._page, "Page.enable")
        self._send(self._page, "Page.addScriptToEvaluateOnNewDocument", source=script)
        self._send(self._page, "Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """What JavaScript's `expression` gives, as JSON has it; a promise is awaited."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self._send(self._page, "Runtime.evaluate", **asked)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Until the JavaScript expression `condition` is true, looking at every frame. Raises TimeoutError after a minute."""
        self.evaluate(
            f"new Promise((done) => {{ (function look() {{ ({condition}) ? done() : requestAnimationFrame(look); }})(); }})"
        )

    def press(self, letter: str) -> None:
        """A key of the keyboard, down and up."""
        key = {"key": letter, "code": f"Key{letter.upper()}", "windowsVirtualKeyCode": ord(letter.upper())}
        self._send(self._page, "Input.dispatchKeyEvent", type="keyDown", text=letter, **key)
        self._send(self._page, "Input.dispatchKeyEvent", type="keyUp", **key)

    def key(self, name: str) -> None:
        """A key that types nothing, by its name: End, Home."""
        code = {"End": 35, "Home": 36}[name]
        key = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        self._send(self._page, "Input.dispatchKeyEvent", type="rawKeyDown", **key)
        self._send(self._page, "Input.dispatchKeyEvent", type="keyUp", **key)

    def heap_megabytes(self) -> float:
        """JavaScript's heap in use after a forced collection."""
        for _ in range(2):
            self._send(self._page, "HeapProfiler.collectGarbage")
        return float(self._send(self._page, "Runtime.getHeapUsage")["usedSize"]) / 1e6

    def process_megabytes(self) -> float:
        """Memory of the browser's page processes (PSS, which counts what they share once)."""
        total = 0
        for process in self._send(self._browser, "SystemInfo.getProcessInfo")["processInfo"]:
            if process["type"] == "renderer":
                rollup = Path(f"/proc/{process['id']}/smaps_rollup").read_text(encoding="utf-8")
                total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return total / 1024

    def _send(self, to: ClientConnection, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        to.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(to.recv(_SECONDS))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result


@contextmanager
def unwatched(width: int, height: int) -> Iterator[Unwatched]:
    """An empty page of its own browser, with a profile that is thrown away."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, Path(profile, "log").open("w+") as log:
        place = [f"--user-data-dir={profile}", f"--window-size={width},{height}", "--remote-debugging-port=0"]
        command = [_executable(), "--headless=new", "--no-first-run", "--lang=en-US", *place, *_flags(), "about:blank"]
        process = subprocess.Popen(command, stderr=log)
        try:
            devtools = _devtools(process, Path(profile, "log"))
            targets = httpx.get(f"http://127.0.0.1:{devtools[1]}/json").json()
            page = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
            with connect(devtools[0], max_size=None) as to_browser, connect(page, max_size=None) as to_page:
                yield Unwatched(to_browser, to_page)
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _devtools(process: subprocess.Popen[bytes], log: Path) -> re.Match[str]:
    while process.poll() is None:
        found = _DEVTOOLS.search(log.read_text(encoding="utf-8"))
        if found is not None:
            return found
        time.sleep(0.05)
    raise SystemExit(f"Chromium ended: {log.read_text(encoding='utf-8')[-2000:]}")


def _executable() -> str:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise SystemExit("Chromium is not installed: install the package chromium, or set CHROMIUM to its path")
    return path


def _flags() -> list[str]:
    return ["--no-sandbox"] if os.geteuid() == 0 else []

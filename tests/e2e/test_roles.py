"""What each role sees is what the server lets it do: the pages, the buttons on them, and no answer 403 behind any of them."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect

from serving.role import PERMISSIONS, Permission, Role
from tests.accounts import add_person
from tests.conftest import Served, StartServer, write_brightness_bundle
from tests.e2e import plant
from tests.e2e.conftest import Watch
from tests.e2e.test_keyboard import stops
from tests.e2e.test_sign_in import sign_in, sign_out

# Each page's permission (one of several is enough), and the buttons that change something, each with its own.
PAGES: dict[str, tuple[set[Permission], dict[str, Permission]]] = {
    "review": ({Permission.REVIEW}, {"^Unsure": Permission.REVIEW}),
    "study": ({Permission.REVIEW}, {}),
    "live": (
        {Permission.READ},
        {"^Hold line": Permission.HOLD_LINES, "^Release line": Permission.RELEASE_LINES},
    ),
    "history": ({Permission.READ}, {}),
    "quality": ({Permission.MEASURE}, {"^Plan a study": Permission.MEASURE}),
    "sampling": ({Permission.MEASURE}, {"^Add$": Permission.MEASURE}),
    "roi": ({Permission.MEASURE}, {"^Change ": Permission.PLAN, "^Import figures": Permission.PLAN}),
    "before": (
        {Permission.MEASURE},
        {
            "^Import past counts": Permission.PLAN,
            "^Freeze a baseline": Permission.PLAN,
            "^Enter a line": Permission.PLAN,
        },
    ),
    "drift": ({Permission.READ}, {}),
    "models": ({Permission.READ}, {"^Let it decide": Permission.MODELS, "^Start as shadow": Permission.MODELS}),
    "settings": (
        {Permission.MODELS, Permission.HOLDS},
        {"^Put in force": Permission.MODELS, "^Set a hold": Permission.HOLDS, "^Run now": Permission.HOLDS},
    ),
    "audit": ({Permission.AUDIT}, {"^Check now": Permission.AUDIT}),
    "people": ({Permission.PEOPLE}, {"^Add person": Permission.PEOPLE, "^New key": Permission.PEOPLE}),
}
# An admin walks every page in test_keyboard.
PEOPLE = [Role.INSPECTOR, Role.ENGINEER, Role.MANAGER]


@pytest.fixture
def server(start_server: StartServer, tmp_path: Path) -> Served:
    write_brightness_bundle(tmp_path / "bundles/brightness-1", "1")
    write_brightness_bundle(tmp_path / "bundles/brightness-2", "2")
    served = start_server(auth=True, bundles=tmp_path / "bundles")
    plant.fill(served)
    return served


def test_every_role_sees_what_it_may_do_and_reaches_it_by_keyboard(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("401 (Unauthorized)",)
    refused: list[str] = []

    def note(response: Response) -> None:
        if response.status == 403:
            refused.append(f"{response.request.method} {response.url}")

    page.on("response", note)
    page.emulate_media(reduced_motion="reduce")
    for role in PEOPLE:
        may = PERMISSIONS[role]
        add_person(server, role.value, role)
        page.goto("/live")
        sign_in(page, role.value)
        shown = [path for path, (needs, _) in PAGES.items() if needs & may]
        assert list(plant.menu(page)) == shown, role
        for path in plant.visited(page, sorted(shown)):
            for name, needs in PAGES[path][1].items():
                buttons = page.get_by_role("button", name=re.compile(name))
                if needs in may:
                    expect(buttons.first).to_be_visible()
                else:
                    assert buttons.count() == 0, f"{role.value} on {path}: {name}"
            # the gallery brings in more as it scrolls: it has no end to come to
            if path != "history":
                assert [stop for stop in stops(page, "Tab") if stop["wrong"]] == []
        # what the role may not open leads to its first page
        for path in PAGES.keys() - set(shown):
            page.goto(f"/{path}")
            expect(page).to_have_url(re.compile(f"/{shown[0]}$"))
        assert refused == [], role
        sign_out(page)

"""The pages Drift and Models, and the alarms on Live: what a person sees and does there, in both languages."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from data.input_health import InputHealth
from tests.conftest import Served, StartServer, grey_png, write_brightness_bundle
from tests.e2e.conftest import Watch
from tests.serving.test_cameras import eventually, health, part_png  # noqa: F401 - a fixture
from tests.serving.test_drift import SETTINGS, drift_bundle, drift_of, post  # noqa: F401 - a fixture
from tests.serving.test_shadow import CARD, NEW, OLD

KEYS = re.compile(r"\b(?:nav|fault|alarm|reason|drift|models|verdict|state)\.\w+")


@pytest.fixture
def server(
    start_server: StartServer,
    tmp_path: Path,
    health: InputHealth,  # noqa: F811
    drift_bundle: Path,  # noqa: F811
    request: pytest.FixtureRequest,
) -> Served:
    match request.node.get_closest_marker("bundle").args[0]:
        case "health":
            write_brightness_bundle(tmp_path / "bundles/brightness-h", "h", input_health=health)
            return start_server(bundles=tmp_path / "bundles")
        case "drift":
            return start_server(bundles=drift_bundle.parent, drift=SETTINGS)
    write_brightness_bundle(tmp_path / "bundles/brightness-1", "1", factor=1.4, created_at=OLD, skill=0.1, card=CARD)
    write_brightness_bundle(tmp_path / "bundles/brightness-2", "2", created_at=NEW, skill=0.3)
    return start_server(bundles=tmp_path / "bundles")


def to_chinese(page: Page) -> None:
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitem", name="繁體中文").click()


def answer(page: Page, action: str, reason: str) -> None:
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_count(1)  # one that was answered before may still be fading
    dialog.get_by_role("textbox", name="Name or badge").fill("eve")
    dialog.get_by_role("textbox", name="Reason").fill(reason)
    dialog.get_by_role("button", name=action).click()


@pytest.mark.bundle("health")
def test_alarm_stands_on_the_lines_tile_until_the_camera_is_healthy(page: Page, server: Served) -> None:
    server.inspect(part_png(50))
    page.goto("/live")
    expect(page.get_by_test_id("live-verdict")).to_be_visible()
    expect(page.get_by_test_id("alarm")).to_have_count(0)
    for number in range(3):
        server.inspect(part_png(number, -200), part_id=f"D-{number}", camera="side")
    alarm = page.get_by_test_id("alarm")
    expect(alarm).to_contain_text("The image is darker than the training images.")
    expect(alarm).to_contain_text("Camera side, station final")
    alarm.get_by_role("button", name="Acknowledge").click()
    answer(page, "Acknowledge", "lamp is being changed")
    expect(alarm).to_contain_text("eve knows: lamp is being changed")
    to_chinese(page)
    expect(alarm).to_contain_text("影像比訓練影像暗。")
    assert KEYS.findall(page.locator("body").inner_text()) == []
    for number in range(10):
        server.inspect(part_png(100 + number), part_id=f"H-{number}", camera="side")
    expect(alarm).to_have_count(0)


@pytest.mark.bundle("health")
def test_review_says_that_the_camera_is_at_fault(page: Page, server: Served) -> None:
    server.inspect(part_png(1, -200), part_id="dark")
    page.goto("/review")
    page.get_by_role("textbox", name="Name or badge").fill("ann")
    page.get_by_role("button", name="Start reviewing").click()
    expect(page.get_by_test_id("fault")).to_contain_text("The image is darker than the training images.")


@pytest.mark.bundle("drift")
def test_drift_page_is_empty_then_steady_then_says_what_changed_and_what_to_do(page: Page, server: Served) -> None:
    page.goto("/drift")
    expect(page.get_by_text("Not enough frames yet")).to_be_visible()
    post(server, 60, seed=1)
    eventually(lambda: len(drift_of(server, frames=50)["checks"]) == 6)
    page.reload()
    card = page.get_by_test_id("drift-line-1-top")
    expect(card).to_contain_text("unchanged")
    expect(card).to_contain_text("Nothing. The frames are like those that the model knows.")
    expect(card.get_by_text("Alarm limit").first).to_be_visible()
    expect(card.locator("a img")).to_have_count(8)
    post(server, 10, seed=2, tint=(1.0, 0.6, 1.0))
    eventually(lambda: server.client.get("/v1/alarms").json())
    page.reload()
    expect(card).to_contain_text("Check light, focus and position of the camera")
    to_chinese(page)
    expect(card).to_contain_text("請檢查相機的光源、對焦與位置")
    assert KEYS.findall(page.locator("body").inner_text()) == []


@pytest.mark.bundle("models")
def test_models_page_runs_a_shadow_compares_promotes_by_force_and_rolls_back(
    page: Page, server: Served, watch: Watch
) -> None:
    # The second model has no card to read beside the question, and the first one's script must not run there either.
    watch.expected = ("409 (Conflict)", "404 (Not Found)", "Blocked script execution")
    page.goto("/models")
    candidate, champion = page.get_by_test_id("model-1"), page.get_by_test_id("model-2")
    expect(champion).to_contain_text("decides")
    candidate.get_by_role("button", name="Start as shadow").click()
    answer(page, "Start as shadow", "looks better on poly")
    expect(candidate.get_by_role("button", name="Stop the shadow")).to_be_visible()
    for value in (0.1, 0.25, 0.5):
        server.inspect(grey_png(value), part_id=f"M-{value}")
    eventually(lambda: server.client.get("/v1/models/shadow").json()["frames"] == 3)
    pairs = page.get_by_test_id("pairs")
    expect(pairs).to_contain_text("eve: looks better on poly")
    expect(pairs.get_by_test_id("difference")).to_have_count(2, timeout=20_000)
    expect(pairs.get_by_test_id("difference").last).to_contain_text("M-0.25")

    candidate.get_by_role("button", name="Let it decide").click()
    answer(page, "Let it decide", "the plant manager decided")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("brightness 1 is worse than brightness 2")
    expect(dialog.get_by_role("button", name="Do it all the same")).to_be_disabled()
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Do it all the same").click()
    expect(dialog).to_have_count(0)
    expect(candidate).to_contain_text("decides")
    assert server.inspect(grey_png(0.1))["model"]["version"] == "1"

    champion.get_by_role("button", name="Roll back to this one").click()
    answer(page, "Roll back to this one", "too many false calls")
    expect(champion).to_contain_text("decides")
    assert server.inspect(grey_png(0.1))["model"]["version"] == "2"
    to_chinese(page)
    expect(champion).to_contain_text("使用中")
    assert KEYS.findall(page.locator("body").inner_text()) == []


@pytest.mark.bundle("models")
def test_card_opens_without_running_its_scripts(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("Blocked script execution", "Content Security Policy", "sandbox")
    page.on("dialog", lambda dialog: pytest.fail(f"the card ran a script: {dialog.message}"))
    page.goto("/models")
    link = page.get_by_test_id("model-1").get_by_role("link", name="Model card")
    page.goto(link.get_attribute("href") or "")
    expect(page).to_have_title("card")


@pytest.mark.bundle("models")
def test_a_shadow_run_is_chosen_from_a_list_and_frozen(page: Page, server: Served) -> None:
    page.goto("/before")
    page.get_by_role("button", name="Freeze a baseline").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Comes from").select_option("SHADOW")
    expect(dialog).to_contain_text("No shadow run has ended here.")
    page.keyboard.press("Escape")

    started = {"version": "1", "reason": "candidate", "person": "eve"}
    assert server.client.post("/v1/models/shadow", json=started).is_success
    server.inspect(grey_png(0.4))
    eventually(lambda: server.client.get("/v1/models/shadow").json()["frames"] == 1)
    told = {"person": "eve", "reason": "enough seen"}
    assert server.client.delete("/v1/models/shadow", params=told).is_success

    page.reload()
    page.get_by_role("button", name="Freeze a baseline").click()
    dialog.get_by_role("textbox", name="Name", exact=True).fill("beside the old model")
    dialog.get_by_label("Comes from").select_option("SHADOW")
    expect(dialog.get_by_role("button", name="Freeze a baseline")).to_be_disabled()
    dialog.get_by_label("Shadow run").select_option(index=1)
    answer(page, "Freeze a baseline", "the old model decided then")
    expect(page.get_by_test_id("baselines")).to_contain_text("beside the old model")
    (baseline,) = server.client.get("/v1/baselines").json()
    assert (baseline["kind"], baseline["counts"][0]["inspected"]) == ("SHADOW", 1)

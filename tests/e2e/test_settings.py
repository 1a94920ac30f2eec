"""The page Settings: figures that move before anything is saved, a change that decides at once, retention and holds."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from data.decide import Aims, choose_thresholds
from data.operating import OperatingCurve
from serving.role import Role
from tests.accounts import add_person
from tests.conftest import Served, StartServer, grey_png, write_brightness_bundle
from tests.e2e.conftest import Watch
from tests.e2e.test_drift_and_models import answer, to_chinese
from tests.e2e.test_sign_in import sign_in
from tests.serving.test_cameras import eventually

KEYS = re.compile(r"\b(?:nav|settings|reason|models|promise|state)\.\w+")
RANDOM = np.random.default_rng(5)
IS_DEFECT = np.arange(900) % 3 == 0
SCORES = np.clip(np.where(IS_DEFECT, 0.7, 0.15) + 0.15 * RANDOM.standard_normal(900), 0, 1)
OWN, PROMISED = choose_thresholds(SCORES, IS_DEFECT, Aims())


@pytest.fixture
def server(start_server: StartServer, tmp_path: Path, request: pytest.FixtureRequest) -> Served:
    """A model with a curve, a guarantee and a card; with a parameter, the server asks people who they are."""
    write_brightness_bundle(
        tmp_path / "bundles/1",
        "1",
        pass_below=OWN.pass_below,
        guarantee=PROMISED,
        curve=OperatingCurve.of(SCORES, IS_DEFECT, OWN),
        card="<h1>Model card of brightness 1</h1>",
    )
    write_brightness_bundle(tmp_path / "bundles/2", "2", card="<h1>Model card of brightness 2</h1>")
    auth = getattr(request, "param", False)
    return start_server(
        bundles=tmp_path / "bundles", bundle=str(tmp_path / "bundles/1"), auth=auth, retention={"passed_images": 30}
    )


def press(thumb: Locator, key: str, times: int) -> None:
    thumb.focus()
    for _ in range(times):
        thumb.press(key)


def predicted(page: Page, figure: str) -> float:
    text = page.get_by_test_id(f"predicted-{figure}").locator("p").first.inner_text()
    return float(text.rstrip("%")) / 100


def test_figures_move_with_the_slider_before_saving_and_the_change_decides_the_next_frame(
    page: Page, server: Served
) -> None:
    page.goto("/settings")
    expect(page.get_by_test_id("in-force")).to_contain_text("the model's own. Guarantee holds")
    before = predicted(page, "escapes"), predicted(page, "overkill"), predicted(page, "reviews")
    press(page.get_by_role("slider", name="Pass below"), "ArrowLeft", 40)
    after = predicted(page, "escapes"), predicted(page, "overkill"), predicted(page, "reviews")
    assert (after[0] <= before[0], after[1] > before[1], after[2] > before[2]) == (True, True, True)
    assert server.client.get("/v1/thresholds").json()[0]["changes"] == [], "nothing is saved by looking"
    page.get_by_role("button", name="Put in force").click()
    answer(page, "Put in force", "the night shift sees too little")
    expect(page.get_by_test_id("in-force")).to_contain_text("by change 1. Guarantee holds")
    (here,) = server.client.get("/v1/thresholds").json()
    told = here["guarantee"]["escape"]["observed"] / here["guarantee"]["escape"]["n"]
    # the page and the server count alike
    eventually(lambda: predicted(page, "escapes") == pytest.approx(told, abs=5e-5))
    decided = server.inspect(grey_png(0.5))["thresholds"]
    assert (decided["change"], decided["pass_below"]) == (1, here["in_force"]["pass_below"])
    expect(page.get_by_test_id("threshold-changes")).to_contain_text("the night shift sees too little")


def test_without_a_guarantee_the_page_says_so_and_saving_takes_a_second_word(
    page: Page, server: Served, watch: Watch
) -> None:
    watch.expected = ("409",)
    page.goto("/settings")
    press(page.get_by_role("slider", name="Pass below"), "ArrowRight", 40)
    expect(page.get_by_test_id("covered")).to_contain_text("No guarantee")
    page.get_by_role("button", name="Put in force").click()
    answer(page, "Put in force", "trial run without customers")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("no guarantee covers these thresholds")
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Do it all the same").click()
    expect(page.get_by_test_id("in-force")).to_contain_text("by change 1. No guarantee")
    id_ = server.inspect(grey_png(0.5))["id"]
    page.goto(f"/history?id={id_}")
    expect(page.get_by_text("Thresholds of change 1; no guarantee")).to_be_visible()
    page.goto("/settings")
    page.get_by_role("button", name="The model's own").click()
    page.get_by_role("button", name="Put in force").click()
    answer(page, "Put in force", "the trial is over")
    expect(page.get_by_test_id("in-force")).to_contain_text("by change 2. Guarantee holds")
    assert server.inspect(grey_png(0.5))["thresholds"]["guaranteed"] is True


@pytest.mark.parametrize("server", [True], indirect=True)
def test_each_role_sees_what_it_may_set(page: Page, server: Served) -> None:
    add_person(server, "eve", Role.ENGINEER)
    page.goto("/settings")
    sign_in(page, "eve")
    expect(page.get_by_test_id("in-force")).to_be_visible()
    expect(page.get_by_test_id("retention")).to_have_count(0)
    expect(page.get_by_test_id("holds")).to_have_count(0)


def test_retention_runs_with_a_reason_and_a_hold_is_set_and_lifted(page: Page, server: Served) -> None:
    page.goto("/settings")
    retention, holds = page.get_by_test_id("retention"), page.get_by_test_id("holds")
    expect(retention).to_contain_text("30 days")
    retention.get_by_role("button", name="Run now").click()
    answer(page, "Run now", "the disk is nearly full")
    expect(page.get_by_role("dialog")).to_have_count(0)
    (entry,) = server.client.get("/v1/audit", params={"action": "RETENTION_ASKED"}).json()["items"]
    assert (entry["person"], entry["reason"]) == ("eve", "the disk is nearly full")
    holds.get_by_role("button", name="Set a hold").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Lot").fill("L-7")
    answer(page, "Set a hold", "claim 12")
    expect(holds.get_by_role("row").nth(1)).to_contain_text("lot L-7")
    holds.get_by_role("button", name="Lift").click()
    answer(page, "Lift", "the claim is settled")
    expect(holds).to_contain_text("No hold is in force.")
    holds.get_by_role("switch", name="Show lifted ones").check()
    expect(holds).to_contain_text("the claim is settled")


def test_the_page_is_whole_in_chinese(page: Page, server: Served) -> None:
    page.goto("/settings")
    expect(page.get_by_test_id("in-force")).to_be_visible()
    to_chinese(page)
    expect(page.get_by_test_id("in-force")).to_contain_text("目前生效")
    assert KEYS.findall(page.locator("body").inner_text()) == []


def test_a_promotion_is_decided_with_the_model_card_beside_it(page: Page, server: Served) -> None:
    page.goto("/models")
    page.get_by_test_id("model-2").get_by_role("button", name="Let it decide").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.frame_locator("iframe").get_by_role("heading")).to_have_text("Model card of brightness 2")
    expect(dialog.get_by_role("button", name="Let it decide")).to_be_visible()

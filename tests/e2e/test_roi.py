"""The page ROI: headline and odds as the API gives them, sliders that move the number, reasons, imports and reports."""

import io
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served, grey_png
from tests.e2e.conftest import Watch
from tests.e2e.test_drift_and_models import answer
from tests.serving.test_baselines import freeze, load, table

# within margins of 10 mm
A4_PX = 718
EXAMPLE = (
    "name,volume,defective_rate,escape_rate,escape_cost,cost,labelled_images,defect_images,camera\n"
    "line 3 final,2000000,0.01,0.2,300,200000,2000,300,true\nline 9,100,0.01,0.2,300,200000,0,0,false\n"
)


def percent(value: float) -> str:
    return f"{100 * value:.0f}%"


def test_headline_and_odds_are_the_apis(page: Page, server: Served) -> None:
    page.goto("/roi")
    case = server.client.get("/v1/roi").json()["case_study"]
    headline = page.get_by_test_id("headline-case_study")
    expect(headline).to_contain_text("300%")
    expect(headline).to_contain_text(percent(case["first_year_roi"]))
    odds = page.get_by_test_id("odds-case_study")
    for key in ("p5", "p50", "p95", "reaches_target"):
        expect(odds).to_contain_text(percent(case["odds"][key]))


def test_a_slider_moves_the_number_and_keeps_nothing(page: Page, server: Served) -> None:
    before = server.client.get("/v1/roi").json()["measured"]["first_year_roi"]
    page.goto("/roi")
    what_if = page.get_by_test_id("what-if")
    slider = what_if.get_by_role("slider", name="Cost of an escape")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    expect(what_if).to_contain_text(f"now {percent(before)}")
    expect(what_if.locator("p").nth(2)).not_to_have_text(percent(before))
    assert server.client.get("/v1/roi").json()["measured"]["first_year_roi"] == before


def test_an_assumption_changes_only_with_a_reason_and_the_report_tells_the_same(page: Page, server: Served) -> None:
    page.goto("/roi")
    page.get_by_role("button", name="Change Cost of an escape").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name or badge").fill("mei")
    save = dialog.get_by_role("button").last
    expect(save).to_be_disabled()
    dialog.get_by_role("textbox").first.fill("400")
    dialog.get_by_role("textbox", name="Where it comes from").fill("claims of 2026")
    dialog.get_by_role("textbox", name="Reason").fill("the customer raised it")
    expect(save).to_be_enabled()
    save.click()
    expect(dialog).to_have_count(0)
    (entry,) = server.client.get("/v1/audit", params={"action": "ASSUMPTION"}).json()["items"]
    assert (entry["person"], entry["reason"], entry["new"]["value"]) == ("mei", "the customer raised it", 400)

    measured = server.client.get("/v1/roi").json()["measured"]
    shown = page.get_by_test_id("headline-measured")
    expect(shown).to_contain_text(percent(measured["first_year_roi"]))
    with page.expect_download() as download:
        page.get_by_test_id("reports").get_by_role("link", name="Excel").first.click()
    book = openpyxl.load_workbook(io.BytesIO(Path(download.value.path()).read_bytes()), data_only=True)
    numbers = [
        cell for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if isinstance(cell, float)
    ]
    for key in ("first_year_roi", "first_year_benefit", "npv"):
        assert any(abs(cell - measured[key]) <= 1e-6 * max(1, abs(measured[key])) for cell in numbers), key


def test_a_value_that_cannot_be_is_refused_and_not_made_another(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("422",)
    page.goto("/roi")
    page.get_by_role("button", name="Change Cost of an escape").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name or badge").fill("mei")
    dialog.get_by_role("textbox", name="Reason").fill("a slip of the pen")
    save = dialog.get_by_role("button").last
    dialog.get_by_role("textbox").first.fill("")
    expect(save).to_be_disabled()
    dialog.get_by_role("textbox").first.fill("-4")
    save.click()
    expect(dialog.get_by_role("alert")).to_contain_text("escape_cost.value: Input should be greater than or equal to 0")
    assert len(server.client.get("/v1/roi/assumptions/escape_cost").json()) == 1


def test_figures_are_imported_and_places_of_ones_own_ranked(page: Page, server: Served, tmp_path: Path) -> None:
    (tmp_path / "kpis.csv").write_text("kpi,day,value,n,source\nsurvey,2026-10-01,3.8,42,survey of October\n")
    (tmp_path / "candidates.csv").write_text(EXAMPLE)
    page.goto("/roi")
    tracked, next_line = page.get_by_test_id("tracked"), page.get_by_test_id("next-line")
    tracked.get_by_role("button", name="Import figures").click()
    page.get_by_role("dialog").locator("input[type=file]").set_input_files(tmp_path / "kpis.csv")
    answer(page, "Import", "survey of October")
    expect(tracked).to_contain_text("survey of October")
    assert server.client.get("/v1/kpis").json()["imported"][0]["points"][0]["value"] == 3.8
    next_line.locator("input[type=file]").set_input_files(tmp_path / "candidates.csv")
    expect(next_line.get_by_role("row").nth(1)).to_contain_text("line 3 final")
    assert server.client.get("/v1/roi/candidates").json() is None


def test_the_page_prints_light_with_all_columns_of_its_tables(page: Page, server: Served) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto("/roi")
    expect(page.get_by_role("columnheader", name="Source")).to_be_visible()
    scheme = "document.documentElement.getAttribute('data-mantine-color-scheme')"
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = {scheme}; }})")
    page.pdf()
    assert page.evaluate("window.printed") == "light"
    assert page.evaluate(scheme) == "dark", "the screen is as it was"
    page.set_viewport_size({"width": A4_PX, "height": 1047})
    page.emulate_media(media="print")
    for heading in page.get_by_role("columnheader").all():
        box = heading.bounding_box()
        assert box is not None and box["x"] + box["width"] <= A4_PX


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_manager_gets_one_printed_page(page: Page, server: Served, language: str) -> None:
    """What stands before the evidence is no higher than an A4 page within its margins, with the notes of a first week."""
    load(server, table(date(2026, 3, 2), 28, flagged=60, false_calls=40, confirmed=20, audited=50, audit_defects=9))
    freeze(server)
    for number in range(4):
        server.inspect(grey_png(0.9), part_id=f"R-{number}", product="cell")
    today = f"{datetime.now(UTC):%G-W%V}"
    asked = server.client.get(f"/v1/reports/{today}", params={"format": "html", "language": language})
    page.set_viewport_size({"width": round((210 - 28) / 25.4 * 96), "height": 1016})
    page.emulate_media(media="print")
    page.set_content(asked.text)
    assert page.locator(".evidence").bounding_box()["y"] <= (297 - 28) / 25.4 * 96  # type: ignore[index]
    widest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.tile')].map(e => e.scrollWidth - e.clientWidth))"
    )
    assert widest <= 0, "no number is wider than its tile"

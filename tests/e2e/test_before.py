"""The page Before/after: importing past counts, freezing a baseline, the comparison, the roll-out and what goes with it."""

import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served
from tests.e2e.conftest import Watch
from tests.e2e.test_drift_and_models import answer, to_chinese
from tests.serving.test_baselines import table

KEYS = re.compile(r"\b(?:nav|before|csv|reason|history|state)\.\w+")
FIRST = date(2026, 3, 2)
BEFORE = {"flagged": 60, "false_calls": 40, "confirmed": 20, "audited": 50, "audit_defects": 1, "escapes": 4}
AFTER = {"flagged": 45, "false_calls": 20, "confirmed": 25, "audited": 100, "audit_defects": 1, "escapes": 2}


def import_table(page: Page, content: str, folder: Path) -> None:
    file = folder / "past.csv"
    file.write_text(content, encoding="utf-8")
    page.get_by_role("button", name="Import past counts").click()
    expect(page.get_by_role("dialog")).to_have_count(1)
    page.locator("input[type=file]").set_input_files(file)
    answer(page, "Import", "counts of the old line controller")


def test_from_past_counts_to_a_comparison_that_says_what_it_cannot_tell(
    page: Page, server: Served, tmp_path: Path
) -> None:
    page.goto("/before")
    expect(page.get_by_test_id("baselines")).to_contain_text("No baseline is frozen yet.")
    import_table(page, table(FIRST, 28, **BEFORE), tmp_path)
    expect(page.get_by_test_id("imported")).to_contain_text("Imported: 56 rows, 2026-03-02 to 2026-03-29")
    import_table(page, table(FIRST + timedelta(60), 28, **AFTER), tmp_path)
    expect(page.get_by_test_id("imported")).to_contain_text("2026-05-01")

    page.get_by_role("button", name="Freeze a baseline").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_count(1)
    dialog.get_by_role("textbox", name="Name", exact=True).fill("spring")
    dialog.get_by_label("First day").fill("2026-03-02")
    dialog.get_by_label("Last day").fill("2026-03-29")
    answer(page, "Freeze a baseline", "before the cameras")
    expect(page.get_by_test_id("baselines")).to_contain_text("56,000")

    comparison = page.get_by_test_id("comparison")
    comparison.get_by_label("After: first day").fill("2026-05-01")
    comparison.get_by_label("After: last day").fill("2026-05-28")
    comparison.get_by_text("imported").click()
    (baseline,) = server.client.get("/v1/baselines").json()
    query = {"first_day": "2026-05-01", "last_day": "2026-05-28", "after": "history"}
    told = server.client.get(f"/v1/baselines/{baseline['id']}/comparison", params=query).json()
    change = next(one for one in told["changes"] if one["key"] == "false_call_rate")
    row = comparison.get_by_test_id("change-false_call_rate")
    expect(row).to_contain_text(f"{100 * change['relative']:.0f}%")
    expect(row).to_contain_text("n = 56,000")
    expect(comparison.get_by_test_id("change-review_seconds")).to_contain_text("nobody timed the looks of this period")
    for caveat in told["caveats"]:
        expect(comparison).to_contain_text(caveat["en"])
    to_chinese(page)
    for caveat in told["caveats"]:
        expect(comparison).to_contain_text(caveat["zh-Hant"])
    assert KEYS.findall(page.locator("body").inner_text()) == []


def test_a_table_that_is_wrong_is_refused_by_line_and_column(
    page: Page, server: Served, watch: Watch, tmp_path: Path
) -> None:
    watch.expected = ("422",)
    page.goto("/before")
    import_table(page, "day,line,product,inspected\n2026-03-02,line-1,cell,many\n", tmp_path)
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("line 2: inspected")
    assert server.client.get("/v1/baselines").json() == []


def test_the_roll_out_plan_gives_the_effect_with_its_chance(page: Page, server: Served, tmp_path: Path) -> None:
    """Two lines of four get the system after eight weeks; their escapes halve, those of the others stay."""
    names = [f"line-{number}" for number in range(1, 5)]
    chance, start = np.random.default_rng(0), FIRST + timedelta(56)
    rows = ["day,line,product,inspected,escapes"]
    for day in (FIRST + timedelta(number) for number in range(112)):
        for line in names:
            mean = 10 if line in names[:2] and day >= start else 20
            rows.append(f"{day},{line},cell,10000,{chance.poisson(mean)}")
    content = "\n".join(rows)
    page.goto("/before")
    attribution = page.get_by_test_id("attribution")
    expect(attribution.get_by_test_id("effect")).to_contain_text("cannot be told")
    import_table(page, content, tmp_path)
    expect(page.get_by_test_id("imported")).to_be_visible()
    for line in names[:2]:
        page.get_by_role("button", name="Enter a line").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_have_count(1)
        dialog.get_by_role("textbox", name="Line", exact=True).fill(line)
        dialog.get_by_label("From day").fill(str(start))
        answer(page, "Enter a line", "pilot")
        expect(dialog).to_have_count(0)
        expect(page.get_by_test_id("rollouts")).to_contain_text(line)
    told = server.client.get("/v1/attribution", params={"outcome": "escapes"}).json()
    assert told["effect"] == pytest.approx(-0.5, abs=0.05)
    effect = attribution.get_by_test_id("effect")
    expect(effect).to_contain_text(f"{100 * told['effect']:.1f}%")
    expect(effect).to_contain_text(f"p = {told['p_value']:.3g}")

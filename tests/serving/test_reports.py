"""Reports: the page, the Excel file and the API show the same numbers, and the Excel file's formulas give them again."""

import io
import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import formulas
import numpy as np
import openpyxl
import pytest

from serving.assumptions import adopt, read_assumptions
from serving.attribution import estimate
from serving.plant_day import containing, parse_period
from serving.report_figures import figures
from serving.report_page import render_page, ticks
from serving.report_schema import Report
from serving.report_words import words
from serving.report_workbook import render_workbook
from serving.report_writer import write
from serving.reports import Language, Plant, collect
from serving.settings import load_settings
from serving.store import Store
from tests.conftest import ROOT, Served, StartServer, grey_png
from tests.serving.test_attribution import plant
from tests.serving.test_baselines import WHO
from tests.serving.test_hourly import add, rows
from tests.serving.test_reviews import review

LANGUAGES: tuple[Language, ...] = ("en", "zh-Hant")


@pytest.fixture
def busy(start_server: StartServer) -> Served:
    """A plant with frames, reviews, an imported survey and candidates."""
    server = start_server(enough_reviews=3, roi_candidates=str(ROOT / "configs/roi/candidates.yaml"))
    for number in range(6):
        server.inspect(grey_png(0.1), part_id=f"P-{number}")
        flagged = server.inspect(grey_png(0.9), part_id=f"R-{number}", line=f"line-{number % 2}")
        if number < 4:
            review(server, flagged["id"], "FALSE_CALL" if number % 2 else "DEFECT_CONFIRMED", seconds=5 + number)
    content = "kpi,day,value,source\nnps,2026-11-01,31,<script>alert(1)</script>"
    assert server.client.post("/v1/kpis", content=content, params=WHO).status_code == 201
    return server


def this_week() -> str:
    return containing(datetime.now(UTC).date(), weekly=True).name


def asked(server: Served, kind: str, language: str = "en", period: str | None = None) -> bytes:
    query = {"format": kind, "language": language}
    answer = server.client.get(f"/v1/reports/{period or this_week()}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.content


def at(report: dict[str, Any], path: str) -> Any:
    value: Any = report
    for step in path.split("."):
        value = value[step]
    return value


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_excel_and_api_show_the_same_numbers(busy: Served, language: Language) -> None:
    report = Report.model_validate_json(asked(busy, "json"))
    told = report.model_dump()
    page = asked(busy, "html", language).decode()
    shown = dict(re.findall(r'data-figure="([^"]+)" data-value="([^"]*)"', page))
    sheet = openpyxl.load_workbook(io.BytesIO(asked(busy, "xlsx", language)), data_only=True).worksheets[0]
    cells = {row[2].value: row[1].value for row in sheet.iter_rows() if row[2].value}
    unknown = words(language)["unknown"]
    assert len(shown) > 20
    for figure in figures(report):
        value = at(told, figure.path)
        assert value == figure.value
        assert cells[figure.path] == (unknown if value is None else pytest.approx(value, rel=1e-12)), figure.path
        if figure.path in shown:
            assert shown[figure.path] == ("" if value is None else str(float(value))), figure.path
    assert told["quality"]["inspected"] == 12
    assert told["roi"]["measured"]["first_year_roi"] != told["roi"]["case_study"]["first_year_roi"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_quality_figures_are_the_same_on_page_excel_and_api(busy: Served, language: Language) -> None:
    report = Report.model_validate_json(asked(busy, "json"))
    days = {"since": report.figures.since.isoformat(), "until": report.figures.until.isoformat()}
    told = {}
    for by in ({}, {"by": "line"}):
        for group in busy.client.get("/v1/metrics/quality/figures", params=days | by).json()["groups"]:
            told |= {(group["name"], one["key"]): one["value"] for one in group["figures"]}
    assert {name for name, _ in told} == {"", "line-0", "line-1"}
    assert told["", "fpy"] is not None and told["", "takt"] is None
    page = asked(busy, "html", language).decode()
    shown = dict(re.findall(r'data-quality="([^"]+)" data-value="([^"]*)"', page))
    assert shown == {key: "" if value is None else str(value) for (name, key), value in told.items() if not name}
    w = words(language)
    sheet = openpyxl.load_workbook(io.BytesIO(asked(busy, "xlsx", language)), data_only=True)[w["sheet_figures"]]
    cells = {(row[0].value, row[1].value): row[2].value for row in sheet.iter_rows(min_row=2)}
    assert len(cells) == len(told)
    for (name, key), value in told.items():
        cell = cells[name or w["whole_plant"], w[f"figure_{key}"]]
        assert cell == (w["unknown"] if value is None else pytest.approx(value)), (name, key)


def test_before_and_after_are_the_same_on_page_excel_and_api(busy: Served) -> None:
    first = date(2026, 3, 2)
    counts = "".join(
        f"{first + timedelta(days=day)},line-{line},cell,1000,60,40,20\n" for day in range(28) for line in range(2)
    )
    content = "day,line,product,inspected,flagged,false_calls,confirmed\n" + counts
    assert busy.client.post("/v1/past-counts", content=content, params=WHO).status_code == 201
    body = {"name": "=1+1", "kind": "HISTORY", "first_day": str(first), "last_day": "2026-03-29", **WHO}
    assert busy.client.post("/v1/baselines", json=body).status_code == 201
    for number in range(10):
        flagged = busy.inspect(grey_png(0.9), part_id=f"C-{number}", line="line-1", product="cell")
        review(busy, flagged["id"], "FALSE_CALL", seconds=6)
    told = Report.model_validate_json(asked(busy, "json")).comparison
    assert told is not None
    changes = {one.key: one for one in told.changes}
    assert changes["false_call_rate"].relative is not None and changes["review_seconds"].after.value is not None
    page, w = asked(busy, "html").decode(), words("en")
    assert "=1+1: 2026-03-02 – 2026-03-29" in page, "its last day, and not the day after"
    assert re.search(r"Inspector seconds for each part</td><td>not known</td><td>[\d.]+ s \(", page)
    book = openpyxl.load_workbook(io.BytesIO(asked(busy, "xlsx")), data_only=True)
    sheet = book[w["sheet_before"]]
    assert (sheet["A1"].value, sheet["A1"].data_type) == ("=1+1", "s")
    cells = {row[0].value: [cell.value for cell in row[1:]] for row in sheet.iter_rows(min_row=3)}
    one = changes["false_call_rate"]
    assert cells[w["false_call_rate"]] == [
        pytest.approx(value) for rate in (one.before, one.after) for value in (rate.value, rate.low, rate.high)
    ] + [pytest.approx(value) for value in (one.relative, one.low, one.high)]
    assert cells[w["seconds_per_part"]][3] == pytest.approx(changes["review_seconds"].after.value)


def test_the_formulas_of_the_excel_file_give_the_numbers_of_the_server(busy: Served, tmp_path: Path) -> None:
    file = tmp_path / "report.xlsx"
    file.write_bytes(asked(busy, "xlsx"))
    written = openpyxl.load_workbook(file, data_only=True)
    live = openpyxl.load_workbook(file)
    model = formulas.ExcelModel().loads(str(file)).finish()
    solution = model.calculate()
    found = {key.upper(): value.value[0, 0] for key, value in solution.items() if hasattr(value, "value")}
    compared = 0
    for sheet in live.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type != "f":
                    continue
                key = f"'[{file.name.upper()}]{sheet.title.upper()}'!{cell.coordinate}"
                expected = written[sheet.title][cell.coordinate].value
                assert math.isclose(float(found[key]), float(expected), rel_tol=1e-9, abs_tol=1e-6), (key, cell.value)
                compared += 1
    assert compared > 130


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_needs_nothing_from_elsewhere_and_trusts_no_text(busy: Served, language: Language) -> None:
    page = asked(busy, "html", language).decode()
    assert re.findall(r"(?:src|href)=|url\(|@import|<script", page) == []
    assert "&lt;script&gt;" in page
    assert "<svg" in page and "@media print" in page
    assert f'<html lang="{language}">' in page
    other = words("zh-Hant" if language == "en" else "en")
    for key in ("evidence", "drivers", "copq", "next"):
        assert words(language)[key] in page and other[key] not in page


def test_a_text_that_looks_like_a_formula_stays_a_text(busy: Served) -> None:
    body = {"source": "=1+1", "value": 41, **WHO}
    assert busy.client.put("/v1/roi/assumptions/wage", json=body).status_code == 200
    sheet = openpyxl.load_workbook(io.BytesIO(asked(busy, "xlsx"))).worksheets[1]
    (cell,) = [cell for row in sheet.iter_rows() for cell in row if cell.value == "=1+1"]
    assert cell.data_type == "s"
    busy.inspect(grey_png(0.1), part_id="=1+1", line="=HYPERLINK(0)", lot="@SUM(1)", product="+1")
    book = openpyxl.load_workbook(io.BytesIO(asked(busy, "xlsx")))
    named = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value == "=HYPERLINK(0)"]
    assert {cell.data_type for cell in named} == {"s"}


def test_a_period_without_anything_has_a_report_that_says_so(server: Served) -> None:
    page = asked(server, "html", period="2026-01").decode()
    assert "Too few passed parts were audited (0) to tell what escaped." in page
    assert 'data-figure="quality.inspected" data-value="0.0"' in page
    assert "No baseline before this period is frozen." in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_says_why_a_rate_is_unknown_in_its_own_language(server: Served, language: Language) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(asked(server, "xlsx", language, "2026-01"))).worksheets[5]
    reasons = [str(sheet.cell(row, 7).value) for row in range(2, 7)]
    assert len(set(reasons)) >= 3 and "None" not in reasons
    assert all(bool(re.search(r"[\u4e00-\u9fff]", reason)) == (language == "zh-Hant") for reason in reasons)


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_that_are_taken_as_certain_are_named_beside_the_odds(busy: Served, language: Language) -> None:
    roi, w = Report.model_validate_json(asked(busy, "json")).roi.measured, words(language)
    sentence = w["certain"].format(certain=len(roi.odds.certain), total=len(roi.inputs))
    page = asked(busy, "html", language).decode()
    assert sentence in page and page.index(sentence) < page.index(f"<h2>{w['this_period']}")
    assert page.count(f">{w['certain_mark']}<") == len(roi.odds.certain)
    book = openpyxl.load_workbook(io.BytesIO(asked(busy, "xlsx", language)), data_only=True)
    assert sentence in [row[0].value for row in book.worksheets[0].iter_rows()]
    given = {row[0].value: row[3].value for row in book[w["sheet_inputs"]].iter_rows(min_row=3)}
    named = [w[f"input_{key}"] for key in roi.odds.certain]
    assert sorted(name for name, low in given.items() if low == w["certain_mark"]) == sorted(named)
    told = [row[0].value for row in book[w["sheet_odds"]].iter_rows()]
    first = told.index(w["certain_are"]) + 1
    assert told[first : first + len(named)] == named


@pytest.mark.parametrize("form", ["html", "xlsx", "json"])
def test_a_period_that_is_yet_to_come_is_refused(start_server: StartServer, form: str) -> None:
    server = start_server(time_zone="Pacific/Kiritimati")
    today = date.fromisoformat(server.client.get("/v1/roi").json()["today"])
    assert today == datetime.now(ZoneInfo("Pacific/Kiritimati")).date(), "14 hours before that of UTC"
    this = containing(today, weekly=True)
    assert server.client.get(f"/v1/reports/{this.name}", params={"format": form}).status_code == 200
    later = containing(this.end, weekly=True).name
    answer = server.client.get(f"/v1/reports/{later}", params={"format": form})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["detail"].startswith(
        f"period {later}: {this.end} is yet to come, today is {today} (Pacific/Kiritimati)"
    )
    assert "尚無可報告的內容" in problem["detail_zh_hant"]


@pytest.mark.parametrize("period", ["2026-W60", "2026-13", "yesterday", "2026"])
def test_a_period_that_is_none_is_refused(server: Served, period: str) -> None:
    answer = server.client.get(f"/v1/reports/{period}")
    assert answer.status_code == 422 and period in answer.json()["detail"]


def test_a_week_begins_on_monday_of_the_plant(start_server: StartServer) -> None:
    server = start_server(time_zone="Asia/Taipei")
    service = server.service
    with service.store.reading() as connection:
        report = collect(connection, parse_period("2026-W10"), service.plant)
    assert report.quality.since == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert report.quality.until - report.quality.since == timedelta(days=7)
    assert report.quality.until == report.quality.since + timedelta(7) == report.previous.until + timedelta(7)


@pytest.mark.parametrize("zone", ["Asia/Taipei", "America/Los_Angeles", "Asia/Kolkata"])
def test_days_are_those_of_the_plant_on_the_page_and_in_the_file(zone: str, database: str) -> None:
    plant_zone = ZoneInfo(zone)
    made = rows(5)
    # Sunday night, on which the clocks of Los Angeles go back, Monday before one, and Tuesday.
    hours = [(1, 23, 50), (2, 0, 20), (2, 0, 40), (3, 2, 0), (8, 23, 59)]
    for row, (day, hour, minute) in zip(made, hours, strict=True):
        row["received_at"] = datetime(2026, 11, day, hour, minute, tzinfo=plant_zone).astimezone(UTC)
    store = Store.open(database)
    add(store, made)
    given = read_assumptions(ROOT / "configs/roi/case_study.yaml")
    store.submit(lambda connection: adopt(connection, given, Path("case_study.yaml"))).result()
    settings = load_settings(ROOT / "configs/serving/default.yaml", [f"time_zone={zone}"])
    with store.reading() as connection:
        report = collect(connection, parse_period("2026-W45"), Plant(settings, given, [], []))
    store.close()
    wanted = [("2026-11-02", 2), ("2026-11-03", 1), *((f"2026-11-0{day}", 0) for day in range(4, 8)), ("2026-11-08", 1)]
    assert [(f"{one.start.astimezone(plant_zone):%Y-%m-%d}", one.inspected) for one in report.quality.series] == wanted
    assert sum(one.inspected for one in report.previous.series) == report.previous.inspected == 1
    sheet = openpyxl.load_workbook(io.BytesIO(render_workbook(report, "zh-Hant"))).worksheets[5]
    assert [(sheet.cell(row, 1).value, sheet.cell(row, 2).value) for row in range(10, 17)] == wanted
    assert re.findall(r">(\d\d-\d\d)<", render_page(report, "en")) == [day[5:] for day, _ in wanted]


def test_reports_of_what_is_over_are_written_by_themselves(start_server: StartServer, tmp_path: Path) -> None:
    directory = tmp_path / "reports"
    start_server(reports={"directory": str(directory), "every": ["week"]})
    week = containing(datetime.now(UTC).date(), weekly=True).previous.name
    wanted = {f"report-{week}-{language}.{kind}" for language in LANGUAGES for kind in ("html", "xlsx")}
    end = datetime.now(UTC) + timedelta(seconds=60)
    while not directory.is_dir() or {file.name for file in directory.iterdir()} != wanted:
        assert datetime.now(UTC) < end, "the reports were not written"


def test_an_effect_without_an_interval_keeps_no_report_from_being_written(server: Served, tmp_path: Path) -> None:
    panel = plant(1, 0.0)
    planned = replace(panel, counts=np.full_like(panel.counts, 20), exposure=np.full_like(panel.exposure, 1000))
    found = estimate(planned, "escapes")
    assert found.effect is not None and (found.low, found.p_value) == (None, None)
    service = server.service
    with service.store.reading() as connection:
        report = collect(connection, parse_period("2026-W10"), service.plant)
    files = write(report.model_copy(update={"attribution": found}), tmp_path, LANGUAGES)
    assert len(files) == 4
    (caveat,) = [one for one in found.caveats if "planned or rounded" in one.en]
    assert caveat.zh_hant in (tmp_path / "report-2026-W10-zh-Hant.html").read_text()


def test_every_word_is_there_in_both_languages() -> None:
    english, chinese = (words(language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    assert all(english.values()) and all(chinese.values())
    assert [key for key in english if re.search(r"[\u4e00-\u9fff]", english[key])] == []


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-2_100_000, 33_000_000), (0.004, 0.0041), (-1, 7.3), (3, 3)])
def test_ticks_are_few_round_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low - 1e-12 <= tick <= high + 1e-12 for tick in found)

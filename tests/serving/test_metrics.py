"""Counts, rates with their denominators, and the return on investment."""

from pathlib import Path

import pytest

from data.errors import InputError
from serving.metrics import rate_of
from serving.roi import read_assumptions, scenario
from tests.conftest import ROOT, Served, StartServer, grey_png
from tests.serving.test_reviews import review

DATABASES = ("sqlite", "postgresql")

CASE_STUDY = ROOT / "configs/roi/case_study.yaml"


def test_quality_counts_verdicts_and_standing_reviews(server: Served) -> None:
    for number in range(4):
        server.inspect(grey_png(0.1), part_id=f"pass-{number}")
    flagged = [server.inspect(grey_png(0.9), part_id=f"reject-{number}") for number in range(3)]
    flagged += [server.inspect(grey_png(0.5), part_id=f"review-{number}") for number in range(2)]
    server.inspect(b"rubbish")
    server.inspect(grey_png(0.9), line="line-2")
    review(server, flagged[0]["id"], "DEFECT_CONFIRMED", defect_class="crack")
    review(server, flagged[1]["id"], "DEFECT_CONFIRMED")
    review(server, flagged[2]["id"], "FALSE_CALL")
    review(server, flagged[3]["id"], "FALSE_CALL")
    review(server, flagged[3]["id"], "DEFECT_ACCEPTED")
    review(server, flagged[4]["id"], "UNSURE")
    quality = server.client.get("/v1/metrics/quality", params={"line": "line-1"}).json()
    expected = {
        "inspected": 10,
        "passed": 4,
        "review": 2,
        "rejected": 3,
        "no_decision": 1,
        "waiting": 2,
        "defects_confirmed": 2,
        "false_calls": 1,
        "defects_accepted": 1,
        "unsure": 1,
    }
    assert {name: quality[name] for name in expected} == expected
    assert (quality["flag_rate"]["numerator"], quality["flag_rate"]["denominator"]) == (6, 10)
    assert (quality["confirmed_rate"]["numerator"], quality["confirmed_rate"]["denominator"]) == (2, 4)
    assert (quality["false_call_rate"]["numerator"], quality["false_call_rate"]["denominator"]) == (1, 10)
    assert quality["by_class"] == {"crack": 1, "bright": 1}
    assert sum(bucket["inspected"] for bucket in quality["series"]) == 10
    assert sum(bucket["defects_confirmed"] for bucket in quality["series"]) == 2


def test_escape_rate_is_unknown_and_says_why(server: Served) -> None:
    escape_rate = server.client.get("/v1/metrics/quality").json()["escape_rate"]
    assert escape_rate["value"] is None
    assert "no audits of passed parts yet" in escape_rate["why_unknown"]


def test_empty_period_has_unknown_rates_and_no_series(server: Served) -> None:
    quality = server.client.get("/v1/metrics/quality").json()
    assert quality["inspected"] == 0
    assert quality["flag_rate"]["value"] is None
    assert quality["series"] == []


def test_rate_has_its_wilson_interval() -> None:
    rate = rate_of(10, 100, "")
    # Wilson 1927, e.g. Newcombe 1998: 10 of 100 gives 0.0552 to 0.1744.
    assert (rate.value, rate.low, rate.high) == (0.1, pytest.approx(0.0552, abs=5e-5), pytest.approx(0.1744, abs=5e-5))


def test_throughput_counts_frames_parts_and_reviews(server: Served) -> None:
    first = server.inspect(grey_png(0.9), part_id="A", camera="top")
    server.inspect(grey_png(0.1), part_id="A", camera="side")
    server.inspect(grey_png(0.1), part_id="B")
    server.inspect(grey_png(0.1), part_id="C", line="line-2")
    review(server, first["id"], "FALSE_CALL", seconds=7)
    throughput = server.client.get("/v1/metrics/throughput").json()
    assert [(line["line"], line["inspected"], line["parts"]) for line in throughput["lines"]] == [
        ("line-1", 3, 2),
        ("line-2", 1, 1),
    ]
    assert throughput["lines"][0]["parts_per_hour"] == pytest.approx(120), "two parts in the shortest span, a minute"
    assert 0 < throughput["lines"][0]["latency_p50_ms"] <= throughput["lines"][0]["latency_p95_ms"]
    assert (throughput["review_seconds_median"], throughput["review_seconds_n"]) == (7, 1)


def test_case_study_comes_out_as_published() -> None:
    result = scenario("case_study", read_assumptions(CASE_STUDY).inputs, {})
    assert round(result.defect_reduction, 4) == 0.35
    assert round(result.escape_savings / 1e6, 1) == 10.0
    assert round(result.throughput_gain, 4) == 0.20
    assert round(result.first_year_roi, 2) == 3.00
    assert result.payback_months is not None and round(result.payback_months, 1) == 4.9
    assert round(result.npv / 1e6, 1) == 27.0
    assert {line.key: round(line.run_rate / 1e6, 3) for line in result.benefits} == {
        "escapes_avoided": 10.0,
        "line_hours_saved": 2.35,
        "false_calls_fewer": 1.333,
        "caught_in_house": -0.35,
    }
    assert round(result.first_year_benefit / 1e6, 1) == 10.0
    assert result.first_year_cost == 2_500_000


def test_measured_values_replace_assumptions_only_when_there_are_enough(start_server: StartServer) -> None:
    server = start_server(enough_reviews=3)
    flagged = [server.inspect(grey_png(0.9), part_id=f"R-{number}") for number in range(4)]
    for number in range(12):
        server.inspect(grey_png(0.1), part_id=f"P-{number}")
    review(server, flagged[0]["id"], "DEFECT_CONFIRMED", seconds=30)
    review(server, flagged[1]["id"], "FALSE_CALL", seconds=90)
    report = server.client.get("/v1/roi").json()
    assert all(item["kind"] == "assumed" for item in report["measured"]["inputs"])
    assert any("not enough reviews yet: n = 2, need 3" in note["en"] for note in report["notes"])
    assert report["measured"]["npv"] == report["case_study"]["npv"]
    review(server, flagged[2]["id"], "FALSE_CALL", seconds=60)
    report = server.client.get("/v1/roi").json()
    measured = {item["key"]: item for item in report["measured"]["inputs"] if item["kind"] == "measured"}
    assert set(measured) == {"false_call_rate_after", "review_minutes"}
    assert measured["review_minutes"]["value"] == pytest.approx(1.0)
    assert measured["false_call_rate_after"]["value"] == pytest.approx(2 / 3 * 4 / 16), (
        "two thirds of the flags, a quarter flagged"
    )
    assert measured["false_call_rate_after"]["n"] == 3
    assert report["measured"]["npv"] != report["case_study"]["npv"]
    assert report["case_study"]["first_year_roi"] == pytest.approx(3.0, abs=0.001)
    assert any("not measured until passed parts are audited" in note["en"] for note in report["notes"])
    assert any(note["en"].startswith("8.3% of the inspected frames are confirmed") for note in report["notes"])


def test_assumptions_file_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "roi.yaml"
    wrong.write_text(CASE_STUDY.read_text() + "\n  luck: {value: 1, unit: x, source: y, kind: assumed}\n")
    with pytest.raises(InputError, match=r"inputs\.luck: unknown key"):
        read_assumptions(wrong)

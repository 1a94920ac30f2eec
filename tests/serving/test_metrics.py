"""Counts, and rates with their denominators."""

import pytest

from serving.metrics import rate_of
from tests.conftest import Served, grey_png
from tests.serving.test_reviews import review

DATABASES = ("sqlite", "postgresql")


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
    server.inspect(grey_png(0.1))
    escape_rate = server.client.get("/v1/metrics/quality").json()["escape_rate"]
    assert escape_rate["value"] is None
    assert "not enough audits yet: n = 0" in escape_rate["why_unknown"]["en"]
    assert "抽查數量不足" in escape_rate["why_unknown"]["zh-Hant"]


def test_empty_period_has_unknown_rates_and_no_series(server: Served) -> None:
    quality = server.client.get("/v1/metrics/quality").json()
    assert quality["inspected"] == 0
    assert quality["flag_rate"]["value"] is None
    assert quality["series"] == []


def test_rate_has_its_wilson_interval() -> None:
    rate = rate_of(10, 100)
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

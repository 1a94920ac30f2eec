"""Counts, and rates with their denominators."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from serving.metrics import quality, rate_of
from serving.settings import load_settings
from serving.store import Store
from tests.conftest import ROOT, Served, StartServer, grey_png
from tests.serving.test_hourly import add, rows
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


@pytest.mark.parametrize("zone", ["Asia/Taipei", "America/Los_Angeles", "Asia/Kolkata"])
def test_long_buckets_go_by_the_clock_of_the_plant(zone: str, database: str) -> None:
    plant = ZoneInfo(zone)

    def at(*wall: int) -> datetime:
        return datetime(2026, *wall, tzinfo=plant).astimezone(UTC)  # type: ignore[arg-type]

    made = rows(5)
    # The clocks of Los Angeles go back on the morning of 1 November.
    moments = [at(10, 31, 23, 50), at(11, 1, 0, 5), at(11, 1, 23, 55), at(11, 2, 0, 5), at(11, 3, 7, 59)]
    for row, moment in zip(made, moments, strict=True):
        row["received_at"] = moment
    settings = load_settings(ROOT / "configs/serving/default.yaml", [f"time_zone={zone}"])
    store = Store.open(database)
    add(store, made)
    with store.reading() as connection:

        def series(since: datetime, until: datetime, seconds: int) -> list[tuple[str, int]]:
            told = quality(connection, since, until, None, seconds, settings).series
            return [(f"{one.start.astimezone(plant):%m-%d %H:%M}", one.inspected) for one in told]

        days = series(at(10, 30, 15, 20), at(11, 4, 9, 0), 86_400)
        hours = series(at(11, 1, 23, 0), at(11, 3, 8, 0), 4 * 3600)
        weeks = series(at(10, 30, 15, 20), at(11, 4, 9, 0), 7 * 86_400)
        cut = series(at(11, 2, 0, 1), at(11, 3, 0, 0), 86_400)
    store.close()
    wanted = {"10-30": 0, "10-31": 1, "11-01": 2, "11-02": 1, "11-03": 1, "11-04": 0}
    assert days == [(f"{day} 00:00", n) for day, n in wanted.items()]
    every_four = [f"{day} {hour:02}:00" for day in ("11-02", "11-03") for hour in range(0, 24, 4)]
    assert [start for start, _ in hours] == ["11-01 20:00", *every_four[:8]]
    assert [n for _, n in hours] == [1, 1, 0, 0, 0, 0, 0, 0, 1]
    assert weeks == [("10-26 00:00", 3), ("11-02 00:00", 2)], "from Monday"
    assert cut == [("11-02 00:00", 1)]


def test_a_plant_off_the_hour_is_not_asked_thousands_of_questions(start_server: StartServer) -> None:
    server = start_server(time_zone="Asia/Kolkata")
    asked = {"since": "2026-01-01T00:00:00Z", "until": "2026-05-01T00:00:00Z", "bucket_seconds": 7200}
    answer = server.client.get("/v1/metrics/quality", params=asked)
    assert answer.status_code == 422
    assert "at most 400 are given" in answer.json()["detail"]


def test_all_of_many_frames_alike_are_a_share_of_one() -> None:
    rate = rate_of(9480, 9480, independent=1881.66)
    assert (rate.value, rate.high) == (1, 1)


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

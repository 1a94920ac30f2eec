"""Quality figures over HTTP: what each counts, for whom, and what it says when it does not know."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest

from data.errors import InputError
from serving.escapes import count_span
from serving.scope import Scope
from serving.settings import LineClock, Settings, Shift, load_settings
from serving.shifts import shift_runs
from serving.tallies import span_of
from tests.conftest import ROOT, Served, StartServer, grey_png
from tests.serving.test_reviews import review

DATABASES = ("sqlite", "postgresql")


def figures(server: Served, **query: str) -> dict[str, dict[str, Any]]:
    """Figures by group and key."""
    groups = server.client.get("/v1/metrics/quality/figures", params=query).json()["groups"]
    return {group["name"]: {one["key"]: one for one in group["figures"]} for group in groups}


def produce(server: Served) -> None:
    """Ten parts of two views at one station, four of them again at another."""
    for number in range(10):
        top = server.inspect(grey_png(0.9 if number < 3 else 0.1), part_id=f"P-{number}", camera="top")
        server.inspect(grey_png(0.1), part_id=f"P-{number}", camera="side")
        if number < 2:
            review(server, top["id"], ("DEFECT_CONFIRMED", "FALSE_CALL")[number], seconds=10)
    for number in range(4):
        frame = server.inspect(grey_png(0.5 if number == 0 else 0.1), part_id=f"P-{number}", station="pack")
        if number == 0:
            review(server, frame["id"], "DEFECT_CONFIRMED", seconds=20)


def test_yields_count_parts_and_effort_counts_all_review_seconds(server: Served) -> None:
    produce(server)
    (found,) = figures(server).values()
    # final: P-0 confirmed, P-1 a false call, P-2 waits: 8 of 10 good at once; pack: 3 of 4.
    assert (found["fpy"]["value"], found["fpy"]["n"]) == (pytest.approx(11 / 14), 14)
    assert found["rty"]["value"] == pytest.approx(0.8 * 0.75)
    assert found["dpmo"]["value"] == pytest.approx(2e6 / 14)
    assert (found["oee_quality"]["value"], found["oee_quality"]["n"]) == (pytest.approx(11 / 13), 13)
    assert found["precision"]["value"] == pytest.approx(2 / 3)
    assert found["review_seconds"]["value"] == pytest.approx(40 / 14)
    assert all(one["low"] <= one["value"] <= one["high"] for one in found.values() if one["value"] is not None)
    assert all(one["why_unknown"] for one in found.values() if one["value"] is None)


def test_whoever_was_called_away_spent_no_time_on_the_part(server: Served) -> None:
    produce(server)
    waiting = server.inspect(grey_png(0.9), part_id="P-20")
    review(server, waiting["id"], "FALSE_CALL", seconds=14 * 3600)
    (found,) = figures(server).values()
    assert (found["review_seconds"]["value"], found["review_seconds"]["n"]) == (pytest.approx(40 / 15), 3)
    assert found["review_seconds"]["rests_on"]["en"].endswith("; 1 longer than 5 minutes are left out")


def test_rework_does_not_improve_the_first_pass(server: Served) -> None:
    frame = server.inspect(grey_png(0.9), part_id="P-1")
    review(server, frame["id"], "DEFECT_CONFIRMED")
    server.inspect(grey_png(0.1), part_id="P-1")
    (found,) = figures(server).values()
    assert (found["fpy"]["value"], found["fpy"]["n"]) == (0, 1)


def test_part_that_one_camera_proves_defective_waits_for_no_other(server: Served) -> None:
    top = server.inspect(grey_png(0.9), part_id="P-1", camera="top")
    server.inspect(grey_png(0.9), part_id="P-1", camera="side")
    review(server, top["id"], "DEFECT_CONFIRMED")
    (found,) = figures(server).values()
    assert (found["oee_quality"]["value"], found["oee_quality"]["n"]) == (0, 1)


def test_groups_are_counted_apart_and_add_up(server: Served) -> None:
    produce(server)
    server.inspect(grey_png(0.1), part_id="Q-1", line="line-2")
    assert {name: one["fpy"]["n"] for name, one in figures(server, by="line").items()} == {"line-1": 14, "line-2": 1}
    assert {name: one["fpy"]["n"] for name, one in figures(server, by="station").items()} == {"final": 11, "pack": 4}
    assert set(figures(server, by="model")) == {"1"}
    assert sum(one["fpy"]["n"] for one in figures(server, by="shift").values()) == 15
    assert figures(server, line="line-2")[""]["fpy"]["n"] == 1
    assert figures(server, product="nothing")[""]["fpy"]["why_unknown"]["en"] == "nothing was inspected"
    assert server.client.get("/v1/metrics/quality/figures", params={"shift": "noon"}).status_code == 422


def test_cost_of_poor_quality_is_told_by_category_where_its_prices_are_set(start_server: StartServer) -> None:
    costs = {"wage_per_hour": 36, "scrap": 10, "prevention_per_day": 50}
    server = start_server(quality_costs=costs)
    produce(server)
    (found,) = figures(server).values()
    assert found["copq_appraisal"]["value"] == pytest.approx(40 / 3600 * 36)
    assert found["copq_internal"]["value"] == pytest.approx(20)
    assert found["copq_prevention"]["value"] == pytest.approx(50)
    assert found["copq_external"]["why_unknown"]["en"] == "set quality_costs.external"


def test_challenge_parts_that_passed_cost_nobody_anything_outside(start_server: StartServer) -> None:
    server = start_server(audit={"per_day": 1000, "first_share": 1.0, "enough": 10}, quality_costs={"external": 100})
    body = {"defective": True, "note": "scratched by hand", "person": "ann"}
    for number in range(5):
        server.client.put(f"/v1/challenges/C-{number}", json=body)
    for number in range(20):
        frame = server.inspect(grey_png(0.1), part_id=f"P-{number}")
        review(server, frame["id"], "FALSE_CALL")
    for number in range(5):
        assert server.inspect(grey_png(0.1), part_id=f"C-{number}")["verdict"] == "PASS"
    (found,) = figures(server).values()
    assert found["escape_rate"]["value"] == 1
    assert (found["outgoing_ppm"]["value"], found["copq_external"]["value"]) == (0, 0)
    told = server.client.get("/v1/metrics/escapes").json()
    assert (told["escaped"]["value"], told["challenges_passed"], told["naive_rate"]) == (0, 5, None)


def test_a_false_call_that_came_back_was_a_defect_and_was_shipped(start_server: StartServer) -> None:
    server = start_server(audit={"per_day": 1000, "first_share": 1.0, "enough": 10}, quality_costs={"external": 100})
    for number in range(20):
        review(server, server.inspect(grey_png(0.1), part_id=f"P-{number}")["id"], "FALSE_CALL")
    decisions = ("DEFECT_CONFIRMED", "FALSE_CALL", "FALSE_CALL", "DEFECT_ACCEPTED", "UNSURE")
    for number, decision in enumerate(decisions):
        frame = server.inspect(grey_png(0.9), part_id=f"R-{number}", camera="top")
        review(server, frame["id"], decision)
    (before,) = figures(server).values()
    assert before["overkill"]["value"] > 0 and before["outgoing_ppm"]["value"] == 0
    # One false call, what was used as it is, and what nobody decided come back.
    csv = "part_id,found_at\n" + "".join(f"R-{number},2026-12-01T00:00:00Z\n" for number in (1, 3, 4))
    headers = {"Content-Type": "text/csv"}
    server.client.post("/v1/returns/csv", params={"person": "ann"}, content=csv, headers=headers)
    (found,) = figures(server).values()
    assert found["copq_external"]["value"] == pytest.approx(300)
    assert found["outgoing_ppm"]["value"] == pytest.approx(1e6 * 3 / 24), (
        "20 passed, 2 called false, 2 others came back"
    )
    assert found["overkill"]["value"] == pytest.approx(1 / 21), "of 21 good parts one was called"
    assert (found["precision"]["value"], found["precision"]["n"]) == (pytest.approx(3 / 4), 4)
    assert found["escape_rate"]["value"] == 0, "the model flagged all of them"
    assert server.client.get("/v1/metrics/escapes").json()["escaped"]["value"] == 0


def test_a_returned_part_that_one_camera_flagged_and_another_passed_was_shipped_once(start_server: StartServer) -> None:
    server = start_server(audit={"per_day": 1000, "first_share": 1.0, "enough": 10}, quality_costs={"external": 100})
    for number in range(20):
        review(server, server.inspect(grey_png(0.1), part_id=f"P-{number}")["id"], "FALSE_CALL")
    review(server, server.inspect(grey_png(0.9), part_id="R", camera="top")["id"], "FALSE_CALL")
    server.inspect(grey_png(0.1), part_id="R", camera="side")
    csv, headers = "part_id,found_at\nR,2026-12-01T00:00:00Z\n", {"Content-Type": "text/csv"}
    server.client.post("/v1/returns/csv", params={"person": "ann"}, content=csv, headers=headers)
    (found,) = figures(server).values()
    assert found["copq_external"]["value"] == pytest.approx(100)


def test_a_defect_that_an_audit_found_costs_scrap_and_nothing_outside(start_server: StartServer) -> None:
    server = start_server(
        audit={"per_day": 1000, "first_share": 1.0, "enough": 10}, quality_costs={"external": 100, "scrap": 10}
    )
    frames = [server.inspect(grey_png(0.1), part_id=f"P-{number}")["id"] for number in range(20)]
    for number, id_ in enumerate(frames):
        review(server, id_, "DEFECT_CONFIRMED" if number < 2 else "FALSE_CALL")
    (found,) = figures(server).values()
    assert (found["copq_internal"]["value"], found["copq_external"]["value"]) == (20, 0)
    assert (found["outgoing_ppm"]["value"], found["escape_rate"]["value"]) == (0, 1)
    assert found["dpmo"]["value"] == pytest.approx(1e5)
    assert "escapes are not in it" not in found["dpmo"]["rests_on"]["en"]
    assert "2 found in house" in found["copq_external"]["rests_on"]["en"]
    # One comes back all the same: it had been shipped.
    csv, headers = "part_id,found_at\nP-0,2026-12-01T00:00:00Z\n", {"Content-Type": "text/csv"}
    server.client.post("/v1/returns/csv", params={"person": "ann"}, content=csv, headers=headers)
    (found,) = figures(server).values()
    assert found["copq_external"]["value"] == pytest.approx(100)
    assert found["outgoing_ppm"]["value"] == pytest.approx(1e6 / 19)


def test_a_passed_part_that_somebody_found_defective_without_an_audit_was_not_shipped(
    start_server: StartServer,
) -> None:
    server = start_server()
    frames = [server.inspect(grey_png(0.1), part_id=f"P-{number}")["id"] for number in range(4)]
    review(server, frames[0], "DEFECT_CONFIRMED")

    def counted() -> tuple[int, int, int]:
        now = datetime.now(UTC)
        with server.service.store.reading() as connection:
            counts = count_span(connection, span_of(Scope(now - timedelta(hours=1), now)))[""]
        return counts.known, counts.caught, counts.shipped

    assert counted() == (1, 1, 3)
    csv, headers = "part_id,found_at\nP-0,2026-12-01T00:00:00Z\n", {"Content-Type": "text/csv"}
    server.client.post("/v1/returns/csv", params={"person": "ann"}, content=csv, headers=headers)
    assert counted() == (1, 0, 4)


def test_takt_is_the_shift_over_its_demand(start_server: StartServer) -> None:
    server = start_server(clocks=[{"line": "line-1", "demand_per_shift": 4800}])
    produce(server)
    (found,) = figures(server).values()
    assert found["takt"]["value"] == pytest.approx(8 * 3600 / 4800)
    assert found["pace"]["value"] > 0


NIGHT = LineClock(
    time_zone="Europe/Berlin",
    shifts=(Shift(name="day", start=time(6), end=time(22)), Shift(name="night", start=time(22), end=time(6))),
)


def test_shift_over_midnight_belongs_to_the_day_it_began() -> None:
    at = datetime(2026, 11, 2, 2, tzinfo=UTC)
    (run,) = shift_runs(NIGHT, at, at.replace(minute=1))
    assert (run.name, run.day.isoformat()) == ("night", "2026-11-01")
    assert (run.start, run.end) == (datetime(2026, 11, 1, 21, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("evening", "hours"),
    [
        (datetime(2026, 3, 28, 22, tzinfo=UTC), 7),  # the clock goes forward
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 9),  # and back
        (datetime(2026, 6, 1, 22, tzinfo=UTC), 8),
    ],
)
def test_night_of_a_clock_change_is_an_hour_shorter_or_longer(evening: datetime, hours: int) -> None:
    (run,) = (run for run in shift_runs(NIGHT, evening, evening.replace(minute=30)) if run.name == "night")
    assert (run.end - run.start).total_seconds() == hours * 3600


def test_shifts_cover_every_moment_once_through_a_year_with_both_changes() -> None:
    runs = list(shift_runs(NIGHT, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))
    assert all(one.end == other.start for one, other in pairwise(runs))


@pytest.mark.parametrize(
    ("clock", "named"),
    [
        ("{time_zone: Europe/Berln}", "no time zone"),
        ("{shifts: [{name: a, start: 6:00, end: 14:00}, {name: b, start: 13:00, end: 6:00}]}", "overlaps"),
    ],
)
def test_wrong_clock_is_refused_by_name(clock: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        load_settings(ROOT / "configs/serving/default.yaml", [f"clocks=[{clock}]"])


def test_clock_without_a_zone_of_its_own_is_the_plants() -> None:
    zone = "time_zone=Asia/Taipei"
    shipped = load_settings(ROOT / "configs/serving/default.yaml", [zone])
    mixed = load_settings(
        ROOT / "configs/serving/default.yaml", [zone, "clocks=[{line: a}, {line: b, time_zone: Europe/Berlin}]"]
    )
    assert shipped.clock_of("any").time_zone == mixed.clock_of("a").time_zone == "Asia/Taipei"
    assert (mixed.clock_of("b").time_zone, mixed.clock_of("c").time_zone) == ("Europe/Berlin", "Asia/Taipei")


def test_unquoted_times_of_yaml_are_read_as_written() -> None:
    clock = "{shifts: [{name: a, start: 6:00, end: 14:30}]}"
    settings: Settings = load_settings(ROOT / "configs/serving/default.yaml", [f"clocks=[{clock}]"])
    assert (settings.clocks[0].shifts[0].start, settings.clocks[0].shifts[0].end) == (time(6), time(14, 30))

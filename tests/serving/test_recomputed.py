"""Figures of a random plant against short recomputations from their definitions, which share no code with what they check."""

import json
from datetime import UTC, datetime, timedelta
from math import prod
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy.stats import binomtest
from sqlalchemy import insert

from serving.assumptions import read_assumptions
from serving.figures import figures
from serving.payoff import payoff
from serving.quality_schema import GroupBy
from serving.roi import scenario
from serving.scope import Scope
from serving.settings import load_settings
from serving.store import Store
from serving.tables import inspections, reviews
from tests.conftest import ROOT
from tests.serving.test_measured import frame

DATABASES = ("sqlite", "postgresql")
NOW = datetime.now(UTC)
COSTS = {"currency": "USD", "prevention_per_day": 500, "wage_per_hour": 40, "scrap": 10, "external": 285}
HALF = ("REVIEW", "REJECT")


def made(random: np.random.Generator) -> list[dict[str, Any]]:
    """700 parts of two lines through one or two stations; flags mostly reviewed, passed frames audited with two chances."""
    rows = []
    for number in range(700):
        part, line = str(uuid4()), "ab"[number % 2]
        for station in ("paste", "final")[: 1 + (number % 3 > 0)]:
            bad = random.random() < 0.08
            flagged = random.random() < (0.75 if bad else 0.05)
            decided = "DEFECT_CONFIRMED" if bad else "FALSE_CALL"
            changes: dict[str, Any] = {"line": line, "station": station, "part_id": part}
            if flagged:
                row = frame(9, decided if random.random() < 0.9 else "", **changes)
                row["verdict"] = HALF[int(random.integers(2))]
            else:
                band = int(random.random() < (0.6 if bad else 0.2))
                chance = (0.25, 0.8)[band]
                drawn = random.random() < chance
                audit = {"audit": "SAMPLE", "audit_probability": chance} if drawn else {}
                row = frame(9, decided if drawn else None, **changes, **audit, audit_band=band)
                row["verdict"] = "PASS"
            row["received_at"] -= timedelta(seconds=float(random.integers(0, 5 * 86_400)))
            row["seconds"] = float(random.gamma(3, 4)) if row["decision"] else None
            rows.append(row)
    return rows


def test_quality_figures_are_those_of_the_formulas(database: str) -> None:
    rows = made(np.random.default_rng(23))
    store = Store.open(database)
    seconds = {row["id"]: row.pop("seconds") for row in rows}
    calls = [
        {
            "client_id": str(uuid4()),
            "inspection_id": row["id"],
            "decision": row["decision"],
            "note": "",
            "reviewer": "mei",
            "seconds": seconds[row["id"]],
            "decided_at": NOW,
            "received_at": NOW,
        }
        for row in rows
        if row["decision"]
    ]
    store.submit(lambda connection: connection.execute(insert(inspections), rows) and None).result()
    store.submit(lambda connection: connection.execute(insert(reviews), calls) and None).result()
    settings = load_settings(ROOT / "configs/serving/default.yaml", []).model_copy(deep=True)
    settings = settings.model_copy(update={"quality_costs": type(settings.quality_costs).model_validate(COSTS)})
    with store.reading() as connection:
        scope = Scope(NOW - timedelta(days=20), NOW)
        told = {None: figures(connection, scope, settings, None).groups[0]}
        told |= {group.name: group for group in figures(connection, scope, settings, GroupBy.LINE).groups}
    store.close()
    for line, group in told.items():
        found = {one.key: one for one in group.figures}
        mine = [row for row in rows if line in (None, row["line"])]
        good_first = {
            station: [
                (row["verdict"] == "PASS" and row["decision"] != "DEFECT_CONFIRMED") or row["decision"] == "FALSE_CALL"
                for row in mine
                if row["station"] == station
            ]
            for station in ("paste", "final")
        }
        flagged = [row for row in mine if row["verdict"] in HALF]
        decided = [row for row in flagged if row["decision"]]
        audits = [row for row in mine if row["audit"] == "SAMPLE"]
        confirmed = sum(row["decision"] == "DEFECT_CONFIRMED" for row in decided)
        all_confirmed = sum(row["decision"] == "DEFECT_CONFIRMED" for row in mine)
        n = len(mine)
        wanted = {
            "fpy": sum(map(sum, good_first.values())) / n,
            "rty": prod(sum(each) / len(each) for each in good_first.values()),
            "dpmo": 1e6 * all_confirmed / n,
            "precision": confirmed / len(decided),
            "review_load": (len(flagged) + len(audits)) / n,
            "review_seconds": sum(seconds[row["id"]] or 0.0 for row in mine) / n,
        }
        # sum of N_h d_h / n_h; the chances are even within a band
        escaped = sum(
            sum(row["audit_band"] == band and row["verdict"] == "PASS" for row in mine)
            * sum(row["audit_band"] == band and row["decision"] == "DEFECT_CONFIRMED" for row in audits)
            / sum(row["audit_band"] == band for row in audits)
            for band in (0, 1)
        )
        likely = {"DEFECT_CONFIRMED": 0.0, "FALSE_CALL": 0.0}
        for verdict in HALF:
            of = [row for row in flagged if row["verdict"] == verdict]
            seen = [row for row in of if row["decision"]]
            for decision in likely:
                likely[decision] += len(of) * sum(row["decision"] == decision for row in seen) / len(seen)
        wanted["escape_rate"] = escaped / (escaped + likely["DEFECT_CONFIRMED"])
        wanted["overkill"] = likely["FALSE_CALL"] / (n - escaped - likely["DEFECT_CONFIRMED"])
        waiting = len(flagged) - len(decided)
        wanted["oee_quality"] = (n - waiting - all_confirmed) / (n - waiting)
        shipped_bad = escaped - sum(row["decision"] == "DEFECT_CONFIRMED" for row in audits)
        shipped = sum(row["verdict"] == "PASS" and row["decision"] != "DEFECT_CONFIRMED" for row in mine)
        shipped += sum(row["decision"] == "FALSE_CALL" for row in flagged)
        wanted["outgoing_ppm"] = 1e6 * shipped_bad / shipped
        wanted["copq_external"] = 285 * shipped_bad
        wanted["copq_internal"] = 10 * all_confirmed
        wanted["copq_appraisal"] = sum(seconds[row["id"]] or 0.0 for row in mine) / 3600 * 40
        if line is None:
            wanted["copq_prevention"] = 500 * 20
        for key, value in wanted.items():
            figure = found[key]
            assert figure.value == pytest.approx(value, rel=1e-9), (line, key, figure.rests_on.en)
            assert figure.low is not None and figure.low - 1e-9 <= value <= figure.high + 1e-9, (line, key)
        wilson = binomtest(confirmed, len(decided)).proportion_ci(method="wilson")
        assert (found["precision"].low, found["precision"].high) == (
            pytest.approx(wilson.low),
            pytest.approx(wilson.high),
        )


def test_the_pace_is_of_the_shifts_as_the_takt_is(database: str) -> None:
    """Over the night on which the clocks of Berlin go back, a shift from 22:00 to 06:00 has nine hours, and a day none."""
    zone = ZoneInfo("Europe/Berlin")
    times = [datetime(2026, 10, day, hour, 30, tzinfo=zone) for day, hour in ((24, 22), (25, 5), (25, 22), (26, 5))]
    rows = [{**frame(1, line="night"), "received_at": at.astimezone(UTC)} for at in times]
    store = Store.open(database)
    store.submit(lambda connection: connection.execute(insert(inspections), rows) and None).result()
    clock = {
        "time_zone": "Europe/Berlin",
        "shifts": [{"name": "night", "start": "22:00", "end": "06:00"}],
        "demand_per_shift": 8,
    }
    settings = load_settings(ROOT / "configs/serving/default.yaml", [f"clocks=[{json.dumps(clock)}]"])
    with store.reading() as connection:
        scope = Scope(datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 28, tzinfo=UTC))
        found = {one.key: one for one in figures(connection, scope, settings, None).groups[0].figures}
    store.close()
    # 22:30 to 06:00 with the hour that comes twice, and 22:00 to 05:30
    assert found["pace"].value == pytest.approx((8.5 + 7.5) * 3600 / 4)
    assert found["pace"].rests_on.en == "57600 s of shifts from the first to the last frame, over 4 good parts"
    assert found["takt"].value == pytest.approx(8 * 3600 / 8)


def test_the_return_is_that_of_the_formulas() -> None:
    """B_1, ROI_1, payback, NPV and the cash flow, by months added up one by one."""
    given = read_assumptions(ROOT / "configs/roi/case_study.yaml").inputs
    random = np.random.default_rng(29)
    for _ in range(40):
        values = {
            key: one.value * random.uniform(0.6, 1.6) for key, one in given if key not in ("years", "attribution")
        }
        values |= {"years": 4.0, "attribution": random.uniform(0.5, 1), "looked_at_before": random.uniform(0, 1)}
        values |= {"retained_margin": 1e5, "rework_avoided": 2000.0, "extra_units_sold": 1e5, "unit_margin": 2.0}
        v = {**{key: one.value for key, one in given}, **values}
        told = scenario(
            "what_if",
            given.model_validate({k: {**one.model_dump(), "value": v[k], "spread": None} for k, one in given}),
            {},
        )
        parts = v["lines"] * v["hours_per_line"] * 3600 / v["cycle_before"]
        bad = parts * v["defective_rate"]
        avoided = bad * (v["escape_rate_before"] - v["escape_rate_after"])
        hours = parts * (v["cycle_before"] - v["cycle_after"]) / 3600 - v["extra_units_sold"] * v["cycle_after"] / 3600
        minutes_saved = parts * (v["false_call_rate_before"] - v["false_call_rate_after"]) * v["review_minutes"]
        minutes_saved += parts * v["looked_at_before"] * v["look_seconds"] / 60
        minutes_saved -= v["looked_at_before"] * (bad - bad * v["escape_rate_after"]) * v["review_minutes"]
        yearly = v["attribution"] * (
            avoided * (v["escape_cost"] - v["internal_failure_cost"])
            + hours * v["line_hour_cost"]
            + minutes_saved / 60 * v["wage"]
            + v["rework_avoided"] * v["rework_cost"]
            + v["extra_units_sold"] * v["unit_margin"]
            + v["retained_margin"]
        )
        once = (v["development"] + v["implementation"]) * v["cost_overrun"]
        run = v["run"] * v["cost_overrun"]
        steps = 200  # a month, each at the share that the ramp has reached in its middle
        at = (np.arange(48 * steps) + 0.5) / steps
        monthly = (np.minimum(at / v["ramp_months"], 1) * yearly / 12 / steps).reshape(48, steps).sum(axis=1)
        first = monthly[:12].sum()
        assert told.first_year_benefit == pytest.approx(first, rel=1e-4)
        assert told.first_year_roi == pytest.approx((first - once - run) / (once + run), rel=1e-3, abs=1e-4)
        years = monthly.reshape(4, 12).sum(axis=1) - run
        npv = -once + sum(flow / (1 + v["discount_rate"]) ** (year + 1) for year, flow in enumerate(years))
        assert told.npv == pytest.approx(npv, rel=1e-4, abs=100)
        cumulative = -once + np.cumsum(monthly - run / 12)
        assert [month.cumulative for month in told.cash_flow[1:]] == pytest.approx(cumulative, rel=1e-4, abs=500)
        back = next((month for month, total in enumerate(cumulative, 1) if total >= 0), None)
        assert back is None or (
            told.payback_months is not None and back - 1 <= told.payback_months + 1e-3 <= back + 1e-2
        )
        assert told.escape_savings == pytest.approx(v["attribution"] * avoided * v["escape_cost"])
        assert sum(one.run_rate for one in told.benefits) == pytest.approx(yearly)
        # An escape that is avoided is scrapped or reworked in house: the bills move, and nothing is counted twice.
        bills = {one.category: one.before - one.after for one in told.copq}
        assert bills["external_failure"] + bills["internal_failure"] + bills["appraisal"] == pytest.approx(
            avoided * (v["escape_cost"] - v["internal_failure_cost"]) + minutes_saved / 60 * v["wage"]
        )
        assert float(payoff(v).run_rate) == pytest.approx(yearly)

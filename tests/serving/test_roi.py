"""The return on investment: the case study to the digit, its odds, and the plant's own numbers with who changed them and why."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy_financial
import pytest
import yaml
from sqlalchemy import update

from data.errors import InputError
from serving.assumptions import adopt, read_assumptions
from serving.audit import verify
from serving.odds import DRAWS, Uncertain, draw, odds
from serving.payoff import payoff
from serving.roi import scenario, uncertain_inputs
from serving.roi_schema import RoiScenario
from serving.spread import Lognormal, Normal, Proportion, Triangular
from serving.tables import assumptions
from tests.conftest import ROOT, Served, StartServer, grey_png
from tests.serving.test_reviews import review

DATABASES = ("sqlite", "postgresql")

CASE_STUDY = ROOT / "configs/roi/case_study.yaml"


@pytest.fixture(scope="module")
def case_study() -> RoiScenario:
    return scenario("case_study", read_assumptions(CASE_STUDY).inputs, {})


def change(server: Served, key: str, **changes: Any) -> dict[str, Any]:
    body = {"person": "mei", "reason": "by the ledger", **changes}
    answer = server.client.put(f"/v1/roi/assumptions/{key}", json=body)
    assert answer.status_code == 200, answer.text
    version: dict[str, Any] = answer.json()
    return version


def problem(server: Served, method: str, path: str, body: object) -> tuple[int, str]:
    answer = server.client.request(method, path, json=body)
    return answer.status_code, answer.json()["detail"]


def test_case_study_comes_out_as_published(case_study: RoiScenario) -> None:
    assert round(case_study.defect_reduction, 4) == 0.35
    assert round(case_study.escape_savings / 1e6, 1) == 10.0
    assert round(case_study.throughput_gain, 4) == 0.20
    assert round(case_study.first_year_roi, 2) == 3.00
    assert case_study.payback_months is not None and round(case_study.payback_months, 1) == 4.9
    assert round(case_study.npv / 1e6, 1) == 27.0
    assert {line.key: round(line.run_rate / 1e6, 3) for line in case_study.benefits if line.run_rate} == {
        "escapes_avoided": 10.0,
        "line_hours_saved": 2.35,
        "false_calls_fewer": 1.333,
        "caught_in_house": -0.35,
    }
    assert round(case_study.first_year_benefit / 1e6, 1) == 10.0
    assert case_study.first_year_cost == 2_500_000
    assert {item.kind for item in case_study.inputs} == {"assumed"}
    assert all(item.source.en and item.author for item in case_study.inputs)


def test_case_study_says_what_it_would_be_if_counted_otherwise(case_study: RoiScenario) -> None:
    alternatives = {one.key: round(one.first_year_roi, 2) for one in case_study.alternatives}
    assert alternatives == {"external_only": 2.00, "full_run_rate": 4.33}


def test_the_headline_of_the_case_study_is_an_optimistic_corner(case_study: RoiScenario) -> None:
    found = case_study.odds
    assert found.draws == DRAWS == 100_000
    assert (found.p5, found.p50, found.p95) == (
        pytest.approx(0.66, abs=0.03),
        pytest.approx(1.75, abs=0.03),
        pytest.approx(3.50, abs=0.05),
    )
    assert found.reaches_target == pytest.approx(0.11, abs=0.01)
    assert found.target == 3
    assert found.loses < 0.01
    assert [driver.key for driver in found.drivers[:2]] == ["escape_cost", "escape_rate_after"]
    swings = [abs(driver.roi_at_high - driver.roi_at_low) for driver in found.drivers]
    assert swings == sorted(swings, reverse=True)
    assert sum(found.histogram.counts) == pytest.approx(DRAWS * 0.99, rel=0.001)


def test_numbers_without_a_spread_are_told_to_be_taken_as_certain(case_study: RoiScenario) -> None:
    certain = case_study.odds.certain
    assert {"escape_rate_before", "defective_rate", "line_hour_cost", "wage"} <= set(certain)
    assert not {"target_roi", *(driver.key for driver in case_study.odds.drivers)} & set(certain)
    assert set(certain) == {one.key for one in case_study.inputs if one.low is None} - {"target_roi"}
    narrow = {"escape_cost": Uncertain(5.0, Triangular(low=5.0, high=5.0))}
    inputs = uncertain_inputs(read_assumptions(CASE_STUDY).inputs, {})
    assert "escape_cost" in odds(inputs | narrow).certain, "a spread of no width"


def test_cash_flow_adds_up_to_the_year_and_crosses_zero_at_the_payback(case_study: RoiScenario) -> None:
    flow = case_study.cash_flow
    assert [month.month for month in flow] == list(range(37))
    assert sum(month.benefit for month in flow[1:13]) == pytest.approx(case_study.first_year_benefit)
    assert sum(month.cost for month in flow[:13]) == pytest.approx(case_study.first_year_cost)
    first = next(month.month for month in flow if month.cumulative >= 0)
    assert case_study.payback_months is not None and first - 1 < case_study.payback_months <= first


def test_npv_and_irr_are_those_of_numpy_financial(case_study: RoiScenario) -> None:
    flow = case_study.cash_flow
    years = [-flow[0].cost] + [
        sum(month.benefit - month.cost for month in flow[1 + 12 * year : 13 + 12 * year]) for year in range(3)
    ]
    assert case_study.npv == pytest.approx(float(numpy_financial.npv(0.10, years)))
    assert case_study.irr == pytest.approx(float(numpy_financial.irr(years)))


def test_a_ramp_longer_than_a_year_goes_on_in_the_second() -> None:
    values = {key: one.value for key, one in read_assumptions(CASE_STUDY).inputs}
    result = payoff(values | {"ramp_months": 24.0})
    assert float(result.share(0, 12)) == pytest.approx(0.25)
    assert float(result.share(12, 24)) == pytest.approx(0.75)
    assert float(result.share(24, 36)) == pytest.approx(1)
    at_once = payoff(values | {"ramp_months": 0.0})
    assert float(at_once.first_year_share) == pytest.approx(1)


def test_line_hours_are_not_both_saved_and_used_for_more_parts(case_study: RoiScenario) -> None:
    values = {key: one.value for key, one in read_assumptions(CASE_STUDY).inputs}
    result = payoff(values | {"extra_units_sold": 10_000_000.0, "unit_margin": 1.0})
    # all 8,333 hours saved make 10 M parts of 3 s, so nothing of them is left to save
    assert float(result.benefits["line_hours_saved"]) == pytest.approx(0, abs=1e-6)
    assert float(result.benefits["extra_units_sold"]) == 10_000_000


def test_parts_no_longer_looked_at_one_by_one_save_but_what_their_true_flags_take(server: Served) -> None:
    values = {"looked_at_before": 0.5, "look_seconds": 6, "wage": 30}
    found = server.client.post("/v1/roi", json={"values": values}).json()
    line = {line["key"]: line for line in found["benefits"]}["looks_saved"]
    # 25 M parts x 6 s, and 1 % x 87 % of them flagged for 2 minutes
    hours = 25e6 * 6 / 3600 - 25e6 * 0.01 * 0.87 * 2 / 60
    assert (line["category"], line["run_rate"]) == ("efficiency", pytest.approx(hours * 30))
    assert line["formula"]["en"] == (
        "(25,000,000 parts looked at one by one x 6.00 s - 217,500 true flags x 2.00 min) x 30.00 an hour"
    )
    appraisal = next(one for one in found["copq"] if one["category"] == "appraisal")
    fewer = 50e6 * 0.02 * 2 / 60
    assert appraisal["before"] - appraisal["after"] == pytest.approx((hours + fewer) * 30)


def test_cost_of_poor_quality_moves_from_outside_to_inside(case_study: RoiScenario) -> None:
    copq = {line.category: (round(line.before / 1e6, 3), round(line.after / 1e6, 3)) for line in case_study.copq}
    assert copq == {
        "prevention": (0, 0.4),
        "appraisal": (2.667, 1.333),
        "internal_failure": (4.0, 4.35),
        "external_failure": (28.571, 18.571),
    }


@pytest.mark.parametrize(
    ("spread", "value", "mean"),
    [
        (Triangular(low=1, high=6), 2, 3),
        (Lognormal(log_sd=0.25, centre="mean"), 4, 4),
        (Lognormal(log_sd=0.25, centre="median"), 4, 4 * np.exp(0.25**2 / 2)),
        (Normal(sd=0.5), 3, 3),
        (Proportion(hits=3, n=9, factor=0.5), 1 / 6, 0.5 * 3.5 / 10),
        (Triangular(low=2, high=2), 2, 2),
    ],
)
def test_spread_has_its_mean(spread: Triangular, value: float, mean: float) -> None:
    shares = (np.arange(20_000) + 0.5) / 20_000
    assert float(np.mean(spread.quantile(shares, value))) == pytest.approx(mean, rel=1e-3)


def test_draws_stay_within_what_a_number_can_be() -> None:
    inputs = uncertain_inputs(read_assumptions(CASE_STUDY).inputs, {})
    wide = Lognormal(log_sd=3, centre="median")
    drawn = draw(inputs | {"escape_rate_after": Uncertain(0.5, wide, 0, 1)})
    assert float(np.max(drawn.escapes_after)) <= float(drawn.defective)


def test_numbers_without_spread_give_one_certain_answer() -> None:
    inputs = uncertain_inputs(read_assumptions(CASE_STUDY).inputs, {})
    certain = odds({key: Uncertain(one.value) for key, one in inputs.items()})
    assert certain.p5 == certain.p50 == certain.p95 == pytest.approx(2.9999, abs=1e-3)
    assert certain.drivers == []


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
    assert report["contradictions"] == []
    review(server, flagged[2]["id"], "FALSE_CALL", seconds=60)
    report = server.client.get("/v1/roi").json()
    measured = {item["key"]: item for item in report["measured"]["inputs"] if item["kind"] == "measured"}
    assert set(measured) == {"false_call_rate_after", "review_minutes"}
    assert measured["review_minutes"]["value"] == pytest.approx(1.0)
    assert measured["false_call_rate_after"]["value"] == pytest.approx(2 / 3 * 4 / 16), (
        "two thirds of the flags, a quarter flagged"
    )
    assert measured["false_call_rate_after"]["n"] == 3
    assert measured["review_minutes"]["low"] < 1 < measured["review_minutes"]["high"]
    assert report["measured"]["npv"] != report["case_study"]["npv"]
    assert report["case_study"]["first_year_roi"] == pytest.approx(3.0, abs=0.001)
    assert any("Escapes are not measured since" in note["en"] for note in report["notes"])
    assert {line["key"] for line in report["measured"]["benefits"] if line["measured"]} == {"false_calls_fewer"}


def test_assumptions_that_measurements_speak_against_are_named(start_server: StartServer) -> None:
    server = start_server(enough_reviews=3)
    for number in range(8):
        flagged = server.inspect(grey_png(0.9), part_id=f"R-{number}")
        review(server, flagged["id"], "FALSE_CALL" if number % 2 else "DEFECT_CONFIRMED", seconds=10 + number % 2)
    found = {one["key"]: one for one in server.client.get("/v1/roi").json()["contradictions"]}
    # every frame is flagged, half of them rightly: far from 1 % defective, 2 % false calls and 2 minutes
    assert set(found) == {"defective_rate", "false_call_rate_after", "review_minutes"}
    assert "is assumed to be 2, but was measured as 0.175 (95 %:" in found["review_minutes"]["text"]["en"]
    assert found["defective_rate"]["low"] > found["defective_rate"]["assumed"]


def test_a_change_is_a_new_version_with_its_reason_in_the_audit_trail(server: Served) -> None:
    made = change(server, "wage", value=35, source="payroll, October", kind="measured")
    assert (made["version"], made["value"], made["author"], made["kind"]) == (2, 35, "mei", "measured")
    assert made["source"] == {"en": "payroll, October", "zh-Hant": "payroll, October"}
    versions = server.client.get("/v1/roi/assumptions/wage").json()
    assert [(one["version"], one["value"]) for one in versions] == [(2, 35), (1, 40)]
    report = server.client.get("/v1/roi").json()
    wage = next(item for item in report["measured"]["inputs"] if item["key"] == "wage")
    assert (wage["value"], wage["version"], wage["author"], wage["reason"]) == (35, 2, "mei", "by the ledger")
    assert next(item for item in report["case_study"]["inputs"] if item["key"] == "wage")["value"] == 40
    assert report["measured"]["first_year_benefit"] < report["case_study"]["first_year_benefit"]
    (entry,) = server.client.get("/v1/audit", params={"action": "ASSUMPTION"}).json()["items"]
    assert (entry["person"], entry["reason"]) == ("mei", "by the ledger")
    assert (entry["old"]["key"], entry["old"]["value"], entry["new"]["value"]) == ("wage", 40, 35)
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()


@pytest.mark.parametrize("version", [1, 2])
def test_an_assumption_altered_past_the_trail_is_found(server: Served, version: int) -> None:
    change(server, "wage", value=35)
    altered = update(assumptions).where(assumptions.c.key == "wage", assumptions.c.version == version).values(value=99)
    server.service.store.submit(lambda connection: connection.execute(altered) and None).result()
    with server.service.store.reading() as connection:
        (broken,) = verify(connection).broken
    assert "altered" in broken.what


def test_a_triangle_moves_along_with_its_value_and_keeps_within_bounds(server: Served) -> None:
    assert change(server, "ramp_months", value=12)["spread"] == {
        "kind": "triangular",
        "low": pytest.approx(9.6),
        "high": pytest.approx(15.6),
    }
    assert change(server, "attribution", value=0.9)["spread"]["high"] == pytest.approx(0.9)
    assert change(server, "attribution", spread=None)["spread"] is None


@pytest.mark.parametrize(
    ("key", "changes", "status", "message"),
    [
        ("luck", {"value": 1}, 404, "there is no assumption luck"),
        ("lines", {"value": -3}, 422, "lines.value: Input should be greater than"),
        ("defective_rate", {"value": 1.2}, 422, "defective_rate.value: Input should be less than or equal to 1"),
        ("wage", {}, 422, "give at least one of value, source, kind and spread"),
        ("wage", {"value": 50, "reason": " "}, 422, "reason"),
        (
            "wage",
            {"value": 50, "spread": {"kind": "triangular", "low": 60, "high": 70}},
            422,
            "50 is not within 60 to 70",
        ),
        ("years", {"value": 2.5}, 422, "years.value: Input should be a multiple of 1"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    server: Served, key: str, changes: dict[str, Any], status: int, message: str
) -> None:
    body = {"person": "mei", "reason": "by the ledger", **changes}
    found = problem(server, "PUT", f"/v1/roi/assumptions/{key}", body)
    assert found[0] == status and message in found[1]
    assert len(server.client.get("/v1/roi/assumptions/wage").json()) == 1


def test_what_is_wrong_with_a_number_is_said_in_chinese_too(server: Served) -> None:
    for key, value, said in (("years", 2.5, "須為 1 的倍數"), ("development", -1, "須大於或等於 0")):
        body = {"person": "mei", "reason": "by the ledger", "value": value}
        answer = server.client.put(f"/v1/roi/assumptions/{key}", json=body).json()
        assert answer["detail_zh_hant"] == f"{key}.value：{said}"


def test_what_if_gives_the_figures_and_keeps_nothing(server: Served) -> None:
    before = server.client.get("/v1/roi").json()
    tried = server.client.post("/v1/roi", json={"values": {"escape_rate_after": 0.10, "target_roi": 2}}).json()
    assert tried["name"] == "what_if"
    assert tried["defect_reduction"] == pytest.approx(0.5)
    assert tried["odds"]["target"] == 2
    assert tried["odds"]["reaches_target"] > before["measured"]["odds"]["reaches_target"]
    same = server.client.post("/v1/roi", json={"values": {}}).json()
    assert same["first_year_roi"] == before["measured"]["first_year_roi"]
    assert server.client.get("/v1/roi").json()["measured"]["odds"] == before["measured"]["odds"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lines": -1}, "lines.value: Input should be greater than"),
        ({"luck": 1}, "luck: no such assumption"),
        ({"development": 0, "implementation": 0, "run": 0}, "development, implementation and run are all 0: a return"),
        ({"cycle_after": 0}, "cycle_after.value: Input should be greater than"),
    ],
)
def test_a_what_if_that_cannot_be_says_which_number(server: Served, values: dict[str, float], message: str) -> None:
    status, detail = problem(server, "POST", "/v1/roi", {"values": values})
    assert status == 422 and detail.startswith(message)


def altered_file(tmp_path: Path, **changes: Any) -> Path:
    tree = yaml.safe_load(CASE_STUDY.read_text(encoding="utf-8"))
    for key, value in changes.items():
        if value is None:
            del tree[key]
        elif key == "inputs":
            for name, fields in value.items():
                tree["inputs"].setdefault(name, {"unit": {"en": "x", "zh-Hant": "x"}}).update(fields)
        else:
            tree[key] = value
    file = tmp_path / "roi.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": {"luck": {"value": 1}}}, r"inputs\.luck: unknown key"),
        ({"currency": None}, "currency: Field required"),
        ({"currency": "dollars"}, "currency: String should match"),
        ({"inputs": {"lines": {"value": -10}}}, r"inputs\.lines\.value: Input should be greater than"),
        ({"inputs": {"wage": {"source": None}}}, r"inputs\.wage\.source"),
        ({"inputs": {"ramp_months": {"value": 10}}}, "10 is not within 3.6 to 9.6"),
    ],
)
def test_assumptions_file_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_assumptions(altered_file(tmp_path, **changes))


def test_a_file_in_another_currency_than_the_database_is_refused(server: Served, tmp_path: Path) -> None:
    file = altered_file(tmp_path, currency="EUR")
    with pytest.raises(InputError, match="currency is EUR, but the assumptions in the database are in USD"):
        server.service.store.submit(lambda connection: adopt(connection, read_assumptions(file), file)).result()


def test_the_database_counts_once_it_has_the_numbers(server: Served, tmp_path: Path) -> None:
    change(server, "wage", value=35)
    file = altered_file(tmp_path, inputs={"wage": {"value": 50}})
    server.service.store.submit(lambda connection: adopt(connection, read_assumptions(file), file)).result()
    versions = server.client.get("/v1/roi/assumptions/wage").json()
    assert [one["value"] for one in versions] == [35, 40]


def test_escapes_are_measured_once_passed_frames_were_audited(start_server: StartServer) -> None:
    server = start_server(enough_reviews=3, audit={"per_day": 1000, "first_share": 1.0, "enough": 20})
    passed = [server.inspect(grey_png(0.1), part_id=f"P-{number}") for number in range(20)]
    for number in range(6):
        flagged = server.inspect(grey_png(0.9), part_id=f"R-{number}")
        review(server, flagged["id"], "DEFECT_CONFIRMED", seconds=30)
    for one in passed[:19]:
        review(server, one["id"], "DEFECT_CONFIRMED" if one in passed[:2] else "FALSE_CALL", seconds=30)
    before = server.client.get("/v1/roi").json()
    assert any("n = 19, need about 20" in note["en"] for note in before["notes"])
    assert next(one for one in before["measured"]["inputs"] if one["key"] == "escape_rate_after")["kind"] == "assumed"
    review(server, passed[19]["id"], "FALSE_CALL", seconds=30)
    answer = server.client.get("/v1/roi")
    assert answer.status_code == 200, answer.text
    report = answer.json()
    rate = next(one for one in report["measured"]["inputs"] if one["key"] == "escape_rate_after")
    estimate = server.client.get("/v1/metrics/escapes").json()["rate"]
    assert (rate["kind"], rate["n"]) == ("measured", 20)
    assert rate["value"] == pytest.approx(estimate["value"])
    assert rate["value"] == pytest.approx(2 / 8, abs=0.05)
    assert rate["low"] < rate["value"] < rate["high"]
    assert report["measured"]["defect_reduction"] == pytest.approx(1 - rate["value"] / 0.2)
    assert report["case_study"]["defect_reduction"] == pytest.approx(0.35)
    assert any("before the system stays an assumption" in note["en"] for note in report["notes"])

"""Return on investment: typed assumptions, the same formulas for what is assumed and for what was measured here."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy_financial
from pydantic import Field
from sqlalchemy import Connection

from data.config import ConfigModel, load_config
from serving.metrics import flag_reviews, review_seconds
from serving.schema import RoiInput, RoiLine, RoiReport, RoiScenario, Text

_MONTHS = 12


class Assumption(ConfigModel):
    """One number with its unit and where it comes from."""

    value: float = Field(ge=0)
    unit: Text
    source: Text
    kind: Literal["assumed", "measured"]


class Inputs(ConfigModel):
    """What the formulas need. Rates are shares in 0..1; money is in the file's currency."""

    lines: Assumption
    hours_per_line: Assumption
    cycle_before: Assumption
    cycle_after: Assumption
    line_hour_cost: Assumption
    defective_rate: Assumption
    escape_rate_before: Assumption
    escape_rate_after: Assumption
    escape_cost: Assumption
    false_call_rate_before: Assumption
    false_call_rate_after: Assumption
    review_minutes: Assumption
    wage: Assumption
    internal_failure_cost: Assumption
    ramp_months: Assumption
    development: Assumption
    implementation: Assumption
    run: Assumption
    discount_rate: Assumption
    years: Assumption


class Assumptions(ConfigModel):
    """An assumptions file."""

    currency: str = Field(min_length=1)
    inputs: Inputs


def read_assumptions(path: Path) -> Assumptions:
    """Raises InputError naming the file and the key at fault."""
    return load_config(path, Assumptions)


def report(connection: Connection, assumptions: Assumptions, enough: int) -> RoiReport:
    """Both scenarios; a measured value takes an assumption's place once it rests on `enough` observations."""
    measured, notes = _measure(connection, assumptions.inputs, enough)
    return RoiReport(
        currency=assumptions.currency,
        computed_at=datetime.now(UTC),
        case_study=scenario("case_study", assumptions.inputs, {}),
        measured=scenario("measured", assumptions.inputs, measured),
        notes=notes,
    )


def scenario(name: Literal["case_study", "measured"], inputs: Inputs, measured: Mapping[str, RoiInput]) -> RoiScenario:
    """The figures for `inputs`, with the measured ones put in their place.

    Volume is held at what the lines make today, so a faster cycle saves line hours. Escapes avoided = volume x defective
    rate x (escape rate before - after). Benefits ramp up linearly over `ramp_months`; development and implementation are
    paid at once, running costs evenly. NPV discounts whole years (numpy-financial).
    """
    given = {key: _input(key, assumption, measured) for key, assumption in inputs}
    value = {key: item.value for key, item in given.items()}
    volume = value["lines"] * value["hours_per_line"] * 3600 / value["cycle_before"]
    hours_saved = volume * (value["cycle_before"] - value["cycle_after"]) / 3600
    escapes_before = volume * value["defective_rate"] * value["escape_rate_before"]
    avoided = escapes_before - volume * value["defective_rate"] * value["escape_rate_after"]
    false_calls_fewer = volume * (value["false_call_rate_before"] - value["false_call_rate_after"])
    share = _first_year_share(value["ramp_months"])

    def benefit(
        key: str, category: Literal["efficiency", "cost", "quality"], run_rate: float, formula: Text
    ) -> RoiLine:
        return RoiLine(key=key, category=category, run_rate=run_rate, first_year=run_rate * share, formula=formula)

    benefits = [
        benefit(
            "escapes_avoided",
            "quality",
            avoided * value["escape_cost"],
            _text(
                f"{avoided:,.0f} escapes avoided x {value['escape_cost']:,.2f}",
                f"減少漏檢 {avoided:,.0f} 件 x {value['escape_cost']:,.2f}",
            ),
        ),
        benefit(
            "line_hours_saved",
            "cost",
            hours_saved * value["line_hour_cost"],
            _text(
                f"{hours_saved:,.0f} line hours saved x {value['line_hour_cost']:,.2f}",
                f"節省產線工時 {hours_saved:,.0f} 小時 x {value['line_hour_cost']:,.2f}",
            ),
        ),
        benefit(
            "false_calls_fewer",
            "efficiency",
            false_calls_fewer * value["review_minutes"] / 60 * value["wage"],
            _text(
                f"{false_calls_fewer:,.0f} false calls fewer x {value['review_minutes']:,.2f} min x {value['wage']:,.2f} an hour",
                f"減少誤判 {false_calls_fewer:,.0f} 件 x {value['review_minutes']:,.2f} 分鐘 x 每小時 {value['wage']:,.2f}",
            ),
        ),
        benefit(
            "caught_in_house",
            "cost",
            -avoided * value["internal_failure_cost"],
            _text(
                f"-{avoided:,.0f} defects now scrapped or reworked x {value['internal_failure_cost']:,.2f}",
                f"-{avoided:,.0f} 件缺陷改在廠內報廢或重工 x {value['internal_failure_cost']:,.2f}",
            ),
        ),
    ]
    once_text = _text("once", "一次性")
    costs = [
        RoiLine(
            key="development",
            category="development",
            run_rate=0,
            first_year=value["development"],
            formula=once_text,
        ),
        RoiLine(
            key="implementation",
            category="implementation",
            run_rate=0,
            first_year=value["implementation"],
            formula=once_text,
        ),
        RoiLine(
            key="run",
            category="run",
            run_rate=value["run"],
            first_year=value["run"],
            formula=_text("every year", "每年"),
        ),
    ]
    run_rate = sum(line.run_rate for line in benefits)
    first_year_benefit = sum(line.first_year for line in benefits)
    first_year_cost = sum(line.first_year for line in costs)
    once = value["development"] + value["implementation"]
    flows = [-once, first_year_benefit - value["run"], *[run_rate - value["run"]] * (int(value["years"]) - 1)]
    return RoiScenario(
        name=name,
        defect_reduction=avoided / escapes_before if escapes_before else 0.0,
        escape_savings=benefits[0].run_rate,
        throughput_gain=value["cycle_before"] / value["cycle_after"] - 1,
        benefits=benefits,
        costs=costs,
        first_year_benefit=first_year_benefit,
        first_year_cost=first_year_cost,
        first_year_roi=(first_year_benefit - first_year_cost) / first_year_cost,
        payback_months=_payback(once, run_rate / _MONTHS, value["run"] / _MONTHS, value["ramp_months"]),
        npv=float(numpy_financial.npv(value["discount_rate"], flows)),
        inputs=list(given.values()),
    )


def _input(key: str, assumption: Assumption, measured: Mapping[str, RoiInput]) -> RoiInput:
    return measured.get(key) or RoiInput(
        key=key,
        n=None,
        assumed_value=assumption.value,
        value=assumption.value,
        unit=assumption.unit,
        source=assumption.source,
        kind=assumption.kind,
    )


def _first_year_share(ramp_months: float) -> float:
    """Share of a year's run rate that a linear ramp from zero realises in the first twelve months."""
    if ramp_months <= _MONTHS:
        return 1 - ramp_months / (2 * _MONTHS)
    return _MONTHS / (2 * ramp_months)


def _payback(once: float, monthly: float, run: float, ramp: float) -> float | None:
    """Months until the cumulative cash flow is back at zero for good; None when it never is.

    Within the ramp it is monthly t^2 / (2 ramp) - run t - once, after it linear.
    """
    if ramp > 0 and monthly > 0:
        within = (run + math.sqrt(run**2 + 2 * monthly / ramp * once)) * ramp / monthly
        if within <= ramp:
            return within
    if monthly <= run:
        return None
    return (once + monthly * ramp / 2) / (monthly - run)


def _measure(connection: Connection, inputs: Inputs, enough: int) -> tuple[dict[str, RoiInput], list[Text]]:
    inspected, flagged, confirmed, false_calls = flag_reviews(connection)
    seconds, timed = review_seconds(connection)
    reviewed = confirmed + false_calls
    measured: dict[str, RoiInput] = {}
    notes = [
        _text(
            "Escapes are not measured until passed parts are audited: both escape rates, and the savings from them, "
            "are assumptions.",
            "尚未抽查判定合格的零件，因此無法實測漏檢：前後兩個漏檢率及其節省金額都是假設。",
        ),
        _text(
            "The rates before the system are assumptions: a baseline must be measured before the system is switched on.",
            "導入前的比率都是假設：必須在系統啟用之前先量測基準。",
        ),
    ]

    def put(key: str, value: float, source: Text, n: int) -> None:
        assumption: Assumption = getattr(inputs, key)
        measured[key] = RoiInput(
            key=key,
            value=value,
            unit=assumption.unit,
            kind="measured",
            source=source,
            n=n,
            assumed_value=assumption.value,
        )

    if reviewed >= enough:
        share = flagged / inspected / reviewed
        put("false_call_rate_after", false_calls * share, _of(false_calls, "false", "件誤判", reviewed), reviewed)
        notes.append(
            _text(
                f"{confirmed * share:.1%} of the inspected frames are confirmed or likely defects. This does not replace the "
                f"assumed {inputs.defective_rate.value:.1%}: the savings would grow with it, though both escape rates are "
                "assumptions.",
                f"受檢影像中有 {confirmed * share:.1%} 為確認或可能的缺陷。此值不會取代假設的 {inputs.defective_rate.value:.1%}："
                "否則節省金額會隨之放大，而前後兩個漏檢率仍是假設。",
            )
        )
        if reviewed < flagged:
            notes.append(
                _text(
                    f"{reviewed} of {flagged} flagged frames are reviewed; the rest is taken to be like them, which holds "
                    "only when they were not picked by how they look.",
                    f"{flagged} 張標示影像中已複判 {reviewed} 張；其餘視為與之相同，前提是沒有依外觀挑選。",
                )
            )
    else:
        notes.append(
            _text(
                f"The false-call rate is assumed: not enough reviews yet: n = {reviewed}, need {enough}.",
                f"誤判率為假設：複判數量不足，目前 n = {reviewed}，需要 {enough}。",
            )
        )
    if seconds is not None and timed >= enough:
        put("review_minutes", seconds / 60, _text(f"mean of {timed} timed reviews", f"{timed} 次計時複判的平均"), timed)
    else:
        notes.append(
            _text(
                f"Review minutes are assumed: not enough timed reviews yet: n = {timed}, need {enough}.",
                f"複判時間為假設：計時複判數量不足，目前 n = {timed}，需要 {enough}。",
            )
        )
    return measured, notes


def _of(part: int, what: str, what_zh: str, reviewed: int) -> Text:
    return _text(f"{part} {what} of {reviewed} reviewed flags", f"{reviewed} 件已複判中有 {part} {what_zh}")


def _text(en: str, zh_hant: str) -> Text:
    return Text(en=en, zh_hant=zh_hant)

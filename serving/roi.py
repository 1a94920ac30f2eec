"""Return on investment: the plant's assumptions with what was measured in their place, beside the case study."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection

from data.wording import Text, text
from serving.assumptions import Assumption, Assumptions, Inputs, current, set_at, version_of
from serving.measured import Measured, Measurement, measure
from serving.odds import Uncertain, odds
from serving.payoff import MONTHS, Payoff, payoff
from serving.plant_day import day_of
from serving.roi_schema import (
    Alternative,
    CashFlow,
    Category,
    Contradiction,
    Copq,
    RoiInput,
    RoiLine,
    RoiReport,
    RoiScenario,
)
from serving.settings import Settings

Name = Literal["case_study", "measured", "what_if"]


def report(connection: Connection, given: Assumptions, settings: Settings) -> RoiReport:
    """Both scenarios; a measured value takes an assumption's place once it rests on enough observations."""
    plant, measured = current(connection, given).inputs, measure(connection, settings)
    changed = set_at(connection)
    mine = scenario("measured", plant, _with_inspector_time(plant, measured.inputs, measured.seconds_before))
    for item in mine.inputs:
        item.version, item.changed_at, item.reason = changed[item.key]
    notes, now = [*measured.notes], datetime.now(UTC)
    if measured.beside and not any(key.endswith("_before") for key in measured.inputs):
        notes.append(
            text(
                "A baseline is frozen. Its rates are compared and not counted until the same are measured since, by reviews "
                "and audits on its lines and products.",
                "已凍結基準期。其比率僅供對照，待導入後在相同產線與產品以複判與抽查實測同一比率後才計入。",
            )
        )
    elif not any(key.endswith("_before") for key in measured.inputs):
        notes.append(
            text(
                "The rates before the system are assumptions: a baseline must be measured before the system is switched on.",
                "導入前的比率都是假設：必須在系統啟用之前先量測基準。",
            )
        )
    return RoiReport(
        name=given.name,
        currency=given.currency,
        computed_at=now,
        today=day_of(now, settings.zone),
        version=version_of(connection),
        case_study=scenario("case_study", given.inputs, {}),
        measured=mine,
        contradictions=_contradictions(plant, measured),
        notes=notes,
    )


def what_if(connection: Connection, given: Assumptions, settings: Settings, values: Mapping[str, float]) -> RoiScenario:
    """The plant's scenario with other values, which count before measured ones too. Raises a 422 problem for a wrong one."""
    plant = current(connection, given).inputs.with_values(values)
    measured = measure(connection, settings)
    kept = {key: one for key, one in measured.inputs.items() if key not in values}
    whole = None if {"look_seconds", "looked_at_before"} & values.keys() else measured.seconds_before
    return scenario("what_if", plant, _with_inspector_time(plant, kept, whole))


def _with_inspector_time(
    inputs: Inputs, measured: Mapping[str, Measurement], whole: Measurement | None
) -> Mapping[str, Measurement]:
    """The time that inspectors took for each part before, less what the formula counts for false calls, is that of looks at parts
    one by one: together they come to what was measured, whatever is assumed of the false calls."""
    if whole is None:
        return measured
    found = uncertain_inputs(inputs, measured)
    false_calls = found["false_call_rate_before"].value * found["review_minutes"].value * 60
    source = text(
        f"{whole.source.en}: {whole.value:.2f} s for each part in all, less {false_calls:.2f} s for its false calls at today's "
        "minutes",
        f"{whole.source.zh_hant}：每件共 {whole.value:.2f} 秒，扣除以目前複判時間計的誤判 {false_calls:.2f} 秒",
    )
    of_all = text(f"{whole.source.en}: its seconds are of all parts", f"{whole.source.zh_hant}：其秒數涵蓋所有零件")
    # Where looks at flags took less than today, the rest is below zero: today's looks take longer.
    rest = replace(
        whole,
        value=whole.value - false_calls,
        low=whole.low - false_calls,
        high=whole.high - false_calls,
        source=source,
        least=float("-inf"),
    )
    every = Measurement(value=1.0, low=0.0, high=1.0, n=whole.n, spread=None, source=of_all)
    return {**measured, "look_seconds": rest, "looked_at_before": every}


def scenario(name: Name, inputs: Inputs, measured: Mapping[str, Measurement]) -> RoiScenario:
    """The figures for `inputs`, with the measured ones put in their place."""
    uncertain = uncertain_inputs(inputs, measured)
    result = payoff({key: one.value for key, one in uncertain.items()})
    benefits = _benefits(result, uncertain, measured)
    first_year_cost, escapes_before = float(result.first_year_cost), float(result.escapes_before)
    external = float(result.benefits["escapes_avoided"] * result.first_year_share)
    good = float(result.volume - result.defective)
    return RoiScenario(
        name=name,
        defect_reduction=1 - float(result.escapes_after) / escapes_before if escapes_before else 0.0,
        escape_savings=float(result.benefits["escapes_avoided"]),
        throughput_gain=uncertain["cycle_before"].value / uncertain["cycle_after"].value - 1,
        outgoing_ppm_before=_ppm(escapes_before, good),
        outgoing_ppm_after=_ppm(float(result.escapes_after), good),
        benefits=benefits,
        costs=_costs(result, measured),
        copq=_copq(result, uncertain),
        first_year_benefit=float(result.first_year_benefit),
        first_year_cost=first_year_cost,
        first_year_roi=float(result.first_year_roi),
        payback_months=result.payback_months,
        npv=float(result.npv),
        irr=result.irr,
        cash_flow=_cash_flow(result),
        alternatives=[
            Alternative(key="external_only", first_year_roi=external / first_year_cost - 1),
            Alternative(key="full_run_rate", first_year_roi=float(result.run_rate) / first_year_cost - 1),
        ],
        odds=odds(uncertain),
        inputs=[_input(key, assumption, uncertain[key], measured.get(key)) for key, assumption in inputs],
    )


def uncertain_inputs(inputs: Inputs, measured: Mapping[str, Measurement]) -> dict[str, Uncertain]:
    """Every number with its spread, the measured ones in their place."""
    found = {}
    for key, assumption in inputs:
        chosen: Assumption | Measurement = measured.get(key, assumption)
        found[key] = Uncertain(chosen.value, chosen.spread, chosen.least, assumption.most)
    return found


_RESTS_ON = {
    "escapes_avoided": ("quality", ("escape_rate_before", "escape_rate_after", "defective_rate", "escape_cost")),
    "line_hours_saved": ("cost", ("cycle_before", "cycle_after", "line_hour_cost")),
    "false_calls_fewer": ("efficiency", ("false_call_rate_before", "false_call_rate_after", "review_minutes", "wage")),
    "looks_saved": ("efficiency", ("looked_at_before", "look_seconds", "review_minutes", "wage")),
    "rework_avoided": ("efficiency", ("rework_avoided", "rework_cost")),
    "extra_units_sold": ("revenue", ("extra_units_sold", "unit_margin")),
    "customers_kept": ("revenue", ("retained_margin",)),
    "caught_in_house": ("cost", ("escape_rate_before", "escape_rate_after", "internal_failure_cost")),
}


def _benefits(result: Payoff, inputs: Mapping[str, Uncertain], measured: Mapping[str, Measurement]) -> list[RoiLine]:
    value = {key: one.value for key, one in inputs.items()}
    avoided = float(result.escapes_before - result.escapes_after)
    hours, calls = float(result.hours_saved), float(result.false_calls_fewer)
    formulas = {
        "escapes_avoided": text(
            f"{avoided:,.0f} escapes avoided x {value['escape_cost']:,.2f}",
            f"減少漏檢 {avoided:,.0f} 件 x {value['escape_cost']:,.2f}",
        ),
        "line_hours_saved": text(
            f"{hours:,.0f} line hours saved x {value['line_hour_cost']:,.2f}",
            f"節省產線工時 {hours:,.0f} 小時 x {value['line_hour_cost']:,.2f}",
        ),
        "false_calls_fewer": text(
            f"{calls:,.0f} false calls fewer x {value['review_minutes']:,.2f} min x {value['wage']:,.2f} an hour",
            f"減少誤判 {calls:,.0f} 件 x {value['review_minutes']:,.2f} 分鐘 x 每小時 {value['wage']:,.2f}",
        ),
        "looks_saved": text(
            f"({float(result.looked_at):,.0f} parts looked at one by one x {value['look_seconds']:,.2f} s - "
            f"{float(result.caught_of_looked_at):,.0f} true flags x {value['review_minutes']:,.2f} min) x "
            f"{value['wage']:,.2f} an hour",
            f"（逐件檢視 {float(result.looked_at):,.0f} 件 x {value['look_seconds']:,.2f} 秒 - "
            f"正確標示 {float(result.caught_of_looked_at):,.0f} 件 x {value['review_minutes']:,.2f} 分鐘）x "
            f"每小時 {value['wage']:,.2f}",
        ),
        "rework_avoided": text(
            f"{value['rework_avoided']:,.0f} parts not reworked x {value['rework_cost']:,.2f}",
            f"免重工 {value['rework_avoided']:,.0f} 件 x {value['rework_cost']:,.2f}",
        ),
        "extra_units_sold": text(
            f"{value['extra_units_sold']:,.0f} more parts sold x {value['unit_margin']:,.2f}",
            f"增加銷售 {value['extra_units_sold']:,.0f} 件 x {value['unit_margin']:,.2f}",
        ),
        "customers_kept": text("margin of customers kept", "留住客戶的毛利"),
        "caught_in_house": text(
            f"-{avoided:,.0f} defects now scrapped or reworked x {value['internal_failure_cost']:,.2f}",
            f"-{avoided:,.0f} 件缺陷改在廠內報廢或重工 x {value['internal_failure_cost']:,.2f}",
        ),
    }
    attributed = value["attribution"]
    if attributed != 1:
        formulas = {
            key: text(f"({one.en}) x {attributed:.0%}", f"（{one.zh_hant}）x {attributed:.0%}")
            for key, one in formulas.items()
        }
    lines = []
    for key, run_rate in result.benefits.items():
        category, rests_on = _RESTS_ON[key]
        lines.append(
            RoiLine(
                key=key,
                category=_category(category),
                run_rate=float(run_rate),
                first_year=float(run_rate * result.first_year_share),
                formula=formulas[key],
                # A sum of nothing rests on nothing.
                measured=bool(run_rate) and any(one in measured for one in rests_on),
            )
        )
    return lines


def _category(name: str) -> Category:
    match name:
        case "quality" | "cost" | "efficiency" | "revenue":
            return name
    raise AssertionError(name)


def _costs(result: Payoff, measured: Mapping[str, Measurement]) -> list[RoiLine]:
    once, every = text("once", "一次性"), text("every year", "每年")
    run = float(result.costs["run"])
    development, implementation = float(result.costs["development"]), float(result.costs["implementation"])
    kinds: list[tuple[Category, float, float, Text]] = [
        ("development", 0, development, once),
        ("implementation", 0, implementation, once),
        ("run", run, run, every),
    ]
    return [
        RoiLine(
            key=kind, category=kind, run_rate=run_rate, first_year=first, formula=formula, measured=kind in measured
        )
        for kind, run_rate, first, formula in kinds
    ]


def _copq(result: Payoff, inputs: Mapping[str, Uncertain]) -> list[Copq]:
    value = {key: one.value for key, one in inputs.items()}
    volume, defective = float(result.volume), float(result.defective)
    look = value["review_minutes"] / 60 * value["wage"]

    def internal(escapes: float) -> float:
        return (defective - escapes) * value["internal_failure_cost"]

    before, after = float(result.escapes_before), float(result.escapes_after)
    return [
        Copq(category="prevention", before=0, after=float(result.costs["run"])),
        Copq(
            category="appraisal",
            before=volume * value["false_call_rate_before"] * look
            + float(result.looked_at) * value["look_seconds"] / 3600 * value["wage"],
            after=(volume * value["false_call_rate_after"] + float(result.caught_of_looked_at)) * look,
        ),
        Copq(category="internal_failure", before=internal(before), after=internal(after)),
        Copq(category="external_failure", before=before * value["escape_cost"], after=after * value["escape_cost"]),
    ]


def _cash_flow(result: Payoff) -> list[CashFlow]:
    run_rate, run = float(result.run_rate), float(result.costs["run"]) / MONTHS
    cumulative = -float(result.once)
    flows = [CashFlow(month=0, benefit=0, cost=float(result.once), cumulative=cumulative)]
    for month in range(1, result.years * MONTHS + 1):
        benefit = run_rate * float(result.share(month - 1, month))
        cumulative += benefit - run
        flows.append(CashFlow(month=month, benefit=benefit, cost=run, cumulative=cumulative))
    return flows


def _input(key: str, assumption: Assumption, uncertain: Uncertain, measured: Measurement | None) -> RoiInput:
    low, high = uncertain.ends or (None, None)
    return RoiInput(
        key=key,
        value=uncertain.value,
        unit=assumption.unit,
        kind=assumption.kind if measured is None else "measured",
        source=assumption.source if measured is None else measured.source,
        author=assumption.author,
        n=None if measured is None else measured.n,
        low=low,
        high=high,
        assumed_value=assumption.value,
        version=None,
        changed_at=None,
        reason=None,
        least=min(assumption.least, uncertain.value),
        most=assumption.most,
    )


def _contradictions(inputs: Inputs, measured: Measured) -> list[Contradiction]:
    found = []
    for key, assumption in inputs:
        one, bound, beside = (each.get(key) for each in (measured.inputs, measured.at_least, measured.beside))
        if one is not None and not one.low <= assumption.value <= one.high:
            sentence = text(
                f"is assumed to be {assumption.value:.4g}, but was measured as {one.value:.4g} "
                f"(95 %: {one.low:.4g} to {one.high:.4g}, n = {one.n:,}); the measured value counts.",
                f"假設為 {assumption.value:.4g}，實測為 {one.value:.4g}"
                f"（95 %：{one.low:.4g} 至 {one.high:.4g}，n = {one.n:,}）；以實測值計算。",
            )
            found.append(_contradiction(key, assumption, one, sentence))
        elif beside is not None and not beside.low <= assumption.value <= beside.high:
            sentence = text(
                f"is assumed to be {assumption.value:.4g}, but the baseline has {beside.value:.4g} "
                f"(95 %: {beside.low:.4g} to {beside.high:.4g}, n = {beside.n:,}). The assumption stays until the same rate is "
                "measured since, or half the change would be guessed.",
                f"假設為 {assumption.value:.4g}，基準期為 {beside.value:.4g}"
                f"（95 %：{beside.low:.4g} 至 {beside.high:.4g}，n = {beside.n:,}）。導入後尚未實測同一比率，故保留假設。",
            )
            found.append(_contradiction(key, assumption, beside, sentence))
        elif one is None and bound is not None and assumption.value < bound.low:
            sentence = text(
                f"is assumed to be {assumption.value:.4g}, but confirmed defects alone are {bound.value:.4g} "
                f"(95 %: from {bound.low:.4g}, n = {bound.n:,}). The assumption stays, because the savings would grow "
                "with it; change it if it is wrong.",
                f"假設為 {assumption.value:.4g}，但僅確認的缺陷就有 {bound.value:.4g}"
                f"（95 %：至少 {bound.low:.4g}，n = {bound.n:,}）。"
                "採用實測會放大節省金額，故保留假設；若有誤請修改。",
            )
            found.append(_contradiction(key, assumption, bound, sentence))
    return found


def _contradiction(key: str, assumption: Assumption, one: Measurement, sentence: Text) -> Contradiction:
    return Contradiction(
        key=key, assumed=assumption.value, measured=one.value, low=one.low, high=one.high, n=one.n, text=sentence
    )


def _ppm(escapes: float, good: float) -> float:
    shipped = good + escapes
    return 1e6 * escapes / shipped if shipped else 0.0

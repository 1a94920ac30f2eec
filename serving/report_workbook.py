"""A report as an Excel file whose figures are live formulas: change an input, and the return follows.

Every formula is written with the value that the server computed, so that a viewer that does not calculate shows the same.
"""

import io
from zoneinfo import ZoneInfo

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from serving.plant_day import day_of
from serving.report_figures import Figure, figures
from serving.report_page import text_in
from serving.report_schema import Report
from serving.report_words import words
from serving.reports import Language

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_LIVE = {
    "roi.measured.first_year_roi": "first_year_roi",
    "roi.measured.first_year_benefit": "first_year_benefit",
    "roi.measured.first_year_cost": "first_year_cost",
    "roi.measured.payback_months": "payback_months",
    "roi.measured.npv": "net_present_value",
    "roi.measured.irr": "internal_rate",
    "roi.measured.defect_reduction": "defect_reduction",
    "roi.measured.throughput_gain": "throughput_gain",
}
"""figures that the model's named cells give"""


def render_workbook(report: Report, language: Language) -> bytes:
    """The whole file in one language."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        book.set_properties({"title": f"{words(language)['title']} {report.period}"})
        _Writer(book, report, language).write()
    return content.getvalue()


class _Writer:
    def __init__(self, book: Workbook, report: Report, language: Language) -> None:
        self._book, self._report, self._language = book, report, language
        self._roi = report.roi.measured
        self._w = words(language)
        currency = report.roi.currency
        self._bold = book.add_format({"bold": True})
        self._title = book.add_format({"bold": True, "font_size": 16})
        self._head = book.add_format({"bold": True, "bg_color": "#DCE8F3", "text_wrap": True, "valign": "top"})
        self._wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self._quiet = book.add_format({"font_color": "#55606B", "text_wrap": True, "valign": "top"})
        self._given = book.add_format({"bg_color": "#FFF7D6", "num_format": "#,##0.######"})
        self._kinds = {
            "count": book.add_format({"num_format": "#,##0"}),
            "percent": book.add_format({"num_format": "0.0%"}),
            "money": book.add_format({"num_format": f'"{currency}" #,##0'}),
            "months": book.add_format({"num_format": "0.0"}),
            "seconds": book.add_format({"num_format": "0.0"}),
            "share": book.add_format({"num_format": "0.0000"}),
            "rates": book.add_format({"num_format": "0.00%"}),
            "times": book.add_format({"num_format": "0.00"}),
        }

    def write(self) -> None:
        sheets = {name: self._book.add_worksheet(self._w[f"sheet_{name}"]) for name in _SHEETS}
        for name, sheet in sheets.items():
            sheet.hide_gridlines(2)
            sheet.set_paper(9)
            sheet.fit_to_pages(1, 0)
            getattr(self, f"_{name}")(sheet)

    def _text(self, sheet: Worksheet, row: int, column: int, value: str, form: Format | None = None) -> None:
        # Never a formula, whatever a person typed as a source or name.
        sheet.write_string(row, column, value, form)

    def _header(self, sheet: Worksheet, row: int, *names: str) -> None:
        for column, name in enumerate(names):
            self._text(sheet, row, column, self._w[name], self._head)

    def _summary(self, sheet: Worksheet) -> None:
        report = self._report
        sheet.set_column(0, 0, 46)
        sheet.set_column(1, 1, 22)
        sheet.set_column(2, 2, 44)
        self._text(sheet, 0, 0, f"{self._w['title']}, {report.period}", self._title)
        days = f"{report.first_day} {self._w['to']} {report.last_day} ({report.time_zone})"
        self._text(sheet, 1, 0, days)
        if not report.complete:
            self._text(sheet, 2, 0, self._w["unfinished"], self._quiet)
        row = 3
        for figure in figures(report):
            self._text(sheet, row, 0, self._label(figure))
            form = self._kinds[figure.kind]
            if figure.value is None:
                self._text(sheet, row, 1, self._w["unknown"])
            elif (name := _LIVE.get(figure.path)) is not None:
                sheet.write_formula(row, 1, f"={name}", form, figure.value)
            else:
                sheet.write_number(row, 1, figure.value, form)
            self._text(sheet, row, 2, figure.path, self._quiet)
            row += 1
        row += 1
        self._text(sheet, row, 0, self._w["attention"], self._bold)
        lines = [
            f"{self._w[f'input_{one.key}']} {text_in(one.text, self._language)}" for one in report.roi.contradictions
        ]
        if self._roi.odds.certain:
            lines.append(self._certain())
        lines += [text_in(note, self._language) for note in report.roi.notes]
        for line in lines or [self._w["nothing_contradicts"]]:
            row += 1
            sheet.merge_range(row, 0, row, 2, line, self._wrap)
            sheet.set_row(row, 32)

    def _certain(self) -> str:
        return self._w["certain"].format(certain=len(self._roi.odds.certain), total=len(self._roi.inputs))

    def _label(self, figure: Figure) -> str:
        w = self._w
        names = {
            "first_year_roi": "first_year_roi",
            "reaches_target": "chance",
            "loses": "chance_loss",
            "target": "target",
            "first_year_benefit": "benefit",
            "first_year_cost": "cost",
            "payback_months": "payback",
            "npv": "npv",
            "irr": "irr",
            "inspected": "inspected",
            "passed": "passed",
            "review": "review",
            "rejected": "rejected",
            "no_decision": "no_decision",
            "waiting": "waiting",
            "defects_confirmed": "confirmed",
            "false_calls": "false_calls",
            "flag_rate": "flag_rate",
            "confirmed_rate": "confirmed_rate",
            "false_call_rate": "false_call_rate",
            "escape_rate": "escape_rate",
            "override_rate": "override_rate",
            "defect_reduction": "defect_reduction",
            "throughput_gain": "throughput_gain",
            "outgoing_ppm_before": "ppm_before",
            "outgoing_ppm_after": "ppm_after",
            "review_seconds_median": "review_seconds",
        }
        last = figure.path.removesuffix(".value").rpartition(".")[2]
        word = w[names[last]] if last in names else f"{w['first_year_roi']}, {last.upper()}"
        return f"{word} ({w['case_study']})" if ".case_study." in figure.path else word

    def _inputs(self, sheet: Worksheet) -> None:
        sheet.set_column(0, 0, 26)
        sheet.set_column(1, 1, 16)
        sheet.set_column(2, 2, 24)
        sheet.set_column(3, 4, 12)
        sheet.set_column(5, 5, 11)
        sheet.set_column(6, 6, 52)
        sheet.set_column(7, 7, 18)
        self._text(sheet, 0, 0, self._w["change_hint"], self._quiet)
        self._header(sheet, 1, "input", "value", "unit", "p5", "p95", "kind", "source", "author", "version")
        tab = self._w["sheet_inputs"]
        for row, one in enumerate(self._roi.inputs, 2):
            self._text(sheet, row, 0, self._w[f"input_{one.key}"])
            sheet.write_number(row, 1, one.value, self._given)
            self._text(sheet, row, 2, text_in(one.unit, self._language))
            if one.key in self._roi.odds.certain:
                self._text(sheet, row, 3, self._w["certain_mark"], self._quiet)
            elif one.low is not None and one.high is not None:
                sheet.write_number(row, 3, one.low)
                sheet.write_number(row, 4, one.high)
            self._text(sheet, row, 5, self._w[f"kind_{one.kind}"])
            self._text(sheet, row, 6, text_in(one.source, self._language), self._wrap)
            self._text(sheet, row, 7, one.author)
            sheet.write_number(row, 8, one.version or 0)
            self._book.define_name(f"in_{one.key}", f"='{tab}'!$B${row + 1}")
        sheet.freeze_panes(2, 1)

    def _model(self, sheet: Worksheet) -> None:
        """serving.payoff, term by term, in cells that have the names of its terms."""
        sheet.set_column(0, 0, 46)
        sheet.set_column(1, 1, 22)
        tab, row = self._w["sheet_model"], 0
        roi = self._roi
        benefit = {line.key: line.run_rate for line in roi.benefits}
        value = {one.key: one.value for one in roi.inputs}
        volume = value["lines"] * value["hours_per_line"] * 3600 / value["cycle_before"]
        extra = value["extra_units_sold"] * value["cycle_after"] / 3600
        before, after = (
            volume * value["defective_rate"] * value[f"escape_rate_{side}"] for side in ("before", "after")
        )
        run_rate = sum(benefit.values())
        years = int(value["years"])
        flow = roi.cash_flow
        yearly = [
            sum(month.benefit - month.cost for month in flow[1 + 12 * year : 13 + 12 * year]) for year in range(years)
        ]

        def add(name: str, label: str, formula: str, result: float | None, kind: str) -> None:
            nonlocal row
            self._text(sheet, row, 0, label)
            sheet.write_formula(row, 1, f"={formula}", self._kinds[kind], "" if result is None else result)
            self._book.define_name(name, f"='{tab}'!$B${row + 1}")
            row += 1

        def gap(title: str) -> None:
            nonlocal row
            row += row > 0
            self._text(sheet, row, 0, title, self._bold)
            row += 1

        w = self._w
        add("volume", w["volume"], "in_lines*in_hours_per_line*3600/in_cycle_before", volume, "count")
        hours = volume * (value["cycle_before"] - value["cycle_after"]) / 3600 - extra
        add(
            "hours_saved",
            w["hours_saved"],
            "volume*(in_cycle_before-in_cycle_after)/3600-in_extra_units_sold*in_cycle_after/3600",
            hours,
            "count",
        )
        add("escapes_before", w["escapes_before"], "volume*in_defective_rate*in_escape_rate_before", before, "count")
        add("escapes_after", w["escapes_after"], "volume*in_defective_rate*in_escape_rate_after", after, "count")
        add("avoided", w["avoided"], "escapes_before-escapes_after", before - after, "count")
        fewer = volume * (value["false_call_rate_before"] - value["false_call_rate_after"])
        add("fewer", w["fewer"], "volume*(in_false_call_rate_before-in_false_call_rate_after)", fewer, "count")
        gap(w["run_rate"])
        for key, formula in _BENEFITS.items():
            label = w[key] if key in w else w[f"benefit_{key}"]
            add(f"benefit_{key}", label, f"({formula})*in_attribution", benefit[key], "money")
        total = "+".join(f"benefit_{key}" for key in _BENEFITS)
        add("run_rate", w["total"], total, run_rate, "money")
        gap(w["first_year"])
        share = roi.first_year_benefit / run_rate if run_rate else 0.0
        add("share_1", w["share"], f"({_ramped(12)})/12", share, "share")
        add("first_year_benefit", w["benefit"], "run_rate*share_1", roi.first_year_benefit, "money")
        cost = {line.key: line.first_year for line in roi.costs}
        for key in ("development", "implementation", "run"):
            add(f"cost_{key}", w[key], f"in_{key}*in_cost_overrun", cost[key], "money")
        add(
            "first_year_cost",
            w["cost"],
            "cost_development+cost_implementation+cost_run",
            roi.first_year_cost,
            "money",
        )
        add(
            "first_year_roi",
            w["first_year_roi"],
            "first_year_benefit/first_year_cost-1",
            roi.first_year_roi,
            "percent",
        )
        escape = benefit["escapes_avoided"] * share / roi.first_year_cost - 1
        add("external_only", w["external_only"], "benefit_escapes_avoided*share_1/first_year_cost-1", escape, "percent")
        full = run_rate / roi.first_year_cost - 1
        add("full_run_rate", w["full_run_rate"], "run_rate/first_year_cost-1", full, "percent")
        add(
            "defect_reduction",
            w["defect_reduction"],
            "IF(escapes_before>0,avoided/escapes_before,0)",
            roi.defect_reduction,
            "percent",
        )
        add("throughput_gain", w["throughput_gain"], "in_cycle_before/in_cycle_after-1", roi.throughput_gain, "percent")
        gap(w["cash_flow"])
        add("once", w["once"], "cost_development+cost_implementation", flow[0].cost, "money")
        first = row
        add("year_0", f"{w['year']} 0", "-once", -flow[0].cost, "money")
        for year, amount in enumerate(yearly, 1):
            ramped = f"(({_ramped(12 * year)})-({_ramped(12 * year - 12)}))/12"
            add(f"year_{year}", f"{w['year']} {year}", f"run_rate*{ramped}-cost_run", amount, "money")
        last = row
        add("net_present_value", w["npv"], f"B{first + 1}+NPV(in_discount_rate,B{first + 2}:B{last})", roi.npv, "money")
        add("internal_rate", w["irr"], f'IFERROR(IRR(B{first + 1}:B{last}),"")', roi.irr, "percent")
        add("payback_months", w["payback"], _PAYBACK, roi.payback_months, "months")

    def _cash_flow(self, sheet: Worksheet) -> None:
        sheet.set_column(0, 0, 10)
        sheet.set_column(1, 3, 20)
        self._header(sheet, 0, "month", "benefit_month", "cost_month", "cumulative")
        money = self._kinds["money"]
        for row, one in enumerate(self._roi.cash_flow, 1):
            sheet.write_number(row, 0, one.month)
            if one.month == 0:
                sheet.write_number(row, 1, 0, money)
                sheet.write_formula(row, 2, "=once", money, one.cost)
                sheet.write_formula(row, 3, f"=B{row + 1}-C{row + 1}", money, one.cumulative)
                continue
            ramped = f"(({_ramped(f'A{row + 1}')})-({_ramped(f'A{row}')}))/12"
            sheet.write_formula(row, 1, f"=run_rate*{ramped}", money, one.benefit)
            sheet.write_formula(row, 2, "=cost_run/12", money, one.cost)
            sheet.write_formula(row, 3, f"=D{row}+B{row + 1}-C{row + 1}", money, one.cumulative)
        last = len(self._roi.cash_flow)
        chart = self._book.add_chart({"type": "line"})
        assert chart is not None
        tab = self._w["sheet_cash_flow"]
        chart.add_series(
            {
                "name": self._w["cumulative"],
                "categories": [tab, 1, 0, last, 0],
                "values": [tab, 1, 3, last, 3],
                "line": {"color": "#22598F", "width": 2.25},
            }
        )
        chart.set_title({"name": self._w["cash_flow"]})
        chart.set_legend({"none": True})
        sheet.insert_chart("F2", chart, {"x_scale": 1.4, "y_scale": 1.3})
        sheet.freeze_panes(1, 0)

    def _odds(self, sheet: Worksheet) -> None:
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 4, 16)
        odds, form = self._roi.odds, self._kinds["percent"]
        self._text(sheet, 0, 0, self._w["probability_hint"], self._quiet)
        for row, (label, value) in enumerate(
            (
                ("P5", odds.p5),
                ("P50", odds.p50),
                ("P95", odds.p95),
                (self._w["target"], odds.target),
                (self._w["chance"], odds.reaches_target),
                (self._w["chance_loss"], odds.loses),
            ),
            1,
        ):
            self._text(sheet, row, 0, label)
            sheet.write_number(row, 1, value, form)
        self._header(sheet, 8, "drivers", "p5", "p95", "at_low", "at_high")
        for row, driver in enumerate(odds.drivers, 9):
            self._text(sheet, row, 0, self._w[f"input_{driver.key}"])
            sheet.write_number(row, 1, driver.low)
            sheet.write_number(row, 2, driver.high)
            sheet.write_number(row, 3, driver.roi_at_low, form)
            sheet.write_number(row, 4, driver.roi_at_high, form)
        start = 11 + len(odds.drivers)
        if odds.certain:
            self._text(sheet, start, 0, self._w["certain_are"], self._bold)
            for row, key in enumerate(odds.certain, start + 1):
                self._text(sheet, row, 0, self._w[f"input_{key}"])
            start += 2 + len(odds.certain)
        self._header(sheet, start, "first_year_roi", "outcomes")
        for row, (edge, count) in enumerate(
            zip(odds.histogram.edges[:-1], odds.histogram.counts, strict=True), start + 1
        ):
            sheet.write_number(row, 0, edge, form)
            sheet.write_number(row, 1, count, self._kinds["count"])
        chart = self._book.add_chart({"type": "column"})
        assert chart is not None
        tab, end = self._w["sheet_odds"], start + len(odds.histogram.counts)
        chart.add_series(
            {
                "categories": [tab, start + 1, 0, end, 0],
                "values": [tab, start + 1, 1, end, 1],
                "fill": {"color": "#22598F"},
                "gap": 5,
            }
        )
        chart.set_title({"name": self._w["odds"]})
        chart.set_legend({"none": True})
        sheet.insert_chart("G2", chart, {"x_scale": 1.4, "y_scale": 1.3})

    def _quality(self, sheet: Worksheet) -> None:
        sheet.set_column(0, 0, 30)
        sheet.set_column(1, 7, 14)
        quality, w = self._report.quality, self._w
        self._header(sheet, 0, "rate", "numerator", "denominator", "value", "low95", "high95")
        rates = (
            ("flag_rate", quality.flag_rate),
            ("confirmed_rate", quality.confirmed_rate),
            ("false_call_rate", quality.false_call_rate),
            ("escape_rate", quality.escape_rate),
            ("override_rate", self._report.override_rate),
        )
        for row, (name, one) in enumerate(rates, 1):
            self._text(sheet, row, 0, w[name])
            if one.value is None or one.low is None or one.high is None:
                self._text(sheet, row, 3, w["unknown"])
                if one.why_unknown is not None:
                    self._text(sheet, row, 6, text_in(one.why_unknown, self._language), self._quiet)
                continue
            sheet.write_number(row, 2, one.denominator, self._kinds["count"])
            if one.numerator is None:  # estimated from a sample, not one count over another
                sheet.write_number(row, 3, one.value, self._kinds["percent"])
            else:
                sheet.write_number(row, 1, one.numerator, self._kinds["count"])
                sheet.write_formula(row, 3, f"=B{row + 1}/C{row + 1}", self._kinds["percent"], one.value)
            sheet.write_number(row, 4, one.low, self._kinds["percent"])
            sheet.write_number(row, 5, one.high, self._kinds["percent"])
        start, zone = 8, ZoneInfo(self._report.time_zone)
        self._header(
            sheet, start, "days", "inspected", "passed", "review", "rejected", "no_decision", "confirmed", "false_calls"
        )
        for row, day in enumerate(quality.series, start + 1):
            self._text(sheet, row, 0, day_of(day.start, zone).isoformat())
            counts = (
                day.inspected,
                day.passed,
                day.review,
                day.rejected,
                day.no_decision,
                day.defects_confirmed,
                day.false_calls,
            )
            for column, count in enumerate(counts, 1):
                sheet.write_number(row, column, count, self._kinds["count"])
        if quality.series:
            end = start + len(quality.series)
            self._text(sheet, end + 1, 0, w["total"], self._bold)
            totals = (
                quality.inspected,
                quality.passed,
                quality.review,
                quality.rejected,
                quality.no_decision,
                quality.defects_confirmed,
                quality.false_calls,
            )
            for column, count in enumerate(totals, 1):
                letter = "ABCDEFGH"[column]
                formula = f"=SUM({letter}{start + 2}:{letter}{end + 1})"
                sheet.write_formula(end + 1, column, formula, self._kinds["count"], count)

    def _figures(self, sheet: Worksheet) -> None:
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 34)
        sheet.set_column(2, 5, 14)
        sheet.set_column(6, 6, 70)
        self._header(sheet, 0, "line", "item", "value", "low95", "high95", "denominator", "rests_on")
        money = self._book.add_format({"num_format": f'"{self._report.figures.currency}" #,##0'})
        kinds = {
            "share": self._kinds["percent"],
            "per_million": self._kinds["count"],
            "seconds": self._kinds["times"],
            "money": money,
        }
        groups = [(self._w["whole_plant"], one) for one in self._report.figures.groups]
        groups += [(one.name, one) for one in self._report.by_line.groups]
        each = [(name, figure) for name, group in groups for figure in group.figures]
        for row, (name, one) in enumerate(each, 1):
            self._text(sheet, row, 0, name)
            self._text(sheet, row, 1, self._w[f"figure_{one.key}"])
            if one.value is None:
                self._text(sheet, row, 2, self._w["unknown"])
            for column, value in enumerate((one.value, one.low, one.high), 2):
                if value is not None:
                    sheet.write_number(row, column, value, kinds[one.unit])
            sheet.write_number(row, 5, one.n, self._kinds["count"])
            self._text(sheet, row, 6, text_in(one.why_unknown or one.rests_on, self._language), self._wrap)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(each), 6)

    def _before(self, sheet: Worksheet) -> None:
        sheet.set_column(0, 0, 32)
        sheet.set_column(1, 11, 14)
        comparison = self._report.comparison
        if comparison is None:
            self._text(sheet, 0, 0, self._w["no_baseline"])
            return
        self._text(sheet, 0, 0, comparison.baseline.name, self._bold)
        sides = [f"{side}{what}" for side in ("before", "after") for what in ("", "_low", "_high")]
        self._header(sheet, 1, "rate", *sides, "change", "change_low", "change_high")
        for row, one in enumerate(comparison.changes, 2):
            timed = one.key == "review_seconds"
            self._text(sheet, row, 0, self._w["seconds_per_part" if timed else one.key])
            form = self._kinds["times" if timed else "rates"]
            rates = (one.before, one.after)
            for column, value in enumerate((end for rate in rates for end in (rate.value, rate.low, rate.high)), 1):
                if value is not None:
                    sheet.write_number(row, column, value, form)
            if one.relative is not None:
                sheet.write_formula(row, 7, f"=E{row + 1}/B{row + 1}-1", self._kinds["percent"], one.relative)
            for column, value in enumerate((one.low, one.high), 8):
                if value is not None:
                    sheet.write_number(row, column, value, self._kinds["percent"])
        for row, caveat in enumerate(comparison.caveats, 3 + len(comparison.changes)):
            self._text(sheet, row, 0, text_in(caveat, self._language))

    def _next(self, sheet: Worksheet) -> None:
        sheet.set_column(0, 0, 30)
        sheet.set_column(1, 5, 18)
        sheet.set_column(6, 7, 24)
        self._header(sheet, 0, "candidate", "expected", "p5", "p50", "p95", "readiness", "step", "missing")
        ranking = self._report.ranking
        for row, item in enumerate([] if ranking is None else ranking.items, 1):
            self._text(sheet, row, 0, item.candidate.name)
            for column, amount in enumerate((item.expected, item.p5, item.p50, item.p95), 1):
                sheet.write_number(row, column, amount, self._kinds["money"])
            sheet.write_number(row, 5, item.readiness, self._kinds["percent"])
            self._text(sheet, row, 6, self._w["step_next" if item.step == "next" else item.step])
            self._text(sheet, row, 7, ", ".join(text_in(one, self._language) for one in item.missing), self._wrap)


_SHEETS = ("summary", "inputs", "model", "cash_flow", "odds", "quality", "figures", "before", "next")

_BENEFITS = {
    "escapes_avoided": "avoided*in_escape_cost",
    "line_hours_saved": "hours_saved*in_line_hour_cost",
    "false_calls_fewer": "fewer*in_review_minutes/60*in_wage",
    "looks_saved": "in_looked_at_before*volume*(in_look_seconds/3600"
    "-in_defective_rate*(1-in_escape_rate_after)*in_review_minutes/60)*in_wage",
    "rework_avoided": "in_rework_avoided*in_rework_cost",
    "extra_units_sold": "in_extra_units_sold*in_unit_margin",
    "customers_kept": "in_retained_margin",
    "caught_in_house": "-avoided*in_internal_failure_cost",
}

# serving.payoff.Payoff.payback_months: within the ramp a square root, after it a line.
_WITHIN = "(cost_run/12+SQRT((cost_run/12)^2+run_rate/6/MAX(in_ramp_months,0.000001)*once))*in_ramp_months*12/run_rate"
_AFTER = 'IF(run_rate<=cost_run,"",(once+run_rate/12*in_ramp_months/2)/((run_rate-cost_run)/12))'
_PAYBACK = f'IF(run_rate<=0,"",IF(in_ramp_months>0,IF({_WITHIN}<=in_ramp_months,{_WITHIN},{_AFTER}),{_AFTER}))'


def _ramped(month: int | str) -> str:
    """Integral of min(t / ramp, 1) from 0 to `month`, as a formula."""
    return f"IF({month}<in_ramp_months,{month}^2/(2*in_ramp_months),{month}-in_ramp_months/2)"

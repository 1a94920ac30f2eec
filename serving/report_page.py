"""A report as one HTML file: it needs no network, prints on A4, and every leading figure carries its exact value."""

import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data.wording import Text
from serving.metrics_schema import Rate
from serving.report_figures import figures
from serving.report_schema import Report
from serving.report_words import words
from serving.reports import Language

# In the order of the figures.
_BY_LINE = ("fpy", "dpmo", "outgoing_ppm", "escape_rate", "overkill", "precision", "review_seconds")

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def render_page(report: Report, language: Language) -> str:
    """The whole page in one language."""
    currency = report.roi.currency
    zone = ZoneInfo(report.time_zone)
    known = {figure.path: figure for figure in figures(report)}
    by_unit: dict[str, Callable[[float], str]] = {
        "share": percent,
        "per_million": lambda value: f"{value:,.0f}",
        "seconds": lambda value: f"{value:,.2f} {words(language)['seconds']}",
        "money": lambda value: money(value, report.figures.currency),
    }
    by_kind: dict[str, Callable[[float], str]] = {
        "count": lambda value: f"{value:,.0f}",
        "percent": percent,
        "money": lambda value: money(value, currency),
        "months": lambda value: f"{value:,.1f}",
        "seconds": lambda value: f"{value:,.1f}",
    }

    def local(at: datetime) -> str:
        return at.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")

    return _environment.get_template("report.html.j2").render(
        report=report,
        roi=report.roi.measured,
        language=language,
        w=words(language),
        figure=lambda path: known[path],
        shown=lambda path: _shown(known[path].value, by_kind[known[path].kind]),
        percent=percent,
        seconds=by_unit["seconds"],
        by_unit=by_unit,
        by_line_keys=_BY_LINE,
        money=lambda value: money(value, currency),
        text=lambda sentence: text_in(sentence, language),
        rate=rate,
        number=number,
        local=local,
        scale=scale,
        ticks=ticks,
    )


def text_in(sentence: Text, language: Language) -> str:
    """A server's sentence in the language of the report."""
    return sentence.en if language == "en" else sentence.zh_hant


def percent(value: float) -> str:
    """A share in 0..1 as people read it: whole from 10 %, else with what it takes to see it."""
    if value and abs(value) < 0.1:
        return f"{value:.2%}" if abs(value) < 0.01 else f"{value:.1%}"
    return f"{value:.0%}" if abs(value) >= 1 else f"{value:.1%}"


def number(value: float) -> str:
    """A number with at most four decimals, without idle zeros."""
    whole, _, decimals = f"{value:,.4f}".partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def money(value: float, currency: str) -> str:
    """An amount in whole units of the currency."""
    return f"{currency} {value:,.0f}"


def rate(one: Rate, shape: Callable[[float], str] = percent) -> str:
    """A rate with its interval and denominator; empty when it is not known."""
    if one.value is None or one.low is None or one.high is None:
        return ""
    return f"{shape(one.value)} ({shape(one.low)} – {shape(one.high)}, n = {one.denominator:,})"


def scale(value: float, low: float, high: float, start: float, end: float) -> float:
    """Where a value between low and high lies between two coordinates, to a hundredth."""
    return round(start + (end - start) * ((value - low) / (high - low) if high > low else 0.5), 2)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round values within low to high, 1, 2 or 5 times a power of ten apart."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough)
    return [round(number * step, 12) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _shown(value: float | None, show: Callable[[float], Any]) -> str:
    return "–" if value is None else str(show(value))

"""The one formula behind every figure of the return on investment: for single numbers, and for many draws at once.

Volume is held at what the lines make before, so a faster cycle saves line hours, but for those that extra sold parts need.
Escapes avoided = volume x defective rate x (escape rate before - after). Parts that people looked at one by one before are
looked at only when flagged since: false calls have a benefit of their own, so that true flags are what is left of it; audits
belong to the running costs. All benefits count by the share of the change that is due to the system, and ramp up linearly from
zero over `ramp_months`. Development and implementation are paid at once, running costs evenly; all three times `cost_overrun`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy_financial
from numpy.typing import NDArray

Values = NDArray[np.float64]
MONTHS = 12


@dataclass(frozen=True)
class Payoff:
    """All arrays have the shape that the inputs broadcast to; money is in the inputs' currency."""

    volume: Values
    hours_saved: Values
    """line hours a year, without those that extra sold parts need"""
    defective: Values
    escapes_before: Values
    escapes_after: Values
    false_calls_fewer: Values
    looked_at: Values
    """parts a year that people looked at one by one before"""
    caught_of_looked_at: Values
    """of these, the defective ones that are flagged since"""
    benefits: dict[str, Values]
    """a year at full run rate"""
    costs: dict[str, Values]
    """of the first year"""
    ramp_months: Values
    discount_rate: Values
    years: int

    @property
    def run_rate(self) -> Values:
        total: Values = np.sum(list(self.benefits.values()), axis=0)
        return total

    @property
    def first_year_share(self) -> Values:
        """Share of a year's run rate that the ramp realises in the first twelve months."""
        return self.share(0, MONTHS)

    @property
    def first_year_benefit(self) -> Values:
        return self.run_rate * self.first_year_share

    @property
    def first_year_cost(self) -> Values:
        total: Values = np.sum(list(self.costs.values()), axis=0)
        return total

    @property
    def once(self) -> Values:
        return self.costs["development"] + self.costs["implementation"]

    @property
    def first_year_roi(self) -> Values:
        return self.first_year_benefit / self.first_year_cost - 1

    @property
    def yearly(self) -> list[Values]:
        """Cash flow of year 0 (what is paid at once) and of each year after it."""
        run = self.costs["run"]
        years = range(self.years)
        later = [self.run_rate * self.share(year * MONTHS, (year + 1) * MONTHS) - run for year in years]
        return [-self.once, *later]

    @property
    def npv(self) -> Values:
        """Net present value of whole years' cash flows, discounted at each year's end."""
        total: Values = np.sum(
            [flow / (1 + self.discount_rate) ** year for year, flow in enumerate(self.yearly)], axis=0
        )
        return total

    @property
    def irr(self) -> float | None:
        """Internal rate of return of whole years' cash flows of single numbers; None when there is none."""
        rate = float(numpy_financial.irr([float(flow) for flow in self.yearly]))
        return None if np.isnan(rate) else rate

    def share(self, since: float, until: float) -> Values:
        """Share of a year's run rate that is realised between two months after the start."""
        return (self._ramped(until) - self._ramped(since)) / MONTHS

    def _ramped(self, month: float) -> Values:
        """Integral of min(t / ramp, 1) from 0 to `month`."""
        ramp = np.maximum(self.ramp_months, 1e-9)
        return np.where(month < ramp, month**2 / (2 * ramp), month - ramp / 2)

    @property
    def payback_months(self) -> float | None:
        """Months until the cumulative cash flow of single numbers is back at zero for good; None when it never is.

        Within the ramp it is monthly t^2 / (2 ramp) - run t - once, after it linear.
        """
        once, ramp = float(self.once), float(self.ramp_months)
        monthly, run = float(self.run_rate) / MONTHS, float(self.costs["run"]) / MONTHS
        if ramp > 0 and monthly > 0:
            within = float((run + np.sqrt(run**2 + 2 * monthly / ramp * once)) * ramp / monthly)
            if within <= ramp:
                return within
        if monthly <= run:
            return None
        return (once + monthly * ramp / 2) / (monthly - run)


def payoff(values: Mapping[str, float | Values]) -> Payoff:
    """The figures for `values`, keyed as serving.assumptions.Inputs; each a number or an array of draws."""
    value = {key: np.asarray(one, np.float64) for key, one in values.items()}
    volume = value["lines"] * value["hours_per_line"] * 3600 / value["cycle_before"]
    extra_hours = value["extra_units_sold"] * value["cycle_after"] / 3600
    hours_saved = volume * (value["cycle_before"] - value["cycle_after"]) / 3600 - extra_hours
    defective = volume * value["defective_rate"]
    escapes_before, escapes_after = defective * value["escape_rate_before"], defective * value["escape_rate_after"]
    avoided = escapes_before - escapes_after
    false_calls_fewer = volume * (value["false_call_rate_before"] - value["false_call_rate_after"])
    looked_at = volume * value["looked_at_before"]
    caught_of_looked_at = looked_at * value["defective_rate"] * (1 - value["escape_rate_after"])
    looks_saved = looked_at * value["look_seconds"] / 3600 - caught_of_looked_at * value["review_minutes"] / 60
    benefits = {
        "escapes_avoided": avoided * value["escape_cost"],
        "line_hours_saved": hours_saved * value["line_hour_cost"],
        "false_calls_fewer": false_calls_fewer * value["review_minutes"] / 60 * value["wage"],
        "looks_saved": looks_saved * value["wage"],
        "rework_avoided": value["rework_avoided"] * value["rework_cost"],
        "extra_units_sold": value["extra_units_sold"] * value["unit_margin"],
        "customers_kept": value["retained_margin"],
        "caught_in_house": -avoided * value["internal_failure_cost"],
    }
    return Payoff(
        volume=volume,
        hours_saved=hours_saved,
        defective=defective,
        escapes_before=escapes_before,
        escapes_after=escapes_after,
        false_calls_fewer=false_calls_fewer,
        looked_at=looked_at,
        caught_of_looked_at=caught_of_looked_at,
        benefits={key: one * value["attribution"] for key, one in benefits.items()},
        costs={key: value[key] * value["cost_overrun"] for key in ("development", "implementation", "run")},
        ramp_months=value["ramp_months"],
        discount_rate=value["discount_rate"],
        years=int(np.max(value["years"])),
    )

"""Which line next: candidates ranked by what they would bring, with its spread, and by how ready their data are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from data.config import load_config
from data.decide import needed_images
from data.errors import InputError
from data.record import Record
from data.wording import Text, text
from serving.assumptions import Inputs
from serving.csv_rows import read_rows
from serving.kpi_schema import MOST_CANDIDATES, Candidate, RankedCandidate, Ranking
from serving.odds import DRAWS, Uncertain, draw
from serving.problem import ProblemError
from serving.spread import Estimated, Lognormal, Normal, Proportion, Spread, Triangular

ENOUGH_IMAGES = 1000
ENOUGH_DEFECTS = needed_images(limit=0.02, delta=0.05)
"""with so many held-out defects and none missed, an escape rate of 2 % is guaranteed at 95 %"""
_READY = 0.6
_UNKNOWN = Lognormal(log_sd=0.5, centre="mean")
"""of a rate or cost whose low and high nobody gave: within a factor of about 2.5 in 95 %"""


class _Candidates(Record):
    candidates: list[Candidate] = Field(min_length=1)


def read_candidates(path: Path) -> list[Candidate]:
    """Candidates of a YAML or CSV file. Raises InputError naming the file and the key or line at fault."""
    if path.suffix.lower() != ".csv":
        return load_config(path, _Candidates).candidates
    try:
        return read_rows(path.read_bytes(), Candidate, text(str(path), str(path)), MOST_CANDIDATES)
    except OSError as error:
        raise InputError(f"candidates {path} cannot be read: {error.strerror}") from error
    except ProblemError as error:
        raise InputError(error.detail) from error


def rank(candidates: Sequence[Candidate], inputs: Inputs, currency: str) -> Ranking:
    """By the plant's own formula: one line of the candidate's volume and costs, all else as the plant assumes.

    The first step is the pilot: among those worth it whose data are ready, the best by expected value and strategic fit.
    """
    names = [one.name for one in candidates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ProblemError(
            422, text(f"candidates: {twice[0]} is named more than once", f"候選點：{twice[0]} 出現不只一次")
        )
    worth = {one.name: _worth(one, inputs) for one in candidates}
    ready = {one.name: _readiness(one) for one in candidates}
    by_value = sorted(candidates, key=lambda one: -float(np.mean(worth[one.name])))
    by_ready = sorted(candidates, key=lambda one: -ready[one.name][0])
    order = [one.name for one in by_ready]
    steps = _steps(by_value, {name: float(np.mean(draws)) for name, draws in worth.items()}, ready)
    items = []
    for place, one in enumerate(by_value, 1):
        draws = worth[one.name]
        p5, p50, p95 = (float(value) for value in np.quantile(draws, (0.05, 0.5, 0.95)))
        items.append(
            RankedCandidate(
                candidate=one,
                expected=float(np.mean(draws)),
                p5=p5,
                p50=p50,
                p95=p95,
                loses=float(np.mean(draws < 0)),
                readiness=ready[one.name][0],
                missing=ready[one.name][1],
                expected_rank=place,
                readiness_rank=order.index(one.name) + 1,
                step=steps[one.name],
            )
        )
    years = int(inputs.years.value)
    return Ranking(currency=currency, years=years, items=items, notes=_notes(items))


def _worth(one: Candidate, inputs: Inputs) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    uncertain = {
        key: Uncertain(assumption.value, assumption.spread, assumption.least, assumption.most)
        for key, assumption in inputs
    }
    before, after = inputs.escape_rate_before.value, inputs.escape_rate_after
    ratio = after.value / before if before else 1.0
    cycle = inputs.cycle_before.value
    uncertain |= {
        "lines": Uncertain(1),
        "hours_per_line": Uncertain(one.volume * cycle / 3600),
        # what another station's camera does for its cycle time nobody knows: it is worth nothing here
        "cycle_after": Uncertain(cycle),
        "extra_units_sold": Uncertain(0),
        "retained_margin": Uncertain(0),
        "rework_avoided": Uncertain(0),
        # a share of parts looked at one by one is of the lines of today
        "looked_at_before": Uncertain(0),
        "defective_rate": _between(one.defective_rate, one.defective_rate_low, one.defective_rate_high, 1.0),
        "escape_rate_before": Uncertain(one.escape_rate),
        "escape_rate_after": Uncertain(
            min(1.0, one.escape_rate * ratio), _times(after.spread, one.escape_rate / before if before else 1.0), 0, 1
        ),
        "escape_cost": _between(one.escape_cost, one.escape_cost_low, one.escape_cost_high, float("inf")),
        "development": Uncertain(0),
        "implementation": Uncertain(one.cost),
        "run": Uncertain(one.run),
    }
    return np.broadcast_to(draw(uncertain).npv, DRAWS)


def _times(spread: Spread | None, factor: float) -> Spread | None:
    """The spread of a number that is `factor` times as large: another station's rate is as unsure as the plant's."""
    match spread:
        case Triangular():
            return Triangular(low=spread.low * factor, high=spread.high * factor)
        case Normal() | Estimated():
            return spread.model_copy(update={"sd": spread.sd * factor})
        case Proportion():
            return spread.model_copy(update={"factor": spread.factor * factor})
        case _:
            return spread


def _between(value: float, low: float | None, high: float | None, most: float) -> Uncertain:
    if low is None and high is None:
        return Uncertain(value, _UNKNOWN, 0, most)
    return Uncertain(
        value, Triangular(low=value if low is None else low, high=value if high is None else high), 0, most
    )


def _readiness(one: Candidate) -> tuple[float, list[Text]]:
    """A third each for a camera, for labelled images, and for images with defects; what is missing in words."""
    images = min(1.0, one.labelled_images / ENOUGH_IMAGES)
    defects = min(1.0, one.defect_images / ENOUGH_DEFECTS)
    missing = []
    if not one.camera:
        missing.append(text("no camera yet", "尚無相機"))
    if images < 1:
        missing.append(
            text(
                f"{one.labelled_images:,} of {ENOUGH_IMAGES:,} labelled images",
                f"已標註影像 {one.labelled_images:,}／{ENOUGH_IMAGES:,} 張",
            )
        )
    if defects < 1:
        missing.append(
            text(
                f"{one.defect_images:,} of {ENOUGH_DEFECTS} images with a defect",
                f"缺陷影像 {one.defect_images:,}／{ENOUGH_DEFECTS} 張",
            )
        )
    return (one.camera + images + defects) / 3, missing


def _steps(
    by_value: Sequence[Candidate], expected: dict[str, float], ready: dict[str, tuple[float, list[Text]]]
) -> dict[str, str]:
    steps = {one.name: "not_worth" for one in by_value if expected[one.name] <= 0}
    worth = [one for one in by_value if expected[one.name] > 0]
    steps |= {one.name: "collect_data" for one in worth if ready[one.name][0] < _READY}
    able = [one for one in worth if ready[one.name][0] >= _READY]
    able.sort(key=lambda one: -expected[one.name] * ready[one.name][0] * (0.7 + 0.1 * one.strategic_fit))
    for place, one in enumerate(able):
        steps[one.name] = ("pilot", "next")[place] if place < 2 else "later"
    return steps


def _notes(items: Sequence[RankedCandidate]) -> list[Text]:
    notes = [
        text(
            "Faster cycles are left out: nobody measured them at these places.",
            "未計入週期縮短：這些檢查點尚未量測。",
        ),
        text(
            "Volume and today's escape rate have no spread and are taken as certain.",
            "年產量與目前漏檢率未給範圍，視為確定。",
        ),
    ]
    for key, en, zh_hant in (
        ("defective_rate", "the defect rate", "缺陷率"),
        ("escape_cost", "the cost of an escape", "每件漏檢成本"),
    ):
        guessed = [
            item.candidate.name
            for item in items
            if getattr(item.candidate, f"{key}_low") is None and getattr(item.candidate, f"{key}_high") is None
        ]
        if guessed:
            notes.append(
                text(
                    f"Without low and high {en} is taken to be within a factor of about 2.5: {', '.join(guessed)}.",
                    f"未提供上下限時，{zh_hant}視為在約 2.5 倍範圍內：{'、'.join(guessed)}。",
                )
            )
    best, second = items[0], items[1] if len(items) > 1 else None
    if second is not None and second.p50 > best.p5:
        notes.append(
            text(
                f"{best.candidate.name} and {second.candidate.name} overlap: their order may be chance.",
                f"{best.candidate.name} 與 {second.candidate.name} 的範圍重疊：先後可能只是偶然。",
            )
        )
    if not any(item.step == "pilot" for item in items):
        notes.append(
            text(
                "No candidate is both worth it and ready: collect images at the first one before any purchase.",
                "沒有候選點同時具備價值與資料：採購前請先在第一名蒐集影像。",
            )
        )
    return notes

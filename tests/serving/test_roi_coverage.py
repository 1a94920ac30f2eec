"""Whether the return's 90 % interval holds the true return, of plants whose truth is known, from counts to P5 and P95."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from data.verdict import Verdict
from serving import changes, measured, odds
from serving.assumptions import Inputs, read_assumptions
from serving.baseline_schema import Baseline, BaselineKind, LineCounts
from serving.escapes import Counts
from serving.measured import measure
from serving.odds import Uncertain, draw
from serving.past_counts import _audits
from serving.payoff import payoff
from serving.quality.allocation import BANDS
from serving.quality.escape import Band, Flags
from serving.roi import scenario, uncertain_inputs
from serving.scope import Piece, Scope
from serving.settings import Settings, load_settings
from serving.spread import Lognormal
from serving.tallies import Span
from tests.conftest import ROOT

NOW = datetime.now(UTC)
LINES = ("a", "b")
MEASURED = (
    "escape_rate_before",
    "escape_rate_after",
    "false_call_rate_before",
    "false_call_rate_after",
    "review_minutes",
)
DRAWS = 1000


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plant takes a hundredth of a second, and the quantiles are off by a fiftieth of the interval's width."""
    monkeypatch.setattr(odds, "DRAWS", DRAWS)
    monkeypatch.setattr(changes, "_DRAWS", DRAWS)
    for cached in (odds._sample, odds._drawn):
        cached.cache_clear()
    yield
    for cached in (odds._sample, odds._drawn):
        cached.cache_clear()


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(ROOT / "configs/serving/default.yaml", [])


@pytest.fixture(scope="module")
def assumed() -> Inputs:
    """The case study, whose share of defective parts is not sure either."""
    inputs = read_assumptions(ROOT / "configs/roi/case_study.yaml").inputs
    unsure = inputs.defective_rate.model_copy(update={"spread": Lognormal(log_sd=0.2, centre="median")})
    return inputs.model_copy(update={"defective_rate": unsure})


@dataclass(frozen=True)
class Plant:
    """What is measured of a plant, how much it looks, and the truth."""

    before: list[LineCounts]
    after: list[LineCounts]
    escapes: Counts
    times: tuple[float, float, int, int]
    truth: dict[str, float]
    assumed: dict[str, float]
    """the truth as drawn from the assumptions alone"""


def simulate(random: np.random.Generator, inputs: Inputs, parts: int, audits: int) -> Plant:
    """Two lines unlike each other. What is not measured is drawn from its assumption's own distribution; what is measured is
    drawn evenly from a wide range, and its counts from it."""
    truth = {
        key: float(Uncertain(one.value, one.spread, one.least, one.most).at(np.array([random.random()]))[0])
        if one.spread is not None
        else one.value
        for key, one in inputs
    }
    drawn_from = dict(truth)
    defective = truth["defective_rate"]
    escape = {"before": random.uniform(0.15, 0.45, 2), "after": random.uniform(0.02, 0.2, 2)}
    false = {"before": random.uniform(0.02, 0.08, 2), "after": random.uniform(0.005, 0.04, 2)}
    made = {side: random.integers(parts // 2, 2 * parts, 2) for side in ("before", "after")}
    share = made["after"] / made["after"].sum()
    for side in ("before", "after"):
        truth[f"escape_rate_{side}"] = float(share @ escape[side])
        truth[f"false_call_rate_{side}"] = float(share @ false[side]) * (1 - defective)
    rows: dict[str, list[LineCounts]] = {"before": [], "after": []}
    all_bands, all_flags = [Band(0)] * (BANDS + 1), Flags(0, 0, 0, 0)
    for side, of_line in rows.items():
        for number, line in enumerate(LINES):
            n = int(made[side][number])
            bad = int(random.binomial(n, defective))
            missed = int(random.binomial(bad, escape[side][number]))
            called = int(random.binomial(n - bad, false[side][number]))
            flagged, passed = called + bad - missed, n - called - bad + missed
            reviewed = flagged if side == "before" else int(random.binomial(flagged, 0.8))
            confirmed = int(random.hypergeometric(bad - missed, called, reviewed)) if flagged else 0
            # The few that look doubtful hold most of the escapes, and are audited more often.
            shares, odd = ([1.0], [1.0]) if side == "before" else ([0.8, 0.15, 0.05], [0.2, 0.3, 0.5])
            good_in, bad_in = random.multinomial(passed - missed, shares), random.multinomial(missed, odd)
            drawn = Band(0)
            for band, (good, hidden) in enumerate(zip(good_in, bad_in, strict=True)):
                chance = min(1.0, audits / len(shares) / max(1, good + hidden) / 2)
                hits, clean = int(random.binomial(hidden, chance)), int(random.binomial(good, chance))
                one = Band.drawn(hits + clean, hits, chance)
                drawn += one
                if side == "after":
                    all_bands[band] += Band(int(good + hidden)) + one
            if side == "after":
                more = Flags(flagged, reviewed, confirmed, reviewed - confirmed)
                all_flags = Flags(
                    *(
                        getattr(all_flags, name) + getattr(more, name)
                        for name in ("flagged", "decided", "confirmed", "false_calls")
                    )
                )
            of_line.append(
                LineCounts(
                    line=line,
                    product="p",
                    inspected=n,
                    flagged=flagged,
                    reviewed=reviewed,
                    false_calls=reviewed - confirmed,
                    confirmed=confirmed,
                    escapes=None,
                    **_audits(drawn if drawn.audited else None),
                )
            )
    minutes = random.uniform(0.2, 2.5)
    looks = random.gamma(2, minutes * 30, 40)
    looks = looks[looks < 300] if minutes < 1 else np.minimum(looks, 299)
    truth["review_minutes"] = (
        minutes if minutes < 1 else float(np.mean(np.minimum(random.gamma(2, minutes * 30, 20_000), 299))) / 60
    )
    times = (float(looks.mean()), float((looks**2).mean()), looks.size, looks.size)
    passed = sum(band.passed for band in all_bands)
    counts = Counts(
        bands=all_bands, flagged={Verdict.REVIEW: all_flags}, inspected=passed + all_flags.flagged, passed=passed
    )
    return Plant(rows["before"], rows["after"], counts, times, truth, drawn_from)


def measure_of(plant: Plant, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> measured.Measured:
    """As the page measures it; only what reads the database is stood in for."""
    since = NOW - timedelta(days=60)
    baseline = Baseline(
        id="1", name="old way", kind=BaselineKind.SESSION, since=since, until=since, counts=plant.before, person="mei",
        reason="known", frozen_at=since, first_day=since.date(), last_day=since.date(),
    )  # fmt: skip
    span = Span(Scope(since, NOW), None, [Piece(since, NOW)])
    answers: dict[str, Any] = {
        "before_system": [baseline],
        "_with_system": span,
        "counts_of": plant.after,
        "frames_a_part": 1.0,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(measured, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(measured.escapes, "count_span", lambda *_: {"": plant.escapes})
    monkeypatch.setattr(measured.escapes, "never_audited", lambda *_: [])
    connection = Mock()
    connection.execute.return_value.one.return_value = plant.times
    return measure(connection, settings)


@dataclass
class Held:
    """How often each interval held, how often it was too low or too high, and how wide it was."""

    inside: dict[str, list[bool]]
    width: list[float]
    measured: list[int]
    above: list[bool]


def coverage(
    assumed: Inputs, settings: Settings, monkeypatch: pytest.MonkeyPatch, plants: int, parts: int, audits: int
) -> Held:
    random = np.random.default_rng([19, parts, audits])
    found = Held({"roi": [], "npv": [], "run_rate": []}, [], [], [])
    for _ in range(plants):
        plant = simulate(random, assumed, parts, audits)
        inputs = measure_of(plant, settings, monkeypatch).inputs
        # What has too few data stays an assumption, whose range holds the truth then.
        plant.truth.update({key: plant.assumed[key] for key in MEASURED if key not in inputs})
        result = payoff(plant.truth)
        told = scenario("measured", assumed, inputs).odds
        low, high = np.quantile(draw(uncertain_inputs(assumed, inputs)).run_rate, (0.05, 0.95))
        found.inside["roi"].append(told.p5 <= float(result.first_year_roi) <= told.p95)
        found.inside["npv"].append(told.npv_p5 <= float(result.npv) <= told.npv_p95)
        found.inside["run_rate"].append(bool(low <= result.run_rate <= high))
        found.width.append(told.p95 - told.p5)
        found.measured.append(len(inputs.keys() & set(MEASURED)))
        found.above.append(float(result.first_year_roi) > told.p95)
    return found


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_the_interval_of_the_return_holds_the_truth(
    assumed: Inputs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """900 plants: many parts and audits, many parts and few audits, few of both. Less data is less sure."""
    found = {
        of: coverage(assumed, settings, monkeypatch, 300, *of) for of in ((20_000, 1000), (20_000, 100), (2000, 100))
    }
    shares = {
        of: {name: round(float(np.mean(held)), 3) for name, held in one.inside.items()} for of, one in found.items()
    }
    # 0.90 less two standard errors of 300 plants
    assert min(min(each.values()) for each in shares.values()) >= 0.865, shares
    assert (
        min(float(np.mean([each[name] for each in shares.values()])) for name in ("roi", "npv", "run_rate")) >= 0.9
    ), shares
    assert all(min(one.measured) == len(MEASURED) for one in found.values()), (
        "the measured numbers were those in the return"
    )
    many, few, least = (float(np.median(one.width)) for one in found.values())
    assert many < 0.7 * few and many < 0.7 * least


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_what_is_measured_too_little_stays_as_unsure_as_it_was_assumed(
    assumed: Inputs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few audits for an escape rate: the assumptions' own ranges hold the truth."""
    found = coverage(assumed, settings, monkeypatch, 300, 5000, 15)
    shares = {name: round(float(np.mean(held)), 3) for name, held in found.inside.items()}
    assert max(found.measured) < len(MEASURED)
    assert min(shares.values()) >= 0.865, shares


def test_a_measured_number_is_never_certain(
    assumed: Inputs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = (
        measure_of(simulate(np.random.default_rng(7), assumed, parts, audits), settings, monkeypatch).inputs
        for parts, audits in ((1000, 100), (200_000, 20_000))
    )
    assert few.keys() >= set(MEASURED)

    def width(one: measured.Measurement) -> float:
        assert one.spread is not None
        low, high = one.spread.quantile(np.array([0.05, 0.95]), one.value)
        return float(high - low)

    for key in set(MEASURED) - {"review_minutes"}:
        assert width(few[key]) > 2 * width(many[key]) > 0, key
    assert width(few["review_minutes"]) > 0


def test_one_set_of_audits_is_counted_once(assumed: Inputs) -> None:
    """An escape that is avoided saves its cost outside, less what it now costs in house; audits move nothing else."""
    values = {key: one.value for key, one in assumed}
    more = payoff(values | {"escape_rate_after": values["escape_rate_after"] - 0.01})
    less = payoff(values)
    fewer = float(less.defective) * 0.01
    assert float(more.run_rate - less.run_rate) == pytest.approx(
        fewer * (values["escape_cost"] - values["internal_failure_cost"]) * values["attribution"]
    )
    moved = {key for key, one in more.benefits.items() if float(one) != pytest.approx(float(less.benefits[key]))}
    assert moved == {"escapes_avoided", "caught_in_house"}

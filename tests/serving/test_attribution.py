"""What a change can be put down to: known truth in simulated plants, and plain words where the data cannot tell."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from serving import attribution
from serving.attribution import Panel, estimate
from tests.conftest import Served

MONDAY = date(2026, 1, 5)


def plant(seed: int, effect: float, lines: int = 8, weeks: int = 26, trend: float = 0.0) -> Panel:
    """Lines of different size and quality, weeks that go up and down, and a system that changes the rate by `effect`."""
    random = np.random.default_rng(seed)
    starts: list[int | None] = [int(week) for week in np.linspace(6, 20, lines)]
    starts[-1] = None
    random.shuffle(starts)  # type: ignore[arg-type]
    exposure = random.integers(5000, 15000, (lines, weeks)).astype(float)
    treated = np.array([np.arange(weeks) >= (weeks if start is None else start) for start in starts])
    shocks = np.cumsum(random.normal(0, 0.1, weeks)) + trend * np.arange(weeks)
    rate = 0.003 * np.exp(random.normal(0, 0.5, lines)[:, None] + shocks + np.log1p(effect) * treated)
    counts = random.poisson(rate * exposure).astype(float)
    days = [MONDAY + timedelta(weeks=week) for week in range(weeks)]
    return Panel([f"line-{number}" for number in range(lines)], days, counts, exposure, starts)


def test_a_true_effect_is_found_within_its_interval() -> None:
    found = [estimate(plant(seed, -0.35), "escapes") for seed in range(10)]
    assert sum(one.low <= -0.35 <= one.high for one in found if one.low is not None and one.high is not None) >= 8
    assert np.mean([one.effect for one in found]) == pytest.approx(-0.35, abs=0.02)
    assert all(one.p_value is not None and one.p_value < 0.01 for one in found)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_over_a_thousand_plants_the_interval_covers_the_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few lines and many; in every other plant the counts vary more than by chance."""
    monkeypatch.setattr(attribution, "MOST_ORDERS", 1)  # the interval needs none
    covered, effects = [], []
    for seed in range(1000):
        random = np.random.default_rng(seed)
        effect, lines = float(random.uniform(-0.5, 0.1)), int(random.integers(3, 9))
        panel = plant(seed, effect, lines)
        if seed % 2:
            noise = np.exp(random.normal(0, 0.3, panel.counts.shape))
            panel = without(panel, counts=np.round(panel.counts * noise))
        found = estimate(panel, "escapes")
        if found.low is not None and found.high is not None and found.effect is not None:
            covered.append(found.low <= effect <= found.high)
            effects.append(np.log1p(found.effect) - np.log1p(effect))
    assert len(covered) > 980
    assert np.mean(covered) >= 0.93
    assert abs(np.mean(effects)) < 3 * np.std(effects) / np.sqrt(len(effects))


def test_a_trend_that_the_naive_comparison_takes_for_the_system_is_not_put_down_to_it() -> None:
    found = [estimate(plant(seed, 0.0, trend=-0.04), "escapes") for seed in range(10)]
    assert np.mean([one.before_after for one in found]) < -0.3
    assert np.mean([one.effect for one in found]) == pytest.approx(0, abs=0.05)
    assert sum(one.p_value < 0.05 for one in found if one.p_value is not None) <= 2


def test_few_lines_cannot_give_a_small_p_value_and_the_answer_says_so() -> None:
    found = estimate(plant(1, -0.6, lines=3), "escapes")
    assert (found.orders, found.tried) == (6, 6)
    assert found.p_value == pytest.approx(1 / 6)
    assert any("no p-value below 0.17 is possible" in caveat.en for caveat in found.caveats)
    assert found.effect is not None and found.effect < -0.4


def test_counts_without_any_chance_in_them_get_no_interval() -> None:
    panel = plant(1, 0.0)
    found = estimate(
        without(panel, counts=np.full_like(panel.counts, 20), exposure=np.full_like(panel.exposure, 1000)), "escapes"
    )
    assert found.effect == pytest.approx(0, abs=1e-6)
    assert (found.low, found.high) == (None, None)
    assert any("planned or rounded" in caveat.en for caveat in found.caveats)


def without(panel: Panel, **changes: Any) -> Panel:
    return Panel(**{**panel.__dict__, **changes})


def single(panel: Panel) -> Panel:
    return Panel(panel.lines[:1], panel.weeks, panel.counts[:1], panel.exposure[:1], [10])


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        (single(plant(0, -0.3)), "A single line (line-0)"),
        (without(plant(0, -0.3), starts=[None] * 8), "No roll-out of these lines"),
        (without(plant(0, -0.3), starts=[10] * 8), "All lines got the system in the same week"),
        (without(plant(0, -0.3), starts=[0, *range(5, 12)]), "Line line-0 has no imported weeks on one side"),
        (without(plant(0, -0.3), counts=np.zeros((8, 26))), "there is nothing to reduce"),
        (Panel([], [], np.zeros((0, 0)), np.zeros((0, 0)), []), "No field returns by line and day are imported"),
    ],
)
def test_data_that_cannot_tell_get_a_sentence_and_no_number(panel: Panel, words: str) -> None:
    found = estimate(panel, "escapes")
    assert (found.effect, found.p_value) == (None, None)
    assert any(words in caveat.en for caveat in found.caveats)


def rows(panel: Panel) -> str:
    lines = ["day,line,product,inspected,escapes"]
    for i, line in enumerate(panel.lines):
        for j, week in enumerate(panel.weeks):
            lines.append(f"{week},{line},cell,{int(panel.exposure[i, j])},{int(panel.counts[i, j])}")
    return "\n".join(lines)


def test_over_http_from_imported_history_and_noted_rollouts(server: Served) -> None:
    panel = plant(3, -0.35, lines=5)
    who = {"person": "mei", "reason": "from the MES"}
    assert server.client.post("/v1/past-counts", content=rows(panel), params=who).status_code == 201
    for line, start in zip(panel.lines, panel.starts, strict=True):
        if start is not None:
            # on a Wednesday: that week is neither before nor after
            body = {"line": line, "day": str(panel.weeks[start] - timedelta(days=5)), **who}
            assert server.client.post("/v1/rollouts", json=body).status_code == 201
    found = server.client.get("/v1/attribution").json()
    assert (found["lines"], found["weeks"], found["orders"]) == (5, 26, 120)
    assert found["low"] < -0.35 < found["high"]
    assert len(found["points"]) == 5 * 26 - 4
    assert found["p_value"] <= 0.05

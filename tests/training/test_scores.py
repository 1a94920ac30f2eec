import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.decide import Thresholds
from data.novelty import fit_novelty
from training.scores import auroc, bootstrap, calibration_error, rate, score, summarise_novelty


def test_counts_by_hand() -> None:
    scores = np.array([0.05, 0.2, 0.6, 0.95, 0.1, 0.4, 0.7, 0.9])
    defect = np.array([False] * 4 + [True] * 4)
    metrics = score(scores, defect, Thresholds(pass_below=0.15, reject_from=0.9))
    assert {name: metric.value for name, metric in metrics.items() if name not in ("test_auroc", "ece")} == {
        "test_accuracy": 0.5,
        "escape_rate": 0.25,
        "overkill_rate": 0.75,
        "reject_good_rate": 0.25,
        "pass_rate": 0.25,
        "review_rate": 0.5,
    }
    assert metrics["test_auroc"].value == pytest.approx(9 / 16)
    assert metrics["escape_rate"].n == 4
    assert metrics["escape_rate"].high == pytest.approx(0.8059, abs=1e-4)  # Clopper-Pearson for 1 of 4


def test_unknown_images_are_neither_passed_nor_rejected() -> None:
    scores = np.array([0.05, 0.2, 0.6, 0.95, 0.1, 0.4, 0.7, 0.9])
    defect = np.array([False] * 4 + [True] * 4)
    unknown = np.array([True, False, False, True, True, False, False, False])
    metrics = score(scores, defect, Thresholds(pass_below=0.15, reject_from=0.9), unknown)
    assert {
        name: metrics[name].value for name in ("escape_rate", "overkill_rate", "reject_good_rate", "review_rate")
    } == {
        "escape_rate": 0.0,
        "overkill_rate": 1.0,
        "reject_good_rate": 0.0,
        "review_rate": 7 / 8,
    }


def test_novelty_is_summarised_as_measured_on_the_test_images() -> None:
    random = np.random.default_rng(0)
    training, held_out, test = (random.normal(1, 0.2, (n, 20)).astype(np.float32) for n in (100, 150, 80))
    novelty = fit_novelty(training, held_out)
    test[:8] *= -1
    summary = summarise_novelty(novelty, test, [str(number) for number in range(80)], len(held_out))
    assert summary.n == 150
    assert summary.expected == pytest.approx(1 / 151)
    assert summary.false_alarm.n == 80
    assert 0.1 <= summary.false_alarm.value < 0.15
    assert summary.false_alarm.low < 0.1 < summary.false_alarm.high


@settings(deadline=None, max_examples=4)
@given(st.integers(0, 1000), st.integers(5, 40))
def test_intervals_hold_their_values(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    defect = np.arange(n) % 2 == 0
    metrics = score(random.random(n), defect, Thresholds(pass_below=0.3, reject_from=0.8))
    for metric in metrics.values():
        assert 0 <= metric.low <= metric.value <= metric.high <= 1


def test_calibration_error_sees_overconfidence() -> None:
    random = np.random.default_rng(0)
    honest = random.random(20_000)
    defect = random.random(20_000) < honest
    assert calibration_error(honest, defect) < 0.02
    assert calibration_error((honest > 0.5).astype(float), defect) > 0.2


def test_frames_of_a_part_are_drawn_together() -> None:
    random = np.random.default_rng(2)
    scores, defect = random.random(40), np.arange(40) % 2 == 0
    copied, parts = (np.tile(scores, 3), np.tile(defect, 3)), [str(number % 40) for number in range(120)]
    once, three = bootstrap(auroc, scores, defect), bootstrap(auroc, *copied, parts)
    assert (three.value, three.low, three.high) == (once.value, once.low, once.high)
    assert bootstrap(auroc, scores, defect, [str(number) for number in range(40)]) == once


def test_rates_of_single_images_have_the_plain_interval() -> None:
    defect, scores = np.arange(60) % 2 == 0, np.random.default_rng(4).random(60)
    at = Thresholds(pass_below=0.3, reject_from=0.8)
    assert score(scores, defect, at) == score(scores, defect, at, groups=[str(number) for number in range(60)])


def test_copies_of_an_image_are_no_further_evidence_of_a_rate() -> None:
    events = np.random.default_rng(5).random(60) < 0.2
    once, thrice = rate(events), rate(np.tile(events, 3), np.tile(np.arange(60), 3))
    assert (thrice.value, thrice.n) == (once.value, 180)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), abs=0.01)
    none = np.zeros(60, bool)
    assert rate(np.tile(none, 3), np.tile(np.arange(60), 3)).high == pytest.approx(rate(none).high)
    assert rate(np.tile(none, 3)).high < 0.5 * rate(none).high


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_interval_of_a_rate_holds_when_frames_of_a_part_fare_alike(share: float) -> None:
    random = np.random.default_rng(6)
    held = []
    for _ in range(300):
        frames = random.integers(1, 8, 60)
        part = np.repeat(np.arange(60), frames)
        # Beta-distributed chances of the parts, correlated by 0.9 within one.
        chance = random.beta(share / 9, (1 - share) / 9, 60)
        events = random.random(len(part)) < chance[part]
        held.append([rate(events, one).low <= share <= rate(events, one).high for one in (part, None)])
    as_parts, as_images = np.mean(held, axis=0)
    assert as_parts > 0.9
    assert as_images < 0.75

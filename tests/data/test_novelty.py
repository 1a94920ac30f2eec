"""Unlike anything seen: what the distance promises about known images, and what it finds."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.novelty import Novelty, false_alarms_expected, fit_novelty

LENGTH = 48

Floats = NDArray[np.float32]


def known(random: np.random.Generator, count: int) -> Floats:
    """Embeddings of one process: five directions of variation round a common one, and a little of every other."""
    directions = np.random.default_rng(0).normal(size=(6, LENGTH))
    mixed = (
        random.normal(size=(count, 5)) @ directions[:5] + 8 * directions[5] + 0.1 * random.normal(size=(count, LENGTH))
    )
    return (mixed * random.uniform(0.5, 2, (count, 1))).astype(np.float32)


def fitted(seed: int = 0, count: int = 300, held_out: int = 200, false_alarm: float = 0.01) -> Novelty:
    random = np.random.default_rng(seed)
    return fit_novelty(known(random, count), known(random, held_out), false_alarm)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 80), st.integers(1, 250), st.sampled_from([0.01, 0.05, 0.2]))
def test_held_out_images_beyond_the_threshold_are_one_fewer_than_expected(
    seed: int, count: int, held_out: int, false_alarm: float
) -> None:
    random = np.random.default_rng(seed)
    training, others = known(random, count), known(random, held_out)
    beyond = fit_novelty(training, others, false_alarm).unknown(others)
    assert beyond.sum() == false_alarms_expected(held_out, false_alarm) - 1


def test_false_alarm_rate_holds_on_new_images() -> None:
    """Split conformal: over many held-out sets of 99 the threshold lets 1 in 100 new images beyond it."""
    random = np.random.default_rng(5)
    training = known(random, 60)
    rates = [fit_novelty(training, known(random, 99)).unknown(known(random, 200)).mean() for _ in range(300)]
    assert np.mean(rates) == pytest.approx(0.01, abs=4 * np.std(rates) / math.sqrt(300))


def test_few_held_out_images_promise_one_in_their_number_and_one() -> None:
    assert false_alarms_expected(16, 0.01) == 1
    novelty = fitted(held_out=16)
    assert 0 < novelty.unknown(known(np.random.default_rng(1), 2000)).mean() < 0.25


def test_other_processes_are_unknown_however_bright() -> None:
    random = np.random.default_rng(2)
    novelty = fitted()
    other = known(random, 100) + 8 * random.normal(size=LENGTH).astype(np.float32)
    assert novelty.unknown(other).all()
    assert novelty.unknown(other * 1e6).all()
    assert novelty.unknown(np.zeros((1, LENGTH), np.float32)).all(), "an image that excites nothing"
    more = known(random, 100)
    assert novelty.distance(1e6 * more) == pytest.approx(novelty.distance(more), rel=1e-4), "length alone is no novelty"


def test_embedding_that_is_not_finite_has_no_distance() -> None:
    bad = np.full((3, LENGTH), np.nan, np.float32)
    bad[1], bad[2] = np.inf, 0
    bad[2, 0] = np.inf
    assert np.isnan(fitted().distance(bad)).all()


def test_equal_images_are_known_and_any_other_is_unknown() -> None:
    black = np.tile(known(np.random.default_rng(0), 1), (20, 1))
    novelty = fit_novelty(black, black[:5])
    assert not novelty.unknown(black).any()
    assert novelty.unknown(known(np.random.default_rng(1), 10)).all()


def test_two_training_images_are_enough_to_tell_another_process() -> None:
    novelty = fitted(count=2, held_out=20)
    assert not novelty.unknown(known(np.random.default_rng(3), 20)).all()
    assert novelty.unknown(-known(np.random.default_rng(3), 20)).all()


def test_only_the_part_that_was_fitted_is_looked_at() -> None:
    novelty, images = fitted(), known(np.random.default_rng(4), 7)
    longer = np.hstack([images, np.full((7, 5), np.nan, np.float32)])
    np.testing.assert_array_equal(novelty.distance(longer), novelty.distance(images))


def test_batches_and_single_images_agree() -> None:
    novelty, images = fitted(), known(np.random.default_rng(4), 7)
    single = np.concatenate([novelty.distance(images[index : index + 1]) for index in range(7)])
    assert novelty.distance(images) == pytest.approx(single, rel=1e-5)


def test_file_gives_the_same_distances_back(tmp_path: Path) -> None:
    novelty, images = fitted(), known(np.random.default_rng(4), 7)
    novelty.write(tmp_path / "novelty.npz")
    np.testing.assert_array_equal(Novelty.read(tmp_path / "novelty.npz").distance(images), novelty.distance(images))
    assert (tmp_path / "novelty.npz").stat().st_size < 4 * 66 * LENGTH + 4096


@pytest.mark.parametrize(
    ("training", "held_out", "message"),
    [
        (np.ones((1, 4)), np.ones((4, 4)), "got 1 and 4"),
        (np.ones((4, 4)), np.ones((0, 4)), "got 4 and 0"),
        (np.full((4, 4), np.nan), np.ones((4, 4)), "finite"),
        (np.ones((4, 5)), np.ones((4, 4)), "length 5"),
    ],
)
def test_what_cannot_be_fitted_is_refused(training: Floats, held_out: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_novelty(training, held_out)

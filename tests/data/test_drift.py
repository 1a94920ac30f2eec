"""Windows of an unchanged source stay below the limits as often as stated; changed ones do not."""

import io

import numpy as np
import pytest

from data.drift import LEAST_SAMPLE, MOST_SAMPLE, Reference, Sample

LENGTH = 17


def draw(random: np.random.Generator, count: int, shift: float = 0, defects: float = 0.2) -> Sample:
    """Heavy-tailed positions, and scores that crowd at both ends."""
    positions = random.standard_t(6, (count, LENGTH)) * 0.8 + shift
    scores = np.where(random.random(count) < defects, random.beta(5, 2, count), random.beta(1, 20, count))
    return Sample(scores.astype(np.float32), positions.astype(np.float32))


def test_unchanged_windows_exceed_the_limits_as_often_as_stated() -> None:
    random = np.random.default_rng(0)
    chance, alarms, windows = 0.01, np.zeros(2), 0
    for _ in range(25):
        reference = Reference.of(draw(random, 300))
        limits = reference.limits(100, chance)
        assert limits.distance is not None
        for _ in range(80):
            window = draw(random, 100)
            alarms += [
                reference.psi(window.scores) > limits.psi,
                reference.distance(window.positions.mean(axis=0)) > limits.distance,
            ]
            windows += 1
    assert (alarms / windows <= chance + 3 * (chance / windows) ** 0.5).all()
    assert (alarms > 0).all(), "limits that nothing ever exceeds find nothing either"


@pytest.mark.heavy
@pytest.mark.parametrize("frames", [20, 200])
def test_far_tail_of_the_limits_holds_too(frames: int) -> None:
    """One in a thousand, on 40,000 windows; the server asks for still rarer ones."""
    random = np.random.default_rng(frames)
    alarms, windows = np.zeros(2), 0
    for _ in range(100):
        reference = Reference.of(draw(random, 400))
        limits = reference.limits(frames, 1e-3)
        assert limits.distance is not None
        for _ in range(400):
            window = draw(random, frames)
            alarms += [
                reference.psi(window.scores) > limits.psi,
                reference.distance(window.positions.mean(axis=0)) > limits.distance,
            ]
            windows += 1
    assert (alarms / windows <= 1.5e-3).all()


def test_a_shift_of_half_a_deviation_shows_in_twenty_frames() -> None:
    random = np.random.default_rng(1)
    reference = Reference.of(draw(random, 300))
    limit = reference.limits(20, 1e-5).distance
    assert limit is not None
    distances = [reference.distance(draw(random, 20, shift=0.6).positions.mean(axis=0)) for _ in range(50)]
    assert min(distances) > limit


def test_another_share_of_defects_shows_in_the_scores() -> None:
    random = np.random.default_rng(2)
    reference = Reference.of(draw(random, 400))
    limit = reference.limits(200, 1e-5).psi
    assert reference.psi(draw(random, 200, defects=0.6).scores) > limit
    assert reference.psi(draw(random, 200).scores) < limit


def test_scores_that_are_nearly_all_equal_are_a_reference_too() -> None:
    """Isotonic calibration gives few different values."""
    scores = np.array([0.0] * 380 + [0.3] * 15 + [1.0] * 5, np.float32)
    reference = Reference.of(Sample(scores, np.empty((400, 0), np.float32)))
    assert reference.counts.sum() == 400
    assert reference.limits(100, 0.01).distance is None
    assert reference.psi(np.zeros(100)) <= reference.limits(100, 0.001).psi
    equal = Reference.of(Sample(np.zeros(100, np.float32), np.empty((100, 0), np.float32)))
    assert equal.psi(np.zeros(50)) == 0


def test_sample_comes_back_from_its_file() -> None:
    sample, file = draw(np.random.default_rng(3), 3 * MOST_SAMPLE), io.BytesIO()
    sample.write(file)
    file.seek(0)
    again = Sample.read(file)
    assert len(again.scores) == MOST_SAMPLE
    assert np.isin(again.scores, sample.scores).all()
    assert again.positions.dtype == np.float32


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (draw(np.random.default_rng(0), LEAST_SAMPLE - 1), "49 frames are no reference; 50 are needed"),
        (Sample(np.full(60, np.nan, np.float32), np.zeros((60, 2), np.float32)), "must be finite"),
    ],
)
def test_too_little_or_broken_is_no_reference(sample: Sample, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reference.of(sample)

"""Healthy frames pass, spoilt ones are named, and the false-alarm rate is the one that was stated."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.image import Pixels
from data.input_health import Fault, InputHealth, Look, fit_input_health, look_at

SIZE = 64


def healthy(random: np.random.Generator) -> Pixels:
    """A frame of one camera: texture of varying brightness, contrast and focus."""
    noise = random.normal(random.uniform(100, 160), random.uniform(30, 50), (SIZE, SIZE, 3)).astype(np.float32)
    grey = cv2.GaussianBlur(noise, (0, 0), random.uniform(0.8, 1.2)).mean(axis=2, keepdims=True)
    return np.repeat(grey.clip(0, 255), 3, axis=2).astype(np.uint8)


def looks(seed: int, count: int) -> list[Look]:
    random = np.random.default_rng(seed)
    return [look_at(healthy(random)) for _ in range(count)]


@pytest.fixture(scope="module")
def health() -> InputHealth:
    return fit_input_health(looks(0, 300), [(640, 480)] * 300)


def spoilt(kind: str) -> Pixels:
    image = healthy(np.random.default_rng(9))
    match kind:
        case "black":
            return np.zeros_like(image)
        case "glare":
            return np.full_like(image, 255)
        case "half saturated":
            image[: SIZE // 2] = 255
            return image
        case "blurred":
            return cv2.GaussianBlur(image, (0, 0), 6).astype(np.uint8)
        case "noisy":
            noise = np.random.default_rng(1).normal(0, 60, (SIZE, SIZE, 1))
            return (image + noise / 3).clip(0, 255).astype(np.uint8)
        case "tinted":
            return (image + np.array([40, 0, -40])).clip(0, 255).astype(np.uint8)
    return np.full_like(image, 128)


@pytest.mark.parametrize(
    ("kind", "faults", "words"),
    [
        ("black", {Fault.DARK}, "darker than the training images: mean brightness 0, usual "),
        ("glare", {Fault.BRIGHT}, "brighter than the training images: mean brightness 255"),
        ("half saturated", {Fault.BRIGHT}, "brighter than the training images"),
        ("blurred", {Fault.BLURRED}, "more blurred than the training images"),
        ("noisy", {Fault.NOISY}, "noisier than the training images"),
        ("tinted", {Fault.COLOUR}, "more colour than the training images"),
        ("flat", {Fault.BLURRED}, "more blurred than the training images: sharpness 0, usual "),
    ],
)
def test_spoilt_frames_are_named_in_words(health: InputHealth, kind: str, faults: set[Fault], words: str) -> None:
    finding = health.check(look_at(spoilt(kind)).measures, 640, 480)
    assert finding is not None
    assert finding.fault in faults
    assert words in finding.reason


def test_another_size_is_another_camera(health: InputHealth) -> None:
    measures = looks(5, 1)[0].measures
    assert health.check(measures, 640, 480) is None
    finding = health.check(measures, 480, 640)
    assert finding is not None
    assert (finding.fault, finding.reason) == (Fault.SIZE, "480 x 640 pixels, training had 640 x 480")


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000), st.sampled_from([60, 200, 400]))
def test_healthy_frames_are_flagged_about_as_often_as_stated(seed: int, count: int) -> None:
    stated = fit_input_health(looks(seed, count), [(SIZE, SIZE)] * count)
    new = looks(seed + 20_000, 300)
    alarms = sum(stated.check(look.measures, SIZE, SIZE) is not None for look in new)
    # The limit itself varies with the images it was chosen on (a beta distribution): six standard deviations of both.
    spread = (stated.expected / count + stated.expected / 300) ** 0.5
    assert alarms / 300 <= stated.expected + 6 * spread


def test_false_alarm_rate_on_average_is_the_stated_one() -> None:
    pool, new = looks(1, 900), looks(2, 900)
    random = np.random.default_rng(0)
    rates, expected = [], 0.0
    for _ in range(30):
        chosen = random.permutation(len(pool))[:150]
        stated = fit_input_health([pool[index] for index in chosen], [(SIZE, SIZE)] * 150)
        rates.append(np.mean([stated.check(look.measures, SIZE, SIZE) is not None for look in new]))
        expected = stated.expected
    assert np.mean(rates) == pytest.approx(expected, abs=0.006)


def test_the_same_picture_is_still_and_another_is_not(health: InputHealth) -> None:
    image = healthy(np.random.default_rng(3))
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1], cv2.IMREAD_COLOR)
    first, same, other = look_at(image), look_at(jpeg.astype(np.uint8)), look_at(healthy(np.random.default_rng(4)))
    assert health.still(first.thumbnail, first.thumbnail)
    assert health.still(first.thumbnail, same.thumbnail)
    assert not health.still(first.thumbnail, other.thumbnail)


def test_parts_that_hardly_differ_are_not_taken_for_one() -> None:
    """The limit follows the training images: where parts differ by little, only less than that is a frozen camera."""
    random = np.random.default_rng(0)
    base = healthy(random).astype(np.float32)
    parts = [look_at((base + cv2.resize(random.normal(0, 4, (8, 8)), (SIZE, SIZE))[..., None]).clip(0, 255).astype(np.uint8))
             for _ in range(60)]  # fmt: skip
    health = fit_input_health(parts, [(SIZE, SIZE)] * 60)
    assert not any(health.still(one.thumbnail, other.thumbnail) for one, other in pairwise(parts))


def test_limits_outlive_the_manifest(health: InputHealth) -> None:
    assert InputHealth.model_validate_json(health.model_dump_json()) == health


def test_one_image_is_not_enough() -> None:
    with pytest.raises(ValueError, match="expected 2 images or more, got 1"):
        fit_input_health(looks(0, 1), [(1, 1)])

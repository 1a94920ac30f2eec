"""Sketches keep near what was near, take little room, and are the same for ever."""

import numpy as np
import pytest

from data.sketch import LENGTH, similarity, sketch, write


def kept(embedding: np.ndarray) -> list[bytes]:
    written = [write(one) for one in sketch(embedding.astype(np.float32))]
    assert all(one is not None for one in written)
    return [one for one in written if one is not None]


def test_nearest_by_sketch_are_nearest_by_embedding() -> None:
    random = np.random.default_rng(0)
    # positive and close together, as pooled activations of one product are
    embeddings = np.abs(random.normal(1, 0.3, (400, 1392))).astype(np.float32)
    embeddings[1:6] = embeddings[0] + random.normal(0, 0.05, (5, 1392))
    one, *others = kept(embeddings)
    nearest = np.argsort(-similarity(one, others))[:5]
    assert set(nearest.tolist()) == {0, 1, 2, 3, 4}
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    assert np.abs(similarity(one, others) - unit[1:] @ unit[0]).max() < 0.03
    assert len(one) == 2 * LENGTH


def test_the_same_image_is_wholly_similar_and_the_opposite_not_at_all() -> None:
    one, opposite = kept(np.array([[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]]))
    same, other = similarity(one, [one, opposite])
    assert same == 1
    assert other < -0.99


def test_another_models_sketch_is_never_similar_and_what_is_not_finite_is_not_kept() -> None:
    (short,), (long,) = kept(np.ones((1, 3))), kept(np.ones((1, 500)))
    assert similarity(short, [long, short]).tolist() == [-1, 1]
    assert similarity(short, []).tolist() == []
    assert write(sketch(np.array([[np.nan, 1]], np.float32))[0]) is None
    assert write(np.empty(0, np.float16)) is None


def test_kept_sketches_can_be_compared_with_those_of_later_versions() -> None:
    (one,) = kept(np.arange(1.0, 1001)[None])
    assert np.frombuffer(one, "<f2")[:3] == pytest.approx([-0.0773, -0.0009, 0.2261], abs=1e-3)

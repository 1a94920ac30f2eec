from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.catalog import CatalogRow
from data.errors import InputError
from data.image import Preprocessing
from training.augment import build_policy
from training.config import FitConfig, ModelConfig, SyntheticConfig, TrainConfig, Transform
from training.dataset import Examples
from training.fit import Device, Epoch, class_weights, fit, predict_logits, with_frozen
from training.network import Network, build_network
from training.synthetic import Synthesis
from training.weights import load_backbone


def row(number: int, label: str, probability: float) -> CatalogRow:
    return CatalogRow(
        path=f"{number}.png",
        label=label,
        defect_probability=probability,
        classes=label,
        group=str(number),
        width=32,
        height=32,
        sha256="0" * 64,
        source="test",
    )


def examples(n: int) -> Examples:
    images = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    rows = [row(index, "defect" if index % 2 else "good", float(index % 2)) for index in range(n)]
    return Examples(rows, images)


@pytest.mark.parametrize(
    ("batch_size", "learning_rate"),
    [(4, 1e20), (16, 1e38)],
    ids=["a loss", "the weights, in the last step of an epoch"],
)
def test_what_is_no_number_is_an_error_and_leaves_no_checkpoint_of_it(
    tmp_path: Path, batch_size: int, learning_rate: float
) -> None:
    network = Network(load_backbone("tf_efficientnet_lite0"), 2, 1, dropout=0.0)
    config = FitConfig(epochs=1, batch_size=batch_size, learning_rate=learning_rate, precision="float32")
    train, seen = examples(16), []
    with pytest.raises(InputError, match=r"loss became (nan|inf) in epoch 1; lower fit.learning_rate"):
        fit(
            network, train, train, ["good", "defect"], build_policy([]), Synthesis(SyntheticConfig()), config, 0,
            tmp_path / "run.pt", Device.choose("float32", "cpu"), lambda epoch: seen.append(epoch.number),
        )  # fmt: skip
    assert seen == [0]
    assert torch.load(tmp_path / "run.pt", weights_only=True)["epoch"] == 0


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_however_few_steps_a_training_has_it_ends(tmp_path: Path, steps: int) -> None:
    network = Network(load_backbone("tf_efficientnet_lite0"), 2, 1, dropout=0.0)
    train, seen = examples(4 * steps), []
    fit(
        network, train, train, ["good", "defect"], build_policy([]), Synthesis(SyntheticConfig()),
        FitConfig(epochs=1, batch_size=4, precision="float32"), 0,
        tmp_path / "run.pt", Device.choose("float32", "cpu"), lambda epoch: seen.append(epoch.number),
    )  # fmt: skip
    assert seen == [0, 1]


def test_image_head_is_solved_with_what_the_places_add(tmp_path: Path) -> None:
    classes = ["good", "dent", "scratch", "spot"]
    rows = [row(index, classes[index % 4], float(index % 4 > 0)) for index in range(40)]
    train, seen = Examples(rows, examples(40).images), []
    fit(
        Network(load_backbone("tf_efficientnet_lite0"), 4, 1, dropout=0.0), train, train, classes, build_policy([]),
        Synthesis(SyntheticConfig()), FitConfig(epochs=0, class_balance=0), 0,
        tmp_path / "run.pt", Device.choose("float32", "cpu"), seen.append,
    )  # fmt: skip
    assert seen[0].val_loss == pytest.approx(seen[0].train_loss, rel=1e-3)


def test_killed_training_with_a_second_opinion_comes_to_the_same_answers(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    train = Examples(examples(24).rows, np.repeat(np.repeat(examples(24).images, 2, axis=1), 2, axis=2))

    def answers(place: Path, last: int) -> NDArray[np.float32]:
        """Go on from what lies at `place`; killed after epoch `last`."""

        def on_epoch(epoch: Epoch) -> None:
            if epoch.number == last:
                raise KilledError

        model = ModelConfig(second_opinion=True, tuned_side=32, image=Preprocessing(width=64, height=64))
        network = build_network(model, [], ["good", "defect"], ["good"])
        device = Device.choose("float32", "cpu")
        fitted = fit(
            network, train, train, ["good", "defect"], build_policy([]), Synthesis(SyntheticConfig()),
            FitConfig(epochs=2, batch_size=8), 0, place, device, on_epoch,
        )  # fmt: skip
        return predict_logits(fitted, train, device).numpy()

    whole = answers(tmp_path / "whole.pt", last=-1)
    with pytest.raises(KilledError):
        answers(tmp_path / "killed.pt", last=1)
    np.testing.assert_array_equal(answers(tmp_path / "killed.pt", last=-1), whole)


def test_what_the_frozen_backbone_sees_is_computed_once_and_goes_along_into_the_folds() -> None:
    model = ModelConfig(second_opinion=True, tuned_side=32, image=Preprocessing(width=32, height=32))
    network = build_network(model, [], ["good", "defect"], ["good"])
    device = Device.choose("float32", "cpu")
    whole = with_frozen(network, examples(20), device)
    assert whole.frozen is not None
    assert network.second is not None
    fold = np.arange(20) % 2 == 0
    alone = with_frozen(network, examples(20).take(fold), device)
    np.testing.assert_allclose(whole.take(fold).frozen, alone.frozen, atol=1e-4)
    network.second.backbone.forward_intermediates = None  # type: ignore[assignment]
    assert with_frozen(network, whole.take(fold), device).frozen is not None


@pytest.mark.parametrize(
    "change", [{"splits": {"seed": 7}}, {"folds": 4}, {"fit": {"epochs": 9}}, {"model": {"dropout": 0.5}}]
)
def test_checkpoints_belong_to_one_recipe_and_its_data(change: dict[str, Any]) -> None:
    plain = {"name": "one", "data": {"source": "elpv"}}
    identity = TrainConfig.model_validate(plain).identity("data")
    assert TrainConfig.model_validate(plain | change).identity("data") != identity
    assert TrainConfig.model_validate(plain).identity("other data") != identity
    assert TrainConfig.model_validate(plain | {"aims": {"escape_rate": 0.2}}).identity("data") == identity


@pytest.mark.parametrize("damage", ["cut off", "one bit"])
def test_damaged_checkpoint_is_named_with_the_way_out(tmp_path: Path, damage: str) -> None:
    checkpoint, train = tmp_path / "run.pt", examples(16)

    def start(epochs: int) -> None:
        network = Network(load_backbone("tf_efficientnet_lite0"), 2, 1, dropout=0.0)
        fit(
            network, train, train, ["good", "defect"], build_policy([]), Synthesis(SyntheticConfig()),
            FitConfig(epochs=epochs), 0, checkpoint, Device.choose("float32", "cpu"), lambda _: None,
        )  # fmt: skip

    start(epochs=0)
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content if damage == "one bit" else content[:-1000])
    with pytest.raises(InputError, match=r"checkpoint .*run\.pt is damaged; delete it to start this training anew"):
        start(epochs=1)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 500), min_size=2, max_size=5), st.floats(0, 1))
def test_class_weights_lift_rare_classes(counts: list[int], balance: float) -> None:
    targets = np.repeat(np.eye(len(counts), dtype=np.float32), counts, axis=0)
    weights = class_weights(targets, balance).numpy()
    assert (np.diff(weights[np.argsort(counts)]) <= 1e-6).all()
    if balance == 1:
        np.testing.assert_allclose(weights * counts, np.mean(counts) * weights.size / weights.size, rtol=1e-4)
    if balance == 0:
        np.testing.assert_array_equal(weights, 1)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["bad", "good", "dent", "hole"]), st.floats(0, 1))
def test_soft_labels_keep_their_probability(label: str, probability: float) -> None:
    one = Examples([row(0, label, probability)], np.zeros((1, 1, 1, 3), np.uint8))
    targets = one.targets(["bad", "good", "dent", "hole"], ok=2)
    assert targets.sum() == pytest.approx(1, abs=1e-6)
    assert targets[0, 2:].sum() == pytest.approx(probability, abs=1e-6)


def test_policy_repeats_from_its_seed() -> None:
    images = examples(4).images
    policy = build_policy([Transform(name="D4", args={"p": 1.0}), Transform(name="GaussNoise", args={"p": 1.0})])
    policy.seed(7)
    first = policy(images)
    policy.seed(7)
    np.testing.assert_array_equal(policy(images), first)
    assert first.dtype == np.uint8
    assert first.shape == images.shape
    assert (first != images).any()

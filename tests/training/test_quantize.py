from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import nn

from data.bundle import Calibration, Floats, Prediction, open_session, run_session
from data.decide import Thresholds
from data.image import Pixels
from training.export import export_onnx
from training.network import DeployedNetwork, Network
from training.operators import declare_missing_operators
from training.quantize import (
    Measured,
    choose_precision,
    describe,
    quantize_within,
    round_weights,
    verdict_agreement,
)

SIZE = 64


def export(file: Path, backbone: nn.Module) -> Pixels:
    """Write the float32 graph of a random network with this backbone; returns the images to calibrate and compare on."""
    torch.manual_seed(0)
    network = Network(backbone, 2, 1, dropout=0.0).eval()
    for layer in network.place_heads:
        nn.init.normal_(layer.weight, std=0.01)
    calibration = Calibration(method="platt", given=[-1, 1], calibrated=[-1, 1], n=1, log_loss={"none": 1.0})
    images = np.random.default_rng(0).integers(0, 256, (24, SIZE, SIZE, 3), dtype=np.uint8)
    export_onnx(DeployedNetwork(network, calibration), images[:2], file)
    return images


def random_backbone(name: str, **arguments: Any) -> nn.Module:
    declare_missing_operators()
    import timm

    torch.manual_seed(1)
    made: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **arguments)
    return made.eval()


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pixels]:
    """A float32 graph with 14 convolutions that may become int8, and its images."""
    file = tmp_path_factory.mktemp("resnet") / "float32.onnx"
    return file, export(file, random_backbone("test_resnet"))


def embeddings(file: Path, images: Pixels) -> Floats:
    return run_session(open_session(file, threads=1), images).embedding


def quantized_weights(file: Path) -> dict[str, bool]:
    """For every convolution of a graph, by the name of its weight: whether that is stored in int8."""
    graph = onnx.load(file).graph
    producer = {output: node for node in graph.node for output in node.output}
    found = {}
    for node in graph.node:
        if node.op_type == "Conv":
            made_by = producer.get(node.input[1])
            found[(made_by or node).input[0 if made_by else 1].removesuffix("_quantized")] = made_by is not None
    return found


def check_quantized(float32: Path, int8: Path, images: Pixels, stem: str) -> None:
    quantize_within(float32, int8, images[:8], lambda _: 0.0, most_loss=0)
    untouched = [name for name, is_int8 in quantized_weights(int8).items() if not is_int8]
    assert sorted(untouched) == [
        f"network.backbone.{stem}.weight",
        "network.place_heads.0.weight",
        "network.place_heads.1.weight",
    ]
    assert np.corrcoef(embeddings(float32, images).ravel(), embeddings(int8, images).ravel())[0, 1] > 0.99


def test_every_convolution_before_the_pooled_maps_is_int8_but_the_first(
    resnet: tuple[Path, Pixels], tmp_path: Path
) -> None:
    float32, images = resnet
    check_quantized(float32, tmp_path / "int8.onnx", images, "conv1.0")
    assert (tmp_path / "int8.onnx").stat().st_size < 0.5 * float32.stat().st_size


@pytest.mark.heavy
@pytest.mark.parametrize(("backbone", "stem"), [("test_efficientnet", "conv_stem"), ("test_convnext", "stem.0")])
def test_other_backbones_are_quantised_alike(backbone: str, stem: str, tmp_path: Path) -> None:
    images = export(tmp_path / "float32.onnx", random_backbone(backbone))
    check_quantized(tmp_path / "float32.onnx", tmp_path / "int8.onnx", images, stem)


def test_the_embedding_keeps_its_mean(resnet: tuple[Path, Pixels], tmp_path: Path) -> None:
    float32, images = resnet
    quantize_within(float32, tmp_path / "int8.onnx", images, lambda _: 0.0, most_loss=0)
    expected, given = (embeddings(file, images).mean(axis=0) for file in (float32, tmp_path / "int8.onnx"))
    np.testing.assert_allclose(given, expected, atol=1e-4 * np.abs(expected).max())


def hostile_resnet() -> nn.Module:
    """One layer makes a channel a thousand times louder, and the next takes it back, which float32 does not notice."""
    backbone: Any = random_backbone("test_resnet", zero_init_last=False)
    block = backbone.layer2[0]
    with torch.no_grad():
        block.bn1.weight[0] *= 1000
        block.conv2.weight[:, 0] /= 1000
    return backbone


def test_layers_that_eight_bits_spoil_stay_in_float32(tmp_path: Path) -> None:
    float32, int8 = tmp_path / "float32.onnx", tmp_path / "int8.onnx"
    images = export(float32, hostile_resnet())
    expected = embeddings(float32, images)
    losses: list[float] = []

    def loss_of(file: Path) -> float:
        losses.append(float(np.abs(embeddings(file, images) - expected).mean() / expected.std()))
        return losses[-1]

    kept = quantize_within(float32, int8, images[:8], loss_of, most_loss=0.02)
    assert losses[0] > 5 * losses[1]
    spared = [name for name, is_int8 in quantized_weights(int8).items() if not is_int8 and ".layer" in name]
    assert spared == ["network.backbone.layer2.0.conv1.weight", "network.backbone.layer2.0.conv2.weight"]
    assert len(kept) == 2


def test_fallback_stops_within_the_bound_and_at_half_of_the_layers(resnet: tuple[Path, Pixels], tmp_path: Path) -> None:
    float32, images = resnet
    int8 = tmp_path / "int8.onnx"

    def attempts(*losses: float) -> tuple[int, int, int]:
        """How many layers are kept and how many are int8 in the file, and how often the loss was asked for."""
        left = list(losses)
        kept = quantize_within(float32, int8, images[:4], lambda _: left.pop(0), most_loss=0.003)
        return len(kept), sum(quantized_weights(int8).values()), len(losses) - len(left)

    assert attempts(0.003, 0, 0, 0) == (0, 14, 1)
    assert attempts(0.1, 0.002, 0, 0) == (2, 12, 2)
    assert attempts(1, 1, 1, 1) == (7, 7, 4)


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=4, max_dims=4, max_side=5),
        elements=st.floats(-8, 8, width=32, allow_subnormal=False),
    )
)
def test_rounded_kernels_keep_their_sum_to_half_a_step(weights: Floats) -> None:
    rounded = round_weights(weights)
    step = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) / 127
    tolerance = 1e-5 * np.abs(weights).max()
    assert (np.abs(rounded - weights) <= step + tolerance).all()
    assert (np.abs(rounded).max(axis=(1, 2, 3)) <= np.abs(weights).max(axis=(1, 2, 3)) + tolerance).all()
    if weights.shape[2] * weights.shape[3] > 1:
        moved = np.abs(rounded.sum(axis=(2, 3)) - weights.sum(axis=(2, 3)))
        assert (moved <= 0.5 * step[..., 0, 0] + 10 * tolerance).all()
    np.testing.assert_allclose(round_weights(rounded), rounded, atol=float(tolerance))


@pytest.mark.parametrize(
    ("milliseconds", "auroc", "kept", "chosen", "why"),
    [
        (2.0, 0.900, 0, "int8", "int8 takes 0.50 x the time of float32"),
        (2.0, 0.896, 0, "int8", "differs by -0.0040 (-0.005 allowed)"),
        (
            2.0,
            0.910,
            5,
            "int8",
            "int8 with 5 layers in float32 takes 0.50 x the time of float32; its AUROC differs by +0.0100",
        ),
        (2.0, 0.890, 0, "float32", "int8 loses 0.0100 AUROC on the held-out images, more than the 0.005 allowed"),
        (2.0, 0.890, 24, "float32", "int8 with 24 layers in float32 loses 0.0100 AUROC"),
        (4.0, 0.900, 0, "float32", "no faster here: 1.00 x"),
        (6.0, 0.900, 0, "float32", "no faster here: 1.50 x"),
    ],
)
def test_int8_is_chosen_only_when_accurate_and_faster(
    milliseconds: float, auroc: float, kept: int, chosen: str, why: str
) -> None:
    given, said = choose_precision(Measured(14, 4.0, 0.9, 0), Measured(4, milliseconds, auroc, kept), most_loss=0.005)
    assert given == chosen
    assert why in said


def test_the_record_compares_int8_with_float32() -> None:
    measured = {"float32": Measured(14, 4.0, 0.9, 0), "int8": Measured(4, 2.0, 0.898, 3)}
    variants = describe(measured, "int8", "faster", 0.96)
    assert [(name, one.chosen, one.bytes, one.why) for name, one in variants.items()] == [
        ("float32", False, 14, "faster"),
        ("int8", True, 4, "faster"),
    ]
    assert variants["int8"].auroc_loss == pytest.approx(0.002)
    assert (variants["int8"].verdict_agreement, variants["int8"].layers_in_float32) == (0.96, 3)
    assert (variants["float32"].auroc_loss, variants["float32"].verdict_agreement) == (0, 1)


def test_verdicts_agree_where_both_lie_between_the_same_thresholds() -> None:
    def prediction(*probabilities: float) -> Prediction:
        one = np.array(probabilities, np.float32)
        return Prediction(np.stack([1 - one, one], 1), one, one[:, None, None], one[:, None])

    thresholds = Thresholds(pass_below=0.2, reject_from=0.8)
    float32, int8 = prediction(0.1, 0.3, 0.7, 0.9), prediction(0.19, 0.2, 0.85, 0.1)
    assert verdict_agreement(float32, float32, thresholds) == 1
    assert verdict_agreement(float32, int8, thresholds) == 0.5

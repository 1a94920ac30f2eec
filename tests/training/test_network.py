import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from data.bundle import Prediction
from data.errors import BundleError
from training.export import check_parity
from training.network import DeployedNetwork, Network, defect_log_odds


class TinyBackbone(nn.Module):
    """Stands in for a timm backbone: four channels, an eighth of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        self.num_features = 4
        self.layer = nn.Conv2d(3, 4, 8, stride=8)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.layer(images)
        return maps


@settings(deadline=None, max_examples=30)
@given(
    classes=st.integers(2, 6),
    data=st.data(),
    slope=st.floats(0.1, 3),
    intercept=st.floats(-2, 2),
    seed=st.integers(0, 99),
)
def test_class_probabilities_add_up_to_the_defect_probability(
    classes: int, data: st.DataObject, slope: float, intercept: float, seed: int
) -> None:
    ok = data.draw(st.integers(1, classes - 1))
    torch.manual_seed(seed)
    network = Network(TinyBackbone(), classes, ok, dropout=0.0)
    images = torch.randint(0, 256, (3, 32, 24, 3), dtype=torch.uint8)
    with torch.inference_mode():
        outputs = DeployedNetwork(network, slope, intercept).eval()(images)
        logits = network.eval()(images)
    expected = torch.sigmoid(slope * defect_log_odds(logits, ok) + intercept)
    torch.testing.assert_close(outputs.defect_probability, expected)
    torch.testing.assert_close(outputs.class_probability[:, ok:].sum(dim=1), outputs.defect_probability)
    torch.testing.assert_close(outputs.class_probability.sum(dim=1), torch.ones(3))
    assert outputs.heatmap.shape == (3, 4, 3)
    assert outputs.embedding.shape == (3, 4)
    if classes == 2:
        local = (torch.logit(outputs.heatmap.double()) - intercept) / slope
        torch.testing.assert_close(local.mean(dim=(1, 2)).float(), defect_log_odds(logits, ok), atol=1e-3, rtol=1e-3)


def test_normalisation_lies_inside_the_network() -> None:
    backbone = TinyBackbone()
    network = Network(backbone, 2, 1, dropout=0.0)
    images = torch.full((1, 8, 8, 3), 255, dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(network.features(images), backbone(torch.ones(1, 3, 8, 8)))


def test_batch_normalisation_keeps_its_statistics() -> None:
    backbone = TinyBackbone()
    backbone.layer = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.BatchNorm2d(4))  # type: ignore[assignment]
    network = Network(backbone, 2, 1, dropout=0.0).train()
    network(torch.zeros(4, 16, 16, 3, dtype=torch.uint8))
    assert backbone.layer[1].running_mean.eq(0).all()


def prediction(defect: float) -> Prediction:
    return Prediction(
        np.array([[1 - defect, defect]], np.float32),
        np.array([defect], np.float32),
        np.full((1, 2, 2), defect, np.float32),
        np.zeros((1, 4), np.float32),
    )


def test_parity_is_the_largest_difference_and_has_a_limit() -> None:
    assert check_parity(prediction(0.5), prediction(0.5005)) == pytest.approx(5e-4, rel=1e-2)
    with pytest.raises(BundleError, match=r"torch and onnxruntime differ in .* by 0\.002"):
        check_parity(prediction(0.5), prediction(0.502))
    with pytest.raises(BundleError):
        check_parity(prediction(0.5), prediction(float("nan")))

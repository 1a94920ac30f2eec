from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from data.bundle import Calibration, Prediction
from data.errors import BundleError, InputError
from data.image import Preprocessing
from training.calibrate import apply
from training.config import ModelConfig
from training.export import TOLERANCE, check_parity, export_onnx
from training.network import DeployedNetwork, Network, build_network, defect_log_odds
from training.operators import declare_missing_operators


class TinyBackbone(nn.Module):
    """Stands in for a timm backbone: four channels at stride 16, six at stride 32."""

    def __init__(self) -> None:
        super().__init__()
        self.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        self.feature_info = [{"num_chs": 4, "reduction": 16}, {"num_chs": 6, "reduction": 32}]
        self.stages = nn.ModuleList([nn.Conv2d(3, 4, 16, stride=16), nn.Conv2d(4, 6, 2, stride=2)])

    def forward_intermediates(self, images: Tensor, indices: list[int], intermediates_only: bool) -> list[Tensor]:
        assert indices == [0, 1]
        assert intermediates_only
        fine = self.stages[0](images)
        return [fine, self.stages[1](fine)]


def calibration(slope: float = 1.0, intercept: float = 0.0) -> Calibration:
    ends = [-1.0, 0.5, 1.0]
    return Calibration(
        method="isotonic", given=ends, calibrated=[slope * end + intercept for end in ends], n=1, log_loss={"none": 1.0}
    )


def network(classes: int = 2, ok: int = 1) -> Network:
    made = Network(TinyBackbone(), classes, ok, dropout=0.0)
    for layer in made.place_heads:
        nn.init.normal_(layer.weight)  # type: ignore[arg-type]
    return made.eval()


@settings(deadline=None, max_examples=30)
@given(
    classes=st.integers(2, 6),
    data=st.data(),
    slope=st.floats(0.1, 3),
    intercept=st.floats(-2, 2),
    seed=st.integers(0, 99),
)
def test_class_probabilities_add_up_to_the_calibrated_defect_probability(
    classes: int, data: st.DataObject, slope: float, intercept: float, seed: int
) -> None:
    ok = data.draw(st.integers(1, classes - 1))
    torch.manual_seed(seed)
    one = network(classes, ok)
    images = torch.randint(0, 256, (3, 64, 96, 3), dtype=torch.uint8)
    with torch.inference_mode():
        outputs = DeployedNetwork(one, calibration(slope, intercept)).eval()(images)
        log_odds = defect_log_odds(one(images).logits, ok)
    torch.testing.assert_close(outputs.defect_probability, torch.sigmoid(slope * log_odds + intercept))
    torch.testing.assert_close(outputs.class_probability[:, ok:].sum(dim=1), outputs.defect_probability)
    torch.testing.assert_close(outputs.class_probability.sum(dim=1), torch.ones(3))
    assert outputs.heatmap.shape == (3, 4, 6)
    assert outputs.embedding.shape == (3, 20)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999))
def test_graph_calibrates_as_the_thresholds_were_chosen(seed: int) -> None:
    random = np.random.default_rng(seed)
    given_knots, calibrated = np.cumsum(random.uniform(0.1, 2, (2, 6)), axis=1) - 5
    chosen = Calibration(
        method="isotonic", given=given_knots.tolist(), calibrated=calibrated.tolist(), n=1, log_loss={"none": 1.0}
    )
    torch.manual_seed(seed)
    one = network()
    images = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        log_odds = defect_log_odds(one(images).logits, 1).numpy()
        given_probability = DeployedNetwork(one, chosen).eval()(images).defect_probability.numpy()
    np.testing.assert_allclose(given_probability, apply(chosen, log_odds), atol=1e-5)


def test_heat_is_hottest_where_the_place_head_sees_most() -> None:
    one = network(3, 1)
    images = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    with torch.inference_mode():
        places = one(images).places
        heat = DeployedNetwork(one, calibration()).eval()(images).heatmap
    strongest = torch.logsumexp(places, dim=1).flatten(1).argmax(dim=1)
    assert (heat.flatten(1).argmax(dim=1) == strongest).all()


def test_an_untrained_place_head_leaves_the_answer_to_the_image_head() -> None:
    one = Network(TinyBackbone(), 2, 1, dropout=0.0).eval()
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(one(images).logits, one.head(one.embed(one.maps(images))))


@pytest.mark.parametrize("classes", [2, 7])
def test_heat_begins_undecided_however_many_classes_there_are(classes: int) -> None:
    one = Network(TinyBackbone(), classes, 1, dropout=0.0)
    images = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    with torch.inference_mode():
        heat = DeployedNetwork(one, calibration()).eval()(images).heatmap
    torch.testing.assert_close(heat, torch.full_like(heat, 0.5))


def test_normalisation_lies_inside_the_network() -> None:
    one = network()
    images = torch.full((1, 32, 32, 3), 255, dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(one.maps(images)[0], one.backbone.stages[0](torch.ones(1, 3, 32, 32)))  # type: ignore[index, operator]


def test_batch_normalisation_keeps_its_statistics() -> None:
    backbone = TinyBackbone()
    norm = nn.BatchNorm2d(4)
    backbone.stages[0] = nn.Sequential(nn.Conv2d(3, 4, 16, stride=16), norm)
    Network(backbone, 2, 1, dropout=0.0).train()(torch.zeros(4, 32, 32, 3, dtype=torch.uint8))
    assert norm.running_mean is not None
    assert norm.running_mean.eq(0).all()


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


def timm_state(name: str) -> dict[str, torch.Tensor]:
    """Random weights of a timm backbone, as a file of the user's own would hold pretrained ones."""
    declare_missing_operators()
    import timm  # not before the operators are declared

    state: dict[str, torch.Tensor] = timm.create_model(name, pretrained=False, num_classes=0).state_dict()
    return state


@pytest.mark.parametrize(("side", "tuned_side"), [(192, None), (224, 128)])
def test_a_size_that_a_vision_transformer_does_not_take_is_refused(
    tmp_path: Path, side: int, tuned_side: int | None
) -> None:
    name, file = "vit_tiny_patch16_224", tmp_path / "weights.pth"
    torch.save(timm_state(name), file)
    image = Preprocessing(width=side, height=side)
    model = ModelConfig(backbone=name, weights=file, image=image, tuned_side=tuned_side)
    with pytest.raises(InputError, match="takes images of 224 x 224 alone"):
        build_network(model, [], ["good", "bad"], ["good"])


def test_a_vision_transformer_answers_alike_in_torch_and_onnxruntime(tmp_path: Path) -> None:
    name, file = "vit_tiny_patch16_224", tmp_path / "weights.pth"
    torch.save(timm_state(name), file)
    made = build_network(ModelConfig(backbone=name, weights=file), [], ["good", "bad"], ["good"])
    images = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    assert export_onnx(DeployedNetwork(made, calibration()), images, tmp_path / "model.onnx") < TOLERANCE


@pytest.mark.parametrize(("tuned_side", "side"), [(None, 6), (64, 8), (48, 6)])
def test_heat_is_no_coarser_than_16_pixels_of_the_image_that_is_given(tuned_side: int | None, side: int) -> None:
    model = ModelConfig(tuned_side=tuned_side, image=Preprocessing(width=96, height=96))
    one = build_network(model, [], ["good", "defect"], ["good"]).eval()
    with torch.inference_mode():
        answers = one(torch.zeros(1, 96, 96, 3, dtype=torch.uint8))
    assert answers.places.shape == (1, 1, side, side)

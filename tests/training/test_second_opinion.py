from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC
from torch import Tensor, nn

from data.bundle import Calibration
from data.image import Preprocessing
from tests.training.test_network import network
from training.config import ModelConfig
from training.export import export_onnx
from training.network import DeployedNetwork, build_network, defect_log_odds
from training.second_opinion import SecondOpinion


def ring(n: int, seed: int) -> tuple[Tensor, NDArray[np.bool_]]:
    """Defects round good parts: no line through the features [n, 2] tells them apart."""
    random = np.random.default_rng(seed)
    defect = random.random(n) < 0.4
    angle, radius = random.uniform(0, 2 * np.pi, n), np.where(defect, 3.0, 1.0) + random.normal(0, 0.3, n)
    return torch.from_numpy(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype(np.float32)), defect


def fitted(n: int = 300, seed: int = 0) -> SecondOpinion:
    second = SecondOpinion(nn.Identity())
    features, defect = ring(n, seed)
    second.fit(features, defect, np.ones(n))
    return second


def test_decides_where_no_line_can() -> None:
    features, defect = ring(500, seed=1)
    assert roc_auc_score(defect, fitted()(features).numpy()) > 0.98


def test_graph_decides_as_the_solver_does() -> None:
    features, defect = ring(300, seed=0)
    certainty = np.where(np.arange(300) % 3 == 0, 2 / 3, 1.0)
    second = SecondOpinion(nn.Identity())
    second.fit(features, defect, certainty)
    rooted = features.sign() * features.abs().sqrt()
    scaled = ((rooted - rooted.mean(0)) / (rooted.std(0) + 1e-6)).numpy()
    machine = SVC(C=4.0, gamma=1 / 2).fit(scaled, defect, sample_weight=certainty)
    np.testing.assert_allclose(second(features).numpy(), machine.decision_function(scaled), atol=1e-4)


def test_state_is_restored_whatever_the_number_of_support_vectors() -> None:
    few, many = fitted(60), fitted(400)
    assert len(few.support) != len(many.support)
    few.load_state_dict(many.state_dict())
    features, _ = ring(50, seed=2)
    torch.testing.assert_close(few(features), many(features))


def test_answer_is_the_mean_of_both_opinions_at_the_same_spread() -> None:
    torch.manual_seed(0)
    one = network(4, 2)
    one.second = SecondOpinion(nn.Identity())
    logits, decisions = torch.randn(200, 4) * 3, torch.randn(200)
    one.second.weigh(defect_log_odds(logits, 2), decisions)
    spread = defect_log_odds(logits, 2).std()
    assert (one.second.scale * decisions).std() == pytest.approx(spread.item(), rel=1e-5)
    expected = (defect_log_odds(logits, 2) + one.second.scale * decisions) / 2
    combined = one.combine(logits, decisions)
    torch.testing.assert_close(defect_log_odds(combined, 2), expected)
    # Which defect it is stays the network's own judgement.
    torch.testing.assert_close(torch.softmax(combined[:, 2:], 1), torch.softmax(logits[:, 2:], 1))


def test_sees_mean_maximum_and_deviation_of_every_channel_at_three_strides() -> None:
    model = ModelConfig(second_opinion=True, tuned_side=32, image=Preprocessing(width=64, height=64))
    one = build_network(model, [], ["good", "defect"], ["good"]).eval()
    assert one.second is not None
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        embedding = one.second_embedding(images)
        at_eight = one.second.backbone.forward_intermediates(  # type: ignore[operator]
            (images.permute(0, 3, 1, 2).float() - one.mean) / one.std, indices=[2], intermediates_only=True
        )[0]
    assert embedding.shape == (2, 3 * (40 + 112 + 320))
    pooled = (at_eight.mean((2, 3)), at_eight.amax((2, 3)), at_eight.std((2, 3), correction=0))
    torch.testing.assert_close(embedding[:, :120], torch.cat(pooled, dim=1))


def test_both_judge_the_embedding_that_int8_corrects(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = ModelConfig(second_opinion=True, tuned_side=32, image=Preprocessing(width=64, height=64))
    one = build_network(model, [], ["good", "defect"], ["good"]).eval()
    assert one.second is not None
    images = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3)).astype(np.uint8)
    embeddings = one.second_embedding(torch.from_numpy(images))
    one.second.fit(embeddings, np.arange(8) % 2 == 0, np.ones(8))
    calibration = Calibration(method="temperature", given=[-1, 1], calibrated=[-1, 1], n=8, log_loss={})
    export_onnx(DeployedNetwork(one, calibration), images, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    readers = [node for node in graph.node if "embedding" in node.input]
    pooled = {
        name for node in graph.node if node.op_type == "Concat" and "embedding" in node.output for name in node.input
    }
    assert len(readers) == 2
    assert not [node for node in graph.node if pooled & set(node.input) and "embedding" not in node.output]

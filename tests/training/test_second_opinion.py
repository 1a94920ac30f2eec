import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC
from torch import Tensor, nn

from tests.training.test_network import network
from training.network import defect_log_odds
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
    scaled = ((features - features.mean(0)) / (features.std(0) + 1e-6)).numpy()
    machine = SVC(C=2.0, gamma=1 / 2).fit(scaled, defect, sample_weight=certainty)
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

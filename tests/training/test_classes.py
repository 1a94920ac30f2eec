"""Several defect classes, from a labelled folder to the answer over HTTP."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.bundle import CARD, Bundle
from data.catalog import read_catalog
from data.image import decode, prepare
from tests.conftest import Served, StartServer
from tests.training_fixture import SIZE, last_json, run_training, tiny_config
from training.evaluate import predict
from training.scores import class_scores

DEFECTS = ["scratch", "spot", "stain"]


def draw(random: np.random.Generator, label: str) -> np.ndarray[Any, Any]:
    noise = cv2.GaussianBlur(random.normal(150, 40, (SIZE, SIZE)).astype(np.float32), (0, 0), 1.5)
    x, y = (int(value) for value in random.integers(20, 44, 2))
    if label == "scratch":
        angle = random.uniform(0, np.pi)
        cv2.line(noise, (x, y), (int(x + 24 * np.cos(angle)), int(y + 24 * np.sin(angle))), 30, 2)
    elif label == "spot":
        cv2.circle(noise, (x, y), 6, 255, -1)
    elif label == "stain":
        mask = np.zeros_like(noise)
        cv2.ellipse(mask, (x, y), (18, 12), random.uniform(0, 180), 0, 360, 1, -1)
        noise -= 80 * cv2.GaussianBlur(mask, (0, 0), 3)
    elif label == "normal":
        noise[::8] -= 40
    return noise.clip(0, 255).astype(np.uint8)


def draw_classes(root: Path, count: int = 24) -> Path:
    """Two OK classes, plain and ribbed, and three defect classes."""
    random = np.random.default_rng(0)
    for label in ["good", "normal", *DEFECTS]:
        (root / label).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(root / label / f"{number:03}.png"), draw(random, label))
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("classes")
    images = draw_classes(directory / "images")
    # A wide escape bound, so that with few images some parts pass and classes of both kinds are answered.
    aims = {"escape_rate": 0.3, "reject_good_rate": 0.3, "delta": 0.3}
    config = tiny_config(directory / "config.yaml", images, directory / "var", aims=aims)
    result = run_training("--config", config)
    assert result.exit_code == 0, result.stderr
    return Path(last_json(result.stdout.splitlines())["bundle"])


@pytest.fixture
def server(start_server: StartServer, trained: Path) -> Served:
    return start_server(bundles=trained.parent)


@pytest.mark.heavy
def test_bundle_tells_the_defect_classes_apart(trained: Path) -> None:
    bundle = Bundle.load(trained)
    manifest = bundle.manifest
    assert manifest.classes == ["good", "normal", *DEFECTS]
    assert manifest.ok_classes == ["good", "normal"]
    catalog = read_catalog(trained.parent.parent / "catalogs" / f"{manifest.name}.csv")
    rows = catalog.of_split("test")
    images = prepare([decode(catalog.file(row).read_bytes()) for row in rows], manifest.preprocessing)
    prediction = predict(bundle.predict, images, "test")
    np.testing.assert_allclose(prediction.class_probability.sum(axis=1), 1, atol=1e-5)
    defects = prediction.class_probability[:, 2:].sum(axis=1)
    np.testing.assert_allclose(defects, prediction.defect_probability, atol=1e-5)
    passed = prediction.defect_probability < manifest.thresholds.pass_below
    labels = [row.label for row in rows]
    scores = class_scores(prediction.class_probability, labels, manifest.classes, manifest.ok_classes, passed)
    assert {score.name for score in scores} == set(labels)
    named = sum(score.taken_for[score.name] for score in scores)
    assert named / len(rows) > 0.7, "chance is 0.2"


@pytest.mark.heavy
def test_flagged_answer_names_a_defect_class_and_a_passed_one_an_ok_class(server: Served, trained: Path) -> None:
    model = Bundle.load(trained).manifest
    catalog = read_catalog(trained.parent.parent / "catalogs" / f"{model.name}.csv")
    named, verdicts = 0, set()
    rows = catalog.of_split("test")
    for row in rows:
        answer = server.inspect(catalog.file(row).read_bytes())
        assert list(answer["class_probability"]) == model.classes
        own_kind = DEFECTS if answer["verdict"] != "PASS" else model.ok_classes
        if answer["verdict"] != "PASS" or answer["defect_probability"] < 0.5:
            assert answer["class"] == max(own_kind, key=answer["class_probability"].__getitem__)
        named += answer["class"] == row.label
        verdicts.add(answer["verdict"])
    assert "PASS" in verdicts
    assert len(verdicts) > 1
    assert named > len(rows) / 2


@pytest.mark.heavy
def test_reviewer_is_offered_every_defect_class_and_the_metrics_count_by_class(server: Served) -> None:
    (model,) = server.client.get("/v1/models").json()
    assert model["defect_classes"] == DEFECTS
    random = np.random.default_rng(1)
    for number, label in enumerate(["spot", "stain", "stain"]):
        picture = cv2.imencode(".png", draw(random, label))[1].tobytes()
        inspection = server.inspect(picture, part_id=f"P-{number}")
        review = {
            "inspection_id": inspection["id"],
            "decision": "DEFECT_CONFIRMED",
            "defect_class": label,
            "reviewer": "ann",
            "decided_at": "2026-11-01T08:00:00Z",
        }
        answer = server.client.put(f"/v1/reviews/00000000-0000-0000-0000-00000000000{number}", json=review)
        assert answer.is_success, answer.text
    assert server.client.get("/v1/metrics/quality").json()["by_class"] == {"spot": 1, "stain": 2}


@pytest.mark.heavy
def test_card_shows_the_confusion_of_the_classes(trained: Path) -> None:
    card = (trained / CARD).read_text(encoding="utf-8")
    assert "Class by class on the test images" in card
    for name in DEFECTS:
        assert f">as {name}</th>" in card


def test_class_scores_by_hand() -> None:
    probability = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.1, 0.2, 0.7], [0.6, 0.1, 0.3], [0.9, 0.1, 0.0]])
    labels = ["good", "spot", "spot", "spot", "good"]
    passed = np.array([True, False, False, True, False])
    good, spot = class_scores(probability, labels, ["good", "scratch", "spot"], ["good"], passed)
    assert (good.name, good.ok, good.flagged.value, good.recall.value) == ("good", True, 0.5, 1.0)
    assert (spot.name, spot.ok) == ("spot", False)
    assert (spot.flagged.value, spot.recall.value) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert spot.taken_for == {"good": 1, "scratch": 1, "spot": 1}
    assert spot.recall.n == 3

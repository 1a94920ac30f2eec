"""A frame unlike anything in training goes to a person, whatever its defect probability."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.bundle import NOVELTY, Bundle, Prediction, read_manifest
from data.errors import BundleError
from data.image import Pixels
from data.novelty import Novelty, fit_novelty
from tests.conftest import Served, StartServer, grey_png, write_brightness_bundle


def colour_png(red: int, green: int, blue: int) -> bytes:
    """An evenly coloured PNG."""
    return cv2.imencode(".png", np.full((300, 300, 3), (blue, green, red), np.uint8))[1].tobytes()


@pytest.fixture(scope="session")
def grey_novelty() -> Novelty:
    """To which grey frames, bright and dark, are known; the embedding is the mean colour."""
    random = np.random.default_rng(0)
    grey = random.uniform(0.02, 1, (150, 1)) * (1 + random.normal(0, 0.01, (150, 3)))
    return fit_novelty(grey[:75].astype(np.float32), grey[75:].astype(np.float32))


@pytest.fixture(scope="session")
def novelty_bundle(tmp_path_factory: pytest.TempPathFactory, grey_novelty: Novelty) -> Path:
    directory = tmp_path_factory.mktemp("novelty_bundles")
    return write_brightness_bundle(directory / "brightness-n", "n", novelty=grey_novelty)


@pytest.fixture
def server(start_server: StartServer, novelty_bundle: Path) -> Served:
    return start_server(bundles=novelty_bundle.parent)


@pytest.mark.parametrize(("brightness", "verdict"), [(0.1, "PASS"), (0.5, "REVIEW"), (0.9, "REJECT")])
def test_known_frame_is_decided_as_ever(server: Served, brightness: float, verdict: str) -> None:
    inspection = server.inspect(grey_png(brightness))
    assert inspection["verdict"] == verdict
    assert 0 <= inspection["novelty"] <= 1
    assert inspection["reason"] is None
    assert "qc_unknown_total 0.0" in server.client.get("/metrics").text


@pytest.mark.parametrize(
    ("frame", "otherwise"),
    [(colour_png(60, 0, 0), "PASS"), (colour_png(255, 255, 120), "REJECT")],
    ids=["would pass", "would be rejected"],
)
def test_unknown_frame_goes_to_a_person(server: Served, frame: bytes, otherwise: str) -> None:
    inspection = server.inspect(frame)
    limits = inspection["thresholds"]
    assert (inspection["defect_probability"] < limits["pass_below"]) == (otherwise == "PASS")
    assert (inspection["defect_probability"] >= limits["reject_from"]) == (otherwise == "REJECT")
    assert inspection["verdict"] == "REVIEW"
    assert inspection["cause"] is None
    assert inspection["novelty"] > 1
    assert inspection["reason"] == (
        f"looks unlike anything the model was trained on ({inspection['novelty']:.2f} times the limit)"
    )
    assert inspection["class"] == "bright"
    assert "qc_unknown_total 1.0" in server.client.get("/metrics").text


def test_unknown_frame_is_stored_and_survives_a_restart(start_server: StartServer, novelty_bundle: Path) -> None:
    inspection = start_server(bundles=novelty_bundle.parent).inspect(colour_png(60, 0, 0))
    again = start_server(bundles=novelty_bundle.parent)
    assert again.client.get(f"/v1/inspections/{inspection['id']}").json() == inspection


def test_unknown_frame_is_reviewed_before_parts_with_a_known_risk(server: Served) -> None:
    server.inspect(grey_png(0.6), part_id="likely")
    server.inspect(colour_png(60, 0, 0), part_id="unknown")
    server.inspect(b"no image", part_id="unreadable")
    order = ["unreadable", "unknown", "likely"]

    def queue() -> list[str]:
        return [item["part_id"] for item in server.client.get("/v1/reviews/queue").json()["items"]]

    assert queue() == order
    (unknown,) = (item for item in server.client.get("/v1/inspections").json()["items"] if item["part_id"] == "unknown")
    for number, decision in enumerate(["FALSE_CALL", None]):
        review = {
            "inspection_id": unknown["id"],
            "decision": decision,
            "reviewer": "ann",
            "decided_at": "2026-11-01T08:00:00Z",
        }
        answer = server.client.put(f"/v1/reviews/00000000-0000-0000-0000-00000000000{number}", json=review)
        assert answer.is_success, answer.text
    assert queue() == order, "back at its place when the decision is undone"


def test_frames_of_one_batch_keep_their_own_distance(server: Served) -> None:
    engine = server.service.engine
    bundle = engine.bundle
    assert bundle is not None
    frames = [np.full((1, 64, 64, 3), (value, value, value if known else 0), np.uint8) for value, known in
              ((200, True), (200, False), (30, True), (30, False))]  # fmt: skip
    outputs = [future.result() for future in [engine.submit(bundle, frame) for frame in frames]]
    assert [output.novelty is not None and output.novelty > 1 for output in outputs] == [False, True, False, True]


def test_bundle_without_novelty_still_serves(start_server: StartServer) -> None:
    server = start_server()
    inspection = server.inspect(colour_png(60, 0, 0))
    assert (inspection["verdict"], inspection["novelty"], inspection["reason"]) == ("PASS", None, None)


class Blinded(Bundle):
    """A model whose embedding is no number."""

    def predict(self, images: Pixels) -> Prediction:
        good = super().predict(images)
        broken = good.embedding * np.float32(np.nan)
        return Prediction(good.class_probability, good.defect_probability, good.heatmap, broken)


def test_embedding_that_is_no_number_holds_the_part(server: Served) -> None:
    sound = server.service.engine.bundle
    assert sound is not None
    server.service.engine.swap(Blinded(sound.path, sound.manifest, sound._session, sound.novelty))
    inspection = server.inspect(grey_png(0.1))
    assert (inspection["verdict"], inspection["cause"]) == ("NO_DECISION", "MODEL_FAILED")
    assert "embedding is not finite" in inspection["reason"]


def test_altered_novelty_is_refused(novelty_bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(novelty_bundle, tmp_path / "copy")
    content = bytearray((copy / NOVELTY).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / NOVELTY).write_bytes(content)
    with pytest.raises(BundleError, match=r"novelty\.npz was altered"):
        Bundle.load(copy)


def test_novelty_of_another_model_is_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)
    path = write_brightness_bundle(tmp_path / "other", "o", novelty=fit_novelty(random, random))
    with pytest.raises(BundleError, match="length 7 or more, the model's have 3"):
        Bundle.load(path)


def test_bundle_says_how_often_it_calls_for_nothing(novelty_bundle: Path) -> None:
    novelty = read_manifest(novelty_bundle).novelty
    assert novelty is not None
    assert (
        "0.0% of 99 test images (95 % interval 0.0% to 4.0%; 1.0% expected from 99 held-out images)" in novelty.sentence
    )

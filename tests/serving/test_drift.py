"""Drift over HTTP: what a changed camera does to a window, the alarm it raises, its own reference, and a restart."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.drift import Sample
from data.novelty import fit_novelty
from tests.conftest import Served, StartServer, write_brightness_bundle
from tests.serving.test_cameras import alarms, eventually

SETTINGS = {"window": 50, "reference": 50, "false_alarm": 0.001}
RANDOM = np.random.default_rng(0)


def coloured(random: np.random.Generator, brightness: float = 1.0) -> np.ndarray[Any, Any]:
    """A colour in RGB, evenly over the frame: parts of one process differ in tint and brightness."""
    grey = random.uniform(60, 90)
    return np.clip((grey + random.normal(0, 6, 3)) * brightness, 0, 255)


def frame(random: np.random.Generator, tint: tuple[float, float, float] = (1, 1, 1), brightness: float = 1.0) -> bytes:
    colour = np.clip(coloured(random, brightness) * tint, 0, 255).round().astype(np.uint8)
    return cv2.imencode(".png", np.full((64, 64, 3), colour[::-1], np.uint8))[1].tobytes()


def embeddings(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    random = np.random.default_rng(seed)
    return np.array([coloured(random) / 255 for _ in range(count)], np.float32)


@pytest.fixture(scope="session")
def drift_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    novelty = fit_novelty(embeddings(200, 1), embeddings(200, 2))
    unseen = embeddings(300, 3)
    sample = Sample(unseen.mean(axis=1), novelty.position(unseen))
    return write_brightness_bundle(
        tmp_path_factory.mktemp("drift") / "brightness-d", "d", novelty=novelty, held_out=sample
    )


@pytest.fixture
def server(start_server: StartServer, drift_bundle: Path) -> Served:
    return start_server(bundles=drift_bundle.parent, drift=SETTINGS)


def post(server: Served, count: int, seed: int, camera: str = "top", **look: Any) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    return [server.inspect(frame(random, **look), camera=camera, part_id=f"{seed}-{number}") for number in range(count)]


def drift_of(server: Served, camera: str = "top", frames: int = 1) -> dict[str, Any]:
    """The camera's newest window, once it holds so many frames."""

    def find() -> dict[str, Any] | None:
        cameras = server.client.get("/v1/drift").json()["cameras"]
        return next((one for one in cameras if one["camera"] == camera and one["frames"] >= frames), None)

    found: dict[str, Any] = eventually(find)
    return found


def check(drift: dict[str, Any], statistic: str, against: str, span: str = "window") -> dict[str, Any]:
    (found,) = (
        one for one in drift["checks"] if (one["statistic"], one["against"], one["span"]) == (statistic, against, span)
    )
    return dict(found)


def test_unchanged_camera_stays_below_its_limits_and_gets_its_own_reference(server: Served) -> None:
    assert server.client.get("/v1/drift").json()["cameras"] == []
    post(server, 100, seed=10)
    drift = eventually(lambda: (one := drift_of(server, frames=50)) and len(one["checks"]) == 6 and one)
    assert {one["against"] for one in drift["checks"]} == {"training", "promotion"}
    assert all(one["value"] <= one["limit"] for one in drift["checks"])
    assert alarms(server) == []
    assert (drift["line"], drift["station"], drift["model"]["version"]) == ("line-1", "final", "d")
    histogram = drift["histogram"]
    assert len(histogram["window"]) == len(histogram["edges"]) + 1
    assert sum(histogram["window"]) == pytest.approx(1)
    assert sum(histogram["reference"]) == pytest.approx(1)


def test_changed_colour_raises_an_embedding_alarm_within_ten_frames_and_clears(server: Served) -> None:
    post(server, 50, seed=11)
    drift_of(server, frames=50)
    assert alarms(server) == []
    post(server, 10, seed=12, tint=(1.0, 0.8, 1.0))
    (alarm,) = eventually(lambda: [one for one in alarms(server, cleared=False) if one["kind"] == "EMBEDDING_DRIFT"])
    assert "look otherwise than" in alarm["reason"]
    assert "standard deviations off, limit" in alarm["reason"]
    post(server, 55, seed=13)
    eventually(lambda: alarms(server, cleared=True))
    assert 'qc_alarms_open{kind="EMBEDDING_DRIFT"} 0.0' in server.client.get("/metrics").text


def test_scores_that_spread_otherwise_raise_a_score_alarm(server: Served) -> None:
    post(server, 50, seed=14, brightness=1.25)
    alarm = eventually(lambda: [one for one in alarms(server) if one["kind"] == "SCORE_DRIFT"])[0]
    assert "population stability index" in alarm["reason"]
    psi = check(drift_of(server, frames=50), "psi", "training")
    assert psi["value"] > psi["limit"]


def test_cameras_are_judged_apart(server: Served) -> None:
    post(server, 20, seed=15, camera="sound")
    post(server, 20, seed=16, camera="changed", tint=(1.0, 0.7, 1.0))
    eventually(lambda: alarms(server))
    assert {one["camera"] for one in alarms(server)} == {"changed"}
    assert {one["camera"] for one in server.client.get("/v1/drift").json()["cameras"]} == {"sound", "changed"}


def test_examples_are_the_most_typical_and_the_most_unusual(server: Served) -> None:
    inspections = post(server, 50, seed=17)
    drift = drift_of(server, frames=50)
    by_novelty = sorted(inspections, key=lambda one: float(one["novelty"]))
    assert [one["inspection_id"] for one in drift["typical"]] == [one["id"] for one in by_novelty[:4]]
    assert [one["inspection_id"] for one in drift["unusual"]] == [one["id"] for one in by_novelty[:-5:-1]]


def test_history_and_reference_outlast_a_restart(start_server: StartServer, server: Served, drift_bundle: Path) -> None:
    post(server, 60, seed=18)
    eventually(lambda: len(drift_of(server, frames=50)["checks"]) == 6)
    again = start_server(bundles=drift_bundle.parent, drift=SETTINGS)
    assert len(drift_of(again)["history"]) == 12
    post(again, 5, seed=19)
    drift = eventually(lambda: (one := drift_of(again)) and one["frames"] == 5 and one)
    assert {one["against"] for one in drift["checks"]} == {"training", "promotion"}, "its own reference is read again"


def test_promotion_begins_anew(server: Served) -> None:
    post(server, 60, seed=20)
    eventually(lambda: len(drift_of(server, frames=50)["checks"]) == 6)
    body = {"version": "d", "reason": "new light", "person": "eve"}
    assert server.client.post("/v1/models", json=body).status_code == 200
    post(server, 5, seed=21)
    drift = eventually(lambda: (one := drift_of(server)) and one["frames"] == 5 and one)
    assert {one["against"] for one in drift["checks"]} == {"training"}


def test_products_that_take_turns_with_models_of_their_own_fill_a_window_each(
    start_server: StartServer, tmp_path: Path
) -> None:
    bundles = tmp_path / "bundles"
    novelty = fit_novelty(embeddings(200, 1), embeddings(200, 2))
    unseen = embeddings(300, 3)
    sample = Sample(unseen.mean(axis=1), novelty.position(unseen))
    for name in ("a", "b"):
        write_brightness_bundle(bundles / f"brightness-{name}", name, novelty=novelty, held_out=sample)
    own = [
        {"product": name, "station": "final", "bundle": {"name": "brightness", "version": name}} for name in ("a", "b")
    ]
    server = start_server(bundles=bundles, drift=SETTINGS, recipes=own)
    for number in range(20):
        for seed, product in enumerate(("a", "b")):
            look = {"tint": (1.3, 1, 0.7)} if product == "a" else {}
            random = np.random.default_rng(100 * number + seed)
            server.inspect(frame(random, **look), camera="top", product=product, part_id=f"{product}{number}")
    raised = eventually(lambda: alarms(server, cleared=False))
    assert {alarm["kind"] for alarm in raised} >= {"EMBEDDING_DRIFT"}
    random = np.random.default_rng(7)
    for number in range(120):
        server.inspect(frame(random), camera="top", product="b", part_id=f"more{number}")
    assert drift_of(server, frames=50)["model"]["version"] == "b"
    assert alarms(server, cleared=False), "that the other product's frames are calm says nothing of this one's"


def test_bundle_without_held_out_frames_is_held_against_its_own_first_ones(start_server: StartServer) -> None:
    server = start_server(drift=SETTINGS)
    post(server, 50, seed=22)
    post(server, 50, seed=23, brightness=1.8)
    alarm = eventually(lambda: alarms(server, cleared=False))[0]
    assert alarm["kind"] == "SCORE_DRIFT"
    assert "first frames after the last promotion" in alarm["reason"]


def test_broken_watching_never_reaches_the_line(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("serving.watch.Watch._look_for_drift", fail)
    assert post(server, 3, seed=24)[0]["verdict"] == "PASS"
    monkeypatch.undo()
    post(server, 5, seed=25)
    assert drift_of(server)["frames"] == 5


@pytest.mark.heavy
def test_unchanged_camera_raises_no_more_alarms_than_stated(drift_bundle: Path) -> None:
    """100 cameras of 1,000 frames each: 2,000 windows at one false alarm in a thousand, without the HTTP round trip."""
    from data.bundle import Bundle
    from data.drift import Reference
    from serving.cameras import Camera
    from serving.drift import Window
    from serving.schema import ModelRef
    from serving.settings import Drift
    from tests.serving.seen import seen

    bundle = Bundle.load(drift_bundle)
    assert bundle.novelty is not None
    assert bundle.held_out is not None
    training = Reference.of(bundle.held_out)
    alarmed = 0
    for camera in range(100):
        window = Window(
            Camera("l", "s", str(camera)), ModelRef(name="b", version="d"), Drift(**SETTINGS), training, None
        )
        unseen = embeddings(1000, 100 + camera)
        positions = bundle.novelty.position(unseen)
        standing = False
        for score, position in zip(unseen.mean(axis=1), positions, strict=True):
            window.add(seen(float(score)), position)
            window.take_reference()
            if (glance := window.look()) is not None:
                alarmed += bool(glance.drifted) and not standing
                standing = bool(glance.drifted)
    assert alarmed <= 6, "Poisson with mean 2 exceeds 6 with a chance of 0.005"

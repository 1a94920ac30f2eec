"""Whatever fails on the line path, the part is held and the camera gets an answer that it can act on."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
import numpy as np
import pytest

from data.bundle import Bundle, Prediction
from data.image import Pixels
from tests.conftest import Served, StartServer, grey_png

DATABASES = ("sqlite", "postgresql")


class Stuck(Bundle):
    """A model that answers only when it is released."""

    def __init__(self, like: Bundle) -> None:
        super().__init__(like.path, like.manifest, like._session)
        self.release = threading.Event()
        self.entered = threading.Event()

    def predict(self, images: Pixels) -> Prediction:
        self.entered.set()
        assert self.release.wait(60)
        return super().predict(images)


class Broken(Bundle):
    """A model that fails, or gives no number."""

    def __init__(self, like: Bundle, raises: bool) -> None:
        super().__init__(like.path, like.manifest, like._session)
        self._raises = raises

    def predict(self, images: Pixels) -> Prediction:
        if self._raises:
            raise RuntimeError("the graph broke")
        good = super().predict(images)
        return Prediction(good.class_probability, good.defect_probability * np.nan, good.heatmap, good.embedding)


def active(server: Served) -> Bundle:
    bundle = server.service.engine.bundle
    assert bundle is not None
    return bundle


@pytest.mark.parametrize(("raises", "reason"), [(True, "the graph broke"), (False, "not within 0..1")])
def test_failing_model_holds_the_part(server: Served, raises: bool, reason: str) -> None:
    sound = active(server)
    server.service.engine.swap(Broken(sound, raises))
    inspection = server.inspect(grey_png(0.1))
    assert inspection["verdict"] == "NO_DECISION"
    assert inspection["cause"] == "MODEL_FAILED"
    assert reason in inspection["reason"]
    assert (inspection["image"]["width"], inspection["image"]["height"]) == (300, 300)
    server.service.engine.swap(sound)
    assert server.inspect(grey_png(0.1))["verdict"] == "PASS", "the line goes on"
    assert 'qc_no_decisions_total{cause="MODEL_FAILED"} 1.0' in server.client.get("/metrics").text


def test_late_decision_holds_the_part(start_server: StartServer) -> None:
    server = start_server(deadline_seconds=0.2)
    stuck = Stuck(active(server))
    server.service.engine.swap(stuck)
    inspection = server.inspect(grey_png(0.1))
    stuck.release.set()
    assert inspection["verdict"] == "NO_DECISION"
    assert (inspection["cause"], inspection["reason"]) == ("TIMEOUT", "no decision within 0.2 s")


def test_no_model_holds_the_part_and_says_why(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(bundles=tmp_path / "none")
    ready = server.client.get("/readyz")
    assert ready.status_code == 503
    assert "no bundle in" in ready.json()["detail"]
    assert server.client.get("/healthz").status_code == 200
    inspection = server.inspect(grey_png(0.1))
    assert inspection["verdict"] == "NO_DECISION"
    assert "no bundle in" in inspection["reason"]
    assert inspection["model"] is None


def test_overload_is_answered_503_and_stores_nothing(start_server: StartServer) -> None:
    server = start_server(queue_limit=2)
    stuck = Stuck(active(server))
    server.service.engine.swap(stuck)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(server.post, grey_png(0.1), part_id="first", camera="one")]
        assert stuck.entered.wait(30)
        waiting.append(pool.submit(server.post, grey_png(0.1), part_id="second", camera="two"))
        while server.service.gauges.in_progress._value.get() < 2:
            threading.Event().wait(0.005)
        refused = server.post(grey_png(0.1), part_id="third", camera="three")
        stuck.release.set()
        answers = [future.result() for future in waiting]
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["content-type"] == "application/problem+json"
    assert [answer.json()["verdict"] for answer in answers] == ["PASS", "PASS"]
    listed = server.client.get("/v1/inspections").json()["items"]
    assert {item["part_id"] for item in listed} == {"first", "second"}
    assert server.inspect(grey_png(0.1), part_id="third")["verdict"] == "PASS"


@contextmanager
def half_sent(server: Served, content: bytes) -> Iterator[socket.socket]:
    """A camera that stops in the middle of its frame."""
    url, before = urlsplit(server.url), server.service.arrivals.reading
    with socket.create_connection((url.hostname, url.port), timeout=30) as camera:
        head = f"POST /v1/inspections?{urlencode(server.frame(part_id='slow'))} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        camera.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content[: len(content) // 2])
        while server.service.arrivals.reading == before:
            threading.Event().wait(0.005)
        yield camera


def test_bodies_that_come_slowly_do_not_fill_the_memory(start_server: StartServer) -> None:
    server = start_server(queue_limit=1)
    content = grey_png(0.1)
    with half_sent(server, content) as camera:
        refused = server.post(grey_png(0.1), part_id="refused")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        camera.sendall(content[len(content) // 2 :])
        assert camera.recv(65536).startswith(b"HTTP/1.1 201")
    assert server.inspect(grey_png(0.1), part_id="next")["verdict"] == "PASS"


def test_a_caller_whose_bodies_do_not_come_keeps_no_other_out(start_server: StartServer) -> None:
    server = start_server(queue_limit=4)
    content = grey_png(0.1)
    with half_sent(server, content), half_sent(server, content):
        assert server.post(content, part_id="refused").status_code == 503, "it has its half"
        with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as other:
            url = f"{server.url}/v1/inspections"
            answer = other.post(url, params=server.frame(part_id="other"), content=content)
    assert answer.status_code == 201, "another has its own"


def test_a_body_that_never_ends_gives_its_room_back(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.admission._LONGEST_BODY_SECONDS", 0.2)
    server = start_server(queue_limit=1)
    with half_sent(server, grey_png(0.1)) as camera:
        assert camera.recv(65536).startswith(b"HTTP/1.1 503")
    assert server.inspect(grey_png(0.1), part_id="next")["verdict"] == "PASS"


def test_queued_frames_are_decided_in_batches(start_server: StartServer) -> None:
    server = start_server()
    stuck = Stuck(active(server))
    server.service.engine.swap(stuck)
    brightness = [number / 20 for number in range(1, 14)]
    with ThreadPoolExecutor(len(brightness)) as pool:
        futures = [pool.submit(server.inspect, grey_png(value), part_id=f"{value}") for value in brightness]
        while server.service.gauges.in_progress._value.get() < len(brightness):
            threading.Event().wait(0.005)
        stuck.release.set()
        inspections = [future.result() for future in futures]
    for value, inspection in zip(brightness, inspections, strict=True):
        assert inspection["defect_probability"] == pytest.approx(value, abs=0.01), "each gets its own answer"
    sizes = server.service.gauges.batch_size.collect()[0].samples
    batches = next(sample.value for sample in sizes if sample.name.endswith("_count"))
    assert batches < len(brightness)


def test_image_that_cannot_be_kept_is_not_acknowledged(server: Served, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.rmdir()
    images.write_text("not a directory")
    answer = server.post(grey_png(0.1))
    assert answer.status_code == 503
    assert "image could not be written" in answer.json()["detail"]
    assert server.client.get("/v1/inspections").json()["items"] == []


def test_row_that_cannot_be_kept_is_not_acknowledged(server: Served) -> None:
    gone = "ALTER TABLE inspections RENAME TO gone"
    server.service.store.submit(lambda connection: connection.exec_driver_sql(gone)).result()
    answer = server.post(grey_png(0.1))
    assert answer.status_code == 503
    assert "did not commit" in answer.json()["detail"]

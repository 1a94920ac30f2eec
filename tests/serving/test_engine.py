"""The engine takes cameras in turn, keeps batches short by what it measured, and never computes what is too late."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.bundle import Bundle, Prediction
from data.image import Pixels
from serving.engine import BatchTimes, Engine, FairQueue, Outputs, _Waiting
from serving.gauges import Gauges
from tests.conftest import SIZE, Served, StartServer, grey_png


class Gated(Bundle):
    """A model that waits before each batch until it is let go, and notes the brightness of every frame it computed."""

    def __init__(self, like: Bundle) -> None:
        super().__init__(like.path, like.manifest, like._session)
        self.go = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.batches: list[list[int]] = []

    def predict(self, images: Pixels) -> Prediction:
        self.entered.release()
        assert self.go.acquire(timeout=60)
        self.batches.append([int(value) for value in images[:, 0, 0, 0]])
        return super().predict(images)


@pytest.fixture
def bundle(brightness_bundle: Path) -> Bundle:
    return Bundle.load(brightness_bundle, 1)


@pytest.fixture
def engine() -> Iterator[Engine]:
    running = Engine(4, 10.0, 1, Gauges())
    yield running
    running.close()


def frame(value: int) -> Pixels:
    return np.full((1, SIZE, SIZE, 3), value, np.uint8)


def test_flooding_camera_waits_for_itself_alone(engine: Engine, bundle: Bundle) -> None:
    gated = Gated(bundle)
    engine.submit(gated, frame(0), "wild")
    assert gated.entered.acquire(timeout=30)
    for value in range(1, 13):
        engine.submit(gated, frame(value), "wild")
    calm = [engine.submit(gated, frame(100 + number), f"calm-{number}") for number in range(2)]
    for _ in range(5):
        gated.go.release()
    for future in calm:
        future.result(30)
    assert {100, 101} <= set(gated.batches[1]), "frames of the calm cameras are in the very next batch"
    gated.go.release()
    gated.go.release()


def test_frames_that_a_hung_model_never_takes_do_not_fill_the_memory(engine: Engine, bundle: Bundle) -> None:
    gated = Gated(bundle)
    hung = engine.submit(gated, frame(0))
    assert gated.entered.acquire(timeout=30)
    late = [engine.submit(gated, frame(1), f"camera {number % 3}", time.perf_counter()) for number in range(1000)]
    good = engine.submit(gated, frame(2), "camera 1", time.perf_counter() + 60)
    assert len(engine._queue) < 200
    assert isinstance(late[0].exception(0), TimeoutError)
    for _ in range(2):
        gated.go.release()
    assert hung.result(30).defect_probability == 0
    assert good.result(30).defect_probability > 0


def test_threads_compute_side_by_side_and_share_what_waits(bundle: Bundle) -> None:
    gated = Gated(bundle)
    engine = Engine(4, 10.0, 2, Gauges())
    futures = [engine.submit(gated, frame(value)) for value in range(2)]
    for _ in futures:
        assert gated.entered.acquire(timeout=30), "the second does not wait for the first"
    futures += [engine.submit(gated, frame(value)) for value in range(2, 6)]
    for _ in range(6):
        gated.go.release()
    assert [future.result(30).defect_probability * 255 for future in futures] == pytest.approx(range(6), abs=0.3)
    assert max(map(len, gated.batches)) == 2, "half of the four that waited"
    engine.close()


def test_late_frame_is_not_computed(engine: Engine, bundle: Bundle) -> None:
    gated = Gated(bundle)
    first = engine.submit(gated, frame(1), "one")
    assert gated.entered.acquire(timeout=30)
    late = engine.submit(gated, frame(2), "two", deadline=time.perf_counter() - 1)
    in_time = engine.submit(gated, frame(3), "two", deadline=time.perf_counter() + 60)
    gated.go.release()
    gated.go.release()
    assert first.result(30).defect_probability == pytest.approx(1 / 255, abs=1e-3)
    assert in_time.result(30).defect_probability == pytest.approx(3 / 255, abs=1e-3)
    with pytest.raises(TimeoutError):
        late.result(30)
    assert gated.batches == [[1], [3]]


def test_batches_never_mix_models(engine: Engine, bundle: Bundle) -> None:
    one, other = Gated(bundle), Gated(bundle)
    futures = [engine.submit(one, frame(0))]
    assert one.entered.acquire(timeout=30)
    futures += [engine.submit(one if value % 2 else other, frame(value), f"camera-{value}") for value in range(1, 7)]
    for gated in (one, other):
        for _ in range(7):
            gated.go.release()
    for future in futures:
        future.result(30)
    assert sorted(value for batch in one.batches for value in batch) == [0, 1, 3, 5]
    assert sorted(value for batch in other.batches for value in batch) == [2, 4, 6]


@given(
    frames=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1), st.booleans()), max_size=40),
    most=st.integers(1, 8),
)
def test_queue_gives_everything_once_in_each_cameras_order_and_in_turn(
    frames: list[tuple[int, int, bool]], most: int
) -> None:
    queue, models = FairQueue(), [object(), object()]
    for number, (camera, model, late) in enumerate(frames):
        waiting = _Waiting(models[model], np.full(1, number), 0.0 if late else 2.0, Future[Outputs]())  # type: ignore[arg-type]
        queue.put(f"{camera}", waiting)
    given_: list[int] = []
    while len(queue):
        waiting_cameras = {frames[int(item.prepared[0])][0] for part in queue._by_camera.values() for item in part}
        batch, late = queue.take(most, 1.0)
        assert batch or late
        assert len(batch) <= most
        assert len({id(item.bundle) for item in batch}) <= 1
        assert all(frames[int(item.prepared[0])][2] for item in late)
        cameras = [frames[int(item.prepared[0])][0] for item in batch]
        if len(batch) == most >= len(waiting_cameras) and not late and len({model for _, model, _ in frames}) == 1:
            assert set(cameras) == waiting_cameras, "nobody is passed over while another is served twice"
        given_ += [int(item.prepared[0]) for item in (*batch, *late)]
    assert sorted(given_) == list(range(len(frames)))
    for camera in range(5):
        for late in (True, False):
            own = [number for number in given_ if (frames[number][0], frames[number][2]) == (camera, late)]
            assert own == sorted(own)


def test_batch_is_as_large_as_its_time_allows() -> None:
    times = BatchTimes(8, within=0.1)
    assert times.largest == 8, "nothing is known against it"
    times.add(1, 0.02)
    assert times.largest == 5, "by what one frame takes"
    times.add(5, 0.06)
    assert times.largest == 8, "together they are quicker"
    for _ in range(30):
        times.add(8, 0.3)
    assert times.largest == 7
    for _ in range(300):
        times.add(5, 0.05)
    assert times.largest == 8, "what was long ago is tried again"


def test_single_frame_is_decided_however_slow_the_model() -> None:
    times = BatchTimes(8, within=0.001)
    times.add(1, 5.0)
    assert times.largest == 1


def test_camera_gone_wild_does_not_starve_the_others(start_server: StartServer) -> None:
    server = start_server(queue_limit=12)
    stop = threading.Event()
    refused = 0

    def wild() -> None:
        nonlocal refused
        while not stop.is_set():
            refused += server.post(grey_png(0.5), camera="wild").status_code == 503

    with ThreadPoolExecutor(10) as pool:
        flood = [pool.submit(wild) for _ in range(10)]
        try:
            answers = [server.post(grey_png(0.1), camera="calm", part_id=f"{number}") for number in range(20)]
        finally:
            stop.set()
        for one in flood:
            one.result()
    assert [answer.status_code for answer in answers] == [201] * 20
    assert refused > 0, "the wild one is held to its share"


def test_frames_that_would_be_answered_too_late_are_refused_before_the_queue_is_full(start_server: StartServer) -> None:
    server = start_server(latency_target_seconds=0.25)
    bundle = server.service.engine.bundle
    assert bundle is not None

    class Slow(Bundle):
        def predict(self, images: Pixels) -> Prediction:
            time.sleep(0.15 * len(images))  # much longer than twelve requests take to come
            return super().predict(images)

    server.service.engine.swap(Slow(bundle.path, bundle.manifest, bundle._session))
    assert server.post(grey_png(0.1), part_id="measured").status_code == 201
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda number: server.post(grey_png(0.1), camera=f"{number}", part_id=f"{number}"), range(12))
        )
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused and len(refused) < 12
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert "qc_in_progress 0.0" in server.client.get("/metrics").text
    assert len(listed(server)) == 1 + 12 - len(refused)
    assert server.post(grey_png(0.1), part_id="later").status_code == 201


def listed(server: Served) -> list[str]:
    return [item["id"] for item in server.client.get("/v1/inspections").json()["items"]]

"""Who is let in: shares, predicted wait and rates, by numbers alone."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.admission import Admission
from serving.engine import OverloadedError
from serving.gauges import Gauges
from serving.problem import ProblemError
from serving.settings import RateLimit
from tests.conftest import StartServer, grey_png


def admission(limit: int = 12, target: float = 1e9, rate: RateLimit | None = None) -> Admission:
    return Admission(limit, target, rate, Gauges())


def fill(door: Admission, camera: str) -> int:
    entered = 0
    while True:
        try:
            door.enter(camera)
        except OverloadedError:
            return entered
        entered += 1


def test_share_of_a_camera_leaves_room_for_one_more() -> None:
    door = admission(12)
    assert [fill(door, camera) for camera in ("a", "b", "c")] == [6, 4, 2]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=200), st.integers(1, 20))
def test_limit_holds_and_whoever_leaves_makes_room(steps: list[tuple[str, bool]], limit: int) -> None:
    door = admission(limit)
    inside: Counter[str] = Counter()
    for camera, enters in steps:
        if enters:
            try:
                door.enter(camera)
            except OverloadedError:
                assert inside, "an empty line refuses nobody"
                continue
            inside[camera] += 1
        elif inside[camera]:
            door.leave(camera, 0.01)
            inside[camera] -= 1
            inside += Counter()
        assert door.in_progress == inside.total() <= limit


def test_wait_is_predicted_from_measured_times() -> None:
    door = admission(100, target=1.0)
    door.enter("a")
    door.leave("a", 0.3)
    for camera in "abc":
        door.enter(camera)
    assert door.predicted_wait == pytest.approx(1.2)
    with pytest.raises(OverloadedError) as refused:
        door.enter("d")
    assert refused.value.retry_after >= 0.2
    for camera in "abc":
        door.leave(camera, 0.3)
    for _ in range(200):
        door.enter("a")
        door.leave("a", 5.0)
    door.enter(
        "a"
    )  # however slow it became, an idle line takes a frame, or it would never learn that it is quick again
    with pytest.raises(OverloadedError):
        door.enter("b")


def test_bucket_gives_its_burst_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("serving.rate.time.monotonic", lambda: now)
    door = admission(1000, rate=RateLimit(frames_per_second=2, burst=3))

    def taken(camera: str) -> bool:
        try:
            door.enter(camera)
        except ProblemError as error:
            assert (error.status, error.headers) == (429, {"Retry-After": "1"})
            return False
        door.leave(camera, 0.001)
        return True

    assert [taken("a") for _ in range(4)] == [True, True, True, False]
    assert taken("b"), "each camera has its own"
    now += 1.0
    assert [taken("a") for _ in range(3)] == [True, True, False]
    now += 1000
    assert [taken("a") for _ in range(4)] == [True, True, True, False]


def test_camera_above_its_rate_is_told_when_to_come_back(start_server: StartServer) -> None:
    server = start_server(rate={"frames_per_second": 0.01, "burst": 2})
    answers = [server.post(grey_png(0.1), camera="fast") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert int(answers[2].headers["Retry-After"]) > 1
    assert answers[2].headers["content-type"] == "application/problem+json"
    assert server.post(grey_png(0.1), camera="other").status_code == 201
    assert len(server.client.get("/v1/inspections").json()["items"]) == 3


def test_unknown_line_is_refused_where_the_plant_names_its_lines(start_server: StartServer) -> None:
    server = start_server(lines=["line-1", "line-2"])
    assert server.post(grey_png(0.1)).status_code == 201
    refused = server.post(grey_png(0.1), line="line-9")
    assert refused.status_code == 422
    assert "expected one of line-1, line-2" in refused.json()["detail"]
    assert start_server().post(grey_png(0.1), line="line-9").status_code == 201


@pytest.mark.parametrize(("captured_at", "wrong"), [("2099-01-01T00:00:00Z", 1.0), ("2001-01-01T00:00:00Z", 1.0)])
def test_frame_of_a_wrong_clock_is_stored_as_given_and_counted(
    start_server: StartServer, captured_at: str, wrong: float
) -> None:
    server = start_server()
    assert server.inspect(grey_png(0.1), captured_at=captured_at)["captured_at"] == captured_at
    metrics = server.client.get("/metrics").text
    assert f"qc_clock_wrong_total {wrong}" in metrics
    skew = next(line for line in metrics.splitlines() if line.startswith("qc_clock_skew_seconds "))
    assert (float(skew.split()[1]) > 0) == captured_at.startswith("2099")

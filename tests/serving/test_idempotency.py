"""The same Idempotency-Key gets the same answer; a key used for another frame is refused."""

from concurrent.futures import ThreadPoolExecutor

from tests.conftest import Served, grey_png

DATABASES = ("sqlite", "postgresql")


def test_repeat_gets_the_same_answer_and_is_counted_once(server: Served) -> None:
    first = server.post(grey_png(0.9), key="k-1")
    again = server.post(grey_png(0.9), key="k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert len(server.client.get("/v1/inspections").json()["items"]) == 1


def test_same_moment_written_with_another_offset_is_a_repeat(server: Served) -> None:
    first = server.post(grey_png(0.9), key="k-1", captured_at="2026-11-01T08:00:00+08:00")
    again = server.post(grey_png(0.9), key="k-1", captured_at="2026-11-01T00:00:00Z")
    assert again.json() == first.json()


def test_key_used_for_another_frame_is_a_conflict(server: Served) -> None:
    server.post(grey_png(0.9), key="k-1")
    for answer in (server.post(grey_png(0.1), key="k-1"), server.post(grey_png(0.9), key="k-1", part_id="P-2")):
        assert answer.status_code == 409
        assert "k-1" in answer.json()["detail"]
    assert len(server.client.get("/v1/inspections").json()["items"]) == 1


def test_undecided_frame_repeats_too(server: Served) -> None:
    assert server.post(b"", key="k-0").json() == server.post(b"", key="k-0").json()


def test_frames_at_the_same_time_with_one_key_become_one_inspection(server: Served) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.post(grey_png(0.9), key="k-1"), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1

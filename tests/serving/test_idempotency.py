"""The same Idempotency-Key gets the same answer; a key used for another frame is refused."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from serving.store import Question
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


def test_a_repeat_whose_answer_cannot_be_read_is_told_so(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are decided at once; when the second one is refused by the database, the database goes away."""
    both_look = threading.Barrier(2)
    calls, look_up = itertools.count(), server.service.store.look_up

    def together(question: Question, **values: str) -> Any:
        if next(calls) < both_look.parties:
            both_look.wait(30)
        return look_up(question, **values)

    def gone(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, OSError("the server closed the connection"))

    monkeypatch.setattr(server.service.store, "look_up", together)
    monkeypatch.setattr("serving.line.find", gone)
    with ThreadPoolExecutor(2) as pool:
        posts = [pool.submit(server.post, grey_png(0.9), key="k-2") for _ in range(2)]
        answers = sorted(post.result(60).status_code for post in posts)
    assert answers == [201, 503]
    assert server.service.line.in_progress == 0


def test_frames_at_the_same_time_with_one_key_become_one_inspection(server: Served) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.post(grey_png(0.9), key="k-1"), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1

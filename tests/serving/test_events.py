"""The event stream: every stored inspection and review, and no slow reader in the line's way."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from serving.events import Events
from serving.gauges import Gauges
from serving.schema import ModelRef
from tests.conftest import Served, grey_png
from tests.serving.test_cameras import eventually
from tests.serving.test_reviews import review

DATABASES = ("sqlite", "postgresql")


def next_event(lines: Iterator[str]) -> tuple[str, dict[str, Any]]:
    kind = next(line for line in lines if line.startswith("event:"))
    data = next(line for line in lines if line.startswith("data:"))
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_stream_tells_inspections_and_reviews(server: Served) -> None:
    with server.client.stream("GET", "/v1/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == ": connected"
        inspection = server.inspect(grey_png(0.9))
        assert next_event(lines) == ("inspection", inspection)
        answer = review(server, inspection["id"], "FALSE_CALL").json()
        assert next_event(lines) == ("review", answer)


def test_repeats_are_not_told_again(server: Served) -> None:
    with server.client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": connected"
        first = server.post(grey_png(0.9), key="k").json()
        server.post(grey_png(0.9), key="k")
        second = server.inspect(grey_png(0.1))
        assert [next_event(lines)[1]["id"] for _ in range(2)] == [first["id"], second["id"]]


def test_streams_are_refused_while_there_is_no_room_for_more(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.events._MOST_CLIENTS", 1)
    with server.client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()  # kept: without it the stream would end
        assert next(lines) == ": connected"
        refused = server.client.get("/v1/events")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
        assert "close pages that nobody looks at" in refused.json()["detail"]
    eventually(lambda: "qc_event_clients 0.0" in server.client.get("/metrics").text)
    with server.client.stream("GET", "/v1/events") as stream:
        assert next(stream.iter_lines()) == ": connected"


def test_reader_that_is_too_slow_is_dropped_and_the_others_are_not() -> None:
    async def scenario() -> tuple[int, int]:
        gauges = Gauges()
        events = Events(gauges)
        slow, quick = events.subscribe(), events.subscribe()
        await anext(slow)
        await anext(quick)
        read = 0
        for number in range(1000):
            events.publish("inspection", ModelRef(name="n", version=str(number)))
            await anext(quick)
            read += 1
        left = len([event async for event in slow])
        await quick.aclose()
        return read, left

    assert asyncio.run(scenario()) == (1000, 0)

"""What operators rely on: a stop that loses nothing, logs that name request and part, traces when wanted."""

import gzip
import json
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from data.errors import InputError
from serving.settings import Tracing as TracingSettings
from serving.tracing import Tracing
from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_durability import FRAME, Process
from tests.serving.test_fail_safe import Stuck, active


def test_sigterm_under_load_answers_what_is_in_progress_and_loses_nothing(
    tmp_path: Path, brightness_bundle: Path
) -> None:
    server = Process(tmp_path, brightness_bundle.parent)
    acknowledged, refused = [], []
    enough = threading.Event()

    def camera(name: str) -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=30) as client:
            for number in range(100_000):
                where = {**FRAME, "part_id": f"{name}-{number}", "camera": name}
                try:
                    answer = client.post("/v1/inspections", params=where, content=grey_png(0.9))
                except httpx.ConnectError:
                    return
                except httpx.TransportError as error:
                    refused.append(repr(error))
                    return
                if answer.status_code == 503:
                    refused.append(answer.headers["Retry-After"])
                    return
                assert answer.status_code == 201
                acknowledged.append(answer.json()["id"])
                if len(acknowledged) > 40:
                    enough.set()

    cameras = [threading.Thread(target=camera, args=(f"camera-{number}",)) for number in range(4)]
    try:
        for thread in cameras:
            thread.start()
        assert enough.wait(60)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        for thread in cameras:
            thread.join(30)
            assert not thread.is_alive()
    finally:
        server.close()
    again = Process(tmp_path, brightness_bundle.parent)
    try:
        for id_ in acknowledged:
            assert again.client.get(f"/v1/inspections/{id_}").status_code == 200
    finally:
        again.close()


def test_while_draining_new_frames_are_answered_503_and_the_old_one_is_decided(start_server: StartServer) -> None:
    server = start_server()
    stuck = Stuck(active(server))
    server.service.engine.swap(stuck)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.post, grey_png(0.1), part_id="first")
        assert stuck.entered.wait(30)
        server.server.handle_exit(signal.SIGTERM, None)
        while not server.service.line.draining:
            threading.Event().wait(0.005)
        with httpx.Client(base_url=server.url) as other:
            late = other.post("/v1/inspections", params=server.frame(part_id="late"), content=grey_png(0.1))
            ready = other.get("/readyz")
        stuck.release.set()
        assert (waiting.result().status_code, waiting.result().json()["verdict"]) == (201, "PASS")
    assert (late.status_code, late.headers["Retry-After"]) == (503, "5")
    assert "the server is stopping" in late.json()["detail"]
    assert ready.status_code == 503


def test_every_line_of_log_about_a_frame_names_request_and_part(tmp_path: Path, brightness_bundle: Path) -> None:
    server = Process(tmp_path, brightness_bundle.parent)
    try:
        answers = {
            part: server.client.post(
                "/v1/inspections", params={**FRAME, "part_id": part, "camera": "c"}, content=content
            )
            for part, content in (("sound", grey_png(0.1)), ("broken", b"no image"))
        }
        (tmp_path / "images").rename(tmp_path / "away")
        (tmp_path / "images").write_text("not a directory")
        where = {**FRAME, "part_id": "lost", "camera": "c"}
        answers["lost"] = server.client.post("/v1/inspections", params=where, content=grey_png(0.2))
    finally:
        server.close()
    assert [answer.status_code for answer in answers.values()] == [201, 201, 503]
    lines = [json.loads(line) for line in (tmp_path / "server.log").read_text().splitlines()]
    for part, events in {
        "sound": {"inspected"},
        "broken": {"no decision", "inspected"},
        "lost": {"inspection not stored"},
    }.items():
        told = [line for line in lines if line.get("part_id") == part]
        assert {line["event"] for line in told} == events
        assert {line["request_id"] for line in told} == {answers[part].headers["X-Request-Id"]}
        assert all(line["timestamp"] and line["level"] for line in told)


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """An OTLP collector: its address, and the spans that it was sent."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", spans
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_traced_frame_shows_where_its_time_went(start_server: StartServer, collector: tuple[str, list[Any]]) -> None:
    endpoint, spans = collector
    server = start_server(tracing={"endpoint": endpoint})
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    answer = server.client.post(
        "/v1/inspections",
        params=server.frame(),
        content=grey_png(0.1),
        headers={"traceparent": f"00-{trace}-{parent}-01"},
    )
    assert answer.status_code == 201
    server.client.get("/healthz")
    assert server.service.tracing._sdk is not None
    server.service.tracing._sdk.force_flush()
    by_name = {span.name: span for span in spans}
    request = by_name["POST /v1/inspections"]
    assert request.parent_span_id.hex() == parent
    assert {span.trace_id.hex() for span in spans if span.name in ("decode", "engine", "store")} == {trace}
    for name in ("decode", "engine", "store"):
        assert by_name[name].parent_span_id == request.span_id
    assert not any("healthz" in span.name for span in spans)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(InputError, match=r"pip install '\.\[otel\]'"):
        Tracing(TracingSettings(endpoint="http://127.0.0.1:1/v1/traces"))
    assert Tracing(TracingSettings()).provider is None


def test_not_traced_unless_an_endpoint_is_set(server: Served) -> None:
    assert server.service.tracing.provider is None
    assert server.inspect(grey_png(0.1))["verdict"] == "PASS"

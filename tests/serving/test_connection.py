"""What a stranger on the network can do to a connection before anybody knows who it is."""

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.accounts import PASSWORD
from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_cameras import eventually

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def connect(server: Served) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(server.url.rstrip("/").rsplit(":", 1)[1])))
    connection.settimeout(20)
    return connection


def answer_to(server: Served, request: bytes) -> bytes:
    with connect(server) as connection:
        connection.sendall(request)
        return connection.recv(65536)


@pytest.mark.parametrize(
    "endless",
    [b"GET /" + b"a" * 10_000, HEAD + b"X: " + b"a" * 10_000, HEAD + b"X: a\r\n", HEAD + b"\r\n"],
    ids=["path", "one line", "many lines", "trailers"],
)
def test_a_head_without_an_end_is_cut_off(server: Served, endless: bytes) -> None:
    chunked = b"POST /v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    more = b"b" * 10_000 if b"aaa" in endless else b"X: " + b"a" * 10_000 + b"\r\n"
    sent = 0
    with connect(server) as connection, pytest.raises(ConnectionError):
        connection.sendall(chunked if endless.endswith(b"\r\n\r\n") else endless)
        while sent < 20_000_000:
            connection.sendall(more)
            sent += len(more)
    assert server.client.get("/healthz").status_code == 200


def test_a_head_of_ordinary_size_in_pieces_is_taken(server: Served) -> None:
    with connect(server) as connection:
        for piece in (HEAD, b"X: " + b"a" * 30_000, b"\r\n", b"\r\n"):
            connection.sendall(piece)
            threading.Event().wait(0.02)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(HEAD + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200"), "and the next one on the same connection"


def test_an_answer_that_nobody_reads_is_given_up(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.connection.UNREAD_SECONDS", 0.2)
    content = b"no image " * 3_000_000
    id_ = server.inspect(content)["id"]
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(f"GET /v1/inspections/{id_}/image HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert connection.recv(1) == b"H", "the answer has begun"
        open_ones, own = server.server.server_state.connections, connection.getsockname()
        eventually(lambda: all(one.transport.get_extra_info("peername") != own for one in list(open_ones)))
    assert server.client.get(f"/v1/inspections/{id_}/image").content == content, "whoever reads gets it"


def test_an_answer_that_is_read_slowly_comes_whole(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.connection.UNREAD_SECONDS", 0.2)
    content = b"no image " * 3_000_000
    id_ = server.inspect(content)["id"]
    began, got = time.monotonic(), 0
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(f"GET /v1/inspections/{id_}/image HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        while got < len(content):
            # As over a narrow line: no faster than 25 MB/s, so that it takes five times as long as nobody may read.
            time.sleep(max(0.0, began + got / 25e6 - time.monotonic()))
            piece = connection.recv(1 << 18)
            assert piece, f"cut off after {got:,} bytes"
            got += len(piece)


def test_a_large_body_in_small_pieces_is_no_head(server: Served) -> None:
    content = grey_png(0.1) + b"\0" * 300_000

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), 5000):
            yield content[start : start + 5000]

    answer = server.client.post("/v1/inspections", params=server.frame(), content=pieces())
    assert answer.status_code == 201
    assert answer.json()["image"]["bytes"] == len(content)


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"\r\n" + HEAD], ids=["nothing", "half", "half of the second"])
def test_whoever_brings_no_head_to_its_end_is_cut_off(
    server: Served, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("serving.connection.HEAD_SECONDS", 0.2)
    with connect(server) as connection:
        connection.sendall(sent)
        while connection.recv(65536):
            pass


def test_a_slow_answer_is_not_cut_off(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.connection.HEAD_SECONDS", 0.1)
    with connect(server) as connection:
        connection.sendall(b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        heard = b""
        while b"connected" not in heard:
            heard += connection.recv(65536)
        threading.Event().wait(0.3)
        server.inspect(grey_png(0.1))
        assert b"inspection" in connection.recv(65536)


def test_two_names_of_the_host_are_none(server: Served) -> None:
    assert answer_to(server, HEAD + b"Host: evil.example\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_a_web_socket_is_an_ordinary_request_and_fills_no_log(server: Served, caplog: pytest.LogCaptureFixture) -> None:
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with caplog.at_level(logging.WARNING):
        assert answer_to(server, HEAD + upgrade).startswith(b"HTTP/1.1 200")
        assert answer_to(server, HEAD.replace(b"healthz", b"v1/nothing") + upgrade).startswith(b"HTTP/1.1 404")
    assert not caplog.records


def test_a_cable_pulled_in_the_middle_of_a_frame_is_no_failure_of_the_server(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    query = "&".join(f"{name}={value}" for name, value in server.frame().items())
    with caplog.at_level(logging.WARNING), connect(server) as connection:
        head = f"POST /v1/inspections?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\nabc"
        connection.sendall(head.encode())
        while not server.service.arrivals.reading:
            time.sleep(0.005)
        connection.close()
        while server.service.arrivals.reading:
            time.sleep(0.005)
        assert server.client.get("/healthz").status_code == 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_body_that_does_not_come_holds_no_restart_up(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.server._OTHERS_SECONDS", 0.3)
    server = start_server()
    query = "&".join(f"{name}={value}" for name, value in server.frame().items())
    head = f"POST /v1/inspections?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\nabc"
    with connect(server) as connection:
        connection.sendall(head.encode())
        while not server.service.arrivals.reading:
            time.sleep(0.005)
        server.server.should_exit = True
        server.service.store._writer.join(10)
        assert not server.service.store._writer.is_alive(), "it waits for a body that does not come"


def test_strangers_cannot_fill_the_memory_or_keep_the_line_waiting_by_signing_in(start_server: StartServer) -> None:
    server = start_server(auth=True)
    for kind in ("application/json", "text/plain"):
        body = b'{"name": "admin", "password": "' + b"x" * 100_000 + b'"}'
        answer = server.client.post("/v1/session", content=body, headers={"Content-Type": kind})
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    small = server.client.post("/v1/session", json={"name": "admin", "password": PASSWORD})
    assert small.status_code == 401


@pytest.mark.parametrize("announced", [True, False])
def test_json_is_bounded_more_closely_than_images(server: Served, announced: bool) -> None:
    body = b"[" + b"1," * 3_000_000 + b"1]"
    answer = server.client.post(
        "/v1/roi",
        content=body if announced else iter([body[:50], body[50:]]),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413, answer.text
    assert "4,194,304 bytes" in answer.json()["detail"]

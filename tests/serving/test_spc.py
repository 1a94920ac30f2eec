"""Control charts of the line over HTTP, the alarms that they raise, and the webhook that tells of them."""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_cameras import alarms, eventually

SPC = {"subgroup": 10, "baseline": 10, "calm": 3}
SECRET = "whsec_" + base64.b64encode(b"a secret of the receiver").decode()


def post(server: Served, frames: int, flagged: int, prefix: str) -> None:
    for number in range(frames):
        server.inspect(grey_png(0.9 if number % 10 < flagged else 0.1), part_id=f"{prefix}-{number}")


def chart(server: Served, points: int, **query: str) -> dict[str, Any]:
    def find() -> dict[str, Any] | None:
        charts = server.client.get("/v1/metrics/spc", params=query).json()["charts"]
        return next((one for one in charts if len(one["points"]) >= points), None)

    found: dict[str, Any] = eventually(find)
    return found


def test_limits_are_frozen_from_the_first_points_and_a_change_raises_an_alarm(start_server: StartServer) -> None:
    server = start_server(spc=SPC)
    post(server, 90, 2, "before")
    assert chart(server, 9)["centre"] is None, "nine points are no baseline of ten"
    post(server, 20, 2, "still")
    frozen = chart(server, 11)
    assert frozen["centre"] == pytest.approx(0.2)
    assert frozen["points"][10]["signals"] == []
    assert alarms(server, cleared=False) == []
    post(server, 20, 9, "after")
    after = chart(server, 13)
    assert after["centre"] == frozen["centre"], "what came later does not move the limits"
    assert "beyond_3" in after["points"][12]["signals"]
    (alarm,) = eventually(lambda: alarms(server, cleared=False))
    assert (alarm["kind"], alarm["camera"]) == ("SPC", "top")
    assert "a point beyond three standard deviations" in alarm["reason"]
    assert alarm["reason"].endswith("9 of 10 frames, centre line 20.00%")
    post(server, 30, 2, "calm")
    eventually(lambda: not alarms(server, cleared=False))


def test_products_and_cameras_have_charts_of_their_own(start_server: StartServer) -> None:
    server = start_server(spc=SPC)
    for number in range(10):
        server.inspect(grey_png(0.1), part_id=f"P-{number}", product="cell")
        server.inspect(grey_png(0.9), part_id=f"Q-{number}", product="board")
    chart(server, 1, product="board")
    found = eventually(lambda: (one := server.client.get("/v1/metrics/spc").json()["charts"]) and len(one) == 2 and one)
    assert {(one["product"], one["points"][0]["count"]) for one in found} == {("cell", 0), ("board", 10)}
    defects = chart(server, 1, product="board", chart="u")
    assert defects["points"][0]["count"] >= 10


class Receiver(HTTPServer):
    """Keeps what is posted; refuses the first message, as one that is restarting does."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.refusals = 1
        self.talks = False
        self.talked: Future[bool] = Future()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refused, self.server.refusals = self.server.refusals > 0, self.server.refusals - 1
        if not refused:
            self.server.taken.append((dict(self.headers), body))
        self.send_response(503 if refused else 204 if not self.server.talks else 200)
        self.end_headers()
        if self.server.talks:
            try:
                for _ in range(500):
                    self.wfile.write(b"x" * 100_000)
                self.server.talked.set_result(True)
            except OSError:
                self.server.talked.set_result(False)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_alarm_reaches_the_webhook_signed_and_is_sent_again_until_taken(
    start_server: StartServer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QC_WEBHOOK_SECRET", SECRET)
    server = start_server(spc=SPC, webhook={"url": f"http://127.0.0.1:{receiver.server_port}/alarms"})
    post(server, 100, 2, "before")
    post(server, 10, 10, "after")
    (alarm,) = eventually(lambda: alarms(server, cleared=False))
    webhook = server.service.webhook
    assert webhook is not None
    eventually(lambda: receiver.refusals <= 0)
    webhook.send_soon()
    headers, body = eventually(lambda: receiver.taken)[0]
    message = Webhook(SECRET).verify(body, headers)
    assert (message["type"], message["data"]["id"]) == ("alarm.raised", alarm["id"])
    assert {name.lower(): value for name, value in headers.items()}["webhook-id"] == f"{alarm['id']}.raised"
    post(server, 30, 2, "calm")
    eventually(lambda: len(receiver.taken) == 2)
    assert json.loads(receiver.taken[1][1])["type"] == "alarm.cleared"
    webhook.run(threading.Event())
    assert len(receiver.taken) == 2, "what was taken is not sent again"


def test_what_a_receiver_says_beside_the_status_is_not_read(
    receiver: Receiver, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QC_WEBHOOK_SECRET", SECRET)
    receiver.refusals, receiver.talks = 0, True
    url = f"http://127.0.0.1:{receiver.server_port}/alarms"
    webhook = start_server(webhook={"url": url}).service.webhook
    assert webhook is not None
    with httpx.Client(timeout=5) as client:
        assert webhook._send(client, "1", "raised", "{}")
    assert not receiver.talked.result(20)

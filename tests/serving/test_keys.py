"""API keys: what a camera may do with one, how fast, and how soon a revoked one is worth nothing."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event

from data.errors import InputError
from serving.caller import Caller
from serving.credentials import TRUSTED_SECONDS, Credentials
from serving.rate import Rate
from serving.role import Role
from serving.simulate import Simulation, simulate_line
from tests.accounts import key_client, person_client, wait_for
from tests.command_line import run_command
from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_people import command, told
from tests.serving.test_simulate import catalog_of


@pytest.fixture
def guarded(start_server: StartServer) -> Served:
    return start_server(auth=True)


def post(server: Served, client: httpx.Client, **changes: str) -> httpx.Response:
    return client.post("/v1/inspections", params=server.frame(**changes), content=grey_png(0.9))


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_camera_posts_and_reads_back_its_own_answers_only(guarded: Served, header: str) -> None:
    _, secret = guarded.service.keys.add("top", Role.CAMERA, "test")
    top = guarded.another_client(**{header: f"Bearer {secret}" if header == "Authorization" else secret})
    side = key_client(guarded, Role.CAMERA, "side")
    posted = post(guarded, top)
    assert posted.status_code == 201
    path = f"/v1/inspections/{posted.json()['id']}"
    assert top.get(path).json()["verdict"] == "REJECT"
    assert side.get(path).status_code == 404
    assert top.get(f"{path}/image").status_code == 403
    assert key_client(guarded, Role.INSPECTOR).get(path).status_code == 200


@pytest.mark.parametrize("secret", ["", "x", "qc_" + "A" * 43, "qc_" + "A" * 42 + "é"])
def test_a_key_that_is_none_is_refused_without_a_trace(guarded: Served, secret: str) -> None:
    client = guarded.another_client()
    headers = [(b"X-API-Key", secret.encode())]
    answer = client.post("/v1/inspections", params=guarded.frame(), content=grey_png(0.9), headers=headers)
    assert answer.status_code == 401
    assert key_client(guarded, Role.ADMIN).get("/v1/inspections").json()["items"] == []


def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_remembered(
    guarded: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = guarded.service.keys.add("top", Role.CAMERA, "test")
    looked_up, revoked = threading.Event(), threading.Event()
    look_up = Credentials._key

    def slow(self: Credentials, sha256: str) -> Caller | None:
        caller = look_up(self, sha256)
        looked_up.set()
        revoked.wait(10)
        return caller

    monkeypatch.setattr(Credentials, "_key", slow)
    top = guarded.another_client(Authorization=f"Bearer {secret}")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, guarded, top)
        assert looked_up.wait(10)
        guarded.service.keys.revoke(key.id, "test")
        guarded.service.credentials.forget()
        revoked.set()
        assert first.result().status_code == 401
    assert post(guarded, top).status_code == 401


def test_a_camera_does_not_wait_for_the_pages_that_read(guarded: Served) -> None:
    _, secret = guarded.service.keys.add("top", Role.CAMERA, "test")
    with ExitStack() as pages:
        for _ in range(40):
            pages.enter_context(guarded.service.store.reading())
        top = guarded.another_client(Authorization=f"Bearer {secret}")
        assert top.post("/v1/inspections", params=guarded.frame(), content=grey_png(0.9), timeout=10).status_code == 201


def test_a_wrong_key_beside_a_good_cookie_is_refused(guarded: Served) -> None:
    ann = person_client(guarded, "ann", Role.ADMIN)
    assert ann.get("/v1/models", headers={"Authorization": f"Bearer qc_{'A' * 43}"}).status_code == 401


def test_a_key_revoked_over_http_is_refused_at_once(guarded: Served) -> None:
    admin = person_client(guarded, "root", Role.ADMIN)
    made = admin.post("/v1/keys", json={"name": "top", "rate_limit": 50}).json()
    top = guarded.another_client(Authorization=f"Bearer {made['secret']}")
    assert post(guarded, top).status_code == 201
    revoked = admin.delete(f"/v1/keys/{made['key']['id']}").json()
    assert revoked["revoked_at"] is not None
    assert post(guarded, top, part_id="P-2").status_code == 401
    assert admin.delete(f"/v1/keys/{made['key']['id']}").json() == revoked
    listed = admin.get("/v1/keys")
    assert [(key["name"], key["rate_limit"]) for key in listed.json()] == [("top", 50)]
    assert made["secret"] not in listed.text
    assert admin.post("/v1/keys", json={"name": "top"}).status_code == 201, "the name is free again"
    assert told(guarded, "key top") == [("KEY_ADDED", "root"), ("KEY_REVOKED", "root"), ("KEY_ADDED", "root")]


def test_a_key_revoked_in_the_database_is_refused_within_the_bound(guarded: Served, tmp_path: Path) -> None:
    added = command(tmp_path, "key", "add", "top", "--role", "camera")
    assert added.returncode == 0, added.stderr
    top = guarded.another_client(Authorization=f"Bearer {added.stdout.strip()}")
    assert post(guarded, top).status_code == 201
    assert "top" in command(tmp_path, "key", "list").stdout
    guarded.service.keys.revoke(guarded.service.keys.named("top").id, "past the server's routes")
    assert wait_for(lambda: post(guarded, top).status_code == 401, TRUSTED_SECONDS + 1) <= TRUSTED_SECONDS + 0.5


def test_a_frame_asks_the_database_for_its_key_once_in_a_while_only(guarded: Served) -> None:
    top = key_client(guarded, Role.CAMERA, "top")
    asked: list[str] = []
    engine = guarded.service.store._reading
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    start = time.monotonic()
    for number in range(40):
        assert post(guarded, top, part_id=f"P-{number}").status_code == 201
    allowed = 1 + (time.monotonic() - start) / TRUSTED_SECONDS
    assert 1 <= sum("FROM api_keys" in statement for statement in asked) <= allowed


def test_a_rate_limit_is_kept_to_and_says_when_to_come_back(guarded: Served) -> None:
    slow = key_client(guarded, Role.CAMERA, "slow", rate_limit=0.1)
    other = key_client(guarded, Role.CAMERA, "other")
    assert post(guarded, slow).status_code == 201
    refused = post(guarded, slow)
    assert refused.status_code == 429
    assert 5 <= int(refused.headers["retry-after"]) <= 10, "as much less than 10 s as the two requests took"
    assert post(guarded, other).status_code == 201


def test_a_rate_lets_through_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("serving.rate.time.monotonic", lambda: now[0])
    rate = Rate(10)
    taken = 0
    for _ in range(2000):
        taken += rate.take() == 0
        now[0] += 0.01
    assert 200 <= taken <= 211


def test_the_simulator_with_a_cameras_key_posts_and_asks_for_nothing_more(guarded: Served, tmp_path: Path) -> None:
    _, secret = guarded.service.keys.add("line", Role.CAMERA, "test")
    catalog = catalog_of(tmp_path)
    summary = simulate_line(Simulation(catalog, guarded.url, secret, rate=40, seconds=0.5), threading.Event())
    assert (summary.inspections > 0, summary.roi) == (True, None)
    with pytest.raises(InputError, match="may not review"):
        simulate_line(Simulation(catalog, guarded.url, secret, review_share=1, seconds=0.5), threading.Event())
    with pytest.raises(InputError, match="QC_KEY"):
        simulate_line(Simulation(catalog, guarded.url, seconds=0.5), threading.Event())


def test_the_simulator_with_an_admins_key_reviews_in_the_keys_name(guarded: Served, tmp_path: Path) -> None:
    _, secret = guarded.service.keys.add("line", Role.ADMIN, "test")
    simulation = Simulation(catalog_of(tmp_path), guarded.url, secret, rate=40, seconds=0.5, review_share=1)
    summary = simulate_line(simulation, threading.Event())
    assert summary.reviews > 0
    assert summary.roi is not None
    items = key_client(guarded, Role.MANAGER).get("/v1/inspections").json()["items"]
    assert {item["review"]["reviewer"] for item in items if item["review"]} == {"line"}


@pytest.mark.parametrize("words", [("report",), ("promote", "1", "--reason", "again")])
def test_the_command_line_speaks_with_a_key_from_the_environment(
    guarded: Served, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = guarded.service.keys.add("office", Role.ADMIN, "test")
    monkeypatch.delenv("QC_KEY", raising=False)
    refused = run_command(*words, "--url", guarded.url)
    assert (refused.returncode, "send a key" in refused.stderr) == (2, True)
    monkeypatch.setenv("QC_KEY", secret)
    done = run_command(*words, "--url", guarded.url)
    assert done.returncode == 0, done.stderr
    assert "ROI, case study" in done.stdout or "brightness 1 decides now" in done.stdout

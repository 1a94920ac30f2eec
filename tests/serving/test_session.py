"""Signing in: cookies, CSRF, throttling, expiry, one-time passwords, and the first start."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pwdlib import PasswordHash
from sqlalchemy import select

from serving import password
from serving.audit import entries
from serving.people import FIRST_ADMIN, People
from serving.problem import ProblemError
from serving.role import Role
from serving.store import Store
from serving.tables import people, sessions
from serving.throttle import FREE_BY_ADDRESS, FREE_BY_NAME, LONGEST_AT_DEVICE_SECONDS, LONGEST_SECONDS, Throttle
from tests.accounts import PASSWORD, add_person, person_client, sign_in, wait_for
from tests.conftest import ROOT, Served, StartServer, settings_arguments, wait_until_up


@pytest.fixture
def guarded(start_server: StartServer) -> Served:
    """A server that wants to know who is calling."""
    return start_server(auth=True)


def test_who_signs_in_is_known_until_signing_out(guarded: Served) -> None:
    add_person(guarded, "ann", Role.INSPECTOR)
    client = guarded.client
    nobody = client.get("/v1/session").json()
    assert (nobody["auth"], nobody["name"], nobody["permissions"], nobody["csrf_token"]) == (True, None, [], None)
    answer = sign_in(client, "ann")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "secure" not in cookie
    who = client.get("/v1/session").json()
    assert who == answer.json()
    assert (who["name"], who["role"], who["must_change_password"]) == ("ann", "inspector", False)
    assert "review" in who["permissions"] and "people" not in who["permissions"]
    assert client.get("/v1/reviews/queue").status_code == 200
    stolen = client.cookies["qc_session"]
    assert client.delete("/v1/session").status_code == 204
    assert client.get("/v1/session").json()["name"] is None
    assert client.get("/v1/reviews/queue", headers={"Cookie": f"qc_session={stolen}"}).status_code == 401


def test_without_authentication_everyone_is_admin_and_nobody_signs_in(server: Served) -> None:
    who = server.client.get("/v1/session").json()
    assert (who["auth"], who["name"], who["role"], who["csrf_token"]) == (False, None, "admin", None)
    assert sign_in(server.client, "ann").status_code == 409


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("ann", ""), ("gone", PASSWORD)]
)
def test_all_that_can_be_wrong_gets_the_same_answer(guarded: Served, name: str, password: str) -> None:
    add_person(guarded, "ann", Role.ADMIN)
    add_person(guarded, "gone", Role.MANAGER)
    everybody = guarded.service.people
    everybody.change(everybody.named("gone").id, "test", disabled=True)
    answer = sign_in(guarded.client, name, password)
    assert (answer.status_code, answer.json()["detail"]) == (401, "the name or the password is wrong")
    assert "set-cookie" not in answer.headers


def test_an_unknown_name_costs_a_verification_too(guarded: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    add_person(guarded, "ann", Role.ADMIN)
    verified = []

    def verify(given: str, hashed: str) -> bool:
        verified.append(hashed.split("$")[:-2])  # method and cost, not salt and hash
        return False

    monkeypatch.setattr(password, "_hash", PasswordHash.recommended())
    password._nobody()
    monkeypatch.setattr(password._hash, "verify", verify)
    for name in ("ann", "nobody"):
        assert guarded.service.people.with_password(name, "wrong") is None
    assert len(verified) == 2
    assert verified[0] == verified[1], "as costly as a known name's, or its time would tell that nobody has it"


def test_only_hashes_are_stored(guarded: Served) -> None:
    client = person_client(guarded, "ann", Role.ADMIN)
    secret = client.post("/v1/keys", json={"name": "top"}).json()["secret"]
    token = client.cookies["qc_session"]
    database = Path(guarded.service.settings.database_url.removeprefix("sqlite:///"))
    content = b"".join(file.read_bytes() for file in database.parent.glob("qc.db*"))
    assert b"$argon2id$" in content
    for kept in (PASSWORD, token, secret):
        assert kept.encode() not in content


@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_a_change_with_the_cookie_alone_is_refused(guarded: Served, token: str | None) -> None:
    client = person_client(guarded, "ann", Role.ADMIN)
    right = client.headers.pop("X-CSRF-Token")
    headers = {} if token is None else {"X-CSRF-Token": token}
    body = {"name": "bob", "role": "inspector"}
    answer = client.post("/v1/people", json=body, headers=headers)
    assert (answer.status_code, "x-csrf-token" in answer.json()["detail"]) == (403, True)
    assert client.delete("/v1/session", headers=headers).status_code == 403
    assert client.get("/v1/people").status_code == 200, "reading changes nothing"
    assert client.post("/v1/people", json=body, headers={"X-CSRF-Token": right}).status_code == 201


def test_another_sessions_csrf_token_is_refused(guarded: Served) -> None:
    ann, bob = person_client(guarded, "ann", Role.ADMIN), person_client(guarded, "bob", Role.ADMIN)
    headers = {"X-CSRF-Token": bob.headers["X-CSRF-Token"]}
    assert ann.delete("/v1/session", headers=headers).status_code == 403


def test_guessing_is_slowed_down_and_the_right_password_waits_too(guarded: Served) -> None:
    add_person(guarded, "ann", Role.ADMIN)
    for _ in range(5):
        assert sign_in(guarded.client, "ann", "wrong").status_code == 401
    refused = sign_in(guarded.client, "ann")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert sign_in(guarded.client, "ANN", "wrong").status_code == 429, "another spelling is no way round"
    wait_for(lambda: sign_in(guarded.client, "ann").status_code == 200, 5)
    assert sign_in(guarded.client, "ann", "wrong").status_code == 401, "forgiven"


def test_each_failure_beyond_the_free_ones_doubles_the_wait() -> None:
    now = [0.0]
    throttle = Throttle(3, clock=lambda: now[0])
    assert [throttle.take("ann") for _ in range(3)] == [0, 0, 0]
    waits = []
    for _ in range(12):
        waits.append(throttle.take("ann"))
        now[0] += waits[-1]
        assert throttle.take("ann") == 0
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == LONGEST_SECONDS
    assert throttle.take("bob") == 0
    throttle.forgive("ann")
    assert throttle.take("ann") == 0


def known_device(server: Served, name: str) -> httpx.Client:
    """The browser of somebody who signed in before, and out again."""
    client = person_client(server, name, Role.INSPECTOR)
    assert client.delete("/v1/session").status_code == 204
    return client


def guess(server: Served, name: str, address: str, device: str | None = None) -> int:
    with pytest.raises(ProblemError) as refused:
        server.service.sessions.sign_in(name, "wrong", address, device)
    return refused.value.status


def test_guesses_elsewhere_do_not_keep_the_right_person_out_where_they_signed_in_before(guarded: Served) -> None:
    known = known_device(guarded, "ann")
    for _ in range(8):
        sign_in(guarded.client, "ann", "wrong")  # from the same address, even: the next seat at the line
    assert sign_in(guarded.client, "ann").status_code == 429
    assert sign_in(known, "ann").status_code == 200
    assert sign_in(guarded.client, "ann").status_code == 429, "that forgave nobody else"


def test_guesses_from_one_address_do_not_keep_a_person_at_another_out(guarded: Served) -> None:
    add_person(guarded, "ann", Role.INSPECTOR)
    assert {guess(guarded, "ann", "10.0.0.9") for _ in range(8)} == {401, 429}
    assert sign_in(guarded.client, "ann").status_code == 200


def test_guesses_from_many_addresses_are_slowed_down_too(guarded: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.people.verify_password", lambda *_: False)
    known = known_device_cookie(guarded, "ann")
    found = [guess(guarded, "ann", f"10.0.{number}.9") for number in range(FREE_BY_NAME + 10)]
    assert found[:FREE_BY_NAME] == [401] * FREE_BY_NAME
    assert 429 in found[FREE_BY_NAME:]
    assert guess(guarded, "ann", "10.0.0.9", known) == 401, "tried, not refused"


def known_device_cookie(server: Served, name: str) -> str:
    server.service.people.add(name, Role.INSPECTOR, "test")
    device = server.service.sessions.new_device(name)
    assert device is not None
    return device


def test_guessing_at_a_known_device_is_delayed_and_never_locked(guarded: Served) -> None:
    device = known_device_cookie(guarded, "ann")
    throttle, now = guarded.service.sessions._by_device, [0.0]
    throttle._clock = lambda: now[0]
    waits = []
    for _ in range(30):
        try:
            guarded.service.sessions.sign_in("ann", "wrong", "10.0.0.9", device)
        except ProblemError as refused:
            if refused.status == 429:
                assert refused.headers is not None
                waits.append(int(refused.headers["Retry-After"]))
                now[0] += waits[-1]
    assert waits[:3] == [1, 2, 4]
    assert max(waits) == LONGEST_AT_DEVICE_SECONDS


def test_a_device_is_known_for_one_person_and_one_password(guarded: Served) -> None:
    device = known_device_cookie(guarded, "ann")
    people, sessions = guarded.service.people, guarded.service.sessions
    people.add("bob", Role.INSPECTOR, "test")
    assert sessions._knows("ann", device)
    assert not sessions._knows("bob", device)
    assert not sessions._knows("nobody", device)
    for forged in ("", ".", device[:-1], f"{device}0", f"x{device}", device.split(".")[0]):
        assert not sessions._knows("ann", forged)
    people.reset_password(people.named("ann").id, "test")
    assert not sessions._knows("ann", device), "whoever had the old password may have had the device"


def test_the_cookie_of_a_device_goes_to_the_sign_in_alone(guarded: Served) -> None:
    client = known_device(guarded, "ann")
    (cookie,) = (one for one in client.cookies.jar if one.name.startswith("qc_device_"))
    assert cookie.path == "/v1/session"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert "ann" not in f"{cookie.name}{cookie.value}"


def test_many_names_from_one_address_are_slowed_down_too(guarded: Served) -> None:
    throttled = guarded.service.sessions
    for number in range(20):
        throttled._by_address.take("127.0.0.1")
        assert throttled._by_name.take(str(number)) == 0
    assert sign_in(guarded.client, "somebody").status_code == 429


def test_the_addresses_of_one_network_of_ipv6_are_one_caller(guarded: Served) -> None:
    sessions = guarded.service.sessions
    for address in ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1", "10.0.0.1", "10.0.0.2"):
        with pytest.raises(ProblemError):
            sessions.sign_in("ann", "wrong", address)
    counts = {network: failures.count for network, failures in sessions._by_address._failures.items()}
    assert counts == {"2001:db8:0:1::/64": 2, "2001:db8:0:2::/64": 1, "10.0.0.1": 1, "10.0.0.2": 1}


def test_a_flood_of_sign_ins_leaves_threads_to_the_pages(guarded: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    free, trying = threading.Event(), threading.Semaphore(0)

    def slow(*_: object) -> None:
        trying.release()
        free.wait(30)

    ann = person_client(guarded, "ann", Role.ADMIN)
    monkeypatch.setattr(guarded.service.people, "with_password", slow)
    with ThreadPoolExecutor(50) as pool:
        tries = [pool.submit(sign_in, guarded.another_client(), f"name-{number}") for number in range(50)]
        try:
            for _ in range(12):
                assert trying.acquire(timeout=20)
            assert ann.get("/v1/people", timeout=10).status_code == 200
        finally:
            free.set()
        refused = [answer for each in tries if (answer := each.result()).status_code == 429]
    assert len(refused) >= 50 - FREE_BY_ADDRESS
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)


def test_a_session_ends_after_its_longest_time(start_server: StartServer) -> None:
    guarded = start_server(auth=True, sessions={"longest_seconds": 3})
    client = person_client(guarded, "ann", Role.INSPECTOR)
    cookie = {"Cookie": f"qc_session={client.cookies['qc_session']}"}
    assert guarded.client.get("/v1/models", headers=cookie).status_code == 200
    wait_for(lambda: guarded.client.get("/v1/models", headers=cookie).status_code == 401, 9)


def test_a_session_ends_when_idle_and_lives_on_while_used(start_server: StartServer) -> None:
    guarded = start_server(auth=True, sessions={"idle_seconds": 4})
    add_person(guarded, "ann", Role.INSPECTOR)
    person = guarded.service.people.named("ann")
    busy, idle = ({"Cookie": f"qc_session={guarded.service.sessions.open(person)}"} for _ in range(2))
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert guarded.client.get("/v1/models", headers=busy).status_code == 200
        time.sleep(0.1)
    assert guarded.client.get("/v1/models", headers=idle).status_code == 401


def test_a_one_time_password_opens_nothing_but_its_change(guarded: Served) -> None:
    _, one_time = guarded.service.people.add("ann", Role.MANAGER, "test")
    client = guarded.client
    assert sign_in(client, "ann", one_time).json()["must_change_password"]
    refused = client.get("/v1/roi")
    assert (refused.status_code, refused.json()["detail"]) == (403, "change your one-time password first")

    def change(present: str, new: str) -> httpx.Response:
        return client.put("/v1/session/password", json={"present": present, "new": new})

    assert change("wrong", PASSWORD).status_code == 403
    assert change(one_time, "short").status_code == 422
    assert change(one_time, "my name is Ann indeed").status_code == 422
    assert change(one_time, one_time).status_code == 422
    before = client.cookies["qc_session"]
    changed = change(one_time, PASSWORD)
    assert (changed.status_code, changed.json()["must_change_password"]) == (200, False)
    assert client.get("/v1/roi").status_code == 200
    assert guarded.client.get("/v1/roi", headers={"Cookie": f"qc_session={before}"}).status_code == 401
    assert sign_in(guarded.another_client(), "ann", one_time).status_code == 401
    with guarded.service.store.reading() as connection:
        assert connection.scalars(select(people.c.must_change_password)).all() == [False]
        assert [entry["action"] for entry in entries(connection)] == [
            "ASSUMPTIONS_ADOPTED",
            "PERSON_ADDED",
            "PASSWORD_CHANGED",
        ]


def test_expired_sessions_do_not_pile_up(start_server: StartServer) -> None:
    guarded = start_server(auth=True, sessions={"longest_seconds": 0.01})
    add_person(guarded, "ann", Role.ADMIN)
    person = guarded.service.people.named("ann")
    for _ in range(3):
        guarded.service.sessions.open(person)
        time.sleep(0.02)
    with guarded.service.store.reading() as connection:
        assert len(connection.execute(select(sessions)).all()) == 1


def test_first_start_shows_a_one_time_admin_password_once_and_not_in_the_log(
    tmp_path: Path, brightness_bundle: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = settings_arguments(tmp_path, brightness_bundle.parent, auth=True, port=port)
    command = [sys.executable, "-m", "serving", "serve", *(part for item in settings for part in ("--set", item))]

    def start(stdout: int = subprocess.PIPE) -> tuple[str, str]:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until_up(client, lambda: process.poll() is None)
        process.terminate()
        return process.communicate(timeout=30)

    shown, log = start()
    found = re.search(rf"Sign in as {FIRST_ADMIN} with the one-time password (\S+)\n", shown)
    assert found is not None
    assert found[1] not in log
    assert start()[0] == "", "among lines of JSON"
    terminal, screen = os.openpty()
    start(screen)
    assert os.read(terminal, 1000).decode() == (
        f"http://127.0.0.1:{port} answers; brightness 1 decides. Ctrl-C stops it.\r\n"
    )
    store = Store.open(f"sqlite:///{tmp_path}/qc.db")
    admin = People(store).with_password(FIRST_ADMIN, found[1])
    store.close()
    assert admin is not None
    assert (admin.role, admin.must_change_password) == (Role.ADMIN, True)

"""People and keys of a server under test, and clients that speak as them."""

import time
from collections.abc import Callable

import httpx

from serving.role import Role
from tests.conftest import Served

PASSWORD = "correct horse battery"


def key_client(server: Served, role: Role, name: str | None = None, **settings: float) -> httpx.Client:
    """A program with a key of this role."""
    _, secret = server.service.keys.add(name or f"{role.value} key", role, "test", **settings)
    return server.another_client(Authorization=f"Bearer {secret}")


def add_person(server: Served, name: str, role: Role, password: str = PASSWORD) -> None:
    """A person who has changed the one-time password."""
    person, one_time = server.service.people.add(name, role, "test")
    server.service.people.change_password(person.id, one_time, password)


def sign_in(client: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
    """Sign in over HTTP; from then on the client sends the CSRF token as the UI does."""
    answer = client.post("/v1/session", json={"name": name, "password": password})
    if answer.is_success:
        client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return answer


def person_client(server: Served, name: str, role: Role) -> httpx.Client:
    """A browser in which this person has just signed in."""
    add_person(server, name, role)
    client = server.another_client()
    assert sign_in(client, name).status_code == 200
    return client


def wait_for(true: Callable[[], bool], seconds: float) -> float:
    """Ask until `true`, and return how long that took."""
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        if true():
            return time.monotonic() - start
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")

"""People are administered over HTTP and at the command line, always told in the audit trail; nobody speaks for another."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from serving.audit import entries, verify
from serving.credentials import TRUSTED_SECONDS
from serving.role import Role
from tests.accounts import PASSWORD, key_client, person_client, sign_in, wait_for
from tests.command_line import Ended, run_command
from tests.conftest import Served, StartServer, grey_png, settings_arguments


@pytest.fixture
def guarded(start_server: StartServer) -> Served:
    return start_server(auth=True)


@pytest.fixture
def admin(guarded: Served) -> httpx.Client:
    return person_client(guarded, "root", Role.ADMIN)


def told(server: Served, subject: str) -> list[tuple[str, str]]:
    """Action and person of the trail's entries about `subject`; the whole trail must hold."""
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()
        return [(each["action"], each["person"]) for each in entries(connection) if each["subject"] == subject]


def command(directory: Path, *words: str) -> Ended:
    chosen = [part for item in settings_arguments(directory, directory) for part in ("--set", item)]
    return run_command(*words, *chosen)


def test_a_person_is_added_disabled_enabled_and_given_another_role(guarded: Served, admin: httpx.Client) -> None:
    added = admin.post("/v1/people", json={"name": "ann", "role": "inspector"})
    assert added.status_code == 201
    ann, password = added.json()["person"], added.json()["password"]
    client = guarded.another_client()
    assert sign_in(client, "ann", password).status_code == 200
    path = f"/v1/people/{ann['id']}"
    assert admin.patch(path, json={"disabled": True}).json()["disabled_at"] is not None
    assert client.get("/v1/session").json()["name"] is None, "signed out at once"
    assert sign_in(client, "ann", password).status_code == 401
    assert admin.patch(path, json={"disabled": False}).json()["disabled_at"] is None
    assert sign_in(client, "ann", password).status_code == 200
    assert admin.patch(path, json={"role": "manager"}).json()["role"] == "manager"
    reset = admin.post(f"{path}/password").json()["password"]
    assert sign_in(client, "ann", password).status_code == 401
    assert sign_in(client, "ann", reset).json()["role"] == "manager"
    assert [person["name"] for person in admin.get("/v1/people").json()] == ["ann", "root"]
    assert told(guarded, "person ann") == [
        ("PERSON_ADDED", "root"),
        *[("PERSON_CHANGED", "root")] * 3,
        ("PASSWORD_RESET", "root"),
    ]
    with guarded.service.store.reading() as connection:
        everything = str([dict(each) for each in entries(connection)])
    assert password not in everything and reset not in everything and "argon2" not in everything


@pytest.mark.parametrize("name", ["root", "Root", "ROOT", "camera key", "ro\u200bot", "\u202eroot", "\uff52oot"])
def test_a_name_is_given_once(guarded: Served, admin: httpx.Client, name: str) -> None:
    key_client(guarded, Role.CAMERA)
    answer = admin.post("/v1/people", json={"name": name, "role": "inspector"})
    assert (answer.status_code, "taken" in answer.json()["detail"]) == (409, True)
    assert admin.post("/v1/keys", json={"name": "Root"}).status_code == 409


def test_a_person_cannot_be_a_camera(admin: httpx.Client) -> None:
    assert admin.post("/v1/people", json={"name": "ann", "role": "camera"}).status_code == 422


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "manager"}])
def test_the_last_admin_stays(admin: httpx.Client, change: dict[str, Any]) -> None:
    (root,) = admin.get("/v1/people").json()
    assert admin.patch(f"/v1/people/{root['id']}", json=change).status_code == 409
    other = admin.post("/v1/people", json={"name": "ann", "role": "admin"}).json()["person"]
    admin.patch(f"/v1/people/{other['id']}", json={"disabled": True})
    assert admin.patch(f"/v1/people/{root['id']}", json=change).status_code == 409, "a disabled admin is none"
    admin.patch(f"/v1/people/{other['id']}", json={"disabled": False})
    assert admin.patch(f"/v1/people/{root['id']}", json=change).status_code == 200


def test_a_review_in_somebody_elses_name_is_refused(guarded: Served, admin: httpx.Client) -> None:
    inspection = admin.post("/v1/inspections", params=guarded.frame(), content=grey_png(0.9)).json()
    ann = person_client(guarded, "ann", Role.INSPECTOR)

    def review(reviewer: str) -> httpx.Response:
        body = {"inspection_id": inspection["id"], "decision": "FALSE_CALL", "decided_at": "2026-11-01T08:00:00Z"}
        return ann.put(f"/v1/reviews/{uuid4()}", json={**body, "reviewer": reviewer})

    forged = review("bob")
    assert forged.status_code == 403
    assert "you are signed in as ann and cannot speak for bob" in forged.json()["detail"]
    assert admin.get(f"/v1/inspections/{inspection['id']}").json()["review"] is None
    assert review("ann").json()["reviewer"] == "ann"


def test_a_promotion_is_signed_by_who_is_signed_in(guarded: Served) -> None:
    engineer = person_client(guarded, "eve", Role.ENGINEER)
    body = {"version": "1", "reason": "again"}
    assert engineer.post("/v1/models", json={**body, "person": "bob"}).status_code == 403
    assert engineer.post("/v1/models", json=body).status_code == 200
    with guarded.service.store.reading() as connection:
        assert [each["person"] for each in entries(connection) if each["action"] == "PROMOTION"] == ["eve"]


def test_without_authentication_a_promotion_still_needs_a_name(server: Served) -> None:
    answer = server.client.post("/v1/models", json={"version": "1", "reason": "again"})
    assert (answer.status_code, "person" in answer.json()["detail"]) == (422, True)


def test_the_command_line_works_while_the_server_runs(guarded: Served, tmp_path: Path) -> None:
    added = command(tmp_path, "person", "add", "ann", "--role", "inspector")
    assert added.returncode == 0, added.stderr
    client = guarded.another_client()
    assert sign_in(client, "ann", added.stdout.strip()).json()["must_change_password"]
    new = {"present": added.stdout.strip(), "new": PASSWORD}
    client.headers["X-CSRF-Token"] = client.put("/v1/session/password", json=new).json()["csrf_token"]
    assert client.get("/v1/models").status_code == 200
    assert command(tmp_path, "person", "disable", "ann").returncode == 0
    wait_for(lambda: client.get("/v1/models").status_code == 401, TRUSTED_SECONDS + 1)
    listed = command(tmp_path, "person", "list")
    assert "ann" in listed.stdout and "inspector" in listed.stdout
    unknown = command(tmp_path, "person", "reset-password", "bob")
    assert (unknown.returncode, unknown.stderr) == (2, "error: there is nobody named bob\n")
    actions = [action for action, person in told(guarded, "person ann") if "command line" in person]
    assert actions == ["PERSON_ADDED", "PERSON_CHANGED"]


def test_an_open_event_stream_ends_with_the_session(guarded: Served, admin: httpx.Client) -> None:
    ann = person_client(guarded, "ann", Role.INSPECTOR)
    person = guarded.service.people.named("ann")
    with ann.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        admin.patch(f"/v1/people/{person.id}", json={"disabled": True})
        admin.post("/v1/inspections", params=guarded.frame(part_id="secret part"), content=grey_png(0.9))
        assert "secret part" not in "\n".join(lines)

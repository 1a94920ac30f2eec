"""Sign-in by an identity provider: a real one in miniature on loopback, signing with its own key."""

import base64
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Form, Request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.responses import JSONResponse, RedirectResponse, Response

from data.errors import InputError
from serving.oidc import SECRET
from serving.role import Role
from serving.server import Server
from serving.settings import load_settings
from tests.accounts import add_person
from tests.conftest import ROOT, Served, StartServer, settings_arguments, wait_until_up


@dataclass
class Provider:
    """Signs in whoever `claims` describes, without asking."""

    url: str
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "1", "preferred_username": "ann", "groups": ["qc"]})
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    signing_key: RSAKey | None = None
    spoil: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    page: bytes | None = None
    """what something in between answers with instead"""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def in_between(request: Request, go_on: Any) -> Response:
            if self.page is not None and request.url.path != "/authorize":
                return Response(self.page, media_type="application/json")
            answer: Response = await go_on(request)
            return answer

        @app.get("/readyz")
        def ready() -> Response:
            return Response()

        @app.get("/.well-known/openid-configuration")
        def metadata() -> dict[str, Any]:
            return {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }

        @app.get("/keys")
        def keys() -> dict[str, Any]:
            return dict(KeySet([self.key]).as_dict(private=False))

        @app.get("/authorize")
        def authorize(request: Request) -> Response:
            asked = dict(request.query_params)
            assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
            code = f"code-{len(self.codes)}"
            self.codes[code] = asked
            back = urlencode({"code": code, "state": asked["state"]})
            return RedirectResponse(f"{asked['redirect_uri']}?{back}", 302)

        @app.post("/token")
        def token(
            request: Request, code: str = Form(), code_verifier: str = Form(), redirect_uri: str = Form()
        ) -> Response:
            asked = self.codes.pop(code)
            challenge = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
            basic = base64.b64encode(b"verdict-line:the secret").decode()
            if (challenge, redirect_uri) != (asked["code_challenge"], asked["redirect_uri"]) or request.headers.get(
                "authorization"
            ) != f"Basic {basic}":
                return JSONResponse({"error": "invalid_grant"}, 400)
            now = int(time.time())
            claims = {
                "iss": self.url,
                "aud": asked["client_id"],
                "iat": now,
                "exp": now + 60,
                "nonce": asked["nonce"],
                **self.claims,
                **self.spoil,
            }
            signed = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signing_key or self.key)
            return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": signed})

        return app


@pytest.fixture
def provider() -> Iterator[Provider]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    provider = Provider(f"http://127.0.0.1:{port}")
    server = uvicorn.Server(uvicorn.Config(provider.app(), port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    with httpx.Client(base_url=provider.url) as client:
        wait_until_up(client, thread.is_alive)
    yield provider
    server.should_exit = True
    thread.join(30)


def oidc(provider: Provider) -> dict[str, Any]:
    return {
        "metadata_url": f"{provider.url}/.well-known/openid-configuration",
        "client_id": "verdict-line",
        "roles": {"qc": "inspector", "qc-managers": "manager"},
    }


@pytest.fixture
def guarded(start_server: StartServer, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setenv(SECRET, "the secret")
    return start_server(auth=True, oidc=oidc(provider))


def come_in(client: httpx.Client, page: str = "/live") -> str:
    """The browser's way there and back; returns where it ended."""
    answer = client.get("/v1/session/oidc", params={"page": page})
    while answer.is_redirect:
        address = answer.headers["location"]
        if urlsplit(address).path in ("/live", "/", "/login"):
            return str(address)
        answer = client.get(address)
    raise AssertionError(f"{answer.status_code}: {answer.text}")


def test_who_the_provider_vouches_for_comes_in_with_the_role_of_the_claim(guarded: Served, provider: Provider) -> None:
    client = guarded.client
    assert client.get("/v1/session").json()["oidc"] is True
    assert come_in(client) == "/live"
    who = client.get("/v1/session").json()
    assert (who["name"], who["role"], who["must_change_password"]) == ("ann", "inspector", False)
    assert client.get("/v1/reviews/queue").status_code == 200
    provider.claims["groups"] = ["x", "qc", "qc-managers"]
    other = guarded.another_client()
    come_in(other)
    assert other.get("/v1/session").json()["role"] == "manager"
    assert client.get("/v1/reviews/queue").status_code == 401, "the old role's session has ended"
    assert [person.name for person in guarded.service.people.list()] == ["ann"]


@pytest.mark.parametrize("page", ["//evil.example", "/\\evil.example", "https://evil.example", "/\n/x", ""])
def test_nobody_is_sent_to_another_host_afterwards(guarded: Served, page: str) -> None:
    assert come_in(guarded.client, page) == "/"


@pytest.mark.parametrize(
    "spoil",
    [
        {"nonce": "another"},
        {"aud": "another"},
        {"iss": "http://another"},
        {"exp": 1},
        {"groups": ["strangers"]},
        {"groups": None},
        {"preferred_username": None},
        {"preferred_username": "root"},
    ],
    ids=str,
)
def test_what_does_not_hold_is_refused(guarded: Served, provider: Provider, spoil: dict[str, Any]) -> None:
    add_person(guarded, "root", Role.ADMIN)
    provider.spoil = spoil
    assert come_in(guarded.client) == "/login?refused=oidc"
    assert guarded.client.get("/v1/session").json()["name"] is None
    assert [person.name for person in guarded.service.people.list()] == ["root"]


def test_a_token_signed_by_somebody_else_is_refused(guarded: Served, provider: Provider) -> None:
    provider.signing_key = RSAKey.generate_key(2048, {"kid": "1"})
    assert come_in(guarded.client) == "/login?refused=oidc"


def test_an_answer_without_an_attempt_of_this_browser_is_refused(guarded: Served) -> None:
    begun = guarded.another_client().get("/v1/session/oidc").headers["location"]
    state = parse_qs(urlsplit(begun).query)["state"][0]
    callback = httpx.get(begun).headers["location"]
    assert state in callback
    assert guarded.client.get(callback).headers["location"] == "/login?refused=oidc"


PAGES = [b"<html>Maintenance</html>", b"{}", b"[]", b"null"]


@pytest.mark.parametrize("page", PAGES)
def test_a_provider_that_answers_with_something_else_is_503_until_it_is_back(
    guarded: Served, provider: Provider, page: bytes
) -> None:
    provider.page = page
    answer = guarded.client.get("/v1/session/oidc")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "identity provider does not answer" in answer.json()["detail"]
    provider.page = None
    assert come_in(guarded.client) == "/live"


@pytest.mark.parametrize("page", PAGES)
def test_a_code_that_is_answered_with_something_else_lets_nobody_in(
    guarded: Served, provider: Provider, page: bytes
) -> None:
    begun = guarded.client.get("/v1/session/oidc")
    back = guarded.client.get(begun.headers["location"])
    provider.page = page
    ended = guarded.client.get(back.headers["location"])
    assert (ended.status_code, ended.headers["location"]) == (303, "/login?refused=oidc")
    provider.page = None
    assert come_in(guarded.client) == "/live"


def test_a_disabled_person_stays_out(guarded: Served) -> None:
    come_in(guarded.client)
    everybody = guarded.service.people
    everybody.change(everybody.named("ann").id, "test", disabled=True)
    assert come_in(guarded.another_client()) == "/login?refused=oidc"


def test_without_a_provider_there_is_nothing_to_begin(start_server: StartServer) -> None:
    assert start_server(auth=True).client.get("/v1/session/oidc").status_code == 404


def test_the_client_secret_comes_from_the_environment_only(
    tmp_path: Any, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRET, raising=False)
    config = ROOT / "configs/serving/default.yaml"
    settings = load_settings(config, settings_arguments(tmp_path, tmp_path, auth=True, oidc=oidc(provider)))
    with pytest.raises(InputError, match=SECRET):
        Server(settings)

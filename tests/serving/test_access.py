"""Who may call what: the whole table of routes and roles, and what becomes of a route that is not in it."""

import re

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from data.errors import InputError
from serving.access import permission_for, undeclared
from serving.api import create_app
from serving.commands.retention import retention
from serving.problem import ProblemError
from serving.role import Role
from serving.settings import Settings
from tests.accounts import key_client
from tests.conftest import Served, StartServer

# Nobody (-), camera, inspector, engineer, manager, admin; what is not named is refused.
TABLE = """
GET    /healthz                       - c i e m a
GET    /readyz                        - c i e m a
GET    /metrics                       . . . . m a
GET    /openapi.json                  . c i e m a
GET    /docs                          . c i e m a
GET    /docs/start.js                 . c i e m a
GET    /docs/assets/{path:path}       . c i e m a
GET    /                              - c i e m a
GET    /assets/{path:path}            - c i e m a
GET    /{path:path}                   - c i e m a
POST   /v1/inspections                . c . . . a
GET    /v1/inspections                . . i e m a
GET    /v1/inspections/{id}           . c i e m a
GET    /v1/inspections/{id}/image     . . i e m a
GET    /v1/inspections/{id}/heatmap   . . i e m a
GET    /v1/inspections/{id}/thumbnail . . i e m a
GET    /v1/inspections/{id}/reviews   . . i e m a
GET    /v1/inspections/{id}/similar   . . i e m a
GET    /v1/inspections/{id}/past      . . i e m a
GET    /v1/parts/{part_id:path}       . . i e m a
GET    /v1/history                    . . i e m a
GET    /v1/history/outline            . . i e m a
GET    /v1/history/export.csv         . . i e m a
GET    /v1/history/export.xlsx        . . i e m a
GET    /v1/events                     . . i e m a
GET    /v1/reviews/queue              . . i . . a
GET    /v1/reviews/choices            . . i . . a
POST   /v1/reviews/claims             . . i . . a
DELETE /v1/reviews/claims             . . i . . a
PUT    /v1/reviews/{client_id}        . . i . . a
GET    /v1/metrics/quality            . . . . m a
GET    /v1/metrics/quality/figures    . . . . m a
GET    /v1/metrics/escapes            . . . . m a
GET    /v1/metrics/spc                . . . . m a
GET    /v1/metrics/agreement          . . . . m a
GET    /v1/metrics/bias               . . . . m a
GET    /v1/studies                    . . i e m a
POST   /v1/studies                    . . . . m a
GET    /v1/studies/{id}/comparison    . . . . m a
GET    /v1/studies/{id}/task          . . i . . a
POST   /v1/studies/{id}/answers       . . i . . a
GET    /v1/sampling                   . . . . m a
GET    /v1/challenges                 . . . . m a
PUT    /v1/challenges/{part_id:path}  . . . . m a
GET    /v1/returns                    . . . . m a
POST   /v1/returns                    . . . . m a
POST   /v1/returns/csv                . . . . m a
GET    /v1/metrics/throughput         . . i e m a
GET    /v1/metrics/trend              . . i e m a
GET    /v1/roi                        . . . . m a
POST   /v1/roi                        . . . . m a
GET    /v1/roi/assumptions/{key}      . . . . m a
PUT    /v1/roi/assumptions/{key}      . . . . m a
GET    /v1/roi/candidates             . . . . m a
POST   /v1/roi/candidates             . . . . m a
POST   /v1/roi/candidates/csv         . . . . m a
GET    /v1/kpis                       . . . . m a
POST   /v1/kpis                       . . . . m a
POST   /v1/past-counts                . . . . m a
GET    /v1/baselines                  . . . . m a
POST   /v1/baselines                  . . . . m a
GET    /v1/baselines/{id}/comparison  . . . . m a
GET    /v1/rollouts                   . . . . m a
POST   /v1/rollouts                   . . . . m a
GET    /v1/attribution                . . . . m a
GET    /v1/reports/{period}           . . . . m a
GET    /v1/models                     . . i e m a
POST   /v1/models                     . . . e . a
GET    /v1/models/{version}/card      . . i e m a
GET    /v1/models/shadow              . . i e m a
POST   /v1/models/shadow              . . . e . a
DELETE /v1/models/shadow              . . . e . a
GET    /v1/models/shadow/runs         . . i e m a
GET    /v1/thresholds                 . . i e m a
POST   /v1/thresholds                 . . . e . a
GET    /v1/alarms                     . . i e m a
PUT    /v1/alarms/{id}/acknowledgement . . i e m a
GET    /v1/line-holds                 . . i e m a
POST   /v1/line-holds                 . . i e m a
DELETE /v1/line-holds/{id}            . . . e m a
GET    /v1/drift                      . . i e m a
GET    /v1/audit                      . . . e m a
GET    /v1/audit/check                . . . e m a
POST   /v1/audit/check                . . . e m a
GET    /v1/holds                      . . . . m a
POST   /v1/holds                      . . . . m a
DELETE /v1/holds/{id}                 . . . . m a
GET    /v1/retention                  . . . . m a
POST   /v1/retention                  . . . . m a
GET    /v1/session                    - c i e m a
POST   /v1/session                    - c i e m a
DELETE /v1/session                    . c i e m a
PUT    /v1/session/password           . c i e m a
GET    /v1/session/oidc               - c i e m a
GET    /v1/session/oidc/callback      - c i e m a
GET    /v1/people                     . . . . . a
POST   /v1/people                     . . . . . a
PATCH  /v1/people/{id}                . . . . . a
POST   /v1/people/{id}/password       . . . . . a
GET    /v1/keys                       . . . . . a
POST   /v1/keys                       . . . . . a
DELETE /v1/keys/{id}                  . . . . . a
"""
ROUTES = {tuple(row.split()[:2]): row.split()[2:] for row in TABLE.strip().splitlines()}
CALLERS: list[Role | None] = [None, *Role]


def test_every_route_is_in_the_table() -> None:
    app = create_app(Settings())
    there = set()
    for context in iter_route_contexts(app.routes):
        path = f"{context.path}/{{path:path}}" if isinstance(context.original_route, Mount) else context.path
        there.update((method, path) for method in (context.methods or {"GET"}) - {"HEAD"})
    ui = {("GET", "/"), ("GET", "/{path:path}")}
    assert there | ui == set(ROUTES)


def test_every_role_may_do_what_the_table_says_and_nothing_else(start_server: StartServer) -> None:
    server = start_server(auth=True)
    clients = [server.another_client() if role is None else key_client(server, role) for role in CALLERS]
    wrong = []
    for (method, template), allowed in ROUTES.items():
        path = template.replace("{path:path}", "favicon.png").replace("{", "").replace("}", "")
        for caller, client, letter in zip(CALLERS, clients, allowed, strict=True):
            with client.stream(method, path) as answer:
                refusal = 401 if caller is None else 403
                expected = letter != "."
                # signing in without a body or a provider fails too, but never for want of a permission
                if (answer.status_code != refusal) != expected or answer.status_code >= 500:
                    wrong.append(f"{method} {path} by {caller}: {answer.status_code}")
    assert wrong == []


def test_a_route_without_a_declared_permission_is_refused_even_to_admins(start_server: StartServer) -> None:
    server = start_server(auth=True)
    app = server.server.app
    assert isinstance(app, FastAPI)

    @app.get("/v1/secret")
    def secret() -> str:
        return "told"

    assert undeclared(app.routes) == ["GET /v1/secret"]
    assert key_client(server, Role.ADMIN).get("/v1/secret").status_code == 404
    with pytest.raises(ProblemError, match="nothing at"):
        permission_for("GET", "/v1/secret")


def test_without_authentication_an_undeclared_route_is_refused_too(server: Served) -> None:
    app = server.server.app
    assert isinstance(app, FastAPI)
    app.add_api_route("/v1/secret", lambda: "told")
    assert server.client.get("/v1/secret").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/inspections/"),
        ("GET", "//v1/inspections"),
        ("GET", "/v1/../v1/inspections"),
        ("GET", "/V1/inspections"),
        ("GET", "/metrics%0A"),
        ("GET", "/openapi.json%0a"),
        ("GET", "/v1%2finspections"),
        ("OPTIONS", "/v1/inspections"),
        ("TRACE", "/v1/inspections"),
        ("PUT", "/v1/inspections"),
        ("HEAD", "/v1/inspections"),
    ],
)
def test_no_spelling_of_a_path_goes_round_the_table(start_server: StartServer, method: str, path: str) -> None:
    server = start_server(auth=True)
    with httpx.Client() as client:
        request = client.build_request(method, server.url)
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = client.send(request)
    assert not re.search(r"items|qc_|\"openapi\"", answer.text)
    assert answer.status_code in (401, 404, 405) or "<!doctype html>" in answer.text.lower()


def test_a_known_path_with_another_method_names_those_that_are_possible(server: Served) -> None:
    answer = server.client.delete("/v1/models")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_a_refusal_says_what_to_do_and_is_counted(start_server: StartServer) -> None:
    server = start_server(auth=True)
    answer = server.client.get("/v1/models")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "sign in" in answer.json()["detail"]
    refused = key_client(server, Role.CAMERA).get("/v1/models")
    assert "camera" in refused.json()["detail"]
    text = key_client(server, Role.ADMIN).get("/metrics").text
    assert 'qc_refused_total{status="401"} 1.0' in text
    assert 'qc_refused_total{status="403"} 1.0' in text


def test_the_retention_command_comes_with_a_key(start_server: StartServer) -> None:
    server = start_server(auth=True)
    secret = key_client(server, Role.MANAGER).headers["Authorization"].removeprefix("Bearer ")
    with pytest.raises(InputError, match="key add NAME --role ROLE"):
        retention(url=server.url)
    retention(url=server.url, key=secret)

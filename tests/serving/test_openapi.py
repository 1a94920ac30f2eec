"""Every operation answers as the OpenAPI document says, whatever is asked of it and whoever asks."""

import json
import re
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.baseline_schema import HistoryRow
from serving.kpi_schema import KpiRow
from serving.role import Role
from tests.accounts import key_client
from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_reviews import review

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# The first never ends; the others end the caller's own session or change its password.
LEFT_OUT = {"events", "sign_out", "change_password"}


def check_every_operation(server: Served, role: Role, examples: int) -> None:
    client = key_client(server, role)
    document = client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.url)
    headers = {"Authorization": client.headers["Authorization"]}
    wrong: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.definition.raw["operationId"] in LEFT_OUT:
            continue

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(headers=headers, timeout=30)
            case.validate_response(answer, checks=CHECKS)

        try:
            ask()
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - every operation is looked at, whatever is wrong with one
            wrong.append(f"{role} {operation.label}: {error}")
    assert not wrong, "\n\n".join(wrong)


def fill(server: Served) -> None:
    """Something to answer with."""
    inspections = [
        server.client.post(
            "/v1/inspections",
            params=server.frame(part_id=f"P-{number}"),
            content=grey_png(number / 10),
            headers=key_client(server, Role.CAMERA, f"camera {number}").headers,
        ).json()
        for number in (1, 5, 9)
    ]
    server.client.headers["Authorization"] = key_client(server, Role.ADMIN, "filler").headers["Authorization"]
    review(server, inspections[1]["id"], "FALSE_CALL", reviewer="filler")


@pytest.fixture
def filled(start_server: StartServer) -> Served:
    server = start_server(auth=True)
    fill(server)
    return server


def test_every_operation_answers_an_admin_as_the_document_says(filled: Served) -> None:
    check_every_operation(filled, Role.ADMIN, examples=5)


@pytest.mark.parametrize("role", [Role.CAMERA, Role.INSPECTOR])
def test_what_a_role_may_not_do_is_refused_as_the_document_says(filled: Served, role: Role) -> None:
    check_every_operation(filled, role, examples=1)


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", list(Role))
def test_every_operation_answers_every_role_as_the_document_says(filled: Served, role: Role) -> None:
    check_every_operation(filled, role, examples=30)


# Hashed, or decoded and checked: they never reach the database as they are. A header has no zero character.
NOT_STORED = {"cursor", "page", "password", "present", "new", "Idempotency-Key"}


def leaves(document: dict[str, Any], schema: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every plain value that a request may hold, by the name of its field."""
    if "$ref" in schema and not schema["$ref"].endswith("/ModelRef"):  # that is compared with the model in charge
        yield from leaves(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], name)
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from leaves(document, one, name)
    for field, one in schema.get("properties", {}).items():
        yield from leaves(document, one, field)
    if "type" in schema:
        yield name, schema


def asked(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                yield from leaves(document, parameter["schema"], parameter["name"])
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                if media_type == "application/json":
                    yield from leaves(document, content["schema"], media_type)
    for row in (HistoryRow, KpiRow):
        schema = row.model_json_schema()
        yield from leaves({"components": {"schemas": schema.get("$defs", {})}}, schema, row.__name__)


def test_nothing_that_a_database_cannot_keep_comes_in(server: Served) -> None:
    """PostgreSQL keeps no zero character, and no larger integer."""
    document = server.client.get("/openapi.json").json()
    texts, integers = [], []
    for name, schema in asked(document):
        if schema["type"] == "string" and not schema.keys() & {"enum", "const", "format"}:
            pattern = schema.get("pattern")
            if name not in NOT_STORED and (pattern is None or re.search(pattern, "a\0b")):
                texts.append(name)
        if schema["type"] == "integer" and "maximum" not in schema:
            integers.append(name)
    assert (texts, integers) == ([], [])


def test_every_error_of_the_document_is_a_problem(filled: Served) -> None:
    document = filled.client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if status[0] in "45" and path.startswith("/v1/"):
                    assert list(answer["content"]) == ["application/problem+json"], f"{method} {path} {status}"
    assert "Problem" in json.dumps(document["components"])

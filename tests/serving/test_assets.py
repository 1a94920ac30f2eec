"""The UI's files: packed for browsers that take it, kept for good by their hashed names; the page itself is asked for anew."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from serving.assets import PACKED, Assets
from serving.pages import UI
from tests.conftest import Served

SCRIPT = b"export const answer = 42;\n" * 200


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "page-abc.js").write_bytes(SCRIPT)
    (tmp_path / "page-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "picture-abc.svg").write_bytes(b"<svg/>")
    app = Starlette()
    app.mount("/assets", Assets(tmp_path))
    with TestClient(app) as client:
        yield client


def test_packed_for_who_takes_it_and_the_same_either_way(client: TestClient) -> None:
    packed = client.get("/assets/page-abc.js", headers={"Accept-Encoding": "gzip, deflate, br"})
    plain = client.get("/assets/page-abc.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(SCRIPT) / 10
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == SCRIPT
    assert packed.headers["content-type"].startswith("text/javascript")
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


def test_kept_for_good_and_asked_for_again_answered_304(client: TestClient) -> None:
    first = client.get("/assets/page-abc.js")
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = client.get("/assets/page-abc.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_file_that_is_not_packed_is_sent_as_it_is(client: TestClient) -> None:
    answer = client.get("/assets/picture-abc.svg", headers={"Accept-Encoding": "gzip"})
    assert (answer.content, answer.headers["content-type"]) == (b"<svg/>", "image/svg+xml")
    assert client.get("/assets/nothing.js").status_code == 404


def test_page_and_api_are_asked_for_anew(server: Served) -> None:
    for path in ("/live", "/v1/session", "/healthz"):
        answer: httpx.Response = server.client.get(path, headers={"Accept": "text/html"})
        assert answer.headers["cache-control"] == "no-cache", path


def test_packed_files_of_the_built_ui_hold_what_the_plain_ones_hold() -> None:
    packed = sorted((UI / "assets").glob(f"*{PACKED}"))
    assert packed, "the inspector UI is not built: run `make setup`"
    differing = [
        file.name for file in packed if gzip.decompress(file.read_bytes()) != file.with_suffix("").read_bytes()
    ]
    assert differing == []

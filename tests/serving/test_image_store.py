"""Images in a directory and in an S3-compatible store: the same behaviour, tested against a real server process for S3."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import obstore
import pytest

from data.errors import InputError
from serving.image_store import ImageStore
from serving.store import StorageError
from tests.conftest import Served, StartServer, grey_png


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of an S3 server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while True:
        assert process.poll() is None and time.monotonic() < end, "the S3 server did not start"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            break
        except OSError:
            threading.Event().wait(0.1)
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place for images as the settings take it."""
    if request.param == "directory":
        return str(tmp_path / "images")
    url = request.getfixturevalue("s3")
    bucket = f"qc-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": url,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(urllib.request.Request(f"{url}/{bucket}", method="PUT"), timeout=30).close()
    return f"s3://{bucket}/images"


@pytest.fixture
def store(place: str) -> Iterator[ImageStore]:
    opened = ImageStore(place)
    yield opened
    opened.close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_image_comes_back_and_is_kept_once(store: ImageStore) -> None:
    for content in (b"one", b"other", b"one"):
        store.put(sha256(content), content)
    assert store.get(sha256(b"one")) == b"one"
    assert sorted(kept.sha256 for kept in store.walk()) == sorted([sha256(b"one"), sha256(b"other")])
    assert all(abs(kept.written_at - datetime.now(UTC)) < timedelta(minutes=5) for kept in store.walk())
    assert (store.has(sha256(b"one")), store.has(sha256(b"none"))) == (True, False)
    with pytest.raises(StorageError, match="cannot be read"):
        store.get(sha256(b"none"))


def test_an_image_that_was_altered_is_not_shown_as_what_was_posted(server: Served, tmp_path: Path) -> None:
    inspection = server.inspect(grey_png(0.9))
    sha256 = inspection["image"]["sha256"]
    file = tmp_path / "images" / sha256[:2] / sha256
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    for kind in ("image", "thumbnail"):
        answer = server.client.get(f"/v1/inspections/{inspection['id']}/{kind}")
        assert answer.status_code == 503
        assert "altered or damaged" in answer.json()["detail"]


def test_many_at_once_are_all_kept(store: ImageStore) -> None:
    contents = [f"frame {number % 40}".encode() * 1000 for number in range(120)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: store.put(sha256(content), content), contents))
    assert {kept.sha256 for kept in store.walk()} == {sha256(content) for content in contents}
    assert all(store.get(sha256(content)) == content for content in contents)


def test_only_images_from_before_are_set_aside(place: str) -> None:
    before = ImageStore(place)
    for content in (b"orphan", b"posted again"):
        before.put(sha256(content), content)
    before.close()
    store = ImageStore(place)
    store.put(sha256(b"posted again"), b"posted again")
    assert store.set_aside(sha256(b"orphan"))
    assert not store.set_aside(sha256(b"posted again"))
    assert [kept.sha256 for kept in store.walk()] == [sha256(b"posted again")]
    store.settle()
    assert not store.set_aside(sha256(b"posted again")), "too late to know what was posted"
    store.close()


def test_server_keeps_its_images_there(start_server: StartServer, place: str) -> None:
    server = start_server(images=place)
    inspection = server.inspect(grey_png(0.9))
    assert server.client.get(f"/v1/inspections/{inspection['id']}/image").content == grey_png(0.9)


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_object_store_that_refuses_means_503_until_it_takes_again(
    start_server: StartServer, place: str, request: pytest.FixtureRequest
) -> None:
    bucket, s3 = place.split("/")[2], request.getfixturevalue("s3")
    server = start_server(images=place)
    server.inspect(grey_png(0.5))
    for kept in list(server.service.images.walk()):
        obstore.delete(server.service.images._store, f"{kept.sha256[:2]}/{kept.sha256}")
    urllib.request.urlopen(urllib.request.Request(f"{s3}/{bucket}", method="DELETE"), timeout=30).close()
    refused = server.post(grey_png(0.9))
    assert refused.status_code == 503
    assert "image could not be written" in refused.json()["detail"]
    urllib.request.urlopen(urllib.request.Request(f"{s3}/{bucket}", method="PUT"), timeout=30).close()
    inspection = server.inspect(grey_png(0.9))
    assert server.client.get(f"/v1/inspections/{inspection['id']}/image").content == grey_png(0.9)


def test_object_store_that_fails_is_told_soon_and_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(BaseHTTPRequestHandler):
        asked = 0

        def do_PUT(self) -> None:
            Failing.asked += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with HTTPServer(("127.0.0.1", 0), Failing) as failing:
        threading.Thread(target=failing.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{failing.server_port}")
        opened = ImageStore("s3://bucket/images")
        with pytest.raises(StorageError, match="could not be written") as raised:
            opened.put(sha256(b"x"), b"x")
        opened.close()
        failing.shutdown()
    assert Failing.asked <= 3, "the camera posts again"
    assert "\n" not in str(raised.value)


def test_name_without_its_bytes_is_written_again(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path))
    content = b"whole content"
    store.put(sha256(content), content)
    file = tmp_path / sha256(content)[:2] / sha256(content)
    file.write_bytes(b"")
    store.put(sha256(content), content)
    assert file.read_bytes() == content
    store.close()


def test_failed_write_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ImageStore(str(tmp_path))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            store.put(sha256(b"x"), b"x")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    store.put(sha256(b"x"), b"x")
    assert store.get(sha256(b"x")) == b"x"
    store.close()


def test_unfinished_files_are_removed_and_not_listed(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path))
    store.put(sha256(b"x"), b"x")
    half = tmp_path / sha256(b"x")[:2] / f"{sha256(b'y')}#3"
    half.write_bytes(b"half")
    assert [kept.sha256 for kept in store.walk()] == [sha256(b"x")]
    assert store.remove_unfinished(datetime.now(UTC) - timedelta(hours=1)) == 0, "it may be written right now"
    assert store.remove_unfinished(datetime.now(UTC) + timedelta(seconds=1)) == 1
    assert not half.exists() and store.has(sha256(b"x"))
    store.close()


def test_unusable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    for place in (str(tmp_path / "file"), "nonsense://x"):
        with pytest.raises(InputError, match="cannot be used"):
            ImageStore(place)

"""Ten thousand images as a broken camera or somebody malicious would send them, against the real server."""

import hashlib
import io
import os
import threading
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image
from sqlalchemy import select

from serving.tables import inspections
from tests.conftest import Served, StartServer
from tests.serving.mutation import Posted, bombs, mutated, originals

COUNT = 10_000
CAMERAS = 8
DOCUMENTED = {201, 400, 413, 422}


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_no_image_breaks_the_server_or_passes_undecoded(start_server: StartServer) -> None:
    # Nothing is refused for being slow: on a busy machine that would hide what the image itself does.
    server = start_server(latency_target_seconds=600.0, deadline_seconds=600.0, largest_upload_bytes=2_000_000)
    sound = originals()
    local = threading.local()

    def post(number: int) -> tuple[int, str | None, str | None]:
        """Of that image: the HTTP status, the id of its inspection, and what was wrong with the answer."""
        posted = mutated(number, sound)
        client = getattr(local, "client", None)
        if client is None:
            client = local.client = server.another_client()
            client.timeout = httpx.Timeout(600)
        return judge(posted, send(server, client, posted, number))

    fifth = COUNT // 5
    with ThreadPoolExecutor(CAMERAS) as cameras:
        answers = list(cameras.map(post, range(fifth)))
        warm = resident()
        answers += cameras.map(post, range(fifth, COUNT))
        grown = resident() / warm - 1
    wrong = [complaint for _, _, complaint in answers if complaint is not None]
    assert wrong == []
    statuses = Counter(status for status, _, _ in answers)
    assert set(statuses) <= DOCUMENTED and statuses[201] > 0.9 * COUNT, statuses
    assert grown < 0.1, f"memory grew by {grown:.1%} from the first fifth to the end"
    check_kept(server, [(number, id_) for number, (_, id_, _) in enumerate(answers) if id_ is not None], sound)
    assert server.client.get("/readyz").status_code == 200


@pytest.mark.parametrize("name", bombs())
def test_a_bomb_is_held_or_decided_and_costs_no_memory_for_good(start_server: StartServer, name: str) -> None:
    server = start_server(deadline_seconds=120.0)
    content = bombs()[name]
    status, id_, complaint = judge(Posted(content, "image/png", name), server.post(content))
    assert (status, complaint) == (201, None)
    assert id_ is not None and server.client.get(f"/v1/inspections/{id_}/image").content == content
    assert server.client.get("/readyz").status_code == 200


def send(server: Served, client: httpx.Client, posted: Posted, number: int) -> httpx.Response:
    """As the body itself; one in twenty as a form, and one in fifty as a form that is none."""
    where = server.frame(camera=f"camera-{number % CAMERAS}", part_id=f"P-{number}")
    if number % 20 == 0:
        file = {"image": ("frame", posted.content, posted.media_type or "image/png")}
        return client.post("/v1/inspections", data=where, files=file)
    kind = "multipart/form-data; boundary=x" if number % 50 == 1 else posted.media_type
    return client.post("/v1/inspections", params=where, content=posted.content, headers={"Content-Type": kind})


def judge(posted: Posted, answer: httpx.Response) -> tuple[int, str | None, str | None]:
    status = answer.status_code
    if status != 201:
        is_problem = answer.headers["content-type"] == "application/problem+json" and answer.json()["status"] == status
        return status, None, None if 400 <= status < 500 and is_problem else f"{posted.how}: {status} {answer.text}"
    told = answer.json()
    sha256 = hashlib.sha256(posted.content).hexdigest()
    if told["image"]["sha256"] != sha256:
        return status, told["id"], f"{posted.how}: another image was stored"
    if told["verdict"] == "PASS" and (why := why_undecodable(posted.content)) is not None:
        return status, told["id"], f"{posted.how}: PASS, but Pillow says {why}"
    return status, told["id"], None


def why_undecodable(content: bytes) -> str | None:
    """What a second decoder has against an image; None when it decodes it whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
        except Exception as error:  # noqa: BLE001 - whatever it is, this image is not decoded
            # Damage within a JPEG's scan that leaves its markers in order is decoded into false pixels by every decoder; Pillow
            # tells of some of it.
            return None if "broken data stream" in str(error) else repr(error)
    return None


def check_kept(server: Served, answered: list[tuple[int, str]], sound: dict[str, bytes]) -> None:
    """Every answer has its row, and every image is stored byte for byte."""
    with server.service.store.reading() as connection:
        rows = dict(iter(connection.execute(select(inspections.c.id, inspections.c.image_sha256))))
    assert len(rows) == len({id_ for _, id_ in answered}) == len(answered)
    for number, id_ in answered:
        content = mutated(number, sound).content
        assert rows[id_] == hashlib.sha256(content).hexdigest()
        assert server.service.images.get(rows[id_]) == content


def resident() -> int:
    """Pages of memory that this process, in which the server runs, holds."""
    return int(Path(f"/proc/{os.getpid()}/statm").read_text(encoding="utf-8").split()[1])

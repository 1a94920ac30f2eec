"""Bad images are stored and answered NO_DECISION with the reason; odd but sound ones are decided; bad requests are named."""

from collections.abc import Iterator

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image

from tests.conftest import Served, StartServer, encoded, grey_png


def bomb() -> bytes:
    """A small PNG of 100 megapixels."""
    return encoded(Image.new("1", (10_000, 10_000)), "PNG")


def with_orientation(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "JPEG", exif=exif, quality=95)


UNDECIDABLE = {
    "unreadable": (b"\x89PNG\r\n\x1a\n" + b"rubbish" * 20, "header is damaged"),
    "truncated png": (encoded(Image.effect_noise((300, 300), 80), "PNG")[:-2000], "cut off"),
    "truncated jpeg": (encoded(Image.effect_noise((300, 300), 80), "JPEG")[:-2000], "cut off"),
    "zero bytes": (b"", "empty"),
    "text": (b"this is no image at all", "not a JPEG"),
    "100 megapixels": (bomb(), "10000 x 10000 pixels"),
}


@pytest.mark.parametrize("name", UNDECIDABLE)
def test_undecidable_image_is_stored_and_held(server: Served, name: str) -> None:
    content, reason = UNDECIDABLE[name]
    inspection = server.inspect(content)
    assert inspection["verdict"] == "NO_DECISION"
    assert inspection["cause"] == "UNREADABLE"
    assert reason in inspection["reason"]
    assert inspection["defect_probability"] is None
    assert server.client.get(f"/v1/inspections/{inspection['id']}").json() == inspection
    image = server.client.get(f"/v1/inspections/{inspection['id']}/image")
    assert image.content == content
    assert server.client.get(f"/v1/inspections/{inspection['id']}/heatmap").status_code == 404
    queue = server.client.get("/v1/reviews/queue").json()
    assert [item["id"] for item in queue["items"]] == [inspection["id"]]


def test_text_is_never_served_as_a_page(server: Served) -> None:
    inspection = server.inspect(b"<script>alert(1)</script>")
    image = server.client.get(f"/v1/inspections/{inspection['id']}/image")
    assert image.headers["content-type"] == "application/octet-stream"
    assert image.headers["x-content-type-options"] == "nosniff"


DECIDABLE = {
    "16-bit png": (cv2.imencode(".png", np.full((80, 80), 0x8000, np.uint16))[1].tobytes(), 0.5),
    "cmyk jpeg": (encoded(Image.new("CMYK", (80, 80), (0, 0, 0, 128)), "JPEG"), 0.5),
    "transparent png": (encoded(Image.new("RGBA", (80, 80), (255, 255, 255, 128)), "PNG"), 0.5),
    "dark 16-bit png": (cv2.imencode(".png", np.full((80, 80), 255, np.uint16))[1].tobytes(), 0.0),
}


@pytest.mark.parametrize("name", DECIDABLE)
def test_odd_but_sound_image_is_decided(server: Served, name: str) -> None:
    content, probability = DECIDABLE[name]
    inspection = server.inspect(content)
    assert inspection["defect_probability"] == pytest.approx(probability, abs=0.02)
    assert inspection["verdict"] == ("REVIEW" if probability else "PASS")


def test_rotated_exif_image_is_turned_upright(server: Served) -> None:
    picture = Image.new("L", (400, 200))
    picture.paste(255, (0, 0, 200, 200))
    inspection = server.inspect(with_orientation(picture, 6))
    assert (inspection["image"]["width"], inspection["image"]["height"]) == (200, 400)
    (region,) = inspection["regions"]
    assert (region["x"], region["y"], region["width"]) == (0, 0, 200), "the left half has become the top half"
    assert region["height"] == pytest.approx(200, abs=30)


def test_body_over_the_limit_is_refused_announced_or_not(start_server: StartServer) -> None:
    server = start_server(largest_upload_bytes=100_000)

    def chunks() -> Iterator[bytes]:
        for _ in range(300):
            yield b"x" * 1000

    for content in (b"x" * 300_000, chunks()):
        answer = server.client.post("/v1/inspections", params=server.frame(), content=content)
        assert_problem(answer, 413, "100,000 bytes")
    assert server.client.get("/v1/inspections").json()["items"] == []


def test_too_many_pixels_by_setting(start_server: StartServer) -> None:
    server = start_server(most_pixels=1000)
    assert "at most 1,000" in server.inspect(grey_png(0.1))["reason"]


@pytest.mark.parametrize(
    ("changes", "removed", "named"),
    [
        ({}, "part_id", "part_id: missing"),
        ({"captured_at": "yesterday"}, "", "captured_at"),
        ({"captured_at": "2026-11-01T08:00:00"}, "", "captured_at"),
        ({"captured_at": "0001-01-01T00:00:00+14:00"}, "", "captured_at"),
        ({"line": ""}, "", "line"),
        ({"line": "x" * 129}, "", "line"),
        ({"part_id": "a\nb"}, "", "part_id"),
        ({"part_id": "a\x7fb"}, "", "part_id"),
        ({"part_id": "a\x85b"}, "", "part_id"),
        ({"colour": "red"}, "", "colour: unknown field"),
    ],
)
def test_wrong_metadata_is_named(server: Served, changes: dict[str, str], removed: str, named: str) -> None:
    fields = {name: value for name, value in server.frame(**changes).items() if name != removed}
    answer = server.client.post("/v1/inspections", params=fields, content=grey_png(0.1))
    assert_problem(answer, 422, named)


@pytest.mark.parametrize("serial", ["%ff", "%fe", "%ed%a0%80"])
def test_a_serial_number_that_is_no_utf_8_is_refused_and_not_taken_for_another(server: Served, serial: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in server.frame(part_id=serial).items())
    assert_problem(server.client.post(f"/v1/inspections?{query}", content=grey_png(0.1)), 422, "part_id")


def test_a_field_given_twice_is_named_and_none_of_the_two_is_taken(server: Served) -> None:
    twice = [*server.frame(part_id="A").items(), ("part_id", "B")]
    for answer in (
        server.client.post("/v1/inspections", params=httpx.QueryParams(twice), content=grey_png(0.1)),
        server.client.post(
            "/v1/inspections", params={"part_id": "A"}, data=server.frame(part_id="B"), files={"image": grey_png(0.1)}
        ),
    ):
        assert_problem(answer, 422, "part_id: given more than once")
    assert server.client.get("/v1/inspections").json()["items"] == []


def test_a_form_is_a_form_in_capitals_too(server: Served) -> None:
    request = server.client.build_request(
        "POST", "/v1/inspections", data=server.frame(), files={"image": grey_png(0.1)}
    )
    request.headers["Content-Type"] = request.headers["Content-Type"].replace(
        "multipart/form-data", "Multipart/Form-Data"
    )
    answer = server.client.send(request)
    assert answer.status_code == 201
    assert answer.json()["verdict"] == "PASS"


@pytest.mark.parametrize(
    ("part", "boundary", "told"),
    [
        (b'name="image"', b"x", "image: missing"),
        (b"name=\"image\"; filename*=UTF-8''a.png", b"x", "image: missing"),
        (b'filename="a.png"', b"x", "must be provided"),
        (b'name="image"; filename="a.png"', b"", "Missing boundary"),
    ],
)
def test_a_form_that_cannot_be_read_says_how_to_send_it(
    server: Served, part: bytes, boundary: bytes, told: str
) -> None:
    parts = [(f'name="{name}"'.encode(), value.encode()) for name, value in server.frame().items()]
    body = b"".join(
        b"--x\r\nContent-Disposition: form-data; " + one + b"\r\n\r\n" + value + b"\r\n"
        for one, value in [*parts, (part, grey_png(0.1))]
    )
    kind = b"multipart/form-data" + (b"; boundary=" + boundary if boundary else b"")
    answer = server.client.post("/v1/inspections", content=body + b"--x--\r\n", headers={b"Content-Type": kind})
    assert answer.status_code in (400, 422)
    assert told in answer.json()["detail"]
    assert 'file field `image`, with a filename="..."' in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":"\xff"}'], ids=["nested too deeply", "not UTF-8"])
def test_a_body_that_is_no_json_says_what_to_send(server: Served, body: bytes) -> None:
    answer = server.client.post("/v1/models", content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, 400, "send one object in UTF-8")
    assert "UTF-8" in answer.json()["detail_zh_hant"]


def test_a_time_out_of_range_is_told_in_both_languages(server: Served) -> None:
    answer = server.client.get("/v1/metrics/quality", params={"since": "0001-01-01T00:00:00+14:00"})
    assert_problem(answer, 422, "since: out of the range of years 1 to 9999")
    assert answer.json()["detail_zh_hant"] == "since：超出 UTC 西元 1 至 9999 年的範圍"


def test_two_keys_for_one_frame_are_refused(server: Served) -> None:
    keys = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = server.client.post("/v1/inspections", params=server.frame(), content=grey_png(0.1), headers=keys)
    assert answer.status_code == 422
    assert "Idempotency-Key: given more than once" in answer.json()["detail"]


def test_multipart_without_an_image_is_named(server: Served) -> None:
    answer = server.client.post("/v1/inspections", data=server.frame(), files={"picture": b"x"})
    assert_problem(answer, 422, "image: missing")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/inspections/unknown", 404),
        ("DELETE", "/v1/inspections", 405),
        ("GET", "/v1/inspections?limit=0", 422),
        ("GET", "/v1/metrics/quality?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", 422),
        ("GET", "/v1/metrics/quality?until=0001-01-01T00:00:00Z", 422),
        ("GET", "/v1/metrics/quality?bucket_seconds=1", 422),
        ("GET", "/v1/metrics/agreement?study=a%00b", 422),
        ("GET", "/v1/reports/0001-01", 422),
        ("GET", "/v1/reports/0001-W01", 422),
        ("GET", "/v1/reports/9999-W52", 422),
        ("GET", "/v1/baselines/any/comparison?first_day=2026-01-01&last_day=9999-12-31", 422),
        ("GET", "/v1/baselines/any/comparison?first_day=0001-01-01&last_day=2026-01-01", 422),
        ("PUT", "/v1/reviews/not-a-uuid", 422),
    ],
)
def test_every_error_is_a_problem(server: Served, method: str, path: str, status: int) -> None:
    assert_problem(server.client.request(method, path), status, "")


def assert_problem(answer: httpx.Response, status: int, named: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"] and named in problem["detail"]


@pytest.mark.parametrize(
    ("path", "row", "most"),
    [
        ("/v1/kpis?person=eve&reason=survey", "nps,2026-01-01,1,1,x", 10_000),
        ("/v1/past-counts?person=eve&reason=past", "2026-01-01,l,p,1,1,1,1,1,1,1", 100_000),
        ("/v1/roi/candidates/csv", "x", 200),
        ("/v1/returns/csv?person=eve", "p,2026-01-01T00:00:00Z", 10_000),
    ],
)
def test_a_table_of_too_many_rows_is_refused_before_any_is_looked_at(
    server: Served, path: str, row: str, most: int
) -> None:
    content = "\n".join(["column", *[row] * (most + 1)])
    answer = server.client.post(path, content=content, headers={"Content-Type": "text/csv"})
    assert_problem(answer, 422, f"at most {most:,} at once")

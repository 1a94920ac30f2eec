"""A posted frame gets the verdict that its content deserves, with everything that explains it."""

from datetime import datetime, timedelta
from urllib.parse import quote

import cv2
import numpy as np
import pytest

from serving import inspections
from tests.conftest import Served, StartServer, grey_png

DATABASES = ("sqlite", "postgresql")


@pytest.mark.parametrize(
    ("brightness", "verdict", "class_name"),
    [(0.1, "PASS", "good"), (0.5, "REVIEW", "bright"), (0.9, "REJECT", "bright")],
)
def test_verdict_follows_the_model_and_its_thresholds(
    server: Served, brightness: float, verdict: str, class_name: str
) -> None:
    inspection = server.inspect(grey_png(brightness))
    assert inspection["verdict"] == verdict
    assert inspection["class"] == class_name
    assert inspection["defect_probability"] == pytest.approx(brightness, abs=0.01)
    assert inspection["class_probability"]["bright"] == pytest.approx(brightness, abs=0.01)
    assert inspection["thresholds"] == {"pass_below": 0.3, "reject_from": 0.7, "change": None, "guaranteed": False}
    assert inspection["model"] == {"name": "brightness", "version": "1"}
    assert inspection["reason"] is None
    assert inspection["latency_ms"] > 0


def test_answer_is_what_is_stored(server: Served) -> None:
    answered = server.inspect(grey_png(0.5), part_id="P-9", lot="L-3")
    stored = server.client.get(f"/v1/inspections/{answered['id']}").json()
    assert stored == answered


def test_times_come_back_in_utc_with_their_offset(server: Served) -> None:
    inspection = server.inspect(grey_png(0.5), captured_at="2026-11-01T08:00:00+08:00")
    captured = datetime.fromisoformat(inspection["captured_at"])
    assert captured == datetime.fromisoformat("2026-11-01T00:00:00+00:00")
    assert datetime.fromisoformat(inspection["received_at"]).utcoffset() == timedelta(0)


def test_region_encloses_the_evidence_in_pixels_of_the_original(server: Served) -> None:
    assert server.inspect(grey_png(0.2))["regions"] == [], "a passed frame has none"
    picture = np.zeros((400, 600), np.uint8)
    picture[200:, 150:] = 255
    inspection = server.inspect(cv2.imencode(".png", picture)[1].tobytes())
    assert inspection["verdict"] == "REVIEW"
    (region,) = inspection["regions"]
    assert region["x"] == pytest.approx(150, abs=60)
    assert region["y"] == pytest.approx(200, abs=40)
    assert (region["x"] + region["width"], region["y"] + region["height"]) == (600, 400)


def test_multipart_form_is_the_same_as_a_plain_body(server: Served) -> None:
    answer = server.client.post(
        "/v1/inspections", data=server.frame(part_id="form"), files={"image": ("frame.png", grey_png(0.9), "image/png")}
    )
    assert answer.status_code == 201
    assert answer.json()["verdict"] == "REJECT"
    assert answer.json()["part_id"] == "form"


def test_image_and_heatmap_come_back(server: Served) -> None:
    posted = grey_png(0.9, width=640, height=320)
    inspection = server.inspect(posted)
    image = server.client.get(f"/v1/inspections/{inspection['id']}/image")
    assert image.content == posted
    assert image.headers["content-type"] == "image/png"
    assert "immutable" in image.headers["cache-control"]
    heatmap = server.client.get(f"/v1/inspections/{inspection['id']}/heatmap")
    picture = cv2.imdecode(np.frombuffer(heatmap.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None and picture.shape == (256, 512, 4), "the image's shape, with alpha"
    assert picture[:, :, 3].min() > 150, "hot everywhere"


def test_list_pages_newest_first_without_gap_or_repeat(server: Served) -> None:
    ids = [server.inspect(grey_png(0.1), part_id=f"P-{number}")["id"] for number in range(7)]
    server.inspect(grey_png(0.1), line="line-2")
    seen: list[str] = []
    cursor = None
    while True:
        query = {"line": "line-1", "limit": 3, **({"cursor": cursor} if cursor else {})}
        page = server.client.get("/v1/inspections", params=query).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_list_filters(server: Served) -> None:
    server.inspect(grey_png(0.1), part_id="dark", lot="L-1")
    bright = server.inspect(grey_png(0.9), part_id="bright", lot="L-2")

    def listed(**query: str | list[str]) -> list[str]:
        return [item["part_id"] for item in server.client.get("/v1/inspections", params=query).json()["items"]]

    assert listed(verdict=["REJECT", "REVIEW"]) == ["bright"]
    assert listed(lot="L-1") == ["dark"]
    assert listed(part_id="bright") == ["bright"]
    assert listed(since=bright["received_at"]) == ["bright"]
    assert listed(until=bright["received_at"]) == ["dark"]
    assert server.client.get("/v1/inspections", params={"cursor": "nonsense"}).status_code == 422


def test_part_is_as_good_as_its_worst_view_and_incomplete_without_an_expected_one(start_server: StartServer) -> None:
    recipe = {"product": "cell", "station": "final", "expected_views": ["top", "side"]}
    server = start_server(recipes=[recipe])
    server.inspect(grey_png(0.1), camera="top", part_id="P-7")
    part = server.client.get("/v1/parts/P-7").json()
    assert (part["verdict"], part["missing_views"]) == ("NO_DECISION", ["final/side"])
    server.inspect(grey_png(0.9), camera="side", part_id="P-7")
    part = server.client.get("/v1/parts/P-7").json()
    assert (part["verdict"], part["missing_views"]) == ("REJECT", [])
    server.inspect(grey_png(0.1), camera="side", part_id="P-7")
    part = server.client.get("/v1/parts/P-7").json()
    assert part["verdict"] == "REJECT", "a view taken again makes no rejected part good"
    assert [frame["camera"] for frame in part["inspections"]] == ["top", "side", "side"]
    assert server.client.get("/v1/parts/unknown").status_code == 404


@pytest.mark.parametrize("part_id", ["A/17", "/a//b/", "50 %/#1?", "零件/7"])
def test_a_part_is_found_whatever_its_serial_number(server: Served, part_id: str) -> None:
    path = quote(part_id, safe="")
    truth = {"defective": True, "person": "ann"}
    assert server.client.put(f"/v1/challenges/{path}", json=truth).json()["part_id"] == part_id
    posted = server.inspect(grey_png(0.1), part_id=part_id)
    part = server.client.get(f"/v1/parts/{path}").json()
    assert (part["part_id"], [frame["id"] for frame in part["inspections"]]) == (part_id, [posted["id"]])


def test_an_older_frame_that_was_spooled_makes_no_rejected_part_good(server: Served) -> None:
    server.inspect(grey_png(0.9), part_id="P-8", captured_at="2026-11-01T10:05:00Z")
    server.inspect(grey_png(0.1), part_id="P-8", captured_at="2026-11-01T10:00:00Z")
    assert server.client.get("/v1/parts/P-8").json()["verdict"] == "REJECT"


def test_products_that_share_a_serial_number_hide_nothing_of_each_other(start_server: StartServer) -> None:
    recipe = {"product": "cell", "station": "final", "expected_views": ["top", "side"]}
    server = start_server(recipes=[recipe])
    server.inspect(grey_png(0.9), product="frame", line="line-1", camera="top", part_id="001")
    server.inspect(grey_png(0.1), product="glass", line="line-2", camera="top", part_id="001")
    assert server.client.get("/v1/parts/001").json()["verdict"] == "REJECT"
    server.inspect(grey_png(0.1), product="glass", camera="side", part_id="002")
    server.inspect(grey_png(0.1), product="cell", camera="top", part_id="002")
    part = server.client.get("/v1/parts/002").json()
    assert (part["verdict"], part["missing_views"]) == ("NO_DECISION", ["final/side"])
    assert [(view["product"], view["camera"], view["state"]) for view in part["views"]] == [
        ("cell", "top", "SEEN"),
        ("cell", "side", "AWAITED"),
    ]


def test_a_part_of_many_frames_lists_the_newest_and_is_judged_by_all(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspections, "_MOST_OF_PART", 2)
    hold = {"line": "line-1", "person": "ann", "reason": "claim 7"}
    assert server.client.post("/v1/line-holds", json=hold).status_code == 201
    server.inspect(grey_png(0.9), part_id="NOREAD")
    newer = [server.inspect(grey_png(0.1), part_id="NOREAD", line="line-2")["id"] for _ in range(3)]
    part = server.client.get("/v1/parts/NOREAD").json()
    assert [frame["id"] for frame in part["inspections"]] == newer[1:]
    assert (part["verdict"], part["left_out"], part["line_hold"]["reason"]) == ("REJECT", 2, "claim 7")

"""Boxes that people draw round defects: kept with the review, told where reviews are told, and read by training."""

import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import httpx
import numpy as np
import openpyxl

from data.box import Box
from data.catalog import read_catalog
from serving.audit import verify
from serving.role import Role
from serving.schema import MOST_BOXES
from tests.accounts import key_client, person_client
from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_blindness import event_in
from tests.serving.test_labelled import run
from tests.serving.test_reviews import queue, review

DATABASES = ("sqlite", "postgresql")
WIDTH, HEIGHT = 60, 40
CRACK = {"x0": 3, "y0": 4, "x1": 20, "y1": 30, "label": "crack"}
CORNER = {"x0": 40, "y0": 0, "x1": WIDTH, "y1": HEIGHT, "label": ""}


def inspect(server: Served, **changes: str) -> dict[str, Any]:
    done, content = cv2.imencode(".png", np.full((HEIGHT, WIDTH), 230, np.uint8))
    assert done
    return server.inspect(content.tobytes(), **changes)


def standing(server: Served, inspection: dict[str, Any]) -> dict[str, Any] | None:
    stands: dict[str, Any] | None = server.client.get(f"/v1/inspections/{inspection['id']}").json()["review"]
    return stands


def test_boxes_are_kept_with_the_review_and_come_back_with_it(server: Served) -> None:
    inspection = inspect(server)
    client_id = uuid4()
    first = review(server, inspection["id"], "DEFECT_CONFIRMED", client_id, boxes=[CRACK, CORNER])
    assert first.status_code == 200, first.text
    assert first.json()["boxes"] == [CRACK, CORNER]
    assert review(server, inspection["id"], "DEFECT_CONFIRMED", client_id, boxes=[CRACK, CORNER]).json() == first.json()
    moved = [CRACK, {**CORNER, "x0": 41}]
    assert review(server, inspection["id"], "DEFECT_CONFIRMED", client_id, boxes=moved).status_code == 409
    assert review(server, inspection["id"], "DEFECT_CONFIRMED", client_id).status_code == 409

    review(server, inspection["id"], "DEFECT_ACCEPTED", reviewer="bob", boxes=moved)
    assert (standing(server, inspection) or {})["boxes"] == moved
    review(server, inspection["id"], None, reviewer="bob")
    assert standing(server, inspection) == first.json(), "the one that was superseded stands again, with its boxes"
    told = server.client.get(f"/v1/inspections/{inspection['id']}/reviews").json()
    assert [each["boxes"] for each in told] == [[CRACK, CORNER], moved, []]
    assert review(server, inspection["id"], "UNSURE", boxes=[CRACK]).status_code == 200

    (entry,) = server.client.get("/v1/audit", params={"subject": str(client_id)}).json()["items"]
    assert entry["new"]["boxes"] == [CRACK, CORNER]
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()


REFUSED: list[tuple[str | None, list[dict[str, Any]], str]] = [
    ("DEFECT_CONFIRMED", [CRACK, {**CRACK, "x1": WIDTH + 1}], r"boxes\.1: .*leaves the image of 60 x 40"),
    ("DEFECT_CONFIRMED", [{**CRACK, "y1": HEIGHT + 1}], r"boxes\.0: .*leaves the image"),
    ("DEFECT_CONFIRMED", [{**CRACK, "x0": -1}], r"boxes\.0\.x0"),
    ("DEFECT_CONFIRMED", [{**CRACK, "x1": 3}], r"boxes\.0: box 3,4,3,30,crack has no area"),
    ("DEFECT_CONFIRMED", [{**CRACK, "x0": 1.5}], r"boxes\.0\.x0"),
    ("DEFECT_CONFIRMED", [{**CRACK, "label": "a\0b"}], r"boxes\.0\.label"),
    ("DEFECT_CONFIRMED", [{**CRACK, "label": "a" * 129}], r"boxes\.0\.label"),
    ("DEFECT_CONFIRMED", [{"x": 1, "y": 1, "width": 1, "height": 1}], r"boxes\.0\.x0: missing"),
    ("DEFECT_CONFIRMED", [CRACK] * (MOST_BOXES + 1), r"boxes: "),
    ("FALSE_CALL", [CRACK], r"they mark defects"),
    (None, [CRACK], r"they mark defects"),
]


def test_a_box_that_cannot_be_is_refused_in_both_languages(server: Served) -> None:
    inspection = inspect(server)
    for decision, boxes, named in REFUSED:
        answer = review(server, inspection["id"], decision, boxes=boxes)
        assert answer.status_code == 422, named
        assert re.search(named, answer.json()["detail"])
        assert re.search(r"[\u4e00-\u9fff]", answer.json()["detail_zh_hant"]), named
    assert queue(server) == ["P-1"], "nothing was decided"


def test_nothing_can_be_marked_where_there_is_no_image(server: Served) -> None:
    inspection = server.inspect(b"rubbish")
    answer = review(server, inspection["id"], "DEFECT_CONFIRMED", boxes=[CRACK])
    assert answer.status_code == 422
    assert "is no image" in answer.json()["detail"]


def test_the_tables_of_the_history_tell_them(server: Served) -> None:
    review(server, inspect(server)["id"], "DEFECT_CONFIRMED", boxes=[CRACK, CORNER])
    inspect(server, part_id="P-2")
    table = csv.DictReader(io.StringIO(server.client.get("/v1/history/export.csv").text[1:]))
    expected = {"P-1": "3,4,20,30,crack;40,0,60,40", "P-2": ""}
    assert {row["part_id"]: row["boxes"] for row in table} == expected
    book = openpyxl.load_workbook(io.BytesIO(server.client.get("/v1/history/export.xlsx").content))
    head, *rows = book.worksheets[0].iter_rows(values_only=True)
    named = [dict(zip(head, row, strict=True)) for row in rows]
    assert {row["part_id"]: row["boxes"] or "" for row in named} == expected


def test_training_reads_the_same_boxes(server: Served, tmp_path: Path) -> None:
    drawn = {
        "plain": [CRACK, CORNER],
        "comma": [{**CRACK, "label": "crack, deep; 刮痕"}, CORNER],
        "none": [],
    }
    for part, boxes in drawn.items():
        inspection = inspect(server, part_id=part)
        review(server, inspection["id"], "DEFECT_CONFIRMED", defect_class="crack", boxes=boxes).raise_for_status()
    replaced = inspect(server, part_id="replaced")
    review(server, replaced["id"], "DEFECT_CONFIRMED", boxes=[CRACK])
    review(server, replaced["id"], "DEFECT_CONFIRMED", boxes=[CORNER])
    review(server, server.inspect(grey_png(0.8), part_id="good")["id"], "FALSE_CALL")

    done = run(server, tmp_path / "labelled")
    assert done.returncode == 0, done.stderr
    assert "with boxes that people drew: 3 images" in done.stdout
    catalog = read_catalog(tmp_path / "labelled" / "catalog.csv")
    # All but the good one are the same image, and so one group: the file is named after its inspection.
    ids = {item["id"]: item["part_id"] for item in server.client.get("/v1/inspections").json()["items"]}
    read = {ids[Path(row.path).stem]: row.boxes for row in catalog.rows}
    expected = {**drawn, "replaced": [CORNER], "good": []}
    assert read == {part: tuple(Box(**box) for box in boxes) for part, boxes in expected.items()}


def test_boxes_are_kept_from_who_may_give_the_second_opinion(start_server: StartServer) -> None:
    server = start_server(auth=True, reviewing={"blind_share": 0, "second_share": 1})
    ann, bob = (person_client(server, name, Role.INSPECTOR) for name in ("ann", "bob"))
    camera, manager = key_client(server, Role.CAMERA), key_client(server, Role.MANAGER)

    def inspected(part_id: str) -> str:
        answer = camera.post("/v1/inspections", params=server.frame(part_id=part_id), content=grey_png(0.9))
        return str(answer.json()["id"])

    def put(client: httpx.Client, name: str, id_: str, **changes: Any) -> None:
        body = {"inspection_id": id_, "reviewer": name, "decided_at": datetime.now(UTC).isoformat(), **changes}
        client.put(f"/v1/reviews/{uuid4()}", json=body).raise_for_status()

    before = inspected("before")
    for client, name in ((ann, "ann"), (bob, "bob")):
        put(client, name, before, decision="FALSE_CALL")
    id_ = inspected("P-1")
    box = {"x0": 1, "y0": 2, "x1": 3, "y1": 4, "label": "crack"}
    with bob.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        put(ann, "ann", id_, decision="DEFECT_CONFIRMED", boxes=[box])
        assert event_in(lines, "review")["boxes"] == []
    for client, knows in ((ann, True), (manager, True), (bob, False)):
        routes = [f"/v1/inspections/{id_}", f"/v1/inspections/{id_}/reviews", "/v1/inspections", "/v1/parts/P-1"]
        for route in routes:
            assert ('"label":"crack"' in client.get(route).text) is knows, route
        (row,) = csv.DictReader(io.StringIO(client.get("/v1/history/export.csv", params={"part_id": "P-1"}).text))
        assert row["boxes"] == ("1,2,3,4,crack" if knows else "")
    item = bob.post("/v1/reviews/claims", json={"reviewer": "bob"}).json()["items"][0]
    assert (item["id"], item["review"]) == (id_, None)

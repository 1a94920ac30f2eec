"""Looking for past parts: filters, pages, a table for spreadsheets, every review of a part, and small copies of frames."""

import csv
import io
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np
import openpyxl
import pytest
from sqlalchemy import event

from data.verdict import Verdict
from serving import history
from serving.blindness import Sight
from serving.history_schema import HistoryFilters, HistoryItem, HistoryQuery
from serving.history_workbook import history_workbook
from serving.problem import ProblemError
from serving.store import Store
from tests.conftest import Served, StartServer, grey_png

DATABASES = ("sqlite", "postgresql")


def decide(
    server: Served, inspection: dict[str, Any], decision: str | None, reviewer: str = "ann", **changes: Any
) -> None:
    body = {
        "inspection_id": inspection["id"],
        "decision": decision,
        "reviewer": reviewer,
        "decided_at": "2026-11-01T08:00:00Z",
        **changes,
    }
    server.client.put(f"/v1/reviews/{uuid4()}", json=body).raise_for_status()


def found(server: Served, **query: Any) -> list[str]:
    answer = server.client.get("/v1/history", params=query)
    assert answer.status_code == 200, answer.text
    return [item["part_id"] for item in answer.json()["items"]]


@pytest.fixture
def parts(server: Served) -> dict[str, dict[str, Any]]:
    """Four parts, oldest first: a passed one, a defect by ann, a false call by bob, and one that waits."""
    posted = {
        "good": server.inspect(grey_png(0.1), part_id="good", lot="L-1"),
        "defect": server.inspect(grey_png(0.9), part_id="defect", lot="L-1", line="line-2"),
        "false call": server.inspect(grey_png(0.5), part_id="false call", lot="L-2", product="board"),
        "waiting": server.inspect(grey_png(0.5), part_id="waiting", lot="L-2", station="paint"),
    }
    decide(server, posted["defect"], "DEFECT_CONFIRMED", "ann", defect_class="crack", note="=HYPERLINK()")
    decide(server, posted["false call"], "FALSE_CALL", "bob")
    return posted


def test_parts_are_found_by_everything_that_is_known_of_them(server: Served, parts: dict[str, dict[str, Any]]) -> None:
    assert found(server) == ["waiting", "false call", "defect", "good"]
    for query, expected in (
        ({"part_id": "defect"}, ["defect"]),
        ({"lot": "L-1"}, ["defect", "good"]),
        ({"line": "line-2"}, ["defect"]),
        ({"station": "paint"}, ["waiting"]),
        ({"product": "board"}, ["false call"]),
        ({"class": "good"}, ["good"]),
        ({"verdict": ["PASS", "REJECT"]}, ["defect", "good"]),
        ({"decision": "NONE"}, ["waiting", "good"]),
        ({"decision": ["NONE", "FALSE_CALL"]}, ["waiting", "false call", "good"]),
        ({"reviewer": "ann"}, ["defect"]),
        ({"reviewer": "ann", "lot": "L-2"}, []),
        ({"since": parts["waiting"]["received_at"]}, ["waiting"]),
        ({"until": parts["defect"]["received_at"]}, ["good"]),
    ):
        assert found(server, **query) == expected, query
    decide(server, parts["defect"], None)
    assert found(server, reviewer="ann") == [], "a decision that was taken back is nobody's"
    taken_back = server.client.get("/v1/history", params={"part_id": "defect"}).json()["items"]
    assert [(item["decision"], item["reviewer"]) for item in taken_back] == [(None, None)]


def test_pages_follow_each_other_without_gap_or_repeat(server: Served) -> None:
    for number in range(7):
        server.inspect(grey_png(0.1), part_id=f"H-{number}")
    listed, cursor = [], None
    while True:
        query = {"limit": 3, **({} if cursor is None else {"cursor": cursor})}
        page = server.client.get("/v1/history", params=query).json()
        listed += [item["part_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == [f"H-{number}" for number in reversed(range(7))]
    assert server.client.get("/v1/history", params={"cursor": "nonsense"}).status_code == 422


@pytest.mark.parametrize("most", [6, 9, 12, 100])
@pytest.mark.parametrize("sight", [Sight(0.5, hides=True, name="bob"), Sight(0.5, hides=False)])
@pytest.mark.parametrize("verdict", [[], [Verdict.REVIEW]])
def test_any_page_is_had_without_those_before(
    server: Served, monkeypatch: pytest.MonkeyPatch, most: int, sight: Sight, verdict: list[Verdict]
) -> None:
    for number in range(12):
        server.inspect(grey_png(0.5), part_id=f"H-{number}")
    monkeypatch.setattr(history, "OUTLINE_PAGE", 3)
    monkeypatch.setattr(history, "OUTLINED", most)
    filters = HistoryFilters(verdict=verdict)
    with server.service.store.reading() as connection:
        everything = history.list_page(connection, HistoryQuery(**filters.model_dump(by_alias=True)), sight).items
        told = history.outline(connection, filters, sight)
    # Meanwhile the line goes on.
    server.inspect(grey_png(0.5), part_id="later")
    listed: list[HistoryItem] = []
    with server.service.store.reading() as connection:
        for mark in reversed(told.pages):
            query = HistoryQuery(**filters.model_dump(by_alias=True), cursor=mark.cursor, limit=mark.items)
            items = history.list_page(connection, query, sight).items
            assert all(item.received_at <= mark.received_at for item in items)
            listed = items + listed
    assert told.items == len(listed)
    assert (told.older is not None) == (most < 12)
    if told.older is not None:
        rest = everything[len(listed) :]
        assert all(item.received_at < told.older for item in rest), "none is lost"
        assert sum(item.received_at < told.older for item in listed) <= 1
    assert listed == everything[: len(listed)], "in order, none twice, none left out"
    if verdict and sight.hides:
        assert len(everything) < 12, "some wait to be decided blind"
    if most >= 12 or not (verdict and sight.hides):
        assert len(listed) == min(most, len(everything))


def test_the_outline_of_nothing_is_empty(server: Served, parts: dict[str, dict[str, Any]]) -> None:
    answer = server.client.get("/v1/history/outline", params={"lot": "L-2"}).json()
    assert (answer["items"], [page["items"] for page in answer["pages"]], answer["older"]) == (2, [2], None)
    assert server.client.get("/v1/history/outline", params={"lot": "none"}).json() == {
        "items": 0,
        "pages": [],
        "older": None,
    }


def test_the_table_has_the_same_rows_and_no_formula(server: Served, parts: dict[str, dict[str, Any]]) -> None:
    answer = server.client.get("/v1/history/export.csv", params={"lot": "L-1"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf"), "or spreadsheets show Chinese as noise"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["part_id"] for row in rows] == ["defect", "good"]
    assert (
        rows[0]
        | {
            "verdict": "REJECT",
            "decision": "DEFECT_CONFIRMED",
            "defect_class": "crack",
            "reviewer": "ann",
            "note": "'=HYPERLINK()",
            "pass_below": "0.3",
            "model_version": "1",
        }
        == rows[0]
    )
    assert float(rows[0]["defect_probability"]) == pytest.approx(0.9, abs=0.01)
    assert rows[1]["reviewer"] == ""


def test_the_workbook_has_the_cells_of_the_table(server: Served, parts: dict[str, dict[str, Any]]) -> None:
    decide(server, parts["waiting"], "UNSURE", "陳美", note="刮痕?", seconds=4.25, blind=True)
    query = {"decision": ["NONE", "DEFECT_CONFIRMED", "UNSURE"]}
    answer = server.client.get("/v1/history/export.xlsx", params=query)
    assert answer.status_code == 200, answer.text
    assert 'filename="inspections.xlsx"' in answer.headers["content-disposition"]
    head, *rows = openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets[0].iter_rows()
    table = list(csv.DictReader(io.StringIO(server.client.get("/v1/history/export.csv", params=query).text[1:])))
    assert [row["part_id"] for row in table] == ["waiting", "defect", "good"]
    assert [cell.value for cell in head] == list(table[0])
    assert len(rows) == len(table)
    for cells, expected in zip(rows, table, strict=True):
        for cell, text in zip(cells, expected.values(), strict=True):
            assert cell.data_type != "f", "a formula"
            if isinstance(cell.value, datetime):
                # Excel keeps milliseconds.
                assert abs(cell.value.replace(tzinfo=UTC) - datetime.fromisoformat(text)) <= timedelta(milliseconds=1)
            elif isinstance(cell.value, float | int) and not isinstance(cell.value, bool):
                assert cell.value == pytest.approx(float(text), rel=1e-14)
            else:
                assert ("" if cell.value is None else str(cell.value)) == text.removeprefix("'")
    columns = {name: number for number, name in enumerate(table[0])}
    assert isinstance(rows[0][columns["captured_at"]].value, datetime)
    assert isinstance(rows[0][columns["pass_below"]].value, float)
    assert rows[1][columns["note"]].value == "=HYPERLINK()"


def test_a_workbook_is_refused_that_a_sheet_cannot_hold(server: Served, parts: dict[str, dict[str, Any]]) -> None:
    everything, sees_all = HistoryFilters(), Sight(0, hides=False)
    assert b"".join(history_workbook(server.service.store, everything, sees_all, len(parts))).startswith(b"PK")
    with pytest.raises(ProblemError, match=r"more than 3 inspections .* since and until.* export\.csv") as raised:
        history_workbook(server.service.store, everything, sees_all, len(parts) - 1)
    assert raised.value.status == 422


def test_every_review_of_a_part_is_told(server: Served, parts: dict[str, dict[str, Any]]) -> None:
    decide(server, parts["defect"], None, "ann")
    decide(server, parts["defect"], "FALSE_CALL", "bob")
    told = server.client.get(f"/v1/inspections/{parts['defect']['id']}/reviews").json()
    assert [(review["reviewer"], review["decision"]) for review in told] == [
        ("ann", "DEFECT_CONFIRMED"),
        ("ann", None),
        ("bob", "FALSE_CALL"),
    ]
    assert server.client.get("/v1/inspections/none/reviews").status_code == 404


def test_a_small_copy_looks_like_the_frame(server: Served) -> None:
    frame = server.inspect(grey_png(0.5, width=900, height=600))
    answer = server.client.get(f"/v1/inspections/{frame['id']}/thumbnail")
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    small = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert small.shape == (171, 256, 3)
    assert abs(float(small.mean()) - 128) < 3
    unreadable = server.inspect(b"not an image")
    assert server.client.get(f"/v1/inspections/{unreadable['id']}/thumbnail").status_code == 404


def test_a_small_copy_is_bounded_in_pixels_as_the_line_is(start_server: StartServer) -> None:
    server = start_server(most_pixels=1000)
    frame = server.inspect(grey_png(0.5, width=40, height=40))
    assert frame["verdict"] == "NO_DECISION"
    answer = server.client.get(f"/v1/inspections/{frame['id']}/thumbnail")
    assert answer.status_code == 404
    assert "at most 1,000" in answer.json()["detail"]


_ASKED: dict[str, Any] = {
    "part_id": "P-1",
    "lot": "L-1",
    "product": "cell",
    "line": "line-1",
    "station": "final",
    "class": "crack",
    "verdict": ["REJECT", "REVIEW"],
    "decision": ["DEFECT_CONFIRMED"],
    "reviewer": "ann",
    "since": datetime(2026, 1, 1, tzinfo=UTC),
}


def test_no_two_filters_make_sqlite_look_at_every_row(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []
    with closing(Store.open(f"sqlite:///{tmp_path}/qc.db")) as store, store.reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
        for names in combinations_with_replacement(_ASKED, 2):
            filters = HistoryFilters(**{name: _ASKED[name] for name in names})
            asked.clear()
            history.outline(connection, filters, Sight(0.5, hides=False))
            for statement, values in [told for told in asked if "inspections" in told[0]]:
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
                looks = [step for step in plan if "inspections" in step]
                # A part and a lot have few rows; of all else the index must tell everything.
                few = {"part_id", "lot"} & set(names)
                assert looks, plan
                assert all("COVERING INDEX" in step or (few and step.startswith("SEARCH")) for step in looks), names

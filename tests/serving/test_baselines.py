"""Frozen baselines: what was before stays what it was, only like is compared with like, and what cannot be said is said."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import select, update

from serving.audit import digest, verify
from serving.baseline_schema import BaselineKind, FreezeBaseline, HistoryRow
from serving.baselines import freeze as freeze_period
from serving.baselines import list_all
from serving.past_counts import import_history
from serving.plant_day import containing, parse_period, start_of
from serving.problem import ProblemError
from serving.store import Store
from serving.tables import audit, baselines, history
from tests.conftest import Served, StartServer, grey_png
from tests.serving.test_reviews import review

WHO = {"person": "mei", "reason": "before the cameras"}
FIRST = date(2026, 3, 2)


def table(first: date, days: int, lines: tuple[str, ...] = ("line-1", "line-2"), **counts: int) -> str:
    names = ["inspected", *counts]
    rows = [f"day,line,product,{','.join(names)}"]
    for day in range(days):
        for line in lines:
            cells = [str(counts.get("inspected", 1000)), *(str(value) for value in counts.values())]
            rows.append(f"{first + timedelta(days=day)},{line},cell,{','.join(cells)}")
    return "\n".join(rows)


def load(server: Served, content: str, **query: Any) -> tuple[int, dict[str, Any]]:
    answer = server.client.post("/v1/past-counts", content=content, params={**WHO, **query})
    return answer.status_code, answer.json()


def freeze(server: Served, **changes: Any) -> dict[str, Any]:
    body = {"name": "spring", "kind": "HISTORY", "first_day": "2026-03-02", "last_day": "2026-03-29", **WHO, **changes}
    answer = server.client.post("/v1/baselines", json=body)
    frozen: dict[str, Any] = answer.json()
    return frozen


def compared(server: Served, id_: str, first: str, last: str, after: str = "history") -> dict[str, Any]:
    query = {"first_day": first, "last_day": last, "after": after}
    answer: dict[str, Any] = server.client.get(f"/v1/baselines/{id_}/comparison", params=query).json()
    return answer


def test_a_frozen_baseline_is_compared_like_for_like(server: Served) -> None:
    before = table(
        FIRST, 28, ("line-1", "line-2", "old"), flagged=60, false_calls=40, confirmed=20, audited=50, audit_defects=1
    )
    after = table(
        FIRST + timedelta(60),
        28,
        ("line-1", "line-2", "new"),
        flagged=45,
        false_calls=20,
        confirmed=25,
        audited=100,
        audit_defects=1,
    )
    assert load(server, before) == (201, {"rows": 84, "first_day": "2026-03-02", "last_day": "2026-03-29"})
    assert load(server, after)[0] == 201
    frozen = freeze(server)
    found = compared(server, frozen["id"], "2026-05-01", "2026-05-28")
    assert found["lines"] == ["line-1", "line-2"]
    changes = {change["key"]: change for change in found["changes"]}
    assert changes["false_call_rate"]["relative"] == pytest.approx(-0.5)
    assert changes["false_call_rate"]["low"] < -0.5 < changes["false_call_rate"]["high"] < -0.3
    # passed x found / audited: 940 / 50 missed a day against 20 caught, then 955 / 100 against 25
    assert changes["escape_rate"]["before"]["value"] == pytest.approx(18.8 / 38.8)
    assert changes["escape_rate"]["after"]["value"] == pytest.approx(9.55 / 34.55)
    assert changes["escape_rate"]["relative"] < 0
    assert changes["returns_rate"]["relative"] is None
    caveats = " ".join(caveat["en"] for caveat in found["caveats"])
    assert "Left out, because they are in one period only: new / cell, old / cell." in caveats
    assert "+25% more defects are caught" in caveats


def test_a_frozen_baseline_does_not_change_with_the_history(server: Served) -> None:
    load(server, table(FIRST, 28, flagged=60, false_calls=40, confirmed=20))
    frozen = freeze(server)
    again = table(FIRST, 28, flagged=60, false_calls=10, confirmed=20)
    assert load(server, again)[0] == 409
    assert load(server, again, replace=True)[0] == 201
    assert server.client.get("/v1/baselines").json()[0]["counts"] == frozen["counts"]
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()


def test_inspector_seconds_of_past_counts_are_compared(server: Served) -> None:
    rows = table(FIRST, 28, flagged=60, false_calls=40, confirmed=20, inspector_seconds=5000).splitlines()
    rows = [f"{row[:-4]}{4000 + 100 * (number % 21)}" if number else row for number, row in enumerate(rows)]
    # One day of line-1 nobody kept: unknown, and not zero.
    rows[1] = rows[1][:-4]
    assert load(server, "\n".join(rows))[0] == 201
    assert load(server, table(FIRST + timedelta(60), 28, inspector_seconds=1000))[0] == 201
    frozen = freeze(server)
    assert [one["timed_days"]["days"] for one in frozen["counts"]] == [27, 28]
    found = compared(server, frozen["id"], "2026-05-01", "2026-05-28")
    seconds = next(change for change in found["changes"] if change["key"] == "review_seconds")
    ways = [np.array([int(row[-4:]) for row in rows[first::2] if row[-4:].isdigit()]) for first in (1, 2)]
    expected = sum(one.mean() for one in ways) / 2 / 1000
    assert seconds["before"]["value"] == pytest.approx(expected)
    assert (seconds["after"]["value"], seconds["after"]["denominator"]) == (1.0, 56)
    assert seconds["relative"] == pytest.approx(1 / expected - 1)
    told = " ".join(caveat["en"] for caveat in found["caveats"])
    assert "on 55 imported days of a line and product, for 55,000 of 56,000 parts" in told
    assert "of one day alone" not in told
    load(
        server,
        "day,line,product,inspected,inspector_seconds\n2026-03-02,line-1,rare,50,900\n2026-05-02,line-1,rare,50,900",
    )
    again = compared(server, freeze(server, name="with the rare one")["id"], "2026-05-01", "2026-05-28")
    assert "Lines and products before with seconds of one day alone: 1." in " ".join(
        one["en"] for one in again["caveats"]
    )
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()


def test_counts_imported_before_seconds_were_known_are_as_they_were_told_of(server: Served) -> None:
    load(server, table(FIRST, 28, escapes=3))
    with server.service.store.reading() as connection:
        rows = connection.execute(select(history)).mappings().all()
        told = connection.execute(select(audit.c.new).where(audit.c.action == "HISTORY_IMPORTED")).scalar_one()
        old = [{name: value for name, value in row.items() if name != "inspector_seconds"} for row in rows]
        assert told["digest"] == digest(old)


def test_inspector_seconds_that_cannot_be_are_refused(server: Served) -> None:
    for seconds, message in (
        ("-1", "inspector_seconds"),
        ("nan", "inspector_seconds"),
        ("90000000", "line 2: inspector_seconds is 9e+07 for 1000 inspected parts: more than a day for each"),
    ):
        row = f"day,line,product,inspected,inspector_seconds\n2026-03-02,a,p,1000,{seconds}"
        status, answer = load(server, row)
        assert status == 422 and message in answer["detail"] and "line 2" in answer["detail"]


def test_two_baselines_of_one_name_are_refused(server: Served) -> None:
    load(server, table(FIRST, 28, escapes=3))
    frozen = freeze(server)
    for name in ("spring", " Spring "):
        refused = freeze(server, name=name, last_day="2026-03-20")
        assert refused["status"] == 409
        assert "there is a baseline spring already, of 2026-03-02 to 2026-03-29, frozen by mei on" in refused["detail"]
    assert [one["id"] for one in server.client.get("/v1/baselines").json()] == [frozen["id"]]
    assert freeze(server, name="summer")["name"] == "summer"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_of_two_processes_that_freeze_one_name_at_once_one_is_refused(database: str) -> None:
    stores = [Store.open(database) for _ in range(2)]
    rows = [HistoryRow(day=FIRST, line="a", product="p", inspected=10)]
    stores[0].submit(lambda connection: import_history(connection, rows, False, "mei", "known")).result()
    together = threading.Barrier(2)
    outcomes: list[str] = []

    def freeze_all(store: Store) -> None:
        for number in range(20):
            request = FreezeBaseline(
                name=f"spring {number}", kind=BaselineKind.HISTORY, first_day=FIRST, last_day=FIRST, **WHO
            )
            together.wait()
            freezing = store.submit(lambda connection, one=request: freeze_period(connection, one, ZoneInfo("UTC")))
            try:
                outcomes.append(freezing.result().name)
            except ProblemError as error:
                assert error.status == 409
                outcomes.append("refused")

    threads = [threading.Thread(target=freeze_all, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with stores[0].reading() as connection:
        names = [one.name for one in list_all(connection, ZoneInfo("UTC"))]
    for store in stores:
        store.close()
    assert sorted(names) == sorted(f"spring {number}" for number in range(20))
    assert outcomes.count("refused") == 20


def test_history_and_baselines_altered_past_the_trail_are_found(server: Served) -> None:
    load(server, table(FIRST, 28, escapes=3))
    freeze(server)
    for altered in (update(history).values(escapes=0), update(baselines).values(name="better")):
        server.service.store.submit(lambda connection, one=altered: connection.execute(one) and None).result()
    with server.service.store.reading() as connection:
        broken = [one.what for one in verify(connection).broken]
    assert len(broken) == 2 and all("altered" in what for what in broken)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"last_day": None}, "first_day and last_day are missing"),
        ({"first_day": "2026-04-01"}, "first_day: 2026-04-01 is after last_day, 2026-03-29"),
        ({"first_day": "2025-03-02", "last_day": "2025-03-29"}, "nothing was imported for 2025-03-02 to 2025-03-29"),
        ({"kind": "SESSION"}, "nothing was inspected in 2026-03-02 to 2026-03-29"),
        ({"kind": "SHADOW", "first_day": None, "last_day": None, "shadow": 9}, "there was no shadow run 9"),
        ({"kind": "SHADOW"}, "needs the shadow run"),
        ({"first_day": "2099-01-01", "last_day": "2099-02-01"}, "a baseline is frozen once it is over"),
    ],
)
def test_a_period_that_is_no_baseline_is_refused(server: Served, changes: dict[str, Any], message: str) -> None:
    load(server, table(FIRST, 28, escapes=3))
    assert message in freeze(server, **changes)["detail"]


def test_baseline_and_treatment_may_not_overlap(server: Served) -> None:
    load(server, table(FIRST, 40, escapes=3))
    frozen = freeze(server)
    answer = compared(server, frozen["id"], "2026-03-29", "2026-04-10")
    assert (
        "baseline and treatment overlap: spring goes to 2026-03-29, and the period begins 2026-03-29"
        in answer["detail"]
    )
    rolled = server.client.post("/v1/rollouts", json={"line": "line-2", "day": "2026-03-20", **WHO})
    assert rolled.status_code == 201
    assert "the system decides on line line-2 since 2026-03-20" in freeze(server)["detail"]


def test_what_the_data_cannot_support_is_said(start_server: StartServer) -> None:
    server = start_server()
    load(server, table(FIRST, 5, ("line-1",), flagged=60, false_calls=40, confirmed=20))
    frozen = freeze(server)
    today = datetime.now(UTC).date()
    for number in range(3):
        server.inspect(grey_png(0.9), part_id=f"P-{number}")
    found = compared(server, frozen["id"], str(today), str(today), "measured")
    caveats = " ".join(caveat["en"] for caveat in found["caveats"])
    assert "A single line" in caveats
    assert "Escapes cannot be compared: no passed part of either period was audited." in caveats
    assert "False calls cannot be compared: no flagged part of the later period is reviewed." in caveats
    assert "The shorter period has 1 days" in caveats
    assert all(change["relative"] is None for change in found["changes"])
    review(server, server.inspect(grey_png(0.9), part_id="P-9")["id"], "FALSE_CALL")
    found = compared(server, frozen["id"], str(today), str(today), "measured")
    false_calls = found["changes"][0]
    assert (false_calls["after"]["numerator"], false_calls["after"]["denominator"]) == (1, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("day,line,product,inspected\n", "no rows; the first line names the columns (day, line, product, inspected,"),
        (
            "day,line,product,inspected\n2026-03-02,a,b,-5",
            "line 2: inspected: Input should be greater than or equal to 0",
        ),
        ("day,line,product,inspected,luck\n2026-03-02,a,b,5,1", "no column is called luck; there are day, line"),
        ("day,line,product,inspected,flagged\n2026-03-02,a,b,5,9", "flagged is 9, more than inspected, 5"),
        ("day,line,product,inspected,audit_defects\n2026-03-02,a,b,5,1", "audit_defects without audited"),
        ("day,line,product,inspected\n2026-13-02,a,b,5", "line 2: day:"),
        ("line,product,inspected\na,b,5", "line 2: day: missing"),
        ("day,line,product,inspected\n2026-03-02,a,b,5,6", "line 2: more cells than columns"),
    ],
)
def test_history_that_cannot_be_says_where(server: Served, content: str, message: str) -> None:
    status, answer = load(server, content)
    assert status == 422 and message in answer["detail"]


def test_days_of_the_plant_follow_its_clock() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring = start_of(date(2026, 3, 30), berlin) - start_of(date(2026, 3, 29), berlin)
    autumn = start_of(date(2026, 10, 26), berlin) - start_of(date(2026, 10, 25), berlin)
    assert (spring, autumn) == (timedelta(hours=23), timedelta(hours=25))
    assert start_of(date(2026, 11, 1), ZoneInfo("Asia/Taipei")) == datetime(2026, 10, 31, 16, tzinfo=UTC)


def test_periods_by_name() -> None:
    week, month = parse_period("2026-W47"), parse_period("2026-12")
    assert (week.first, week.end) == (date(2026, 11, 16), date(2026, 11, 23))
    assert (month.first, month.end) == (date(2026, 12, 1), date(2027, 1, 1))
    assert (week.previous.name, month.previous.name) == ("2026-W46", "2026-11")
    assert containing(date(2027, 1, 1), weekly=True).name == "2026-W53"
    for wrong in ("2026-W60", "2026-13", "2026", "November"):
        with pytest.raises(ProblemError, match="period"):
            parse_period(wrong)


def test_the_baseline_speaks_against_assumptions_and_counts_once_the_same_is_measured_since(
    start_server: StartServer,
) -> None:
    server = start_server(enough_reviews=3)
    load(server, table(FIRST, 28, flagged=100, false_calls=90, confirmed=10, audited=100, audit_defects=2))
    freeze(server)
    report = server.client.get("/v1/roi").json()
    assert {one["key"] for one in report["contradictions"]} == {"false_call_rate_before", "escape_rate_before"}
    inputs = {one["key"]: one for one in report["measured"]["inputs"]}
    assert inputs["false_call_rate_before"]["value"] == 0.04, "nothing is measured since"
    for number in range(4):
        review(server, server.inspect(grey_png(0.9), part_id=f"P-{number}")["id"], "FALSE_CALL")
    inputs = {one["key"]: one for one in server.client.get("/v1/roi").json()["measured"]["inputs"]}
    assert inputs["false_call_rate_before"]["value"] == pytest.approx(0.09)
    assert inputs["false_call_rate_before"]["source"]["en"] == "baseline spring"


def test_escapes_since_are_compared_by_the_audits_of_passed_parts(start_server: StartServer) -> None:
    server = start_server(audit={"per_day": 1000, "first_share": 1.0})
    load(server, table(FIRST, 28, ("line-1",), flagged=60, false_calls=40, confirmed=20, audited=100, audit_defects=10))
    frozen = freeze(server)
    today = datetime.now(UTC).date()
    passed = [server.inspect(grey_png(0.1), part_id=f"P-{number}", product="cell")["id"] for number in range(10)]
    for number in range(4):
        flagged = server.inspect(grey_png(0.9), part_id=f"R-{number}", product="cell")
        review(server, flagged["id"], "DEFECT_CONFIRMED")
    for id_ in passed:
        review(server, id_, "DEFECT_CONFIRMED" if id_ == passed[0] else "FALSE_CALL")
    found = compared(server, frozen["id"], str(today), str(today), "measured")
    rate = {change["key"]: change for change in found["changes"]}["escape_rate"]
    assert rate["after"]["value"] == pytest.approx(1 / 5), "one of ten passed parts, and four caught"
    assert rate["relative"] is not None
    assert not any("was audited" in caveat["en"] for caveat in found["caveats"])


def test_days_that_are_yet_to_come_are_refused(server: Served) -> None:
    load(server, table(FIRST, 28, escapes=3))
    frozen = freeze(server)
    far = (datetime.now(UTC) + timedelta(days=40)).date()
    compared_then = compared(server, frozen["id"], str(far), str(far + timedelta(days=7)))
    assert compared_then["status"] == 422 and f"first_day: {far} is yet to come" in compared_then["detail"]
    status, answer = load(server, table(far, 2))
    assert status == 422
    assert answer["detail"].startswith(f"history: {far + timedelta(days=1)} is yet to come")
    assert "尚未到來" in answer["detail_zh_hant"]
    kpis = f"kpi,day,value,source\nnps,{far},31,survey"
    assert "kpis: " in server.client.post("/v1/kpis", content=kpis, params=WHO).json()["detail"]
    since = {"since": f"{far}T00:00:00Z", "until": f"{far + timedelta(days=1)}T00:00:00Z"}
    for path in ("quality", "quality/figures", "escapes", "throughput", "agreement", "bias"):
        refused = server.client.get(f"/v1/metrics/{path}", params=since)
        assert refused.status_code == 422 and "since: " in refused.json()["detail"], path


def test_a_baseline_is_of_days_of_the_plant(start_server: StartServer) -> None:
    server = start_server(time_zone="Asia/Taipei")
    load(server, table(FIRST, 28, escapes=3))
    frozen = freeze(server)
    assert frozen["since"].startswith("2026-03-01T16:00")
    assert (frozen["first_day"], frozen["last_day"]) == ("2026-03-02", "2026-03-29")

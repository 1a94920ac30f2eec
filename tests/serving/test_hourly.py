"""The hourly figures are those of the rows, whatever happens to them: posted, reviewed, undone, removed, out of order."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, create_engine, delete, insert, select, update

from data.verdict import ReviewDecision, Verdict
from serving.gauges import Gauges
from serving.hourly import (
    HOUR,
    confirmed_by_class,
    frames_by_line,
    latencies_by_line,
    outcomes_by_bucket,
    outcomes_ever,
    parts_by_line,
    quantile,
    split,
    step_of,
)
from serving.image_store import ImageStore
from serving.retention import Retention
from serving.reviews import add_review
from serving.schema import ReviewRequest
from serving.settings import Costs
from serving.settings import Retention as Periods
from serving.store import Store, migrate
from serving.tables import (
    hourly_counts,
    hourly_latencies,
    hourly_parts,
    inspections,
    reviews,
    shadow_inspections,
    shadows,
    tombstones,
)

DATABASES = ("sqlite", "postgresql")

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = Store.open(database)
    yield opened
    opened.close()


def rows(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Frames of the last three days in no order, two lines, several of a part."""
    place = Random(seed)
    return [
        {
            "id": str(uuid4()),
            "received_at": NOW - timedelta(seconds=place.randrange(3 * 86_400)),
            "captured_at": NOW,
            "product": "p",
            "line": place.choice(["a", "b"]),
            "station": "s",
            "camera": "c",
            "part_id": f"P-{place.randrange(count // 3)}",
            "lot": "lot",
            "verdict": place.choice(list(Verdict)).value,
            "class_name": place.choice([None, "crack", "void"]),
            "class_probability": {},
            "regions": [],
            "latency_ms": place.lognormvariate(2, 1),
            "image_sha256": f"{place.getrandbits(256):064x}",
            "image_type": "image/png",
            "image_bytes": 1,
        }
        for _ in range(count)
    ]


def add(store: Store, new: list[dict[str, Any]]) -> None:
    for stored in [store.insert(inspections, lambda one=one: one) for one in new]:  # type: ignore[misc]
        stored.result()


def judge(store: Store, id_: str, decision: str | None, defect_class: str | None = None, **changes: Any) -> Future[Any]:
    given: dict[str, Any] = {"reviewer": "Chen", "seconds": 1, **changes}
    request = ReviewRequest(
        inspection_id=id_,
        decision=None if decision is None else ReviewDecision(decision),
        defect_class=defect_class,
        note="",
        decided_at=NOW,
        **given,
    )
    return store.submit(lambda connection: add_review(connection, uuid4(), request, Costs()))


def hour_of(row: Any) -> datetime:
    at: datetime = row.received_at
    return at.replace(minute=0, second=0, microsecond=0)


def check(connection: Connection) -> None:
    """Every hourly figure against the rows."""
    columns = ("id", "received_at", "line", "part_id", "verdict", "decision", "class_name", "review_id")
    recorded = [
        row
        for table in (inspections, tombstones)
        for row in connection.execute(select(*(table.c[name] for name in columns)))
    ]
    named = dict(iter(connection.execute(select(reviews.c.client_id, reviews.c.defect_class))))
    counts: Counter[tuple[Any, ...]] = Counter()
    first: dict[tuple[str, str], Any] = {}
    for row in recorded:
        confirmed = row.decision == "DEFECT_CONFIRMED"
        defect_class = (named.get(row.review_id) or row.class_name or "unnamed") if confirmed else ""
        counts[hour_of(row), row.line, row.verdict, row.decision or "", defect_class] += 1
        part = (row.line, row.part_id)
        if part not in first or row.received_at < first[part].received_at:
            first[part] = row
    parts = Counter((hour_of(row), row.line) for row in first.values())
    stored = {tuple(row[:-1]): row[-1] for row in connection.execute(select(hourly_counts)) if row[-1]}
    assert stored == counts
    assert {tuple(row[:-1]): row[-1] for row in connection.execute(select(hourly_parts)) if row[-1]} == parts


def check_latencies(connection: Connection) -> None:
    query = select(inspections.c.received_at, inspections.c.line, inspections.c.latency_ms)
    expected = Counter((hour_of(row), row.line, step_of(row.latency_ms)) for row in connection.execute(query))
    assert {tuple(row[:-1]): row[-1] for row in connection.execute(select(hourly_latencies))} == expected


def test_they_follow_frames_reviews_and_retention(store: Store, tmp_path: Path) -> None:
    new = rows(300)
    add(store, new)
    with store.reading() as connection:
        check(connection)
        check_latencies(connection)
    place = Random(2)
    judged = [
        judge(store, row["id"], place.choice([None, *ReviewDecision]), place.choice([None, "crack", "scratch"]))
        for row in place.choices(new, k=200)
    ]
    for future in judged:
        future.result()
    with store.reading() as connection:
        check(connection)
        before = outcomes_ever(connection), parts_by_line(connection, LONG_AGO, LATER)
    age = (datetime.now(UTC) - NOW).total_seconds() / 86_400 + 1.5
    periods = Periods(rows=age)
    images = ImageStore(str(tmp_path / "images"))
    Retention(periods, store, images, Gauges()).run(threading.Event())
    images.close()
    with store.reading() as connection:
        assert 20 < len(connection.execute(select(tombstones.c.id)).all()) < 280
        check(connection)
        assert (outcomes_ever(connection), parts_by_line(connection, LONG_AGO, LATER)) == before
    add(store, rows(60, seed=9))
    with store.reading() as connection:
        check(connection)


def test_a_frame_of_a_part_that_comes_late_moves_the_part_to_its_hour(store: Store) -> None:
    later, earlier = rows(6)[:2]
    later |= {"part_id": "P", "line": "a", "received_at": NOW}
    earlier |= {"part_id": "P", "line": "a", "received_at": NOW - 2 * HOUR}
    add(store, [later, earlier])
    with store.reading() as connection:
        check(connection)
        assert parts_by_line(connection, NOW - HOUR, LATER)["a"] == 0
        assert parts_by_line(connection, LONG_AGO, NOW - HOUR)["a"] == 1


def test_rows_written_past_the_program_count_too(store: Store) -> None:
    new = rows(50)
    add(store, new)

    def tamper(connection: Connection) -> None:
        connection.execute(delete(inspections).where(inspections.c.id == new[0]["id"]))
        connection.execute(update(inspections).where(inspections.c.id == new[1]["id"]).values(decision="UNSURE"))
        connection.execute(insert(inspections), rows(20, seed=5))

    store.submit(tamper).result()
    with store.reading() as connection:
        frames = sum(frames_by_line(connection, LONG_AGO, LATER).values())
        assert frames == 69
        assert outcomes_ever(connection)[Verdict(new[1]["verdict"]), ReviewDecision.UNSURE] == 1


def test_a_row_that_is_refused_counts_nowhere(store: Store) -> None:
    new = rows(10)
    add(store, new)
    with pytest.raises(Exception, match=r"(?i)unique"):
        add(store, [new[0]])
    with store.reading() as connection:
        check(connection)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (NOW - timedelta(days=2), NOW),
        (NOW - timedelta(hours=30, minutes=17), NOW - timedelta(minutes=1)),
        (NOW - timedelta(minutes=20), NOW),
        (NOW.replace(minute=0) - 5 * HOUR, NOW.replace(minute=0)),
    ],
)
def test_a_period_of_any_ends_is_counted_as_from_rows(store: Store, since: datetime, until: datetime) -> None:
    new = rows(400)
    add(store, new)
    for judged in [judge(store, row["id"], "DEFECT_CONFIRMED", "crack") for row in new[:60]]:
        judged.result()
    inside = [row for row in new if since <= row["received_at"] < until]
    on_a = [row for row in inside if row["line"] == "a"]
    firsts: dict[tuple[str, str], datetime] = {}
    for row in sorted(new, key=lambda row: row["received_at"]):
        firsts.setdefault((row["line"], row["part_id"]), row["received_at"])
    with store.reading() as connection:
        for seconds in (600, 3600, 4 * 3600, 86_400):
            buckets = outcomes_by_bucket(connection, since, until, "a", seconds)
            expected = Counter(int(row["received_at"].timestamp()) // seconds for row in on_a)
            assert {number: counts.total() for number, counts in buckets.items()} == expected
        assert frames_by_line(connection, since, until) == Counter(row["line"] for row in inside)
        started = Counter(line for (line, _), at in firsts.items() if since <= at < until)
        assert +parts_by_line(connection, since, until) == started
        confirmed = sum(row in inside for row in new[:60])
        assert confirmed_by_class(connection, since, until, None) == ({"crack": confirmed} if confirmed else {})
        steps = latencies_by_line(connection, since, until)
        assert steps.get("a", Counter()) == Counter(step_of(row["latency_ms"]) for row in on_a)
        exact = sorted(row["latency_ms"] for row in on_a)
        if len(exact) > 50:
            told = quantile(steps["a"], 0.5)
            assert told == pytest.approx(exact[(len(exact) - 1) // 2], rel=0.1)


def test_a_defect_found_in_a_passed_frame_is_unnamed_and_never_good(store: Store) -> None:
    new = [row | {"verdict": "PASS", "class_name": "good"} for row in rows(12)]
    add(store, new)
    for row in new[:3]:
        judge(store, row["id"], "DEFECT_CONFIRMED").result()
    judge(store, new[3]["id"], "DEFECT_CONFIRMED", "crack").result()
    start = NOW - timedelta(days=4)
    with store.reading() as connection:
        whole_hours = confirmed_by_class(connection, start.replace(minute=0), NOW.replace(minute=0) + HOUR, None)
        by_the_minute = [
            confirmed_by_class(connection, row["received_at"], row["received_at"] + HOUR / 2, None) for row in new
        ]
    assert whole_hours == {"unnamed": 3, "crack": 1}
    assert {name for found in by_the_minute for name in found} == {"unnamed", "crack"}


def test_the_ends_of_time_have_no_whole_hours() -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    start = end - timedelta(minutes=10)
    assert split(start, end) == (None, [(start, end)])


def test_quantile_of_nothing_is_unknown() -> None:
    assert quantile({}, 0.5) is None


def test_a_database_from_before_is_counted_when_it_is_brought_up_to_date(older_database: str) -> None:
    engine = create_engine(older_database)
    with engine.begin() as connection:
        migrate(connection, "0008")
        old = rows(200)
        connection.execute(insert(inspections), old)
        started = {"sequence": 1, "name": "m", "version": "2", "reason": "r", "person": "Chen", "started_at": NOW}
        connection.execute(insert(shadows), started)
        scored = {"shadow": 1, "inspection_id": old[0]["id"], "model_name": "m", "model_version": "2"}
        connection.execute(
            insert(shadow_inspections), scored | {"defect_probability": 0.5, "verdict": "REVIEW", "latency_ms": 1.0}
        )
    engine.dispose()
    store = Store.open(older_database)
    with store.reading() as connection:
        check(connection)
        check_latencies(connection)
        assert frames_by_line(connection, LONG_AGO, LATER).total() == 200
        assert connection.execute(select(shadow_inspections.c.active_verdict)).scalar_one() == old[0]["verdict"]
    store.close()

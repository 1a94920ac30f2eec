"""The tallies of half-hours are those of the rows, whatever happens to them: posted, reviewed, undone, removed, out of order."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, create_engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from data.verdict import ReviewDecision, Verdict
from serving import agreement, bias, escapes, past_counts, tallies
from serving.gauges import Gauges
from serving.image_store import ImageStore
from serving.problem import ProblemError
from serving.quality_schema import GroupBy
from serving.retention import Retention
from serving.scope import Piece, Scope
from serving.settings import LineClock, Settings, Shift, load_settings
from serving.settings import Retention as Periods
from serving.store import Store, migrate
from serving.tables import (
    RECORDED,
    challenges,
    compared,
    field_returns,
    first_calls,
    inspections,
    reviews,
    tombstones,
)
from tests.conftest import ROOT
from tests.serving.test_hourly import add, judge
from tests.serving.test_hourly import rows as plain_rows

DATABASES = ("sqlite", "postgresql")

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)
ODD = LineClock(line="a", shifts=(Shift(name="day", start=time(6, 10), end=time(14, 20)),))
SCOPES = [
    Scope(LONG_AGO, LATER),
    Scope(NOW - timedelta(hours=30, minutes=17), NOW - timedelta(minutes=1)),
    Scope(NOW - timedelta(minutes=20), NOW),
    Scope(NOW - timedelta(hours=40), NOW, line="a", model_version="2"),
    Scope(NOW - timedelta(hours=50), NOW, station="s", lot="lot-1", shift="day"),
]


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = Store.open(database)
    yield opened
    opened.close()


@pytest.fixture
def settings() -> Settings:
    given = load_settings(ROOT / "configs/serving/default.yaml", [])
    return given.model_copy(
        update={
            "clocks": (ODD, LineClock()),
            "audit": given.audit.model_copy(update={"enough": 3}),
            "reviewing": given.reviewing.model_copy(update={"people_in_figures": "names"}),
        }
    )


def rows(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Frames of every kind, in no order, so that the cameras of a part come in different half-hours, and some come again.

    Every fifth is of a reader that could not read: many frames of one part_id, several of one moment.
    """
    place = Random(seed)
    made = plain_rows(count, seed)
    for number, row in enumerate(made):
        audit = place.choice([None, None, None, "SAMPLE", "CHALLENGE"])
        row |= {
            "product": place.choice(["p", "q"]),
            "station": place.choice(["s", "t"]),
            "camera": place.choice(["c", "d"]),
            "part_id": f"P-{place.randrange(count // 4)}",
            "lot": f"lot-{place.randrange(3)}",
            "model_version": place.choice([None, "1", "2"]),
            "verdict": Verdict.PASS.value if audit == "SAMPLE" or place.random() < 0.5 else row["verdict"],
            "audit": audit,
            "audit_band": place.choice([None, 0, 1, 2, 3]),
            "audit_probability": place.choice([0.25, 0.5]) if audit == "SAMPLE" else 0.0,
        }
        if number % 5 == 0:
            row |= {"part_id": "NOREAD", "received_at": row["received_at"].replace(minute=0, second=0)}
    return made


def live(store: Store, new: list[dict[str, Any]], seed: int = 2) -> None:
    """Reviews of all kinds by two people, field returns and challenges."""
    place = Random(seed)
    add(store, new)
    given = [
        judge(
            store,
            row["id"],
            place.choice([None, *ReviewDecision]),
            place.choice([None, "crack", "scratch"]),
            reviewer=place.choice(["Chen", "Lin"]),
            seconds=place.choice([None, 0.25, 1.5, 8, 4000]),
            blind=place.random() < 0.1,
        )
        for row in place.choices(new, k=len(new))
    ]
    for one in given:
        one.result()
    parts = sorted({row["part_id"] for row in new})
    who = {"note": "", "person": "Chen", "registered_at": NOW}

    def more(connection: Connection) -> None:
        returned = [{"part_id": part, "found_at": NOW, "cost": 4.5, **who} for part in parts[::5]]
        connection.execute(insert(field_returns), returned)
        known = [{"part_id": part, "defective": number % 2 == 0, **who} for number, part in enumerate(parts)]
        connection.execute(insert(challenges), known)

    store.submit(more).result()


def told(connection: Connection, settings: Settings) -> dict[Any, Any]:
    """Everything that is read of tallies; groups in which nothing counts are left out."""
    found: dict[Any, Any] = {}
    for number, scope in enumerate(SCOPES):
        found[number, "measured"] = past_counts.measured_counts(connection, scope.since, scope.until)
        agreed = agreement.of_reviews(connection, scope, settings)
        found[number] = agreed.model_dump(include={"parts", "people", "notes", "comparison"})
        found[number, "bias"] = bias.metrics(connection, scope, settings, may_name=True).model_dump()
        for by in (None, *GroupBy):
            span = tallies.span_of(scope, by, settings.clocks)
            counts = escapes.count_span(connection, span)
            found[number, by, "counts"] = {of: dataclasses.asdict(one) for of, one in counts.items()}
            found[number, by, "classes"] = {of: dict(each) for of, each in tallies.classes(connection, span).items()}
            found[number, by, "groups"] = {
                (one.of, one.line, one.product, one.station): one for one in tallies.groups(connection, span)
            }
    return found


def check(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same from rows alone; of agreement, the same when no frame is left out beforehand; the first calls found anew."""
    with store.reading() as connection:
        tallied = told(connection, settings)
        assert tallied[0, None, "counts"][""]["inspected"] > 50
        assert sum(each["n"] for each in tallied[0, "bias"]["times"]) > 0

    def find_first_calls(connection: Connection) -> None:
        connection.execute(delete(first_calls))
        for table in RECORDED:
            for frame in connection.execute(select(table)).mappings().all():
                calls = select(reviews).where(reviews.c.inspection_id == frame["id"]).order_by(reviews.c.sequence)
                made = [call for call in connection.execute(calls) if call.decision in tallies.JUDGED]
                if made:
                    of_frame = {name: frame[name] for name in frame if name in first_calls.c}
                    defective = made[0].decision == ReviewDecision.DEFECT_CONFIRMED.value
                    row = of_frame | {
                        "inspection_id": frame["id"],
                        "defective": defective,
                        "blind": bool(made[0].blind),
                    }
                    row |= {"reviewer": made[0].reviewer, "seconds": made[0].seconds}
                    connection.execute(insert(first_calls), row)

    store.submit(find_first_calls).result()

    def all_compared(connection: Connection) -> None:
        for table in (inspections, tombstones):
            known = select(compared.c.inspection_id)
            each = select(table.c.id, table.c.received_at).where(table.c.id.not_in(known))
            connection.execute(insert(compared).from_select(["inspection_id", "received_at"], each))

    store.submit(all_compared).result()
    with store.reading() as connection, monkeypatch.context() as only_rows:
        only_rows.setattr(tallies, "whole_slots", lambda pieces: ([], list(pieces)))
        assert tallied == told(connection, settings)


def test_they_follow_frames_reviews_and_retention(
    store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(store, rows(240))
    with store.reading() as connection:
        before = told(connection, settings)
    age = (datetime.now(UTC) - NOW).total_seconds() / 86_400 + 1.5
    images = ImageStore(str(tmp_path / "images"))
    Retention(Periods(rows=age), store, images, Gauges()).run(threading.Event())
    images.close()
    with store.reading() as connection:
        assert 20 < len(connection.execute(select(tombstones.c.id)).all()) < 220
        assert told(connection, settings) == before
    add(store, rows(60, seed=9))
    check(store, settings, monkeypatch)


def test_rows_written_past_the_program_count_too(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = rows(160)
    live(store, new)

    def tamper(connection: Connection) -> None:
        connection.execute(delete(inspections).where(inspections.c.id.in_([row["id"] for row in new[:20]])))
        changed = inspections.c.id.in_([row["id"] for row in new[20:60]])
        connection.execute(update(inspections).where(changed).values(decision="FALSE_CALL"))
        connection.execute(insert(inspections), rows(40, seed=5))

    store.submit(tamper).result()
    ends = {"first_at", "last_at"}
    with store.reading() as connection:
        span = tallies.span_of(SCOPES[0], GroupBy.LOT)
        counted = {(one.of, one.line, one.product, one.station): vars(one) for one in tallies.groups(connection, span)}
        monkeypatch.setattr(tallies, "whole_slots", lambda pieces: ([], list(pieces)))
        span = tallies.span_of(SCOPES[0], GroupBy.LOT)
        for one in tallies.groups(connection, span):
            stored = counted[one.of, one.line, one.product, one.station]
            assert {key: value for key, value in vars(one).items() if key not in ends}.items() <= stored.items()


def test_a_database_from_before_is_counted_when_it_is_brought_up_to_date(
    older_database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(older_database)
    new, place = rows(200), Random(3)
    with engine.begin() as connection:
        migrate(connection, "0014")
        connection.execute(insert(inspections), new)
        for row in place.choices(new, k=150):
            review = {
                "client_id": str(uuid4()),
                "inspection_id": row["id"],
                "decision": place.choice([None, *(each.value for each in ReviewDecision)]),
                "defect_class": place.choice([None, "crack"]),
                "note": "",
                "reviewer": place.choice(["Chen", "Lin"]),
                "seconds": place.choice([None, 0.5]),
                "blind": place.choice([None, False, True]),
                "decided_at": NOW,
                "received_at": NOW,
            }
            connection.execute(insert(reviews), review)
            stands = {"review_id": review["client_id"], "decision": review["decision"]}
            connection.execute(update(inspections).where(inspections.c.id == row["id"]).values(stands))
    engine.dispose()
    store = Store.open(older_database)
    check(store, settings, monkeypatch)
    with store.reading() as connection:
        joined = inspections.outerjoin(reviews, reviews.c.client_id == inspections.c.review_id)
        columns = (inspections.c.decision, inspections.c.reviewer, reviews.c.reviewer)
        decided = connection.execute(select(*columns).select_from(joined)).all()
    assert {"Chen", "Lin", None} == {kept for _, kept, _ in decided}
    assert all(kept == (None if decision is None else made) for decision, kept, made in decided)
    assert any(decision is None and made is not None for decision, _, made in decided), "one that was taken back"
    store.close()


def steps(store: Store, job: Callable[[Connection], Any]) -> int:
    """How many steps SQLite's machine takes for a job, which is undone."""

    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    def counted(connection: Connection) -> None:
        raw: Any = connection.connection.driver_connection
        with connection.begin_nested() as undone:
            raw.set_progress_handler(step, 1)
            job(connection)
            raw.set_progress_handler(None, 0)
            undone.rollback()

    store.submit(counted).result()
    return taken


def test_a_frame_costs_the_same_however_many_have_its_part_id(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/steps.db")
    same = {"part_id": "NOREAD", "line": "a", "product": "p", "station": "s", "audit": None, "decision": None}
    made = [
        row | same | {"camera": "cd"[number % 2], "received_at": NOW + timedelta(seconds=number), "verdict": "REVIEW"}
        for number, row in enumerate(rows(606))
    ]
    passed, flagged = made.pop() | {"verdict": "PASS"}, made.pop()
    reviewed, retired = made[10], made[11]
    stone = {column.name: retired.get(column.name) for column in tombstones.c} | {
        "removed_at": NOW,
        "rule": "r",
        "batch": 1,
    }

    def retire(connection: Connection) -> None:
        connection.execute(insert(tombstones), stone)
        connection.execute(delete(inspections).where(inspections.c.id == retired["id"]))

    jobs: list[Callable[[Connection], Any]] = [
        lambda connection: connection.execute(insert(inspections), passed),
        lambda connection: connection.execute(insert(inspections), flagged),
        lambda connection: connection.execute(
            update(inspections).where(inspections.c.id == reviewed["id"]).values(decision="FALSE_CALL")
        ),
        retire,
    ]
    add(store, made[:20])
    few = [steps(store, job) for job in jobs]
    add(store, made[20:])
    assert [steps(store, job) for job in jobs] == pytest.approx(few, rel=0.2)
    store.close()


def test_figures_cost_the_same_however_many_frames_have_the_part_id(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/steps.db")
    same = {"part_id": "NOREAD", "line": "a", "product": "p", "station": "s", "audit": None}
    made = [
        row | same | {"camera": "cd"[number % 2], "received_at": NOW + timedelta(minutes=number)}
        for number, row in enumerate(rows(600))
    ]
    span = tallies.span_of(Scope(NOW, NOW + timedelta(minutes=10)))
    add(store, made[:20])
    few = steps(store, lambda connection: tallies.groups(connection, span))
    add(store, made[20:])
    assert steps(store, lambda connection: tallies.groups(connection, span)) == pytest.approx(few, rel=0.05)
    store.close()


def test_frames_that_are_refused_count_nowhere(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = rows(160)
    live(store, new)
    again = [store.insert(inspections, lambda one=one: one) for one in [*rows(40, seed=9), *new]]  # type: ignore[misc]
    refused = [isinstance(one.exception(), IntegrityError) for one in again]
    assert refused == [False] * 40 + [True] * 160
    check(store, settings, monkeypatch)


def test_a_part_counts_once_where_it_came_first(store: Store) -> None:
    top, side = rows(8)[:2]
    same = {"part_id": "P", "line": "a", "product": "p", "station": "s", "lot": "x", "audit": None}
    top |= {**same, "camera": "top", "received_at": NOW, "verdict": "PASS"}
    side |= {**same, "camera": "side", "received_at": NOW + timedelta(hours=2), "verdict": "REJECT"}
    add(store, [side])
    add(store, [top])
    with store.reading() as connection:
        for since, units, failed in ((NOW, 1, 1), (NOW + timedelta(hours=1), 0, 0)):
            found = tallies.groups(connection, tallies.span_of(Scope(since, LATER)))
            assert (sum(one.units for one in found), sum(one.failed for one in found)) == (units, failed)


def test_shifts_cover_the_period_once_for_the_lines_of_each_clock() -> None:
    scope = Scope(NOW - timedelta(days=3), NOW)
    pieces = scope.pieces(GroupBy.SHIFT, (ODD, LineClock()))
    for clock in ("", "a"):
        own = [piece for piece in pieces if piece.clock == clock]
        assert (own[0].start, own[-1].end) == (scope.since, scope.until)
        assert all(one.end == other.start for one, other in pairwise(own))
    assert {piece.shift for piece in pieces if piece.clock == "a"} == {"", "day"}
    assert scope.pieces(None, (ODD,)) == [Piece(scope.since, scope.until)]


@pytest.mark.parametrize("shift", [None, "day", "late"])
@pytest.mark.parametrize("days", [1, 9])
def test_a_line_with_its_own_clock_counts_under_no_other(
    store: Store, settings: Settings, days: int, shift: str | None
) -> None:
    plant = LineClock(shifts=(Shift(name="day", start=time(6, 10), end=time(14, 20)),))
    own = LineClock(line="a", shifts=(Shift(name="late", start=time(14), end=time(22)),))
    settings = settings.model_copy(update={"clocks": (plant, own)})
    add(store, rows(300))
    end = NOW.replace(minute=0)
    scope = Scope(end - timedelta(days=days), end, shift=shift)
    expected = 0
    with store.reading() as connection:
        query = select(inspections.c.line, inspections.c.received_at).where(
            inspections.c.received_at >= scope.since,
            inspections.c.received_at < scope.until,
            inspections.c.audit.is_distinct_from("CHALLENGE"),
        )
        for line, at in connection.execute(query):
            runs, clock = ("late", own) if line == "a" else ("day", plant)
            of = clock.shifts[0]
            expected += shift is None or (shift == runs and of.start <= at.time() < of.end)
        counted = escapes.inspected(connection, scope, settings, GroupBy.SHIFT)
    assert expected and counted.total() == expected


def test_more_shifts_than_can_be_counted_at_once_are_refused() -> None:
    with pytest.raises(ProblemError, match="at most 8,000"):
        Scope(datetime(1990, 1, 1, tzinfo=UTC), NOW).pieces(GroupBy.SHIFT, (LineClock(),))

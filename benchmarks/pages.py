"""Every GET of the UI's pages on a database with millions of inspections: python -m benchmarks.pages [INSPECTIONS]

The database is filled behind the server's back, but through its own schema; then a server process answers over HTTP.
"""

import json
import random
import re
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import numpy as np
from sqlalchemy import create_engine, insert, select

from benchmarks import crash
from benchmarks.load import closed_loop
from benchmarks.server_cost import cpu_seconds, elpv_frames
from benchmarks.table import write_table
from data.decide import Thresholds
from data.verdict import Verdict
from serving import heatmap
from serving.audit import Action, append
from serving.inspections import queue_cost
from serving.quality.allocation import band_of
from serving.quality_schema import GroupBy
from serving.settings import Costs
from serving.store import migrate
from serving.tables import alarms, inspections, microseconds, promotions, reviews, shadow_inspections
from tests.conftest import write_brightness_bundle

INSPECTIONS = 2_000_000
DAYS = 60
SHADOW_DAYS = 7
REPEATS = 40
LONGEST_SECONDS = 20.0
POSTING_CAMERAS, POSTING_ROUNDS, POSTING_SECONDS = 8, 5, 6.0
MODEL = Path("var/demo/model.json")

LINES = ("line-1", "line-2", "line-3", "line-4")
STATIONS = ("solder", "final")
CAMERAS = ("top", "side")
PRODUCTS = ("cell", "board", "sensor")
REVIEWERS = ("Chen", "Lin", "Wang", "Smith", "Huang")
CLASSES = ("crack", "scratch", "void", "bridge", "stain")
LOT = 400
_CHUNK = 20_000
_DAY = 24 * 3600 * 1_000_000
_VERDICTS = (Verdict.PASS, Verdict.REVIEW, Verdict.REJECT, Verdict.NO_DECISION)
_SHARES = (0.94, 0.03, 0.025, 0.005)
_DECISIONS = ("DEFECT_CONFIRMED", "FALSE_CALL", "DEFECT_ACCEPTED", "UNSURE")
_DECISION_SHARES = (0.45, 0.45, 0.05, 0.05)
_AUDITED = 0.002
# The rows come before the triggers of the tallies, which are then counted at once: that takes a third of the time.
_BEFORE_TALLIES = "0014"
_SKETCH = np.zeros(64, np.float16) + 0.125
_THRESHOLDS = Thresholds(pass_below=0.3, reject_from=0.7)

_ANY_ID = re.compile(r"/[^/]+-[^/]+")

Page = Callable[[], str]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else INSPECTIONS
    with tempfile.TemporaryDirectory(dir="var") as place:
        bundle = bundle_at(Path(place))
        database = Path(place) / "filled.db"
        lots = -(-count // len(CAMERAS) // LOT)
        started = time.perf_counter()
        parts, ids = fill(database, count)
        took = time.perf_counter() - started
        print(f"filled in {took:.0f} s, {database.stat().st_size / 1e9:.2f} GB", flush=True)
        process, client = crash.start(bundle, Path(place), f"sqlite:///{database}")
        try:
            wait_until_calm(client)
            rows = [
                [name, *measure(client, process.pid, page)] for name, page in pages(client, parts, ids, lots).items()
            ]
            empty, full = posting(bundle, Path(place), client)
        finally:
            process.terminate()
            process.wait(60)
    slowest = max(rows, key=lambda row: float(row[3]))
    write_table(
        "pages",
        f"The UI's questions with {count:,} inspections",
        ["page", "GET", "p50 ms", "p95 ms", "server CPU ms"],
        rows,
        [
            f"SQLite, {count:,} inspections over {DAYS} days, {len(LINES)} lines, two views of a part, "
            f"{1 - _SHARES[0]:.0%} flagged, all but the last day's and 5 % reviewed; a shadow over the last {SHADOW_DAYS} days",
            f"slowest: {slowest[0]}, p95 {slowest[3]} ms; {REPEATS} requests each (fewer after {LONGEST_SECONDS:g} s), one after "
            "another, after a first one that "
            "is not counted, from another process on the same machine",
            f"posting, {POSTING_CAMERAS} cameras in a closed loop, servers with and without these rows taking turns, medians of "
            f"{POSTING_ROUNDS}: {empty:.1f} frames/s into an empty table, {full:.1f} into the full one",
        ],
    )


def posting(bundle: Path, place: Path, full: httpx.Client) -> tuple[float, float]:
    """Frames a second into an empty database and into the one of `full`, medians over turns."""
    (place / "empty").mkdir()
    process, empty = crash.start(bundle, place / "empty", f"sqlite:///{place}/empty/qc.db")
    frames = elpv_frames()
    rates: dict[httpx.Client, list[float]] = {empty: [], full: []}
    try:
        for turn in range(POSTING_ROUNDS + 1):
            for client, found in rates.items():
                assert client.base_url.port is not None
                load = closed_loop(client.base_url.port, frames, POSTING_CAMERAS, POSTING_SECONDS)
                if turn:  # the first is for warming up
                    found.append(load.per_second)
    finally:
        process.terminate()
        process.wait(60)
    return statistics.median(rates[empty]), statistics.median(rates[full])


def bundle_at(place: Path) -> Path:
    """The demo's bundle, or without one the tests' own: no page's time depends on what the model knows."""
    if MODEL.exists():
        return Path(json.loads(MODEL.read_text(encoding="utf-8"))["bundle"])
    return write_brightness_bundle(place / "bundle", "1")


def pages(client: httpx.Client, parts: Sequence[str], ids: Sequence[str], lots: int) -> dict[str, Page]:
    """Each question by its name, as a path that differs from call to call where the page's does."""
    pick = random.Random(1)

    def ago(days: float) -> str:
        return (datetime.now(UTC) - timedelta(days=days)).isoformat()

    def inspections_of(**query: Any) -> Page:
        return lambda: _path("/v1/inspections", limit=50, **{name: _told(value) for name, value in query.items()})

    def lately(days: float, path: str, **query: Any) -> Page:
        return lambda: _path(path, since=ago(days), **{name: _told(value) for name, value in query.items()})

    deep = cursor_at(client, "/v1/inspections", until=ago(DAYS / 2))
    entries = int(cursor_at(client, "/v1/audit"))
    spans = {"hour": 1 / 24, "shift": 1 / 3, "day": 1, "week": 7, "month": 30}
    found: dict[str, Page] = {
        "live: newest of a line": lambda: _path("/v1/inspections", line=pick.choice(LINES), limit=60),
        "live: last hour of every line": lambda: "/v1/metrics/trend",
        "review queue": lambda: _path("/v1/reviews/queue", reviewer=pick.choice(REVIEWERS), limit=30),
        "review queue of a line": lambda: _path("/v1/reviews/queue", line=pick.choice(LINES), limit=30),
        "inspection": lambda: f"/v1/inspections/{pick.choice(ids)}",
        "inspection, similar cases": lambda: f"/v1/inspections/{pick.choice(ids)}/similar",
        "inspection, what came before": lambda: f"/v1/inspections/{pick.choice(ids)}/past",
        "inspection, its reviews": lambda: f"/v1/inspections/{pick.choice(ids)}/reviews",
        "heatmap": lambda: f"/v1/inspections/{pick.choice(ids)}/heatmap",
        "part": lambda: f"/v1/parts/{pick.choice(parts)}",
        "what the queue can be narrowed to": lambda: "/v1/reviews/choices",
        "history": lambda: _path("/v1/history", limit=60),
        "history, outline of everything": lambda: "/v1/history/outline",
        "history, outline of the rejected": lambda: _path("/v1/history/outline", verdict="REJECT"),
        "history, outline of a class on a line": lambda: _path(
            "/v1/history/outline", **{"class": pick.choice(CLASSES)}, line=pick.choice(LINES)
        ),
        "history, a class that is unknown": lambda: _path("/v1/history", **{"class": "none"}, limit=60),
        "history, confirmed defects of a person": lambda: _path(
            "/v1/history", decision="DEFECT_CONFIRMED", reviewer=pick.choice(REVIEWERS), limit=60
        ),
        "history, of a person": lambda: _path("/v1/history", reviewer=pick.choice(REVIEWERS), limit=60),
        "history, of a product and verdicts": lambda: _path(
            "/v1/history", product=pick.choice(PRODUCTS), verdict=["REVIEW", "REJECT", "NO_DECISION"], limit=60
        ),
        "history, good ones that were rejected": lambda: _path(
            "/v1/history", **{"class": "good"}, verdict="REJECT", limit=60
        ),
        "history, a product that is unknown": lambda: _path("/v1/history", product="none", limit=60),
        "history, outline of a person": lambda: _path("/v1/history/outline", reviewer=pick.choice(REVIEWERS)),
        "history, outline of what nobody decided": lambda: _path("/v1/history/outline", decision="NONE"),
        "history, outline of a product on a line": lambda: _path(
            "/v1/history/outline", product=pick.choice(PRODUCTS), line=pick.choice(LINES)
        ),
        "history, outline of passed parts of a lot": lambda: _path(
            "/v1/history/outline", lot=f"L-{pick.randrange(lots):06d}", verdict="PASS"
        ),
        "inspections": inspections_of(),
        "inspections, page in the middle": inspections_of(cursor=deep),
        "inspections of a lot": inspections_of(lot=lambda: f"L-{pick.randrange(lots):06d}"),
        "inspections of a part": inspections_of(part_id=lambda: pick.choice(parts)),
        "inspections, rejected": inspections_of(verdict="REJECT"),
        "inspections, no decision on a line": inspections_of(
            verdict="NO_DECISION", line=lambda: pick.choice(LINES), until=ago(DAYS / 2)
        ),
        "inspections, two verdicts": inspections_of(verdict=["REJECT", "NO_DECISION"], since=ago(40), until=ago(20)),
        "inspections of an unknown line": inspections_of(line="line-9"),
        "inspections of a line that rejects nothing": inspections_of(line="line-9", verdict="REJECT"),
    }
    for name, days in spans.items():
        found[f"quality, {name}"] = lately(days, "/v1/metrics/quality")
        found[f"quality of a line, {name}"] = lately(days, "/v1/metrics/quality", line=lambda: pick.choice(LINES))
        found[f"quality figures, {name}"] = lately(days, "/v1/metrics/quality/figures")
        for by in GroupBy:
            found[f"quality figures by {by.value}, {name}"] = lately(days, "/v1/metrics/quality/figures", by=by.value)
        for noun in ("escapes", "agreement", "bias", "throughput"):
            found[f"{noun}, {name}"] = lately(days, f"/v1/metrics/{noun}")
    return found | {
        "ROI": lambda: "/v1/roi",
        "ROI, the next line": lambda: "/v1/roi/candidates",
        "figures that people keep": lambda: "/v1/kpis",
        "studies": lambda: "/v1/studies",
        "control charts": lambda: "/v1/metrics/spc",
        "baselines": lambda: "/v1/baselines",
        "attribution": lambda: _path("/v1/attribution", outcome="escapes"),
        "challenge parts": lambda: "/v1/challenges",
        "field returns": lambda: "/v1/returns",
        "sampling": lambda: "/v1/sampling",
        "drift": lambda: "/v1/drift",
        "models": lambda: "/v1/models",
        "shadow against active": lambda: "/v1/models/shadow",
        "audit trail": lambda: _path("/v1/audit", limit=50),
        "audit trail, page in the middle": lambda: _path("/v1/audit", cursor=entries // 2, limit=50),
        "audit trail, promotions": lambda: _path("/v1/audit", action="PROMOTION", limit=50),
        "audit trail of a person": lambda: _path("/v1/audit", person=pick.choice(REVIEWERS), since=ago(7), limit=50),
        "audit trail, reviews of a person that is unknown": lambda: _path(
            "/v1/audit", action="REVIEW", person="Nobody"
        ),
        "audit check": lambda: "/v1/audit/check",
        "alarms that stand": lambda: _path("/v1/alarms", cleared="false"),
        "alarms": lambda: "/v1/alarms",
        "lines on hold": lambda: _path("/v1/line-holds", released="false"),
        "session": lambda: "/v1/session",
        "people": lambda: "/v1/people",
        "keys": lambda: "/v1/keys",
        "holds": lambda: "/v1/holds",
    }


def measure(client: httpx.Client, pid: int, page: Page) -> tuple[str, str, str, str]:
    """The path without what varies; milliseconds that half and 95 % of its calls stay below, and of the server's CPU for one.

    The last does not depend on what else the machine does.
    """
    seconds, before = [], cpu_seconds(pid)
    for turn in range(REPEATS + 1):
        path = page()
        started = time.perf_counter()
        answer = client.get(path, timeout=120)
        elapsed = time.perf_counter() - started
        if answer.status_code != 200:
            raise SystemExit(f"{path} answered {answer.status_code}: {answer.text[:500]}")
        if turn:
            seconds.append(elapsed)
        if len(seconds) >= 3 and sum(seconds) > LONGEST_SECONDS:
            break
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    p50, p95 = f"{statistics.median(seconds) * 1e3:.1f}", f"{cuts[18] * 1e3:.1f}"
    cpu = f"{(cpu_seconds(pid) - before) / (len(seconds) + 1) * 1e3:.1f}"
    print(f"{p50:>9} {p95:>9} {cpu:>9}  {path[:110]}", flush=True)
    return _ANY_ID.sub("/...", path.partition("?")[0]), p50, p95, cpu


def cursor_at(client: httpx.Client, path: str, **query: Any) -> str:
    """The cursor that follows a first page of `query`."""
    cursor = client.get(_path(path, limit=1, **query), timeout=120).json()["next_cursor"]
    assert isinstance(cursor, str)
    return cursor


def wait_until_calm(client: httpx.Client) -> None:
    """Until the server has verified the audit trail, which it begins with."""
    while (state := client.get("/v1/audit/check", timeout=60).json())["checked_at"] is None:
        time.sleep(0.5)
    if not state["holds"]:
        raise SystemExit(f"the audit trail as filled does not hold: {state['broken'][:3]}")


def fill(file: Path, count: int) -> tuple[list[str], list[str]]:
    """A database of `count` inspections and what belongs to them; some part ids and inspection ids of it."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        migrate(connection, _BEFORE_TALLIES)
    database = sqlite3.connect(file, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000000"):
        database.execute(f"PRAGMA {pragma}")
    now = microseconds(datetime.now(UTC))
    place = random.Random(7)
    kept: list[dict[str, Any]] = []
    statements = {}
    for table, names in ((inspections, _INSPECTION), (reviews, _REVIEW), (shadow_inspections, _SHADOW)):
        # What later migrations add is empty in these rows.
        there = {name for _, name, *_ in database.execute(f"PRAGMA table_info({table.name})")}
        told = [name for name in names if name in there]
        statements[table] = (
            f"INSERT INTO {table.name} ({', '.join(told)}) VALUES ({', '.join(f':{name}' for name in told)})"
        )
    first_shadowed = now - SHADOW_DAYS * _DAY
    database.execute(
        "INSERT INTO shadows (sequence, name, version, reason, person, started_at) VALUES (1, 'm', '2', 'try', 'Chen', ?)",
        [first_shadowed],
    )
    for rows in _chunks(count, now, place):
        database.execute("BEGIN")
        database.executemany(statements[reviews], [row["review"] for row in rows if row["review"]])
        database.executemany(statements[inspections], rows)
        shadowed = [_shadowed(row, place) for row in rows if row["received_at"] >= first_shadowed]
        database.executemany(statements[shadow_inspections], shadowed)
        database.execute("COMMIT")
        kept += place.sample(rows, 20)
    _drift_windows(database, count, now)
    (counted,) = database.execute("SELECT sum(frames) FROM hourly_counts").fetchone()
    if counted != count:
        raise SystemExit(f"the hourly figures count {counted} of {count} inspections")
    database.close()
    with engine.begin() as connection:
        migrate(connection)
        for row in connection.execute(select(reviews).order_by(reviews.c.sequence)).mappings().all():
            append(connection, Action.REVIEW, row["client_id"], row["reviewer"], new=dict(row), reason=row["note"])
        _few(connection, kept)
    engine.dispose()
    return [row["part_id"] for row in kept], [row["id"] for row in kept]


_HEATMAP = heatmap.encode(np.random.default_rng(3).random((7, 7)).astype(np.float32))
_INSPECTION = [column.name for column in inspections.c if not column.name.startswith("image_removed")]
_REVIEW = [column.name for column in reviews.c if column.name != "sequence"]
_SHADOW = [column.name for column in shadow_inspections.c]


def _chunks(count: int, now: int, place: random.Random) -> Iterator[list[dict[str, Any]]]:
    step = DAYS * _DAY / count
    for start in range(0, count, _CHUNK):
        yield [
            _inspection(number, round(now - (count - number) * step), now, place)
            for number in range(start, min(start + _CHUNK, count))
        ]


def _inspection(number: int, received_at: int, now: int, place: random.Random) -> dict[str, Any]:
    part = number // 2
    verdict = place.choices(_VERDICTS, _SHARES)[0]
    probability = {
        Verdict.PASS: place.random() * 0.3,
        Verdict.REVIEW: 0.3 + place.random() * 0.4,
        Verdict.REJECT: 0.7 + place.random() * 0.3,
        Verdict.NO_DECISION: None,
    }[verdict]
    decided = probability is not None
    id_ = _uuid7(received_at, place)
    row: dict[str, Any] = {
        "id": id_,
        "received_at": received_at,
        "captured_at": received_at - 200_000,
        "product": PRODUCTS[part // LOT % len(PRODUCTS)],
        "line": LINES[part % len(LINES)],
        "station": STATIONS[part // len(LINES) % len(STATIONS)],
        "camera": CAMERAS[number % len(CAMERAS)],
        "part_id": f"P-{part:08d}",
        "lot": f"L-{part // LOT:06d}",
        "verdict": verdict.value,
        "cause": None if decided else "TIMEOUT",
        "fault": None,
        "reason": None if decided else "no decision within 5 s",
        "defect_probability": probability,
        "novelty": place.random() if decided else None,
        "class_name": ("good" if verdict is Verdict.PASS else place.choice(CLASSES)) if decided else None,
        "class_probability": json.dumps({"good": 1 - (probability or 0), "crack": probability or 0}),
        "pass_below": _THRESHOLDS.pass_below if decided else None,
        "reject_from": _THRESHOLDS.reject_from if decided else None,
        "regions": json.dumps([{"x": 10, "y": 20, "width": 40, "height": 30, "heat": probability}])
        if verdict in (Verdict.REVIEW, Verdict.REJECT)
        else "[]",
        "heatmap": _HEATMAP if decided else None,
        "model_name": "m" if decided else None,
        "model_version": "1" if decided else None,
        "latency_ms": round(place.lognormvariate(2.5, 0.5), 3),
        "image_sha256": f"{place.getrandbits(256):064x}",
        "image_type": "image/png",
        "image_bytes": 60_000,
        "image_width": 300,
        "image_height": 300,
        "image_kept": 1,
        "sketch": _SKETCH.tobytes() if decided else None,
        "audit": None,
        "audit_band": band_of(probability, _THRESHOLDS.pass_below)
        if verdict is Verdict.PASS and probability is not None
        else None,
        "audit_probability": _AUDITED if verdict is Verdict.PASS else None,
        "idempotency_key": f"{place.getrandbits(128):032x}",
        "fingerprint": f"{place.getrandbits(256):064x}",
        "posted_by": "line cameras",
        "line_hold_id": None,
        "queue_cost": None,
        "review_id": None,
        "decision": None,
        "review": None,
    }
    reviewed = received_at < now - _DAY and place.random() < (0.95 if verdict.flagged else _AUDITED)
    if reviewed:
        row["audit"] = None if verdict.flagged else "SAMPLE"
        _decide(row, place)
    if row["decision"] in (None, "UNSURE"):
        row["queue_cost"] = queue_cost(verdict, probability, row["novelty"], None, Costs())
    return row


def _decide(row: dict[str, Any], place: random.Random) -> None:
    decision = place.choices(_DECISIONS, _DECISION_SHARES)[0]
    at = row["received_at"] + round(place.expovariate(1 / 3600) * 1e6)
    row["decision"], row["review_id"] = decision, _uuid7(at, place)
    row["review"] = {
        "client_id": row["review_id"],
        "inspection_id": row["id"],
        "decision": decision,
        "defect_class": place.choice(CLASSES) if decision == "DEFECT_CONFIRMED" else None,
        "note": "",
        "reviewer": place.choice(REVIEWERS),
        "seconds": round(place.lognormvariate(1.8, 0.6), 2),
        "blind": row["audit"] is not None,
        "decided_at": at,
        "received_at": at + 300_000,
        "supersedes": None,
    }


def _shadowed(row: dict[str, Any], place: random.Random) -> dict[str, Any]:
    active = Verdict(row["verdict"])
    verdict = active if place.random() < 0.98 and active is not Verdict.NO_DECISION else Verdict.REVIEW
    return {
        "shadow": 1,
        "inspection_id": row["id"],
        "model_name": "m",
        "model_version": "2",
        "defect_probability": place.random(),
        "novelty": None,
        "active_verdict": active.value,
        "verdict": verdict.value,
        "latency_ms": place.lognormvariate(2, 0.4),
    }


def _drift_windows(database: sqlite3.Connection, count: int, now: int) -> None:
    """A look every 20 frames of each camera, as the default settings have it."""
    check = {
        "statistic": "distance",
        "against": "training",
        "span": "window",
        "frames": 200,
        "value": 1.0,
        "limit": 3.0,
    }
    example = {"inspection_id": "x" * 36, "part_id": "P-1", "defect_probability": 0.1, "novelty": 0.5}
    shares = [0.1] * 10
    histogram = {
        "edges": [one / 10 for one in range(1, 10)],
        "reference": shares,
        "window": shares,
        "against": "training",
    }
    told = (json.dumps([check] * 6), json.dumps(histogram), json.dumps([example] * 4), json.dumps([example] * 4))
    cameras = [(line, station, camera) for line in LINES for station in STATIONS for camera in CAMERAS]
    looks = count // 20
    database.execute("BEGIN")
    database.executemany(
        "INSERT INTO drift_windows (line, station, camera, model_name, model_version, ended_at, frames, checks, histogram, "
        "typical, unusual) VALUES (?, ?, ?, 'm', '1', ?, 200, ?, ?, ?, ?)",
        (
            (*cameras[look % len(cameras)], round(now - (looks - look) * DAYS * _DAY / looks), *told)
            for look in range(looks)
        ),
    )
    database.execute("COMMIT")


def _few(connection: Any, kept: Sequence[dict[str, Any]]) -> None:
    """Promotions and alarms."""
    for number in range(12):
        row = {
            "name": "m",
            "version": f"{number}",
            "reason": "better",
            "person": "Chen",
            "promoted_at": datetime.now(UTC),
            "kind": "PROMOTED",
        }
        sequence = connection.execute(insert(promotions).values(row).returning(promotions.c.sequence)).scalar_one()
        stored = connection.execute(select(promotions).where(promotions.c.sequence == sequence)).mappings().one()
        append(connection, Action.PROMOTION, f"{sequence}", "Chen", new=dict(stored), reason="better")
    for number, row in enumerate(kept[:500]):
        raised_at = datetime.now(UTC) - timedelta(hours=2 * number)
        alarm = {name: row[name] for name in ("line", "station", "camera")} | {
            "id": row["id"],
            "kind": "SCORE_DRIFT",
            "fault": None,
            "reason": "the scores are spread otherwise",
            "inspection_id": row["id"],
            "raised_at": raised_at,
            "cleared_at": None if number < 5 else raised_at + timedelta(hours=1),
        }
        connection.execute(insert(alarms), alarm)


def _uuid7(at: int, place: random.Random) -> str:
    digits = f"{at // 1000:012x}7{place.getrandbits(12):03x}{8 + place.getrandbits(2):x}{place.getrandbits(60):015x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _path(path: str, **query: Any) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given, doseq=True)}"


def _told(value: Any) -> Any:
    return value() if callable(value) else value


if __name__ == "__main__":
    main()

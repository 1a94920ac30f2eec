"""`python -m serving demo` as `make demo` calls it: it ends by itself, and its figures agree with what was stored."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.catalog import write_catalog
from data.sources.folder import read_folder
from data.split import SplitShares, assign_splits

ROOT = Path(__file__).parents[2]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(place: Path, bundle: Path, port: int) -> subprocess.CompletedProcess[str]:
    for label, base in (("good", 10), ("bright", 150)):
        for index in range(12):
            file = place / "images" / label / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 40), base + 5 * index, np.uint8)).save(file)
    catalog = assign_splits(read_folder(place / "images"), SplitShares(val=0.25, test=0.5))
    write_catalog(catalog, place / "catalogs" / "brightness.csv")
    model = place / "model.json"
    model.write_text(json.dumps({"bundle": str(bundle), "metrics": {}}))
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "serving",
            "demo",
            "--model",
            str(model),
            "--seconds",
            "4",
            "--catalogs",
            str(place / "catalogs"),
            "--place",
            str(place / "demo"),
        ],
        cwd=ROOT,
        env={**os.environ, "QC_PORT": str(port)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_ends_by_itself_with_a_summary(tmp_path: Path, brightness_bundle: Path, free_port: int) -> None:
    ended = run(tmp_path, brightness_bundle, free_port)
    assert ended.returncode == 0, ended.stderr
    for expected in ("truth against verdict", "escapes:", "overkill:", "latency", "ROI, case study: first year 300%"):
        assert expected in ended.stdout
    assert "Next: make demo" in ended.stdout
    inspected = re.search(r"(\d+) inspections", ended.stdout)
    assert inspected is not None
    with sqlite3.connect(tmp_path / "demo" / "qc.db") as database:
        (stored,) = database.execute("SELECT count(*) FROM inspections").fetchone()
    assert int(inspected[1]) == stored > 0


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path, brightness_bundle: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run(tmp_path, brightness_bundle, port)
    assert ended.returncode == 2
    assert f"port {port} is in use" in ended.stderr
    assert not (tmp_path / "demo" / "qc.db").exists()

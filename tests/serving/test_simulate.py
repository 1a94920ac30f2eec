"""The simulated line: knows the truth, drops nothing, and reviews what it was told to."""

import hashlib
import io
import threading
from pathlib import Path

import pytest
from rich.console import Console

from data.catalog import Catalog, CatalogRow
from data.errors import InputError
from data.verdict import Verdict
from serving.simulate import Simulation, Summary, print_summary, simulate_line
from tests.conftest import Served, StartServer, grey_png


def catalog_of(root: Path, split: str = "test") -> Catalog:
    """Four images: a defect that is rejected and one that escapes, a good one that passes and one that is called false."""
    rows = []
    for name, brightness, probability in (("a", 0.9, 1.0), ("b", 0.1, 1.0), ("c", 0.15, 0.0), ("d", 0.85, 0.0)):
        content = grey_png(brightness)
        (root / f"{name}.png").write_bytes(content)
        rows.append(
            CatalogRow(
                path=f"{name}.png",
                label="defect" if probability else "good",
                defect_probability=probability,
                classes="",
                group=name,
                split=split,
                width=300,
                height=300,
                sha256=hashlib.sha256(content).hexdigest(),
                source="drawn",
            )
        )
    return Catalog(root=root, rows=tuple(rows))


def printed(summary: Summary) -> str:
    stream = io.StringIO()
    print_summary(summary, Console(file=stream, width=200))
    return stream.getvalue()


def test_summary_compares_verdicts_with_the_truth(server: Served, tmp_path: Path) -> None:
    simulation = Simulation(catalog_of(tmp_path), server.url, rate=60, lines=2, cameras=2, review_share=1, seconds=1)
    summary = simulate_line(simulation, threading.Event())
    assert summary.inspections >= 4
    assert summary.count(True, Verdict.REJECT) > 0 and summary.count(True, Verdict.PASS) > 0
    assert summary.count(False, Verdict.REJECT) > 0 and summary.count(False, Verdict.PASS) > 0
    assert summary.count(True, Verdict.REVIEW, Verdict.NO_DECISION) == 0
    quality = server.client.get("/v1/metrics/quality").json()
    assert quality["inspected"] == summary.inspections, "each frame exactly once"
    assert quality["defects_confirmed"] == summary.count(True, Verdict.REJECT)
    assert quality["false_calls"] == summary.count(False, Verdict.REJECT)
    lines = {line["line"] for line in server.client.get("/v1/metrics/throughput").json()["lines"]}
    assert lines == {"line-1", "line-2"}
    text = printed(summary)
    escapes = summary.count(True, Verdict.PASS)
    assert f"escapes: {escapes} of {summary.count(True)}" in text
    assert "ROI, case study: first year 300%" in text


def test_the_figures_hold_the_truth_that_they_were_not_told(start_server: StartServer, tmp_path: Path) -> None:
    # Each of the intervals misses one line in twenty; a figure that is wrong misses every one.
    for attempt in range(3):
        place = {"database_url": f"sqlite:///{tmp_path}/{attempt}.db", "images": str(tmp_path / f"images-{attempt}")}
        server = start_server(audit={"per_day": 100_000, "first_share": 0.7}, **place)
        summary = simulated_until_measured(server, tmp_path)
        assert summary.compared is not None
        inside = {one.name: one.inside for one in summary.compared}
        if all(inside.values()):
            break
    assert inside == dict.fromkeys(("escape rate", "escaped frames", "overkill rate", "precision of flags"), True)
    text = printed(summary)
    assert text.count("inside") == 4
    assert "outside" not in text


def simulated_until_measured(server: Served, root: Path) -> Summary:
    simulation = Simulation(catalog_of(root), server.url, rate=100, review_share=0.6)
    stop = threading.Event()

    def stop_when_measured() -> None:
        with server.another_client() as client:
            while client.get("/v1/metrics/escapes").json()["rate"]["value"] is None:
                stop.wait(0.2)
        stop.set()

    watch = threading.Thread(target=stop_when_measured)
    watch.start()
    summary = simulate_line(simulation, stop)
    watch.join()
    return summary


def test_figures_of_others_frames_too_are_not_compared(server: Served, tmp_path: Path) -> None:
    stop = threading.Event()
    content = grey_png(0.1)

    def another_camera() -> None:
        while not stop.is_set():
            server.inspect(content)

    other = threading.Thread(target=another_camera)
    other.start()
    try:
        summary = simulate_line(Simulation(catalog_of(tmp_path), server.url, rate=40, seconds=1), threading.Event())
    finally:
        stop.set()
        other.join()
    assert summary.inspections > 0
    assert summary.compared is None


def test_overload_is_waited_out_and_nothing_is_dropped(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(queue_limit=1)
    simulation = Simulation(catalog_of(tmp_path), server.url, rate=400, lines=4, cameras=4, seconds=1)
    summary = simulate_line(simulation, threading.Event())
    assert summary.retries > 0
    assert server.client.get("/v1/metrics/quality").json()["inspected"] == summary.inspections > 0


def test_stop_ends_it(server: Served, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert simulate_line(Simulation(catalog_of(tmp_path), server.url), stop).inspections == 0


def test_catalog_without_held_out_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no test images"):
        simulate_line(Simulation(catalog_of(tmp_path, split="train")), threading.Event())

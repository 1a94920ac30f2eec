"""What people decided becomes a catalog that training reads: labels and bytes as they were, and what is missing is named."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select, update

from data.catalog import check_trainable, read_catalog
from data.sources.folder import read_folder
from data.split import SplitShares, assign_splits
from serving.tables import inspections, tombstones
from tests.command_line import Ended, run_command
from tests.conftest import Served, grey_png

DATABASES = ("sqlite", "postgresql")


def decide(server: Served, inspection: dict[str, Any], decision: str | None, defect_class: str | None = None) -> None:
    body = {
        "inspection_id": inspection["id"],
        "decision": decision,
        "defect_class": defect_class,
        "reviewer": "ann",
        "decided_at": "2026-11-01T08:00:00Z",
    }
    server.client.put(f"/v1/reviews/{uuid4()}", json=body).raise_for_status()


def run(server: Served, directory: Path, *arguments: str) -> Ended:
    settings = server.service.settings
    places = ["--set", f"database_url={settings.database_url}", "--set", f"images={settings.images}"]
    return run_command("catalog", str(directory), *places, *arguments)


def test_decided_frames_come_back_with_labels_and_bytes(server: Served, tmp_path: Path) -> None:
    cases: list[tuple[str, str | None, str | None, str | None]] = [
        ("scratched", "DEFECT_CONFIRMED", "scratch", "scratch"),
        ("in Chinese", "DEFECT_CONFIRMED", "刮痕", "刮痕"),
        ("elsewhere", "DEFECT_CONFIRMED", "../../outside", "../../outside"),
        ("without class", "DEFECT_CONFIRMED", None, "unnamed"),
        ("called good", "DEFECT_CONFIRMED", "Good", "unnamed"),
        ("dust", "FALSE_CALL", None, "good"),
        ("accepted", "DEFECT_ACCEPTED", "scratch", None),
        ("unsure", "UNSURE", None, None),
        ("waiting", None, None, None),
    ]
    expected = {}
    for number, (part, decision, defect_class, label) in enumerate(cases):
        content = grey_png(0.9, width=40 + number)
        inspection = server.inspect(content, part_id=part)
        if decision is not None:
            decide(server, inspection, decision, defect_class)
        if label is not None:
            expected[part] = (label, sha256(content).hexdigest(), 40 + number, inspection["id"])
    withdrawn = server.inspect(grey_png(0.8), part_id="withdrawn")
    decide(server, withdrawn, "FALSE_CALL")
    decide(server, withdrawn, None)

    target = tmp_path / "labelled"
    done = run(server, target)
    assert done.returncode == 0, done.stderr
    assert f"make train DATA={target / 'catalog.csv'}" in done.stdout
    catalog = read_catalog(target / "catalog.csv")
    check_trainable(catalog)
    assert {row.group: (row.label, row.sha256, row.width, Path(row.path).stem) for row in catalog.rows} == expected
    for row in catalog.rows:
        file = catalog.file(row).resolve()
        assert file.parent.parent == target, "every file is in the folder of its class"
        assert sha256(file.read_bytes()).hexdigest() == row.sha256
        assert (row.is_defect, row.product) == (row.label != "good", "cell")
    assert (target / "good").is_dir()
    assert (target / "刮痕").is_dir()
    assert len(read_folder(target).rows) == len(expected), "the folder itself can be trained on too"

    again = run(server, target)
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_frames_of_a_part_and_copies_of_a_frame_stay_in_one_split(server: Served, tmp_path: Path) -> None:
    for number in range(24):
        for camera in ("top", "side"):
            brightness = 0.5 + number / 100
            frame = grey_png(brightness, width=40 if camera == "top" else 60)
            inspection = server.inspect(frame, part_id=f"P-{number}", camera=camera)
            decide(server, inspection, "DEFECT_CONFIRMED" if number % 2 else "FALSE_CALL")
    decide(server, server.inspect(grey_png(0.5, width=40), part_id="P-0 again"), "FALSE_CALL")
    assert run(server, tmp_path / "labelled").returncode == 0
    catalog = assign_splits(read_catalog(tmp_path / "labelled" / "catalog.csv"), SplitShares())
    assert {row.split for row in catalog.rows} == {"train", "val", "test"}
    splits: dict[str, set[str]] = {}
    for row in catalog.rows:
        splits.setdefault(row.group, set()).add(row.split)
    assert {len(found) for found in splits.values()} == {1}
    assert sorted(splits) == sorted(f"P-{number}" for number in range(24)), "the copy of P-0 is of its group"


def test_time_line_and_product_narrow_what_is_written(server: Served, tmp_path: Path) -> None:
    posted = {}
    for line in ("line-1", "line-2"):
        for product in ("cell", "board"):
            posted[line, product] = server.inspect(
                grey_png(0.8), part_id=f"{line} {product}", line=line, product=product
            )
            decide(server, posted[line, product], "DEFECT_CONFIRMED")
    border = datetime.fromisoformat(posted["line-2", "cell"]["received_at"]).astimezone()
    moved = border.replace(tzinfo=None, microsecond=0).isoformat()
    before = (
        update(inspections).where(inspections.c.line == "line-1").values(received_at=datetime(2026, 1, 1, tzinfo=UTC))
    )
    server.service.store.submit(lambda connection: connection.execute(before) and None).result()
    for number, (options, expected) in enumerate(
        (
            (["--line", "line-1", "--product", "board"], {"line-1 board"}),
            (["--since", moved], {"line-2 cell", "line-2 board"}),
            (["--until", moved, "--product", "cell"], {"line-1 cell"}),
        )
    ):
        target = tmp_path / str(number)
        done = run(server, target, *options)
        assert done.returncode == 0, done.stderr
        parts = {path.stem for path in target.glob("*/*")}
        assert parts == {one["id"] for one in posted.values() if one["part_id"] in expected}, options
    nothing = run(server, tmp_path / "nothing", "--line", "line-9")
    assert nothing.returncode == 2
    assert "review parts first" in nothing.stderr


def test_what_is_left_out_is_counted_and_named(server: Served, tmp_path: Path) -> None:
    truth = {"defective": True, "defect_class": "scratch", "note": "scratched by hand", "person": "ann"}
    server.client.put("/v1/challenges/C-1", json=truth).raise_for_status()
    challenge = server.inspect(grey_png(0.9), part_id="C-1")
    kept = server.inspect(grey_png(0.9, width=41), part_id="kept")
    removed = server.inspect(grey_png(0.9, width=42), part_id="removed")
    lost = server.inspect(grey_png(0.9, width=43), part_id="lost")
    unreadable = server.inspect(b"not an image", part_id="unreadable")
    for inspection in (challenge, kept, removed, lost, unreadable):
        decide(server, inspection, "DEFECT_CONFIRMED", "scratch")
    forget = update(inspections).where(inspections.c.id == removed["id"]).values(image_removed_at=datetime.now(UTC))
    names = [column.name for column in tombstones.c if column.name in inspections.c and column.name != "id"]
    whole = str(uuid4())

    def remove(connection: Any) -> None:
        connection.execute(forget)
        query = select(*(inspections.c[name] for name in names)).where(inspections.c.id == lost["id"])
        left = dict(connection.execute(query).mappings().one())
        of_it = {"id": whole, "removed_at": datetime.now(UTC), "rule": "ROWS", "batch": 1}
        connection.execute(insert(tombstones), {**left, **of_it})

    server.service.store.submit(remove).result()
    digest = lost["image"]["sha256"]
    server.service.images.remove([digest], lambda _: set())
    done = run(server, tmp_path / "labelled")
    assert done.returncode == 0, done.stderr
    (row,) = read_catalog(tmp_path / "labelled" / "catalog.csv").rows
    assert Path(row.path).stem == kept["id"]
    gone = next(line for line in done.stdout.splitlines() if "have no image any more" in line)
    assert "left out: 3 decided" in gone
    assert all(name in gone for name in (removed["id"], lost["id"], whole))
    assert f"left out: 1 decided frames are no images: {unreadable['id']}" in done.stdout
    assert "left out: 1 frames of challenge parts" in done.stdout


def test_a_damaged_image_is_no_label(server: Served, tmp_path: Path) -> None:
    inspection = server.inspect(grey_png(0.9))
    decide(server, inspection, "FALSE_CALL")
    digest = inspection["image"]["sha256"]
    root = server.service.images.root
    assert root is not None
    (root / digest[:2] / digest).write_bytes(b"damaged")
    done = run(server, tmp_path / "labelled")
    assert done.returncode == 2
    assert f"inspection {inspection['id']}: the image {digest} was altered or damaged" in done.stderr
    assert not (tmp_path / "labelled" / "catalog.csv").exists()

"""Frames that people decided, as a labelled catalog that training reads."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, RowMapping, Table, select
from sqlalchemy.sql.elements import ColumnElement

from data.box import Box
from data.catalog import OK_CLASSES, Catalog, CatalogRow, write_catalog
from data.durable import replacing, sync
from data.errors import InputError, UnreadableImageError
from data.image import read_header
from data.verdict import ReviewDecision
from serving.database import reading_beside
from serving.hourly import UNNAMED
from serving.image_store import DamagedImageError, ImageStore
from serving.schema import AuditKind
from serving.settings import Settings
from serving.store import StorageError
from serving.tables import inspections, reviews, tombstones

CATALOG = "catalog.csv"
GOOD = "good"

_LABELS = (ReviewDecision.DEFECT_CONFIRMED.value, ReviewDecision.FALSE_CALL.value)
_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/webp": ".webp",
}
_LONGEST_FOLDER = 80
"""characters; a file system takes 255 bytes, and one of Chinese has three"""

Track = Callable[[list[RowMapping]], Iterable[RowMapping]]


@dataclass(frozen=True)
class Wanted:
    """Which inspections, by time of receipt, line and product; None takes all."""

    since: datetime | None = None
    until: datetime | None = None
    line: str | None = None
    product: str | None = None

    def clauses(self, recorded: Table) -> list[ColumnElement[bool]]:
        """Of inspections, or of the tombstones that are left of them."""
        table = recorded.c
        wanted: list[ColumnElement[bool] | None] = [
            None if self.since is None else table.received_at >= self.since,
            None if self.until is None else table.received_at < self.until,
            None if self.line is None else table.line == self.line,
            None if self.product is None else table.product == self.product,
        ]
        return [clause for clause in wanted if clause is not None]


@dataclass
class Labelled:
    """What was written, and what was not."""

    labels: Counter[str] = field(default_factory=Counter)
    """images written by class"""
    marked: int = 0
    """images written with boxes that a person drew"""
    gone: list[str] = field(default_factory=list)
    """ids of decided inspections that retention removed, with or without their row, or whose image was never kept"""
    unreadable: list[str] = field(default_factory=list)
    """ids of decided inspections whose frame is no image"""
    challenges: int = 0
    """decided frames of challenge parts"""


def write_labelled(settings: Settings, directory: Path, wanted: Wanted, track: Track) -> Labelled:
    """Write `directory`/<class>/<inspection id>.<suffix> as posted, and `directory`/catalog.csv for data.catalog.

    The decision that stands is the label: a false call is good, a confirmed defect is of the class that the person named, or
    `unnamed`; so is one to which a person gave the name of an OK class. The boxes that the person drew come with it. Accepted
    defects and unsure ones are left out, as they are neither good nor to be rejected, and so are challenge parts: the model is
    tried with them, and one that had learnt them would look better than it is. All frames of a part, and all with the same
    content, are one group, so that no split tears them apart.

    Raises InputError for a directory that is not empty, when nothing was decided, and for what cannot be read or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise InputError(f"{directory} is not empty; name a new directory, so that no old label stays in it")
        with reading_beside(settings.database_url) as connection:
            found = _decided(connection, wanted)
            made = Labelled(gone=_removed(connection, wanted))
        rows = []
        images = ImageStore(settings.images)
        try:
            for inspection in track(found):
                if inspection["audit"] == AuditKind.CHALLENGE:
                    made.challenges += 1
                elif (row := _write(images, directory, inspection, made)) is not None:
                    rows.append(row)
                    made.labels[row.label] += 1
                    made.marked += bool(row.boxes)
        finally:
            images.close()
        if not rows:
            raise InputError(
                f"no image of a confirmed defect or a false call was found: {len(made.gone):,} images are gone, "
                f"{len(made.unreadable):,} unreadable, {made.challenges:,} of challenge parts; review parts first, or ask for "
                "a longer time or another line"
            )
        write_catalog(Catalog(root=directory, rows=_grouped(rows)), directory / CATALOG)
        sync(directory)
    except StorageError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(
            f"{directory} cannot be written: {error}; free or repair the disk, empty it, try again"
        ) from error
    return made


def _decided(connection: Connection, wanted: Wanted) -> list[RowMapping]:
    table = inspections.c
    names = ("id", "part_id", "product", "decision", "audit", "image_sha256", "image_kept", "image_removed_at")
    query = (
        select(*(table[name] for name in names), reviews.c.defect_class, reviews.c.boxes)
        .select_from(inspections.join(reviews, reviews.c.client_id == table.review_id))
        .where(table.decision.in_(_LABELS), *wanted.clauses(inspections))
        .order_by(table.received_at, table.id)
    )
    return list(connection.execute(query).mappings())


def _removed(connection: Connection, wanted: Wanted) -> list[str]:
    table = tombstones.c
    challenge = table.audit.is_not_distinct_from(AuditKind.CHALLENGE.value)
    clauses = (table.decision.in_(_LABELS), ~challenge, *wanted.clauses(tombstones))
    return list(connection.execute(select(table.id).where(*clauses).order_by(table.received_at, table.id)).scalars())


def _write(images: ImageStore, directory: Path, inspection: RowMapping, made: Labelled) -> CatalogRow | None:
    name, sha256 = inspection["id"], inspection["image_sha256"]
    if not inspection["image_kept"] or inspection["image_removed_at"] is not None:
        made.gone.append(name)
        return None
    try:
        content = images.get(sha256)
    except DamagedImageError as error:
        raise InputError(f"inspection {name}: {error}") from error
    except StorageError:
        if images.has(sha256):
            raise
        made.gone.append(name)  # retention went on meanwhile
        return None
    try:
        header = read_header(content)
    except UnreadableImageError:
        made.unreadable.append(name)
        return None
    label = _label(inspection)
    file = directory / _folder(label) / f"{name}{_SUFFIXES[header.media_type]}"
    with replacing(file) as stream:
        stream.write(content)
    width, height = header.upright_size
    return CatalogRow(
        path=file.relative_to(directory).as_posix(),
        label=label,
        defect_probability=0.0 if label == GOOD else 1.0,
        classes=label,
        group=inspection["part_id"],
        product=inspection["product"],
        width=width,
        height=height,
        sha256=sha256,
        source="reviews",
        boxes=tuple(Box(**box) for box in inspection["boxes"]),
    )


def _label(inspection: RowMapping) -> str:
    if inspection["decision"] == ReviewDecision.FALSE_CALL:
        return GOOD
    named: str = (inspection["defect_class"] or "").strip()
    return UNNAMED if named == "" or named.lower() in OK_CLASSES else named


def _folder(label: str) -> str:
    """A name for a directory, whatever a person called the class; the catalog has the class itself."""
    plain = re.sub(r"[^\w .+()-]", lambda found: f"%{ord(found[0]):02X}", label)[:_LONGEST_FOLDER].rstrip(" .")
    return f"%2E{plain[1:]}" if plain.startswith(".") else plain or "%"


def _grouped(rows: list[CatalogRow]) -> tuple[CatalogRow, ...]:
    """The rows with one group for all parts that share an image, called by the first of these parts."""
    parent: dict[str, str] = {row.group: row.group for row in rows}

    def first_of(part: str) -> str:
        while parent[part] != part:
            part = parent[part]
        return part

    by_content: dict[str, str] = {}
    for row in rows:
        other = first_of(by_content.setdefault(row.sha256, row.group))
        parent[first_of(row.group)] = other
    return tuple(row.model_copy(update={"group": first_of(row.group)}) for row in rows)

"""Labelled images in memory: decoded and prepared once, through data.image, as serving does it."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog, CatalogRow, check_trainable, read_catalog
from data.errors import InputError, UnreadableImageError
from data.image import Pixels, Preprocessing, decode, prepare
from data.sources.elpv import read_elpv
from data.sources.folder import read_folder
from training.config import DataSource
from training.progress import bar

log = logging.getLogger(__name__)

_MOST_OF_MEMORY = 0.7


@dataclass(frozen=True)
class Examples:
    """Prepared images uint8 [n, H, W, 3] with their catalog rows."""

    rows: list[CatalogRow]
    images: Pixels

    @property
    def is_defect(self) -> NDArray[np.bool_]:
        """bool [n], the truth that errors are counted against."""
        return np.array([row.is_defect for row in self.rows], dtype=bool)

    def targets(self, classes: list[str], ok: int) -> NDArray[np.float32]:
        """Soft labels float32 [n, C]: the probability of a row's own side goes to its label, the rest to the other side."""
        table = np.zeros((len(self.rows), len(classes)), np.float32)
        for index, row in enumerate(self.rows):
            place = classes.index(row.label)
            other = slice(ok, None) if place < ok else slice(0, ok)
            own = 1 - row.defect_probability if place < ok else row.defect_probability
            table[index, other] = (1 - own) / table[index, other].size
            table[index, place] = own
        return table


def find_catalog(source: DataSource) -> Catalog:
    """The catalog that the configuration names, not yet split; raises InputError where it cannot be trained on."""
    match source.source:
        case "elpv":
            catalog = read_elpv(source.limit)
        case "folder":
            catalog = read_folder(_path(source), source.ok_classes, source.product)
        case "catalog":
            catalog = read_catalog(_path(source))
    check_trainable(catalog)
    return catalog


def load_examples(catalog: Catalog, rows: list[CatalogRow], spec: Preprocessing, title: str) -> Examples:
    """Decode and prepare the images of `rows`; raises InputError naming an image that cannot be used."""
    needed = len(rows) * spec.height * spec.width * 3
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    log.info("%s: %d images of %d x %d, %.0f MB in memory", title, len(rows), spec.width, spec.height, needed / 1e6)
    if needed > _MOST_OF_MEMORY * available:
        raise InputError(
            f"{len(rows)} images of {spec.width} x {spec.height} need {needed / 1e9:.1f} GB of the machine's "
            f"{available / 1e9:.1f} GB; choose a smaller model.image or fewer images"
        )

    images = np.empty((len(rows), spec.height, spec.width, 3), np.uint8)

    def load(index: int) -> None:
        file = catalog.file(rows[index])
        try:
            images[index] = prepare([decode(file.read_bytes())], spec)[0]
        except UnreadableImageError as error:
            raise InputError(f"image {file} cannot be used: {error.reason}; repair or remove it") from error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in bar(pool.map(load, range(len(rows))), len(rows), f"read {title}"):
            pass
    return Examples(rows, images)


def _path(source: DataSource) -> Path:
    if source.path is None:
        raise InputError(f"data.source {source.source} needs data.path")
    return source.path

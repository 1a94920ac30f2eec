"""The demo data: 2,624 electroluminescence images of solar cells from PyPI's `elpv-dataset` (CC BY-NC-SA 4.0: evaluation only).

Buerhop-Lutz et al., A Benchmark for Visual Identification of Defective Solar Cells in Electroluminescence Imagery (2018).
"""

import importlib.util
from pathlib import Path

from data.catalog import Catalog, CatalogRow
from data.errors import InputError
from data.sources.image_file import read_image_file


def read_elpv(limit: int | None = None) -> Catalog:
    """A catalog of the images, labelled `defect` where the experts' defect probability exceeds one half, else `good`.

    The probabilities 0, 1/3, 2/3 and 1 are kept as soft labels; `product` is the cell type, `mono` or `poly`.
    With `limit`, that many images evenly spread over the set. Raises InputError when the package is missing.
    """
    spec = importlib.util.find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise InputError("the demo images are not installed; run: pip install elpv-dataset")
    root = Path(spec.origin).parent / "data"
    lines = (root / "labels.csv").read_text(encoding="ascii").split("\n")
    labelled = [line.split() for line in lines if line.strip()]
    if limit is not None:
        labelled = labelled[:: max(1, len(labelled) // limit)][:limit]
    return Catalog(root=root, rows=tuple(_row(root, path, float(prob), kind) for path, prob, kind in labelled))


def _row(root: Path, path: str, probability: float, kind: str) -> CatalogRow:
    image = read_image_file(root / path)
    label = "defect" if probability > 0.5 else "good"
    return CatalogRow(
        path=path,
        label=label,
        defect_probability=round(probability * 3) / 3,
        classes=label,
        group=image.sha256[:16],
        product=kind,
        width=image.width,
        height=image.height,
        sha256=image.sha256,
        source="elpv",
    )

"""A finished bundle on labelled images, through onnxruntime as in serving.

python -m training.evaluate --bundle var/bundles/NAME-VERSION --data DIR_or_catalog.csv [--split test]
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from data.bundle import OUTPUTS, PREDICTIONS, Bundle, Manifest, Prediction
from data.catalog import Catalog, CatalogRow, read_catalog
from data.comparison import read_predictions
from data.errors import InputError
from data.image import Pixels
from data.metric import Metric
from data.sources.folder import read_folder
from training.dataset import load_examples
from training.localise import localisation
from training.progress import bar
from training.scores import score

_BATCH = 16

app = typer.Typer(add_completion=False)


def predict(model: Callable[[Pixels], Prediction], images: Pixels, title: str) -> Prediction:
    """The outputs of `model` for prepared images uint8 [n, H, W, 3], batch by batch."""
    starts = range(0, len(images), _BATCH)
    parts = [model(images[start : start + _BATCH]) for start in bar(starts, len(starts), title)]
    return Prediction(*(np.concatenate([getattr(part, name) for part in parts]) for name in OUTPUTS))


def evaluate(bundle: Bundle, catalog: Catalog, rows: list[CatalogRow]) -> dict[str, Metric]:
    """Metrics of the bundle at its own thresholds on `rows`; raises InputError unless good and defective are among them."""
    defects = sum(row.is_defect for row in rows)
    if defects in (0, len(rows)):
        raise InputError(f"{len(rows)} images, {defects} of them defective: both good and defective ones are needed")
    examples = load_examples(catalog, rows, bundle.manifest.preprocessing, "images")
    prediction = predict(bundle.predict, examples.images, "evaluate")
    unknown = None if bundle.novelty is None else bundle.novelty.unknown(prediction.embedding)
    metrics = score(
        prediction.defect_probability, examples.is_defect, bundle.manifest.thresholds, unknown, examples.groups
    )
    if (pointed := localisation(prediction.heatmap, examples)) is not None:
        metrics["hot_in_box"] = pointed
    return metrics


def result_line(bundle: Path, metrics: dict[str, Metric]) -> str:
    """The JSON that training and evaluation print last."""
    return json.dumps({"bundle": str(bundle), "metrics": {name: metric.value for name, metric in metrics.items()}})


@app.command()
def main(
    bundle: Annotated[Path, typer.Option(help="bundle directory")],
    data: Annotated[Path, typer.Option(help="labelled folder, or a catalog CSV")],
    split: Annotated[str | None, typer.Option(help="train, val or test; without it test where there is one")] = None,
) -> None:
    """Measure a bundle on labelled images."""
    try:
        loaded = Bundle.load(bundle)
        catalog = read_catalog(data) if data.suffix.lower() == ".csv" else read_folder(data, loaded.manifest.ok_classes)
        rows = _rows(catalog, split)
        if _may_have_trained(bundle, loaded.manifest, rows):
            print(  # noqa: T201 - a command line speaks
                f"beware: the bundle's own test images are among these {len(rows)}, so the others may be those it was trained "
                "on, and the figures too good; give --data the catalog of that training (var/catalogs/NAME.csv) for its test "
                "images alone",
                file=sys.stderr,
            )
        metrics = evaluate(loaded, catalog, rows)
    except InputError as error:
        print(error, file=sys.stderr)  # noqa: T201 - as above
        raise typer.Exit(2) from error
    print(result_line(bundle, metrics))  # noqa: T201 - the result


def _may_have_trained(bundle: Path, manifest: Manifest, rows: list[CatalogRow]) -> bool:
    """Whether `rows` hold more than test images of the bundle, and those too."""
    if PREDICTIONS not in manifest.files:
        return False
    tested = {one.sha256 for one in read_predictions(bundle, manifest)}
    given = {row.sha256 for row in rows}
    return not tested.isdisjoint(given) and not given <= tested


def _rows(catalog: Catalog, split: str | None) -> list[CatalogRow]:
    present = {row.split for row in catalog.rows}
    if split is None:
        return catalog.of_split("test") if "test" in present else list(catalog.rows)
    rows = [row for row in catalog.rows if row.split == split]
    if not rows:
        raise InputError(
            f"no image is in split {split!r}; there are: {', '.join(sorted(present - {''})) or 'no splits'}"
        )
    return rows


if __name__ == "__main__":
    app()

"""model_card.html: what a model was trained on, how good it is and where it fails, in one file that opens offline."""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from data.bundle import Manifest, Prediction
from data.catalog import Catalog
from data.decide import decide
from training.dataset import Examples
from training.plots import jpeg, overlay

_MOST_ERRORS = 12

_METRICS = {
    "test_auroc": "AUROC: the chance that a defect scores above a good part",
    "test_accuracy": "Accuracy at defect probability 0.5",
    "escape_rate": "Escape rate: defective parts passed",
    "overkill_rate": "Overkill rate: good parts rejected or sent to review",
    "reject_good_rate": "Good parts rejected with no person looking",
    "pass_rate": "Parts passed",
    "review_rate": "Parts sent to review",
    "ece": "Expected calibration error",
}


@dataclass(frozen=True)
class WorstError:
    """A test image whose score is far from its truth, as JPEG data addresses: the image, and with its heat."""

    image: str
    heat: str
    name: str
    truth: str
    label_probability: float
    defect_probability: float
    verdict: str


def worst_errors(test: Examples, prediction: Prediction, manifest: Manifest) -> list[WorstError]:
    """The test images on the wrong side of 0.5, farthest first, at most twelve."""
    truth = test.is_defect
    distance = np.abs(prediction.defect_probability - truth)
    order = [int(index) for index in np.argsort(-distance) if distance[index] > 0.5][:_MOST_ERRORS]
    return [
        WorstError(
            image=_inline(jpeg(test.images[index])),
            heat=_inline(jpeg(overlay(test.images[index], prediction.heatmap[index]))),
            name=test.rows[index].path,
            truth=test.rows[index].label,
            label_probability=test.rows[index].defect_probability,
            defect_probability=float(prediction.defect_probability[index]),
            verdict=decide(float(prediction.defect_probability[index]), manifest.thresholds).value,
        )
        for index in order
    ]


def render_card(manifest: Manifest, catalog: Catalog, figures: dict[str, str], errors: list[WorstError]) -> str:
    """The whole page; `figures` are SVG elements by name, as training.plots draws them."""
    return _page("card.html.j2").render(
        manifest=manifest,
        metrics=[(label, manifest.metrics[name]) for name, label in _METRICS.items()],
        counts={split: dict(sorted(counter.items())) for split, counter in sorted(catalog.counts().items())},
        sizes=sorted({(row.width, row.height) for row in catalog.rows}),
        products=sorted({row.product for row in catalog.rows} - {""}),
        doubtful=sum(0 < row.defect_probability < 1 for row in catalog.rows),
        figures={name: Markup(svg) for name, svg in figures.items()},  # noqa: S704 - drawn by us, not given to us
        errors=errors,
    )


def render_gallery(errors: list[WorstError]) -> str:
    """The worst errors alone, for the experiment tracker."""
    return _page("gallery.html.j2").render(errors=errors)


def _page(name: str) -> Template:
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return pages.get_template(name)


def _inline(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"

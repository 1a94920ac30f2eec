"""model_card.html: what a model was trained on, how good it is and where it fails, in one file that opens offline."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from numpy.typing import NDArray

from data.bundle import Manifest, Prediction
from data.catalog import Catalog
from data.costs import Bill
from data.decide import decide
from training.dataset import Examples
from training.localise import SLACK, pointing
from training.plots import jpeg, outlined, overlay
from training.scores import ClassScore

_MOST_ERRORS = 12
_MOST_POINTED = 6

_METRICS = {
    "test_auroc": "AUROC: the chance that a defect scores above a good part",
    "test_accuracy": "Accuracy at defect probability 0.5",
    "escape_rate": "Escape rate: defective parts passed",
    "overkill_rate": "Overkill rate: good parts rejected or sent to review",
    "reject_good_rate": "Good parts rejected with no person looking",
    "pass_rate": "Parts passed",
    "review_rate": "Parts sent to review",
    "ece": "Expected calibration error",
    "hot_in_box": f"Marked defects with the hottest place on the mark, or within {SLACK:.0f} pixels of it",
}

_NO_SHARES = frozenset({"test_auroc", "ece"})

_HEALTH = {
    "brightness": "Mean brightness, 0 to 255",
    "dark": "Share of black pixels",
    "bright": "Share of saturated pixels",
    "contrast": "Contrast: standard deviation of the grey levels",
    "sharpness": "Sharpness: variance of the Laplacian",
    "colour": "Colour: mean difference between the channels",
}


@dataclass(frozen=True)
class Shown:
    """A test image to look at, as JPEG data addresses: the image, and with its heat and what people marked."""

    image: str
    heat: str
    name: str
    truth: str
    label_probability: float
    defect_probability: float
    verdict: str


def worst_errors(test: Examples, prediction: Prediction, manifest: Manifest, unknown: NDArray[np.bool_]) -> list[Shown]:
    """The test images on the wrong side of 0.5, passed defects and rejected good ones, farthest first, at most twelve."""
    truth, scores = test.is_defect, prediction.defect_probability
    distance = np.abs(scores - truth)
    passed = ~unknown & (scores < manifest.thresholds.pass_below)
    rejected = ~unknown & (scores >= manifest.thresholds.reject_from)
    wrong = (distance > 0.5) | (truth & passed) | (~truth & rejected)
    order = [int(index) for index in np.argsort(-distance) if wrong[index]][:_MOST_ERRORS]
    return _shown(test, prediction, manifest, unknown, order)


def marked_defects(
    test: Examples, prediction: Prediction, manifest: Manifest, unknown: NDArray[np.bool_]
) -> list[Shown]:
    """Test images in which people marked the defects, those first whose hottest place lies elsewhere, at most six."""
    marked = np.flatnonzero([bool(row.marks) for row in test.rows])
    order = marked[np.argsort(pointing(prediction.heatmap, test), kind="stable")][:_MOST_POINTED]
    return _shown(test, prediction, manifest, unknown, order.tolist())


def _shown(
    test: Examples, prediction: Prediction, manifest: Manifest, unknown: NDArray[np.bool_], order: list[int]
) -> list[Shown]:
    return [
        Shown(
            image=inline_jpeg(jpeg(test.images[index])),
            heat=inline_jpeg(
                jpeg(outlined(overlay(test.images[index], prediction.heatmap[index]), test.masks([index])[0]))
            ),
            name=test.rows[index].path,
            truth=test.rows[index].label,
            label_probability=test.rows[index].defect_probability,
            defect_probability=float(prediction.defect_probability[index]),
            verdict=decide(
                float(prediction.defect_probability[index]), manifest.thresholds, bool(unknown[index])
            ).value,
        )
        for index in order
    ]


def render_card(
    manifest: Manifest,
    catalog: Catalog,
    figures: dict[str, str],
    errors: list[Shown],
    class_scores: list[ClassScore],
    marked: Sequence[Shown],
    bills: Sequence[tuple[str, Bill]],
) -> str:
    """The whole page; `figures` are SVG elements by name, as training.plots draws them, `operating` among them beside `bills`."""
    return page("card.html.j2").render(
        manifest=manifest,
        told=_told,
        least_limit_rounded_up=math.ceil(1000 * manifest.guarantee.escape.least_limit + 0.01) / 1000,
        metrics=[(name, label, manifest.metrics[name]) for name, label in _METRICS.items() if name in manifest.metrics],
        counts={split: dict(sorted(counter.items())) for split, counter in sorted(catalog.counts().items())},
        sizes=sorted({(row.width, row.height) for row in catalog.rows}),
        products=sorted({row.product for row in catalog.rows} - {""}),
        parts=len({row.group for row in catalog.of_split("test")}),
        doubtful=sum(0 < row.defect_probability < 1 for row in catalog.rows),
        figures={name: Markup(svg) for name, svg in figures.items()},  # noqa: S704 - drawn by us, not given to us
        errors=errors,
        class_scores=class_scores,
        marked=marked,
        bills=bills,
        health_words=_HEALTH,
    )


def render_gallery(errors: list[Shown]) -> str:
    """The worst errors alone, for the experiment tracker."""
    return page("gallery.html.j2").render(errors=errors)


def _told(name: str, value: float) -> str:
    return f"{value:.4f}" if name in _NO_SHARES else f"{value:.1%}"


def page(name: str) -> Template:
    """The template `name` of this package; what it is given is escaped unless it is Markup."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return pages.get_template(name)


def inline_jpeg(content: bytes) -> str:
    """A JPEG as a data address, so that a page needs no files beside it."""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"

"""What a comparison of backbones shows: its rows, as a page that opens offline and as a table for the console."""

from collections.abc import Sequence

from markupsafe import Markup
from pydantic import Field
from rich.box import SIMPLE_HEAD
from rich.table import Table

from data.catalog import Catalog
from data.metric import Metric
from data.record import Record
from training.card import page
from training.comparison_plot import Point, Stage, auroc_against_time
from training.config import TrainConfig

PRECISIONS = ("float32", "int8")


def label(backbone: str, width: int, height: int) -> str:
    """A backbone with the size of image that it sees: NAME@SIZE, or NAME@WIDTHxHEIGHT where that is not square."""
    return f"{backbone}@{width}" if width == height else f"{backbone}@{width}x{height}"


class _Shown(Record):
    backbone: str
    width: int
    height: int

    @property
    def label(self) -> str:
        """The backbone as it is asked for."""
        return label(self.backbone, self.width, self.height)


class Row(_Shown):
    """One use of one backbone: `probe`, a linear head on frozen features, or `fine-tuned` for the configuration's epochs."""

    stage: Stage
    auroc: Metric
    """by torch, on the validation images"""
    accuracy: Metric | None
    """of defect probabilities over 0.5, each calibrated by other images; None where scores are no better than chance"""
    gain: Metric | None = None
    """AUROC more than the probe's, on the same images; None for the probe itself"""
    seconds: float
    """of training, the probe's included"""
    parameters: int
    bytes: dict[str, int]
    """of the ONNX file, by precision; both stages have the same graph"""
    milliseconds: dict[str, float] = Field(default={})
    """an image, by precision"""
    int8_auroc: Metric | None = None
    """through onnxruntime; None for a probe that was fine-tuned afterwards and so not exported itself"""

    @property
    def took(self) -> str:
        """How long the training was, for a person."""
        return f"{self.seconds:.1f} s" if self.seconds < 60 else f"{self.seconds / 60:.1f} min"

    @property
    def earned(self) -> bool:
        """Fine-tuning is shown to beat the probe: the whole 95 % interval of the gain lies above 0."""
        return self.gain is not None and self.gain.low > 0


class Unavailable(_Shown):
    """A backbone that could not be had, or did not learn, and why."""

    reason: str


def render_page(config: TrainConfig, catalog: Catalog, rows: Sequence[Row | Unavailable]) -> str:
    """The whole page."""
    counts = catalog.counts()
    return page("compare.html.j2").render(
        config=config,
        rows=rows,
        tuned=[row for row in rows if isinstance(row, Row) and row.gain is not None],
        fingerprint=catalog.fingerprint,
        figure=Markup(auroc_against_time(_points(rows))),  # noqa: S704 - drawn by us, not given to us
        images={split: counts[split].total() for split in ("train", "val", "test")},
    )


def table(rows: Sequence[Row | Unavailable]) -> Table:
    """The same for the console; names fold where it is narrow."""
    shown = Table(box=SIMPLE_HEAD, padding=0, show_edge=False, title="AUROC and accuracy are of the validation images")
    shown.add_column("backbone", overflow="fold")
    shown.add_column("stage", no_wrap=True)
    for name in ("AUROC", "95 %", "accuracy", "training", "ms float32", "ms int8"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        if isinstance(row, Unavailable):
            shown.add_row(row.label, "left out")
            continue
        shown.add_row(
            row.label,
            row.stage,
            f"{row.auroc.value:.4f}",
            f"{row.auroc.low:.3f}-{row.auroc.high:.3f}",
            "" if row.accuracy is None else f"{row.accuracy.value:.3f}",
            row.took,
            *(f"{row.milliseconds[precision]:.2f}" for precision in PRECISIONS),
        )
    return shown


def _points(rows: Sequence[Row | Unavailable]) -> list[Point]:
    measured = [row for row in rows if isinstance(row, Row)]
    one_size = len({(row.width, row.height) for row in measured}) == 1
    points = []
    for row in measured:
        name = row.backbone if one_size else row.label
        for precision, auroc in (("float32", row.auroc), ("int8", row.int8_auroc)):
            if auroc is not None:
                points.append(Point(name, row.stage, precision == "int8", row.milliseconds[precision], auroc))
    return points

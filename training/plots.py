"""Figures for the model card and the experiment tracker: SVG text that follows light and dark, and heat overlays."""

import io
from collections.abc import Callable

import cv2
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from data.decide import Thresholds
from data.image import Pixels
from data.metric import Metric
from training.scores import auroc

# Stand-ins that no palette uses, replaced in the SVG by what the page's own colours are.
INK, GOOD, DEFECT, GRID = "#010203", "#040506", "#070809", "#0a0b0c"
_COLOURS = {
    INK: "currentColor",
    GOOD: "var(--good, #2a78c8)",
    DEFECT: "var(--defect, #d1582b)",
    GRID: "var(--rule, #c8ccd2)",
}
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "card",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
_BINS = 10
# RGB; inferno has no such blue-green, so that marks and heat stay apart.
_MARK = (0, 230, 200)

Scores = NDArray[np.floating]
Truth = NDArray[np.bool_]


def figures(scores: Scores, is_defect: Truth, thresholds: Thresholds, ece: Metric) -> dict[str, str]:
    """SVG elements by name: score histogram with thresholds, ROC, precision-recall, reliability.

    Scores float [n] in 0..1; `ece` is their expected calibration error.
    """
    return {
        "scores": _draw(lambda axes: _histogram(axes, scores, is_defect, thresholds), width=7.6, height=3.0),
        "roc": _draw(lambda axes: _roc(axes, scores, is_defect, thresholds)),
        "precision_recall": _draw(lambda axes: _precision_recall(axes, scores, is_defect)),
        "reliability": _draw(lambda axes: _reliability(axes, scores, is_defect, ece)),
    }


def overlay(image: Pixels, heatmap: NDArray[np.float32]) -> Pixels:
    """A prepared image uint8 [H, W, 3] RGB with its heatmap float32 [h, w] in 0..1 laid over, the hotter the denser."""
    heat = cv2.resize(heatmap, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR).clip(0, 1)
    colour = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    dense = (0.65 * heat)[:, :, None]
    return np.asarray(image * (1 - dense) + colour * dense, dtype=np.uint8)


def outlined(image: Pixels, mask: Pixels) -> Pixels:
    """A copy of the image uint8 [H, W, 3] RGB with a thin line round what is not 0 in the mask uint8 [H, W]."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    drawn = cv2.drawContours(image.copy(), contours, -1, _MARK, 1)
    return np.asarray(drawn, dtype=np.uint8)


def jpeg(image: Pixels) -> bytes:
    """uint8 [H, W, 3] RGB as JPEG."""
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 82])
    return encoded.tobytes()


def draw(paint: Callable[[Figure], None], width: float, height: float) -> str:
    """An SVG element of `width` x `height` inches with what `paint` puts into the figure, in the colours of the page."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for stand_in, colour in _COLOURS.items():
        svg = svg.replace(stand_in, colour)
    # Text without a colour of its own is black in SVG.
    return svg.replace("<svg ", '<svg fill="currentColor" ', 1)


def _draw(paint: Callable[[Axes], None], width: float = 3.7, height: float = 3.0) -> str:
    return draw(lambda figure: paint(figure.add_subplot()), width, height)


def _histogram(axes: Axes, scores: Scores, is_defect: Truth, thresholds: Thresholds) -> None:
    bins = [step / 40 for step in range(41)]
    axes.hist(
        [scores[~is_defect], scores[is_defect]],
        bins=bins,
        stacked=True,
        color=[GOOD, DEFECT],
        label=["good", "defect"],
    )
    for value, name in ((thresholds.pass_below, "pass below"), (thresholds.reject_from, "reject from")):
        if value <= 1:
            axes.axvline(value, color=INK, linewidth=1.2, linestyle="--")
            side = "left" if value < 0.5 else "right"
            axes.annotate(
                f" {name} {value:.3f} ",
                (value, 1),
                xycoords=("data", "axes fraction"),
                va="bottom",
                ha=side,
                fontsize=9,
            )
    axes.set(xlabel="defect probability", ylabel="test images", xlim=(0, 1))
    axes.legend(loc="upper center")


def _roc(axes: Axes, scores: Scores, is_defect: Truth, thresholds: Thresholds) -> None:
    false, true, _ = roc_curve(is_defect, scores)
    axes.plot(false, true, color=GOOD)
    axes.plot([0, 1], [0, 1], color=GRID, linestyle=":")
    flagged = scores >= thresholds.pass_below
    axes.plot(flagged[~is_defect].mean(), flagged[is_defect].mean(), "o", color=DEFECT, label="pass threshold")
    axes.set(xlabel="overkill rate", ylabel="defects flagged", title=f"ROC, area {auroc(scores, is_defect):.3f}")
    axes.legend(loc="lower right")


def _precision_recall(axes: Axes, scores: Scores, is_defect: Truth) -> None:
    precision, recall, _ = precision_recall_curve(is_defect, scores)
    axes.plot(recall, precision, color=GOOD)
    area = average_precision_score(is_defect, scores)
    axes.set(
        xlabel="defects found",
        ylabel="found that are defects",
        title=f"Precision-recall, area {area:.3f}",
        ylim=(0, 1.02),
    )


def _reliability(axes: Axes, scores: Scores, is_defect: Truth, ece: Metric) -> None:
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    axes.plot([0, 1], [0, 1], color=GRID, linestyle=":")
    axes.plot([scores[part].mean() for part in parts], [is_defect[part].mean() for part in parts], "o-", color=GOOD)
    title = f"Reliability, ECE {ece.value:.3f} ({ece.low:.3f} to {ece.high:.3f})"
    axes.set(xlabel="defect probability", ylabel="share truly defective", title=title)

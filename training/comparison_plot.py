"""The picture of a comparison: AUROC against milliseconds, each point with the number of its backbone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from data.metric import Metric
from training.plots import DEFECT, GOOD, INK, draw

# Where a number may stand, the first choice first: how far from its point, in points of print, and to which side.
_DISTANCES = (8, 13, 18)
_SIDES = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))

Stage = Literal["probe", "fine-tuned"]


@dataclass(frozen=True)
class Point:
    """One network: its AUROC and the median time of one image, in milliseconds."""

    name: str
    stage: Stage
    int8: bool
    milliseconds: float
    auroc: Metric


def auroc_against_time(points: Sequence[Point]) -> str:
    """An SVG element: fine-tuned networks and probes, float32 hollow and int8 filled, numbered by name."""
    return draw(lambda figure: _paint(figure, points), width=8.6, height=5.4)


def _paint(figure: Figure, points: Sequence[Point]) -> None:
    axes = figure.add_subplot()
    looks: dict[Stage, tuple[str, str, float]] = {"fine-tuned": ("o", GOOD, 7), "probe": ("D", DEFECT, 5.5)}
    twins = {(point.name, point.stage) for point in points if point.int8}
    for name, stage in dict.fromkeys((point.name, point.stage) for point in points):
        marker, colour, size = looks[stage]
        own = [point for point in points if (point.name, point.stage) == (name, stage)]
        axes.plot([p.milliseconds for p in own], [p.auroc.value for p in own], color=colour, linewidth=0.8, alpha=0.5)
        for point in own:
            # Beside its int8 twin, float32 goes without a bar: the two would differ by little, and bury the picture.
            if point.int8 or (name, stage) not in twins:
                axes.vlines(point.milliseconds, point.auroc.low, point.auroc.high, color=colour, linewidth=1.2)
            fill = colour if point.int8 else "none"
            axes.plot(
                point.milliseconds, point.auroc.value, marker, color=colour, markersize=size, markerfacecolor=fill
            )
    shown = {point.stage for point in points}
    for stage, (marker, colour, size) in looks.items():
        if stage in shown:
            axes.plot([], [], marker, color=colour, markersize=size, label=stage)
    axes.plot([], [], "s", color=INK, markersize=6, label="int8")
    axes.plot([], [], "s", color=INK, markersize=6, markerfacecolor="none", label="float32")
    axes.plot([], [], color=INK, linewidth=1.2, label="95 % interval")
    axes.margins(x=0.12)
    axes.set(xlabel="milliseconds an image, one thread", ylabel="AUROC on the validation images")
    axes.set_xlim(left=0)
    axes.set_ylim(top=min(axes.get_ylim()[1], 1.005))
    figure.legend(loc="outside upper left", ncols=5)
    _number_points(figure, axes, points)


def _number_points(figure: Figure, axes: Axes, points: Sequence[Point]) -> None:
    """The number of its name at every point, on the side where it hides least, and the names by number beside the axes."""
    number = {name: place for place, name in enumerate(dict.fromkeys(point.name for point in points), start=1)}
    key = [
        Line2D([], [], linestyle="", marker=f"${place}$", color=INK, markeredgewidth=0, label=name)
        for name, place in number.items()
    ]
    figure.legend(handles=key, loc="outside right upper")
    figure.draw_without_rendering()  # places are known once the layout is
    taken = [_reach(figure, axes, point) for point in points]
    for point in points:
        options = []
        for distance, (x, y) in product(_DISTANCES, _SIDES):
            label = _label(axes, str(number[point.name]), point, x * distance, y * distance)
            box = label.get_window_extent()
            options.append((sum(_overlap(box, other) for other in taken), box, (x * distance, y * distance)))
            label.remove()
        _, box, (across, up) = min(options, key=lambda option: option[0])
        taken.append(box)
        _label(axes, str(number[point.name]), point, across, up)


def _label(axes: Axes, text: str, point: Point, across: float, up: float) -> Annotation:
    """Text centred at that many points of print from the point."""
    return axes.annotate(
        text,
        (point.milliseconds, point.auroc.value),
        (across, up),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=9,
        in_layout=False,
    )


def _reach(figure: Figure, axes: Axes, point: Point) -> Bbox:
    """Where the point and its interval are drawn."""
    (x, low), (_, high) = axes.transData.transform(
        [(point.milliseconds, point.auroc.low), (point.milliseconds, point.auroc.high)]
    )
    half = 4 * figure.dpi / 72
    return Bbox([(x - half, low), (x + half, high)])


def _overlap(first: Bbox, second: Bbox) -> float:
    shared = Bbox.intersection(first, second)
    return 0.0 if shared is None else float(shared.width * shared.height)

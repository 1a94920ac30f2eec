"""What the thresholds do and what they cost, for the model card: rates against the pass threshold, and bills side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator, PercentFormatter
from numpy.typing import NDArray
from scipy.special import expit, logit
from statsmodels.stats.proportion import proportion_confint

from data.costs import Bill
from data.decide import Aims, Bound, Guarantee, Thresholds, choose_thresholds, expected_bill
from data.groups import numbered, worst_scores
from training.plots import DEFECT, GOOD, INK, draw

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]

_HABIT = Thresholds(pass_below=0.5, reject_from=0.5)
# Beyond these the axis would stretch for a few scores that no threshold lies among.
_EDGE = 1e-4
_ALWAYS = 0.01
_STEPS = 300
_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)


def bills(
    scores: Floats, is_defect: Truth, thresholds: Thresholds, aims: Aims, groups: Sequence[str] | None = None
) -> list[tuple[str, Bill]]:
    """What the chosen thresholds are expected to cost, the widest within the bounds, and 0.5 by habit, each with a name.

    `scores` float [n] in 0..1, `is_defect` bool [n] and `groups` [n] are of the held-out images that the thresholds were chosen
    on; both kinds must be among them. The widest are left out where they are the chosen ones.
    """
    bounds_alone = aims.model_copy(update={"costs": None, "capacity": None, "per_class": False})
    widest, _ = choose_thresholds(scores, is_defect, bounds_alone, groups=groups)
    choices = [("Chosen", thresholds)]
    if widest != thresholds:
        choices.append(("As wide as the two bounds permit", widest))
    choices.append(("0.5 by habit, which promises nothing", _HABIT))
    return [(name, expected_bill(scores, is_defect, choice, aims, groups)) for name, choice in choices]


def operating_figure(
    scores: Floats,
    is_defect: Truth,
    thresholds: Thresholds,
    guarantee: Guarantee,
    defect_rate: float,
    groups: Sequence[str] | None = None,
) -> str:
    """An SVG element: escape rate above, overkill rate and review load below, against the pass threshold on a log-odds axis.

    `scores` float [n] in 0..1, `is_defect` bool [n] and `groups` [n] are of held-out images, both kinds among them; images of
    a group count as one. `defect_rate` in 0..1 is the line's, for the review load. The band round the escape rate is
    Clopper-Pearson with the bound's delta on each side, so the widest pass threshold that the bound permits is where its
    upper edge meets the limit. The reject threshold stays where it was chosen.
    """
    given = np.asarray(scores, dtype=np.float64)
    defect, good = worst_scores(given, is_defect, numbered(groups, len(given)))
    low = max(_EDGE, min(given.min(), _ALWAYS))
    high = min(1 - _EDGE, max(given.max(), 1 - _ALWAYS))
    # The first defects are the steps at which the bound is decided.
    steps = np.concatenate([expit(np.linspace(logit(low), logit(high), _STEPS)), defect[:_STEPS]])
    axis = np.unique(np.clip(steps, low, high))
    at = np.concatenate([axis, [thresholds.pass_below]])
    escape, overkill = _below(defect, at), 1 - _below(good, at)
    ends = np.maximum(at, thresholds.reject_from)
    load = defect_rate * (_below(defect, ends) - escape) + (1 - defect_rate) * (_below(good, ends) - _below(good, at))
    chosen = float(np.clip(thresholds.pass_below, low, high))

    def curve(axes: Axes, values: Floats, colour: str, name: str, line: str = "-") -> None:
        axes.plot(axis, values[:-1], color=colour, linestyle=line, drawstyle="steps-pre")
        label = f"{name}, {100 * values[-1]:.3g}% as chosen"
        axes.plot(chosen, values[-1], "o", color=colour, linestyle=line, clip_on=False, zorder=4, label=label)

    def paint(figure: Figure) -> None:
        above, under = figure.subplots(2, 1, sharex=True)
        _bound(above, axis, escape[:-1], guarantee.escape)
        curve(above, escape, DEFECT, "escape rate")
        curve(under, overkill, GOOD, "overkill rate")
        curve(under, load, INK, f"review load at {100 * defect_rate:.3g}% defective", "-.")
        above.set(ylabel="of the defective parts")
        under.set(
            ylabel="of the good, of all parts", ylim=(0, 1), xlabel="defect probability below which a part is passed"
        )
        for axes in (above, under):
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.axvline(chosen, color=INK, linewidth=1.2, linestyle="--", label="PASS ends")
            if thresholds.reject_from <= 1:
                start = float(np.clip(thresholds.reject_from, low, high))
                axes.axvline(start, color=INK, linewidth=1.2, linestyle=":", label="REJECT starts")
            # Above the axes, for there is no corner that a line may not cross.
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0, fontsize=9)
        under.set_xscale("logit")
        under.set_xlim(low, high)
        shown = [tick for tick in _TICKS if low <= tick <= high]
        under.xaxis.set_major_locator(FixedLocator(shown))
        under.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in shown]))
        under.xaxis.set_minor_locator(NullLocator())

    return draw(paint, width=7.6, height=5.8)


def _bound(axes: Axes, axis: Floats, escape: Floats, bound: Bound) -> None:
    """The bound's limit, and the band round the escape rate [n] at each threshold [n]; as high as both can be told apart."""
    lower, upper = proportion_confint(np.rint(escape * bound.n), bound.n, alpha=2 * bound.delta, method="beta")
    sure = f"{100 * (1 - bound.delta):.4g}% confidence on each side"
    axes.fill_between(axis, lower, upper, step="pre", color=DEFECT, alpha=0.2, linewidth=0, label=sure)
    axes.axhline(bound.limit, color=DEFECT, linewidth=1.2, linestyle="--", label=f"limit {100 * bound.limit:.3g}%")
    axes.set_ylim(0, min(1.0, max(4 * bound.limit, 1.5 * float(upper[0]))))


def _below(scores: Floats, thresholds: Floats) -> Floats:
    return np.searchsorted(scores, thresholds) / len(scores)

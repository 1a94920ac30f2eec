"""What the change can be put down to: lines that got the system at different times, against those that did not have it yet.

Difference-in-differences on log counts: Poisson regression with line and week effects and the exposure as offset
(statsmodels; Wooldridge, Simple approaches to nonlinear difference-in-differences, 2023). Few lines make any standard error
doubtful, so the p-value is from randomisation inference: the score of the effect, over every order in which the lines could
have got the system (Fisher 1935; Roth and Sant'Anna, Efficient estimation for staggered rollout designs, 2023).
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sqlalchemy import Connection
from statsmodels.genmod.families import Poisson
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

from data.wording import Text, text
from serving.baseline_schema import Attribution, PanelPoint
from serving.baselines import list_rollouts
from serving.past_counts import rows_of

Outcome = Literal["escapes", "false_calls", "confirmed"]
Floats = NDArray[np.float64]

MOST_ORDERS = 2000
_FEW_LINES = 6
_SEED = 7


@dataclass(frozen=True)
class Panel:
    """Lines x weeks: counts and the parts that they are of (0 where nothing was made), and each line's first whole week with
    the system (None: never)."""

    lines: list[str]
    weeks: list[date]
    counts: Floats
    exposure: Floats
    starts: list[int | None]


def attribution(connection: Connection, outcome: Outcome) -> Attribution:
    """What imported history says of the roll-outs that were noted; the weeks in which a line changed over are left out."""
    known = [row for row in rows_of(connection) if row[outcome] is not None]
    rollouts = {one.line: one.day for one in list_rollouts(connection)}
    monday = {row["sequence"]: _monday(date.fromisoformat(row["day"])) for row in known}
    lines, weeks = sorted({row["line"] for row in known}), sorted(set(monday.values()))
    counts, exposure = np.zeros((len(lines), len(weeks))), np.zeros((len(lines), len(weeks)))
    for row in known:
        place = lines.index(row["line"]), weeks.index(monday[row["sequence"]])
        counts[place] += row[outcome]
        exposure[place] += row["inspected"]
    starts: list[int | None] = []
    for number, line in enumerate(lines):
        day = rollouts.get(line)
        if day is None or not weeks or day > weeks[-1] + timedelta(days=6):
            starts.append(None)
            continue
        first_whole = next((at for at, week in enumerate(weeks) if week >= day), len(weeks))
        if first_whole and weeks[first_whole - 1] < day <= weeks[first_whole - 1] + timedelta(days=6):
            exposure[number, first_whole - 1] = 0
        starts.append(first_whole)
    return estimate(Panel(lines, weeks, counts, exposure, starts), outcome)


def estimate(panel: Panel, outcome: Outcome) -> Attribution:
    """The effect with its interval and p-value, or, without them, why the data cannot tell."""
    treated = _treated(panel.starts, len(panel.weeks))
    seen = panel.exposure > 0
    answer = Attribution(
        outcome=outcome,
        lines=len(panel.lines),
        weeks=len(panel.weeks),
        effect=None,
        low=None,
        high=None,
        p_value=None,
        orders=0,
        tried=0,
        before_after=_before_after(panel, treated),
        points=[
            PanelPoint(
                line=line,
                week=week,
                count=int(panel.counts[i, j]),
                exposure=int(panel.exposure[i, j]),
                treated=bool(treated[i, j]),
            )
            for i, line in enumerate(panel.lines)
            for j, week in enumerate(panel.weeks)
            if seen[i, j]
        ],
        caveats=_cannot(panel, treated, outcome),
    )
    if answer.caveats:
        return answer
    y, offset = panel.counts[seen], np.log(panel.exposure[seen])
    line_of, week_of = np.nonzero(seen)
    effects = _dummies(line_of, week_of)
    orders = _orders(panel.starts)
    model = GLM(y, np.column_stack([treated[seen], effects]), family=Poisson(), offset=offset)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", PerfectSeparationWarning)
        fitted = model.fit(cov_type="cluster", cov_kwds={"groups": line_of})
        statistic = _Score(y, offset, effects)
    slope, error = float(fitted.params[0]), float(fitted.bse[0])
    answer.effect, answer.orders, answer.caveats = math.expm1(slope), orders, _though(panel, orders)
    if any(issubclass(one.category, PerfectSeparationWarning) for one in said):
        answer.caveats.append(
            text(
                "Lines and weeks explain every count to the last one: such figures are planned or rounded rather than counted, "
                "and how far the effect may be off cannot be told from them.",
                "各產線與各週已完全解釋所有計數：這類數字多半是規劃值或經過取整，而非實際計數，無法據此判斷影響的誤差範圍。",
            )
        )
        return answer
    # Clusters are few: t with as many degrees of freedom as lines less one (Cameron and Miller 2015). Their own spread is still
    # too small now and then; no interval is narrower than the counts themselves would have it (quasi-Poisson).
    plain = model.fit()
    spread = float(plain.bse[0]) * math.sqrt(max(1.0, float(plain.pearson_chi2) / max(1, plain.df_resid)))
    reach = max(
        float(stats.t.ppf(0.975, max(len(panel.lines) - 1, 1))) * error,
        float(stats.t.ppf(0.975, max(1, plain.df_resid))) * spread,
    )
    drawn = _permutations(panel.starts, orders)
    strength = [abs(statistic(_treated(starts, len(panel.weeks))[seen])) for starts in drawn]
    observed = abs(statistic(treated[seen]))
    as_strong = sum(one >= observed * (1 - 1e-9) for one in strength)
    answer.low, answer.high = math.expm1(slope - reach), math.expm1(slope + reach)
    answer.p_value = as_strong / orders if orders <= MOST_ORDERS else (as_strong + 1) / (len(drawn) + 1)
    answer.tried = len(drawn)
    return answer


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _treated(starts: Sequence[int | None], weeks: int) -> Floats:
    at = np.arange(weeks)
    return np.array([at >= (weeks if start is None else start) for start in starts], np.float64).reshape(
        len(starts), weeks
    )


def _before_after(panel: Panel, treated: Floats) -> float | None:
    ever = np.array([start is not None for start in panel.starts], bool)
    if not ever.any():
        return None
    on, off = treated[ever] > 0, treated[ever] == 0
    counts, exposure = panel.counts[ever], panel.exposure[ever]
    seen = exposure > 0
    before, after = exposure[off & seen].sum(), exposure[on & seen].sum()
    old = counts[off & seen].sum()
    if before == 0 or after == 0 or old == 0:
        return None
    return float(counts[on & seen].sum() / after / (old / before) - 1)


def _cannot(panel: Panel, treated: Floats, outcome: Outcome) -> list[Text]:
    """Why nothing can be estimated; empty when it can."""
    words = {
        "escapes": ("field returns", "客退品"),
        "false_calls": ("false calls", "誤判"),
        "confirmed": ("caught defects", "攔下的缺陷"),
    }
    en, zh = words[outcome]
    seen = panel.exposure > 0
    found = []
    if not panel.lines:
        found.append(text(f"No {en} by line and day are imported.", f"尚未匯入各產線每日的{zh}。"))
        return found
    if len(panel.lines) == 1:
        found.append(
            text(
                f"A single line ({panel.lines[0]}): there is none to compare it with, so the system and everything else that "
                "changed with time cannot be told apart.",
                f"只有一條產線（{panel.lines[0]}）：沒有可比較的對象，無法區分本系統與其他隨時間的變化。",
            )
        )
    if all(start is None for start in panel.starts):
        found.append(
            text(
                "No roll-out of these lines is noted within the imported weeks.", "匯入期間內沒有登錄這些產線的導入日。"
            )
        )
    elif len(panel.lines) > 1 and len(set(panel.starts)) == 1:
        found.append(
            text(
                "All lines got the system in the same week: no line without it is left to compare with.",
                "所有產線在同一週導入：沒有尚未導入的產線可供比較。",
            )
        )
    for line, start, made in zip(panel.lines, panel.starts, seen, strict=True):
        if start is not None and (not made[:start].any() or not made[start:].any()):
            found.append(
                text(
                    f"Line {line} has no imported weeks on one side of its roll-out.",
                    f"產線 {line} 在導入日的其中一側沒有匯入資料。",
                )
            )
    if panel.counts[seen].sum() == 0:
        found.append(
            text(f"Not one of the {en} is counted: there is nothing to reduce.", f"{zh}總數為零：沒有可減少的量。")
        )
    elif not found:
        for line, counts, made in zip(panel.lines, panel.counts, seen, strict=True):
            if counts[made].sum() == 0:
                found.append(
                    text(
                        f"Line {line} has none of the {en} in any week; leave it out, it says nothing about a relative change.",
                        f"產線 {line} 每週的{zh}皆為零；請排除，它無法說明相對變化。",
                    )
                )
        found += [
            text(
                f"There are no {en} at all {'with' if on else 'without'} the system: the change has no finite estimate.",
                f"{'導入後' if on else '導入前'}的{zh}總數為零：無法估計有限的變化。",
            )
            for on in (True, False)
            if panel.counts[seen & ((treated > 0) == on)].sum() == 0
        ]
    return found


def _though(panel: Panel, orders: int) -> list[Text]:
    found = [
        text(
            "The p-value holds if the order in which the lines got the system was drawn by lot, or might as well have been.",
            "此 p 值的前提是各線導入順序由抽籤決定，或與抽籤無異。",
        )
    ]
    if orders < 20:
        found.append(
            text(
                f"With these lines there were {orders} orders of roll-out: no p-value below {1 / orders:.2f} is possible, "
                "however strong the effect.",
                f"這些產線僅有 {orders} 種導入順序：不論效果多強，p 值都不可能低於 {1 / orders:.2f}。",
            )
        )
    if len(panel.lines) < _FEW_LINES:
        found.append(
            text(
                f"{len(panel.lines)} lines are few: the interval is rough, trust the p-value first.",
                f"僅 {len(panel.lines)} 條產線：區間僅供參考，請以 p 值為主。",
            )
        )
    found.append(
        text(
            "One effect is assumed, the same for all lines from the first whole week on; where it grows slowly, the estimate is "
            "too small.",
            "假設所有產線自導入後第一個完整週起效果相同；若效果逐漸增強，估計值會偏小。",
        )
    )
    return found


def _dummies(line_of: NDArray[np.int_], week_of: NDArray[np.int_]) -> Floats:
    lines = (line_of[:, None] == np.unique(line_of)).astype(float)
    weeks = (week_of[:, None] == np.unique(week_of)[1:]).astype(float)
    return np.column_stack([lines, weeks])


class _Score:
    """Standardised score of the effect under no effect: the same fit serves every order of roll-out."""

    def __init__(self, y: Floats, offset: Floats, effects: Floats) -> None:
        null = GLM(y, effects, family=Poisson(), offset=offset).fit()
        mean = np.asarray(null.fittedvalues, np.float64)
        self._residual = y - mean
        self._root = np.sqrt(mean)
        self._basis, _ = np.linalg.qr(self._root[:, None] * effects)

    def __call__(self, treated: Floats) -> float:
        weighted = self._root * treated
        left = weighted - self._basis @ (self._basis.T @ weighted)
        information = float(left @ left)
        # an order that line and week effects explain wholly has no effect to show
        return float(treated @ self._residual) / math.sqrt(information) if information > 1e-9 else 0.0


def _orders(starts: Sequence[int | None]) -> int:
    """In how many different ways the same starts can be given to the lines."""
    same = [starts.count(start) for start in set(starts)]
    return math.factorial(len(starts)) // math.prod(math.factorial(one) for one in same)


def _permutations(starts: Sequence[int | None], orders: int) -> Sequence[Sequence[int | None]]:
    if orders <= MOST_ORDERS:
        return _distinct({start: starts.count(start) for start in starts}, len(starts))
    random = np.random.default_rng(_SEED)
    return [[starts[at] for at in random.permutation(len(starts))] for _ in range(MOST_ORDERS)]


def _distinct(left: Mapping[int | None, int], length: int) -> list[list[int | None]]:
    if length == 0:
        return [[]]
    return [
        [start, *rest]
        for start, count in left.items()
        if count
        for rest in _distinct({**left, start: count - 1}, length - 1)
    ]

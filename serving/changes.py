"""What changed between two periods, from counts by line and product: the same lines and products in the same proportions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.wording import Text, text
from serving.baseline_schema import Change, LineCounts
from serving.metrics import rate_of
from serving.metrics_schema import Rate
from serving.quality import escape, rates
from serving.quality.day_ratio import day_ratio

_DRAWS = escape.DRAWS
_ENOUGH_TIMES = 10
_MOST_NAMED = 5
_ENOUGH_FREE_DAYS = 4
"""Days beyond one, and beyond one for each line and product, by which it is known how much days differ."""
UNKNOWN_AUDITS = text("no passed part of this period was audited", "此期間的合格零件未經抽查")
_UNKNOWN_REVIEWS = text("no flagged part of this period is reviewed", "此期間的標示零件皆未複判")
_UNKNOWN_RETURNS = text("no field returns of this period are known", "此期間沒有客退資料")
_UNKNOWN_DEFECTS = text(
    "no defect is known in this period, neither caught nor missed", "此期間沒有已知的缺陷，無論攔下或漏檢"
)
_UNKNOWN_FLAGS = text("nobody counted the flags of this period", "此期間沒有標示數的統計")
_UNKNOWN_TIMES = text("nobody timed the looks of this period", "此期間沒有人員檢視的計時")
_FROZEN_IN_SUM = text(
    "this baseline was frozen with the sum of its days alone; freeze the same days anew under another name",
    "此基準期凍結時只保存各日總和；請以其他名稱重新凍結相同日期",
)

Draws = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Of a rate: those of the lower end of its interval, and those of the upper end."""
Known = tuple[Rate, Draws | None]


@dataclass(frozen=True)
class _Row:
    """Counts of one line and product, each of which stands for `weight` as many."""

    counts: LineCounts
    weight: float = 1.0


def changes_between(before: Sequence[LineCounts], after: Sequence[LineCounts]) -> list[Change]:
    """Relative change of each rate, its interval from draws of both sides.

    Where both have the same lines and products, those before count in the proportions of those after (direct
    standardisation): a change of what is made, and where, is none of quality.
    """
    random = np.random.default_rng(0)
    earlier, later = _in_proportion(before, after), [_Row(one) for one in after]
    changes = []
    for key, make in (
        ("false_call_rate", _false_calls),
        ("escape_rate", _escapes),
        ("overkill_rate", _overkill),
        ("returns_rate", _returns),
        ("caught_rate", _caught),
        ("review_seconds", _seconds),
    ):
        (old, old_draws), (new, new_draws) = (make(rows, random) for rows in (earlier, later))
        relative, low, high = None, None, None
        if old.value and new.value is not None and old_draws is not None and new_draws is not None:
            relative = new.value / old.value - 1
            low = float(np.quantile(new_draws[0] / old_draws[1] - 1, 0.025))
            high = float(np.quantile(new_draws[1] / old_draws[0] - 1, 0.975))
        changes.append(Change(key=key, before=old, after=new, relative=relative, low=low, high=high))
    return changes


def _in_proportion(before: Sequence[LineCounts], after: Sequence[LineCounts]) -> list[_Row]:
    made = {(one.line, one.product): one.inspected for one in after}
    of, to = sum(one.inspected for one in before), sum(made.values())
    if made.keys() != {(one.line, one.product) for one in before} or not all(one.inspected for one in before) or not to:
        return [_Row(one) for one in before]
    return [_Row(one, made[one.line, one.product] / to * of / one.inspected) for one in before]


def _has(rows: Sequence[_Row], *names: str) -> bool:
    """Whether every row counts all of these."""
    return all(getattr(row.counts, name) is not None for row in rows for name in names)


def _uncounted(rows: Sequence[_Row], unknown: Text, *names: str) -> Text:
    """Why nothing is known, with the lines and products at fault where others have these counts."""
    lacking = [row.counts for row in rows if not _has([row], *names)]
    if not lacking or len(lacking) == len(rows):
        return unknown
    named = ", ".join(f"{one.line} / {one.product}" for one in lacking[:_MOST_NAMED])
    more = " ..." if len(lacking) > _MOST_NAMED else ""
    return text(f"{unknown.en}: {named}{more}", f"{unknown.zh_hant}：{named}{more}")


def _sum(rows: Sequence[_Row], name: str) -> float:
    return float(sum(row.weight * (getattr(row.counts, name) or 0) for row in rows))


def _share(weights: Sequence[float], hits: Sequence[int], inspected: float, random: np.random.Generator) -> Known:
    """Hits of rows with these weights among all inspected.

    Of unequal weights the upper end has half a hit more where one weighs most, as serving/quality/escape.py has.
    """
    w, each = np.array(weights), np.array(hits)
    heaviest, estimated, variance = float(w.max()), float(w @ each), float(w**2 @ each)
    # Hits that would tell as much had all the same weight (Kish 1965), and the parts that they would then be of.
    effective = estimated**2 / variance if estimated else 0.0
    n = max(effective, effective * inspected / estimated if estimated else inspected / heaviest)
    share = rates.share(effective, n)
    lower = upper = random.beta(effective + 0.5, n - effective + 0.5, _DRAWS)
    high = share.high
    if heaviest > w.min():
        more = (estimated + heaviest / 2) ** 2 / (variance + heaviest**2 / 2)
        rest = max(0.0, more * inspected / (estimated + heaviest / 2) - more)
        upper = np.maximum(lower, random.beta(more, rest + 0.5, _DRAWS))
        high = max(high, float(np.quantile(upper, 0.975)))
    rate = Rate(value=share.value, low=share.low, high=high, numerator=round(effective), denominator=max(1, round(n)))
    return rate, (lower, upper)


def _of_flags(rows: Sequence[_Row], name: str, random: np.random.Generator) -> Known:
    """A kind of flag among all inspected; flags that nobody reviewed are taken to be like the reviewed ones of their line and
    product (Horvitz-Thompson), or of the others where it has none."""
    inspected = _sum(rows, "inspected")
    if not inspected or not _has(rows, name):
        return rate_of(0, 0, _uncounted(rows, _UNKNOWN_FLAGS, name)), None
    seen, like = rows, 1.0
    if _has(rows, "flagged", "reviewed"):
        flagged = _sum(rows, "flagged")
        if flagged and not _sum(rows, "reviewed"):
            return rate_of(0, 0, _UNKNOWN_REVIEWS), None
        if flagged:
            # A line without flags tells of all its parts that they are none.
            seen = [row for row in rows if row.counts.reviewed or not row.counts.flagged]
            like = flagged / _sum(seen, "flagged")
    weights = [
        like
        * row.weight
        * (row.counts.flagged / row.counts.reviewed if row.counts.flagged and row.counts.reviewed else 1)
        for row in seen
    ]
    return _share(weights, [getattr(row.counts, name) for row in seen], inspected, random)


def _false_calls(rows: Sequence[_Row], random: np.random.Generator) -> Known:
    return _of_flags(rows, "false_calls", random)


def _caught(rows: Sequence[_Row], random: np.random.Generator) -> Known:
    return _of_flags(rows, "confirmed", random)


def _returns(rows: Sequence[_Row], random: np.random.Generator) -> Known:
    inspected = _sum(rows, "inspected")
    if not inspected or not _has(rows, "escapes"):
        return rate_of(0, 0, _uncounted(rows, _UNKNOWN_RETURNS, "escapes")), None
    return _share([row.weight for row in rows], [row.counts.escapes or 0 for row in rows], inspected, random)


def _estimate(rows: Sequence[_Row], random: np.random.Generator) -> escape.Escapes | Text:
    """As the Quality page estimates it; the strata here are lines and products. Or why nothing can be told."""
    audited = [row for row in rows if row.counts.audited]
    known = _has(rows, "confirmed", "audited", "audit_defects")
    passed = sum(row.weight * passed_of(row.counts) for row in audited)
    if not _sum(rows, "inspected") or not known or not passed:
        return UNKNOWN_AUDITS
    if _has(rows, "flagged", "reviewed") and _sum(rows, "flagged") and not _sum(rows, "reviewed"):
        return _UNKNOWN_REVIEWS
    like = sum(row.weight * passed_of(row.counts) for row in rows) / passed
    return escape.Escapes(
        [_band(row, like) for row in audited],
        [_flags(row) for row in rows],
        escape.Known(),
        seed=int(random.integers(2**31)),
        draws=_DRAWS,
    )


def _escapes(rows: Sequence[_Row], random: np.random.Generator) -> Known:
    """Escapes among all truly defective parts, by audits of passed ones. The interval also holds the luck of which parts were
    made: two periods have different ones."""
    found = _estimate(rows, random)
    if isinstance(found, Text):
        return rate_of(0, 0, found), None
    if found.defective.value == 0:
        return rate_of(0, 0, _UNKNOWN_DEFECTS), None
    # As few defective parts as would be as lucky had all the same weight (Kish 1965).
    each = [(row.weight, _defective(row.counts)) for row in rows]
    squares = sum(weight**2 * n for weight, n in each)
    defective = sum(weight * n for weight, n in each) ** 2 / squares if squares else found.defective.value
    low, high = (random.beta(one * defective + 0.5, (1 - one) * defective + 0.5) for one in found.rate_draws)
    rate = Rate(
        value=found.rate.value,
        low=min(found.rate.value, float(np.quantile(low, 0.025))),
        high=max(found.rate.value, float(np.quantile(high, 0.975))),
        numerator=None,
        denominator=sum(row.counts.audited or 0 for row in rows),
    )
    return rate, (low, high)


def _overkill(rows: Sequence[_Row], random: np.random.Generator) -> Known:
    """False calls among all truly good parts; how many are good takes audits of passed ones."""
    if not _has(rows, "false_calls", "flagged"):
        return rate_of(0, 0, _uncounted(rows, _UNKNOWN_FLAGS, "false_calls", "flagged")), None
    found = _estimate(rows, random)
    if isinstance(found, Text):
        return rate_of(0, 0, found), None
    rate = Rate(
        value=found.overkill.value,
        low=found.overkill.low,
        high=found.overkill.high,
        numerator=None,
        denominator=sum(row.counts.inspected for row in rows),
    )
    return rate, (found.overkill_draws, found.overkill_draws)


def _seconds(rows: Sequence[_Row], random: np.random.Generator) -> Known:
    """Seconds that people look for each inspected part: the mean of the timed looks times all that were made or still wait.

    Lines and products without a timed look are taken to be like the others. The interval holds the luck of how long a look
    takes and of how many there are to be; where each part is looked at, that is none.
    """
    if any(row.counts.timed_days for row in rows):
        return _day_seconds(rows, random)
    timed, units = sum(row.counts.timed or 0 for row in rows), _sum(rows, "units")
    if not units or not _has(rows, "units", "looks", "timed", "seconds", "squared_seconds"):
        return rate_of(0, 0, _UNKNOWN_TIMES), None
    if not _sum(rows, "looks"):
        return Rate(value=0.0, low=0.0, high=0.0, numerator=None, denominator=0), (np.zeros(_DRAWS), np.zeros(_DRAWS))
    if timed < _ENOUGH_TIMES:
        few = text(
            f"not enough timed looks: n = {timed}, need {_ENOUGH_TIMES}",
            f"計時檢視不足：n = {timed}，需要 {_ENOUGH_TIMES}",
        )
        return rate_of(0, 0, few), None
    mean = sum(row.counts.seconds or 0.0 for row in rows) / timed
    # Of all looks together: a line has too few for a variance of its own.
    variance = max(0.0, sum(row.counts.squared_seconds or 0.0 for row in rows) / timed - mean**2) * timed / (timed - 1)
    total, error = 0.0, 0.0
    for row in rows:
        n, looks, parts = row.counts.timed or 0, row.counts.looks or 0, row.counts.units or 0
        own = (row.counts.seconds or 0.0) / n if n else mean
        total += row.weight * looks * own
        drawn = looks * max(0.0, 1 - looks / parts) if parts else looks
        error += row.weight**2 * (looks**2 * variance / (n or timed) + drawn * own**2)
    value, spread = total / units, float(np.sqrt(error)) / units
    draws = np.maximum(value + spread * random.standard_t(timed - 1, _DRAWS), 1e-9)
    low, high = (min(value, float(np.quantile(draws, 0.025))), max(value, float(np.quantile(draws, 0.975))))
    return Rate(value=value, low=low, high=high, numerator=None, denominator=timed), (draws, draws)


def _day_seconds(rows: Sequence[_Row], random: np.random.Generator) -> Known:
    """Seconds that people look for each inspected part, from what inspectors took on whole days.

    Lines and products without such days are taken to be like the others.
    """
    known = [
        (row.weight * row.counts.inspected, one)
        for row in rows
        if row.weight * row.counts.inspected and (one := row.counts.timed_days) is not None
    ]
    if not known:
        return rate_of(0, 0, _UNKNOWN_TIMES), None
    if not all(one.each for _, one in known):
        return rate_of(0, 0, _FROZEN_IN_SUM), None
    days, free = sum(one.days for _, one in known), sum(one.days - 1 for _, one in known)
    number = {day: n for n, day in enumerate(sorted({each.day for _, one in known for each in one.each}))}
    if len(number) <= _ENOUGH_FREE_DAYS or free < _ENOUGH_FREE_DAYS:
        return rate_of(0, 0, _few_days(len(number), days, len(known))), None
    parts, seconds = np.zeros((2, len(known), len(number)))
    for row, (_, one) in enumerate(known):
        for each in one.each:
            parts[row, number[each.day]], seconds[row, number[each.day]] = each.inspected, each.seconds
    found = day_ratio(parts, seconds, np.array([weight for weight, _ in known]))
    rate = Rate(value=found.value, low=found.interval.low, high=found.interval.high, numerator=None, denominator=days)
    draws = np.maximum(found.draws(random, _DRAWS), 1e-9)
    return rate, (draws, draws)


def _few_days(different: int, days: int, made: int) -> Text:
    need = _ENOUGH_FREE_DAYS + 1
    if different < need:
        return text(
            f"not enough days with inspector seconds: n = {different}, need {need}",
            f"有檢驗工時的天數不足：n = {different}，需要 {need}",
        )
    return text(
        f"not enough days with inspector seconds: n = {days} of {made} lines and products, need {made + _ENOUGH_FREE_DAYS}, so "
        "that it is known how much days differ",
        f"有檢驗工時的天數不足：{made} 個產線產品共 n = {days} 天，需要 {made + _ENOUGH_FREE_DAYS} 天，才能知道各日之間的差異",
    )


def passed_of(row: LineCounts) -> int:
    """Parts that nothing held; where nobody counted flags, those that are not known as caught."""
    return row.inspected - (row.flagged or row.confirmed or 0)


def _defective(row: LineCounts) -> float:
    """Caught and missed, as far as they are known."""
    missed = passed_of(row) * (row.audit_defects or 0.0) / row.audited if row.audited else 0.0
    flags = _flags(_Row(row))
    return missed + (flags.flagged * flags.confirmed / flags.decided if flags.decided else 0.0)


def _band(row: _Row, like: float) -> escape.Band:
    """Passed parts of a line and product, `like` times as many where others without audits are taken to be like them."""
    audited, defects = row.counts.audited or 0, row.counts.audit_defects or 0.0
    passed = round(passed_of(row.counts) * like)
    return escape.Band(passed, audited, int(defects), audited, audited, defects, scale=row.weight)


def _flags(row: _Row) -> escape.Flags:
    counts = row.counts
    confirmed = counts.confirmed or 0
    flagged = counts.flagged or confirmed
    decided = flagged if counts.reviewed is None else max(counts.reviewed, confirmed)
    return escape.Flags(flagged, decided, confirmed, counts.false_calls or 0, scale=row.weight)

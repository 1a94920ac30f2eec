"""The active model and a shadow on the same frames: where they differ, and which of them people agree with."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from scipy.stats import norm
from sqlalchemy import Connection, Select, case, func, select

from data.comparison import mcnemar
from data.groups import effective_size_of
from data.verdict import DECIDED, ReviewDecision, Verdict
from data.wording import text
from serving.blindness import Sight
from serving.inspections import find
from serving.metrics import median, rate_of
from serving.model_schema import Difference, ReviewedPairs, ShadowComparison, ShadowInfo, VerdictPair
from serving.tables import inspections, shadow_inspections, shadows
from serving.unindexed import Unindexed

_MOST_DIFFERENCES = 50
_MOST_TOGETHER = 20_000
_MOST_ALIKE = 10_000
_DEFECTIVE = frozenset({ReviewDecision.DEFECT_CONFIRMED, ReviewDecision.DEFECT_ACCEPTED})

_JOINED = shadow_inspections.join(inspections, inspections.c.id == shadow_inspections.c.inspection_id)
_NOTE = text(
    "People review what the active model flagged, hardly what it passed: reviewed frames can show that the shadow has fewer "
    "false calls, but not that it finds more defects. Look at the frames that only the shadow flags.",
    "人員複判的多半是現用模型標示的零件，很少看到它判為合格的零件：複判結果能顯示影子模型是否誤判較少，"
    "卻無法證明它找到更多缺陷。請查看只有影子模型標示的影像。",
)


_SHADOWS = select(shadows.c.sequence.label("number"), *(column for column in shadows.c if column.name != "sequence"))


def shadow_runs(connection: Connection) -> list[ShadowInfo]:
    """Every time that a bundle was a shadow, newest first."""
    return [ShadowInfo(**row) for row in connection.execute(_SHADOWS.order_by(shadows.c.sequence.desc())).mappings()]


def last_shadow(connection: Connection) -> ShadowInfo | None:
    """The shadow that scores now, or else the last that did."""
    row = connection.execute(_SHADOWS.order_by(shadows.c.sequence.desc()).limit(1)).mappings().first()
    return None if row is None else ShadowInfo(**row)


def compare(connection: Connection, sight: Sight) -> ShadowComparison:
    """Both models on every frame that the last shadow scored; what is kept from the caller is not among the differences."""
    last = last_shadow(connection)
    # A frame may have been received before the shadow that scored it began.
    sequence, since = (0, datetime.now(UTC)) if last is None else (last.number, last.started_at - timedelta(hours=1))
    table = shadow_inspections.c
    active, shadow = table.active_verdict, table.verdict
    rows = connection.execute(
        select(active, shadow, func.count()).where(table.shadow == sequence).group_by(active, shadow)
    )
    pairs: Counter[tuple[Verdict, Verdict]] = Counter()
    for ours, theirs, count in rows:
        pairs[Verdict(ours), Verdict(theirs)] += count
    n = pairs.total()
    flags: Counter[tuple[bool, bool]] = Counter()
    for (one, other), count in pairs.items():
        flags[one.flagged, other.flagged] += count
    worth = _worth(connection, sequence, n)
    low, high = _change(flags, _frames_that_change_together(connection, sequence))
    latency = select(table.latency_ms).where(table.shadow == sequence).order_by(table.latency_ms)
    nothing = text("the shadow has scored no frame yet", "影子模型尚未評分任何影像")
    return ShadowComparison(
        shadow=last,
        frames=n,
        pairs=[VerdictPair(active=one, shadow=other, frames=count) for (one, other), count in sorted(pairs.items())],
        agreement=rate_of(
            sum(count for (one, other), count in pairs.items() if one is other), n, nothing, worth.agreement
        ),
        active_flags=rate_of(flags[True, True] + flags[True, False], n, nothing, worth.active_flags),
        shadow_flags=rate_of(flags[True, True] + flags[False, True], n, nothing, worth.shadow_flags),
        flag_change=(flags[False, True] - flags[True, False]) / n if n else None,
        flag_change_low=low,
        flag_change_high=high,
        reviewed=_reviewed(connection, sequence, since),
        latency_p50_ms=median(connection, latency, n),
        differences=_differences(connection, sequence, sight),
        notes=[_NOTE],
    )


@dataclass(frozen=True)
class _Worth:
    """How many independent frames would tell as much of each share, since frames of one part are alike."""

    agreement: float
    active_flags: float
    shadow_flags: float


def _worth(connection: Connection, sequence: int, n: int) -> _Worth:
    """Of `n` frames that a shadow scored; how alike frames of one part are is seen in the newest `_MOST_ALIKE` of them."""
    table = shadow_inspections.c
    active, shadow = (verdict != Verdict.PASS.value for verdict in (table.active_verdict, table.verdict))
    events = {"agreement": table.verdict == table.active_verdict, "active_flags": active, "shadow_flags": shadow}
    counted = [case((event, 1), else_=0).label(name) for name, event in events.items()]
    newest = (
        select(table.inspection_id, *counted)
        .where(table.shadow == sequence)
        .order_by(table.inspection_id.desc())
        .limit(_MOST_ALIKE)
        .subquery()
    )
    parts = (
        select(func.count().label("frames"), *(func.sum(newest.c[name]).label(name) for name in events))
        .select_from(newest.join(inspections, inspections.c.id == newest.c.inspection_id))
        .group_by(inspections.c.product, inspections.c.part_id)
        .subquery()
    )
    rows = connection.execute(select(*parts.c, func.count()).group_by(*parts.c)).all()
    if not rows:
        return _Worth(n, n, n)
    kinds = np.array(rows, np.int64)
    each = np.repeat(kinds[:, :-1], kinds[:, -1], axis=0)
    frames = each[:, 0]
    share = n / frames.sum()
    worth = [share * effective_size_of(frames, each[:, place].astype(float)) for place in range(1, len(events) + 1)]
    return _Worth(**dict(zip(events, worth, strict=True)))


def _change(flags: Counter[tuple[bool, bool]], together: float) -> tuple[float | None, float | None]:
    """A 95 % interval of the paired difference: Wald's after half a frame is added to each cell (Agresti and Min 2005).

    What the differing frames of one part bring to the variance is added before it is squared (Liang and Zeger 1986). The parts
    that do not differ are not counted: they would make the interval narrower, hardly where few frames differ.
    """
    if not flags.total():
        return None, None
    n, more, fewer = flags.total() + 2, flags[False, True], flags[True, False]
    difference = (more - fewer) / n
    variance = max(0.0, (more + fewer) * together - (more - fewer) ** 2 / n) + 1
    half = float(norm.isf(0.025)) * variance**0.5 / n
    return max(-1.0, difference - half), min(1.0, difference + half)


def _frames_that_change_together(connection: Connection, sequence: int) -> float:
    """By which the variance of the flags' change grows since a part has several frames; 1 where each has one.

    Of the newest `_MOST_TOGETHER` frames that one of the two alone flags.
    """
    table = shadow_inspections.c
    more = case((table.active_verdict == Verdict.PASS.value, 1), (table.verdict == Verdict.PASS.value, -1))
    differing = select(table.inspection_id, more.label("more")).where(
        table.shadow == sequence, table.verdict != table.active_verdict, more.is_not(None)
    )
    newest = differing.order_by(table.inspection_id.desc()).limit(_MOST_TOGETHER).subquery()
    lead = func.sum(newest.c.more).label("lead")
    parts = (
        select(lead, func.count().label("frames"))
        .select_from(newest.join(inspections, inspections.c.id == newest.c.inspection_id))
        .group_by(inspections.c.product, inspections.c.part_id)
        .subquery()
    )
    squares, frames = connection.execute(select(func.sum(parts.c.lead * parts.c.lead), func.sum(parts.c.frames))).one()
    return float(squares / frames) if frames else 1.0


def _reviewed(connection: Connection, sequence: int, since: datetime) -> ReviewedPairs:
    active, shadow, decision = shadow_inspections.c.active_verdict, shadow_inspections.c.verdict, inspections.c.decision
    # Only where one of the two is right alone does it matter of which part the frame is.
    alone = (active == Verdict.PASS.value) != (shadow == Verdict.PASS.value)
    part = [case((alone, inspections.c[name]), else_="").label(name) for name in ("product", "part_id")]
    grouped = [active, shadow, decision, *part]
    alone_right: list[bool] = []
    parts: list[str] = []
    right: Counter[tuple[bool, bool]] = Counter()
    # Unindexed, or SQLite would begin with every frame that the shadow scored; few of them are reviewed.
    query: Select[tuple[Any, ...]] = (
        select(*grouped, func.count())
        .select_from(_JOINED)
        .where(
            decision.is_not(None),
            inspections.c.received_at >= since,
            Unindexed(shadow_inspections.c.shadow) == sequence,
        )
        .where(decision.in_([each.value for each in DECIDED]))
        .group_by(*grouped)
    )
    for ours, theirs, decided, product, part_id, count in connection.execute(query):
        defective = ReviewDecision(decided) in _DEFECTIVE
        who = Verdict(ours).flagged == defective, Verdict(theirs).flagged == defective
        right[who] += count
        if who[0] != who[1]:
            alone_right += [who[0]] * count
            parts += [f"{product}\n{part_id}"] * count
    only_active, only_shadow = right[True, False], right[False, True]
    ours_alone = np.array(alone_right, bool)
    return ReviewedPairs(
        n=right.total(),
        both_right=right[True, True],
        only_active_right=only_active,
        only_shadow_right=only_shadow,
        neither_right=right[False, False],
        mcnemar_p=mcnemar(ours_alone, ~ours_alone, parts) if parts else None,
    )


def _differences(connection: Connection, shadow: int, sight: Sight) -> list[Difference]:
    table = shadow_inspections.c
    differing = (table.shadow == shadow, table.verdict != table.active_verdict)
    # Ids are in order of time.
    query = select(shadow_inspections).where(*differing).order_by(table.inspection_id.desc()).limit(_MOST_DIFFERENCES)
    rows = {row["inspection_id"]: row for row in connection.execute(query).mappings()}
    shown = rows.keys() - sight.hidden_ids(connection, rows)
    found = find(connection, inspections.c.id.in_(shown)) if shown else []
    return [
        Difference(
            inspection=inspection,
            shadow_verdict=Verdict(rows[inspection.id]["verdict"]),
            shadow_defect_probability=rows[inspection.id]["defect_probability"],
        )
        for inspection in reversed(found)
    ]

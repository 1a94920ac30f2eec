"""Frozen baselines, and what changed since: the same lines and products, rates with their denominators, and plain caveats."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import uuid_utils
from sqlalchemy import Connection, RowMapping, func, insert, select

from data.wording import Text, text
from serving.agreement import answers_of, majority
from serving.audit import Action, append, take_turn
from serving.baseline_schema import (
    Baseline,
    BaselineComparison,
    BaselineKind,
    Change,
    FreezeBaseline,
    LineCounts,
    Rollout,
    RolloutRequest,
)
from serving.changes import UNKNOWN_AUDITS, changes_between, passed_of
from serving.comparison import Floats, mean_seconds
from serving.past_counts import MOST_FRAMES_A_PART, frames_a_part, imported_counts, measured_counts, span
from serving.plant_day import day_of, refuse_to_come
from serving.problem import ProblemError
from serving.quality.agreement import Calls
from serving.tables import RECORDED, baselines, rollouts, shadows, studies, study_answers, study_parts

# These tell of people, or of another model, while the system may decide already.
_BESIDE = (BaselineKind.SHADOW, BaselineKind.STUDY)
OF_A_STUDY = frozenset({"escape_rate", "overkill_rate", "review_seconds"})
"""How many parts of a study are defective was chosen: only shares of the defective ones, and of the good ones, tell anything."""
_SHORT = timedelta(days=14)


def freeze(connection: Connection, request: FreezeBaseline, zone: ZoneInfo) -> Baseline:
    """Keep a period's counts as they are now.

    Raises a 422 problem for a period that is no baseline, saying why; a 409 problem for the name of another baseline.
    """
    since, until = _period_of(connection, request, zone)
    now = datetime.now(UTC)
    if until > now:
        raise ProblemError(
            422,
            text(
                f"the period ends {until.isoformat()}: a baseline is frozen once it is over",
                f"期間至 {until.isoformat()} 才結束：基準期須在結束後凍結",
            ),
        )
    first, end = day_of(since, zone), day_of(until, zone)
    history = request.kind is BaselineKind.HISTORY
    if request.kind is BaselineKind.STUDY:
        assert request.study is not None
        counts = _study_counts(connection, request.study)
    else:
        counts = imported_counts(connection, first, end) if history else measured_counts(connection, since, until)
    if not counts:
        where = "imported for" if history else "inspected in"
        raise ProblemError(
            422,
            text(
                f"nothing was {where} {first} to {end - timedelta(days=1)}: there is nothing to freeze",
                f"{first} 至 {end - timedelta(days=1)} 沒有任何{'匯入的統計' if history else '檢驗'}：沒有可凍結的內容",
            ),
        )
    rollout = None if request.kind in _BESIDE else treated(counts, end, list_rollouts(connection))
    if rollout is not None:
        raise ProblemError(
            422,
            text(
                f"baseline and treatment overlap: the system decides on line {rollout.line} since {rollout.day}, and the "
                f"period goes to {end - timedelta(days=1)}; end it before, or leave that line out",
                f"基準期與導入後重疊：產線 {rollout.line} 自 {rollout.day} 起由系統判定，"
                f"而期間至 {end - timedelta(days=1)}；請提前結束，或排除該產線",
            ),
        )
    take_turn(connection)
    _refuse_known_name(connection, request.name, zone)
    row = {
        "id": str(uuid_utils.uuid7()),
        "name": request.name,
        "kind": request.kind.value,
        "since": since,
        "until": until,
        "counts": [one.model_dump(mode="json") for one in counts],
        "person": request.person,
        "reason": request.reason,
        "frozen_at": now,
    }
    connection.execute(insert(baselines), row)
    append(connection, Action.BASELINE, str(row["id"]), request.person, new=row, reason=request.reason)
    return get(connection, str(row["id"]), zone)


def _refuse_known_name(connection: Connection, name: str, zone: ZoneInfo) -> None:
    alike = name.strip().casefold()
    known = next((one for one in list_all(connection, zone) if one.name.strip().casefold() == alike), None)
    if known is None:
        return
    first, last, frozen = known.first_day, known.last_day, day_of(known.frozen_at, zone)
    raise ProblemError(
        409,
        text(
            f"name: there is a baseline {known.name} already, of {first} to {last}, frozen by {known.person} on {frozen}; "
            "give this one another name",
            f"名稱：已有基準期「{known.name}」（{first} 至 {last}，由 {known.person} 於 {frozen} 凍結）；請使用其他名稱",
        ),
    )


def get(connection: Connection, id: str, zone: ZoneInfo) -> Baseline:
    """One baseline. Raises a 404 problem when there is none."""
    row = connection.execute(select(baselines).where(baselines.c.id == id)).mappings().first()
    if row is None:
        raise ProblemError(404, text(f"there is no baseline {id}", f"沒有基準期 {id}"))
    return _told(row, zone)


def list_all(connection: Connection, zone: ZoneInfo) -> list[Baseline]:
    """Every baseline, newest first."""
    rows = connection.execute(select(baselines).order_by(baselines.c.frozen_at.desc())).mappings()
    return [_told(row, zone) for row in rows]


def _told(row: RowMapping, zone: ZoneInfo) -> Baseline:
    first, last = day_of(row["since"], zone), day_of(row["until"] - timedelta(microseconds=1), zone)
    return Baseline(**row, first_day=first, last_day=last)


def roll_out(connection: Connection, request: RolloutRequest) -> Rollout:
    """Note from which day on the system decides on a line; a later note for the same line supersedes."""
    row = {
        "id": str(uuid_utils.uuid7()),
        **request.model_dump(),
        "day": request.day.isoformat(),
        "set_at": datetime.now(UTC),
    }
    connection.execute(insert(rollouts), row)
    append(connection, Action.ROLLOUT, str(row["id"]), request.person, new=row, reason=request.reason)
    return Rollout(**row)


def list_rollouts(connection: Connection) -> list[Rollout]:
    """The roll-out that counts for each line, by day."""
    rows = connection.execute(select(rollouts).order_by(rollouts.c.set_at)).mappings()
    newest = {row["line"]: Rollout(**row) for row in rows}
    return sorted(newest.values(), key=lambda one: (one.day, one.line))


def treated(counts: Sequence[LineCounts], end: date, rollouts: Sequence[Rollout]) -> Rollout | None:
    """The first roll-out to one of these lines before the day `end`: the counts up to then are no longer those of before."""
    lines = {one.line for one in counts}
    return next((one for one in rollouts if one.line in lines and one.day < end), None)


def before_system(connection: Connection, zone: ZoneInfo) -> list[Baseline]:
    """Baselines that tell what was before the system decided, newest first: not those of a model, nor of days with the system."""
    rollouts = list_rollouts(connection)
    return [
        one
        for one in list_all(connection, zone)
        if one.kind is not BaselineKind.SHADOW and treated(one.counts, day_of(one.until, zone), rollouts) is None
    ]


def compare(
    connection: Connection,
    id: str,
    first: date,
    end: date,
    imported: bool,
    zone: ZoneInfo,
) -> BaselineComparison:
    """The days [first, end) against a baseline. Raises a 422 problem when they overlap it, hold nothing or are yet to come."""
    baseline, (since, until) = get(connection, id, zone), span(first, end, zone)
    if first >= end:
        raise ProblemError(
            422,
            text(
                f"first_day: {first} is after last_day, {end - timedelta(days=1)}",
                f"第一天 {first} 晚於最後一天 {end - timedelta(days=1)}",
            ),
        )
    refuse_to_come(first, zone, text("first_day", "第一天"), text("nothing can be compared yet", "尚無可比較的內容"))
    if since < baseline.until and until > baseline.since:
        raise ProblemError(
            422,
            text(
                f"baseline and treatment overlap: {baseline.name} goes to {baseline.last_day}, "
                f"and the period begins {first}; compare with days after the baseline",
                f"基準期與導入後重疊：{baseline.name} 至 {baseline.last_day} 為止，"
                f"而期間自 {first} 開始；請與基準期之後的日期比較",
            ),
        )
    after = imported_counts(connection, first, end) if imported else measured_counts(connection, since, until)
    common = {(one.line, one.product) for one in baseline.counts} & {(one.line, one.product) for one in after}
    before_rows = [one for one in baseline.counts if (one.line, one.product) in common]
    after_rows = [one for one in after if (one.line, one.product) in common]
    changes = changes_between(before_rows, after_rows) if common else []
    caveats = _caveats(baseline, after, before_rows, after_rows, changes, until - since)
    if imported != (baseline.kind is BaselineKind.HISTORY):
        counted = (baseline.since, baseline.until) if imported else (since, until)
        caveats += _views(frames_a_part(connection, *counted, {line for line, _ in common}))
    return BaselineComparison(
        baseline=baseline,
        since=since,
        until=until,
        after_from="history" if imported else "measured",
        lines=sorted({line for line, _ in common}),
        changes=[change for change in changes if baseline.kind is not BaselineKind.STUDY or change.key in OF_A_STUDY],
        caveats=caveats,
    )


def _views(frames: float) -> list[Text]:
    if frames <= MOST_FRAMES_A_PART:
        return []
    return [
        text(
            f"Imported counts are of parts, those of this system of frames, of which a part has {frames:.1f} on one line: the "
            "rates may differ for that alone.",
            f"匯入的計數以零件計，本系統以影像計，有產線每件零件 {frames:.1f} 張：僅此一項就可能造成比率差異。",
        )
    ]


def _caveats(
    baseline: Baseline,
    after: Sequence[LineCounts],
    before_rows: Sequence[LineCounts],
    after_rows: Sequence[LineCounts],
    changes: Sequence[Change],
    length: timedelta,
) -> list[Text]:
    found = []
    if not before_rows:
        found.append(
            text(
                "No line made the same product in both periods: nothing can be compared.",
                "兩個期間沒有任何產線生產相同產品：無法比較。",
            )
        )
        return found
    lines = {one.line for one in before_rows}
    if len(lines) == 1:
        found.append(
            text(
                "A single line: its change may be the season, a supplier or the mix of parts as well as the system. Only lines "
                "that get the system at different times can tell these apart.",
                "只有一條產線：變化可能來自季節、供應商或產品組合，而非本系統。唯有各線分批導入才能區分。",
            )
        )
    else:
        found.append(
            text(
                "Before and after alone cannot tell the system from whatever else changed meanwhile; the staggered roll-out can.",
                "僅有前後對照，無法區分本系統與同期間其他變化的影響；分批導入才能區分。",
            )
        )
    dropped = sorted(
        {f"{one.line} / {one.product}" for one in [*baseline.counts, *after]}
        - {f"{one.line} / {one.product}" for one in before_rows}
    )
    if dropped:
        names = ", ".join(dropped[:5]) + (" ..." if len(dropped) > 5 else "")
        found.append(
            text(
                f"Left out, because they are in one period only: {names}.",
                f"僅出現在其中一個期間而未納入比較：{names}。",
            )
        )
    shortest = min(baseline.until - baseline.since, length)
    if shortest < _SHORT:
        found.append(
            text(
                f"The shorter period has {shortest.days} days: one unusual week would decide the result.",
                f"較短的期間僅 {shortest.days} 天：一週的異常就足以左右結果。",
            )
        )
    by_key = {change.key: change for change in changes}
    escapes = by_key["escape_rate"]
    old, new = (one.why_unknown == UNKNOWN_AUDITS for one in (escapes.before, escapes.after))
    if old or new:
        where = (
            ("either period", "兩個期間")
            if old and new
            else ("the baseline", "基準期")
            if old
            else ("the later period", "後期")
        )
        found.append(
            text(
                f"Escapes cannot be compared: no passed part of {where[0]} was audited.",
                f"無法比較漏檢：{where[1]}未抽查任何合格品。",
            )
        )
    unaudited = sum(
        passed_of(row)
        for change, rows in ((escapes.before, before_rows), (escapes.after, after_rows))
        for row in rows
        if change.value is not None and row.audited == 0
    )
    if unaudited:
        found.append(
            text(
                f"{unaudited} passed parts are of lines and products without any audit; they are taken to be like the others.",
                f"{unaudited} 件合格品所屬的產線與產品沒有抽查；視為與其他合格品相同。",
            )
        )
    found.extend(_whole_days(before_rows, after_rows))
    if baseline.kind is BaselineKind.STUDY:
        found.append(
            text(
                "The baseline is a study: how many of its parts are defective was chosen, so only escapes among the "
                "defective and false calls among the good compare. People who know that they are tested may look harder.",
                "基準為研究：其中缺陷件的比例由人選定，因此僅能比較缺陷件中的漏檢與良品中的誤判。人員知道受測時，可能看得更仔細。",
            )
        )
        if by_key["review_seconds"].before.value is not None:
            found.append(
                text(
                    "The seconds before are of one look at every part, as people did in the study; where they did not look at "
                    "every part before the system, a part took less.",
                    "導入前的秒數為研究中逐件檢視每一件的時間；若導入前並非逐件檢視，每件所需時間較少。",
                )
            )
        return found
    if by_key["false_call_rate"].after.value is None:
        found.append(
            text(
                "False calls cannot be compared: no flagged part of the later period is reviewed.",
                "無法比較誤判：後期沒有任何待處理件經過複判。",
            )
        )
    caught = by_key["caught_rate"]
    if caught.relative is not None and caught.relative > 0:
        found.append(
            text(
                f"{caught.relative:+.0%} more defects are caught. That is better detection or worse parts: it is no measure of "
                "quality by itself.",
                f"攔下的缺陷變化 {caught.relative:+.0%}。可能是檢出變好，也可能是零件變差：本身不代表品質。",
            )
        )
    if after_rows and any((one.reviewed or 0) < (one.flagged or 0) for one in after_rows):
        found.append(
            text(
                "Not every flag of the later period is reviewed; the rest is taken to be like those that are.",
                "後期並非所有待處理件都已複判；其餘視為與已複判者相同。",
            )
        )
    return found


def _whole_days(before_rows: Sequence[LineCounts], after_rows: Sequence[LineCounts]) -> list[Text]:
    """What seconds of whole days rest on, which are no timed looks."""
    found = []
    for where, rows in (
        (("before", "導入前"), before_rows),
        (("after", "導入後"), after_rows),
    ):
        days = sum(one.timed_days.days for one in rows if one.timed_days is not None)
        if not days:
            continue
        timed = sum(one.timed_days.inspected for one in rows if one.timed_days is not None)
        inspected = sum(one.inspected for one in rows)
        found.append(
            text(
                f"The seconds {where[0]} are what inspectors took in all on {days} imported days of a line and product, for "
                f"{timed:,} of {inspected:,} parts; their interval is of how much days differ.",
                f"{where[1]}的秒數取自 {days} 個匯入的產線產品日的檢驗總工時，涵蓋 {inspected:,} 件中的 {timed:,} 件；"
                "其區間反映各日之間的差異。",
            )
        )
        alone = sum(one.timed_days is not None and one.timed_days.days == 1 for one in rows)
        if alone:
            found.append(
                text(
                    f"Lines and products {where[0]} with seconds of one day alone: {alone}. Nothing tells how much their days "
                    "differ, so the interval takes them to be off by as much as they are.",
                    f"{where[1]}有 {alone} 個產線產品僅一天有工時：無從得知各日差異，故區間假設其可能偏離達本身數值。",
                )
            )
    return found


def _study_counts(connection: Connection, id_: str) -> list[LineCounts]:
    """By line and product, a part each by the call of most people without the model; calls of good count as audited."""
    answers = answers_of(connection, id_)
    called, seconds = majority(answers.calls(aided=False)), mean_seconds(answers.seconds(aided=False))
    query = select(study_parts.c.inspection_id).where(study_parts.c.study_id == id_).order_by(study_parts.c.number)
    ids = list(np.array(connection.execute(query).scalars().all())[answers.complete])
    made: dict[str, tuple[str, str]] = {}
    for table in RECORDED:
        rows = connection.execute(select(table.c.id, table.c.line, table.c.product).where(table.c.id.in_(ids)))
        made |= {row.id: (row.line, row.product) for row in rows}
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, part in enumerate(ids):
        found[made[part]].append(number)
    truth = answers.truth[answers.complete]
    return [
        _of_people(line, product, called[of], truth[of], seconds[of]) for (line, product), of in sorted(found.items())
    ]


def _of_people(line: str, product: str, called: Calls, truth: Calls, seconds: Floats) -> LineCounts:
    timed = seconds[np.isfinite(seconds)]
    return LineCounts(
        line=line,
        product=product,
        inspected=called.size,
        flagged=int(called.sum()),
        reviewed=int(called.sum()),
        false_calls=int((called & ~truth).sum()),
        confirmed=int((called & truth).sum()),
        audited=int((~called).sum()),
        audit_defects=float((truth & ~called).sum()),
        escapes=None,
        units=called.size,
        looks=called.size,
        timed=timed.size,
        seconds=float(timed.sum()),
        squared_seconds=float((timed**2).sum()),
    )


def _period_of(connection: Connection, request: FreezeBaseline, zone: ZoneInfo) -> tuple[datetime, datetime]:
    if request.kind is BaselineKind.STUDY:
        return _days_of_study(connection, str(request.study))
    if request.kind is not BaselineKind.SHADOW:
        assert request.first_day is not None and request.last_day is not None
        return span(request.first_day, request.last_day + timedelta(days=1), zone)
    row = connection.execute(select(shadows).where(shadows.c.sequence == request.shadow)).mappings().first()
    if row is None:
        raise ProblemError(
            422,
            text(
                f"shadow: there was no shadow run {request.shadow}; GET /v1/models/shadow/runs lists them",
                f"影子模式：沒有第 {request.shadow} 次影子模式；GET /v1/models/shadow/runs 列出所有次數",
            ),
        )
    if row["ended_at"] is None:
        raise ProblemError(
            422,
            text(
                f"shadow: run {request.shadow} still goes on; end it, then freeze",
                f"影子模式：第 {request.shadow} 次仍在進行；請先停止，再凍結",
            ),
        )
    return row["started_at"], row["ended_at"]


def _days_of_study(connection: Connection, id_: str) -> tuple[datetime, datetime]:
    if answers_of(connection, id_).missing:
        raise ProblemError(
            422,
            text(
                f"study: people have not called every part of {id_} yet; freeze it once they have",
                f"研究：人員尚未判定 {id_} 的所有零件；請在全部判定後再凍結",
            ),
        )
    began = connection.execute(select(studies.c.created_at).where(studies.c.id == id_)).scalar_one()
    last = select(func.max(study_answers.c.answered_at)).where(study_answers.c.study_id == id_)
    return began, connection.execute(last).scalar_one()

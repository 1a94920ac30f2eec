"""Automation bias, from ordinary reviews: what people call with the model's verdict on the screen, and what without it.

The frames of which people see no verdict are drawn by chance (serving.blindness.is_blind), which makes of the ordinary work a
randomised experiment. Challenge parts, whose truth is known, tell how good people's eyes are; a second opinion, whether two
people see the same. Figures are of the team; a person is shown under a pseudonym that nobody can look up, or not at all.
"""

import hmac
import secrets
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from sqlalchemy import Connection, select
from statsmodels.stats.proportion import confint_proportions_2indep

from data.verdict import ReviewDecision, Verdict
from data.wording import Text, text
from serving.bias_schema import BiasMetrics, DecisionTimes, Gap, Observed, Overrides, PersonBias
from serving.quality.agreement import Counted
from serving.schema import AuditKind
from serving.scope import Scope
from serving.settings import Settings
from serving.tables import challenges, reviews

# So many tell any share to 10 points at 95 %.
_TO_COMPARE = 96
# So many without a miss show that 90 % are caught, at 95 %.
_TO_TRUST = 30
# A pseudonym in a team of two hides nobody.
_FEWEST_PEOPLE = 3
_EDGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_CALLS = {ReviewDecision.DEFECT_CONFIRMED.value: True, ReviewDecision.FALSE_CALL.value: False}
# Flagged by the model or not; without a verdict there is nothing to follow.
_JUDGED = (Verdict.PASS, Verdict.REVIEW, Verdict.REJECT)


@dataclass(frozen=True)
class _Call:
    """One person's call of a frame, true for defective."""

    frame: str
    verdict: Verdict
    truth: bool | None
    audit: str | None
    person: str
    defective: bool
    blind: bool
    seconds: float | None

    @property
    def agrees(self) -> bool:
        return self.defective == self.verdict.flagged

    @property
    def production(self) -> bool:
        return self.audit != AuditKind.CHALLENGE.value


def metrics(connection: Connection, scope: Scope, settings: Settings, may_name: bool) -> BiasMetrics:
    """The figures of a scope; `may_name` tells whether the caller may see names, if the settings show any."""
    calls = _calls(connection, scope, settings)
    by_frame: dict[str, list[_Call]] = defaultdict(list)
    for call in calls:
        by_frame[call.frame].append(call)
    firsts = [each[0] for each in by_frame.values()]
    flagged = [call for call in firsts if call.production and call.verdict.flagged]
    shown, blind = ([call for call in flagged if call.blind is hidden] for hidden in (False, True))
    known = [call for call in firsts if not call.production and call.truth is not None and call.blind]
    pairs = [pair for each in by_frame.values() if (pair := _pair(each)) is not None]
    revised = [pair for each in by_frame.values() for pair in _revised(each)]
    changed = [pair for pair in revised if pair[0].defective != pair[1].defective]
    people_shown, people = _people(firsts, settings, may_name)
    return BiasMetrics(
        since=scope.since,
        until=scope.until,
        agreed_shown=_share((call.agrees for call in shown), _TO_COMPARE),
        agreed_blind=_share((call.agrees for call in blind), _TO_COMPARE),
        gap=_gap([call.agrees for call in shown], [call.agrees for call in blind]),
        overrides=_overrides([call for call in firsts if call.production]),
        caught=_share((call.defective for call in known if call.truth), _TO_TRUST),
        cleared=_share((not call.defective for call in known if not call.truth), _TO_TRUST),
        model_caught=_share((call.verdict.flagged for call in known if call.truth), _TO_TRUST),
        model_cleared=_share((not call.verdict.flagged for call in known if not call.truth), _TO_TRUST),
        second=_share((one.defective == other.defective for one, other in pairs), _TO_TRUST),
        first_defect_only=sum(one.defective and not other.defective for one, other in pairs),
        second_defect_only=sum(other.defective and not one.defective for one, other in pairs),
        switched=_share((one.defective != other.defective for one, other in revised), _TO_TRUST),
        switched_to_model=sum(other.agrees for _, other in changed),
        edges=list(_EDGES),
        times=[_times(shown, True), _times(blind, False)],
        people_shown=people_shown,
        people=people,
        notes=_notes(flagged, settings, people_shown, people),
    )


def _calls(connection: Connection, scope: Scope, settings: Settings) -> list[_Call]:
    """Every call of good or defective in the order it was made, those that a person took back at once too."""
    pieces = scope.pieces(clocks=settings.clocks)
    if not pieces:
        return []
    # Few frames of a period were reviewed, and none before it came.
    since = min(piece.start for piece in pieces)
    seen = select(reviews.c.inspection_id).where(reviews.c.received_at >= since, reviews.c.decision.in_(_CALLS))
    frames = scope.recorded(pieces, id=seen).subquery()
    columns = (
        frames.c.id,
        frames.c.verdict,
        frames.c.audit,
        challenges.c.defective,
        reviews.c.reviewer,
        reviews.c.decision,
        reviews.c.blind,
        reviews.c.seconds,
    )
    joined = frames.join(reviews, reviews.c.inspection_id == frames.c.id).outerjoin(
        challenges, challenges.c.part_id == frames.c.part_id
    )
    query = (
        select(*columns)
        .select_from(joined)
        .where(frames.c.verdict.in_([verdict.value for verdict in _JUDGED]), reviews.c.decision.in_(_CALLS))
        .order_by(reviews.c.sequence)
    )
    return [
        _Call(id_, Verdict(verdict), truth, audit, person, _CALLS[decision], bool(blind), seconds)
        for id_, verdict, audit, truth, person, decision, blind, seconds in connection.execute(query)
    ]


def _pair(calls: Sequence[_Call]) -> tuple[_Call, _Call] | None:
    """The first call and another person's who saw neither it nor the verdict."""
    first = calls[0]
    return next(((first, call) for call in calls[1:] if call.blind and call.person != first.person), None)


def _revised(calls: Sequence[_Call]) -> list[tuple[_Call, _Call]]:
    """Each person's first call where it was blind, with the last: another one when the person thought better of it."""
    own: dict[str, list[_Call]] = defaultdict(list)
    for call in calls:
        own[call.person].append(call)
    return [(each[0], each[-1]) for each in own.values() if each[0].blind]


def _share(hits: Iterable[bool], needed: int) -> Observed:
    counted = list(hits)
    found = Counted(sum(counted), len(counted))
    interval = found.interval if found.n >= needed else None
    return Observed(
        value=interval and interval.value,
        low=interval and interval.low,
        high=interval and interval.high,
        hits=found.hits,
        n=found.n,
        needed=needed,
    )


def _gap(first: Sequence[bool], second: Sequence[bool]) -> Gap:
    if min(len(first), len(second)) < _TO_COMPARE:
        return Gap(value=None, low=None, high=None)
    low, high = confint_proportions_2indep(
        sum(first), len(first), sum(second), len(second), method="newcomb", compare="diff"
    )
    return Gap(value=sum(first) / len(first) - sum(second) / len(second), low=float(low), high=float(high))


def _overrides(firsts: Sequence[_Call]) -> list[Overrides]:
    """Passed frames are decided blind only: nobody is asked about a part of which it is known that it passed."""
    groups = ((Verdict.REJECT, True), (Verdict.REVIEW, True), (Verdict.REJECT, False), (Verdict.REVIEW, False))
    found = []
    for verdict, shown in (*groups, (Verdict.PASS, False)):
        calls = [call for call in firsts if call.verdict is verdict and call.blind is not shown]
        against = _share((not call.agrees for call in calls), _TO_COMPARE)
        found.append(Overrides(verdict=verdict, shown=shown, against=against))
    return found


def _times(calls: Sequence[_Call], shown: bool) -> DecisionTimes:
    seconds = [call.seconds for call in calls if call.seconds is not None]
    counts = [0] * (len(_EDGES) + 1)
    for each in seconds:
        counts[bisect_right(_EDGES, each)] += 1
    quantiles = [None] * 3 if len(seconds) < _TO_TRUST else [float(q) for q in np.quantile(seconds, (0.1, 0.5, 0.9))]
    p10, p50, p90 = quantiles
    return DecisionTimes(shown=shown, n=len(seconds), needed=_TO_TRUST, p10=p10, p50=p50, p90=p90, counts=counts)


def _people(
    firsts: Sequence[_Call], settings: Settings, may_name: bool
) -> tuple[Literal["none", "pseudonyms", "names"], list[PersonBias]]:
    own: dict[str, list[_Call]] = defaultdict(list)
    for call in firsts:
        own[call.person].append(call)
    how = settings.reviewing.people_in_figures
    if how == "names" and not may_name:
        how = "pseudonyms"
    if how == "none" or (how == "pseudonyms" and len(own) < _FEWEST_PEOPLE):
        return how, []
    names = sorted(own) if how == "names" else in_no_known_order(own)
    shown = names if how == "names" else [pseudonym(number) for number in range(len(names))]
    return how, [_person(name, own[person]) for name, person in zip(shown, names, strict=True)]


def _person(name: str, calls: Sequence[_Call]) -> PersonBias:
    flagged = [call for call in calls if call.production and call.verdict.flagged]
    seconds = [call.seconds for call in calls if call.seconds is not None]
    return PersonBias(
        name=name,
        decisions=len(calls),
        agreed_shown=_share((call.agrees for call in flagged if not call.blind), _TO_COMPARE),
        agreed_blind=_share((call.agrees for call in flagged if call.blind), _TO_COMPARE),
        caught=_share(
            (call.defective for call in calls if not call.production and call.truth and call.blind), _TO_TRUST
        ),
        median_seconds=float(np.median(seconds)) if len(seconds) >= _TO_TRUST else None,
    )


def _notes(flagged: Sequence[_Call], settings: Settings, people_shown: str, people: Sequence[PersonBias]) -> list[Text]:
    notes = []
    if settings.reviewing.blind_share == 0:
        notes.append(
            text(
                "No flagged part is decided blind (reviewing.blind_share is 0): what the verdict on the screen does is unknown.",
                "沒有任何待處理件採盲判（reviewing.blind_share 為 0）：無從得知畫面上的判定有何影響。",
            )
        )
    if settings.reviewing.second_share == 0:
        notes.append(
            text(
                "Nobody is asked for a second opinion (reviewing.second_share is 0).",
                "未安排第二意見（reviewing.second_share 為 0）。",
            )
        )
    if flagged:
        notes.append(
            text(
                "The gap says what showing the verdict does, not who is right; challenge parts say that.",
                "此差距說明顯示判定的影響，並不代表誰對誰錯；對錯由挑戰件判定。",
            )
        )
    if people_shown == "pseudonyms" and not people:
        notes.append(
            text(
                f"People are not shown one by one: with fewer than {_FEWEST_PEOPLE}, a pseudonym hides nobody.",
                f"不逐人列出：少於 {_FEWEST_PEOPLE} 人時，化名無法隱藏身分。",
            )
        )
    return notes


def in_no_known_order(people: Iterable[str]) -> list[str]:
    """People in an order that tells nothing of their names, the same until the server starts anew."""
    return sorted(people, key=lambda name: hmac.digest(_salt(), name.encode(), "sha256"))


def pseudonym(number: int) -> str:
    """A letter for each person: A, B, ... Z, #27."""
    return chr(ord("A") + number) if number < 26 else f"#{number + 1}"


@cache
def _salt() -> bytes:
    return secrets.token_bytes(32)

"""Automation bias, from ordinary reviews: what people call with the model's verdict on the screen, and what without it.

The frames of which people see no verdict are drawn by chance (serving.blindness.is_blind), which makes of the ordinary work a
randomised experiment. Challenge parts, whose truth is known, tell how good people's eyes are; a second opinion, whether two
people see the same. Figures are of the team; a person is shown under a pseudonym that nobody can look up, or not at all.
"""

import hmac
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Integer, select, type_coerce

from data.verdict import ReviewDecision, Verdict
from data.wording import Text, text
from serving.bias_schema import BiasMetrics, DecisionTimes, Gap, Observed, Overrides, PersonBias
from serving.quality import rates
from serving.quality.agreement import Counted
from serving.schema import AuditKind
from serving.scope import Piece, Scope
from serving.settings import Settings
from serving.tables import challenges, compared, first_calls, reviews

Flags = NDArray[np.bool_]

# So many tell any share to 10 points at 95 %.
_TO_COMPARE = 96
# So many without a miss show that 90 % are caught, at 95 %.
_TO_TRUST = 30
# A pseudonym in a team of two hides nobody.
_FEWEST_PEOPLE = 3
_AT_ONCE = 1000
_EDGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_CALLS = {ReviewDecision.DEFECT_CONFIRMED.value: True, ReviewDecision.FALSE_CALL.value: False}
# Flagged by the model or not; without a verdict there is nothing to follow.
_JUDGED = [verdict.value for verdict in (Verdict.PASS, Verdict.REVIEW, Verdict.REJECT)]


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

    @property
    def agrees(self) -> bool:
        return self.defective == self.verdict.flagged

    @property
    def production(self) -> bool:
        return self.audit != AuditKind.CHALLENGE.value


@dataclass(frozen=True)
class _Firsts:
    """The first call of each frame, [frames] each."""

    people: NDArray[np.str_]
    verdicts: NDArray[np.str_]
    production: Flags
    defective: Flags
    blind: Flags
    seconds: NDArray[np.float64]
    """NaN where nobody took the time"""

    @property
    def flagged(self) -> Flags:
        """By the model, in production."""
        flagged: Flags = self.production & (self.verdicts != Verdict.PASS.value)
        return flagged

    @property
    def agrees(self) -> Flags:
        agrees: Flags = self.defective == (self.verdicts != Verdict.PASS.value)
        return agrees


def metrics(connection: Connection, scope: Scope, settings: Settings, may_name: bool) -> BiasMetrics:
    """The figures of a scope; `may_name` tells whether the caller may see names, if the settings show any."""
    pieces = scope.pieces(clocks=settings.clocks)
    firsts = _firsts(connection, scope, pieces)
    by_frame: dict[str, list[_Call]] = defaultdict(list)
    for call in _compared(connection, scope, pieces):
        by_frame[call.frame].append(call)
    flagged, agrees = firsts.flagged, firsts.agrees
    shown, blind = flagged & ~firsts.blind, flagged & firsts.blind
    own = [each[0] for each in by_frame.values()]
    known = [call for call in own if not call.production and call.truth is not None and call.blind]
    pairs = [pair for each in by_frame.values() if (pair := _pair(each)) is not None]
    revised = [pair for each in by_frame.values() for pair in _revised(each)]
    changed = [pair for pair in revised if pair[0].defective != pair[1].defective]
    people_shown, people = _people(firsts, known, settings, may_name)
    return BiasMetrics(
        since=scope.since,
        until=scope.until,
        agreed_shown=_share(agrees[shown], _TO_COMPARE),
        agreed_blind=_share(agrees[blind], _TO_COMPARE),
        gap=_gap(agrees[shown], agrees[blind]),
        overrides=_overrides(firsts),
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
        times=[_times(firsts.seconds[shown], True), _times(firsts.seconds[blind], False)],
        people_shown=people_shown,
        people=people,
        notes=_notes(bool(flagged.any()), settings, people_shown, people),
    )


def _firsts(connection: Connection, scope: Scope, pieces: Sequence[Piece]) -> _Firsts:
    columns: list[list[Any]] = [[] for _ in range(6)]
    if pieces:
        table = first_calls.c
        is_production = table.audit.is_distinct_from(AuditKind.CHALLENGE.value)
        # As the database has them: to make a bool of each takes as long as to read them.
        flags = (type_coerce(flag, Integer) for flag in (is_production, table.defective, table.blind))
        asked = (table.reviewer, table.verdict, table.seconds, *flags)
        query = scope.select(first_calls, table.received_at, pieces, None, *asked).where(table.verdict.in_(_JUDGED))
        # All rows at once would keep Python's garbage collector busy for longer than it takes to read them.
        for rows in connection.execute(query).partitions(_AT_ONCE):
            for column, values in zip(columns, zip(*rows, strict=True), strict=False):
                column.extend(values)
    people, verdicts, seconds, production, defective, blind = columns
    return _Firsts(
        np.array(people, str),
        np.array(verdicts, str),
        np.array(production, bool),
        np.array(defective, bool),
        np.array(blind, bool),
        np.array(seconds, float),
    )


def _compared(connection: Connection, scope: Scope, pieces: Sequence[Piece]) -> list[_Call]:
    """Every call of frames that two people called, or that somebody did blind, or that are audits or challenges; in the order
    it was made, those that a person took back at once too.
    """
    if not pieces:
        return []
    at = compared.c.received_at
    within = select(compared.c.inspection_id).where(at >= scope.since, at < scope.until)
    frames = scope.recorded(pieces, id=within).subquery()
    columns = (
        frames.c.id,
        frames.c.verdict,
        frames.c.audit,
        challenges.c.defective,
        reviews.c.reviewer,
        reviews.c.decision,
        reviews.c.blind,
    )
    joined = frames.join(reviews, reviews.c.inspection_id == frames.c.id).outerjoin(
        challenges, challenges.c.part_id == frames.c.part_id
    )
    query = select(*columns).select_from(joined).where(reviews.c.decision.in_(_CALLS)).order_by(reviews.c.sequence)
    return [
        _Call(id_, Verdict(verdict), truth, audit, person, _CALLS[decision], bool(blind))
        for id_, verdict, audit, truth, person, decision, blind in connection.execute(query)
        # Asked for here, or SQLite looks up verdicts rather than frames.
        if verdict in _JUDGED
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


def _share(hits: Iterable[bool] | Flags, needed: int) -> Observed:
    counted = np.fromiter(hits, bool)
    found = Counted(int(counted.sum()), len(counted))
    interval = found.interval if found.n >= needed else None
    return Observed(
        value=interval and interval.value,
        low=interval and interval.low,
        high=interval and interval.high,
        hits=found.hits,
        n=found.n,
        needed=needed,
    )


def _gap(first: Flags, second: Flags) -> Gap:
    if min(len(first), len(second)) < _TO_COMPARE:
        return Gap(value=None, low=None, high=None)
    found = rates.difference(int(first.sum()), len(first), int(second.sum()), len(second))
    return Gap(value=found.value, low=found.low, high=found.high)


def _overrides(firsts: _Firsts) -> list[Overrides]:
    """Passed frames are decided blind only: nobody is asked about a part of which it is known that it passed."""
    groups = ((Verdict.REJECT, True), (Verdict.REVIEW, True), (Verdict.REJECT, False), (Verdict.REVIEW, False))
    found = []
    for verdict, shown in (*groups, (Verdict.PASS, False)):
        these = firsts.production & (firsts.verdicts == verdict.value) & (firsts.blind != shown)
        found.append(Overrides(verdict=verdict, shown=shown, against=_share(~firsts.agrees[these], _TO_COMPARE)))
    return found


def _times(seconds: NDArray[np.float64], shown: bool) -> DecisionTimes:
    seconds = seconds[~np.isnan(seconds)]
    counts = np.bincount(np.searchsorted(_EDGES, seconds, side="right"), minlength=len(_EDGES) + 1)
    quantiles = [None] * 3 if len(seconds) < _TO_TRUST else [float(q) for q in np.quantile(seconds, (0.1, 0.5, 0.9))]
    p10, p50, p90 = quantiles
    return DecisionTimes(
        shown=shown, n=len(seconds), needed=_TO_TRUST, p10=p10, p50=p50, p90=p90, counts=counts.tolist()
    )


def _people(
    firsts: _Firsts, known: Sequence[_Call], settings: Settings, may_name: bool
) -> tuple[Literal["none", "pseudonyms", "names"], list[PersonBias]]:
    how = settings.reviewing.people_in_figures
    if how == "names" and not may_name:
        how = "pseudonyms"
    if how == "none":
        return how, []
    everyone, whose = np.unique(firsts.people, return_inverse=True)
    own = {str(name): whose == number for number, name in enumerate(everyone)}
    if how == "pseudonyms" and len(own) < _FEWEST_PEOPLE:
        return how, []
    names = sorted(own) if how == "names" else in_no_known_order(own)
    shown = names if how == "names" else [pseudonym(number) for number in range(len(names))]
    return how, [
        _person(name, firsts, own[person], [call for call in known if call.person == person])
        for name, person in zip(shown, names, strict=True)
    ]


def _person(name: str, firsts: _Firsts, own: Flags, known: Sequence[_Call]) -> PersonBias:
    flagged, agrees = own & firsts.flagged, firsts.agrees
    seconds = firsts.seconds[own & ~np.isnan(firsts.seconds)]
    return PersonBias(
        name=name,
        decisions=int(own.sum()),
        agreed_shown=_share(agrees[flagged & ~firsts.blind], _TO_COMPARE),
        agreed_blind=_share(agrees[flagged & firsts.blind], _TO_COMPARE),
        caught=_share((call.defective for call in known if call.truth), _TO_TRUST),
        median_seconds=float(np.median(seconds)) if len(seconds) >= _TO_TRUST else None,
    )


def _notes(flagged: bool, settings: Settings, people_shown: str, people: Sequence[PersonBias]) -> list[Text]:
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

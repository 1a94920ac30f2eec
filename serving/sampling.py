"""Which passed frames are audited: each is drawn by chance as it is stored, and the row keeps the chance."""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Connection, func, select, true

from data.decide import Thresholds
from data.verdict import DECIDED, ReviewDecision, Verdict
from serving.periodic import Periodic
from serving.quality.allocation import BAND_EDGES, BANDS, allocate, band_of, expected_share
from serving.quality_schema import AuditPlan, PlannedBand
from serving.schema import AuditKind
from serving.settings import Audit, Costs
from serving.store import Store
from serving.tables import challenges, inspections

_ENOUGH_TO_PLAN = 200
_DAY = timedelta(days=1)
_LOOK_BACK = timedelta(days=30)


@dataclass(frozen=True)
class Draw:
    """What the row of an inspection says of audits."""

    kind: AuditKind | None = None
    band: int | None = None
    probability: float | None = None
    queue_cost: float | None = None
    """its place in the queue, among the flagged parts by chance, so that the place tells nothing; None when it is not drawn"""


NOT_DRAWN = Draw()


class Sampler:
    """Draws on any thread. The chances follow from what passed in the last 24 hours and what its audits found."""

    def __init__(self, settings: Audit, costs: Costs, store: Store, chance: random.Random | None = None) -> None:
        self._settings = settings
        self._costs = costs
        self._store = store
        self._chance = chance or random.SystemRandom()
        self._probabilities: Sequence[float] = [settings.first_share if settings.per_day > 0 else 0.0] * BANDS
        self._challenges: frozenset[str] = frozenset()
        self._periodic = Periodic("audit-plan", self.run, settings.plan_minutes * 60)
        self.close = self._periodic.close

    def start(self) -> None:
        self.load_challenges()
        if self._settings.per_day > 0:
            self._periodic.start()

    def load_challenges(self) -> None:
        """Learn which parts are challenges; to be called after each change."""
        with self._store.reading() as connection:
            self._challenges = frozenset(connection.execute(select(challenges.c.part_id)).scalars())

    def is_challenge(self, part_id: str) -> bool:
        """Whether the part was put on the line on purpose."""
        return part_id in self._challenges

    @property
    def probabilities(self) -> Sequence[float]:
        """Chance of a passed frame to be drawn, by score band."""
        return self._probabilities

    def draw(
        self, part_id: str, verdict: Verdict, defect_probability: float | None, thresholds: Thresholds | None
    ) -> Draw:
        """Whether people look at this frame although it passed, or because its truth is known."""
        if self.is_challenge(part_id) and verdict is not Verdict.NO_DECISION:
            return Draw(AuditKind.CHALLENGE, queue_cost=place_in_queue(self._costs, self._chance))
        if verdict is not Verdict.PASS or defect_probability is None:
            return NOT_DRAWN
        assert thresholds is not None
        band = band_of(defect_probability, thresholds.pass_below)
        probability = self._probabilities[band]
        if self._chance.random() >= probability:
            return Draw(band=band, probability=probability)
        return Draw(AuditKind.SAMPLE, band, probability, place_in_queue(self._costs, self._chance))

    def run(self, stop: threading.Event) -> None:  # noqa: ARG002 - it takes no time
        """Set the chances anew."""
        with self._store.reading() as connection:
            self._probabilities = plan(connection, self._settings, datetime.now(UTC))


def place_in_queue(costs: Costs, chance: random.Random) -> float:
    """A cost like those of flagged parts, by chance."""
    return chance.uniform(0, costs.escape)


def plan(connection: Connection, settings: Audit, now: datetime) -> list[float]:
    """The chances for the time to come, so that a day's audits and those that still wait stay within the capacity."""
    table = inspections.c
    day = select(table.audit_band, func.count(), func.avg(table.defect_probability), func.min(table.received_at)).where(
        table.received_at >= now - _DAY, table.verdict == Verdict.PASS.value, table.audit_band.is_not(None)
    )
    sizes, scores, first = np.zeros(BANDS), np.zeros(BANDS), now
    for band, count, score, since in connection.execute(day.group_by(table.audit_band)):
        sizes[band], scores[band], first = count, score, min(first, since)
    if sizes.sum() < _ENOUGH_TO_PLAN:
        return [settings.first_share] * BANDS
    span = max(now - first, timedelta(minutes=1))
    audits = select(table.audit_band, table.decision, func.count()).where(
        table.audit == AuditKind.SAMPLE.value,
        table.received_at >= now - _LOOK_BACK,
        table.decision.in_([each.value for each in DECIDED]),
    )
    audited, defects = [0] * BANDS, [0] * BANDS
    for band, decision, count in connection.execute(audits.group_by(table.audit_band, table.decision)):
        audited[band] += count
        defects[band] += count if decision == ReviewDecision.DEFECT_CONFIRMED.value else 0
    waiting = connection.execute(
        select(func.count())
        .select_from(inspections)
        .where(table.audit == AuditKind.SAMPLE.value, table.queue_cost.is_not(None))
    ).scalar_one()
    # More than a day's work waits: whatever was drawn on top would wait too.
    capacity = max(0.0, min(settings.per_day, 2 * settings.per_day - waiting))
    shares = expected_share(defects, audited, scores.tolist())
    expected = (sizes * (_DAY / span)).tolist()
    return [float(chance) for chance in allocate(expected, shares.tolist(), capacity, settings.least)]


def report(connection: Connection, settings: Audit, probabilities: Sequence[float]) -> AuditPlan:
    """How frames are drawn, and how far their reviews have come."""
    table = inspections.c
    waits = func.coalesce(table.decision.not_in([each.value for each in DECIDED]), true())
    query = select(table.audit_band, waits, func.count()).where(table.audit == AuditKind.SAMPLE.value)
    drawn, decided = [0] * BANDS, [0] * BANDS
    for band, waiting, count in connection.execute(query.group_by(table.audit_band, waits)):
        drawn[band] += count
        decided[band] += 0 if waiting else count
    lately = table.audit == AuditKind.SAMPLE.value, table.received_at >= datetime.now(UTC) - _DAY
    edges = (0.0, *BAND_EDGES, 1.0)
    return AuditPlan(
        per_day=settings.per_day,
        probabilities=list(probabilities),
        waiting=sum(drawn) - sum(decided),
        decided=sum(decided),
        drawn_in_24_hours=connection.execute(select(func.count()).select_from(inspections).where(*lately)).scalar_one(),
        bands=[
            PlannedBand(
                score_from=edges[band],
                score_below=edges[band + 1],
                probability=probabilities[band],
                drawn=drawn[band],
                decided=decided[band],
            )
            for band in range(BANDS)
        ],
        challenges=connection.execute(select(func.count()).select_from(challenges)).scalar_one(),
    )

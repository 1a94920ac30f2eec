"""Innovation, employees and customers: figures that are tracked over time and never summed into money."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

from sqlalchemy import Connection, func, select

from data.verdict import ReviewDecision, Verdict
from data.wording import text
from serving.audit import Action
from serving.baseline_schema import Imported
from serving.batches import add_batch
from serving.hourly import outcomes, outcomes_ever
from serving.kpi_schema import Kpi, KpiKey, KpiPoint, KpiRow, Kpis, NewClass
from serving.metrics import rate_of
from serving.metrics_schema import Rate
from serving.model_schema import ModelInfo
from serving.tables import EPOCH, kpis, promotions, reviews

_CATEGORY: dict[KpiKey, Literal["innovation", "employees", "customers"]] = {
    "survey": "employees",
    "staff_kept": "employees",
    "nps": "customers",
    "customers_kept": "customers",
    "npi_days": "innovation",
    "ai_assisted_products": "innovation",
}
_DAY = timedelta(days=1)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)


def import_kpis(connection: Connection, rows: Sequence[KpiRow], person: str, reason: str) -> Imported:
    """Add figures; a later one of the same day supersedes."""
    values = [
        {"key": row.kpi, "day": row.day.isoformat(), "value": row.value, "n": row.n, "source": row.source}
        for row in rows
    ]
    add_batch(connection, kpis, values, Action.KPIS_IMPORTED, person, reason)
    days = [row.day for row in rows]
    return Imported(rows=len(rows), first_day=min(days), last_day=max(days))


def kpis_of(connection: Connection, models: Sequence[ModelInfo]) -> Kpis:
    """Everything tracked; `models` says which classes each bundle knows."""
    return Kpis(
        override_rate=override_rate(connection),
        new_classes=_new_classes(connection, models),
        imported=_imported(connection),
    )


def override_rate(connection: Connection, since: datetime | None = None, until: datetime | None = None) -> Rate:
    """Rejects that people called false and passes that they called defects, among all rejects and passes that they decided."""
    against = {
        (Verdict.PASS, ReviewDecision.DEFECT_CONFIRMED),
        (Verdict.REJECT, ReviewDecision.FALSE_CALL),
    }
    counted = against | {
        (Verdict.PASS, ReviewDecision.FALSE_CALL),
        (Verdict.REJECT, ReviewDecision.DEFECT_CONFIRMED),
    }
    if since is None and until is None:
        found = outcomes_ever(connection)
    else:
        period = (since or EPOCH, until or _LATEST)
        found = outcomes(connection, *period, None)
    overruled = sum(found[one] for one in against)
    total = sum(found[one] for one in counted)
    nobody = text("no passed or rejected part is decided by a person yet", "尚無合格或不合格零件經人員判定")
    return rate_of(overruled, total, nobody)


def _new_classes(connection: Connection, models: Sequence[ModelInfo]) -> list[NewClass]:
    knows = {(model.name, model.version): set(model.defect_classes) for model in models}
    known_since: dict[str, datetime] = {}
    for row in connection.execute(select(promotions).order_by(promotions.c.sequence)):
        for name in knows.get((row.name, row.version), ()):
            known_since.setdefault(name, row.promoted_at)
    named = select(reviews.c.defect_class, func.min(reviews.c.received_at)).where(reviews.c.defect_class.is_not(None))
    found = []
    for name, first in connection.execute(named.group_by(reviews.c.defect_class)):
        known = known_since.get(name)
        # A model that decides by setting alone has no promotion: what it knows is not new.
        if (known is not None and known <= first) or (known is None and any(name in one for one in knows.values())):
            continue
        days = ((known or datetime.now(UTC)) - first) / _DAY
        found.append(NewClass(name=name, first_named_at=first, known_at=known, days=days))
    return sorted(found, key=lambda one: one.first_named_at)


def _imported(connection: Connection) -> list[Kpi]:
    points: dict[str, dict[str, KpiPoint]] = {}
    for row in connection.execute(select(kpis).order_by(kpis.c.day, kpis.c.sequence)):
        point = KpiPoint(day=date.fromisoformat(row.day), value=row.value, n=row.n, source=row.source)
        points.setdefault(row.key, {})[row.day] = point
    return [
        Kpi(key=key, category=_CATEGORY[key], points=list(points[key].values()))
        for key in get_args(KpiKey)
        if key in points
    ]

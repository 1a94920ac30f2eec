"""Parts that several cameras see: which still lack a view, and which have lacked it beyond their time window."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from serving.events import Events
from serving.gauges import Gauges
from serving.schema import FrameInfo, OverduePart
from serving.settings import Recipe, Settings
from serving.store import Store
from serving.tables import inspections

log = structlog.get_logger()

_LOOK_EVERY_SECONDS = 0.5
# Beyond this many the oldest are let go; the parts stay held, for GET /v1/parts asks the database.
_MOST_OVERDUE = 10_000

PartKey = tuple[str, str, str]
"""Product, station and part_id."""


@dataclass
class _Incomplete:
    recipe: Recipe
    line: str
    missing: set[str]
    due_at: datetime


class Views:
    """Used on the event loop's thread alone."""

    def __init__(self, settings: Settings, store: Store, events: Events, gauges: Gauges) -> None:
        self._recipes: Mapping[tuple[str, str], Recipe] = {
            (recipe.product, recipe.station): recipe for recipe in settings.recipes if recipe.expected_views
        }
        self._store = store
        self._events = events
        self._gauges = gauges
        self._awaited: dict[PartKey, _Incomplete] = {}
        self._overdue: OrderedDict[PartKey, _Incomplete] = OrderedDict()

    def load(self, now: datetime) -> None:
        """Take up the parts that were incomplete when the server stopped, as far back as a day beyond their window."""
        with self._store.reading() as connection:
            for (product, station), recipe in self._recipes.items():
                columns = inspections.c
                since = now - timedelta(days=1, seconds=recipe.view_window_seconds)
                query = (
                    select(columns.part_id, columns.camera, columns.line, columns.received_at)
                    .where(columns.received_at >= since, columns.product == product, columns.station == station)
                    .order_by(columns.received_at)
                )
                for row in connection.execute(query):
                    self._note(recipe, (product, station, row.part_id), row.camera, row.line, row.received_at)
        self._count()

    def seen(self, info: FrameInfo, received_at: datetime) -> None:
        """A frame was stored."""
        recipe = self._recipes.get((info.product, info.station))
        if recipe is not None:
            self._note(recipe, (info.product, info.station, info.part_id), info.camera, info.line, received_at)
            self._count()

    async def watch(self) -> None:
        """Raise the event `part_overdue` for every part whose window ends with a view missing; until cancelled."""
        while self._recipes:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            now = datetime.now(UTC)
            due = [(key, part) for key, part in self._awaited.items() if part.due_at <= now]
            if not due:
                continue
            try:
                seen = await asyncio.to_thread(self._seen_ever, [key for key, _ in due])
            except SQLAlchemyError as error:  # also that all connections are in use: the watch must go on
                log.warning("overdue parts not looked up", cause=str(error))
                continue
            for key, part in due:
                self._awaited.pop(key, None)
                # A part seen again after it was complete has its other views from then.
                part.missing -= seen[key]
                if part.missing:
                    self._raise(key, part)
            self._count()

    def _note(self, recipe: Recipe, key: PartKey, camera: str, line: str, received_at: datetime) -> None:
        part = self._awaited.get(key) or self._overdue.get(key)
        if part is None:
            due_at = received_at + timedelta(seconds=recipe.view_window_seconds)
            part = self._awaited[key] = _Incomplete(recipe, line, set(recipe.expected_views), due_at)
        part.missing.discard(camera)
        if not part.missing:
            self._awaited.pop(key, None)
            self._overdue.pop(key, None)

    def _raise(self, key: PartKey, part: _Incomplete) -> None:
        product, station, part_id = key
        self._overdue[key] = part
        if len(self._overdue) > _MOST_OVERDUE:
            self._overdue.popitem(last=False)
        missing = [camera for camera in part.recipe.expected_views if camera in part.missing]
        message = OverduePart(
            part_id=part_id, product=product, station=station, line=part.line, missing_views=missing, due_at=part.due_at
        )
        log.warning("part overdue", part_id=part_id, product=product, station=station, missing_views=missing)
        self._events.publish("part_overdue", message)

    def _seen_ever(self, keys: list[PartKey]) -> dict[PartKey, set[str]]:
        with self._store.reading() as connection:
            return {key: _cameras(connection, key) for key in keys}

    def _count(self) -> None:
        self._gauges.views_awaited.set(len(self._awaited))
        self._gauges.views_overdue.set(len(self._overdue))


def _cameras(connection: Connection, key: PartKey) -> set[str]:
    product, station, part_id = key
    columns = inspections.c
    query = select(columns.camera).where(
        columns.part_id == part_id, columns.product == product, columns.station == station
    )
    return set(connection.execute(query.distinct()).scalars())

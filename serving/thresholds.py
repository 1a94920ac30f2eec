"""Thresholds that people set for the model that decides: versioned, audited, in force from the next frame on.

What decides a frame's thresholds, first of all: a change for its recipe; a change for wherever no recipe has its own, unless
the recipe has a model of its own; the model's. A promotion or roll-back, of the same model too, returns to the model's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Select, func, insert, select

from data.bundle import Bundle
from data.decide import Guarantee, InForce, Thresholds
from data.operating import guarantee_at
from data.wording import Text, text
from serving.audit import Action, append
from serving.caller import Caller
from serving.engine import Engine, RecipeName
from serving.model_schema import RecipeRef
from serving.models import Models, named_recipe, of_recipe
from serving.problem import ProblemError
from serving.role import Permission
from serving.schema import ModelRef
from serving.settings import Settings
from serving.store import Store
from serving.tables import promotions, threshold_changes
from serving.threshold_schema import ThresholdChange, ThresholdRequest, ThresholdsHere

log = structlog.get_logger()

_SHOWN_CHANGES = 50


@dataclass(frozen=True)
class _Place:
    """Where thresholds count, and the model that decides there."""

    recipe: RecipeName | None
    bundle: Bundle
    promoted_for: RecipeName | None
    """the recipe for which that model was promoted; None where it decides wherever no recipe has its own"""

    @property
    def model(self) -> ModelRef:
        return ModelRef(name=self.bundle.manifest.name, version=self.bundle.manifest.version)


class ThresholdChanges:
    """Open with the service, after its models; changes and promotions take turns."""

    def __init__(self, settings: Settings, store: Store, engine: Engine, models: Models) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine
        self._models = models

    def start(self) -> None:
        """Put in force again what was when the server stopped."""
        with self._store.reading() as connection:
            for recipe in self._recipes():
                place = self._place(recipe)
                if place is None:
                    continue
                query = _changes(recipe).limit(1)
                last = connection.execute(query).first()
                if (
                    last is not None
                    and ModelRef(name=last.model_name, version=last.model_version) == place.model
                    and last.promotion == _last_promotion(connection, place)
                ):
                    in_force = InForce(
                        pass_below=last.pass_below,
                        reject_from=last.reject_from,
                        change=last.sequence,
                        guaranteed=last.guaranteed,
                    )
                    self._engine.set_thresholds(in_force, place.bundle, recipe)

    def everywhere(self) -> list[ThresholdsHere]:
        """For wherever no recipe has its own, then for each recipe; without those that no model decides."""
        with self._store.reading() as connection:
            places = [self._place(recipe) for recipe in self._recipes()]
            return [self._here(connection, place) for place in places if place is not None]

    def change(self, request: ThresholdRequest, caller: Caller) -> ThresholdsHere:
        """Write the change down, then let it decide.

        Raises a 404 problem for an unknown recipe, 409 when another model decides by now or none, and for thresholds that no
        guarantee covers unless the request goes ahead without; then 403 for callers who may not.
        """
        person = caller.answers_to(request.person)
        with self._models.changing:
            recipe = named_recipe(self._settings, request.recipe)
            place = self._place(recipe)
            if place is None or place.model != request.model:
                now = None if place is None else f"{place.model.name} {place.model.version}"
                wanted_of = f"{request.model.name} {request.model.version}"
                raise ProblemError(
                    409,
                    text(
                        f"{now or 'no model'} decides by now, not {wanted_of}; look again",
                        f"{f'目前已改由 {now} 判定' if now else '目前沒有模型判定'}，而非 {wanted_of}；請重新查看",
                    ),
                )
            wanted = Thresholds(pass_below=request.pass_below, reject_from=request.reject_from)
            manifest = place.bundle.manifest
            guarantee = guarantee_at(wanted, manifest.thresholds, manifest.guarantee, manifest.curve)
            objections = _objections(place.bundle, wanted, guarantee)
            if objections and not request.without_guarantee:
                raise ProblemError(
                    409,
                    text(
                        f"no guarantee covers these thresholds: {_joined(objections).en} To go ahead all the same, set "
                        "without_guarantee, and let the reason say why",
                        f"這些門檻沒有任何保證涵蓋：{_joined(objections).zh_hant}若仍要套用，請勾選不受保證並在原因中說明",
                    ),
                )
            if objections and not caller.may(Permission.WAIVE):
                raise ProblemError(
                    403,
                    text(
                        f"{caller.role.value} may not set thresholds that no guarantee covers: {_joined(objections).en}",
                        f"您的角色（{caller.role.value}）不得設定沒有保證涵蓋的門檻：{_joined(objections).zh_hant}",
                    ),
                )
            before = self._in_force(place)
            row = {
                "product": recipe and recipe[0],
                "station": recipe and recipe[1],
                "model_name": place.model.name,
                "model_version": place.model.version,
                "old_pass_below": before.pass_below,
                "old_reject_from": before.reject_from,
                "pass_below": wanted.pass_below,
                "reject_from": wanted.reject_from,
                "guaranteed": guarantee is not None and guarantee.holds,
                "person": person,
                "reason": request.reason,
                "set_at": datetime.now(UTC),
            }

            def add(connection: Connection) -> int:
                told = {**row, "promotion": _last_promotion(connection, place)}
                inserting = insert(threshold_changes).values(told).returning(threshold_changes.c.sequence)
                sequence: int = connection.execute(inserting).scalar_one()
                old = {"pass_below": before.pass_below, "reject_from": before.reject_from, "change": before.change}
                new = {"sequence": sequence, **told}
                append(connection, Action.THRESHOLDS, str(sequence), person, old=old, new=new, reason=request.reason)
                return sequence

            change = self._store.submit(add).result()
            in_force = InForce(**wanted.model_dump(), change=change, guaranteed=row["guaranteed"])
            self._engine.set_thresholds(in_force, place.bundle, recipe)
            log.info("thresholds set", recipe=recipe, person=person, **in_force.model_dump())
            with self._store.reading() as connection:
                return self._here(connection, place)

    def _recipes(self) -> list[RecipeName | None]:
        return [None, *((recipe.product, recipe.station) for recipe in self._settings.recipes)]

    def _place(self, recipe: RecipeName | None) -> _Place | None:
        if recipe is None or recipe not in self._engine.recipes:
            bundle, promoted_for = self._engine.bundle, None
        else:
            bundle, promoted_for = self._engine.recipes[recipe], recipe
        return None if bundle is None else _Place(recipe, bundle, promoted_for)

    def _in_force(self, place: _Place) -> InForce:
        return self._engine.thresholds_for(place.bundle, *(place.recipe or ("", "")))

    def _here(self, connection: Connection, place: _Place) -> ThresholdsHere:
        manifest, in_force = place.bundle.manifest, self._in_force(place)
        rows = connection.execute(_changes(place.recipe).limit(_SHOWN_CHANGES))
        return ThresholdsHere(
            recipe=place.recipe and RecipeRef(product=place.recipe[0], station=place.recipe[1]),
            model=place.model,
            own=manifest.thresholds,
            in_force=in_force,
            promised=manifest.guarantee,
            guarantee=guarantee_at(in_force, manifest.thresholds, manifest.guarantee, manifest.curve),
            curve=manifest.curve,
            changes=[
                ThresholdChange(
                    change=row.sequence,
                    model=ModelRef(name=row.model_name, version=row.model_version),
                    old=Thresholds(pass_below=row.old_pass_below, reject_from=row.old_reject_from),
                    new=Thresholds(pass_below=row.pass_below, reject_from=row.reject_from),
                    guaranteed=row.guaranteed,
                    person=row.person,
                    reason=row.reason,
                    set_at=row.set_at,
                )
                for row in rows
            ],
        )


def _objections(bundle: Bundle, wanted: Thresholds, guarantee: Guarantee | None) -> list[Text]:
    """What speaks against thresholds that let more through than the model's own and that no bound covers, a sentence each.

    More cautious ones than the model's need no guarantee to be allowed, even where the model has none.
    """
    manifest = bundle.manifest
    wider_pass = wanted.pass_below > manifest.thresholds.pass_below
    wider_reject = wanted.reject_from < manifest.thresholds.reject_from
    if guarantee is None:
        return [
            text(
                f"{manifest.name} {manifest.version} carries no curve, so nothing tells what thresholds wider than its own do.",
                f"{manifest.name} {manifest.version} 未附曲線，無從得知比其本身更寬的門檻會有何結果。",
            )
        ]
    return [
        bound.sentence
        for wider, bound in ((wider_pass, guarantee.escape), (wider_reject, guarantee.reject_good))
        if wider and not bound.holds
    ]


def _joined(sentences: Sequence[Text]) -> Text:
    return text(" ".join(one.en for one in sentences), "".join(one.zh_hant for one in sentences))


def _changes(recipe: RecipeName | None) -> Select[tuple[Any, ...]]:
    query = select(threshold_changes).where(of_recipe(threshold_changes, recipe))
    return query.order_by(threshold_changes.c.sequence.desc())


def _last_promotion(connection: Connection, place: _Place) -> int:
    """0 before the first."""
    last = select(func.max(promotions.c.sequence)).where(of_recipe(promotions, place.promoted_for))
    return connection.execute(last).scalar_one() or 0

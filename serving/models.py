"""The bundles on this server: which there are, which one decides, and who promoted it and why."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import ColumnElement, Connection, Table, insert, or_, select, update

from data.bundle import CARD, MANIFEST, Bundle, Manifest, read_manifest, sha256_of
from data.errors import BundleError
from data.promotion import judge
from data.wording import Text, text
from serving.audit import Action, append
from serving.bundle_watch import BundleWatch
from serving.engine import Engine, RecipeName
from serving.model_schema import ModelInfo, PromoteRequest, PromotionKind, RecipeRef, ShadowInfo, ShadowRequest
from serving.pairs import last_shadow
from serving.problem import ProblemError
from serving.settings import Recipe, Settings
from serving.shadow import Shadow, Shadowing
from serving.store import Store
from serving.tables import promotions, shadows
from serving.watch import Watch

log = structlog.get_logger()


class Models:
    """Loads bundles off the request path and lets the engine swap; a refused bundle changes nothing."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        engine: Engine,
        shadow: Shadow,
        watch: Watch,
        bundle_watch: BundleWatch,
    ) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine
        self._shadow = shadow
        self._watch = watch
        self._bundle_watch = bundle_watch
        self.changing = threading.Lock()
        """held while it changes which model decides, or at which thresholds"""

    def start(self) -> None:
        """Load the bundle of the settings, else the last promoted, else the newest. Raises BundleError when it is unfit.

        A shadow that was at work goes on; one that can no longer be loaded is no reason to complain to the line.
        """
        self._resume_shadow()
        with self._store.reading() as connection:
            path = bundle_to_serve(self._settings, connection)
        self._engine.swap(self._load(path))

    def start_recipes(self) -> dict[RecipeName, str]:
        """Load the bundles that recipes have of their own: the last promoted for one, else the one that its settings name.

        Returns why frames of a recipe will be held, for each whose bundle is unfit: no other model decides in its place.
        """
        unfit: dict[RecipeName, str] = {}
        for recipe in self._settings.recipes:
            name = (recipe.product, recipe.station)
            try:
                with self._store.reading() as connection:
                    path = bundle_of_recipe(self._settings, connection, recipe)
                if path is not None:
                    self._engine.swap(self._loaded(path) or self._load(path), name)
            except BundleError as error:
                unfit[name] = str(error)
                self._engine.swap(None, name)
        return unfit

    def list(self) -> list[ModelInfo]:
        """The bundles whose manifest can be read, and those in use that went from disk, newest first."""
        there = list(self._manifests().values())
        known = {(manifest.name, manifest.version) for manifest in there}
        used = (bundle.manifest for bundle in self._bundle_watch.in_use)
        there += [manifest for manifest in used if (manifest.name, manifest.version) not in known]
        manifests = sorted(there, key=lambda manifest: manifest.created_at, reverse=True)
        previous = self._previous()
        return [
            self._info(manifest).model_copy(update={"previous": (manifest.name, manifest.version) == previous})
            for manifest in manifests
        ]

    def card(self, version: str) -> bytes:
        """The bundle's model card, HTML as the export wrote it. Raises a 404 problem without one, 409 when it was altered."""
        path = self._path_of(version)
        listed, file = read_manifest(path).files.get(CARD), path / CARD
        if listed is None or not file.is_file():
            raise ProblemError(
                404,
                text(f"the bundle of version {version} has no {CARD}", f"版本 {version} 的模型沒有說明卡（{CARD}）"),
            )
        if sha256_of(file) != listed:
            raise ProblemError(
                409,
                text(
                    f"{file} was altered after export (its sha256 differs); copy the bundle again",
                    f"{file} 在匯出後遭更動（sha256 不符）；請重新複製模型",
                ),
            )
        return file.read_bytes()

    def promote(self, request: PromoteRequest, person: str) -> ModelInfo:
        """Verify, load and warm a bundle, write down the promotion, then swap.

        A version that decided here before may always come back. Any other must miss no target and be shown to be better
        than the present one, unless the request forces it; what was overruled is written down with the reason. Raises a
        404 problem for an unknown version or recipe, 409 for an ambiguous version and for a bundle that is refused.
        """
        with self.changing:
            path = self._path_of(request.version)
            recipe = named_recipe(self._settings, request.recipe)
            try:
                bundle = self._load(path)
            except BundleError as error:
                raise ProblemError(
                    409,
                    text(
                        f"refused, the present model keeps deciding: {error}",
                        f"拒絕啟用，仍由目前的模型判定：{error.said.zh_hant}",
                    ),
                ) from error
            present = self._engine.bundle if recipe is None else self._engine.bundle_for(*recipe)
            kind, objections = self._weigh(bundle, present, recipe)
            if objections and not request.force:
                raise ProblemError(
                    409,
                    text(
                        f"refused, the present model keeps deciding: {'; '.join(one.en for one in objections)}. "
                        "To go ahead all the same, set force, and let the reason say why",
                        f"拒絕啟用，仍由目前的模型判定：{'；'.join(one.zh_hant for one in objections)}。"
                        "若仍要執行，請勾選確認（force）並在原因中說明",
                    ),
                )
            row = {
                "name": bundle.manifest.name,
                "version": bundle.manifest.version,
                "previous_name": present and present.manifest.name,
                "previous_version": present and present.manifest.version,
                "reason": request.reason,
                "person": person,
                "promoted_at": datetime.now(UTC),
                "kind": kind.value,
                "overruled": [one.en for one in objections],
                "product": recipe and recipe[0],
                "station": recipe and recipe[1],
            }

            def add(connection: Connection) -> None:
                sequence = connection.execute(
                    insert(promotions).values(row).returning(promotions.c.sequence)
                ).scalar_one()
                told = {"sequence": sequence, **row}
                append(connection, Action.PROMOTION, str(sequence), person, new=told, reason=request.reason)

            self._store.submit(add).result()
            self._engine.swap(bundle, recipe)
            self._watch.restart()
            self._bundle_watch.check_soon()
            self._end_shadow_of(bundle.manifest, person)
            log.info(
                "model promoted",
                version=request.version,
                recipe=recipe,
                kind=kind.value,
                person=person,
                reason=request.reason,
                overruled=row["overruled"],
            )
            return self._info(bundle.manifest)

    def start_shadow(self, request: ShadowRequest) -> ShadowInfo:
        """Verify, load and warm a bundle, write it down, then let it score silently; one that did so before ends.

        Raises a 404 problem for an unknown version, 409 for the active one and for a bundle that is refused.
        """
        with self.changing:
            path = self._path_of(request.version)
            try:
                # One thread: it runs on the shadow's own, whose priority is low.
                bundle = Bundle.load(path, threads=1)
            except BundleError as error:
                raise ProblemError(409, text(f"refused: {error}", f"拒絕：{error.said.zh_hant}")) from error
            manifest = bundle.manifest
            if self._is_active(manifest):
                raise ProblemError(
                    409,
                    text(
                        f"{manifest.name} {manifest.version} decides already; choose another as shadow",
                        f"{manifest.name} {manifest.version} 已是使用中的模型；請另選影子模型",
                    ),
                )
            now = datetime.now(UTC)
            row = {
                "name": manifest.name,
                "version": manifest.version,
                "reason": request.reason,
                "person": request.person,
                "started_at": now,
            }

            def add(connection: Connection) -> int:
                connection.execute(update(shadows).where(shadows.c.ended_at.is_(None)).values(ended_at=now))
                inserting = insert(shadows).values(row).returning(shadows.c.sequence)
                sequence: int = connection.execute(inserting).scalar_one()
                append(connection, Action.SHADOW, str(sequence), request.person, new=row, reason=request.reason)
                return sequence

            number = self._store.submit(add).result()
            self._shadow.change(Shadowing(number, bundle))
            log.info("shadow started", version=request.version, person=request.person, reason=request.reason)
            return ShadowInfo(number=number, **row, ended_at=None)

    def stop_shadow(self, person: str, reason: str) -> ShadowInfo:
        """Let no bundle score silently any more; what it scored is kept. Raises a 404 problem when none does."""
        with self.changing:
            return self._stop_shadow(person, reason)

    def _stop_shadow(self, person: str, reason: str) -> ShadowInfo:
        def end(connection: Connection) -> ShadowInfo:
            last = last_shadow(connection)
            if last is None or last.ended_at is not None:
                raise ProblemError(404, text("no bundle is a shadow at present", "目前沒有影子模型"))
            ended_at = datetime.now(UTC)
            connection.execute(update(shadows).where(shadows.c.sequence == last.number).values(ended_at=ended_at))
            told = {"name": last.name, "version": last.version, "ended_at": ended_at}
            before = told | {"ended_at": None}
            append(connection, Action.SHADOW, str(last.number), person, old=before, new=told, reason=reason)
            return last.model_copy(update={"ended_at": ended_at})

        info = self._store.submit(end).result()
        self._shadow.change(None)
        log.info("shadow stopped", version=info.version, person=person, reason=reason)
        return info

    def _end_shadow_of(self, manifest: Manifest, person: str) -> None:
        present = self._shadow.present
        if present is not None and _is(present.bundle.manifest, manifest.name, manifest.version):
            self._stop_shadow(person, "it was promoted")

    def _resume_shadow(self) -> None:
        with self._store.reading() as connection:
            last = last_shadow(connection)
        if last is None or last.ended_at is not None:
            return
        for path, manifest in self._manifests().items():
            if _is(manifest, last.name, last.version):
                try:
                    self._shadow.change(Shadowing(last.number, Bundle.load(path, threads=1)))
                except BundleError as error:
                    log.error("shadow not resumed", version=last.version, cause=str(error))
                return
        log.error("shadow not resumed", version=last.version, cause=f"no such bundle in {self._settings.bundles}")

    def _path_of(self, version: str) -> Path:
        manifests = self._manifests()
        found = [path for path, manifest in manifests.items() if manifest.version == version]
        if not found:
            there = ", ".join(sorted(manifest.version for manifest in manifests.values()))
            raise ProblemError(
                404,
                text(
                    f"no bundle of version {version} in {self._settings.bundles}; there are: {there or 'none'}",
                    f"{self._settings.bundles} 中沒有版本 {version} 的模型；現有版本：{there or '無'}",
                ),
            )
        if len(found) > 1:
            raise ProblemError(
                409,
                text(
                    f"version {version} is in {found[0]} and {found[1]}; remove one",
                    f"版本 {version} 同時位於 {found[0]} 與 {found[1]}；請移除其中之一",
                ),
            )
        return found[0]

    def _previous(self) -> tuple[str, str] | None:
        """Name and version of what decided before the active bundle, when promotions tell."""
        active = self._engine.bundle
        if active is None:
            return None
        present = active.manifest.name, active.manifest.version
        table = promotions.c
        query = select(table.name, table.version, table.previous_name, table.previous_version)
        with self._store.reading() as connection:
            for row in connection.execute(query.order_by(table.sequence.desc())):
                if (row.name, row.version) != present:
                    return row.name, row.version
                if row.previous_version is not None and (row.previous_name, row.previous_version) != present:
                    return row.previous_name, row.previous_version
        return None

    def _is_active(self, manifest: Manifest) -> bool:
        active = self._engine.bundle
        return active is not None and _is(active.manifest, manifest.name, manifest.version)

    def _weigh(
        self, bundle: Bundle, present: Bundle | None, recipe: RecipeName | None
    ) -> tuple[PromotionKind, tuple[Text, ...]]:
        """Of which kind a promotion would be, and what speaks against it."""
        if present is not None and _is(present.manifest, bundle.manifest.name, bundle.manifest.version):
            return PromotionKind.PROMOTED, ()
        if self._decided_before(bundle.manifest, recipe):
            return PromotionKind.ROLLED_BACK, ()
        objections = judge(bundle.path, None if present is None else present.path).objections
        return (PromotionKind.FORCED if objections else PromotionKind.PROMOTED), objections

    def _decided_before(self, manifest: Manifest, recipe: RecipeName | None) -> bool:
        name, version = manifest.name, manifest.version
        own = or_(
            (promotions.c.name == name) & (promotions.c.version == version),
            (promotions.c.previous_name == name) & (promotions.c.previous_version == version),
        )
        query = select(promotions.c.sequence).where(own, of_recipe(promotions, recipe)).limit(1)
        with self._store.reading() as connection:
            return connection.execute(query).first() is not None

    def _load(self, path: Path) -> Bundle:
        bundle = Bundle.load(path, threads=1, provider=self._settings.provider)
        self._engine.warm(bundle)
        return bundle

    def _manifests(self) -> dict[Path, Manifest]:
        return manifests_in(self._settings.bundles)

    def _loaded(self, path: Path) -> Bundle | None:
        """The same bundle, where another recipe has it already."""
        deciding = (self._engine.bundle, *self._engine.recipes.values())
        return next((bundle for bundle in deciding if bundle is not None and bundle.path == path), None)

    def _info(self, manifest: Manifest) -> ModelInfo:
        shadow = self._shadow.present
        return ModelInfo(
            name=manifest.name,
            version=manifest.version,
            created_at=manifest.created_at,
            precision=manifest.precision,
            defect_classes=[name for name in manifest.classes if name not in manifest.ok_classes],
            active=self._is_active(manifest),
            shadow=shadow is not None and _is(shadow.bundle.manifest, manifest.name, manifest.version),
            decides_for=[
                RecipeRef(product=product, station=station)
                for (product, station), own in self._engine.recipes.items()
                if own is not None and _is(own.manifest, manifest.name, manifest.version)
            ],
            amiss=self._bundle_watch.amiss(manifest.name, manifest.version),
            thresholds=manifest.thresholds,
            guarantee=manifest.guarantee,
            metrics={name: metric.value for name, metric in manifest.metrics.items()},
        )


def named_recipe(settings: Settings, asked: RecipeRef | None) -> RecipeName | None:
    """The recipe that a request is for, None where it is for none. Raises a 404 problem for one that the settings lack."""
    if asked is None:
        return None
    if settings.recipe(asked.product, asked.station) is None:
        raise ProblemError(
            404,
            text(
                f"no recipe for product {asked.product} at station {asked.station}; add it to the settings first",
                f"站別 {asked.station} 的產品 {asked.product} 沒有檢驗配方；請先加入設定",
            ),
        )
    return (asked.product, asked.station)


def of_recipe(table: Table, recipe: RecipeName | None) -> ColumnElement[bool]:
    """The promotions or threshold changes of one recipe, or those for wherever none has a model of its own."""
    if recipe is None:
        return table.c.product.is_(None)
    return (table.c.product == recipe[0]) & (table.c.station == recipe[1])


def bundle_to_serve(settings: Settings, connection: Connection | None) -> Path:
    """The bundle of the settings, else the last promoted, else the newest; no connection means that none was promoted yet.

    Raises BundleError when there is none.
    """
    manifests = manifests_in(settings.bundles)
    path = (
        settings.bundle
        or (None if connection is None else _last_promoted(settings, connection, manifests))
        or max(manifests, key=lambda path: manifests[path].created_at, default=None)
    )
    if path is None:
        raise BundleError(
            text(
                f"no bundle in {settings.bundles} is fit to serve; run `make train`, or copy one there. The log names those "
                "that were left out",
                f"{settings.bundles} 中沒有可用的模型；請執行 `make train`，或將模型複製到該處。若有略過的模型，日誌會列出",
            )
        )
    return path


def bundle_of_recipe(settings: Settings, connection: Connection | None, recipe: Recipe) -> Path | None:
    """The bundle last promoted for a recipe, else the one that its settings name; None when it has none of its own.

    Raises BundleError when it is not there.
    """
    manifests = manifests_in(settings.bundles)
    name = (recipe.product, recipe.station)
    path = None if connection is None else _last_promoted(settings, connection, manifests, name)
    if path is not None or recipe.bundle is None:
        return path
    wanted = recipe.bundle
    found = {
        path: manifest
        for path, manifest in manifests.items()
        if manifest.name == wanted.name and wanted.version in (None, manifest.version)
    }
    if not found:
        raise BundleError(
            text(
                f"no bundle {wanted.name} {wanted.version or ''} in {settings.bundles}, as a recipe wants; copy it there",
                f"{settings.bundles} 中沒有檢驗配方所需的模型 {wanted.name} {wanted.version or ''}；請複製到該處",
            )
        )
    return max(found, key=lambda path: found[path].created_at)


def manifests_in(bundles: Path) -> dict[Path, Manifest]:
    """The bundles below a directory whose manifest can be read; the log tells of the others."""
    found = {}
    for file in sorted(bundles.glob(f"**/{MANIFEST}")):
        # A training that was killed leaves what it had not finished under a hidden name.
        if any(part.startswith(".") for part in file.relative_to(bundles).parts):
            continue
        try:
            found[file.parent] = read_manifest(file.parent)
        except BundleError as error:
            log.warning("bundle left out", cause=str(error))
    return found


def _last_promoted(
    settings: Settings, connection: Connection, manifests: dict[Path, Manifest], recipe: RecipeName | None = None
) -> Path | None:
    query = select(promotions).where(of_recipe(promotions, recipe)).order_by(promotions.c.sequence.desc()).limit(1)
    last = connection.execute(query).first()
    if last is None:
        return None
    for path, manifest in manifests.items():
        if _is(manifest, last.name, last.version):
            return path
    raise BundleError(
        text(
            f"the promoted bundle {last.name} {last.version} is no longer in {settings.bundles}, or its manifest "
            "cannot be read; copy it back, or promote another",
            f"已啟用的模型 {last.name} {last.version} 不在 {settings.bundles} 中，或其 {MANIFEST} 無法讀取；"
            "請複製回來，或啟用另一個模型",
        )
    )


def _is(manifest: Manifest, name: str, version: str) -> bool:
    return (manifest.name, manifest.version) == (name, version)

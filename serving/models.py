"""The bundles on this server: which there are, which one decides, and who promoted it and why."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection, insert, or_, select

from data.bundle import MANIFEST, Bundle, Manifest, read_manifest
from data.errors import BundleError
from data.promotion import judge
from serving.audit import Action, append
from serving.engine import Engine
from serving.problem import ProblemError
from serving.schema import ModelInfo, PromoteRequest, PromotionKind
from serving.settings import Settings
from serving.store import Store
from serving.tables import promotions

log = structlog.get_logger()


class Models:
    """Loads bundles off the request path and lets the engine swap; a refused bundle changes nothing."""

    def __init__(self, settings: Settings, store: Store, engine: Engine) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine
        self._promoting = threading.Lock()

    def start(self) -> None:
        """Load the bundle of the settings, else the last promoted, else the newest. Raises BundleError when it is unfit."""
        with self._store.reading() as connection:
            path = bundle_to_serve(self._settings, connection)
        self._engine.swap(self._load(path))

    def list(self) -> list[ModelInfo]:
        """The bundles whose manifest can be read, newest first."""
        manifests = sorted(self._manifests().values(), key=lambda manifest: manifest.created_at, reverse=True)
        return [self._info(manifest) for manifest in manifests]

    def promote(self, request: PromoteRequest) -> ModelInfo:
        """Verify, load and warm a bundle, write down the promotion, then swap.

        A version that decided here before may always come back. Any other must miss no target and be shown to be better
        than the present one, unless the request forces it; what was overruled is written down with the reason. Raises a
        404 problem for an unknown version, 409 for an ambiguous one and for a bundle that is refused.
        """
        with self._promoting:
            found = [path for path, manifest in self._manifests().items() if manifest.version == request.version]
            if not found:
                raise ProblemError(404, f"no bundle of version {request.version} in {self._settings.bundles}")
            if len(found) > 1:
                raise ProblemError(409, f"version {request.version} is in {found[0]} and {found[1]}; remove one")
            try:
                bundle = self._load(found[0])
            except BundleError as error:
                raise ProblemError(409, f"refused, the present model keeps deciding: {error}") from error
            present = self._engine.bundle
            kind, objections = self._weigh(bundle, present)
            if objections and not request.force:
                raise ProblemError(
                    409,
                    f"refused, the present model keeps deciding: {'; '.join(objections)}. "
                    "To go ahead all the same, set force, and let the reason say why",
                )
            row = {
                "name": bundle.manifest.name,
                "version": bundle.manifest.version,
                "previous_name": present and present.manifest.name,
                "previous_version": present and present.manifest.version,
                "reason": request.reason,
                "person": request.person,
                "promoted_at": datetime.now(UTC),
                "kind": kind.value,
                "overruled": list(objections),
            }

            def add(connection: Connection) -> None:
                sequence = connection.execute(
                    insert(promotions).values(row).returning(promotions.c.sequence)
                ).scalar_one()
                told = {"sequence": sequence, **row}
                append(connection, Action.PROMOTION, str(sequence), request.person, new=told, reason=request.reason)

            self._store.submit(add).result()
            self._engine.swap(bundle)
            log.info(
                "model promoted",
                version=request.version,
                kind=kind.value,
                person=request.person,
                reason=request.reason,
                overruled=objections,
            )
            return self._info(bundle.manifest)

    def _weigh(self, bundle: Bundle, present: Bundle | None) -> tuple[PromotionKind, tuple[str, ...]]:
        """Of which kind a promotion would be, and what speaks against it."""
        if present is not None and _is(present.manifest, bundle.manifest.name, bundle.manifest.version):
            return PromotionKind.PROMOTED, ()
        if self._decided_before(bundle.manifest):
            return PromotionKind.ROLLED_BACK, ()
        objections = judge(bundle.path, None if present is None else present.path).objections
        return (PromotionKind.FORCED if objections else PromotionKind.PROMOTED), objections

    def _decided_before(self, manifest: Manifest) -> bool:
        name, version = manifest.name, manifest.version
        own = or_(
            (promotions.c.name == name) & (promotions.c.version == version),
            (promotions.c.previous_name == name) & (promotions.c.previous_version == version),
        )
        with self._store.reading() as connection:
            return connection.execute(select(promotions.c.sequence).where(own).limit(1)).first() is not None

    def _load(self, path: Path) -> Bundle:
        bundle = Bundle.load(path, self._settings.threads)
        self._engine.warm(bundle)
        return bundle

    def _manifests(self) -> dict[Path, Manifest]:
        return _manifests_in(self._settings.bundles)

    def _info(self, manifest: Manifest) -> ModelInfo:
        active = self._engine.bundle
        return ModelInfo(
            name=manifest.name,
            version=manifest.version,
            created_at=manifest.created_at,
            precision=manifest.precision,
            defect_classes=[name for name in manifest.classes if name not in manifest.ok_classes],
            active=active is not None and _is(active.manifest, manifest.name, manifest.version),
            thresholds=manifest.thresholds,
            guarantee=manifest.guarantee.sentences,
            metrics={name: metric.value for name, metric in manifest.metrics.items()},
        )


def bundle_to_serve(settings: Settings, connection: Connection | None) -> Path:
    """The bundle of the settings, else the last promoted, else the newest; no connection means that none was promoted yet.

    Raises BundleError when there is none.
    """
    manifests = _manifests_in(settings.bundles)
    path = (
        settings.bundle
        or (None if connection is None else _last_promoted(settings, connection, manifests))
        or max(manifests, key=lambda path: manifests[path].created_at, default=None)
    )
    if path is None:
        raise BundleError(f"no bundle in {settings.bundles}; run `make train`, or copy a bundle there")
    return path


def _manifests_in(bundles: Path) -> dict[Path, Manifest]:
    found = {}
    for file in sorted(bundles.glob(f"**/{MANIFEST}")):
        try:
            found[file.parent] = read_manifest(file.parent)
        except BundleError as error:
            log.warning("bundle left out", cause=str(error))
    return found


def _last_promoted(settings: Settings, connection: Connection, manifests: dict[Path, Manifest]) -> Path | None:
    last = connection.execute(select(promotions).order_by(promotions.c.sequence.desc()).limit(1)).first()
    if last is None:
        return None
    for path, manifest in manifests.items():
        if _is(manifest, last.name, last.version):
            return path
    raise BundleError(
        f"the promoted bundle {last.name} {last.version} is no longer in {settings.bundles}, or its manifest "
        "cannot be read; copy it back, or promote another"
    )


def _is(manifest: Manifest, name: str, version: str) -> bool:
    return (manifest.name, manifest.version) == (name, version)

"""The bundles on this server: which there are, which one decides, and who promoted it and why."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection, insert, select

from data.bundle import MANIFEST, Bundle, Manifest, read_manifest
from data.errors import BundleError
from serving.engine import Engine
from serving.problem import ProblemError
from serving.schema import ModelInfo, PromoteRequest
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
        path = self._settings.bundle or self._last_promoted() or self._newest()
        if path is None:
            raise BundleError(f"no bundle in {self._settings.bundles}; run `make train`, or copy a bundle there")
        self._engine.swap(self._load(path))

    def list(self) -> list[ModelInfo]:
        """The bundles whose manifest can be read, newest first."""
        manifests = sorted(self._manifests().values(), key=lambda manifest: manifest.created_at, reverse=True)
        return [self._info(manifest) for manifest in manifests]

    def promote(self, request: PromoteRequest) -> ModelInfo:
        """Verify, load and warm a bundle, write down the promotion, then swap.

        Raises a 404 problem for an unknown version, 409 for an ambiguous one and for a bundle that is refused.
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
            row = {
                "name": bundle.manifest.name,
                "version": bundle.manifest.version,
                "previous_name": present and present.manifest.name,
                "previous_version": present and present.manifest.version,
                "reason": request.reason,
                "person": request.person,
                "promoted_at": datetime.now(UTC),
            }

            def add(connection: Connection) -> None:
                connection.execute(insert(promotions), row)

            self._store.submit(add).result()
            self._engine.swap(bundle)
            log.info("model promoted", version=request.version, person=request.person, reason=request.reason)
            return self._info(bundle.manifest)

    def _load(self, path: Path) -> Bundle:
        bundle = Bundle.load(path, self._settings.threads)
        self._engine.warm(bundle)
        return bundle

    def _manifests(self) -> dict[Path, Manifest]:
        found = {}
        for file in sorted(self._settings.bundles.glob(f"**/{MANIFEST}")):
            try:
                found[file.parent] = read_manifest(file.parent)
            except BundleError as error:
                log.warning("bundle left out", cause=str(error))
        return found

    def _last_promoted(self) -> Path | None:
        with self._store.reading() as connection:
            query = select(promotions).order_by(promotions.c.sequence.desc()).limit(1)
            last = connection.execute(query).first()
        if last is None:
            return None
        for path, manifest in self._manifests().items():
            if (manifest.name, manifest.version) == (last.name, last.version):
                return path
        raise BundleError(
            f"the promoted bundle {last.name} {last.version} is no longer in {self._settings.bundles}, or its manifest "
            "cannot be read; copy it back, or promote another"
        )

    def _newest(self) -> Path | None:
        manifests = self._manifests()
        return max(manifests, key=lambda path: manifests[path].created_at, default=None)

    def _info(self, manifest: Manifest) -> ModelInfo:
        active = self._engine.bundle
        return ModelInfo(
            name=manifest.name,
            version=manifest.version,
            created_at=manifest.created_at,
            precision=manifest.precision,
            defect_classes=[name for name in manifest.classes if name not in manifest.ok_classes],
            active=active is not None
            and (active.manifest.name, active.manifest.version) == (manifest.name, manifest.version),
            thresholds=manifest.thresholds,
            guarantee=[manifest.guarantee.escape.sentence, manifest.guarantee.reject_good.sentence],
            metrics={name: metric.value for name, metric in manifest.metrics.items()},
        )

"""Whether the bundles in use are on disk as they were loaded: they decide from memory, and the next start could not take them."""

import threading
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary

import structlog

from data.bundle import MANIFEST, Bundle, Manifest, check_files, read_manifest
from data.errors import BundleError
from data.wording import Text, text
from serving.engine import Engine
from serving.gauges import Gauges
from serving.periodic import Periodic
from serving.priority import step_back
from serving.shadow import Shadow

log = structlog.get_logger()

_CHECK_SECONDS = 60

_Stamps = tuple[tuple[str, int, int, int], ...]


class BundleWatch:
    """Looks once a minute and when asked, in the background; told once when a bundle is amiss, and once when it is back."""

    def __init__(
        self, engine: Engine, shadow: Shadow, gauges: Gauges, manifests: Callable[[], dict[Path, Manifest]]
    ) -> None:
        self._engine = engine
        self._shadow = shadow
        self._gauges = gauges
        self._manifests = manifests
        self._amiss: dict[Bundle, Text] = {}
        self._whole: WeakKeyDictionary[Bundle, _Stamps] = WeakKeyDictionary()
        self._periodic = Periodic("bundle-watch", self._check, _CHECK_SECONDS)
        self.start, self.close = self._periodic.start, self._periodic.close
        self.check_soon = self._periodic.run_soon

    @property
    def in_use(self) -> list[Bundle]:
        """What decides anywhere, and the shadow, each once."""
        shadowing = self._shadow.present
        used = [self._engine.bundle, *self._engine.recipes.values(), None if shadowing is None else shadowing.bundle]
        return list(dict.fromkeys(bundle for bundle in used if bundle is not None))

    @property
    def warnings(self) -> list[str]:
        """Which bundles in use are amiss, a sentence each; not where they lie, as anybody may read it."""
        names = [f"{bundle.manifest.name} {bundle.manifest.version}" for bundle in self._amiss]
        return [f"{name} is not on disk as it was loaded; the Models page and the log say how" for name in names]

    def amiss(self, name: str, version: str) -> Text | None:
        """What the last look found wrong with the files of a bundle in use; None when nothing is, or it is not in use."""
        used = self.in_use
        return next(
            (
                wrong
                for one, wrong in self._amiss.items()
                if one in used and (one.manifest.name, one.manifest.version) == (name, version)
            ),
            None,
        )

    def _check(self, stop: threading.Event) -> None:
        step_back()
        found: dict[Bundle, Text] = {}
        for bundle in self.in_use:
            if stop.is_set():
                return
            if (wrong := self._look_at(bundle)) is not None:
                found[bundle] = wrong
        for bundle in found.keys() - self._amiss.keys():
            log.error("bundle in use is amiss on disk", cause=found[bundle].en)
        for bundle in self._amiss.keys() - found.keys():
            log.info("bundle is no longer amiss on disk, or no longer in use", bundle=str(bundle.path))
        self._amiss = found
        self._gauges.bundles_amiss.set(len(found))

    def _look_at(self, bundle: Bundle) -> Text | None:
        path, manifest = bundle.path, bundle.manifest
        try:
            stamps = _stamps(bundle)
            if self._whole.get(bundle) == stamps:
                return None
            self._whole.pop(bundle, None)
            if not path.is_dir():
                # The next start looks for it by its name and version.
                for elsewhere, other in self._manifests().items():
                    if other == manifest:
                        check_files(elsewhere, manifest)
                        return None
                wrong = text(f"bundle {path} is gone; copy it back", f"模型 {path} 已不存在；請複製回來")
            elif read_manifest(path) != manifest:
                wrong = text(
                    f"bundle {path}: {MANIFEST} is not the one that was loaded; promote what is there now, or copy the "
                    "bundle back",
                    f"模型 {path}：{MANIFEST} 與載入時不同；請啟用目前該處的模型，或將原模型複製回來",
                )
            else:
                check_files(path, manifest)
                self._whole[bundle] = stamps
                return None
        except BundleError as error:
            wrong = error.said
        except OSError as error:
            wrong = text(
                f"bundle {path} cannot be read ({error.strerror}); mount its disk, or copy the bundle again",
                f"無法讀取模型 {path}（{error.strerror}）；請掛載其磁碟，或重新複製模型",
            )
        return text(
            f"{wrong.en}. Until the next start it works from memory",
            f"{wrong.zh_hant}。在下次啟動前，模型仍由記憶體運作",
        )


def _stamps(bundle: Bundle) -> _Stamps:
    """By which a file that was written or replaced is known, so that only then all of it is read again."""
    stamps = []
    for name in (MANIFEST, *bundle.manifest.files):
        file = bundle.path / name
        if file.is_file():
            status = file.stat()
            stamps.append((name, status.st_ino, status.st_size, status.st_ctime_ns))
    return tuple(stamps)

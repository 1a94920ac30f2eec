"""Frames as they were posted, in an object store by URL; content-addressed, written once, on disk before the row is."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from data.durable import sync
from data.errors import InputError
from serving.store import StorageError


@dataclass(frozen=True)
class Removed:
    """What `ImageStore.remove` did."""

    settled: tuple[str, ...]
    """those that are gone or that a row needs; a frame of the others' content is just arriving: try again later"""
    files: int


class ImageStore:
    """`place` is a directory, or a URL that obstore knows (s3://, gs://, az://). Thread-safe."""

    def __init__(self, place: str) -> None:
        self._synced: set[Path] = set()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._arriving: Counter[str] = Counter()
        self._leaving: set[str] = set()
        self._root: Path | None = None if "://" in place else Path(place).resolve()
        try:
            self._store = from_url(place) if self._root is None else LocalStore(self._root, mkdir=True)
        except (BaseError, OSError, ValueError) as error:
            raise InputError(f"image store {place} cannot be used: {error}") from error

    @property
    def objects(self) -> ObjectStore:
        """The store itself."""
        return self._store

    def put(self, sha256: str, content: bytes) -> None:
        """Keep `content` under its sha256; on return it is on disk. Raises StorageError when it cannot be kept."""
        key = _key(sha256)
        try:
            try:
                obstore.put(self._store, key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                # A power cut may have left the name without all of its bytes.
                if obstore.head(self._store, key)["size"] != len(content):
                    obstore.put(self._store, key, content, use_multipart=False)
            if self._root is not None:
                self._sync(self._root / key, self._root)
        except (BaseError, OSError) as error:
            raise StorageError(f"the image could not be written: {error}") from error

    def expect(self, sha256: str) -> None:
        """Say that a frame of this content arrives; until `settle`, its image is not removed.

        Waits while the same image is being removed: `put` then finds it gone, and writes it again.
        """
        with self._idle:
            self._idle.wait_for(lambda: sha256 not in self._leaving)
            self._arriving[sha256] += 1

    def settle(self, sha256: str) -> None:
        """End what `expect` began: the row is committed, or will never be."""
        with self._idle:
            self._arriving[sha256] -= 1
            if self._arriving[sha256] <= 0:
                del self._arriving[sha256]

    def remove(self, sha256s: Collection[str], needed: Callable[[Collection[str]], set[str]]) -> Removed:
        """Remove the images that no row needs.

        `needed` must read the newest commit, and tell which of those given a row needs. It is asked when no frame of their
        content is on its way and none can come, so whatever such a frame has committed is seen. Raises StorageError when a
        file cannot be removed.
        """
        with self._idle:
            leaving = [sha256 for sha256 in sha256s if sha256 not in self._arriving]
            self._leaving.update(leaving)
        try:
            kept = needed(leaving) if leaving else set()
            self._delete([sha256 for sha256 in leaving if sha256 not in kept])
        except (BaseError, OSError) as error:
            raise StorageError(f"images cannot be removed: {error}") from error
        finally:
            with self._idle:
                self._leaving.difference_update(leaving)
                self._idle.notify_all()
        return Removed(tuple(leaving), len(leaving) - len(kept))

    def _delete(self, sha256s: list[str]) -> None:
        try:
            obstore.delete(self._store, [_key(sha256) for sha256 in sha256s])
        except FileNotFoundError:
            # One was removed by a run that was cut off, and hides what became of the others.
            for sha256 in sha256s:
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, _key(sha256))

    def probe(self) -> None:
        """Write, read and remove a few bytes. Raises BaseError or OSError when that is not possible."""
        key = f".probe-{os.getpid()}"
        obstore.put(self._store, key, b"probe", use_multipart=False)
        try:
            if bytes(obstore.get(self._store, key).bytes()) != b"probe":
                raise OSError(f"{key} did not come back as it was written")
        finally:
            obstore.delete(self._store, key)

    def get(self, sha256: str) -> bytes:
        """The bytes kept under `sha256`. Raises StorageError when they are gone."""
        try:
            return bytes(obstore.get(self._store, _key(sha256)).bytes())
        except (BaseError, OSError) as error:
            raise StorageError(f"the image {sha256} cannot be read: {error}") from error

    def _sync(self, file: Path, root: Path) -> None:
        # obstore's local store leaves syncing to the operating system (checked with strace on 0.12.1).
        sync(file)
        sync(file.parent)
        with self._lock:
            known = file.parent in self._synced
        if not known:
            sync(root)
            with self._lock:
                self._synced.add(file.parent)


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"

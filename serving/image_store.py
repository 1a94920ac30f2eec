"""Frames as they were posted, in an object store by URL; content-addressed, written once, on disk before the row is."""

import hashlib
import itertools
import os
import queue
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from data.durable import sync
from data.errors import InputError
from serving.store import StorageError

if TYPE_CHECKING:
    from obstore.store import RetryConfig

ASIDE = "orphans"

_LARGEST_GROUP = 64
_REMOTE_WRITERS = 16
# obstore itself goes on for three minutes, in which the camera hears nothing; it spools and posts again.
_RETRIES: "RetryConfig" = {"max_retries": 2, "retry_timeout": timedelta(seconds=4)}
# obstore's own mark of a file that is being written; its listings leave such names out.
_UNFINISHED = "#"


class DamagedImageError(StorageError):
    """An image is there, but not as it was posted."""


Done = Callable[[StorageError | None], None]


@dataclass(frozen=True)
class _Queued:
    sha256: str
    content: bytes
    done: Done


@dataclass(frozen=True)
class Kept:
    """An image in the store, and when it was written there."""

    sha256: str
    written_at: datetime


@dataclass(frozen=True)
class Removed:
    """What `ImageStore.remove` did."""

    settled: tuple[str, ...]
    """those that are gone or that a row needs; a frame of the others' content is just arriving: try again later"""
    files: int


class ImageStore:
    """`place` is a directory, or a URL that obstore knows (s3://, gs://, az://). Thread-safe; close when done.

    In a directory, one thread writes whatever is queued, then waits for the disk for all of it. Measured with 64 cameras on two
    cores (benchmarks.server_cost): four threads held each other and the model up at the interpreter's lock, 241 frames a second
    where one gives 312. The files are made here and not by obstore: its local
    put took twice the CPU time, and it leaves syncing to the system.
    """

    def __init__(self, place: str) -> None:
        directory = directory_of(place)
        self._root = None if directory is None else directory.resolve()
        try:
            self._store = (
                from_url(place, retry_config=_RETRIES) if self._root is None else LocalStore(self._root, mkdir=True)
            )
        except (BaseError, OSError, ValueError) as error:
            raise InputError(f"image store {place} cannot be used: {error}") from error
        self._made: set[str] = set()
        self._numbers = itertools.count()
        self._fresh: set[str] | None = set()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._arriving: Counter[str] = Counter()
        self._leaving: set[str] = set()
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        count = _REMOTE_WRITERS if self._root is None else 1
        self._writers = [
            threading.Thread(target=self._write_on, name=f"images-{number}", daemon=True) for number in range(count)
        ]
        for writer in self._writers:
            writer.start()

    @property
    def root(self) -> Path | None:
        """The directory, None for an object store elsewhere."""
        return self._root

    def keep(self, sha256: str, content: bytes, done: Done) -> None:
        """Queue `content` to be kept under its sha256. `done` is called once it is on disk, or with why it cannot be.

        `done` runs on a writer's thread and must neither block nor raise.
        """
        with self._lock:
            if self._fresh is not None:
                self._fresh.add(sha256)
        self._queue.put(_Queued(sha256, content, done))

    @property
    def objects(self) -> ObjectStore:
        """The store itself."""
        return self._store

    def put(self, sha256: str, content: bytes) -> None:
        """Keep `content` under its sha256; on return it is on disk. Raises StorageError when it cannot be kept."""
        raised: list[StorageError | None] = []
        finished = threading.Event()

        def done(error: StorageError | None) -> None:
            raised.append(error)
            finished.set()

        self.keep(sha256, content, done)
        finished.wait()
        if raised[0] is not None:
            raise raised[0]

    def expect(self, sha256: str) -> None:
        """Say that a frame of this content arrives; until `release`, its image is not removed.

        Waits while the same image is being removed: `keep` then finds it gone, and writes it again.
        """
        with self._idle:
            self._idle.wait_for(lambda: sha256 not in self._leaving)
            self._arriving[sha256] += 1

    def release(self, sha256: str) -> None:
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
            raise StorageError(f"images cannot be removed: {first_line(error)}") from error
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
        """The bytes kept under `sha256`. Raises StorageError when they are gone, DamagedImageError when they are others now."""
        try:
            content = bytes(obstore.get(self._store, _key(sha256)).bytes())
        except (BaseError, OSError) as error:
            raise StorageError(f"the image {sha256} cannot be read: {first_line(error)}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DamagedImageError(
                f"the image {sha256} was altered or damaged after it was stored; restore it from a backup"
            )
        return content

    def has(self, sha256: str) -> bool:
        """Whether there is an image under `sha256`. Raises StorageError when the store does not answer."""
        try:
            obstore.head(self._store, _key(sha256))
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as error:
            raise StorageError(f"the image store does not answer: {first_line(error)}") from error
        return True

    def walk(self) -> Iterator[Kept]:
        """Every image in the store, in the order of their sha256. Raises StorageError when it cannot be listed."""
        try:
            for page in obstore.list(self._store, chunk_size=1000):
                for found in page:
                    directory, _, name = found["path"].rpartition("/")
                    if directory == name[:2]:
                        yield Kept(name, found["last_modified"])
        except (BaseError, OSError) as error:
            raise StorageError(f"the image store cannot be listed: {first_line(error)}") from error

    def set_aside(self, sha256: str) -> bool:
        """Move an image that belongs to nothing to `orphans/`. False for one that was posted since this store was opened."""
        with self._lock:
            if self._fresh is None or sha256 in self._fresh:
                return False
            try:
                obstore.rename(self._store, _key(sha256), f"{ASIDE}/{sha256}")
            except (BaseError, OSError) as error:
                raise StorageError(f"the image {sha256} cannot be moved to {ASIDE}/: {first_line(error)}") from error
        return True

    def remove_unfinished(self, before: datetime) -> int:
        """Remove what a crash left half written, older than `before`; how many files. An object store elsewhere has none."""
        if self._root is None:
            return 0
        removed = 0
        for file in self._root.glob(f"*/*{_UNFINISHED}*"):
            if file.stat().st_mtime < before.timestamp():
                file.unlink(missing_ok=True)
                removed += 1
        return removed

    def settle(self) -> None:
        """Forget which images were posted since opening; nothing can be set aside from now on."""
        with self._lock:
            self._fresh = None

    def close(self) -> None:
        """Finish what is queued."""
        for _ in self._writers:
            self._queue.put(None)
        for writer in self._writers:
            writer.join()

    def _write_on(self) -> None:
        while (item := self._queue.get()) is not None:
            group = [item]
            # Elsewhere, every image is a request of its own: the writers share them.
            while self._root is not None and len(group) < _LARGEST_GROUP and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                group.append(following)
            self._write(group)

    def _write(self, group: list[_Queued]) -> None:
        failure: StorageError | None = None
        try:
            if self._root is None:
                self._put_elsewhere(group[0])
            else:
                self._put_in_directory(self._root, {item.sha256: item.content for item in group})
        except (BaseError, OSError) as error:
            self._made.clear()  # perhaps someone removed a directory: look again next time
            failure = StorageError(f"the image could not be written: {first_line(error)}")
        for item in group:
            item.done(failure)

    def _put_elsewhere(self, item: _Queued) -> None:
        try:
            obstore.put(self._store, _key(item.sha256), item.content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            if obstore.head(self._store, _key(item.sha256))["size"] != len(item.content):
                obstore.put(self._store, _key(item.sha256), item.content, use_multipart=False)

    def _put_in_directory(self, root: Path, images: dict[str, bytes]) -> None:
        base, directories = str(root), set()
        unfinished: list[tuple[int, str, str]] = []
        try:
            for sha256, content in images.items():
                directory = f"{base}/{sha256[:2]}"
                directories.add(directory)
                file = f"{directory}/{sha256}"
                if _size(file) == len(content):
                    continue
                if directory not in self._made:
                    Path(directory).mkdir(exist_ok=True)
                    sync(root)
                    self._made.add(directory)
                part = f"{file}{_UNFINISHED}{next(self._numbers)}"
                descriptor = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
                unfinished.append((descriptor, part, file))
                _write_all(descriptor, content)
            for descriptor, part, file in unfinished:
                os.fsync(descriptor)
                os.rename(part, file)  # noqa: PTH104 - pathlib costs twice as much, and this is the line path
            # The first of these commits the names of all; the others find nothing left to do.
            for directory in directories:
                sync(directory)
        finally:
            for descriptor, part, _ in unfinished:
                os.close(descriptor)
                with suppress(FileNotFoundError):  # as it should be: it was renamed
                    os.unlink(part)  # noqa: PTH108 - as above


def directory_of(place: str) -> Path | None:
    """The directory of a local image store; None for an object store elsewhere."""
    return None if "://" in place else Path(place)


def first_line(error: Exception) -> str:
    """What an object store's error says: obstore adds pages of its own insides."""
    return str(error).partition("\n")[0]


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _size(file: str) -> int | None:
    try:
        return os.stat(file).st_size  # noqa: PTH116 - as above
    except FileNotFoundError:
        return None


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]

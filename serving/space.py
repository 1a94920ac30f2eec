"""How much room the disks have, and what is still taken and kept when there is little."""

import shutil
import threading
import time
from collections.abc import Callable

import structlog

from serving.database import sqlite_file
from serving.gauges import Gauges
from serving.image_store import directory_of
from serving.problem import ProblemError
from serving.settings import Disk, Settings

log = structlog.get_logger()

_LOOK_EVERY_SECONDS = 1.0

FreeBytes = Callable[[], int]


def free_bytes(settings: Settings) -> FreeBytes:
    """A probe of the free bytes on the fuller disk of images and database; those that are not on this machine have no end."""
    file = sqlite_file(settings.database_url)
    places = [place for place in (directory_of(settings.images), file and file.parent) if place is not None]

    def free() -> int:
        return min((shutil.disk_usage(place).free for place in places), default=2**63 - 1)

    return free


class Space:
    """Looks at most once a second; thread-safe."""

    def __init__(self, floors: Disk, free: FreeBytes, gauges: Gauges) -> None:
        self._floors = floors
        self._free = free
        self._gauges = gauges
        self._lock = threading.Lock()
        self._looked_at = -_LOOK_EVERY_SECONDS
        self._bytes = 0
        self._told = False

    @property
    def keeps_passed(self) -> bool:
        """Whether there is room for images of passed frames."""
        return self._look() >= self._floors.keep_passed_above

    def check(self) -> None:
        """Raise a 507 problem when there is no room for another frame."""
        free = self._look()
        if free < self._floors.take_above:
            self._gauges.disk_refused.inc()
            raise ProblemError(
                507,
                f"the disk is nearly full: {free:,} bytes are free, frames are taken from {self._floors.take_above:,} on; "
                "make room (older images first), then post it again. Nothing was stored; what was decided before is safe",
                {"Retry-After": "30"},
            )

    def _look(self) -> int:
        now = time.monotonic()
        if now - self._looked_at < _LOOK_EVERY_SECONDS:
            return self._bytes
        with self._lock:
            try:
                self._bytes = self._free()
            except OSError as error:
                # Writing will say what is wrong, and hold the part; not knowing the room is no reason of its own.
                log.warning("free space unknown", cause=str(error))
                self._bytes = 2**63 - 1
            self._looked_at = now
            self._gauges.disk_free.set(self._bytes)
            scarce = self._bytes < self._floors.keep_passed_above
            if scarce != self._told:
                self._told = scarce
                log.warning(
                    "disk nearly full: images of passed frames are not kept" if scarce else "disk has room again"
                )
            return self._bytes

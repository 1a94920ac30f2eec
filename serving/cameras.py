"""What each camera sent last: whether its picture stands still."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from data.input_health import Finding, Floats, InputHealth, Look
from serving.schema import FrameInfo, Inspection

# Names come from outside: a plant has fewer cameras, a script that invents names must not fill the memory.
_MOST_CAMERAS = 4096


class Camera(NamedTuple):
    """One view of one station of a line."""

    line: str
    station: str
    camera: str

    @classmethod
    def of(cls, frame: FrameInfo | Inspection) -> "Camera":
        return cls(frame.line, frame.station, frame.camera)


class CameraFrozenError(Exception):
    """The camera sends the same picture for part after part."""


@dataclass
class _Last:
    thumbnail: Floats
    part_id: str
    since: str
    alike: int


class Cameras:
    """Thread-safe. Remembers the last picture of each camera."""

    def __init__(self, alike: int) -> None:
        self._alike = alike
        self._last: OrderedDict[Camera, _Last] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, info: FrameInfo, look: Look, width: int, height: int, health: InputHealth) -> Finding | None:
        """What is wrong with a frame by itself. Raises CameraFrozenError when it and those before show one healthy picture.

        The same part again is no sign of anything: cameras repeat what was not answered.
        """
        camera = Camera.of(info)
        with self._lock:
            last = self._last.pop(camera, None)
            if last is None or not health.still(look.thumbnail, last.thumbnail):
                last = _Last(look.thumbnail, info.part_id, info.part_id, 1)
            elif last.part_id != info.part_id:
                last.part_id = info.part_id
                last.alike += 1
            self._last[camera] = last
            if len(self._last) > _MOST_CAMERAS:
                self._last.popitem(last=False)
            alike, since = last.alike, last.since
        # A dark hall looks alike for part after part: that it is dark says more than that it stands still.
        if (finding := health.check(look.measures, width, height)) is not None:
            return finding
        if alike >= self._alike:
            raise CameraFrozenError(
                f"the camera is frozen: it sent the same picture for {alike} parts in a row, from part {since} on"
            )
        return None

"""Who is let in: by the wait that is predicted, a fair share for every camera, and a rate for each; before any work is done."""

import asyncio
import math
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serving.engine import OverloadedError
from serving.gauges import Gauges
from serving.problem import ProblemError
from serving.rate import Rate
from serving.settings import RateLimit

_SMOOTHING = 0.05
# Cameras whose rate is remembered; names come from outside and must not fill the memory.
_MOST_RATES = 4096
# The largest body over 5 Mbit/s.
_LONGEST_BODY_SECONDS = 60


class Arrivals:
    """Counts the bodies that are being read, which take memory before a frame can be let in. Used on the event loop alone."""

    def __init__(self, limit: int, gauges: Gauges) -> None:
        self._limit = limit
        self._gauges = gauges
        self._by_caller: Counter[str] = Counter()

    @property
    def reading(self) -> int:
        """How many bodies are being read."""
        return self._by_caller.total()

    @asynccontextmanager
    async def one(self, caller: str) -> AsyncIterator[None]:
        """Around the reading of a body that `caller` sends: its key's name, or its address.

        Raises OverloadedError while as many are being read as there is room for, or its share of n callers, 1 / (n + 1): one
        whose bodies do not come must not keep the others out. Raises a 503 problem for one that does not come to its end: a
        camera whose cable was pulled must not hold its room for good.
        """
        own = self._by_caller[caller]
        callers = len(self._by_caller) + (own == 0)
        if self.reading >= self._limit or own >= max(1, self._limit // (callers + 1)):
            self._gauges.overloaded.inc()
            raise OverloadedError(1.0)
        self._by_caller[caller] += 1
        try:
            async with asyncio.timeout(_LONGEST_BODY_SECONDS):
                yield
        except TimeoutError as error:
            raise ProblemError(
                503,
                f"the image did not arrive within {_LONGEST_BODY_SECONDS} s; post it again, nothing was stored",
                {"Retry-After": "1"},
            ) from error
        finally:
            self._by_caller[caller] -= 1
            if not self._by_caller[caller]:
                del self._by_caller[caller]


class Admission:
    """Counts the frames in progress. Used on the event loop's thread alone."""

    def __init__(self, limit: int, latency_target: float, rate: RateLimit | None, gauges: Gauges) -> None:
        self._limit = limit
        self._target = latency_target
        self._rate = rate
        self._gauges = gauges
        self._in_progress = 0
        self._by_camera: Counter[str] = Counter()
        self._rates: OrderedDict[str, Rate] = OrderedDict()
        self._seconds_each = 0.0

    @property
    def predicted_wait(self) -> float:
        """Seconds until a frame that came now would be answered: Little's law over all that lies between the two."""
        return (self._in_progress + 1) * self._seconds_each

    def enter(self, camera: str) -> None:
        """Let one frame of `camera` in; `leave` must follow.

        Raises OverloadedError when it would be answered later than the target, and when the camera holds its share already:
        that of n busy cameras is 1 / (n + 1), so that there is always room for another. Raises a 429 problem above its rate.
        """
        if self._rate is not None:
            self._slow_down(camera, self._rate)
        own = self._by_camera[camera]
        busy = len(self._by_camera) + (own == 0)
        late = self._in_progress > 0 and self.predicted_wait > self._target
        if self._in_progress >= self._limit or own >= max(1, self._limit // (busy + 1)) or late:
            self._gauges.overloaded.inc()
            raise OverloadedError(max(1.0, self.predicted_wait - self._target))
        self._by_camera[camera] = own + 1
        self._in_progress += 1

    def leave(self, camera: str, seconds: float) -> None:
        """A frame that was let in has been answered, `seconds` after it came."""
        # Little's law: what a frame takes of the whole is its time in progress by the number in progress.
        each = seconds / self._in_progress
        self._seconds_each += _SMOOTHING * (each - self._seconds_each) if self._seconds_each else each
        self._in_progress -= 1
        self._by_camera[camera] -= 1
        if not self._by_camera[camera]:
            del self._by_camera[camera]

    @property
    def in_progress(self) -> int:
        return self._in_progress

    def _slow_down(self, camera: str, limit: RateLimit) -> None:
        rate = self._rates.pop(camera, None) or Rate(limit.frames_per_second, limit.burst)
        self._rates[camera] = rate
        if len(self._rates) > _MOST_RATES:
            self._rates.popitem(last=False)
        wait = rate.take()
        if wait > 0:
            self._gauges.rate_limited.inc()
            seconds = math.ceil(wait)
            raise ProblemError(
                429,
                f"this camera sends more than {limit.frames_per_second:g} frames a second; post it again in {seconds} s, "
                "nothing was stored",
                {"Retry-After": str(seconds)},
            )

"""Sign-in throttling: after a few failures each further one doubles the wait, for the name and for the address alike."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_BY_NAME, FREE_BY_ADDRESS = 5, 20
"""failures before the first wait; people behind one address translation share the second"""
LONGEST_SECONDS = 300.0
_FORGET_SECONDS = 3600.0
_MOST = 10_000


@dataclass
class _Failures:
    count: int
    last: float
    until: float


class Throttle:
    """Counts in memory: a restart forgets, which gives a guesser a handful of tries more."""

    def __init__(self, free: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = free
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def take(self, subject: str) -> float:
        """Seconds to wait before `subject` may try; 0 takes the try, which counts as failed until `forgive`.

        Counting first is what keeps a burst of tries at once from going uncounted.
        """
        with self._lock:
            now = self._clock()
            known = self._failures.get(subject)
            if known is None or now - known.last > _FORGET_SECONDS:
                known = _Failures(0, now, now)
            if now < known.until:
                return known.until - now
            known.count, known.last = known.count + 1, now
            beyond = known.count - self._free
            known.until = now + min(2.0**beyond, LONGEST_SECONDS) if beyond >= 0 else now
            self._failures[subject] = known
            self._failures.move_to_end(subject)
            if len(self._failures) > _MOST:
                self._failures.popitem(last=False)
            return 0.0

    def forgive(self, subject: str) -> None:
        """A try was right after all."""
        with self._lock:
            self._failures.pop(subject, None)

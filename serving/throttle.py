"""Sign-in throttling: after a few failures each further one doubles the wait.

Counted for a name from an address, for the address, more slowly for the name from everywhere, and apart from all that for a
device where the person signed in before (OWASP's device cookies): whoever guesses elsewhere cannot keep that person out.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_HERE, FREE_BY_ADDRESS, FREE_BY_NAME = 5, 20, 100
"""failures before the first wait: of a name from one address or device, of an address, which people behind one address
translation share, and of a name from everywhere, which is for guesses from many addresses"""
LONGEST_SECONDS, LONGEST_AT_DEVICE_SECONDS = 300.0, 10.0
"""the second is a delay and no lock: others may sit at the same device"""
_FORGET_SECONDS = 3600.0
_MOST = 10_000


@dataclass
class _Failures:
    count: int
    last: float
    until: float


class Throttle:
    """Counts in memory: a restart forgets, which gives a guesser a handful of tries more."""

    def __init__(
        self, free: int, longest: float = LONGEST_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._free = free
        self._longest = longest
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
            known.until = now + min(2.0**beyond, self._longest) if beyond >= 0 else now
            self._failures[subject] = known
            self._failures.move_to_end(subject)
            if len(self._failures) > _MOST:
                self._failures.popitem(last=False)
            return 0.0

    def forgive(self, subject: str) -> None:
        """A try was right after all, and those before it were slips of the same person."""
        with self._lock:
            self._failures.pop(subject, None)

    def uncount(self, subject: str) -> None:
        """A try was right after all; those before it may be somebody else's."""
        with self._lock:
            if (known := self._failures.get(subject)) is not None:
                known.count, known.until = known.count - 1, self._clock()

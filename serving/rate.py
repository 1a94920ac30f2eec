"""A key's rate limit: a bucket of tokens that fills at the rate and holds a second's worth."""

import time
from collections.abc import Callable


class Rate:
    """Of one key; called on the event loop's thread."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self._clock = clock
        self._most = max(1.0, per_second)
        self._tokens = self._most
        self._at = clock()

    def take(self) -> float:
        """Seconds until the next request is within the rate; 0 takes it now."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self.per_second
        self._tokens -= 1
        return 0.0

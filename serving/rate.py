"""The rate of a key or a camera: a bucket of tokens that fills at the rate, and holds a second's worth unless told otherwise."""

import time


class Rate:
    """Of one caller; called on the event loop's thread."""

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second) if burst is None else burst
        self._tokens = self._most
        self._at = time.monotonic()

    def take(self) -> float:
        """Seconds until the next request is within the rate; 0 takes it now."""
        now = time.monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._per_second
        self._tokens -= 1
        return 0.0

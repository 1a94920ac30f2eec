"""From threads to the event loop: what they post runs there, and the loop is woken once for all that came meanwhile."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable


class Mailbox:
    """`asyncio.wrap_future` wakes the loop for every single future; after a group commit that is a system call each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._posted: deque[Callable[[], None]] = deque()
        self._awake = False
        self._lock = threading.Lock()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def post(self, call: Callable[[], None]) -> None:
        """Run `call` on the loop soon; in the order of posting."""
        with self._lock:
            self._posted.append(call)
            if self._awake:
                return
            self._awake = True
        self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            posted, self._posted = self._posted, deque()
            self._awake = False
        for call in posted:
            call()

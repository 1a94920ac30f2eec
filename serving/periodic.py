"""Work that is done again and again beside the line, in a thread of its own."""

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Periodic:
    """Runs `job` soon after `start`, then every `seconds`, and whenever it is asked to; a failure waits for the next time.

    `job` is given the event that tells it to stop early.
    """

    def __init__(self, name: str, job: Callable[[threading.Event], None], seconds: float) -> None:
        self._job = job
        self._seconds = seconds
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run_soon(self) -> None:
        """Run it now, or once more when it is running."""
        self._wake.set()

    def close(self) -> None:
        """Ask the job to stop, and wait until it has."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._job(self._stop)
            except Exception as error:  # whatever it was, the next round may do better, and nobody else would begin it
                log.error("background work failed", work=self._thread.name, cause=str(error), exc_info=error)
            if self._stop.is_set():
                return
            self._wake.wait(self._seconds)

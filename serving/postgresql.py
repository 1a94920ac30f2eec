"""PostgreSQL as it is when it stops answering without being gone: every wait for it ends, by our own clock.

A server that is stopped, whose disk hangs or that the network swallows still acknowledges packets, or loses them silently:
neither its own timeouts nor TCP's end the wait.
"""

import time
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine, event

from serving.store import WhySilent

PATIENCE_SECONDS = 2
"""for a connection, for a lock that another process holds, and for any answer once the server is known to be silent"""

_NETWORK = {
    "connect_timeout": PATIENCE_SECONDS,
    "tcp_user_timeout": PATIENCE_SECONDS * 1000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


class BoundedConnection(psycopg.Connection[Any]):
    """Closed, with OperationalError, when one answer takes longer than `longest` seconds, or the server is known to be silent."""

    longest = float(PATIENCE_SECONDS)
    why_silent: WhySilent = staticmethod(lambda: None)

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """As psycopg's own, which every round trip goes through."""
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, gen: Any) -> Any:
        began = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                waited = time.monotonic() - began
                # psycopg asks again every tenth of a second even when nothing is ready
                if not ready and (waited > self.longest or (waited > PATIENCE_SECONDS and self.why_silent())):
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server did not answer for {waited:.0f} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


def bounded_engine(
    url: URL, longest: float, why_silent: WhySilent = lambda: None, options: str = "", **more: Any
) -> Engine:
    """An engine whose connections wait at most `longest` seconds for an answer; `options` as in `psql -c`."""
    settings = f"-c lock_timeout={PATIENCE_SECONDS * 1000} {options}"
    engine = create_engine(url, connect_args={**_NETWORK, "options": settings}, **more)

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        connection = BoundedConnection.connect(*arguments, **options)
        connection.longest, connection.why_silent = longest, why_silent
        return connection

    return engine

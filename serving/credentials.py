"""Whose a token is: looked up in the database at most once in a while, and remembered in between."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, Update, select, update

from serving import settings
from serving.caller import Caller
from serving.role import Role
from serving.store import Store
from serving.tables import api_keys, people, sessions
from serving.token import is_token, token_sha256

log = structlog.get_logger()

TRUSTED_SECONDS = 2.0
"""The longest that a revoked key, a disabled person or an expired session still gets in: at once when changed through this
server, this long when changed in the database by another process."""
_MOST_REMEMBERED = 10_000
_SEEN_EVERY = timedelta(seconds=60)


@dataclass(frozen=True)
class _Known:
    caller: Caller
    until: float


class Credentials:
    """Called on the event loop."""

    def __init__(self, store: Store, lasting: settings.Sessions) -> None:
        self._store = store
        self._idle = timedelta(seconds=lasting.idle_seconds)
        self._known: dict[str, _Known] = {}
        self._era = object()

    async def person(self, token: str) -> Caller | None:
        """Whose session `token` is; None when it is nobody's, or expired."""
        return await self._find(token, self._session)

    async def key(self, secret: str) -> Caller | None:
        """The key whose secret this is; None when it is none, or revoked."""
        return await self._find(secret, self._key)

    async def stands(self, caller: Caller) -> bool:
        """Whether a caller who was let in, say to a stream of events, would still be."""
        if not caller.token_sha256:
            return True
        look_up = self._session if caller.key_id is None else self._key
        return await self._known_or(caller.token_sha256, look_up) is not None

    def forget(self) -> None:
        """Somebody was disabled, signed out or revoked: ask the database again."""
        self._era = object()
        self._known.clear()

    async def _find(self, token: str, look_up: Callable[[str], Caller | None]) -> Caller | None:
        return await self._known_or(token_sha256(token), look_up) if is_token(token) else None

    async def _known_or(self, sha256: str, look_up: Callable[[str], Caller | None]) -> Caller | None:
        era, known = self._era, self._known.get(sha256)
        now = time.monotonic()
        if known is not None and now < known.until:
            return known.caller
        caller = await asyncio.to_thread(look_up, sha256)
        if era is not self._era:
            return await self._known_or(sha256, look_up)  # the answer may be from before somebody was refused
        if caller is None:
            self._known.pop(sha256, None)
            return None
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        # from before the question: the answer may be as old as that
        self._known[sha256] = _Known(caller, now + TRUSTED_SECONDS)
        return caller

    def look_up_session(self, token: str) -> Caller | None:
        """As `person`, but from the database, and it blocks."""
        return self._session(token_sha256(token))

    def _session(self, sha256: str) -> Caller | None:
        query = select(sessions, people).join(people).where(sessions.c.token_sha256 == sha256)
        with self._store.reading() as connection:
            row = connection.execute(query).first()
        now = datetime.now(UTC)
        if row is None or row.disabled_at is not None or now >= min(row.expires_at, row.last_seen_at + self._idle):
            return None
        if now - row.last_seen_at > min(_SEEN_EVERY, self._idle / 4):
            seen = update(sessions).where(sessions.c.token_sha256 == sha256).values(last_seen_at=now)
            self._note(seen)
        return Caller(
            name=row.name,
            role=Role(row.role),
            person_id=row.person_id,
            must_change_password=row.must_change_password,
            token_sha256=sha256,
        )

    def _key(self, sha256: str) -> Caller | None:
        query = select(api_keys).where(api_keys.c.secret_sha256 == sha256, api_keys.c.revoked_at.is_(None))
        with self._store.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        now = datetime.now(UTC)
        if row.last_used_at is None or now - row.last_used_at > _SEEN_EVERY:
            used = update(api_keys).where(api_keys.c.id == row.id).values(last_used_at=now)
            self._note(used)
        return Caller(name=row.name, role=Role(row.role), key_id=row.id, rate_limit=row.rate_limit, token_sha256=sha256)

    def _note(self, change: Update) -> None:
        """Nobody waits for when somebody was last seen."""

        def write(connection: Connection) -> None:
            connection.execute(change)

        def failed(future: Future[None]) -> None:
            if (error := future.exception()) is not None:
                log.warning("last seen not stored", cause=str(error))

        self._store.submit(write).add_done_callback(failed)

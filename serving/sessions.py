"""Sessions of people: a random token in a cookie, of which only the hash is kept."""

import hashlib
import hmac
import math
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import structlog
from sqlalchemy import Connection, delete, insert

from data.wording import text
from serving import settings
from serving.account_schema import Person
from serving.people import People
from serving.problem import ProblemError
from serving.store import Store
from serving.tables import sessions
from serving.throttle import FREE_BY_ADDRESS, FREE_BY_NAME, FREE_HERE, LONGEST_AT_DEVICE_SECONDS, Throttle
from serving.token import new_token, token_sha256

log = structlog.get_logger()

# Passwords are verified one at a time: more who wait would leave no thread to the pages.
_AT_ONCE = 12


class Sessions:
    """Every method blocks, and gives or takes the token itself."""

    def __init__(self, store: Store, people: People, lasting: settings.Sessions) -> None:
        self._store = store
        self._people = people
        self._longest = timedelta(seconds=lasting.longest_seconds)
        self._by_device = Throttle(FREE_HERE, LONGEST_AT_DEVICE_SECONDS)
        self._here = Throttle(FREE_HERE)
        self._by_name = Throttle(FREE_BY_NAME)
        self._by_address = Throttle(FREE_BY_ADDRESS)
        self._trying = threading.BoundedSemaphore(_AT_ONCE)

    def sign_in(self, name: str, password: str, address: str, device: str | None = None) -> str:
        """The token of a new session; `device` is what `new_device` gave that browser when the person last signed in there.

        Raises a 401 problem, the same for everything that can be wrong, and 429 with Retry-After after too many of them.
        """
        with self._slowed_down(name, address, device) as right:
            person = self._people.with_password(name, password)
            if person is None:
                log.warning("sign-in refused", address=address)
                raise ProblemError(401, text("the name or the password is wrong", "姓名或密碼錯誤"))
            right()
        return self.open(person)

    def new_device(self, name: str) -> str | None:
        """What proves later that `name` signed in from a device, until the password changes; None without a password."""
        nonce = secrets.token_urlsafe(16)
        signature = self._sign(name, nonce)
        return None if signature is None else f"{nonce}.{signature}"

    def open(self, person: Person) -> str:
        """The token of a new session of somebody who has proved to be `person`."""
        token, now = new_token(), datetime.now(UTC)
        row = {
            "token_sha256": token_sha256(token),
            "person_id": person.id,
            "created_at": now,
            "expires_at": now + self._longest,
            "last_seen_at": now,
        }

        def write(connection: Connection) -> None:
            connection.execute(delete(sessions).where(sessions.c.expires_at < now))
            connection.execute(insert(sessions), row)

        self._store.submit(write).result()
        log.info("signed in", person=person.name)
        return token

    def close(self, sha256: str) -> None:
        """Sign out."""

        def write(connection: Connection) -> None:
            connection.execute(delete(sessions).where(sessions.c.token_sha256 == sha256))

        self._store.submit(write).result()

    def change_password(
        self, name: str, person_id: str, present: str, new: str, address: str, device: str | None = None
    ) -> str:
        """The token of a new session; every other one of this person ends.

        Raises the problems of People.change_password, and 429 with Retry-After after too many wrong passwords.
        """
        with self._slowed_down(name, address, device) as right:
            self._people.change_password(person_id, present, new)
            right()
        return self.open(self._people.named(name))

    @contextmanager
    def _slowed_down(self, name: str, address: str, device: str | None) -> Iterator[Callable[[], None]]:
        """Gives what to call when the password was right."""
        if not self._trying.acquire(blocking=False):
            raise _too_many(1)
        try:
            # the name hashed, so that a password typed into the wrong field is not kept
            subject, network = _subject(name), _network(address)
            here = f"{subject} {network}"
            known = device is not None and self._knows(name, device)
            if known:
                wait = self._by_device.take(f"{subject} {device}")
            else:
                wait = self._by_address.take(network) or self._here.take(here) or self._by_name.take(subject)
            if wait > 0:
                raise _too_many(math.ceil(wait))

            def right() -> None:
                if known:
                    self._by_device.forgive(f"{subject} {device}")
                else:
                    self._here.forgive(here)
                    self._by_address.uncount(network)
                    self._by_name.uncount(subject)

            yield right
        finally:
            self._trying.release()

    def _knows(self, name: str, device: str) -> bool:
        nonce, _, signature = device.partition(".")
        expected = self._sign(name, nonce)
        return expected is not None and hmac.compare_digest(expected.encode(), signature.encode())

    def _sign(self, name: str, nonce: str) -> str | None:
        # The hash of the password is a secret of this server that ends with the password.
        secret = self._people.password_hash(name)
        return None if secret is None else hmac.digest(secret.encode(), f"device {nonce}".encode(), "sha256").hex()


def _too_many(seconds: int) -> ProblemError:
    return ProblemError(
        429,
        text(f"too many tries; try again in {seconds} s", f"嘗試次數過多；請於 {seconds} 秒後再試"),
        {"Retry-After": str(seconds)},
    )


def _network(address: str) -> str:
    """Who counts as one caller: of IPv6, where everybody has as many addresses as they like, the network."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    return address if known.version == 4 else str(ip_network((known, 64), strict=False))


def _subject(name: str) -> str:
    return token_sha256(name.casefold())


def csrf_token(token: str) -> str:
    """What a page must send beside the cookie to change anything: only a page of this server can read it."""
    return hmac.digest(token.encode(), b"csrf", hashlib.sha256).hex()

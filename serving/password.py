"""Passwords: argon2id by pwdlib, one at a time, so that a flood of sign-ins cannot take the processors from the line."""

import secrets
import threading
from functools import cache

from pwdlib import PasswordHash

from data.wording import text
from serving.problem import ProblemError

SHORTEST, LONGEST = 12, 256

_hash = PasswordHash.recommended()
_one_at_a_time = threading.Lock()
# Shorter ones are in half of all passwords.
_SHORTEST_NAME = 3


@cache
def _nobody() -> str:
    """Verified in place of a hash that does not exist, so that an unknown name takes as long as a wrong password."""
    return _hash.hash(secrets.token_urlsafe(32))


def hash_password(password: str) -> str:
    with _one_at_a_time:
        return _hash.hash(password)


def verify_password(password: str, hashed: str | None) -> bool:
    """Whether `password` is the one; with no hash it is not, after the same time."""
    with _one_at_a_time:
        return _hash.verify(password, hashed or _nobody()) and hashed is not None


def new_password() -> str:
    """A one-time password of 120 random bits."""
    return secrets.token_urlsafe(15)


def check_password(password: str, name: str) -> None:
    """Raises a 422 problem for a password that is too short or names the person. Other rules only make people write it down."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ProblemError(
            422, text(f"password: {SHORTEST} to {LONGEST} characters", f"密碼：須為 {SHORTEST} 至 {LONGEST} 個字元")
        )
    if len(name) >= _SHORTEST_NAME and name.casefold() in password.casefold():
        raise ProblemError(422, text("password: must not contain your name", "密碼：不可包含您的姓名"))

"""Secrets that are shown once: session tokens, API keys and one-time passwords. Of the first two only the SHA-256 is kept.

A plain hash is enough where the secret itself is 256 random bits; passwords, which people choose, go through serving.password.
"""

import hashlib
import re
import secrets

_PREFIX = "qc_"
_FORM = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")


def new_token() -> str:
    """256 random bits, with a prefix that secret scanners can look for."""
    return _PREFIX + secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Whether `text` can be one at all; what cannot needs no look into the database."""
    return _FORM.fullmatch(text) is not None


def token_sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

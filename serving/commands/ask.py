"""What commands ask a running server, and what it says."""

from typing import Any

import httpx

from data.errors import InputError
from serving.schema import Problem

# Loading, warming and comparing a large model on a busy machine.
_LONGEST_SECONDS = 120


def ask(method: str, url: str, key: str | None, remedy: str = "start it with `make serve`", **content: Any) -> bytes:
    """The body of the answer to a request with `key`, and `content` as httpx takes it.

    Raises InputError with the server's own sentence when it refuses, and with `remedy` when it does not answer.
    """
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        answer = httpx.request(method, url, headers=headers, timeout=_LONGEST_SECONDS, **content)
    except httpx.HTTPError as error:
        raise InputError(f"{url} does not answer ({error}); {remedy}") from error
    if answer.status_code == httpx.codes.UNAUTHORIZED and key is None:
        raise InputError(
            "the server wants to know who asks: send a key in QC_KEY; `python -m serving key add NAME --role ROLE` on its "
            "machine makes one (role manager for a report, engineer for promote, rollback and shadow)"
        )
    if answer.is_error:
        raise InputError(Problem.model_validate_json(answer.content).detail)
    return answer.content

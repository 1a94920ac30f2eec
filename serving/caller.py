"""Who is calling: a person with a session, an API key, or, without authentication, whoever it is."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from data.wording import text
from serving.problem import ProblemError
from serving.role import PERMISSIONS, Permission, Role


@dataclass(frozen=True)
class Caller:
    """What a request is allowed to do, and in whose name."""

    name: str | None
    """None without authentication: then everyone is admin under the name that they give"""
    role: Role
    person_id: str | None = None
    """None for a key"""
    key_id: str | None = None
    rate_limit: float | None = None
    """requests a second of a key"""
    must_change_password: bool = False
    token_sha256: str = ""
    """of the session's token or of the key's secret"""

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]

    @property
    def signature(self) -> str:
        """Who answers for a change in the audit trail."""
        return self.name or "anyone"

    def answers_to(self, name: str) -> str:
        """The name to write down for a change that the request says `name` made. Raises a 403 problem for another's name.

        Refused rather than overridden: a decision that one person made must not be filed under whoever is signed in
        when it is sent.
        """
        if self.name is not None and name != self.name:
            raise ProblemError(
                403,
                text(
                    f"you are signed in as {self.name} and cannot speak for {name}; give that name, or none",
                    f"您以 {self.name} 登入，不能代替 {name}；請填寫該名稱，或不填寫",
                ),
            )
        return name


ANYONE = Caller(name=None, role=Role.ADMIN)


def caller_of(request: Request) -> Caller:
    """The caller that serving.access let in."""
    caller = request.scope["caller"]
    assert isinstance(caller, Caller)
    return caller


Calling = Annotated[Caller, Depends(caller_of)]

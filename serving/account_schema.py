"""What goes over HTTP about people, their sessions, and the keys of cameras."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from serving.role import Permission, Role
from serving.schema import Message, Name

Password = Annotated[str, Field(max_length=1024)]


class SignIn(Message):
    name: Name
    password: Password


class ChangePassword(Message):
    present: Password
    new: Password


class SessionInfo(Message):
    """Who is calling, and what that allows."""

    auth: bool = Field(description="false: everyone is admin under the name that they give")
    oidc: bool = Field(description="GET /v1/session/oidc signs in with the plant's identity provider")
    name: str | None = Field(description="null when nobody is signed in, and without authentication")
    role: Role | None
    permissions: list[Permission]
    must_change_password: bool = Field(description="true: nothing else is possible before")
    time_zone: str = Field(description="the plant's, in which pages tell times; an IANA name such as Asia/Taipei")
    csrf_token: str | None = Field(description="to send as X-CSRF-Token with every request that changes something")


class Person(Message):
    """Somebody who may sign in, or might once."""

    id: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    must_change_password: bool
    oidc: bool = Field(description="signs in with the identity provider, and has no password here")


class AddPerson(Message):
    name: Name
    role: Role


class ChangePerson(Message):
    """What is left out stays as it is."""

    role: Role | None = None
    disabled: bool | None = None


class OneTimePassword(Message):
    """Shown this once; it must be changed at the next sign-in."""

    person: Person
    password: str


class Key(Message):
    """An API key, without its secret."""

    id: str
    name: str
    role: Role
    rate_limit: float | None = Field(description="requests a second; null is without limit")
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")


class AddKey(Message):
    name: Name
    role: Role = Role.CAMERA
    rate_limit: float | None = Field(default=None, gt=0, le=10_000)


class NewKey(Message):
    """Shown this once."""

    key: Key
    secret: str

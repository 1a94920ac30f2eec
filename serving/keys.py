"""API keys, for cameras and other programs: created, revoked, never removed, since inspections name them."""

from datetime import UTC, datetime
from typing import Any

import uuid_utils
from sqlalchemy import Connection, insert, select, update

from data.wording import text
from serving.account_schema import Key
from serving.audit import Action, append
from serving.people import is_name_taken
from serving.problem import ProblemError
from serving.role import Role
from serving.store import Store
from serving.tables import api_keys, people
from serving.token import new_token, token_sha256


class Keys:
    """Every method blocks; `by` is who answers for the change in the audit trail."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self) -> list[Key]:
        """Every key there ever was, newest first; never a secret."""
        with self._store.reading() as connection:
            return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.id.desc()))]

    def add(self, name: str, role: Role, by: str, rate_limit: float | None = None) -> tuple[Key, str]:
        """A key and its secret, which is kept only as a hash.

        Raises a 409 problem when a key of this name is in use (revoke that one first, then the name is free again), and when
        a person has it.
        """
        secret = new_token()
        row = {
            "id": str(uuid_utils.uuid7()),
            "name": name,
            "role": role.value,
            "secret_sha256": token_sha256(secret),
            "rate_limit": rate_limit,
            "created_at": datetime.now(UTC),
        }

        def write(connection: Connection) -> None:
            if is_name_taken(connection, name, by=(people,)):
                raise ProblemError(
                    409,
                    text(
                        f"a person is named {name}; choose another name for the key",
                        f"已有人員名為 {name}；請為金鑰另取名稱",
                    ),
                )
            if _in_use(connection, name) is not None:
                raise ProblemError(
                    409,
                    text(
                        f"a key named {name} is in use; revoke it first, or choose another name",
                        f"名為 {name} 的金鑰正在使用中；請先撤銷，或另取名稱",
                    ),
                )
            connection.execute(insert(api_keys), row)
            told = {"id": row["id"], "role": role.value, "rate_limit": rate_limit}
            append(connection, Action.KEY_ADDED, f"key {name}", by, new=told)

        self._store.submit(write).result()
        return self._get(str(row["id"])), secret

    def revoke(self, key_id: str, by: str) -> Key:
        """No request gets in with it from now on; a repeat changes nothing. Raises a 404 problem for an unknown key."""

        def write(connection: Connection) -> None:
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).first()
            if row is None:
                raise ProblemError(404, text(f"there is no key {key_id}", f"沒有金鑰 {key_id}"))
            if row.revoked_at is None:
                revoked = {"revoked_at": datetime.now(UTC)}
                connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked))
                append(connection, Action.KEY_REVOKED, f"key {row.name}", by, old={"id": key_id})

        self._store.submit(write).result()
        return self._get(key_id)

    def named(self, name: str) -> Key:
        """The key of this name that is in use. Raises a 404 problem when there is none."""
        with self._store.reading() as connection:
            row = _in_use(connection, name)
        if row is None:
            raise ProblemError(404, text(f"no key named {name} is in use", f"沒有名為 {name} 的使用中金鑰"))
        return _key(row)

    def _get(self, key_id: str) -> Key:
        with self._store.reading() as connection:
            return _key(connection.execute(select(api_keys).where(api_keys.c.id == key_id)).one())


def _in_use(connection: Connection, name: str) -> Any:
    query = select(api_keys).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
    return connection.execute(query).first()


def _key(row: Any) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        role=row.role,
        rate_limit=row.rate_limit,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )

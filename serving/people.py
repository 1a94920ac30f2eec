"""The people who may sign in: added, disabled, never removed, since reviews and the audit trail name them."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from data.wording import text
from serving.account_schema import Person
from serving.audit import Action, append
from serving.password import check_password, hash_password, new_password, verify_password
from serving.problem import ProblemError
from serving.role import Role
from serving.store import Store
from serving.tables import api_keys, people, sessions

FIRST_ADMIN = "admin"


class People:
    """Every method blocks; `by` is who answers for the change in the audit trail."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self) -> list[Person]:
        """Everybody, by name."""
        with self._store.reading() as connection:
            return [_person(row) for row in connection.execute(select(people).order_by(people.c.name))]

    def named(self, name: str) -> Person:
        """Raises a 404 problem when nobody has this name."""
        with self._store.reading() as connection:
            row = connection.execute(select(people).where(people.c.name == name)).first()
        if row is None:
            raise ProblemError(404, text(f"there is nobody named {name}", f"沒有名為 {name} 的人員"))
        return _person(row)

    def first_admin(self) -> str | None:
        """The one-time password of a first admin; None when somebody is there already."""
        with self._store.reading() as connection:
            if connection.execute(select(people.c.id).limit(1)).first() is not None:
                return None
        return self.add(FIRST_ADMIN, Role.ADMIN, by="first start")[1]

    def add(self, name: str, role: Role, by: str) -> tuple[Person, str]:
        """A person with a one-time password, which is kept only as a hash and must be changed at the first sign-in.

        Raises a 422 problem for the role of cameras, 409 when the name is taken, letter case aside: names are signatures.
        """
        name = unicodedata.normalize("NFKC", name).strip()
        if not name:
            raise ProblemError(422, text("name: must not be blank", "名稱：不可空白"))
        _check_role(role)
        password = new_password()
        row = _row(name, role, hash_password(password))

        def write(connection: Connection) -> None:
            if is_name_taken(connection, name):
                raise ProblemError(
                    409,
                    text(
                        f"the name {name} is taken; add something that tells the two apart",
                        f"名稱 {name} 已有人使用；請加上可區別兩人的字樣",
                    ),
                )
            connection.execute(insert(people), row)
            append(connection, Action.PERSON_ADDED, f"person {name}", by, new={"id": row["id"], "role": role.value})

        self._store.submit(write).result()
        return self.get(row["id"]), password

    def change(self, person_id: str, by: str, role: Role | None = None, disabled: bool | None = None) -> Person:
        """Give another role, disable or enable; whoever is disabled or gets another role is signed out.

        Raises a 404 problem for an unknown person, 422 for the role of cameras, 409 when no admin would be left.
        """
        if role is not None:
            _check_role(role)

        def write(connection: Connection) -> None:
            row = _get(connection, person_id)
            was = {"role": row.role, "disabled": row.disabled_at is not None}
            now = {
                "role": row.role if role is None else role.value,
                "disabled": was["disabled"] if disabled is None else disabled,
            }
            if now == was:
                return
            an_admin = {"role": Role.ADMIN.value, "disabled": False}
            if was == an_admin and not _another_admin(connection, person_id):
                raise ProblemError(
                    409,
                    text(
                        f"{row.name} is the last admin who can sign in; make somebody else admin first",
                        f"{row.name} 是最後一位能登入的管理員；請先將他人設為管理員",
                    ),
                )
            disabled_at = (row.disabled_at or datetime.now(UTC)) if now["disabled"] else None
            values = {"role": now["role"], "disabled_at": disabled_at}
            connection.execute(update(people).where(people.c.id == person_id).values(values))
            connection.execute(delete(sessions).where(sessions.c.person_id == person_id))
            append(connection, Action.PERSON_CHANGED, f"person {row.name}", by, old=was, new=now)

        self._store.submit(write).result()
        return self.get(person_id)

    def reset_password(self, person_id: str, by: str) -> str:
        """A new one-time password; the person is signed out everywhere. Raises a 404 problem for an unknown person."""
        password = new_password()
        self._set_password(person_id, password, by, Action.PASSWORD_RESET)
        return password

    def change_password(self, person_id: str, present: str, new: str) -> None:
        """By the person, who is signed out everywhere.

        Raises a 403 problem when `present` is wrong, 422 when `new` is too short, names the person or is the present one.
        """
        with self._store.reading() as connection:
            row = _get(connection, person_id)
        if not verify_password(present, row.password_hash):
            raise ProblemError(403, text("the present password is wrong", "目前密碼錯誤"))
        check_password(new, row.name)
        if new == present:
            raise ProblemError(422, text("password: must differ from the present one", "密碼：不可與目前密碼相同"))
        self._set_password(person_id, new, row.name, Action.PASSWORD_CHANGED)

    def with_password(self, name: str, password: str) -> Person | None:
        """Whoever may sign in so; a wrong password, an unknown name and a disabled person take the same time."""
        with self._store.reading() as connection:
            row = connection.execute(select(people).where(people.c.name == name)).first()
        right = verify_password(password, None if row is None else row.password_hash)
        return _person(row) if right and row is not None and row.disabled_at is None else None

    def password_hash(self, name: str) -> str | None:
        """None for an unknown name, and for who signs in with the identity provider."""
        with self._store.reading() as connection:
            return connection.scalar(select(people.c.password_hash).where(people.c.name == name))

    def from_oidc(self, subject: str, name: str, role: Role) -> Person:
        """Whom the identity provider vouches for; added at the first sign-in, and given the role that it says each time.

        Never joined to a person of the same name who has a password here: a name is no proof. Raises a 403 problem for
        that, and for a person who is disabled.
        """
        _check_role(role)
        with self._store.reading() as connection:
            row = connection.execute(select(people).where(people.c.oidc_subject == subject)).first()
        if row is None:
            return self._add_from_oidc(subject, name, role)
        if row.disabled_at is not None:
            raise ProblemError(
                403, text(f"{row.name} is disabled here; ask an admin", f"{row.name} 在此已停用；請洽管理員")
            )
        if row.role != role.value:
            return self.change(row.id, by="identity provider", role=role)
        return _person(row)

    def _add_from_oidc(self, subject: str, name: str, role: Role) -> Person:
        row = {**_row(name, role, None), "oidc_subject": subject, "must_change_password": False}

        def write(connection: Connection) -> None:
            if is_name_taken(connection, name):
                raise ProblemError(
                    403,
                    text(
                        f"somebody else is named {name} here; ask an admin to settle it",
                        f"此處另有名為 {name} 的人員；請洽管理員處理",
                    ),
                )
            connection.execute(insert(people), row)
            told = {"id": row["id"], "role": role.value, "oidc_subject": subject}
            append(connection, Action.PERSON_ADDED, f"person {name}", "identity provider", new=told)

        self._store.submit(write).result()
        return self.get(row["id"])

    def _set_password(self, person_id: str, password: str, by: str, action: Action) -> None:
        hashed = hash_password(password)

        def write(connection: Connection) -> None:
            row = _get(connection, person_id)
            if row.oidc_subject is not None:
                raise ProblemError(
                    409,
                    text(
                        f"{row.name} signs in with the identity provider, and has no password here",
                        f"{row.name} 以公司帳號登入，在此沒有密碼",
                    ),
                )
            values = {"password_hash": hashed, "must_change_password": action is Action.PASSWORD_RESET}
            connection.execute(update(people).where(people.c.id == person_id).values(values))
            connection.execute(delete(sessions).where(sessions.c.person_id == person_id))
            append(connection, action, f"person {row.name}", by)

        self._store.submit(write).result()

    def get(self, person_id: str) -> Person:
        """Raises a 404 problem for an unknown person."""
        with self._store.reading() as connection:
            return _person(_get(connection, person_id))


def is_name_taken(connection: Connection, name: str, by: tuple[Table, ...] = (people, api_keys)) -> bool:
    """Whether a person or key has a name that reads like this one, or once had it: names sign reviews and the audit trail."""
    looks = _look(name)
    return any(looks == _look(other) for table in by for other in connection.scalars(select(table.c.name)))


def _look(name: str) -> str:
    """A name without what the eye does not see: letter case, width, and characters without a shape."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(character for character in plain if unicodedata.category(character) != "Cf")


def _get(connection: Connection, person_id: str) -> Row[Any]:
    row = connection.execute(select(people).where(people.c.id == person_id)).first()
    if row is None:
        raise ProblemError(404, text(f"there is no person {person_id}", f"沒有人員 {person_id}"))
    return row


def _another_admin(connection: Connection, person_id: str) -> bool:
    others = (people.c.id != person_id) & (people.c.role == Role.ADMIN.value) & people.c.disabled_at.is_(None)
    return bool(connection.scalar(select(func.count()).select_from(people).where(others)))


def _check_role(role: Role) -> None:
    if role is Role.CAMERA:
        raise ProblemError(
            422,
            text(
                "role: cameras have keys, people have one of the other roles",
                "角色：相機使用金鑰，人員須為其他角色之一",
            ),
        )


def _row(name: str, role: Role, password_hash: str | None) -> dict[str, Any]:
    return {
        "id": str(uuid_utils.uuid7()),
        "name": name,
        "role": role.value,
        "password_hash": password_hash,
        "must_change_password": True,
        "created_at": datetime.now(UTC),
    }


def _person(row: Any) -> Person:
    return Person(
        id=row.id,
        name=row.name,
        role=row.role,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        must_change_password=row.must_change_password,
        oidc=row.oidc_subject is not None,
    )

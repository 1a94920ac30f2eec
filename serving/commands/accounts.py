"""`python -m serving key` and `person`: who may come in, straight in the database, while the server runs or not."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from data.errors import InputError
from serving.commands.options import Config, Overrides
from serving.keys import Keys
from serving.people import People
from serving.problem import ProblemError
from serving.role import Role
from serving.settings import DEFAULT_CONFIG, load_settings
from serving.store import Store

keys = typer.Typer(no_args_is_help=True, help="Keys of cameras and other programs.")
people = typer.Typer(no_args_is_help=True, help="People who may sign in.")


@keys.command("add")
def add_key(
    name: str,
    role: Annotated[Role, typer.Option()] = Role.CAMERA,
    rate_limit: Annotated[float | None, typer.Option(min=0.001, help="requests a second")] = None,
    config: Config = DEFAULT_CONFIG,
    overrides: Overrides = None,
) -> None:
    """Create a key; its secret is printed this once."""
    with _store(config, overrides) as store:
        _, secret = Keys(store).add(name, role, _by(), rate_limit)
    typer.echo(secret)


@keys.command("list")
def list_keys(config: Config = DEFAULT_CONFIG, overrides: Overrides = None) -> None:
    """Every key, newest first."""
    table = Table("name", "role", "a second", "created", "last used", "revoked")
    with _store(config, overrides) as store:
        for key in Keys(store).list():
            limit = "" if key.rate_limit is None else f"{key.rate_limit:g}"
            times = (key.created_at, key.last_used_at, key.revoked_at)
            table.add_row(key.name, key.role.value, limit, *("" if time is None else f"{time:%F %R}" for time in times))
    Console().print(table)


@keys.command("revoke")
def revoke_key(name: str, config: Config = DEFAULT_CONFIG, overrides: Overrides = None) -> None:
    """Let nothing in with this key from now on; a running server notices within seconds."""
    with _store(config, overrides) as store:
        every = Keys(store)
        every.revoke(every.named(name).id, _by())


@people.command("add")
def add_person(
    name: str,
    role: Annotated[Role, typer.Option()],
    config: Config = DEFAULT_CONFIG,
    overrides: Overrides = None,
) -> None:
    """Add a person; the one-time password is printed this once."""
    with _store(config, overrides) as store:
        _, password = People(store).add(name, role, _by())
    typer.echo(password)


@people.command("list")
def list_people(config: Config = DEFAULT_CONFIG, overrides: Overrides = None) -> None:
    """Everybody, by name."""
    table = Table("name", "role", "added", "disabled", "signs in with")
    with _store(config, overrides) as store:
        for person in People(store).list():
            disabled = "" if person.disabled_at is None else f"{person.disabled_at:%F %R}"
            how = "identity provider" if person.oidc else "password"
            how = "one-time password" if person.must_change_password else how
            table.add_row(person.name, person.role.value, f"{person.created_at:%F %R}", disabled, how)
    Console().print(table)


@people.command("disable")
def disable_person(name: str, config: Config = DEFAULT_CONFIG, overrides: Overrides = None) -> None:
    """Keep a person out; a running server notices within seconds."""
    with _store(config, overrides) as store:
        everybody = People(store)
        everybody.change(everybody.named(name).id, _by(), disabled=True)


@people.command("reset-password")
def reset_password(name: str, config: Config = DEFAULT_CONFIG, overrides: Overrides = None) -> None:
    """A new one-time password, printed this once; the person is signed out everywhere."""
    with _store(config, overrides) as store:
        everybody = People(store)
        password = everybody.reset_password(everybody.named(name).id, _by())
    typer.echo(password)


@contextmanager
def _store(config: Path, overrides: list[str] | None) -> Iterator[Store]:
    store = Store.open(load_settings(config, overrides or ()).database_url)
    try:
        yield store
    except ProblemError as error:
        raise InputError(error.detail) from error
    finally:
        store.close()


def _by() -> str:
    try:
        return f"{getpass.getuser()} at the command line"
    except (KeyError, OSError):  # a container's user need not have a name
        return f"user {os.getuid()} at the command line"

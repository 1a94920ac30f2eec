"""Backup and restore, beside a running server: the database as of one instant, every image that it names, the bundles.

Order: images first, then the database, then the images that came in between. So an image that retention removes meanwhile
is in the backup when the database there says that it is still kept. The manifest is replaced last: a backup that was cut
off leaves the one before it whole. Nothing that was acknowledged before the backup began is missing from it.
"""

import fcntl
import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import obstore
import uuid_utils
from obstore.exceptions import BaseError
from pydantic import AwareDatetime, Field, ValidationError
from sqlalchemy import URL, Connection, create_engine, func, make_url, select
from sqlalchemy.exc import DatabaseError

from data.bundle import MANIFEST as BUNDLE_MANIFEST
from data.bundle import sha256_of
from data.config import explain
from data.durable import is_full_disk, replacing, sync
from data.errors import InputError
from data.record import Record
from serving.audit import GENESIS, verify
from serving.claim import Claim
from serving.database import connected, reading_beside, revision_of, shown, sqlite_file
from serving.image_store import DamagedImageError, ImageStore, first_line
from serving.settings import Settings
from serving.store import NEWEST, StorageError
from serving.tables import audit, inspections

MANIFEST = "backup.json"
_IMAGES, _BUNDLES, _DATABASE, _LOCK = "images", "bundles", "database-", ".lock"
_OWN_NAME = re.compile(_DATABASE + r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-journal)?")
_BLOCK = 1024 * 1024
_DUMP, _RESTORE = "pg_dump", "pg_restore"
_INSTALL = (
    "install PostgreSQL's client programs of the server's version (for 18, Debian's package postgresql-client-18 from "
    "apt.postgresql.org) and let PATH find them; a container is built with --build-arg POSTGRESQL=18"
)


class Backup(Record):
    """What a backup holds; images are named by their own hash."""

    version: Literal[1] = 1
    made_at: AwareDatetime
    kind: Literal["sqlite", "postgresql"]
    database: str
    """file name"""
    database_sha256: str
    revision: str
    audit_head: str
    inspections: int
    images: int
    lost: dict[str, Literal["missing", "damaged"]] = Field(default={})
    """by sha256, images that the database names and that the installation no longer had as they were posted: not in the backup"""
    bundles: dict[str, str]
    """sha256 by path below `bundles`"""


def make_backup(settings: Settings, target: Path, say: Callable[[str], None]) -> Backup:
    """Bring `target` up to date with the installation; what is there already is not copied again.

    An image that is gone or damaged in the installation is told, and listed in the manifest. Raises InputError for a database,
    image store or directory that cannot be read or written.
    """
    if sqlite_file(settings.database_url) is None:
        _client(_DUMP)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            return _make(settings, target, say)
    except StorageError as error:
        raise InputError(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        todo = "make room there or repair the disk, then run it again"
        if isinstance(error, sqlite3.Error) and not is_full_disk(error):
            todo = "`python -m serving doctor` says whether the database is whole"
        whole = "the backup before it, if there is one, is whole"
        raise InputError(f"backup to {target} failed: {error}; {whole}; {todo}") from error


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Each run removes what the manifest before it does not name: what another one has just made would be among it."""
    with (target / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another backup to {target} is running; wait until it has ended") from error
        yield


def _make(settings: Settings, target: Path, say: Callable[[str], None]) -> Backup:
    images = ImageStore(settings.images)
    file = sqlite_file(settings.database_url)
    previous = read_backup(target).database if (target / MANIFEST).exists() else None
    # What backups that were cut off left: each takes as much room as the next needs.
    _remove_databases(target, previous)
    with reading_beside(settings.database_url) as connection:
        needed = _needed(connection)
        revision = revision_of(connection)
    # What is not there now, retention may have removed meanwhile: the copy of the database tells.
    copied, _ = _copy_images(images, target, needed)
    say(f"{copied:,} images copied")
    name = f"{_DATABASE}{uuid_utils.uuid7()}"
    if file is not None:
        _copy_sqlite(file, target / name)
        with connected(f"sqlite:///{target / name}") as connection:
            head, needed, count = _head(connection), _needed(connection), _count(connection)
    else:
        with reading_beside(settings.database_url) as connection:
            # The dump is of what this connection sees, so that it names no image that is not looked for here.
            snapshot = connection.execute(select(func.pg_export_snapshot())).scalar_one()
            head, needed, count = _head(connection), _needed(connection), _count(connection)
            _dump_postgresql(settings.database_url, target / name, snapshot)
    say(f"database copied: {count:,} inspections")
    copied, lost = _copy_images(images, target, needed)
    say(f"{copied:,} images copied that came in meanwhile")
    if lost:
        say(f"{len(lost):,} images are missing or damaged in {settings.images}, {min(lost)} among them: not backed up")
    made = Backup(
        made_at=datetime.now(UTC),
        kind="postgresql" if file is None else "sqlite",
        database=name,
        database_sha256=sha256_of(target / name),
        revision=revision or "",
        audit_head=head,
        inspections=count,
        images=len(needed) - len(lost),
        lost=lost,
        bundles=_copy_bundles(settings.bundles, target / _BUNDLES),
    )
    with replacing(target / MANIFEST) as stream:
        stream.write(made.model_dump_json(indent=2).encode())
    sync(target)
    _tidy(target, made, needed)
    return made


def restore_backup(source: Path, settings: Settings, force: bool, say: Callable[[str], None]) -> Backup:
    """Check every hash and the audit trail of a backup, then put it where `settings` say; the server must be stopped.

    Raises InputError before anything is changed when something is damaged, a server runs, or there is something at the target
    already and `force` is not set. With it, an SQLite database there is renamed, not removed, and images that the backup lost
    are left out; those that it never had always are. The database of a PostgreSQL backup can be read only once it is loaded:
    there the audit trail is checked, and missing images are told, at the end.
    """
    made = read_backup(source)
    with closing(Claim(settings)):
        return _restore(source, made, settings, force, say)


def _restore(source: Path, made: Backup, settings: Settings, force: bool, say: Callable[[str], None]) -> Backup:
    if not force:
        _refuse_to_overwrite(settings)
    try:
        whole, damaged = _check_files(source, made)
        if made.revision != NEWEST:
            raise InputError(
                f"the backup is of schema {made.revision}, this program of {NEWEST}; restore it with the version "
                "that made it, whose successor then brings it up to date at its first start"
            )
        file = sqlite_file(settings.database_url)
        if (file is None) is (made.kind == "sqlite"):
            raise InputError(
                f"the backup is of a {made.kind} database; {shown(settings.database_url)} is of another kind"
            )
        if made.kind == "sqlite":
            needed, told = _check_database(source, made)
            say(told)
            _leave_out(needed - whole, made, force, say)
        else:
            _leave_out(damaged, made, force, say)
        if file is None:
            _client(_RESTORE)
        images = ImageStore(settings.images)
        for sha256 in sorted(whole):
            images.put(sha256, _image(source, sha256).read_bytes())
        for path in made.bundles:
            _copy(source / _BUNDLES / path, settings.bundles / path)
        if file is None:
            _load_postgresql(source / made.database, settings.database_url)
            with reading_beside(settings.database_url) as connection:
                _leave_out(_needed(connection) - whole, made, force=True, say=say)
                say(_held(verify(connection, made.audit_head).broken))
        else:
            _replace_sqlite(source / made.database, file)
    except StorageError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"restoring {source} failed: {error}") from error
    return made


def read_backup(place: Path) -> Backup:
    """The manifest of a backup. Raises InputError when there is none, or one that cannot be read."""
    try:
        return Backup.model_validate(json.loads((place / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(f"{place} holds no finished backup: there is no {MANIFEST}") from error
    except ValidationError as error:
        raise InputError(f"{place / MANIFEST}: {explain(error)}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{place / MANIFEST} cannot be read: {error}") from error


def _needed(connection: Connection) -> set[str]:
    table = inspections.c
    query = select(table.image_sha256).where(table.image_kept, table.image_removed_at.is_(None)).distinct()
    return set(connection.execute(query).scalars())


def _count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(inspections)).scalar_one()


def _head(connection: Connection) -> str:
    query = select(audit.c.hash).order_by(audit.c.sequence.desc()).limit(1)
    return connection.execute(query).scalar() or GENESIS


def _copy_images(
    images: ImageStore, target: Path, sha256s: set[str]
) -> tuple[int, dict[str, Literal["missing", "damaged"]]]:
    """How many were not there yet, and what became of those that cannot be copied."""
    copied = 0
    lost: dict[str, Literal["missing", "damaged"]] = {}
    for sha256 in sha256s:
        file = _image(target, sha256)
        if file.exists():
            continue
        try:
            content = images.get(sha256)
        except DamagedImageError:
            lost[sha256] = "damaged"
            continue
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            lost[sha256] = "missing"
            continue
        with replacing(file) as stream:
            stream.write(content)
        copied += 1
    return copied, lost


def _image(place: Path, sha256: str) -> Path:
    return place / _IMAGES / sha256[:2] / sha256


def _copy_sqlite(source: Path, target: Path) -> None:
    # In one step: it reads one snapshot and does not hold up the writer, where a copy in several begins anew at each write.
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        # A copy has no log beside it, so that it is one file.
        new.execute("PRAGMA journal_mode=DELETE")
    sync(target)


def _dump_postgresql(url: str, target: Path, snapshot: str) -> None:
    _run_postgresql(_DUMP, url, "--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={target}")


def _load_postgresql(source: Path, url: str) -> None:
    _run_postgresql(_RESTORE, url, "--clean", "--if-exists", "--no-owner", "--exit-on-error", str(source))


def _client(program: str) -> str:
    """Where a client program of PostgreSQL is; asked for before the work begins, so that hours of copying are not lost."""
    path = shutil.which(program)
    if path is None:
        raise InputError(f"{program} is not installed; {_INSTALL}")
    return path


def _run_postgresql(program: str, url: str, *arguments: str) -> None:
    path = _client(program)
    parsed = make_url(url).set(drivername="postgresql")
    # Other people on the machine can read a command line, not an environment.
    environment = os.environ | ({"PGPASSWORD": str(parsed.password)} if parsed.password else {})
    open_url = URL.create(**{**parsed._asdict(), "password": None}).render_as_string()
    done = subprocess.run(
        [path, f"--dbname={open_url}", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = " ".join(done.stderr.split())
        todo = f"; {_INSTALL}" if "server version mismatch" in said else ""
        raise InputError(f"{program} failed: {said}{todo}")


def _copy_bundles(source: Path, target: Path) -> dict[str, str]:
    hashes = {}
    for manifest in sorted(source.glob(f"**/{BUNDLE_MANIFEST}")):
        for file in _files(manifest.parent):
            path = file.relative_to(source)
            hashes[path.as_posix()] = sha256_of(file)
            copy = target / path
            if not copy.exists() or sha256_of(copy) != hashes[path.as_posix()]:
                _copy(file, copy)
    return hashes


def _tidy(target: Path, made: Backup, needed: set[str]) -> None:
    """Remove what the new manifest does not name: what retention removed is to go from the backup too."""
    _remove_databases(target, made.database)
    for image in _files(target / _IMAGES):
        if image.name not in needed:
            image.unlink()


def _remove_databases(target: Path, kept: str | None) -> None:
    for database in target.glob(f"{_DATABASE}*"):
        # Of others' files in the directory none may go, whatever they are called.
        if database.name != kept and _OWN_NAME.fullmatch(database.name):
            database.unlink()


def _refuse_to_overwrite(settings: Settings) -> None:
    file = sqlite_file(settings.database_url)
    if file is not None:
        there = file.exists()
    else:
        with connected(settings.database_url) as connection:
            there = revision_of(connection) is not None
    if there:
        raise InputError(f"there is a database at {shown(settings.database_url)} already; --force replaces it")
    try:
        filled = next(iter(obstore.list(ImageStore(settings.images).objects, chunk_size=1)), None)
    except BaseError as error:
        raise InputError(f"image store {settings.images} cannot be read: {first_line(error)}") from error
    if filled:
        raise InputError(f"there are images in {settings.images} already; --force adds to them")


def _check_files(source: Path, made: Backup) -> tuple[set[str], set[str]]:
    """The images that are as they were posted, and those that are not. Raises InputError for another file that is not whole."""
    expected = {source / made.database: made.database_sha256}
    expected |= {source / _BUNDLES / path: sha256 for path, sha256 in made.bundles.items()}
    for file, sha256 in expected.items():
        if not file.is_file():
            raise InputError(f"{file} is missing from the backup; nothing was restored")
        if sha256_of(file) != sha256:
            raise InputError(f"{file} is not what was backed up: its hash differs; nothing was restored")
    there = {image.name for image in _files(source / _IMAGES)}
    whole = {sha256 for sha256 in there if sha256_of(_image(source, sha256)) == sha256}
    return whole, there - whole


def _check_database(source: Path, made: Backup) -> tuple[set[str], str]:
    """The images that it names, and that its audit trail holds."""
    engine = create_engine(f"sqlite:///file:{source / made.database}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            needed, broken = _needed(connection), verify(connection, made.audit_head).broken
    except DatabaseError as error:
        raise InputError(f"the database of the backup cannot be read: {error.orig}; nothing was restored") from error
    finally:
        engine.dispose()
    return needed, _held(broken)


def _leave_out(lost: set[str], made: Backup, force: bool, say: Callable[[str], None]) -> None:
    """Raises InputError for images that were whole when the backup was made, unless `force` is set."""
    unexpected = lost - made.lost.keys()
    if unexpected and not force:
        raise InputError(
            f"{len(unexpected):,} images of the backup are missing or damaged, {min(unexpected)} among them; nothing was "
            "restored; take another copy of it, or restore without them with --force"
        )
    if lost:
        say(
            f"{len(lost):,} images are missing or damaged, {min(lost)} among them: their inspections are without an image"
        )


def _held(broken: tuple[object, ...]) -> str:
    if broken:
        raise InputError(f"the audit trail of the backup does not hold: {broken[0]}")
    return "hashes match, the audit trail holds"


def _replace_sqlite(source: Path, target: Path) -> None:
    fresh = target.with_name(f"{target.name}.restored")
    _copy(source, fresh)
    aside = f"{target.name}.before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    # The logs too, also one whose database is gone: SQLite would apply it to the new one.
    for suffix in ("", "-wal", "-shm", "-journal"):
        beside = target.with_name(target.name + suffix)
        if beside.exists():
            beside.rename(target.with_name(aside + suffix))
    fresh.rename(target)
    sync(target.parent)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as content, replacing(target) as stream:
        shutil.copyfileobj(content, stream, _BLOCK)


def _files(place: Path) -> list[Path]:
    return sorted(file for file in place.rglob("*") if file.is_file() and not file.name.endswith(".part"))

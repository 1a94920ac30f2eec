"""What an installation lacks, and what to do about it: port, disk, database, images, model, clock, permissions.

Works before the first start and beside a running server; it writes nothing but a probe file that it removes again.
"""

import errno
import json
import os
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from obstore.exceptions import BaseError
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from data.bundle import Bundle
from data.errors import BundleError, InputError
from serving.alive import answer_of, is_alive
from serving.database import connected, revision_of, shown, sqlite_file
from serving.image_store import ImageStore, directory_of, first_line
from serving.models import bundle_of_recipe, bundle_to_serve
from serving.settings import Settings
from serving.store import NEWEST, is_newer
from serving.tables import audit, inspections

_LEAST_FREE = 0.02
_LITTLE_FREE = 0.10
_LARGE_WAL = 512 * 1024 * 1024
# Checking every index of a database takes minutes when it is larger; then only its pages are checked.
_WHOLE_CHECK = 1024 * 1024 * 1024
_SKEW = timedelta(seconds=5)
_RENEW_WITHIN = timedelta(days=21)
_WATCH_SECONDS = 0.3
_LARGEST_STEP = 0.05


class Level(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """What was found of one subject; unless it is OK, `what` also says what to do."""

    level: Level
    subject: str
    what: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check in turn; a check that cannot go on because an earlier one failed is left out."""
    alive = is_alive(settings)
    yield _port(settings, alive)
    yield from _disks(settings)
    with ExitStack() as open_ones:
        connection: Connection | None = None
        try:
            file = sqlite_file(settings.database_url)
            if file is not None and not file.exists():
                yield Finding(Level.OK, "database", f"{file} does not exist yet; the first start makes it")
            else:
                connection = open_ones.enter_context(connected(settings.database_url))
        except InputError as error:
            yield Finding(Level.FAIL, "database", f"{error}; check database_url and that the database runs")
        if connection is not None:
            found = list(_database(settings, connection))
            yield from found
            if any(finding.level is not Level.OK and finding.subject != "WAL" for finding in found):
                connection = None
        yield _images(settings)
        if settings.tls.certificate is not None:
            yield _certificate(settings.tls.certificate)
        yield from _permissions(settings)
        yield from _models(settings, connection)
        if alive:
            yield _running(settings)
        yield from _clock(connection)


def _port(settings: Settings, alive: bool) -> Finding:
    where = f"{settings.host}:{settings.port}"
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return Finding(
                    Level.FAIL, "port", f"{where} cannot be listened on ({error.strerror}); set another port"
                )
        else:
            return Finding(Level.OK, "port", f"{where} is free")
    if alive:
        return Finding(Level.OK, "port", f"the server runs on {where}")
    return Finding(
        Level.FAIL, "port", f"{where} is taken by another program; stop it, or set another port (QC_PORT=8001)"
    )


def _certificate(file: Path) -> Finding:
    try:
        expires = x509.load_pem_x509_certificates(file.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as error:
        return Finding(Level.FAIL, "certificate", f"{file} cannot be read ({error}); it must be PEM, with the chain")
    left = expires - datetime.now(UTC)
    what = f"{file} is valid until {expires:%Y-%m-%d}"
    if left < timedelta(0):
        return Finding(Level.FAIL, "certificate", f"{what}, which is past; renew it and restart the server")
    if left < _RENEW_WITHIN:
        return Finding(Level.WARN, "certificate", f"{what}, in {left.days} days; renew it and restart the server")
    return Finding(Level.OK, "certificate", what)


def _disks(settings: Settings) -> Iterator[Finding]:
    places = {"database disk": _sqlite_place(settings), "image disk": directory_of(settings.images)}
    for subject, place in places.items():
        if place is None:
            continue
        usage = shutil.disk_usage(_existing(place))
        free, share = usage.free / 2**30, usage.free / usage.total
        what = f"{free:,.1f} GiB free ({share:.0%}) for {place}"
        if share < _LEAST_FREE:
            yield Finding(Level.FAIL, subject, f"{what}; free some at once, or set retention periods")
        elif share < _LITTLE_FREE:
            yield Finding(Level.WARN, subject, f"{what}; set retention periods, or use a larger disk")
        else:
            yield Finding(Level.OK, subject, what)


def _sqlite_place(settings: Settings) -> Path | None:
    """The directory of an SQLite database; None for another kind, or no URL at all."""
    try:
        file = sqlite_file(settings.database_url)
    except InputError:
        return None
    return None if file is None else file.parent


def _database(settings: Settings, connection: Connection) -> Iterator[Finding]:
    name = shown(settings.database_url)
    try:
        found = revision_of(connection)
        if found == NEWEST:
            yield Finding(Level.OK, "schema", f"{name} has schema {found}")
        elif is_newer(found):
            todo = "a newer release wrote it, and this one does not start on it; start that one"
            yield Finding(Level.FAIL, "schema", f"{name} has schema {found}, this program {NEWEST}; {todo}")
        else:
            todo = "the next start brings it up to date; make a backup first"
            yield Finding(Level.WARN, "schema", f"{name} has schema {found}, this program {NEWEST}; {todo}")
        file = sqlite_file(settings.database_url)
        if file is None:
            return
        kind = "integrity_check" if file.stat().st_size < _WHOLE_CHECK else "quick_check"
        problems = list(connection.exec_driver_sql(f"PRAGMA {kind}(3)").scalars())
        if problems == ["ok"]:
            yield Finding(Level.OK, "integrity", f"{kind} of {file} found nothing")
        else:
            todo = "stop the server and restore a backup"
            yield Finding(Level.FAIL, "integrity", f"{file} is damaged ({'; '.join(problems)}); {todo}")
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        wal = file.with_name(f"{file.name}-wal")
        size = wal.stat().st_size if wal.exists() else 0
        if mode != "wal":
            yield Finding(Level.WARN, "WAL", f"{file} is in journal mode {mode}; the next start sets WAL")
        elif size > _LARGE_WAL:
            todo = "a reader keeps it open: close what reads the database, then restart the server"
            yield Finding(Level.WARN, "WAL", f"{wal} has grown to {size / 2**20:,.0f} MiB; {todo}")
        else:
            yield Finding(Level.OK, "WAL", f"write-ahead log of {size / 2**20:,.1f} MiB")
    except DBAPIError as error:
        yield Finding(Level.FAIL, "database", f"{name} cannot be read ({error.orig}); restore a backup")


def _images(settings: Settings) -> Finding:
    place = directory_of(settings.images)
    if place is not None and not place.exists():
        parent = _existing(place)
        if os.access(parent, os.W_OK | os.X_OK):
            return Finding(Level.OK, "image store", f"{place} does not exist yet; the first start makes it")
        return Finding(Level.FAIL, "image store", f"{place} cannot be made in {parent}; give this user write access")
    try:
        ImageStore(settings.images).probe()
    except (InputError, BaseError, OSError) as error:
        todo = "free or mount the disk, or give this user write access"
        return Finding(Level.FAIL, "image store", f"{settings.images} cannot be written ({first_line(error)}); {todo}")
    return Finding(Level.OK, "image store", f"{settings.images} can be written and read")


def _permissions(settings: Settings) -> Iterator[Finding]:
    place = _sqlite_place(settings)
    if place is not None and not os.access(_existing(place), os.W_OK | os.X_OK):
        yield Finding(
            Level.FAIL, "permissions", f"{place} cannot be written by this user; chown it to the server's user"
        )
        return
    file = sqlite_file(settings.database_url) if place is not None else None
    wanted: list[tuple[Path | None, Callable[[], bool]]] = [
        (file, lambda: file is not None and os.access(file, os.R_OK | os.W_OK)),
        (settings.bundles, lambda: os.access(settings.bundles, os.R_OK | os.X_OK)),
    ]
    found = [path for path, _ in wanted if path is not None and path.exists()]
    for path, usable in wanted:
        if path in found and not usable():
            yield Finding(
                Level.FAIL, "permissions", f"{path} cannot be used by this user; chown it to the server's user"
            )
            return
    images = directory_of(settings.images)
    open_to_all = [path for path in (*found, images) if path is not None and path.exists() and _all_may_write(path)]
    if open_to_all:
        names = ", ".join(str(path) for path in open_to_all)
        yield Finding(Level.WARN, "permissions", f"everybody on this machine may write {names}; chmod o-w")
    else:
        yield Finding(Level.OK, "permissions", "database, images and bundles are this user's to use")


def _models(settings: Settings, connection: Connection | None) -> Iterator[Finding]:
    """What the next start would take, for wherever no recipe has its own and for each recipe that has."""
    keeps = "A server that runs keeps the model that it has loaded; from its next start on"
    try:
        what = _loads(bundle_to_serve(settings, connection))
    except BundleError as error:
        yield Finding(Level.FAIL, "model", f"{error}. {keeps} every part is held")
    else:
        yield Finding(Level.OK, "model", what)
    for recipe in settings.recipes:
        name = f"{recipe.product} at {recipe.station}"
        try:
            path = bundle_of_recipe(settings, connection, recipe)
            if path is not None:
                yield Finding(Level.OK, "recipe model", f"{name}: {_loads(path)}")
        except BundleError as error:
            yield Finding(Level.FAIL, "recipe model", f"{name}: {error}. {keeps} its parts are held")


def _loads(path: Path) -> str:
    manifest = Bundle.load(path, threads=1).manifest
    return f"{manifest.name} {manifest.version}: hashes match, golden frames give what they gave at export"


def _running(settings: Settings) -> Finding:
    """What the server says of itself: it knows what it has in memory, and why parts are held."""
    try:
        told = json.loads(answer_of(settings, "/readyz") or b"")
        warnings, why_not = told.get("warnings", []), told.get("detail")
    except (ValueError, AttributeError):
        return Finding(Level.WARN, "server", "it does not say whether it is ready; look into its log")
    if why_not is not None:
        return Finding(Level.FAIL, "server", str(why_not))
    if warnings:
        return Finding(Level.WARN, "server", "; ".join(map(str, warnings)))
    return Finding(Level.OK, "server", "it decides parts, with bundles that are on disk as they were loaded")


def _clock(connection: Connection | None) -> Iterator[Finding]:
    wall, steady = time.time(), time.monotonic()
    time.sleep(_WATCH_SECONDS)
    step = (time.time() - wall) - (time.monotonic() - steady)
    now = datetime.now(UTC)
    local = now.astimezone()
    what = f"{now:%Y-%m-%d %H:%M:%S} UTC, {local:%H:%M %Z} here"
    if abs(step) > _LARGEST_STEP:
        todo = "something sets it just now; let chrony or systemd-timesyncd slew it"
        yield Finding(Level.WARN, "clock", f"{what}; it moved by {step:+.2f} s while watched: {todo}")
    elif now.year < 2026:
        yield Finding(Level.FAIL, "clock", f"{what}; that is before this program was written: set the clock")
    else:
        yield Finding(Level.OK, "clock", what)
    if connection is None:
        return
    newest = [
        connection.execute(select(func.max(column))).scalar() for column in (inspections.c.received_at, audit.c.at)
    ]
    ahead = max((time for time in newest if time is not None), default=now)
    if ahead > now + _SKEW:
        todo = "the clock was ahead then or is behind now: set it before the line runs, or figures and retention err"
        yield Finding(Level.FAIL, "times", f"the newest row is of {ahead.isoformat()}, which is yet to come; {todo}")
    else:
        yield Finding(Level.OK, "times", "no row is from the future")


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _all_may_write(path: Path) -> bool:
    mode = path.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX

"""`python -m serving audit`: verify the trail, or export it."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from data.durable import replacing
from data.errors import InputError
from serving.audit import verify
from serving.audit_trail import Format, export
from serving.commands.options import Config, Overrides
from serving.database import reading_beside
from serving.settings import DEFAULT_CONFIG, load_settings

commands = typer.Typer(no_args_is_help=True, help="Verify the audit trail, or export it.")


@commands.command("verify")
def verify_command(
    head: Annotated[str | None, typer.Option(help="hash noted earlier, which must still be in the chain")] = None,
    config: Config = DEFAULT_CONFIG,
    overrides: Overrides = None,
) -> None:
    """Recompute the whole chain; exit code 1 when it does not hold, with a sentence for every broken place."""
    settings = load_settings(config, overrides or ())
    with reading_beside(settings.database_url) as connection:
        found = verify(connection, head)
    for one in found.broken:
        typer.echo(str(one))
    if found.unnamed:
        typer.echo(f"and {found.unnamed:,} more places")
    typer.echo(
        f"{found.entries:,} entries, head {found.head}: the trail {'DOES NOT HOLD' if found.broken else 'holds'}"
    )
    if found.broken:
        raise typer.Exit(1)


@commands.command("export")
def export_command(
    out: Annotated[Path, typer.Option(help="file to write")],
    kind: Annotated[Format, typer.Option("--format")] = Format.CSV,
    since: Annotated[datetime | None, typer.Option(help="from this time on, this machine's zone")] = None,
    until: Annotated[datetime | None, typer.Option(help="up to this time, not included")] = None,
    config: Config = DEFAULT_CONFIG,
    overrides: Overrides = None,
) -> None:
    """Write the entries to a file, oldest first."""
    settings = load_settings(config, overrides or ())
    try:
        with reading_beside(settings.database_url) as connection, replacing(out) as stream:
            count = export(connection, stream, kind, since and since.astimezone(), until and until.astimezone())
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from error
    typer.echo(f"{count:,} entries to {out}", file=sys.stderr)

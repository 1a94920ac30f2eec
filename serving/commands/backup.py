"""`python -m serving backup` and `restore`."""

from pathlib import Path
from typing import Annotated

import typer

from serving.backup import make_backup, restore_backup
from serving.commands.options import Config, Overrides
from serving.settings import DEFAULT_CONFIG, load_settings


def backup(
    directory: Annotated[Path, typer.Argument(help="made when missing, brought up to date when not")],
    config: Config = DEFAULT_CONFIG,
    overrides: Overrides = None,
) -> None:
    """Copy database, images and bundles to a directory while the server runs; only what is new is copied."""
    made = make_backup(load_settings(config, overrides or ()), directory, typer.echo)
    typer.echo(f"{directory}: {made.inspections:,} inspections, {made.images:,} images, audit head {made.audit_head}")


def restore(
    directory: Annotated[Path, typer.Argument(help="what `backup` wrote")],
    force: Annotated[
        bool, typer.Option("--force", help="although there is a database (it is renamed), or the backup lost images")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    overrides: Overrides = None,
) -> None:
    """Check a backup and put it where the settings say; the server must be stopped."""
    settings = load_settings(config, overrides or ())
    made = restore_backup(directory, settings, force, typer.echo)
    typer.echo(f"restored {made.inspections:,} inspections and {made.images:,} images of {made.made_at.isoformat()}")

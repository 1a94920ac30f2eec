"""`python -m serving doctor`: what this installation lacks."""

import typer
from rich.console import Console
from rich.text import Text

from serving.commands.options import Config, Overrides
from serving.doctor import Level, examine
from serving.settings import DEFAULT_CONFIG, load_settings

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def doctor(config: Config = DEFAULT_CONFIG, overrides: Overrides = None) -> None:
    """Check port, disks, database, images, permissions, model and clock; exit code 1 when something fails."""
    console, failed = Console(soft_wrap=True), False
    for finding in examine(load_settings(config, overrides or ())):
        failed = failed or finding.level is Level.FAIL
        mark = Text(f"{finding.level.value:<5}", _STYLES[finding.level])
        console.print(mark + Text(f"{finding.subject:<14}{finding.what}", ""))
    if failed:
        raise typer.Exit(1)

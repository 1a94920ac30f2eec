"""`python -m serving catalog`: what people decided, as images to train on."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from sqlalchemy import RowMapping

from serving.commands.options import Config, Overrides
from serving.labelled import CATALOG, GOOD, Wanted, write_labelled
from serving.settings import DEFAULT_CONFIG, load_settings

_MOST_NAMED = 10


def catalog(
    directory: Annotated[Path, typer.Argument(help="new or empty")],
    since: Annotated[datetime | None, typer.Option(help="received from this time on, this machine's zone")] = None,
    until: Annotated[datetime | None, typer.Option(help="up to this time, not included")] = None,
    line: Annotated[str | None, typer.Option(help="of this line only")] = None,
    product: Annotated[str | None, typer.Option(help="of this product only")] = None,
    config: Config = DEFAULT_CONFIG,
    overrides: Overrides = None,
) -> None:
    """Write the frames of confirmed defects and false calls by class, with a catalog for `make train`; needs no server."""
    settings = load_settings(config, overrides or ())
    wanted = Wanted(since and since.astimezone(), until and until.astimezone(), line, product)
    made = write_labelled(settings, directory, wanted, _tracked)
    for label, count in sorted(made.labels.items(), key=lambda item: (item[0] != GOOD, item[0])):
        typer.echo(f"{count:>8,}  {label}")
    if made.marked:
        typer.echo(f"with boxes that people drew: {made.marked:,} images")
    _name("have no image any more", made.gone)
    _name("are no images", made.unreadable)
    if made.challenges:
        typer.echo(f"left out: {made.challenges:,} frames of challenge parts, with which the model is tried")
    typer.echo(f"{made.labels.total():,} images; train on them with: make train DATA={directory / CATALOG}")


def _tracked(rows: list[RowMapping]) -> Iterable[RowMapping]:
    return track(rows, "images", console=Console(stderr=True), transient=True)


def _name(what: str, ids: list[str]) -> None:
    if ids:
        more = f" and {len(ids) - _MOST_NAMED:,} more" if len(ids) > _MOST_NAMED else ""
        typer.echo(f"left out: {len(ids):,} decided frames {what}: {', '.join(ids[:_MOST_NAMED])}{more}")

"""python -m training --config configs/train/elpv.yaml [--data DIR_or_catalog.csv] [--set a.b=c]..."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from data.config import load_config
from data.errors import InputError
from training.config import TrainConfig

app = typer.Typer(add_completion=False)


@app.command()
def main(
    config: Annotated[Path, typer.Option(help="YAML file, see configs/train")],
    data: Annotated[Path | None, typer.Option(help="labelled folder or catalog CSV, instead of the config's")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="a.b=c, overrides one key")] = None,
) -> None:
    """Train a model on labelled images and write its bundle; the last line printed is JSON."""
    _log_to_stderr()
    given = (
        [] if data is None else [f"data.source={'catalog' if data.suffix == '.csv' else 'folder'}", f"data.path={data}"]
    )
    try:
        settings = load_config(config, TrainConfig, [*given, *(overrides or [])])
        # torch and its kin take seconds to import: not before the configuration is known to be right.
        from training.evaluate import result_line
        from training.run import train

        bundle, manifest = train(settings)
    except InputError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error
    print(result_line(bundle, manifest.metrics))


def _log_to_stderr() -> None:
    handler = RichHandler(console=Console(stderr=True), show_path=False, show_level=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    logging.getLogger("training").setLevel(logging.INFO)


if __name__ == "__main__":
    app()

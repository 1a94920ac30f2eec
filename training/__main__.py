"""`python -m training`: train a model on labelled images, and what helps to choose how."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from data.bundle import CARD
from data.config import load_config
from data.durable import is_full_disk
from data.errors import InputError
from training.allocator import keep_freed_memory
from training.config import TrainConfig
from training.progress import log_to_terminal

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train a model on labelled images, and what helps to choose how. One YAML file says everything.",
)

ConfigFile = Annotated[Path, typer.Option("--config", help="YAML file, see configs/train")]
DataPath = Annotated[
    Path | None, typer.Option("--data", help="labelled folder, catalog CSV or COCO JSON, instead of the config's")
]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="a.b=c, overrides one key")]

_SOURCES = {".csv": "catalog", ".json": "coco"}


@app.command()
def train(config: ConfigFile, data: DataPath = None, overrides: Overrides = None) -> None:
    """Train a model and write its bundle; last line: JSON."""
    with _settings(config, data, overrides) as settings:
        # torch and its kin take seconds to import: not before the configuration is known to be right.
        from training.evaluate import result_line
        from training.run import train

        bundle, manifest = train(settings)
        print(manifest.guarantee.escape.sentence.en, file=sys.stderr)
        print(f"{bundle / CARD} says how good it is, what it promises and where it fails", file=sys.stderr)
        print(f"To let it decide: python -m serving promote {manifest.version} --reason WHY", file=sys.stderr)
        print(result_line(bundle, manifest.metrics))


@app.command()
def preview(config: ConfigFile, data: DataPath = None, overrides: Overrides = None) -> None:
    """Page: what augmentation makes of a few images."""
    with _settings(config, data, overrides) as settings:
        from training.preview import write_preview

        print(write_preview(settings, settings.output / "previews" / f"{settings.name}.html"))


@app.command()
def compare(
    config: ConfigFile,
    backbones: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME[@SIZE]", help="timm backbones; the three packaged ones when left out"),
    ] = None,
    data: DataPath = None,
    overrides: Overrides = None,
) -> None:
    """Page: backbones by accuracy and time; last line: JSON."""
    with _settings(config, data, overrides) as settings:
        from training.compare import DEFAULT_BACKBONES
        from training.compare import compare as run
        from training.comparison_page import table

        page = settings.output / "comparisons" / f"{settings.name}.html"
        rows = run(settings, backbones or DEFAULT_BACKBONES, page)
        Console().print(table(rows))
        print(json.dumps({"comparison": str(page), "rows": [row.model_dump() for row in rows]}))


@app.command()
def cross_validate(config: ConfigFile, data: DataPath = None, overrides: Overrides = None) -> None:
    """Score every image out of fold; last line: JSON."""
    with _settings(config, data, overrides) as settings:
        from training.run import cross_validate

        predictions, result = cross_validate(settings)
        metrics = {name: metric.value for name, metric in result.metrics.items()}
        print(json.dumps({"predictions": str(predictions), "metrics": metrics}))


@contextmanager
def _settings(config: Path, data: Path | None, overrides: list[str] | None) -> Iterator[TrainConfig]:
    """The configuration of a command; what its user can put right ends it with one sentence and exit code 2."""
    log_to_terminal()
    given = [] if data is None else [f"data.source={_SOURCES.get(data.suffix.lower(), 'folder')}", f"data.path={data}"]
    try:
        settings = load_config(config, TrainConfig, [*given, *(overrides or [])])
        keep_freed_memory()
        try:
            yield settings
        except InputError:
            raise
        except Exception as error:  # a full disk hides under whatever it broke; all else is raised again
            if not is_full_disk(error):
                raise
            raise InputError(
                f"no space left on the disk of {settings.output.resolve()}; no earlier file was changed, make room and give the "
                "same command again"
            ) from error
    except InputError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    app()

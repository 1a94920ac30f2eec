"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option(help="YAML settings")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override a setting")]

Key = Annotated[
    str | None, typer.Option(envvar="QC_KEY", help="of a server with authentication; better in the environment")
]

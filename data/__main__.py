"""`python -m data`: make a catalog of labelled images, and say what is in one."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from data.catalog import Catalog, read_catalog, write_catalog
from data.errors import InputError
from data.sources.elpv import read_elpv
from data.sources.folder import read_folder

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Catalogs of labelled images.")

CatalogFile = Annotated[Path, typer.Argument(help="catalog CSV")]


@app.command()
def folder(
    root: Annotated[Path, typer.Argument(help="ROOT/<class>/* or ROOT/{train,val,test}/<class>/*")],
    out: CatalogFile,
    ok: Annotated[list[str] | None, typer.Option(help="a class that is OK; repeat for more")] = None,
) -> None:
    """Index a labelled folder."""
    catalog = read_folder(root, ok) if ok else read_folder(root)
    write_catalog(catalog, out)
    _show(catalog)


@app.command()
def elpv(out: CatalogFile) -> None:
    """Index the demo images (solar cells, CC BY-NC-SA 4.0: evaluation only)."""
    catalog = read_elpv()
    write_catalog(catalog, out)
    _show(catalog)


@app.command()
def describe(file: CatalogFile) -> None:
    """Check a catalog against its images and count them."""
    _show(read_catalog(file))


def _show(catalog: Catalog) -> None:
    table = Table("split", *catalog.classes, "images")
    for split, counts in sorted(catalog.counts().items()):
        table.add_row(split or "(none)", *(str(counts[name]) for name in catalog.classes), str(counts.total()))
    Console().print(table)


if __name__ == "__main__":
    try:
        app()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)

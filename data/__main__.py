"""`python -m data`: make a catalog of labelled images, and say what is in one."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from data.catalog import Catalog, read_catalog, write_catalog
from data.errors import InputError
from data.sources.coco import read_coco
from data.sources.elpv import read_elpv
from data.sources.folder import read_folder

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Catalogs of labelled images."
)

CatalogFile = Annotated[Path, typer.Argument(help="catalog CSV")]


@app.command()
def folder(
    root: Annotated[Path, typer.Argument(help="ROOT/<class>/* or ROOT/{train,val,test}/<class>/*")],
    out: CatalogFile,
    ok: Annotated[list[str] | None, typer.Option(help="a class that is OK; repeat for more")] = None,
) -> None:
    """Index a labelled folder, with the masks in ROOT/ground_truth and the boxes in ROOT/annotations.csv if there are any."""
    catalog = read_folder(root, ok) if ok else read_folder(root)
    write_catalog(catalog, out)
    _show(catalog)


@app.command()
def coco(
    annotations: Annotated[Path, typer.Argument(help="COCO JSON; images beside it or in images/")],
    out: CatalogFile,
) -> None:
    """Index images with boxes in COCO format; an image without annotations is good."""
    catalog = read_coco(annotations)
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
    table = Table("split", *catalog.classes, "images", "marked")
    for split, counts in sorted(catalog.counts().items()):
        marked = sum(bool(row.marks) for row in catalog.rows if row.split == split)
        table.add_row(
            split or "(none)", *(str(counts[name]) for name in catalog.classes), str(counts.total()), str(marked)
        )
    Console().print(table)


if __name__ == "__main__":
    try:
        app()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)

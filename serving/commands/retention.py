"""`python -m serving retention`: what would be removed, or have the running server remove it."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from serving.commands.ask import ask
from serving.commands.options import Config, Key, Overrides
from serving.database import reading_beside
from serving.retention import plan
from serving.retention_schema import RetentionPlan
from serving.schema import Rule
from serving.settings import DEFAULT_CONFIG, load_settings

_WORDS = {
    Rule.FLAGGED_IMAGES: "images of flagged or audited parts",
    Rule.PASSED_IMAGES: "images of passed parts",
    Rule.ROWS: "whole inspections",
}


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go; needs no server")] = False,
    config: Config = DEFAULT_CONFIG,
    overrides: Overrides = None,
    url: str = "http://127.0.0.1:8000",
    key: Key = None,
    reason: Annotated[str, typer.Option(help="for the audit trail")] = "asked for at the command line",
) -> None:
    """Have the running server remove now what is older than its `retention` settings allow."""
    if dry_run:
        settings = load_settings(config, overrides or ())
        with reading_beside(settings.database_url) as connection:
            _show(plan(connection, settings.retention, datetime.now(UTC)), "would go")
        return
    answer = ask("POST", f"{url}/v1/retention", key, "--dry-run needs no server", json={"reason": reason})
    _show(RetentionPlan.model_validate_json(answer), "goes now, in the background")


def _show(due: RetentionPlan, verb: str) -> None:
    table = Table(title=f"What {verb}")
    for name in ("rule", "kept for", "inspections", "image files", "bytes", "kept: held", "kept: waiting"):
        # Folded where the terminal is narrow: a number that is cut short would be taken for another one.
        table.add_column(name, justify="left" if name == "rule" else "right", overflow="fold")
    for one in due.classes:
        days = "ever" if one.days is None else f"{one.days:g} days"
        counts = (one.inspections, one.images, one.image_bytes, one.held, one.waiting)
        table.add_row(_WORDS[one.rule], days, *(f"{count:,}" for count in counts))
    Console().print(table)

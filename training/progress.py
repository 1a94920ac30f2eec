"""What training says meanwhile, and bars with the time left, on stderr: stdout is for the result."""

import logging
import multiprocessing
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Item = TypeVar("Item")


def bar(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """The items, with a bar that says how many are done, how long it took and how long it will take.

    Without one in a process that another started: bars of several processes would write over each other.
    """
    if multiprocessing.parent_process() is not None:
        yield from items
        return
    columns = (
        TextColumn("{task.description}", justify="left"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(items, total=total, description=f"{title:<22}")


def log_to_terminal() -> None:
    """Let `training` tell how it goes on stderr, and everything else only what goes wrong; for this process, for good."""
    handler = RichHandler(console=Console(stderr=True), show_path=False, show_level=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    logging.getLogger("training").setLevel(logging.INFO)

"""Tables that people send or get as CSV: every row typed and the first wrong ones named by their line, and none a formula."""

import csv
import io
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from data.config import explain
from serving.problem import ProblemError

_MOST_NAMED = 5

Row = TypeVar("Row", bound=BaseModel)


def read_rows(content: bytes, model: type[Row], what: str) -> list[Row]:
    """Rows of a UTF-8 CSV with a header; empty cells are left out.

    Raises a 422 problem that names line and column of what is wrong, and the columns there are when one is unknown.
    """
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        lines = [(table.line_num, row) for row in table]
    except UnicodeDecodeError as error:
        raise ProblemError(422, f"{what}: not UTF-8 at byte {error.start}; save the table as CSV UTF-8") from error
    except csv.Error as error:
        raise ProblemError(422, f"{what}: line {table.line_num} is no CSV ({error})") from error
    columns = ", ".join(model.model_fields)
    if not lines:
        raise ProblemError(422, f"{what}: no rows; the first line names the columns ({columns}), a row each follows")
    unknown = sorted(set(table.fieldnames or ()) - set(model.model_fields))
    if unknown:
        raise ProblemError(422, f"{what}: no column is called {', '.join(unknown)}; there are {columns}")
    rows, wrong = [], []
    for number, cells in lines:
        if None in cells:
            wrong.append(f"line {number}: more cells than columns")
            continue
        try:
            rows.append(model.model_validate({name: cell for name, cell in cells.items() if cell not in (None, "")}))
        except ValidationError as error:
            wrong.append(f"line {number}: {explain(error)}")
    if wrong:
        more = f"; and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise ProblemError(422, f"{what}: {'; '.join(wrong[:_MOST_NAMED])}{more}. Nothing was kept")
    return rows


def csv_line(cells: Sequence[str]) -> str:
    """One row as CSV, with its line end."""
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def harmless(text: str) -> str:
    """Text that a spreadsheet would take for a formula and run, made plain by an apostrophe before it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text

"""Tables that people send or get as CSV: every row typed and the first wrong ones named by their line, and none a formula."""

import csv
import io
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from data.wording import Text, text
from serving.problem import ProblemError, explain_fields

NOTHING_KEPT = text("nothing was kept", "未保存任何資料")
_MOST_NAMED = 5

Row = TypeVar("Row", bound=BaseModel)


def read_rows(content: bytes, model: type[Row], what: Text, most: int) -> list[Row]:
    """Rows of a UTF-8 CSV with a header; empty cells are left out.

    Raises a 422 problem for more than `most` rows; and one that names the table by `what`, the line and column of what is
    wrong, and the columns there are when one is unknown.
    """
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        lines = [(table.line_num, row) for row in table]
    except UnicodeDecodeError as error:
        raise _refused(
            what,
            f"not UTF-8 at byte {error.start}; save the table as CSV UTF-8",
            f"第 {error.start} 位元組不是 UTF-8；請將表格另存為 CSV UTF-8",
        ) from error
    except csv.Error as error:
        raise _refused(
            what, f"line {table.line_num} is no CSV ({error})", f"第 {table.line_num} 行不是 CSV（{error}）"
        ) from error
    if len(lines) > most:  # before any is looked at: a million rows would take the processors from the line
        raise _refused(
            what, f"{len(lines):,} rows; send at most {most:,} at once", f"共 {len(lines):,} 列；一次最多 {most:,} 列"
        )
    columns = ", ".join(model.model_fields)
    if not lines:
        raise _refused(
            what,
            f"no rows; the first line names the columns ({columns}), a row each follows",
            f"沒有資料列；第一行為欄位名稱（{columns}），其後每行一列",
        )
    unknown = sorted(set(table.fieldnames or ()) - set(model.model_fields))
    if unknown:
        raise _refused(
            what,
            f"no column is called {', '.join(unknown)}; there are {columns}",
            f"沒有名為 {', '.join(unknown)} 的欄位；可用的欄位為 {columns}",
        )
    rows: list[Row] = []
    wrong: list[Text] = []
    for number, cells in lines:
        if None in cells:
            wrong.append(text(f"line {number}: more cells than columns", f"第 {number} 行：儲存格多於欄位"))
            continue
        try:
            rows.append(model.model_validate({name: cell for name, cell in cells.items() if cell not in (None, "")}))
        except ValidationError as error:
            told = explain_fields(error.errors())
            wrong.append(text(f"line {number}: {told.en}", f"第 {number} 行：{told.zh_hant}"))
    if wrong:
        named, more = wrong[:_MOST_NAMED], len(wrong) - _MOST_NAMED
        raise _refused(
            what,
            f"{'; '.join(one.en for one in named)}{f'; and {more} more' if more > 0 else ''}. Nothing was kept",
            f"{'；'.join(one.zh_hant for one in named)}{f'；另有 {more} 行' if more > 0 else ''}。未保存任何資料",
        )
    return rows


def _refused(what: Text, en: str, zh_hant: str) -> ProblemError:
    return ProblemError(422, text(f"{what.en}: {en}", f"{what.zh_hant}：{zh_hant}"))


def csv_line(cells: Sequence[str]) -> str:
    """One row as CSV, with its line end."""
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def harmless(cell: str) -> str:
    """Text that a spreadsheet would take for a formula and run, made plain by an apostrophe before it."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell

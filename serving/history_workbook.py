"""Past inspections as an Excel file: what the CSV holds, with times as dates and numbers as numbers."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import IO, Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from data.wording import text
from serving.blindness import Sight
from serving.history import COLUMNS, chunks, more_than
from serving.history_schema import HistoryFilters
from serving.problem import ProblemError
from serving.store import Store

MOST_ROWS = 1_048_575
"""of a sheet in Excel, after its header"""

_BLOCK = 256 * 1024


def history_workbook(
    store: Store, filters: HistoryFilters, sight: Sight, most_rows: int = MOST_ROWS
) -> Iterator[bytes]:
    """The whole file in blocks, newest row first; times are in UTC, to the millisecond, since Excel knows no zones.

    It is written to a temporary file row by row, so that a million rows take no more memory than a hundred. Raises a 422
    problem before the first block when more inspections are found than a sheet has rows.
    """
    with store.reading() as connection:
        if more_than(connection, filters, most_rows):
            raise _too_many(most_rows)
    blocks = _blocks(store, filters, sight, most_rows)
    # What has been started closes its file even if nobody takes the rest.
    return chain([next(blocks)], blocks)


def _write(file: IO[bytes], store: Store, filters: HistoryFilters, sight: Sight, most_rows: int) -> None:
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("inspections")
        head = book.add_format({"bold": True, "bg_color": "#DCE8F3"})
        time = book.add_format({"num_format": 'yyyy-mm-dd hh:mm:ss.000" UTC"'})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(COLUMNS) - 1, 16)
        for column, name in enumerate(COLUMNS):
            sheet.set_column(column, column, 28 if name.endswith("_at") else 16)
            sheet.write_string(0, column, name, head)
        number = 0
        for rows in chunks(store, filters, sight):
            for row in rows:
                number += 1
                if number > most_rows:  # they came in since they were counted
                    raise _too_many(most_rows)
                for column, name in enumerate(COLUMNS):
                    _write_cell(sheet, number, column, row[name], time)
        sheet.autofilter(0, 0, number, len(COLUMNS) - 1)


def _write_cell(sheet: Worksheet, row: int, column: int, value: Any, time: Format) -> None:
    match value:
        case None | "":
            pass
        case bool():
            sheet.write_boolean(row, column, value)
        case int() | float():
            sheet.write_number(row, column, value)
        case datetime():
            sheet.write_datetime(row, column, value.astimezone(UTC).replace(tzinfo=None), time)
        case _:
            # Never a formula or a link, whatever a person or a camera sent as a name.
            sheet.write_string(row, column, str(value))


def _blocks(store: Store, filters: HistoryFilters, sight: Sight, most_rows: int) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        _write(file, store, filters, sight, most_rows)
        file.seek(0)
        while block := file.read(_BLOCK):
            yield block


def _too_many(most_rows: int) -> ProblemError:
    return ProblemError(
        422,
        text(
            f"more than {most_rows:,} inspections are found, and a sheet of Excel has no more rows; narrow the search, say by "
            "since and until, and take one file for each, or take export.csv, which has no limit",
            f"找到的檢驗紀錄超過 {most_rows:,} 筆，超出 Excel 工作表的列數；"
            "請縮小範圍（例如依 since 與 until 分段）分成數個檔案，或改用沒有上限的 export.csv",
        ),
    )

"""Writes the reports of every week and month that is over into a directory, as the server runs."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from data.durable import replacing
from serving.periodic import Periodic
from serving.plant_day import Period, containing, day_of
from serving.report_page import render_page
from serving.report_schema import Report
from serving.report_workbook import render_workbook
from serving.reports import Language, Plant, collect
from serving.settings import Reports
from serving.store import Store

log = structlog.get_logger()

_LOOK_SECONDS = 600


class ReportWriter:
    """Looks every ten minutes whether a period has ended whose report is not there, and writes it, page and Excel file."""

    def __init__(self, settings: Reports, store: Store, plant: Callable[[], Plant]) -> None:
        self._settings, self._store, self._plant = settings, store, plant
        self._periodic = Periodic("report-writer", self._look, _LOOK_SECONDS)
        self.close = self._periodic.close

    def start(self) -> None:
        """Begin, where a directory is set."""
        if self._settings.directory is not None:
            self._periodic.start()

    def _look(self, stop: threading.Event) -> None:
        assert self._settings.directory is not None
        plant = self._plant()
        today = day_of(datetime.now(UTC), plant.zone)
        for every in self._settings.every:
            period = containing(today, weekly=every == "week").previous
            if stop.is_set() or all(file.exists() for file in files_of(self._settings, period)):
                continue
            with self._store.reading() as connection:
                report = collect(connection, period, plant)
            write(report, self._settings.directory, self._settings.languages)
            log.info("report written", period=period.name, directory=str(self._settings.directory))


def files_of(settings: Reports, period: Period) -> list[Path]:
    """Where the reports of a period are, or will be."""
    assert settings.directory is not None
    return [
        settings.directory / f"report-{period.name}-{language}.{kind}"
        for language in settings.languages
        for kind in ("html", "xlsx")
    ]


def write(report: Report, directory: Path, languages: tuple[Language, ...]) -> list[Path]:
    """Write page and Excel file in each language; whoever looks meanwhile sees a whole file or none."""
    written = []
    for language in languages:
        for kind, content in (
            ("html", render_page(report, language).encode()),
            ("xlsx", render_workbook(report, language)),
        ):
            file = directory / f"report-{report.period}-{language}.{kind}"
            with replacing(file) as stream:
                stream.write(content)
            written.append(file)
    return written

"""Shifts on the wall clock of a line: over midnight, and over the two nights a year when the clock changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from serving.settings import LineClock

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ShiftRun:
    """One shift of one day: `day` is the local date on which it began; start and end are in UTC."""

    name: str
    day: date
    start: datetime
    end: datetime


def shift_runs(clock: LineClock, since: datetime, until: datetime) -> Iterator[ShiftRun]:
    """The runs that overlap [since, until), in order, each whole.

    Each begins and ends when the line's wall clock says so, so that the night shift of a clock change has an hour more or
    less. A wall time that does not exist is taken as that much after the change; of one that comes twice, the first counts.
    """
    zone = ZoneInfo(clock.time_zone)
    day = since.astimezone(zone).date() - _DAY
    last = until.astimezone(zone).date()
    while day <= last:
        runs = [
            ShiftRun(
                shift.name,
                day,
                _at(day, shift.start, zone),
                _at(day if shift.end > shift.start else day + _DAY, shift.end, zone),
            )
            for shift in clock.shifts
        ]
        yield from sorted((run for run in runs if run.end > since and run.start < until), key=lambda run: run.start)
        day += _DAY


def _at(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)

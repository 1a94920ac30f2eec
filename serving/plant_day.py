"""Days, weeks and months of the plant, in its own time zone: a day with a clock change has 23 or 25 hours."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from data.wording import Text, text
from serving.problem import ProblemError
from serving.schema import FIRST_DAY, LAST_DAY

DAY_SECONDS = 86_400

_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_MONTH = re.compile(r"(\d{4})-(\d{2})")


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """When the plant's day begins, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The plant's day at a time."""
    return at.astimezone(zone).date()


def stretches(since: datetime, until: datetime, seconds: int, zone: ZoneInfo) -> list[datetime]:
    """When the stretches that cover [since, until) begin, and when the last one ends, in UTC.

    `seconds` divides a day, and then the plant's clock shows 00:00 and multiples of it from there on, or is a number of
    whole days, counted from a Monday. A stretch with a clock change is an hour shorter or longer.
    """
    days = max(seconds // DAY_SECONDS, 1)
    first = date.fromordinal((day_of(since, zone).toordinal() - 1) // days * days + 1)
    starts = [start_of(first, zone)]
    for number in count(1):
        if starts[-1] >= until:
            break
        wall = datetime.combine(first, time()) + number * timedelta(seconds=seconds)
        starts.append(wall.replace(tzinfo=zone).astimezone(UTC))
    return starts[bisect_right(starts, since) - 1 :]


@dataclass(frozen=True)
class Period:
    """A whole week or month of the plant: `first` day to the day before `end`."""

    name: str
    first: date
    end: date

    @property
    def previous(self) -> "Period":
        """The week before a week, the month before a month."""
        return containing(self.first - timedelta(days=1), "W" in self.name)


def containing(day: date, weekly: bool) -> Period:
    """The ISO week (Monday to Sunday) or the month that a day is in."""
    if weekly:
        year, week, weekday = day.isocalendar()
        monday = day - timedelta(days=weekday - 1)
        return Period(f"{year}-W{week:02}", monday, monday + timedelta(days=7))
    first = day.replace(day=1)
    return Period(f"{first:%Y-%m}", first, (first + timedelta(days=32)).replace(day=1))


def parse_period(name: str) -> Period:
    """A period by its name, 2026-W47 or 2026-11. Raises a 422 problem for another."""
    try:
        if week := _WEEK.fullmatch(name):
            first = date.fromisocalendar(int(week[1]), int(week[2]), 1)
        elif month := _MONTH.fullmatch(name):
            first = date(int(month[1]), int(month[2]), 1)
        else:
            raise ProblemError(
                422,
                text(
                    f"period: {name} is neither a week such as 2026-W47 nor a month such as 2026-11",
                    f"期間：{name} 既不是 2026-W47 這樣的週，也不是 2026-11 這樣的月",
                ),
            )
    except ValueError as error:
        raise ProblemError(
            422, text(f"period: there is no {name} ({error})", f"期間：沒有 {name}（{error}）")
        ) from error
    if not FIRST_DAY <= first <= LAST_DAY:
        raise ProblemError(
            422,
            text(
                f"period: {name} is not in the years {FIRST_DAY.year} to {LAST_DAY.year}",
                f"期間：{name} 不在 {FIRST_DAY.year} 至 {LAST_DAY.year} 年之間",
            ),
        )
    return containing(first, weekly="W" in name)


def refuse_to_come(day: date, zone: ZoneInfo, what: Text, so: Text) -> None:
    """Raises a 422 problem when `day`, of what `what` names, is after the plant's today; `so` says what follows."""
    today = day_of(datetime.now(UTC), zone)
    if day > today:
        raise ProblemError(
            422,
            text(
                f"{what.en}: {day} is yet to come, today is {today} ({zone.key}); {so.en}",
                f"{what.zh_hant}：{day} 尚未到來，今天是 {today}（{zone.key}）；{so.zh_hant}",
            ),
        )

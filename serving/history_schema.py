"""What goes over HTTP when people look for past parts."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from data.verdict import ReviewDecision, Verdict
from serving.schema import Message, Name, UtcTime


class Decided(StrEnum):
    """What people decided, as something to look for."""

    DEFECT_CONFIRMED = "DEFECT_CONFIRMED"
    FALSE_CALL = "FALSE_CALL"
    DEFECT_ACCEPTED = "DEFECT_ACCEPTED"
    UNSURE = "UNSURE"
    NONE = "NONE"


class HistoryFilters(Message):
    """Which inspections; null takes all. A part or lot is found by its whole name, times are of receipt."""

    part_id: Name | None = None
    lot: Name | None = None
    product: Name | None = None
    line: Name | None = None
    station: Name | None = None
    class_name: Name | None = Field(default=None, alias="class", description="what the model called it")
    verdict: list[Verdict] = Field(default=[])
    decision: list[Decided] = Field(default=[], description="NONE: nobody decided")
    reviewer: Name | None = Field(default=None, description="whose decision stands")
    since: UtcTime | None = None
    until: UtcTime | None = None


class HistoryQuery(HistoryFilters):
    """Query of GET /v1/history."""

    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=200, ge=1, le=500)


class HistoryItem(Message):
    """One inspection in few words: a hundred thousand of them must fit a browser."""

    id: str
    received_at: datetime
    part_id: str
    lot: str
    product: str
    line: str
    station: str
    camera: str
    verdict: Verdict
    defect_probability: float | None
    class_name: str | None = Field(alias="class")
    decision: ReviewDecision | None
    reviewer: str | None
    has_image: bool


class HistoryPage(Message):
    items: list[HistoryItem]
    next_cursor: str | None = Field(description="pass as `cursor` for the next page; null on the last")


class HistoryMark(Message):
    """Where a page of the result begins, so that any page can be asked for without those before."""

    cursor: str = Field(description="pass as `cursor`, with `items` as `limit`, for the page")
    items: int = Field(description="how many inspections it has")
    received_at: datetime = Field(description="none on the page is newer")


class HistoryOutline(Message):
    """The whole result as pages, newest first; what is received later is on none of them."""

    items: int = Field(description="inspections on all pages")
    pages: list[HistoryMark]
    older: datetime | None = Field(description="as `until`, it begins where these end; null where nothing is older")

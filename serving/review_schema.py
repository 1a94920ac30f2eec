"""What goes over HTTP around the review of a part: the queue and who has what of it, cases that look alike, and the past."""

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from serving.schema import Id, Inspection, InvalidError, Message, Name


class QueueFilters(Message):
    """Which of what waits; null takes all. Minutes count back from now, from when the frame was received."""

    line: Name | None = None
    station: Name | None = None
    lot: Name | None = None
    class_name: Name | None = Field(default=None, alias="class")
    older_than_minutes: float | None = Field(default=None, ge=0, le=10_000_000)
    newer_than_minutes: float | None = Field(default=None, ge=0, le=10_000_000)

    @model_validator(mode="after")
    def _some_age(self) -> Self:
        older, newer = self.older_than_minutes, self.newer_than_minutes
        if older is not None and newer is not None and older >= newer:
            raise InvalidError(
                "older_than_minutes: must be less than newer_than_minutes, or nothing is left",
                "older_than_minutes：須小於 newer_than_minutes，否則沒有零件符合",
            )
        return self


class QueueQuery(QueueFilters):
    """Query of GET /v1/reviews/queue."""

    reviewer: Name | None = Field(
        default=None, description="skip what this person called UNSURE, and what others have on their screens"
    )
    limit: int = Field(default=20, ge=1, le=100)


class QueueItem(Inspection):
    """A part that waits for a person."""

    blind: bool = Field(
        default=False,
        description="the person is to decide before seeing what the model said: score, class, regions and heat are not sent, and "
        "the verdict is REVIEW whatever it was",
    )


class ReviewQueue(Message):
    """The parts to look at next, most expensive first, and how many wait in all."""

    items: list[QueueItem]
    waiting: int
    with_others: int = Field(description="of those that wait, how many other people have on their screens")


class ClaimRequest(QueueFilters):
    """Ask for the next parts, for oneself alone. What was claimed before and is not asked for again is given back."""

    reviewer: Name
    keep: list[Id] = Field(
        default=[], max_length=20, description="ids of parts on the screen, which stay first whatever the order is now"
    )
    limit: int = Field(default=8, ge=1, le=50)


class Claim(Message):
    """Who has a part on the screen; after `until` anybody may take it."""

    inspection_id: str
    reviewer: str
    until: datetime


class ClaimedQueue(ReviewQueue):
    """The parts that are now this person's alone, in order, and until when; they are renewed by asking again."""

    until: datetime
    refused: list[Claim] = Field(description="of `keep`: those that somebody else has")


class QueueChoices(Message):
    """The values that occur among what waits, for filters."""

    line: list[str]
    station: list[str]
    lot: list[str]
    class_name: list[str] = Field(alias="class")


class SimilarCase(Message):
    """An earlier inspection, with what people decided, and the cosine of the two embeddings (1: the same image)."""

    inspection: Inspection
    similarity: float


class SimilarCases(Message):
    """What looked alike before. `compared` past decisions of the same product and model were looked at."""

    items: list[SimilarCase]
    compared: int
    reference: SimilarCase | None = Field(
        description="the passed part of the same product and view that looks most alike, preferably one that a person called "
        "good; null when there is none with its image; similarity 0 when it could not be compared"
    )


class Tally(Message):
    """Frames by verdict and by what people decided."""

    inspected: int
    flagged: int
    confirmed: int
    false_calls: int


class Past(Message):
    """What happened around an inspection: other frames of the part, its lot so far, its line in the hour before it."""

    part: list[Inspection] = Field(description="other frames of the same part, newest first, at most 20")
    lot: Tally
    line: Tally
    line_minutes: int = Field(description="how long before the frame `line` looks back")

"""What goes over HTTP about retention."""

from datetime import datetime

from pydantic import Field

from serving.schema import Message, Name, Reason, Rule


class RetentionClass(Message):
    """What one rule would remove now."""

    rule: Rule
    days: float | None = Field(description="null keeps it for ever")
    inspections: int
    images: int = Field(description="files that no other inspection needs")
    image_bytes: int
    held: int = Field(description="old enough, but kept by a legal hold")
    waiting: int = Field(description="old enough, but kept because a person has yet to decide")


class RetentionPlan(Message):
    """What retention would remove now, by rule."""

    at: datetime
    classes: list[RetentionClass]


class RetentionRequest(Message):
    """Why retention is to run now, instead of when its time comes."""

    reason: Reason
    person: Name | None = Field(default=None, description="who answers for it; the caller, when that is known")

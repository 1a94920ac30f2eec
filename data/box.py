"""Where a person said that a defect is: boxes in the pixels of the original image."""

import json
import re
from typing import Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from data.record import Record

_FARTHEST = 2**31 - 1
"""pixels; no image is as long, and any database keeps it"""
_NOT_PLAIN = re.compile(r"[,;]|^\s|\s$")


class Box(Record):
    """From `x0`, `y0` up to but without `x1`, `y1`, in pixels of the upright original; `label` is its defect class, if told."""

    x0: int = Field(ge=0, le=_FARTHEST)
    y0: int = Field(ge=0, le=_FARTHEST)
    x1: int = Field(le=_FARTHEST)
    y1: int = Field(le=_FARTHEST)
    label: str = Field(default="", max_length=128, pattern=r"^[^\x00-\x1f]*$")

    @model_validator(mode="after")
    def _has_area(self) -> "Box":
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise PydanticCustomError(
                "box_without_area",
                "box {box} has no area; expected x0,y0,x1,y1 with x0 < x1 and y0 < y1",
                {"box": str(self)},
            )
        return self

    def __str__(self) -> str:
        corners = f"{self.x0},{self.y0},{self.x1},{self.y1}"
        return f"{corners},{self.label}" if self.label else corners


def parse_boxes(text: str) -> list[dict[str, Any]]:
    """The fields of each box, not yet checked, from `x0,y0,x1,y1;...` or a JSON list `[[x0, y0, x1, y1], ...]`.

    Either way a fifth value is the defect class. Raises ValueError for what has not four or five values.
    """
    text = text.strip()
    if not text.startswith("["):
        return [_fields([value.strip() for value in part.split(",")]) for part in text.split(";") if part.strip()]
    try:
        return [_fields(values) for values in json.loads(text)]
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error})") from error


def format_boxes(boxes: tuple[Box, ...]) -> str:
    """The text that `parse_boxes` reads: `x0,y0,x1,y1;...`, with the class as a fifth value where it is told.

    The JSON list where a class could not be told from what stands around it.
    """
    if any(_NOT_PLAIN.search(box.label) for box in boxes):
        return json.dumps([[box.x0, box.y0, box.x1, box.y1, box.label] for box in boxes], ensure_ascii=False)
    return ";".join(str(box) for box in boxes)


def _fields(values: Any) -> dict[str, Any]:
    if not isinstance(values, list) or len(values) not in (4, 5):
        raise ValueError(f"{values!r} is no box; expected x0,y0,x1,y1 and optionally the class, boxes parted by ;")
    return dict(zip(Box.model_fields, values, strict=False))

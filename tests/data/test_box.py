"""Boxes: what one writes, one reads, and JSON says the same as plain text."""

import json

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from data.box import Box, format_boxes, parse_boxes


@st.composite
def a_box(draw: st.DrawFn) -> Box:
    x0, y0 = draw(st.integers(0, 5000)), draw(st.integers(0, 5000))
    across, down = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
    label = draw(st.sampled_from(["", "pin-hole", "deep dent", "刮傷", "crack, deep", "a;b", " open", ' "x", 1']))
    return Box(x0=x0, y0=y0, x1=x0 + across, y1=y0 + down, label=label)


@given(st.lists(a_box(), max_size=4).map(tuple))
def test_text_and_json_give_the_same_boxes(boxes: tuple[Box, ...]) -> None:
    lists = [[box.x0, box.y0, box.x1, box.y1, *([box.label] if box.label else [])] for box in boxes]
    for text in (format_boxes(boxes), json.dumps(lists)):
        assert TypeAdapter(tuple[Box, ...]).validate_python(parse_boxes(text)) == boxes

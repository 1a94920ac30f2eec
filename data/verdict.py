"""Verdicts of the model and decisions of people, and how frames add up to a part."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

View = TypeVar("View", bound=Hashable)


class Verdict(StrEnum):
    """One model's decision on one frame, in rising severity; NO_DECISION holds the part."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a secret
    REVIEW = "REVIEW"
    REJECT = "REJECT"
    NO_DECISION = "NO_DECISION"

    @property
    def flagged(self) -> bool:
        """True when the part may not go on without a person or a reject bin."""
        return self is not Verdict.PASS


class ReviewDecision(StrEnum):
    """One person's decision on an inspection."""

    DEFECT_CONFIRMED = "DEFECT_CONFIRMED"
    FALSE_CALL = "FALSE_CALL"
    DEFECT_ACCEPTED = "DEFECT_ACCEPTED"
    UNSURE = "UNSURE"


DECIDED = frozenset({ReviewDecision.DEFECT_CONFIRMED, ReviewDecision.FALSE_CALL, ReviewDecision.DEFECT_ACCEPTED})
"""What settles an inspection; whoever is unsure leaves it open."""

_SEVERITY = {verdict: severity for severity, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe of at least one verdict."""
    return max(verdicts, key=_SEVERITY.__getitem__)


def part_verdict(by_view: Mapping[View, Verdict], expected_views: Collection[View] = ()) -> Verdict:
    """The worst verdict of a part's views; NO_DECISION when an expected view, or every view, is missing.

    >>> part_verdict({"top": Verdict.PASS, "side": Verdict.REVIEW}).value
    'REVIEW'
    >>> part_verdict({"top": Verdict.PASS}, expected_views=["top", "side"]).value
    'NO_DECISION'
    """
    if not by_view or not set(expected_views) <= by_view.keys():
        return Verdict.NO_DECISION
    return worst(by_view.values())

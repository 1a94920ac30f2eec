"""The one place that says from whom the model's word is kept: an inspection that waits to be decided blind tells an inspector
neither verdict nor score, class, reason or region, wherever the inspector looks, until a person has decided. One that waits for
a second opinion does not tell the first either, but to whoever gave it.

Everybody else sees everything. Without authentication nobody knows who looks: then only the review flow (the queue, and the
inspection that is open in it) keeps silent.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from data.verdict import DECIDED, Verdict
from serving.schema import Inspection, Review
from serving.settings import Reviewing
from serving.tables import inspections

# Of a row, what tells whether it waits blind, and what it hides then, with what is shown instead.
TELLING = ("verdict", "audit", "queue_cost", "decision")
_SHOWN: dict[str, Any] = {
    "verdict": Verdict.REVIEW,
    "cause": None,
    "fault": None,
    "reason": None,
    "defect_probability": None,
    "novelty": None,
    "class_name": None,
    "class_probability": {},
    "thresholds": None,
    "regions": [],
    "review": None,
}
_HIDDEN_COLUMNS = frozenset(_SHOWN) | {"pass_below", "reject_from"}
_DECISION_COLUMNS = frozenset(
    ("decision", "reviewer", "defect_class", "boxes", "note", "seconds", "blind", "decided_at")
)


@dataclass(frozen=True)
class Sight:
    """What a caller may see of what the model said."""

    blind_share: float
    hides: bool
    name: str | None = None

    def hidden(self, row: Mapping[Any, Any]) -> bool:
        """Whether the model's word on a row of inspections (id and TELLING) is kept from the caller.

        What waits for a second opinion is not kept from who gave the first, where the row has its reviewer.
        """
        if not self.hides or not waits_blind(row, self.blind_share):
            return False
        first = row.get("review_reviewer", row.get("reviewer"))
        return not waits_for_second(row) or (self.name is not None and first != self.name)

    def decision_hidden(self, row: Mapping[Any, Any]) -> bool:
        """Whether the decision that stands on the row is kept from the caller, who may be asked for a second one."""
        return waits_for_second(row) and self.hidden(row)

    def of(self, inspection: Inspection, row: Mapping[Any, Any]) -> Inspection:
        """The inspection of that row as the caller sees it."""
        return without_verdict(inspection) if self.hidden(row) else inspection

    def of_row(self, row: Mapping[Any, Any]) -> dict[str, Any]:
        """A row of columns of inspections and reviews as the caller sees it: hidden ones are null, the verdict is REVIEW."""
        shown = dict(row)
        if self.hidden(row):
            shown.update((name, _SHOWN.get(name)) for name in shown.keys() & _HIDDEN_COLUMNS)
        if self.decision_hidden(row):
            shown.update(dict.fromkeys(shown.keys() & _DECISION_COLUMNS))
        return shown

    def hidden_ids(self, connection: Connection, ids: Iterable[str]) -> set[str]:
        """Those of the inspections whose word is kept from the caller."""
        if not self.hides:
            return set()
        table = inspections.c
        query = select(table.id, *(table[name] for name in TELLING)).where(table.id.in_(list(ids)))
        return {row["id"] for row in connection.execute(query).mappings() if self.hidden(row)}


def in_review(sight: Sight, reviewing: Reviewing, signed_in: bool) -> Sight:
    """In the review flow, which without authentication is everybody's."""
    return sight if signed_in else Sight(reviewing.blind_share, hides=True)


def waits_blind(row: Mapping[Any, Any], share: float) -> bool:
    """Whether a row of inspections (id and TELLING) waits for a person who must not know what the model said."""
    if row["queue_cost"] is None:
        return False
    return waits_for_second(row) or is_blind(row["id"], Verdict(row["verdict"]), share, row["audit"])


def waits_for_second(row: Mapping[Any, Any]) -> bool:
    """Whether a row of inspections is decided and waits all the same: for another person's opinion, which is blind."""
    return row["queue_cost"] is not None and row["decision"] in DECIDED


def second_waits(connection: Connection, id: str) -> bool:
    """Whether an inspection waits for a second opinion."""
    table = inspections.c
    row = connection.execute(select(table.queue_cost, table.decision).where(table.id == id)).mappings().first()
    return row is not None and waits_for_second(row)


def is_blind(
    id: str,
    verdict: Verdict,
    share: float,
    audit: str | None = None,
) -> bool:
    """Whether the model's verdict is hidden until a person has decided: every passed part that waits (it is an audit), every
    challenge part, and the given share of the flagged ones, drawn by their ids so that it is the same whoever asks.
    """
    if verdict is Verdict.PASS or audit is not None:
        return True
    if verdict is Verdict.NO_DECISION:
        return False
    return is_drawn(f"blind {id}", share)


def is_drawn(name: str, share: float) -> bool:
    """Whether `name` is among the share, 0 to 1, of all names: by its hash, so the same whoever asks, and when."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) < share * 2**64


def without_verdict(inspection: Inspection) -> Inspection:
    """The inspection as a person sees it who is to decide without the model: passed and flagged ones look the same, and so do
    those that somebody has decided before.
    """
    return inspection.model_copy(update=_SHOWN)


def without_decision(review: Review) -> Review:
    """The review as a person sees it who may be asked for a second opinion: that somebody looked, not who saw what."""
    return review.model_copy(
        update={"decision": None, "defect_class": None, "boxes": [], "reviewer": "", "note": "", "seconds": None}
    )

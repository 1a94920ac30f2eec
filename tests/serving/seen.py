"""An inspection as the line hands it on, made without a server."""

from datetime import UTC, datetime

import uuid_utils

from data.verdict import Verdict
from serving.schema import Inspection, ModelRef, StoredImage

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seen(defect_probability: float, novelty: float | None = 0.5) -> Inspection:
    """A passed frame with this score."""
    return Inspection(
        id=str(uuid_utils.uuid7()),
        received_at=_NOW,
        captured_at=_NOW,
        product="cell",
        line="line-1",
        station="final",
        camera="top",
        part_id="P-1",
        lot="L-1",
        verdict=Verdict.PASS,
        cause=None,
        fault=None,
        reason=None,
        defect_probability=defect_probability,
        novelty=novelty,
        class_name="good",
        class_probability={},
        thresholds=None,
        regions=[],
        model=ModelRef(name="b", version="d"),
        latency_ms=1,
        image=StoredImage(sha256="0" * 64, media_type="image/png", bytes=1, width=1, height=1),
        review=None,
    )

"""Drift: the frames of each camera, all together, against the training's held-out images and against the camera's own first ones.

A window of the last N frames is looked at every N / 10 frames, whole and its newest tenth alone: a sudden change shows in few
frames, a slow one in many. Each of the six checks of a look gets an equal share of the false-alarm chance (Bonferroni), so
that an unchanged camera raises an alarm within N frames with at most the chance of the settings.
"""

import io
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import TypeAdapter
from sqlalchemy import Connection, Text, cast, func, insert, select

from data.drift import LEAST_SAMPLE, Floats, Reference, Sample
from serving.alarm_schema import AlarmKind
from serving.blindness import Sight
from serving.cameras import Camera
from serving.drift_schema import Against, CameraDrift, DriftCheck, DriftExample, DriftPoint, DriftReport, Histogram
from serving.schema import Inspection, ModelRef
from serving.settings import Drift
from serving.tables import drift_references, drift_windows, promotions

log = structlog.get_logger()

STEPS = 10
_CHECKS = 6
_LEAST_SCORES = 50
_EXAMPLES = 4
_HISTORY = 60

# From JSON at once: there are thousands.
_CHECKS_OF = TypeAdapter(list[DriftCheck])

_KIND = {"psi": AlarmKind.SCORE_DRIFT, "distance": AlarmKind.EMBEDDING_DRIFT}
_AGAINST = {"training": "the training images", "promotion": "this camera's first frames after the last promotion"}


@dataclass
class _Step:
    """A tenth of a window; positions are kept as their sum only."""

    scores: list[float] = field(default_factory=list)
    position_sum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    examples: list[DriftExample] = field(default_factory=list)

    def add(self, inspection: Inspection, position: Floats) -> None:
        assert inspection.defect_probability is not None
        self.scores.append(inspection.defect_probability)
        self.position_sum = self.position_sum + position
        self.examples.append(
            DriftExample(
                inspection_id=inspection.id,
                part_id=inspection.part_id,
                defect_probability=inspection.defect_probability,
                novelty=inspection.novelty,
            )
        )


@dataclass(frozen=True)
class Glance:
    """What a look at a window found: the row to keep, and which alarms should stand, each with its reason."""

    row: dict[str, Any]
    drifted: dict[AlarmKind, str]


class Window:
    """The last frames of one camera under one model. For one thread."""

    def __init__(
        self, camera: Camera, model: ModelRef, settings: Drift, training: Reference | None, own: Reference | None
    ) -> None:
        self.camera = camera
        self.model = model
        self._settings = settings
        self._references: dict[Against, Reference] = {}
        if training is not None:
            self._references["training"] = training
        self._collected: list[tuple[float, Floats]] | None = [] if own is None else None
        if own is not None:
            self._references["promotion"] = own
        self._size = settings.window // STEPS
        self._steps: deque[_Step] = deque(maxlen=STEPS)
        self._step = _Step()
        self._chance = settings.false_alarm / (STEPS * _CHECKS)

    def add(self, inspection: Inspection, position: Floats) -> None:
        """One more frame that the model decided; position float32 [p]."""
        self._step.add(inspection, position)
        if self._collected is not None and inspection.defect_probability is not None:
            self._collected.append((inspection.defect_probability, position))

    def take_reference(self) -> Sample | None:
        """The camera's first frames, once, when there are enough of them; windows are held against them from then on."""
        if self._collected is None or len(self._collected) < self._settings.reference:
            return None
        scores, positions = zip(*self._collected, strict=True)
        sample = Sample(np.array(scores, np.float32), np.stack(positions))
        self._collected = None
        self._references["promotion"] = Reference.of(sample)
        return sample

    def look(self) -> Glance | None:
        """The checks, when another tenth of the window is complete."""
        if len(self._step.scores) < self._size:
            return None
        self._steps.append(self._step)
        self._step = _Step()
        scores = np.array([score for step in self._steps for score in step.scores])
        checks = [
            check for name, reference in self._references.items() for check in self._check(name, reference, scores)
        ]
        examples = _ranked([example for step in self._steps for example in step.examples], float(np.median(scores)))
        row = {
            **self.camera._asdict(),
            "model_name": self.model.name,
            "model_version": self.model.version,
            "ended_at": datetime.now(UTC),
            "frames": len(scores),
            "checks": [check.model_dump() for check in checks],
            "histogram": self._histogram(scores),
            "typical": [example.model_dump() for example in examples[:_EXAMPLES]],
            "unusual": [example.model_dump() for example in examples[: -_EXAMPLES - 1 : -1]],
        }
        return Glance(row, _reasons(checks))

    def _check(self, against: Against, reference: Reference, scores: NDArray[np.float64]) -> list[DriftCheck]:
        spans: list[tuple[Literal["window", "recent"], list[_Step]]] = [
            ("window", list(self._steps)),
            ("recent", [self._steps[-1]]),
        ]
        found = []
        for span, steps in spans:
            frames = sum(len(step.scores) for step in steps)
            limits = reference.limits(frames, self._chance)
            total = np.sum([step.position_sum for step in steps], axis=0)
            if limits.distance is not None:
                value = reference.distance(total / frames)
                found.append(
                    DriftCheck(
                        statistic="distance",
                        against=against,
                        span=span,
                        frames=frames,
                        value=value,
                        limit=limits.distance,
                    )
                )
            if span == "window" and frames >= _LEAST_SCORES:
                found.append(
                    DriftCheck(
                        statistic="psi",
                        against=against,
                        span=span,
                        frames=frames,
                        value=reference.psi(scores),
                        limit=limits.psi,
                    )
                )
        return found

    def _histogram(self, scores: NDArray[np.float64]) -> dict[str, Any] | None:
        if not self._references:
            return None
        against: Against = "training" if "training" in self._references else "promotion"
        reference = self._references[against]
        return Histogram(
            edges=reference.edges.tolist(),
            reference=(reference.counts / reference.counts.sum()).tolist(),
            window=(reference.binned(scores) / len(scores)).tolist(),
            against=against,
        ).model_dump()


def reference_of(bundle_name: str, held_out: Sample | None) -> Reference | None:
    """The training's reference of a bundle; None, and said in the log, when it keeps too little."""
    if held_out is None or len(held_out.scores) < LEAST_SAMPLE:
        log.warning(
            "no drift against training", bundle=bundle_name, held_out=0 if held_out is None else len(held_out.scores)
        )
        return None
    return Reference.of(held_out)


def present_promotion(connection: Connection) -> int:
    """The last promotion's sequence; 0 before the first."""
    return connection.execute(select(func.max(promotions.c.sequence))).scalar_one() or 0


def find_reference(connection: Connection, camera: Camera, model: ModelRef, promotion: int) -> Sample | None:
    """The first frames of a camera after a promotion, when they were complete before."""
    table = drift_references.c
    query = select(table.sample).where(
        table.line == camera.line,
        table.station == camera.station,
        table.camera == camera.camera,
        table.model_name == model.name,
        table.model_version == model.version,
        table.promotion == promotion,
    )
    row = connection.execute(query.order_by(table.sequence.desc()).limit(1)).first()
    return None if row is None else Sample.read(io.BytesIO(row.sample))


def add_reference(connection: Connection, camera: Camera, model: ModelRef, promotion: int, sample: Sample) -> None:
    """Keep the first frames of a camera after a promotion."""
    content = io.BytesIO()
    sample.write(content)
    row = {
        **camera._asdict(),
        "model_name": model.name,
        "model_version": model.version,
        "promotion": promotion,
        "ended_at": datetime.now(UTC),
        "sample": content.getvalue(),
    }
    connection.execute(insert(drift_references), row)


def report(connection: Connection, settings: Drift, sight: Sight) -> DriftReport:
    """Every camera's newest window and how its statistics went, ordered by name; without examples kept from the caller."""
    table = drift_windows.c
    where = (table.line, table.station, table.camera)
    cameras = connection.execute(select(*where).group_by(*where).order_by(*where)).all()
    return DriftReport(
        window=settings.window,
        step=settings.window // STEPS,
        reference=settings.reference,
        false_alarm=settings.false_alarm,
        cameras=[_camera_drift(connection, Camera(*camera), sight) for camera in cameras],
    )


def _camera_drift(connection: Connection, camera: Camera, sight: Sight) -> CameraDrift:
    table = drift_windows.c
    own = (table.line == camera.line, table.station == camera.station, table.camera == camera.camera)
    newest_first = table.sequence.desc()
    newest = connection.execute(select(drift_windows).where(*own).order_by(newest_first).limit(1)).mappings().one()
    checks = cast(table.checks, Text).label("checks")
    query = select(table.ended_at, table.frames, checks).where(*own).order_by(newest_first).limit(_HISTORY)
    points = [
        DriftPoint(at=row.ended_at, frames=row.frames, checks=_CHECKS_OF.validate_json(row.checks))
        for row in connection.execute(query)
    ]
    examples = [*newest["typical"], *newest["unusual"]]
    hidden = sight.hidden_ids(connection, (example["inspection_id"] for example in examples))
    return CameraDrift(
        **camera._asdict(),
        model=ModelRef(name=newest["model_name"], version=newest["model_version"]),
        updated_at=newest["ended_at"],
        frames=newest["frames"],
        checks=newest["checks"],
        histogram=newest["histogram"],
        typical=[example for example in newest["typical"] if example["inspection_id"] not in hidden],
        unusual=[example for example in newest["unusual"] if example["inspection_id"] not in hidden],
        history=points[::-1],
    )


def _ranked(examples: Sequence[DriftExample], median: float) -> list[DriftExample]:
    """Most typical first: by novelty, or by how far the score lies off the middle for a model without."""
    return sorted(
        examples,
        key=lambda example: abs(example.defect_probability - median) if example.novelty is None else example.novelty,
    )


def _reasons(checks: Sequence[DriftCheck]) -> dict[AlarmKind, str]:
    """For each kind of alarm the check that is farthest beyond its limit, in words."""
    beyond = sorted(
        (check for check in checks if check.value > check.limit), key=lambda check: check.value / check.limit
    )
    return {_KIND[check.statistic]: _sentence(check) for check in beyond}


def _sentence(check: DriftCheck) -> str:
    where = _AGAINST[check.against]
    if check.statistic == "psi":
        return (
            f"the scores of the last {check.frames} frames are spread otherwise than those of {where}: population stability "
            f"index {check.value:.2f}, limit {check.limit:.2f}"
        )
    return (
        f"the last {check.frames} frames look otherwise than {where}: on average {check.value:.2f} standard deviations off, "
        f"limit {check.limit:.2f}"
    )

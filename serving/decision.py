"""What is decided on one frame: the model's outputs and the thresholds made into a verdict with its evidence."""

import math
from dataclasses import dataclass, field

from data.bundle import Bundle
from data.decide import InForce, decide
from data.drift import Floats
from data.input_health import Fault, Finding
from data.novelty import is_unknown
from data.region import Region, find_regions
from data.verdict import Verdict
from serving import heatmap
from serving.engine import Outputs
from serving.schema import Cause, ModelRef


class NoProbabilityError(Exception):
    """The model gave something that is no probability."""


@dataclass(frozen=True)
class Decision:
    """What was decided on one frame, or why nothing could be; as it is made, the part is held."""

    verdict: Verdict = Verdict.NO_DECISION
    cause: Cause | None = None
    fault: Fault | None = None
    reason: str | None = None
    defect_probability: float | None = None
    novelty: float | None = None
    class_name: str | None = None
    class_probability: dict[str, float] = field(default_factory=dict)
    thresholds: InForce | None = None
    regions: list[Region] = field(default_factory=list)
    model: ModelRef | None = None
    heatmap: bytes | None = None
    bundle: Bundle | None = None
    position: Floats | None = None
    sketch: bytes | None = None
    error: Exception | None = None


def judge(
    bundle: Bundle, thresholds: InForce, outputs: Outputs, finding: Finding | None, width: int, height: int
) -> Decision:
    """What `outputs` of `bundle` say of a frame of `width` x `height` pixels; `finding` is what its camera spoilt.

    Raises NoProbabilityError.
    """
    manifest, probability = bundle.manifest, outputs.defect_probability
    unknown = is_unknown(outputs.novelty)
    # What the camera spoilt is for a person, as is what looks unknown: either way the score means little.
    verdict = decide(probability, thresholds, unknown or finding is not None)
    if verdict is Verdict.NO_DECISION or not math.isfinite(outputs.class_probability.sum()):
        raise NoProbabilityError(f"defect probability {probability} is not within 0..1")
    if outputs.novelty is not None and not math.isfinite(outputs.novelty):
        raise NoProbabilityError("the embedding is not finite")
    regions: list[Region] = []
    class_name = manifest.classes[int(outputs.class_probability.argmax())]
    if verdict.flagged:
        class_name = bundle.defect_class(outputs.class_probability)
        regions = find_regions(outputs.heatmap, width, height, at_least=thresholds.pass_below)
    return Decision(
        verdict=verdict,
        fault=None if finding is None else finding.fault,
        reason=_reason(finding, outputs.novelty),
        defect_probability=probability,
        novelty=outputs.novelty,
        class_name=class_name,
        class_probability={
            name: float(share) for name, share in zip(manifest.classes, outputs.class_probability, strict=True)
        },
        thresholds=thresholds,
        regions=regions,
        model=ModelRef(name=manifest.name, version=manifest.version),
        heatmap=heatmap.encode(outputs.heatmap),
        bundle=bundle,
        position=outputs.position,
        sketch=outputs.sketch,
    )


def _reason(finding: Finding | None, novelty: float | None) -> str | None:
    """Why a person decides although there is a score."""
    if finding is not None:
        return finding.reason
    if is_unknown(novelty):
        return f"looks unlike anything the model was trained on ({novelty:.2f} times the limit)"
    return None

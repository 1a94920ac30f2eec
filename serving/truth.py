"""What the simulated line knows, held against what the figures say without knowing it."""

from collections import Counter
from dataclasses import dataclass

from data.verdict import Verdict
from serving.quality_schema import EscapeMetrics, Figure, QualityFigures


@dataclass(frozen=True)
class Compared:
    """One figure beside its true value."""

    name: str
    figure: Figure
    true: float

    @property
    def inside(self) -> bool | None:
        """Whether the true value lies in the figure's 95 % interval; None when the figure is not told."""
        if self.figure.low is None or self.figure.high is None:
            return None
        return self.figure.low <= self.true <= self.figure.high


def compare(
    verdicts: Counter[tuple[bool, Verdict]], figures: QualityFigures, escapes: EscapeMetrics
) -> list[Compared] | None:
    """Escapes, overkill and precision of flags; `verdicts` counts frames by truly defective, and verdict.

    None when the figures are of other frames too.
    """
    (group,) = figures.groups
    if group.inspected != verdicts.total():
        return None
    told = {figure.key: figure for figure in group.figures}
    escaped = verdicts[True, Verdict.PASS]
    caught = _flagged(verdicts, True)
    false_calls = _flagged(verdicts, False)
    good = false_calls + verdicts[False, Verdict.PASS]
    wanted = (
        ("escape rate", escapes.rate, escaped, escaped + caught),
        ("escaped frames", escapes.escaped, escaped, 1),
        ("overkill rate", told["overkill"], false_calls, good),
        ("precision of flags", told["precision"], caught, caught + false_calls),
    )
    return [Compared(name, figure, part / whole) for name, figure, part, whole in wanted if whole]


def _flagged(verdicts: Counter[tuple[bool, Verdict]], defective: bool) -> int:
    return sum(verdicts[defective, verdict] for verdict in Verdict if verdict.flagged)

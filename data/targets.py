"""What a plant asks of a model before it may decide, and whether the test images say that it delivers."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import Field

from data.metric import Metric
from data.record import Record
from data.wording import Text, text

MILLISECONDS = "milliseconds"

_WORDS = {
    "test_auroc": text("AUROC", "AUROC"),
    "test_accuracy": text("accuracy at 0.5", "準確率（門檻 0.5）"),
    "escape_rate": text("escape rate", "漏檢率"),
    "overkill_rate": text("overkill rate", "過殺率"),
    "ece": text("expected calibration error", "校準誤差（ECE）"),
    MILLISECONDS: text("milliseconds an image", "每張影像的毫秒數"),
}
_AT_LEAST = {"test_auroc", "test_accuracy"}


class Targets(Record):
    """Limits on the figures measured on the test images; what is left out is not asked for.

    `test_auroc` and `test_accuracy` are the least allowed, all others the most. `milliseconds` is of the precision that
    serves, for a single image on the machine that trained it. `escape_rate` is about the measured figure; the bound that
    the thresholds keep is `Aims.escape_rate`.
    """

    test_auroc: float | None = Field(default=None, ge=0, le=1)
    test_accuracy: float | None = Field(default=None, ge=0, le=1)
    escape_rate: float | None = Field(default=None, ge=0, le=1)
    overkill_rate: float | None = Field(default=None, ge=0, le=1)
    ece: float | None = Field(default=None, ge=0, le=1)
    milliseconds: float | None = Field(default=None, gt=0)


class Outcome(StrEnum):
    """`WITHIN_NOISE`: the value meets the target, but its 95 % interval reaches to the other side."""

    MET = "met"
    WITHIN_NOISE = "met within noise"
    MISSED = "missed"


_OUTCOMES_ZH_HANT = {Outcome.MET: "達標", Outcome.WITHIN_NOISE: "達標，但仍在誤差範圍內", Outcome.MISSED: "未達標"}


class TargetResult(Record):
    """One target beside what was measured; `low` and `high` are None for a figure without an interval."""

    name: str
    limit: Literal["at least", "at most"]
    wanted: float
    value: float
    low: float | None
    high: float | None

    @property
    def outcome(self) -> Outcome:
        """Judged on the value; the interval only qualifies a target that is met. A value that is no number misses."""
        if not self._holds(self.value):
            return Outcome.MISSED
        worst = self.low if self.limit == "at least" else self.high
        return Outcome.MET if worst is None or self._holds(worst) else Outcome.WITHIN_NOISE

    @property
    def words(self) -> Text:
        """The figure's name as people say it."""
        return _WORDS[self.name]

    @property
    def sentence(self) -> Text:
        """The outcome in one plain sentence, without a full stop."""
        interval = text("", "")
        if self.low is not None:
            interval = text(
                f" (95 % interval {self.low:.4g} to {self.high:.4g})",
                f"（95 % 區間 {self.low:.4g} 至 {self.high:.4g}）",
            )
        limit = "至少" if self.limit == "at least" else "至多"
        return text(
            f"{self.words.en} {self.value:.4g}{interval.en}, wanted {self.limit} {self.wanted:g}: {self.outcome}",
            f"{self.words.zh_hant} {self.value:.4g}{interval.zh_hant}，要求{limit} {self.wanted:g}："
            f"{_OUTCOMES_ZH_HANT[self.outcome]}",
        )

    def _holds(self, value: float) -> bool:
        return value >= self.wanted if self.limit == "at least" else value <= self.wanted


def check_targets(targets: Targets, metrics: Mapping[str, Metric], milliseconds: float) -> list[TargetResult]:
    """Every target that is set beside its figure among `metrics`, and beside `milliseconds` of the precision that serves."""
    results = []
    for name, wanted in targets.model_dump(exclude_none=True).items():
        metric = None if name == MILLISECONDS else metrics[name]
        results.append(
            TargetResult(
                name=name,
                limit="at least" if name in _AT_LEAST else "at most",
                wanted=wanted,
                value=milliseconds if metric is None else metric.value,
                low=metric and metric.low,
                high=metric and metric.high,
            )
        )
    return results

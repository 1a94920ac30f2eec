import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data.metric import Metric
from data.targets import Outcome, TargetResult, Targets, check_targets

MEASURED = {
    "test_auroc": Metric(value=0.92, low=0.90, high=0.94, n=600),
    "test_accuracy": Metric(value=0.88, low=0.85, high=0.90, n=600),
    "escape_rate": Metric(value=0.02, low=0.01, high=0.05, n=200),
    "overkill_rate": Metric(value=0.3, low=0.25, high=0.35, n=400),
    "ece": Metric(value=0.03, low=0.02, high=0.04, n=600),
}
unit = st.floats(0, 1)


@pytest.mark.parametrize(
    ("target", "outcome", "sentence"),
    [
        ({"test_auroc": 0.90}, Outcome.MET, "AUROC 0.92 (95 % interval 0.9 to 0.94), wanted at least 0.9: met"),
        ({"test_auroc": 0.91}, Outcome.WITHIN_NOISE, "wanted at least 0.91: met within noise"),
        ({"test_auroc": 0.93}, Outcome.MISSED, "wanted at least 0.93: missed"),
        ({"escape_rate": 0.05}, Outcome.MET, "escape rate 0.02 (95 % interval 0.01 to 0.05), wanted at most 0.05: met"),
        ({"escape_rate": 0.03}, Outcome.WITHIN_NOISE, "wanted at most 0.03: met within noise"),
        ({"escape_rate": 0.01}, Outcome.MISSED, "wanted at most 0.01: missed"),
        ({"milliseconds": 2}, Outcome.MET, "milliseconds an image 1.5, wanted at most 2: met"),
        ({"milliseconds": 1}, Outcome.MISSED, "wanted at most 1: missed"),
    ],
)
def test_target_is_judged_on_the_value_and_qualified_by_the_interval(
    target: dict[str, float], outcome: Outcome, sentence: str
) -> None:
    (result,) = check_targets(Targets.model_validate(target), MEASURED, 1.5)
    assert result.outcome is outcome
    assert result.sentence.en.endswith(sentence)


def test_only_what_is_set_is_asked_for() -> None:
    assert check_targets(Targets(), MEASURED, 1.5) == []
    every = Targets(test_auroc=0, test_accuracy=0, escape_rate=1, overkill_rate=1, ece=1, milliseconds=9)
    results = check_targets(every, MEASURED, 1.5)
    assert [result.name for result in results] == list(Targets.model_fields)
    assert {result.outcome for result in results} == {Outcome.MET}


@pytest.mark.parametrize("wrong", [{"auroc": 0.9}, {"test_auroc": 90}, {"milliseconds": 0}, {"ece": -0.1}])
def test_target_that_cannot_be_meant_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Targets.model_validate(wrong)


@given(value=unit, below=unit, above=unit, wanted=unit)
def test_raising_the_bar_never_improves_the_outcome(value: float, below: float, above: float, wanted: float) -> None:
    order = [Outcome.MET, Outcome.WITHIN_NOISE, Outcome.MISSED]
    metrics = {"test_auroc": Metric(value=value, low=value * below, high=value + (1 - value) * above, n=9)}
    before, after = (
        check_targets(Targets(test_auroc=bar), metrics, 1)[0].outcome for bar in (wanted, wanted + (1 - wanted) / 2)
    )
    assert order.index(before) <= order.index(after)


def test_value_that_is_no_number_misses() -> None:
    for limit in ("at least", "at most"):
        result = TargetResult(name="ece", limit=limit, wanted=0, value=float("nan"), low=None, high=None)
        assert result.outcome is Outcome.MISSED

"""Paired comparison of two bundles on the same test images: what it shows, how often it errs, what it refuses."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as exact_mcnemar

from data.bundle import MANIFEST, PREDICTIONS, sha256_of
from data.comparison import auroc, auroc_difference, compare, mcnemar
from data.errors import BundleError, InputError
from data.metric import Metric
from data.promotion import judge
from data.targets import TargetResult
from tests.conftest import write_brightness_bundle, write_skilled_predictions


@pytest.fixture
def weak(tmp_path: Path) -> Path:
    return write_brightness_bundle(tmp_path / "weak", "weak", skill=0.2)


@pytest.fixture
def strong(tmp_path: Path) -> Path:
    return write_brightness_bundle(tmp_path / "strong", "strong", skill=0.4)


def replace_predictions(bundle: Path, rows: list[dict[str, str]] | None = None) -> Path:
    """Put `rows` in, when given, and make the manifest agree with the file, as if it had been exported so."""
    file = bundle / PREDICTIONS
    if rows is not None:
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"][PREDICTIONS] = sha256_of(file)
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return bundle


def rows_of(bundle: Path) -> list[dict[str, str]]:
    with (bundle / PREDICTIONS).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def draw(
    random: np.random.Generator, n: int, gain: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Scores of two models of the same images: equally good, and correlated, unless the first has a `gain`."""
    truth = np.arange(n) < n // 3
    common = truth * 1.5 + random.normal(0, 0.7, n)
    first, second = (common + random.normal(0, 0.7, n) for _ in range(2))
    return first + gain * truth, second, truth


def test_clearly_better_model_is_called_better_and_the_worse_one_worse(strong: Path, weak: Path) -> None:
    forward, backward = compare(strong, weak), compare(weak, strong)
    assert forward.better
    assert not backward.better
    assert forward.sentence.en.startswith(
        "brightness strong is better than brightness weak on the same 200 test images"
    )
    assert backward.sentence.en.startswith("brightness weak is worse than brightness strong")
    assert forward.auroc_difference.value == pytest.approx(forward.candidate_auroc - forward.champion_auroc)
    assert (forward.only_candidate_right, forward.only_champion_right) == (
        backward.only_champion_right,
        backward.only_candidate_right,
    )
    assert forward.mcnemar_p == backward.mcnemar_p


def test_model_is_not_better_than_itself(strong: Path) -> None:
    own = compare(strong, strong)
    assert not own.better
    assert own.auroc_difference == Metric(value=0, low=0, high=0, n=200)
    assert (own.only_candidate_right, own.only_champion_right, own.mcnemar_p) == (0, 0, 1)
    assert "is not shown to be better" in own.sentence.en


def test_verdicts_are_compared_at_each_models_own_threshold(weak: Path, tmp_path: Path) -> None:
    cautious = write_brightness_bundle(tmp_path / "cautious", "cautious", skill=0.2, pass_below=0.0)
    found = compare(weak, cautious)
    rows = rows_of(weak)
    passed = [row["is_defect"] == "False" for row in rows if float(row["defect_probability"]) < 0.3]
    assert found.auroc_difference.value == 0
    assert (found.only_candidate_right, found.only_champion_right) == (sum(passed), len(passed) - sum(passed))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(6, 60))
def test_difference_is_antisymmetric_and_zero_for_equal_rankings(seed: int, n: int) -> None:
    first, second, truth = draw(np.random.default_rng(seed), n)
    forward, backward = auroc_difference(first, second, truth), auroc_difference(second, first, truth)
    assert forward.value == -backward.value
    assert (forward.low, forward.high) == pytest.approx((-backward.high, -backward.low))
    same = auroc_difference(first, np.exp(first), truth)
    assert (same.value, same.low, same.high) == (0, 0, 0)


@given(
    scores=st.lists(st.integers(0, 5), min_size=2, max_size=40), truth=st.lists(st.booleans(), min_size=40, max_size=40)
)
def test_auroc_agrees_with_scikit_learn_ties_included(scores: list[int], truth: list[bool]) -> None:
    is_defect = np.array([True, False, *truth][: len(scores)])
    assert float(auroc(scores, is_defect)) == pytest.approx(roc_auc_score(is_defect, scores))


@pytest.mark.heavy
def test_equally_good_model_is_called_better_no_more_often_than_the_interval_allows() -> None:
    random = np.random.default_rng(0)
    better = [auroc_difference(*draw(random, 90)).low > 0 for _ in range(200)]
    # One side of a 95 % interval: 2.5 %, so 5 of 200; more than 11 come with a chance of 0.5 %.
    assert sum(better) <= 11


def test_real_gain_is_found() -> None:
    random = np.random.default_rng(0)
    assert all(auroc_difference(*draw(random, 300, gain=1.0)).low > 0 for _ in range(3))


def test_other_test_images_are_not_compared(strong: Path, weak: Path) -> None:
    write_skilled_predictions(weak / PREDICTIONS, 0.2, images="others")
    replace_predictions(weak)
    with pytest.raises(InputError, match="200 and 200 test images, 0 of them the same"):
        compare(strong, weak)
    with pytest.raises(InputError, match="199 and 200 test images"):
        compare(replace_predictions(strong, rows_of(strong)[1:]), weak)


def test_relabelled_images_are_not_compared(strong: Path, weak: Path) -> None:
    rows = rows_of(weak)
    replace_predictions(weak, [*rows[:-2], *({**row, "is_defect": "True"} for row in rows[-2:])])
    with pytest.raises(InputError, match="the truth of 1 test images was changed"):
        compare(strong, weak)


def test_order_of_the_images_does_not_matter(strong: Path, weak: Path, tmp_path: Path) -> None:
    before = compare(strong, weak)
    turned = shutil.copytree(weak, tmp_path / "turned")
    assert compare(strong, replace_predictions(turned, rows_of(weak)[::-1])) == before


def test_bundle_without_predictions_is_named(strong: Path, tmp_path: Path) -> None:
    old = write_brightness_bundle(tmp_path / "old", "old")
    for pair in ((strong, old), (old, strong)):
        with pytest.raises(InputError, match="brightness old cannot be compared: its bundle keeps no test_predictions"):
            compare(*pair)


@pytest.mark.parametrize("wrong", [{"defect_probability": "nan"}, {"defect_probability": "2"}, {"sha256": "x"}])
def test_damaged_predictions_are_refused(strong: Path, weak: Path, wrong: dict[str, str]) -> None:
    rows = rows_of(weak)
    replace_predictions(weak, [{**rows[0], **wrong}, *rows[1:]])
    with pytest.raises(BundleError, match=f"{PREDICTIONS} is not valid: {next(iter(wrong))}"):
        compare(strong, weak)


def test_predictions_altered_after_export_are_refused(strong: Path, weak: Path) -> None:
    write_skilled_predictions(weak / PREDICTIONS, 1.0)
    with pytest.raises(BundleError, match="altered after export"):
        compare(weak, strong)


def test_predictions_of_one_kind_only_are_refused(strong: Path, weak: Path) -> None:
    for bundle in (strong, weak):
        replace_predictions(bundle, [row for row in rows_of(bundle) if row["is_defect"] == "True"])
    with pytest.raises(BundleError, match="needs both good and defective images"):
        compare(strong, weak)


def test_judgement_weighs_targets_and_champion(strong: Path, weak: Path, tmp_path: Path) -> None:
    assert judge(weak, None).wins
    assert judge(strong, weak).why == compare(strong, weak).sentence.en
    missed = TargetResult(name="ece", limit="at most", wanted=0.03, value=0.05, low=0.04, high=0.06)
    candidate = write_brightness_bundle(tmp_path / "off", "off", skill=0.2, targets=[missed])
    alone = judge(candidate, None)
    assert not alone.wins
    assert alone.why.startswith("target missed: expected calibration error 0.05 (95 % interval 0.04 to 0.06)")
    both = judge(candidate, strong)
    assert len(both.objections) == 2
    assert "brightness off is worse than brightness strong" in both.why
    noisy = missed.model_copy(update={"value": 0.02, "low": 0.01, "high": 0.05})
    assert judge(write_brightness_bundle(tmp_path / "noisy", "noisy", targets=[noisy]), None).wins


def test_copies_of_an_image_are_no_further_evidence_between_two_models() -> None:
    first, second, truth = draw(np.random.default_rng(1), 60)
    parts = [str(number % 60) for number in range(240)]
    once = auroc_difference(first, second, truth)
    copied = auroc_difference(np.tile(first, 4), np.tile(second, 4), np.tile(truth, 4), parts)
    assert (copied.value, copied.low, copied.high) == (once.value, once.low, once.high)
    taken_as_independent = auroc_difference(np.tile(first, 4), np.tile(second, 4), np.tile(truth, 4))
    assert taken_as_independent.high - taken_as_independent.low < 0.6 * (once.high - once.low)


def test_promotion_counts_a_part_of_many_frames_once(strong: Path, weak: Path) -> None:
    alone = compare(strong, weak)
    for bundle in (strong, weak):
        rows = [{**row, "group": str(number // 40)} for number, row in enumerate(rows_of(bundle))]
        replace_predictions(bundle, rows)
    together = compare(strong, weak)
    assert together.auroc_difference.value == alone.auroc_difference.value
    assert together.auroc_difference != alone.auroc_difference


@given(only_first=st.integers(0, 60), only_second=st.integers(0, 60))
def test_mcnemar_of_single_images_is_the_exact_test(only_first: int, only_second: int) -> None:
    first = np.arange(only_first + only_second) < only_first
    expected = exact_mcnemar([[0, only_first], [only_second, 0]], exact=True).pvalue
    assert mcnemar(first, ~first) == pytest.approx(expected)


def test_mcnemar_counts_a_part_of_many_frames_once() -> None:
    first, second = np.array([True] * 6 + [False] * 2), np.array([False] * 6 + [True] * 2)
    alone = mcnemar(first, second)
    copied = mcnemar(np.tile(first, 5), np.tile(second, 5), [str(number % 8) for number in range(40)])
    assert copied == pytest.approx(alone)
    assert mcnemar(np.tile(first, 5), np.tile(second, 5)) < 0.01 < 0.2 < alone


def test_predictions_of_a_bundle_without_groups_are_taken_one_by_one(strong: Path, weak: Path) -> None:
    alone = compare(strong, weak)
    for bundle in (strong, weak):
        rows = [{name: value for name, value in row.items() if name != "group"} for row in rows_of(bundle)]
        replace_predictions(bundle, rows)
    assert compare(strong, weak) == alone

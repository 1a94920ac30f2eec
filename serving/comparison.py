"""People, the model, and people who see the model: how often each is right on the same parts, and how long people take."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from data.wording import Text, text
from serving.agreement import Answers, answers_of, comparison_of, get_study, majority
from serving.comparison_schema import Estimate, PairedGap, Reader, StudyComparison, Who
from serving.quality import paired
from serving.quality.agreement import Calls, compare
from serving.quality.escape import Interval
from serving.quality_schema import StudyKind
from serving.tallies import LONGEST_SECONDS

_ENOUGH = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Reading:
    """What one of the three made of the parts."""

    who: Who
    right: Floats
    """share of right calls, one a part"""
    majority: Calls
    """whether most calls are right, one a part"""
    seconds: Floats | None
    """mean of a part; NaN where no answer was timed"""


def of_study(connection: Connection, id: str) -> StudyComparison:
    """The comparison over complete parts. Raises a 404 problem when there is no such study."""
    study, answers = get_study(connection, id), answers_of(connection, id)
    truth = answers.truth[answers.complete]
    readings = _readings(answers, truth)
    return StudyComparison(
        study_id=id,
        kind=study.kind,
        defective=int(truth.sum()),
        good=int((~truth).sum()),
        missing=answers.missing,
        readers=[_reader(reading, truth) for reading in readings],
        gaps=[_gap(first, second, truth) for second, first in combinations(readings, 2)],
        notes=_notes(study.kind, answers),
    )


def _readings(answers: Answers, truth: Calls) -> list[_Reading]:
    """The model first, then people alone, then people with the model where the study has that."""
    model = answers.flagged[answers.complete] == truth
    found = [_Reading("model", model.astype(float), model, None)]
    asked: tuple[tuple[Who, bool], ...] = (("people", False), ("people_with_model", True))
    for who, aided in asked:
        calls = answers.calls(aided)
        if calls.shape[1] == 0:
            continue
        right = calls == truth
        found.append(
            _Reading(
                who,
                right.mean(axis=(0, 1)),
                majority(calls) == truth,
                mean_seconds(answers.seconds(aided)),
            )
        )
    return found


def mean_seconds(seconds: Floats) -> Floats:
    """Of seconds [people, trials, parts], one a part; interruptions and answers without a time are left out."""
    kept = np.where(seconds <= LONGEST_SECONDS, seconds, np.nan)
    timed = np.isfinite(kept).sum(axis=(0, 1))
    means: Floats = np.divide(np.nansum(kept, axis=(0, 1)), timed, out=np.full(timed.shape, np.nan), where=timed > 0)
    return means


def _reader(reading: _Reading, truth: Calls) -> Reader:
    return Reader(
        who=reading.who,
        sensitivity=_share(reading.right[truth]),
        specificity=_share(reading.right[~truth]),
        seconds=None if reading.seconds is None else _mean(reading.seconds),
    )


def _gap(first: _Reading, second: _Reading, truth: Calls) -> PairedGap:
    difference = first.right - second.right
    seconds = None if first.seconds is None or second.seconds is None else first.seconds - second.seconds
    return PairedGap(
        first=first.who,
        second=second.who,
        sensitivity=_difference(difference[truth]),
        specificity=_difference(difference[~truth]),
        seconds=None if seconds is None else _mean(seconds),
        right=comparison_of(compare(first.majority, second.majority)),
    )


def _share(per_part: Floats) -> Estimate:
    return _estimate(paired.share(per_part) if per_part.size >= _ENOUGH else None, per_part.size)


def _difference(per_part: Floats) -> Estimate:
    return _estimate(paired.gap(per_part) if per_part.size >= _ENOUGH else None, per_part.size)


def _mean(per_part: Floats) -> Estimate:
    timed = per_part[np.isfinite(per_part)]
    return _estimate(paired.mean(timed) if timed.size >= _ENOUGH else None, timed.size)


def _estimate(found: Interval | None, n: int) -> Estimate:
    return Estimate(
        value=found and found.value, low=found and found.low, high=found and found.high, n=n, needed=_ENOUGH
    )


def _notes(kind: StudyKind, answers: Answers) -> list[Text]:
    notes = [
        text(
            "Sensitivity and specificity do not depend on how many parts of the study are defective; other shares would.",
            "靈敏度與特異度不受研究中缺陷件比例影響；以全部零件計算的比例則會。",
        ),
        text(
            "The intervals are about other parts called by these same people; other people may differ more.",
            "信賴區間指相同人員判定其他零件；換成其他人員，差異可能更大。",
        ),
        text(
            "The truth is what people decided before, or that of challenge parts; the former leans towards people.",
            "標準答案為先前人員的判定或挑戰件的已知真值；前者會偏向人員。",
        ),
    ]
    slow = answers.slower_than(LONGEST_SECONDS)
    if slow:
        notes.append(
            text(
                f"{slow} answers took longer than {LONGEST_SECONDS / 60:.0f} minutes and are left out of the times.",
                f"{slow} 筆判定超過 {LONGEST_SECONDS / 60:.0f} 分鐘，不計入時間。",
            )
        )
    if kind is StudyKind.ALONE:
        notes.append(
            text(
                "Nobody saw the model's verdict in this study: it says how people do alone, before the system.",
                "此研究中無人看到模型判定：呈現的是導入系統前，人員獨立判定的表現。",
            )
        )
    return notes

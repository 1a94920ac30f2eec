"""Agreement of people with each other, the truth and the model: from planned studies, and from reviews made blind."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import uuid_utils
from numpy.typing import NDArray
from sqlalchemy import Connection, func, insert, or_, select

from data.verdict import ReviewDecision, Verdict
from data.wording import text
from serving.audit import Action, append
from serving.bias import in_no_known_order, pseudonym
from serving.inspections import find
from serving.problem import ProblemError
from serving.quality import agreement
from serving.quality.agreement import Appraiser, Calls, Counted, McNemar
from serving.quality.escape import Interval
from serving.quality_schema import (
    AgreementMetrics,
    AppraiserAgreement,
    Comparison,
    Kappa,
    Share,
    Study,
    StudyAnswer,
    StudyKind,
    StudyRequest,
    StudyTask,
)
from serving.schema import AuditKind, Inspection
from serving.scope import Scope
from serving.settings import Settings
from serving.tables import challenges, compared, inspections, reviews, studies, study_answers, study_parts
from serving.tallies import JUDGED, Span, judged, span_of

_DEFECTIVE, _GOOD = ReviewDecision.DEFECT_CONFIRMED, ReviewDecision.FALSE_CALL


def create_study(connection: Connection, request: StudyRequest) -> Study:
    """Choose the parts at random, half defective and half good where there are enough of both.

    The truth is that of a challenge part, or what a person decided. Raises a 422 problem when there are too few decided parts.
    """
    defective, good = _decided(connection, True), _decided(connection, False)
    half = request.parts // 2
    wanted_defective = max(min(half, len(defective)), request.parts - len(good))
    if wanted_defective > len(defective) or not defective or not good:
        raise ProblemError(
            422,
            text(
                f"parts: {request.parts} wanted, and people have decided {len(defective)} frames as defective and {len(good)} as "
                "good whose images are kept; decide more, or ask for fewer parts",
                f"零件：需要 {request.parts} 件，但影像仍在且經人員判定的只有缺陷 {len(defective)} 張、"
                f"良品 {len(good)} 張；請再多判定一些，或減少件數",
            ),
        )
    random = np.random.default_rng()
    chosen = [(row, True) for row in random.permutation(len(defective))[:wanted_defective]]
    chosen += [(row, False) for row in random.permutation(len(good))[: request.parts - wanted_defective]]
    id_, now = str(uuid_utils.uuid7()), datetime.now(UTC)
    row = {
        "id": id_,
        "name": request.name,
        "kind": request.kind.value,
        "people": request.people,
        "trials": request.trials,
        "person": request.person,
        "created_at": now,
    }
    connection.execute(insert(studies), row)
    parts = []
    for number, place in enumerate(random.permutation(len(chosen))):
        index, is_defective = chosen[place]
        inspection_id, flagged = (defective if is_defective else good)[index]
        parts.append(
            {
                "study_id": id_,
                "number": number,
                "inspection_id": inspection_id,
                "defective": is_defective,
                "flagged": flagged,
            }
        )
    connection.execute(insert(study_parts), parts)
    append(connection, Action.STUDY, id_, request.person, new={**row, "parts": len(parts)})
    return get_study(connection, id_)


def list_studies(connection: Connection) -> list[Study]:
    """Every study, newest first."""
    ids = connection.execute(select(studies.c.id).order_by(studies.c.created_at.desc())).scalars().all()
    return [get_study(connection, id_) for id_ in ids]


def get_study(connection: Connection, id: str) -> Study:
    """One study. Raises a 404 problem when there is none."""
    row = connection.execute(select(studies).where(studies.c.id == id)).mappings().first()
    if row is None:
        raise ProblemError(404, text(f"there is no study {id}", f"沒有研究 {id}"))
    counts = select(study_answers.c.person, func.count()).where(study_answers.c.study_id == id)
    answered = {row[0]: row[1] for row in connection.execute(counts.group_by(study_answers.c.person))}
    parts = connection.execute(select(func.count()).where(study_parts.c.study_id == id)).scalar_one()
    return Study(
        id=row["id"],
        name=row["name"],
        kind=StudyKind(row["kind"]),
        people=row["people"],
        trials=row["trials"],
        parts=parts,
        created_at=row["created_at"],
        answered={person: answered.get(person, 0) for person in row["people"]},
    )


def next_task(connection: Connection, id: str, person: str) -> StudyTask:
    """What a person looks at next: each trial in another order, so that nobody remembers the place."""
    study = get_study(connection, id)
    _check_person(study, person)
    mine = (study_answers.c.study_id == id, study_answers.c.person == person)
    answered = connection.execute(select(study_answers.c.trial, study_answers.c.number).where(*mine))
    done = {(row.trial, row.number) for row in answered}
    for trial in range(1, study.trials + 1):
        for number in _order(study, person, trial):
            if (trial, number) not in done:
                part = select(study_parts.c.inspection_id).where(
                    study_parts.c.study_id == id, study_parts.c.number == number
                )
                inspection_id = connection.execute(part).scalar_one()
                return StudyTask(
                    trial=trial,
                    number=number,
                    inspection_id=inspection_id,
                    aid=_aid(connection, inspection_id) if _is_aided(study, person, trial, number) else None,
                    answered=len(done),
                    of=study.parts * study.trials,
                )
    return StudyTask(trial=study.trials, number=0, inspection_id=None, aid=None, answered=len(done), of=len(done))


def answer(connection: Connection, id: str, given: StudyAnswer) -> StudyTask:
    """Keep a call and give the next part; the same call again is harmless. Raises a 409 problem for another one."""
    study = get_study(connection, id)
    _check_person(study, given.person)
    if given.trial > study.trials or given.number >= study.parts:
        raise ProblemError(
            422,
            text(
                f"trial, number: the study has {study.trials} trials of {study.parts} parts",
                f"trial、number：此研究共 {study.trials} 次，每次 {study.parts} 件",
            ),
        )
    key = {"study_id": id, "person": given.person, "trial": given.trial, "number": given.number}
    same = [study_answers.c[name] == value for name, value in key.items()]
    before = connection.execute(select(study_answers.c.defective).where(*same)).first()
    if before is None:
        row = {
            **key,
            "defective": given.defective,
            "aided": _is_aided(study, given.person, given.trial, given.number),
            "seconds": given.seconds,
            "answered_at": datetime.now(UTC),
        }
        connection.execute(insert(study_answers), row)
    elif before.defective != given.defective:
        raise ProblemError(
            409,
            text(
                "this part was called otherwise in this trial; a call in a study stands",
                "此零件在這一次中已有不同的判定；研究中的判定不能更改",
            ),
        )
    return next_task(connection, id, given.person)


@dataclass(frozen=True)
class Answers:
    """All calls of a study as arrays [people, trials, parts]; an answer that is missing is False and has no seconds."""

    truth: Calls
    """bool [parts], true for defective"""
    flagged: Calls
    """bool [parts]: what the model said"""
    made: Calls
    aided: Calls
    answered: Calls
    timed: NDArray[np.float64]

    @property
    def complete(self) -> Calls:
        """bool [parts]: called by everybody in every trial."""
        return np.asarray(self.answered.all(axis=(0, 1)))

    @property
    def missing(self) -> int:
        """Answers that the study waits for."""
        return int((~self.answered).sum())

    def calls(self, aided: bool) -> Calls:
        """Of complete parts, bool [people, trials of that kind, parts]: with what the model said, or without."""
        return self._chosen(self.made, aided)

    def seconds(self, aided: bool) -> NDArray[np.float64]:
        """The same, how long each took; NaN where nobody measured it."""
        return self._chosen(self.timed, aided)

    def slower_than(self, seconds: float) -> int:
        """How many answers took longer."""
        return int((self.timed > seconds).sum())

    def _chosen(self, values: NDArray[Any], aided: bool) -> NDArray[Any]:
        of_kind = self.aided[:, :, self.complete] == aided
        trials = int(of_kind.sum(axis=1).max(initial=0))
        # Which trials these are differs by person and part; they are as many everywhere.
        place = np.argsort(~of_kind, axis=1, kind="stable")[:, :trials]
        return np.take_along_axis(values[:, :, self.complete], place, axis=1)


def answers_of(connection: Connection, id: str) -> Answers:
    """Every answer of a study so far."""
    study = get_study(connection, id)
    parts = connection.execute(
        select(study_parts).where(study_parts.c.study_id == id).order_by(study_parts.c.number)
    ).mappings()
    truth, flagged = zip(*((row["defective"], row["flagged"]) for row in parts), strict=True)
    made = np.zeros((len(study.people), study.trials, study.parts), bool)
    aided, answered, timed = np.zeros_like(made), np.zeros_like(made), np.full(made.shape, np.nan)
    rows = select(study_answers).where(study_answers.c.study_id == id)
    for row in connection.execute(rows).mappings():
        place = (study.people.index(row["person"]), row["trial"] - 1, row["number"])
        made[place], aided[place], answered[place] = row["defective"], row["aided"], True
        timed[place] = np.nan if row["seconds"] is None else row["seconds"]
    return Answers(np.array(truth, bool), np.array(flagged, bool), made, aided, answered, timed)


def of_study(connection: Connection, id: str) -> AgreementMetrics:
    """The agreement in a study, over the parts that all people have answered in all trials."""
    study = get_study(connection, id)
    answers = answers_of(connection, id)
    chosen, right = answers.calls(aided=False), answers.truth[answers.complete]
    model = answers.flagged[answers.complete]
    if not answers.complete.any():
        return _nothing("study", id, study, answers.missing)
    shared, kappa = agreement.between(chosen)
    everybody, everybody_kappa = agreement.all_against(chosen, right)
    return AgreementMetrics(
        source="study",
        study_id=id,
        parts=int(answers.complete.sum()),
        people=len(study.people),
        trials=chosen.shape[1],
        missing=answers.missing,
        between=_share(shared) if len(study.people) > 1 else None,
        between_kappa=_kappa(kappa) if len(study.people) > 1 else None,
        all_against=_share(everybody),
        all_against_kappa=_kappa(everybody_kappa),
        appraisers=[
            *(_appraiser(pseudonym(number), one, right) for number, one in enumerate(chosen)),
            _appraiser(None, model[None], right),
        ],
        comparison=comparison_of(agreement.compare(majority(chosen) == right, model == right)),
        notes=[
            text(
                "People's call in the comparison with the model is that of most people and trials.",
                "與模型比較時，人員判定取多數人、多數次的結果。",
            ),
            text(
                "The truth is what people decided before, or that of challenge parts.",
                "標準答案為先前人員的判定，或挑戰件的已知真值。",
            ),
        ],
    )


def of_reviews(connection: Connection, scope: Scope, settings: Settings) -> AgreementMetrics:
    """The agreement in ordinary reviews: second opinions between people, and blind first calls against the model.

    Where challenge parts came, calls are compared with their truth; elsewhere nobody knows who is right.
    """
    span = span_of(scope, clocks=settings.clocks)
    parts, people = judged(connection, span)
    first: dict[tuple[str, str], tuple[bool, bool]] = {}
    blind: dict[str, tuple[str, bool, bool, bool | None]] = {}
    for id_, verdict, audit, truth, reviewer, decision, was_blind in _compared(connection, span):
        call = decision == _DEFECTIVE.value
        first.setdefault((id_, reviewer), (call, bool(was_blind)))
        if was_blind or audit is not None:
            known = None if audit != AuditKind.CHALLENGE.value or truth is None else bool(truth)
            blind.setdefault(id_, (reviewer, call, Verdict(verdict).flagged, known))
    pairs = _second_opinions(first)
    calls = np.array(pairs, bool).T if pairs else np.zeros((2, 0), bool)
    shared = None if not pairs else Counted(int((calls[0] == calls[1]).sum()), len(pairs))
    kappa = agreement.fleiss(calls) if len(pairs) > 1 else None
    blind_calls = list(blind.values())
    calls_of_people, model = (np.array([one[place] for one in blind_calls], bool) for place in (1, 2))
    standard = [one for one in blind_calls if one[3] is not None]
    return AgreementMetrics(
        source="reviews",
        study_id=None,
        parts=parts,
        people=len(people),
        trials=1,
        missing=0,
        between=_share(shared),
        between_kappa=_kappa(kappa),
        all_against=None,
        all_against_kappa=None,
        appraisers=_against_challenges(standard),
        comparison=comparison_of(agreement.compare(calls_of_people, model)) if blind_calls else None,
        notes=[
            text(
                f"{len(pairs)} parts with a second opinion that knew nothing of the first, {len(blind_calls)} decided blind, "
                f"{len(standard)} of them challenge parts.",
                f"{len(pairs)} 件有不知前一意見的第二意見，{len(blind_calls)} 件盲判，其中 {len(standard)} 件為挑戰件。",
            ),
            text(
                "The comparison counts calls of defective by people and model; who is right is known of challenge parts only.",
                "比較的是人員與模型各自判為缺陷的次數；只有挑戰件知道何者正確。",
            ),
        ],
    )


def _compared(connection: Connection, span: Span) -> list[Any]:
    """The reviews that agreement is about, oldest first: of frames that several people called, or that somebody did blind."""
    if not span.pieces:
        return []
    within = select(compared.c.inspection_id).where(
        compared.c.received_at >= span.scope.since, compared.c.received_at < span.scope.until
    )
    frames = span.rows(span.pieces, id=within)
    query = (
        select(
            frames.c.id,
            frames.c.verdict,
            frames.c.audit,
            challenges.c.defective,
            reviews.c.reviewer,
            reviews.c.decision,
            reviews.c.blind,
        )
        .select_from(
            frames.join(reviews, reviews.c.inspection_id == frames.c.id).outerjoin(
                challenges, challenges.c.part_id == frames.c.part_id
            )
        )
        .where(reviews.c.decision.in_(JUDGED))
        .order_by(reviews.c.sequence)
    )
    return list(connection.execute(query))


def _against_challenges(standard: Sequence[tuple[str, bool, bool, bool | None]]) -> list[AppraiserAgreement]:
    if not standard:
        return []
    truth = np.array([one[3] for one in standard], bool)
    by_person: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(standard):
        by_person[one[0]].append(number)
    calls, model = (np.array([one[place] for one in standard], bool) for place in (1, 2))
    found = [
        _appraiser(pseudonym(number), calls[None, own], truth[own])
        for number, own in enumerate(by_person[person] for person in in_no_known_order(by_person))
    ]
    return [*found, _appraiser(None, model[None], truth)]


def _second_opinions(first: dict[tuple[str, str], tuple[bool, bool]]) -> list[tuple[bool, bool]]:
    """Pairs of calls of one frame; whoever saw the first one would agree with it too often."""
    by_inspection: dict[str, list[bool]] = defaultdict(list)
    for (id_, _), (call, was_blind) in first.items():
        if was_blind or id_ not in by_inspection:
            by_inspection[id_].append(call)
    return [(calls[0], calls[1]) for calls in by_inspection.values() if len(calls) > 1]


def _decided(connection: Connection, defective: bool) -> list[tuple[str, bool]]:
    """Frames whose truth is known and whose image is kept, with whether the model flagged them."""
    table = inspections.c
    wanted = (_DEFECTIVE if defective else _GOOD).value
    truth = or_(challenges.c.defective.is_(defective), challenges.c.part_id.is_(None) & (table.decision == wanted))
    query = (
        select(table.id, table.verdict)
        .select_from(inspections.outerjoin(challenges, challenges.c.part_id == table.part_id))
        .where(truth, table.image_kept, table.image_removed_at.is_(None), table.verdict != Verdict.NO_DECISION.value)
        .order_by(table.id)
    )
    return [(id_, Verdict(verdict).flagged) for id_, verdict in connection.execute(query)]


def _is_aided(study: Study, person: str, trial: int, number: int) -> bool:
    """Half of the parts, drawn for each person, come with the model in odd trials, the other half in even ones: what a person
    remembers of a part helps either side alike.
    """
    if study.kind is StudyKind.ALONE:
        return False
    first = np.random.default_rng([*study.id.encode(), *person.encode(), 0]).permutation(study.parts)[
        : study.parts // 2
    ]
    return (number in first) == (trial % 2 == 1)


def _aid(connection: Connection, inspection_id: str) -> Inspection | None:
    """What the model said, without what people made of it."""
    found = find(connection, inspections.c.id == inspection_id)
    return found[0].model_copy(update={"review": None}) if found else None


def _order(study: Study, person: str, trial: int) -> Iterable[int]:
    seed = [*study.id.encode(), *person.encode(), trial]
    return [int(number) for number in np.random.default_rng(seed).permutation(study.parts)]


def _check_person(study: Study, person: str) -> None:
    if person not in study.people:
        raise ProblemError(
            403,
            text(
                f"{person} takes no part in the study {study.name}: {', '.join(study.people)} do",
                f"{person} 不在研究「{study.name}」的人員之中；參與者為 {'、'.join(study.people)}",
            ),
        )


def majority(calls: Calls) -> Calls:
    """Whether most of the calls, bool [people, trials, parts], of a part are defective; bool [parts]."""
    most: Calls = calls.mean(axis=(0, 1)) > 0.5
    return most


def _appraiser(name: str | None, calls: Calls, truth: Calls) -> AppraiserAgreement:
    standard: Appraiser = agreement.against(calls, truth)
    same, kappa = agreement.within(calls) if calls.shape[0] > 1 else (None, None)
    return AppraiserAgreement(
        name=name,
        within=_share(same),
        within_kappa=_kappa(kappa),
        kappa=_kappa(standard.kappa),
        effectiveness=_some(standard.effectiveness),
        miss=_some(standard.miss),
        false_alarm=_some(standard.false_alarm),
    )


def _nothing(source: Any, id_: str, study: Study, missing: int) -> AgreementMetrics:
    return AgreementMetrics(
        source=source,
        study_id=id_,
        parts=0,
        people=len(study.people),
        trials=study.trials,
        missing=missing,
        between=None,
        between_kappa=None,
        all_against=None,
        all_against_kappa=None,
        appraisers=[],
        comparison=None,
        notes=[
            text(
                "No part has been called by all people in all trials yet.",
                "尚無任何零件完成所有人員、所有次數的判定。",
            )
        ],
    )


def _some(counted: Counted) -> Share:
    interval = counted.interval
    return Share(
        value=interval and interval.value,
        low=interval and interval.low,
        high=interval and interval.high,
        hits=counted.hits,
        n=counted.n,
    )


def _share(counted: Counted | None) -> Share | None:
    return None if counted is None else _some(counted)


def _kappa(interval: Interval | None) -> Kappa | None:
    return None if interval is None else Kappa(value=interval.value, low=interval.low, high=interval.high)


def comparison_of(result: McNemar) -> Comparison:
    """The message for a test of two appraisers."""
    return Comparison(
        n=result.n,
        both=result.both,
        only_people=result.only_first,
        only_model=result.only_second,
        neither=result.neither,
        p=result.p,
    )

"""Whether a model may take the champion's place; the experiment tracker and the server ask the same question here."""

from dataclasses import dataclass
from pathlib import Path

from data.bundle import read_manifest
from data.comparison import compare
from data.errors import InputError
from data.targets import Outcome
from data.wording import Text, text


@dataclass(frozen=True)
class Judgement:
    """`objections` is what speaks against the candidate, a sentence each without a full stop; none means that it wins."""

    objections: tuple[Text, ...]
    favour: str

    @property
    def wins(self) -> bool:
        return not self.objections

    @property
    def why(self) -> str:
        """For records, in English."""
        return "; ".join(objection.en for objection in self.objections) or self.favour


def judge(candidate: Path, champion: Path | None) -> Judgement:
    """Hold a bundle directory against its own targets and against the champion, if there is one.

    It wins when it misses no target and is shown to be better than the champion on the same test images; what cannot be
    compared is not shown to be better. Raises BundleError when the candidate's manifest cannot be read.
    """
    targets = read_manifest(candidate).targets
    objections = [
        text(f"target missed: {one.sentence.en}", f"未達目標：{one.sentence.zh_hant}")
        for one in targets
        if one.outcome is Outcome.MISSED
    ]
    favour = "there was no champion to beat"
    if champion is not None:
        try:
            comparison = compare(candidate, champion)
        except InputError as error:
            objections.append(error.said)
        else:
            favour = comparison.sentence.en
            if not comparison.better:
                objections.append(comparison.sentence)
    return Judgement(tuple(objections), favour)

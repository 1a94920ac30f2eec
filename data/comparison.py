"""Two models on the same fixed test images: is the new one shown to be better, or was it luck?"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, ValidationError
from scipy.stats import bootstrap, rankdata

from data.bundle import PREDICTIONS, Manifest, read_manifest, sha256_of
from data.catalog import CatalogRow
from data.config import explain
from data.durable import replacing
from data.errors import BundleError, InputError
from data.groups import are_shared, clusters, numbered
from data.metric import Metric
from data.record import Record
from data.wording import Text, text

_RESAMPLES = 2000
_CELLS_AT_ONCE = 4_000_000
"""Resampled scores held in memory at a time."""


class PredictedImage(Record):
    """What a model said of one test image: one row of `PREDICTIONS`.

    Images of one `group` show the same part; bundles that were made before it was kept have none.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    label: str
    is_defect: bool
    defect_probability: float = Field(ge=0, le=1)
    group: str | None = None


@dataclass(frozen=True)
class Comparison:
    """A candidate against the champion; differences are candidate minus champion, so above 0 the candidate is better."""

    candidate: str
    champion: str
    candidate_auroc: float
    champion_auroc: float
    auroc_difference: Metric
    only_candidate_right: int
    """images that the candidate alone flags rightly (a defect flagged, or a good part passed), at its own thresholds"""
    only_champion_right: int
    mcnemar_p: float
    """chance of so uneven a split of those images, were the two equally often right (see `mcnemar`)"""

    @property
    def better(self) -> bool:
        """The whole 95 % interval of the AUROC difference lies above 0; one that holds 0 shows nothing."""
        return self.auroc_difference.low > 0

    @property
    def sentence(self) -> Text:
        """The result in one plain sentence, without a full stop."""
        difference = self.auroc_difference
        if self.better:
            outcome = text(f"{self.candidate} is better than {self.champion}", f"{self.candidate} 優於 {self.champion}")
        elif difference.high < 0:
            outcome = text(f"{self.candidate} is worse than {self.champion}", f"{self.candidate} 劣於 {self.champion}")
        else:
            outcome = text(
                f"{self.candidate} is not shown to be better than {self.champion}",
                f"無法證明 {self.candidate} 優於 {self.champion}",
            )
        return text(
            f"{outcome.en} on the same {difference.n} test images: AUROC {self.candidate_auroc:.4f} against "
            f"{self.champion_auroc:.4f}, difference {difference.value:+.4f} (95 % interval {difference.low:+.4f} to "
            f"{difference.high:+.4f}); {self.only_candidate_right} images only the first decides rightly, "
            f"{self.only_champion_right} only the second (McNemar p {self.mcnemar_p:.2g})",
            f"{outcome.zh_hant}（同樣的 {difference.n} 張測試影像）：AUROC {self.candidate_auroc:.4f} 對 "
            f"{self.champion_auroc:.4f}，差異 {difference.value:+.4f}（95 % 區間 {difference.low:+.4f} 至 "
            f"{difference.high:+.4f}）；只有前者判定正確的影像 {self.only_candidate_right} 張，只有後者正確的 "
            f"{self.only_champion_right} 張（McNemar p {self.mcnemar_p:.2g}）",
        )


def compare(candidate: Path, champion: Path) -> Comparison:
    """Compare two bundle directories by the predictions that each keeps of its test images.

    Raises InputError when the two were not tested on the same images with the same truth, and when a bundle keeps no
    predictions; BundleError when they were altered.
    """
    manifests = read_manifest(candidate), read_manifest(champion)
    first, second = (_named(manifest) for manifest in manifests)
    ours, theirs = read_predictions(candidate, manifests[0]), read_predictions(champion, manifests[1])
    images = {row.sha256 for row in ours}, {row.sha256 for row in theirs}
    if images[0] != images[1] or len(ours) != len(theirs):
        raise InputError(
            text(
                f"{first} cannot be compared with {second}: {len(images[0])} and {len(images[1])} test images, "
                f"{len(images[0] & images[1])} of them the same; train with the champion's test images as the test split",
                f"{first} 無法與 {second} 比較：測試影像分別為 {len(images[0])} 張與 {len(images[1])} 張，其中 "
                f"{len(images[0] & images[1])} 張相同；請以目前模型的測試影像作為測試集重新訓練",
            )
        )
    pairs = list(zip(ours, theirs, strict=True))
    relabelled = sum(one.is_defect != other.is_defect for one, other in pairs)
    if relabelled:
        raise InputError(
            text(
                f"{first} cannot be compared with {second}: the truth of {relabelled} test images was changed in between; "
                "train the champion's configuration again on the present labels",
                f"{first} 無法與 {second} 比較：其間有 {relabelled} 張測試影像的標記已更改；請以現有標記重新訓練目前模型的設定",
            )
        )
    is_defect = np.array([row.is_defect for row in ours])
    scores = [np.array([row.defect_probability for row in rows]) for rows in (ours, theirs)]
    right = [
        (probability >= manifest.thresholds.pass_below) == is_defect
        for probability, manifest in zip(scores, manifests, strict=True)
    ]
    only_first, only_second = right[0] & ~right[1], right[1] & ~right[0]
    groups = [one.group or other.group or one.sha256 for one, other in pairs]
    return Comparison(
        candidate=first,
        champion=second,
        candidate_auroc=float(auroc(scores[0], is_defect)),
        champion_auroc=float(auroc(scores[1], is_defect)),
        auroc_difference=auroc_difference(scores[0], scores[1], is_defect, groups),
        only_candidate_right=int(only_first.sum()),
        only_champion_right=int(only_second.sum()),
        mcnemar_p=mcnemar(only_first, only_second, groups),
    )


def auroc_difference(
    candidate: NDArray[np.floating],
    champion: NDArray[np.floating],
    is_defect: NDArray[np.bool_],
    groups: Sequence[str] | None = None,
) -> Metric:
    """AUROC of `candidate` minus that of `champion`, float [n] scores of the same images with the truth bool [n].

    The interval is the percentile bootstrap's (Efron 1979): images are resampled, so that each keeps both its scores,
    defective and good ones apart, and those of one of the `groups` [n] together, as they are no independent evidence (None:
    every image is by itself). Seeded: the same scores give the same interval. Both kinds must be there.
    """
    both = np.stack([candidate, champion])
    kinds = np.flatnonzero(is_defect), np.flatnonzero(~is_defect)

    def difference(defect: NDArray[np.int64], good: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:  # noqa: ARG001 - scipy's signature
        index = np.concatenate([defect, good], axis=-1)
        areas = auroc(both[:, index], np.arange(index.shape[-1]) < defect.shape[-1])
        return np.asarray(areas[0] - areas[1])

    group = numbered(groups, len(is_defect))
    parts = [clusters(kind, group) for kind in kinds]

    def difference_of_parts(*drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        defect, good = (
            np.concatenate([kind[place] for place in places]) for kind, places in zip(parts, drawn, strict=True)
        )
        return difference(defect, good)

    shared = are_shared(group)
    resampled = bootstrap(
        [np.arange(len(kind)) for kind in parts] if shared else kinds,
        difference_of_parts if shared else difference,
        n_resamples=_RESAMPLES,
        batch=max(1, _CELLS_AT_ONCE // (2 * len(is_defect))),
        # Parts of several images make draws of unequal length, one after another.
        vectorized=not shared,
        axis=-1,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = resampled.confidence_interval
    return Metric(value=float(difference(*kinds)), low=float(low), high=float(high), n=len(is_defect))


def mcnemar(
    only_first: NDArray[np.bool_], only_second: NDArray[np.bool_], groups: Sequence[str] | None = None
) -> float:
    """The chance of so uneven a split of the images that one of two models alone decides rightly, were they equally good.

    `only_first` and `only_second` bool [n] say which these are. Exact and two-sided (McNemar 1947). Images of one of the
    `groups` [n] may err together, so that equally good models could change places in a whole group only (sign flips of
    whole blocks; Winkler et al. 2014, NeuroImage 92); None, or groups of one image: the plain test.

    >>> mcnemar(np.array([True] * 5), np.array([False] * 5))
    0.0625
    """
    lead = np.bincount(numbered(groups, len(only_first)), only_first.astype(int) - only_second.astype(int))
    leads = np.abs(lead[lead != 0]).astype(int)
    chance = np.ones(1)  # of each sum of the leads with signs by chance, from the lowest to the highest in steps of 1
    for one in leads:
        chance = np.convolve(chance, [0.5, *[0.0] * (2 * one - 1), 0.5])
    sums = np.arange(len(chance)) - leads.sum()
    return min(1.0, float(chance[np.abs(sums) >= abs(lead.sum())].sum()))


def auroc(scores: ArrayLike, is_defect: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Area under the ROC curve of scores [..., n] against the truth bool [n], as [...]: Mann and Whitney's U, 1947.

    >>> float(auroc([0.1, 0.4, 0.4, 0.8], np.array([False, False, True, True])))
    0.875
    """
    ranks = rankdata(scores, axis=-1)
    defects = int(is_defect.sum())
    u = ranks[..., is_defect].sum(axis=-1) - defects * (defects + 1) / 2
    return np.asarray(u / (defects * (len(is_defect) - defects)))


def write_predictions(file: Path, rows: Sequence[CatalogRow], defect_probability: NDArray[np.floating]) -> None:
    """Write what a model said of its test images: catalog `rows` with `defect_probability` float [n] in 0..1."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(PredictedImage.model_fields))
    writer.writeheader()
    for row, probability in zip(rows, defect_probability, strict=True):
        prediction = PredictedImage(
            sha256=row.sha256,
            label=row.label,
            is_defect=row.is_defect,
            defect_probability=float(probability),
            group=row.group,
        )
        writer.writerow(prediction.model_dump())
    with replacing(file) as stream:
        stream.write(text.getvalue().encode())


def read_predictions(bundle: Path, manifest: Manifest) -> list[PredictedImage]:
    """What a bundle said of its test images, in an order that two models tested on the same images share.

    Raises InputError when the bundle keeps none, BundleError when they were altered.
    """
    if PREDICTIONS not in manifest.files:
        raise InputError(
            text(
                f"{_named(manifest)} cannot be compared: its bundle keeps no {PREDICTIONS} (it was made before bundles did); "
                "train it again",
                f"{_named(manifest)} 無法比較：其模型目錄中沒有 {PREDICTIONS}（由較早的版本建立）；請重新訓練",
            )
        )
    file = bundle / PREDICTIONS
    if not file.is_file() or sha256_of(file) != manifest.files[PREDICTIONS]:
        raise BundleError(
            text(
                f"bundle {bundle}: {PREDICTIONS} is missing or was altered after export; copy the bundle again",
                f"模型 {bundle}：{PREDICTIONS} 遺失或在匯出後遭更動；請重新複製模型",
            )
        )
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = [PredictedImage.model_validate(fields) for fields in csv.DictReader(stream)]
    except ValidationError as error:
        raise BundleError(
            text(
                f"bundle {bundle}: {PREDICTIONS} is not valid: {explain(error)}; export the bundle again",
                f"模型 {bundle}：{PREDICTIONS} 無效（{explain(error)}）；請重新匯出模型",
            )
        ) from error
    if len({row.is_defect for row in rows}) < 2:
        raise BundleError(
            text(
                f"bundle {bundle}: {PREDICTIONS} needs both good and defective images; export the bundle again",
                f"模型 {bundle}：{PREDICTIONS} 須同時包含良品與缺陷品影像；請重新匯出模型",
            )
        )
    return sorted(rows, key=lambda row: (row.sha256, row.is_defect))


def _named(manifest: Manifest) -> str:
    return f"{manifest.name} {manifest.version}"

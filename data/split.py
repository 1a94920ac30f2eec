"""Train, validation and test parts of a catalog: stratified by label and product, whole groups only, the same each time."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from data.catalog import Catalog, CatalogRow, Split
from data.errors import InputError
from data.record import Record

Part = TypeVar("Part", Split, int)


class SplitShares(Record):
    """The share of images that go to validation and to test; the rest trains."""

    val: float = Field(default=0.2, gt=0, lt=1)
    test: float = Field(default=0.25, gt=0, lt=1)
    seed: int = 0


def assign_splits(catalog: Catalog, shares: SplitShares) -> Catalog:
    """The catalog with every row in a split. Splits that the source brought are kept; without `val`, it is cut from `train`.

    Groups go, largest first, to the split that lacks most of what the group holds (greedy, as in scikit-learn's
    StratifiedGroupKFold), so labels and products keep their shares. Raises InputError when a split ends up without
    good or without defective images.
    """
    if shares.val + shares.test >= 1:
        raise InputError(f"splits: val {shares.val} and test {shares.test} leave nothing to train on")
    brought = {row.split for row in catalog.rows}
    targets: dict[Split, float]
    if "" in brought:
        if brought != {""}:
            raise InputError(f"some images have a split and {sum(not row.split for row in catalog.rows)} have none")
        open_rows = list(catalog.rows)
        targets = {"train": 1 - shares.val - shares.test, "val": shares.val, "test": shares.test}
    elif "val" not in brought:
        open_rows = catalog.of_split("train")
        targets = {"train": 1 - shares.val, "val": shares.val}
    else:
        open_rows, targets = [], {}
    chosen = _share_out(open_rows, targets, shares.seed)
    rows = tuple(row.model_copy(update={"split": chosen.get(row.group, row.split)}) for row in catalog.rows)
    result = catalog.model_copy(update={"rows": rows})
    _check(result)
    return result


def assign_folds(rows: Sequence[CatalogRow], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold 0..folds-1 of every row, int64 [n]: whole groups, and labels and products in equal shares, as in `assign_splits`.

    Raises InputError when a fold ends up without good or without defective images.
    """
    chosen = _share_out(list(rows), dict.fromkeys(range(folds), 1 / folds), seed)
    assignment = np.array([chosen[row.group] for row in rows], dtype=np.int64)
    defect = np.array([row.is_defect for row in rows])
    for fold in range(folds):
        own = assignment == fold
        if defect[own].sum() in (0, own.sum()):
            raise InputError(
                f"fold {fold + 1} of {folds}: {own.sum()} images, {defect[own].sum()} of them defective; every fold needs "
                f"both good and defective images. {_too_few_groups(rows, folds) or 'Add images, or set folds to fewer'}"
            )
    return assignment


def _share_out(rows: list[CatalogRow], targets: dict[Part, float], seed: int) -> dict[str, Part]:
    groups: dict[str, list[CatalogRow]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    shuffled = [str(name) for name in np.random.default_rng(seed).permutation(sorted(groups))]
    order = sorted(shuffled, key=lambda name: -len(groups[name]))
    totals = Counter(_stratum(row) for row in rows)
    missing = {split: {key: share * n for key, n in totals.items()} for split, share in targets.items()}
    chosen: dict[str, Part] = {}
    for name in order:
        held = Counter(_stratum(row) for row in groups[name])
        split = max(missing, key=lambda part: sum(n * missing[part][key] / totals[key] for key, n in held.items()))
        chosen[name] = split
        for key, n in held.items():
            missing[split][key] -= n
    return chosen


def _too_few_groups(rows: Sequence[CatalogRow], parts: int) -> str:
    """What to do where no division can be right, since one side has fewer groups than there are `parts`; else nothing."""
    for side, is_defect in (("defective", True), ("good", False)):
        groups = {row.group for row in rows if row.is_defect == is_defect}
        if len(groups) < parts:
            return (
                f"All {side} images are of {len(groups)} groups (parts, boards), which are never divided: bring {side} images of "
                f"at least {parts}"
            )
    return ""


def _stratum(row: CatalogRow) -> tuple[str, str, float]:
    return row.label, row.product, row.defect_probability


def _check(catalog: Catalog) -> None:
    for split in ("train", "val", "test"):
        rows = catalog.of_split(split)
        defects = sum(row.is_defect for row in rows)
        if not rows or defects in (0, len(rows)):
            raise InputError(
                f"split {split}: {len(rows)} images, {defects} of them defective; every split needs both good and defective "
                f"images. {_too_few_groups(catalog.rows, 3) or 'Add images, or change the shares under splits'}"
            )
    groups = {split: {row.group: row.path for row in catalog.of_split(split)} for split in ("train", "val", "test")}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = sorted(groups[one].keys() & groups[other].keys())
        if shared:
            raise InputError(
                f"{groups[one][shared[0]]} in {one} and {groups[other][shared[0]]} in {other} are of one group, {shared[0]} "
                f"(the same part or the same picture; {len(shared)} such groups), so that the figures would be too good; move "
                "or remove one of them"
            )

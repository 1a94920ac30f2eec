"""Images of one group show the same part, so they are one piece of evidence: by the worst of them, or drawn together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Truth = NDArray[np.bool_]

_TAIL = 0.975
"""of the 95 % intervals that figures carry"""


def numbered(groups: Sequence[str] | None, n: int) -> Indices:
    """The group of each of n images, int [n], called by the index of its first image; None: every image is by itself.

    Raises ValueError unless there are n groups.

    >>> numbered(["b", "a", "b"], 3).tolist()
    [0, 1, 0]
    """
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(f"expected a group for each of {n} images, got {len(groups)}")
    _, first, group = np.unique(np.asarray(groups, dtype=str), return_index=True, return_inverse=True)
    return np.asarray(first[group])


def are_shared(group: Indices) -> bool:
    """Whether any group of `group` [n] holds more than one image."""
    return len(np.unique(group)) < len(group)


def worst_scores(scores: Floats, is_defect: Truth, group: Indices) -> tuple[Floats, Floats]:
    """The smallest score of every defective group, [d], and the largest of every good one, [g], both sorted.

    `scores` float [n] have the truth bool [n] and the groups [n]. A defective part counts as passed when any frame of it is
    that shows the defect, and a good one as rejected when any frame is. Where some frames of a part are defective and others
    good, it is of both kinds, each by its own frames.
    """
    return (
        _smallest(scores[is_defect], group[is_defect]),
        np.sort(-_smallest(-scores[~is_defect], group[~is_defect])),
    )


def clusters(images: Indices, group: Indices) -> list[Indices]:
    """The `images` [k], indices into `group` [n], by group, in the order of their first images."""
    order = images[np.argsort(group[images], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def effective_size(events: Truth, group: Indices) -> float:
    """How many independent images would tell as much of the share of `events` bool [n] as these of the groups [n] do, 0 to n.

    n where no group has several images. Else the variance of independent images by that between groups, with fewer degrees
    of freedom (Korn and Graubard 1998, Survey Methodology 24, page 193). Where no image or every one is an event the groups
    cannot tell how alike their images are, and these are taken as copies of each other (Kish 1965, section 8.2).

    >>> effective_size(np.array([True, True, False, False]), np.array([0, 0, 2, 2])) < 2
    True
    """
    _, place = np.unique(group, return_inverse=True)
    return effective_size_of(np.bincount(place), np.bincount(place, events).astype(float))


def effective_size_of(images: Indices, events: Floats) -> float:
    """`effective_size` of groups of which each holds so many `images` [g], at least one, with so many `events` [g]."""
    n, groups = int(images.sum()), len(images)
    if n == groups:
        return float(n)
    share = float(events.sum()) / n
    if groups == 1 or share in (0, 1):
        return float(n**2 / np.sum(images**2))
    variance = groups / (groups - 1) * float(np.sum((events - share * images) ** 2)) / n**2
    freedom = (t.ppf(_TAIL, n - 1) / t.ppf(_TAIL, groups - 1)) ** 2
    independent = share * (1 - share) * float(freedom)
    return float(n) if independent >= n * variance else independent / variance


def _smallest(scores: Floats, group: Indices) -> Floats:
    """The smallest of the scores [n] of each group, sorted."""
    order = np.lexsort((scores, group))
    return np.sort(scores[order][np.diff(group[order], prepend=-1) > 0])

"""Divide images into train, tune and test without ever cutting a group."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bonefx_train.data.sample import SPLITS, Label, Sample
from bonefx_train.errors import DataError

SHARES: Final = {"train": 0.70, "tune": 0.15, "test": 0.15}
"""Of the images of each class; tune and test are large enough for an interval worth reading."""

TUNE_SHARE_OF_TRAIN: Final = SHARES["tune"] / (SHARES["train"] + SHARES["tune"])
"""When the test images are given and tune is carved out of train."""

MAX_LISTED: Final = 10
"""Offenders in one message."""


def assign_splits(
    samples: Sequence[Sample], *, shares: dict[str, float], seed: int
) -> list[Sample]:
    """Return the samples, in their order, each with one of the splits in `shares`.

    Whole groups are dealt out, large ones first, each to the split that it fills most evenly for
    both classes; the seed orders groups of equal size.
    `shares`: split -> share of each class, adding up to 1. The present splits are ignored.
    """
    names, group_index = np.unique([sample.group for sample in samples], return_inverse=True)
    counts = np.zeros((len(names), 2))  # (groups, classes): images
    classes = np.array([sample.label.class_index for sample in samples], np.intp)
    np.add.at(counts, (group_index, classes), 1)
    targets = np.outer(list(shares.values()), counts.sum(axis=0))  # (splits, classes): images
    dealt = _deal(counts, targets=np.maximum(targets, 1e-9), rng=np.random.default_rng(seed))
    splits = list(shares)
    return [
        replace(sample, split=splits[dealt[group]])
        for sample, group in zip(samples, group_index, strict=True)
    ]


def _deal(
    counts: NDArray[np.float64], *, targets: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return the split index of each group, shape (groups,).

    Minimizes sum over splits and classes of have**2 / target, group by group: the sum is least
    where every split is filled in proportion to its target.
    """
    have = np.zeros_like(targets)
    dealt = np.zeros(len(counts), np.intp)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    for group in order:
        growth = ((2 * have + counts[group]) * counts[group] / targets).sum(axis=1)  # (splits,)
        dealt[group] = growth.argmin()
        have[dealt[group]] += counts[group]
    return dealt


def check_no_group_is_cut(samples: Sequence[Sample]) -> None:
    """Return if every group lies in one split.

    Raises
    ------
    DataError
        Lists the groups that lie in two splits, with an image of each side.
    """
    seen: dict[str, Sample] = {}
    cut: dict[str, str] = {}
    for sample in samples:
        first = seen.setdefault(sample.group, sample)
        if first.split != sample.split:
            cut.setdefault(
                sample.group, f"{first.key} ({first.split}), {sample.key} ({sample.split})"
            )
    if cut:
        listed = "\n".join(f"  {pair}" for pair in list(cut.values())[:MAX_LISTED])
        more = f"\n  … and {len(cut) - MAX_LISTED} more" if len(cut) > MAX_LISTED else ""
        msg = (
            "expected all copies and images of one patient in one split, got "
            f"{len(cut)} groups on two sides (same group, same bytes, or names that differ after "
            f"-rotated only):\n{listed}{more}\nmove each group to one side, or remove the split "
            "folders (or the split column) and let bonefx-train split by group"
        )
        raise DataError(msg)


def check_both_classes(samples: Sequence[Sample]) -> None:
    """Return if train and tune exist and every split that exists holds images of both classes.

    Raises
    ------
    DataError
        Names the split and the class that is missing.
    """
    present = {sample.split for sample in samples}
    for split in SPLITS:
        labels = {sample.label for sample in samples if sample.split == split}
        if split == "test" and split not in present:
            continue
        for label in Label:
            if label not in labels:
                msg = (
                    f"split {split}: expected images of both classes, got none that is {label}; "
                    "add images (in at least three groups of each class) or change the splits"
                )
                raise DataError(msg)

"""What labels can be guessed from without looking for a fracture: the AUC that a network must beat.

Logistic regression on standardized features and their squares: the same answer everywhere, no
further package (docs/decisions/0013).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from bonefx_edge.decode.radiograph import FileFormat
from numpy.typing import NDArray

from bonefx_train.audit.image_stats import ImageStats
from bonefx_train.data.sample import BODY_PART_SEPARATOR, Label
from bonefx_train.data.split import assign_splits
from bonefx_train.evaluation.metrics import Floats, auc, bootstrap_by_group
from bonefx_train.evaluation.score_fusion import fit_logistic

FOLDS: Final = 5
PENALTY: Final = 1.0
"""Ridge on standardized coefficients: between 1 and 5 nothing changes on FracAtlas."""
CLIP: Final = 4.0
"""Standard deviations: one odd image must not pull the square."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one set of features is worth."""

    features: str
    """What they are measured on."""
    columns: int
    """Features before squaring."""
    auc: float | None
    """Cross-validated over groups; None where it cannot be had."""
    low: float | None
    """Lower end of the 95 % interval over groups."""
    high: float | None
    """Upper end of the 95 % interval over groups."""
    n: int
    fractured: int
    groups: int


def measure_baselines(
    images: Sequence[ImageStats], groups: Sequence[str], *, seed: int
) -> list[Baseline]:
    """Return the AUC of file and frame alone, then with gray statistics, then with what is known.

    `groups`: (n,) group of each image, copies joined; folds never cut one.
    """
    frame, gray, known = (
        _file_and_frame(images),
        _gray_levels(images),
        _body_part_and_hardware(images),
    )
    sets = [
        ("file and frame", frame),
        ("file and frame, gray level statistics", np.hstack([frame, gray])),
    ]
    if known.size and np.ptp(known, axis=0).any():
        sets += [
            ("file and frame, body part and hardware", np.hstack([frame, known])),
            ("all of these", np.hstack([frame, gray, known])),
        ]
    return [_measure(name, x, images, groups, seed=seed) for name, x in sets]


def _file_and_frame(images: Sequence[ImageStats]) -> Floats:
    return np.array(
        [
            [
                image.width,
                image.height,
                image.width / image.height,
                math.log(image.file_bytes),
                image.file_bytes / (image.width * image.height),
                image.quantization,
                *(image.file_format is kind for kind in FileFormat),
            ]
            for image in images
        ],
        np.float64,
    )


def _gray_levels(images: Sequence[ImageStats]) -> Floats:
    return np.array(
        [
            [
                *(image.mean, image.spread, image.border_mean, image.border_spread),
                *(image.black, image.white, image.chroma),
            ]
            for image in images
        ],
        np.float64,
    )


def _body_part_and_hardware(images: Sequence[ImageStats]) -> Floats:
    shown = [set(image.sample.body_part.split(BODY_PART_SEPARATOR)) - {""} for image in images]
    parts = sorted(set[str]().union(*shown))
    return np.array(
        [
            [*(part in own for part in parts), image.sample.hardware]
            for image, own in zip(images, shown, strict=True)
        ],
        np.float64,
    )


def _measure(
    name: str, x: Floats, images: Sequence[ImageStats], groups: Sequence[str], *, seed: int
) -> Baseline:
    fractured = np.array([image.sample.label is Label.FRACTURED for image in images])
    fold = _folds(images, groups, seed=seed)
    counts = {"n": len(images), "fractured": int(fractured.sum()), "groups": len(set(groups))}
    trains = [fractured[fold != k] for k in range(FOLDS)]
    if any(len(np.unique(fold_labels)) < len(Label) for fold_labels in trains):
        return Baseline(name, x.shape[1], None, None, None, **counts)
    score = np.zeros(len(images))
    for k in range(FOLDS):
        train, held_out = _standardize_and_square(x[fold != k], x[fold == k])
        ridge = np.full(train.shape[1], PENALTY / len(train))
        ridge[0] = 0.0
        score[fold == k] = held_out @ fit_logistic(train, fractured[fold != k], ridge=ridge)[0]
    low, high = bootstrap_by_group(lambda w: auc(score, fractured, w), groups, seed=seed)
    return Baseline(name, x.shape[1], float(auc(score, fractured)), low, high, **counts)


def _folds(images: Sequence[ImageStats], groups: Sequence[str], *, seed: int) -> NDArray[np.intp]:
    """Return (n,) the fold of each image, dealt as splits are: by group, both classes alike."""
    samples = [
        replace(image.sample, group=group) for image, group in zip(images, groups, strict=True)
    ]
    shares = {str(k): 1 / FOLDS for k in range(FOLDS)}
    return np.array([int(s.split) for s in assign_splits(samples, shares=shares, seed=seed)])


def _standardize_and_square(train: Floats, held_out: Floats) -> tuple[Floats, Floats]:
    """Return both as 1, z and z squared, by the means and deviations of `train` alone."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1

    def design(x: Floats) -> Floats:
        z = np.clip((x - mean) / deviation, -CLIP, CLIP)
        return np.hstack([np.ones((len(z), 1)), z, z * z])

    return design(train), design(held_out)

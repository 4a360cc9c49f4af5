"""What labels can be guessed from without looking for a fracture: the AUC that a network must beat.

Logistic regression by Newton's method on standardized features and their squares: forty lines, the
same answer everywhere, no further package (docs/decisions/0013).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from bonefx_edge.decode.radiograph import FileFormat
from numpy.typing import NDArray

from bonefx_train.audit.image_stats import FilmFacts
from bonefx_train.data.sample import BODY_PART_SEPARATOR, Label
from bonefx_train.data.split import assign_splits
from bonefx_train.evaluation.metrics import Floats, auc, bootstrap_by_group

FOLDS: Final = 5
PENALTY: Final = 1.0
"""Ridge on standardized coefficients: between 1 and 5 nothing changes on FracAtlas."""
STEPS: Final = 25
"""Newton's method ends after about 8."""
ENOUGH: Final = 1e-6
"""Largest change of a coefficient at which it ends."""
CLIP: Final = 4.0
"""Standard deviations: one odd film must not pull the square."""
LOGIT_CLIP: Final = 30.0
"""exp() of it is finite."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one set of features is worth."""

    features: str
    """What they look at."""
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
    films: Sequence[FilmFacts], groups: Sequence[str], *, seed: int
) -> list[Baseline]:
    """Return the AUC of file and frame alone, then with gray statistics, then with what is known.

    Parameters
    ----------
    films
        All that could be read.
    groups
        (n,) group of each film, copies joined; folds never cut one.
    seed
        Of folds and bootstrap.
    """
    frame, gray, known = _file_and_frame(films), _gray_levels(films), _body_part_and_hardware(films)
    sets = [
        ("file and frame", frame),
        ("file and frame, gray level statistics", np.hstack([frame, gray])),
    ]
    if known.size and np.ptp(known, axis=0).any():
        sets += [
            ("file and frame, body part and hardware", np.hstack([frame, known])),
            ("all of these", np.hstack([frame, gray, known])),
        ]
    return [_measure(name, x, films, groups, seed=seed) for name, x in sets]


def _file_and_frame(films: Sequence[FilmFacts]) -> Floats:
    return np.array(
        [
            [
                film.width,
                film.height,
                film.width / film.height,
                math.log(film.file_bytes),
                film.file_bytes / (film.width * film.height),
                film.quantization,
                *(film.file_format is kind for kind in FileFormat),
            ]
            for film in films
        ],
        np.float64,
    )


def _gray_levels(films: Sequence[FilmFacts]) -> Floats:
    return np.array(
        [
            [
                *(film.mean, film.spread, film.border_mean, film.border_spread),
                *(film.black, film.white, film.chroma),
            ]
            for film in films
        ],
        np.float64,
    )


def _body_part_and_hardware(films: Sequence[FilmFacts]) -> Floats:
    shown = [set(film.sample.body_part.split(BODY_PART_SEPARATOR)) - {""} for film in films]
    parts = sorted(set[str]().union(*shown))
    return np.array(
        [
            [*(part in own for part in parts), film.sample.hardware]
            for film, own in zip(films, shown, strict=True)
        ],
        np.float64,
    )


def _measure(
    name: str, x: Floats, films: Sequence[FilmFacts], groups: Sequence[str], *, seed: int
) -> Baseline:
    fractured = np.array([film.sample.label is Label.FRACTURED for film in films])
    fold = _folds(films, groups, seed=seed)
    counts = {"n": len(films), "fractured": int(fractured.sum()), "groups": len(set(groups))}
    trains = [fractured[fold != k] for k in range(FOLDS)]
    if any(len(np.unique(fold_labels)) < len(Label) for fold_labels in trains):
        return Baseline(name, x.shape[1], None, None, None, **counts)
    score = np.zeros(len(films))
    for k in range(FOLDS):
        train, held_out = _standardize_and_square(x[fold != k], x[fold == k])
        weights = _fit(train, fractured[fold != k].astype(float))
        score[fold == k] = held_out @ weights
    low, high = bootstrap_by_group(lambda w: auc(score, fractured, w), groups, seed=seed)
    return Baseline(name, x.shape[1], float(auc(score, fractured)), low, high, **counts)


def _folds(films: Sequence[FilmFacts], groups: Sequence[str], *, seed: int) -> NDArray[np.intp]:
    """Return (n,) the fold of each film, dealt as splits are: by group, both classes alike."""
    samples = [replace(film.sample, group=group) for film, group in zip(films, groups, strict=True)]
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


def _fit(x: Floats, fractured: Floats) -> Floats:
    """Return the weights of penalized logistic regression; the first column is the constant."""
    weights = np.zeros(x.shape[1])
    penalty = np.full(x.shape[1], PENALTY)
    penalty[0] = ENOUGH
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -LOGIT_CLIP, LOGIT_CLIP)))
        gradient = x.T @ (p - fractured) + penalty * weights
        curvature = (x.T * (p * (1 - p))) @ x + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < ENOUGH:
            break
    return np.asarray(weights)

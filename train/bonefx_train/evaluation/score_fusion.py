"""Fit how several numbers about one image become one logit."""

import itertools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bonefx_train.errors import DataError

RIDGE: Final = 1e-3
"""Nats per squared weight of scores of standard deviation 1: 590 images settle a weight of size 1
to about 0.1, this moves it by 0.01; where images can be separated without error it is what keeps
the weights finite."""
STEPS: Final = 100
"""Of Newton's method at most; ten are usual."""
TOLERANCE: Final = 1e-10
"""Size of a step at which the fit has come to rest."""
FLAT: Final = 1e-9
"""Standard deviation of a column below which it is constant."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fusion:
    """logit = offset + scores @ weights."""

    offset: float
    weights: tuple[float, ...]
    """One per column of the scores, each >= 0."""


def fit_fusion(scores: Floats, class_index: NDArray[np.uint8]) -> Fusion:
    """Return offset and weights of the least negative log-likelihood, no weight below 0.

    A negative weight would say "the surer a tile is of a fracture, the less likely there is one":
    a fit to noise that nobody could explain to a technician. The loss is convex, so that the best
    fusion is the free fit of those columns whose weights are above 0; with the handful of
    columns here every subset is fitted, and the best one without a negative weight is kept.

    Parameters
    ----------
    scores
        (n, k), k <= 6; larger = rather not broken. On tune.
    class_index
        (n,), 0 broken, 1 not broken; both present.

    Raises
    ------
    DataError
        If a class is absent or a number not finite.
    """
    classes = np.unique(class_index)
    if len(classes) < 2 or not np.isfinite(scores).all():  # noqa: PLR2004 -- both classes
        msg = (
            "fusion: expected finite numbers about images of both classes, got "
            f"{len(scores)} images of class {classes.tolist()}; choose a tune split with both"
        )
        raise DataError(msg)
    center, scale = scores.mean(axis=0), scores.std(axis=0)
    usable = [i for i in range(scores.shape[1]) if scale[i] > FLAT]
    unit = (scores - center) / np.where(scale > FLAT, scale, 1.0)
    best, least = np.zeros(scores.shape[1] + 1), np.inf
    for size in range(len(usable) + 1):
        for subset in itertools.combinations(usable, size):
            design = np.column_stack([np.ones(len(unit)), unit[:, subset]])
            ridge = np.full(design.shape[1], 2 * RIDGE)
            ridge[0] = 0.0  # the share of fractured images is not to be pulled towards one half
            fitted, loss = fit_logistic(design, class_index, ridge=ridge)
            if (fitted[1:] >= 0).all() and loss < least:
                best, least = np.zeros_like(best), loss
                best[[0, *(i + 1 for i in subset)]] = fitted
    weights = best[1:] / np.where(scale > FLAT, scale, 1.0)
    return Fusion(
        offset=float(best[0] - weights @ center), weights=tuple(float(w) for w in weights)
    )


def fit_logistic(
    design: Floats, positive: NDArray[Any], *, ridge: Floats, weight: Floats | None = None
) -> tuple[Floats, float]:
    """Return the weights (k,) of a logistic regression by Newton's method, and their loss in nats.

    Parameters
    ----------
    design
        (n, k), the constant included.
    positive
        (n,), 0 or 1.
    ridge
        (k,), nats per half a squared weight.
    weight
        (n,), >= 0, of each row; None: all alike.
    """
    share = np.full(len(design), 1 / len(design)) if weight is None else weight / weight.sum()

    def loss_of(weights: Floats) -> float:
        towards_truth = np.where(positive == 1, 1, -1) * (design @ weights)
        nats = float(share @ np.logaddexp(0.0, -towards_truth))
        return nats + float(ridge @ weights**2) / 2

    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -500, 500)))
        slope = design.T @ (share * (p - positive)) + ridge * weights
        bend = (design * (share * p * (1 - p))[:, np.newaxis]).T @ design + np.diag(ridge)
        step = np.linalg.lstsq(bend, slope, rcond=None)[0]
        # A full step from far away can overshoot: halve it until it gains.
        while loss_of(weights - step) > loss_of(weights) and np.abs(step).max() > TOLERANCE:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() <= TOLERANCE:
            break
    return weights, loss_of(weights)

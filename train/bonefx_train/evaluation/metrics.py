"""Figures of merit in plain NumPy, and their 95 % intervals by resampling groups.

Every figure takes weights: how often each image counts. The last axis is the image; an axis before
it holds resamples, so that a thousand of them are one matrix product. A figure whose denominator
is empty is NaN.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from bonefx_edge.inference.decision import Proportion
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Z_95: Final = 1.959963984540054
"""97.5 % quantile of the normal distribution."""
RESAMPLES: Final = 2000
"""Enough for two digits of a percentile interval."""
CHUNK: Final = 250
"""Resamples at a time: 250 x 4,000 images x 8 bytes = 8 MB."""


def auc(p_fracture: Floats, fractured: Bools, weights: Floats | None = None) -> Floats:
    """Return P(fractured image scores higher) + P(tie) / 2, in [0, 1]; NaN with one class only.

    Parameters
    ----------
    p_fracture
        (n,); only their order matters.
    fractured
        (n,).
    weights
        (..., n), >= 0; None counts each image once. The result has the leading shape.
    """
    weights = np.ones(len(p_fracture)) if weights is None else weights
    levels, level = np.unique(p_fracture, return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.searchsorted(level[order], np.arange(len(levels)))
    broken = np.add.reduceat((weights * fractured)[..., order], starts, axis=-1)  # (..., levels)
    intact = np.add.reduceat((weights * ~fractured)[..., order], starts, axis=-1)
    below = np.cumsum(intact, axis=-1) - intact
    wins = (broken * (below + intact / 2)).sum(axis=-1)
    return ratio(wins, broken.sum(axis=-1) * intact.sum(axis=-1))


def share(hit: Bools, among: Bools, weights: Floats | None = None) -> Floats:
    """Return the share of the images in `among` that are `hit`, in [0, 1]; NaN if `among` is empty.

    Sensitivity: hit = not called no_fracture, among = fractured. Specificity: hit = not called
    fracture, among = not fractured. PPV: hit = fractured, among = called fracture.
    """
    weights = np.ones(len(hit)) if weights is None else weights
    return ratio(weights @ (hit & among).astype(float), weights @ among.astype(float))


def brier(p_fracture: Floats, fractured: Bools, weights: Floats | None = None) -> Floats:
    """Return the mean squared difference of probability and truth (1 fractured), in [0, 1]."""
    weights = np.ones(len(fractured)) if weights is None else weights
    return ratio(weights @ np.square(p_fracture - fractured), weights.sum(axis=-1))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return the quotient; not finite where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(numerator / np.asarray(denominator))


def bootstrap_by_group(
    figure: Callable[[Floats], Floats],
    groups: Sequence[str],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentile of a figure over resampled groups; NaN if never defined.

    Arguments as for `resample_by_group`.
    """
    values = resample_by_group(figure, groups, seed=seed, resamples=resamples)
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def resample_by_group(
    figure: Callable[[Floats], Floats],
    groups: Sequence[str],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Floats:
    """Return a figure over resampled groups, (k,), k <= resamples: those in which it is defined.

    Whole groups are drawn with replacement, as many as there are: images of one patient are not
    independent.

    Parameters
    ----------
    figure
        (resamples, n) weights -> (resamples,) values, such as `lambda w: auc(p, truth, w)`.
    groups
        (n,) group of each image.
    """
    names, group_index = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    values = []
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)
        values.append(figure(drawn[:, group_index].astype(float)))
    joined = np.concatenate(values)
    return np.asarray(joined[np.isfinite(joined)])


def wilson(hits: int, n: int) -> Proportion:
    """Return hits / n with its Wilson 95 % interval (Wilson, JASA 1927); n >= 1."""
    value = hits / n
    center = (value + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * np.sqrt(value * (1 - value) / n + (Z_95 / (2 * n)) ** 2)
    low = 0.0 if hits == 0 else max(0.0, float(center - half))
    high = 1.0 if hits == n else min(1.0, float(center + half))
    return Proportion(value=value, low=low, high=high, n=n)


def distinct_scores(p_fracture: Floats) -> int:
    """Return how many different values there are; few of them mean a broken conversion."""
    return len(np.unique(p_fracture))


def roc_curve(p_fracture: Floats, fractured: Bools) -> tuple[Floats, Floats]:
    """Return 1 - specificity and sensitivity, (k,) each, from (0, 0) to (1, 1), ascending.

    Needs images of both classes. Tied images are one slanted step.
    """
    levels, level = np.unique(-p_fracture, return_inverse=True)  # highest score first
    broken = np.bincount(level, weights=fractured, minlength=len(levels))
    intact = np.bincount(level, weights=~fractured, minlength=len(levels))
    return (
        np.concatenate([[0.0], np.cumsum(intact) / intact.sum()]),
        np.concatenate([[0.0], np.cumsum(broken) / broken.sum()]),
    )


def precision_recall_curve(p_fracture: Floats, fractured: Bools) -> tuple[Floats, Floats]:
    """Return sensitivity (recall), ascending, and PPV (precision) from each score upwards, (k,).

    Needs a fractured image. One point for each distinct score, the highest first.
    """
    levels, level = np.unique(-p_fracture, return_inverse=True)
    broken = np.cumsum(np.bincount(level, weights=fractured, minlength=len(levels)))
    called = np.cumsum(np.bincount(level, minlength=len(levels)))
    return broken / broken[-1], broken / called


def reliability_bins(
    p_fracture: Floats, fractured: Bools, *, bins: int = 10
) -> tuple[tuple[float, Proportion], ...]:
    """Return mean p_fracture and share that is fractured of at most `bins` bins, ascending.

    Equal counts, not equal widths: at 17 % prevalence most images score low, and wide-open bins
    would hold a handful. Tied images share a bin.
    """
    edges = np.unique(np.quantile(p_fracture, np.linspace(0, 1, bins + 1)[1:-1]))
    which = np.searchsorted(edges, p_fracture, side="right")
    return tuple(
        (
            float(p_fracture[which == i].mean()),
            wilson(int(fractured[which == i].sum()), int((which == i).sum())),
        )
        for i in np.unique(which)
    )

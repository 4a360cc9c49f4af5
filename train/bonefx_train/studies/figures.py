"""Figures of the studies, each with a 95 % interval over resampled groups."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bonefx_train.evaluation.metrics import bootstrap_by_group, wilson
from bonefx_train.evaluation.report import Figure

Floats = NDArray[np.float64]


def measure(
    name: str,
    meaning: str,
    of: Callable[[Floats], Floats],
    *,
    groups: Sequence[str],
    n: int | None = None,
    seed: int = 0,
) -> Figure:
    """Return a figure with its interval; None where undefined. Undefined resamples are left out.

    Parameters
    ----------
    name, meaning
        Go into the figure.
    of
        From weights, (..., films), to the figure, (...).
    groups
        Of each film; a group is resampled as a whole.
    n
        Films in the denominator; default: all.
    seed
        Of the resampling.
    """
    if not groups:
        return Figure(name, meaning, None, None, None, 0)
    numbers = (float(of(np.ones(len(groups)))), *bootstrap_by_group(of, groups, seed=seed))
    value, low, high = (number if math.isfinite(number) else None for number in numbers)
    return Figure(name, meaning, value, low, high, len(groups) if n is None else n)


def rate(
    name: str,
    meaning: str,
    hits: Floats,
    *,
    groups: Sequence[str],
    among: Floats | None = None,
) -> Figure:
    """Return a share of the films in `among` (default: all); at exactly 0 or 1 Wilson's interval.

    Resampling cannot give more than the films show: there the groups count as n.
    """
    counted = np.ones(len(hits)) if among is None else among
    figure = measure(
        name,
        meaning,
        lambda w: ratio(w @ (hits * counted), w @ counted),
        groups=groups,
        n=int(counted.sum()),
    )
    if figure.value not in (0.0, 1.0):
        return figure
    n = len({group for group, counts in zip(groups, counted, strict=True) if counts})
    agreed = wilson(int(figure.value) * n, n)
    return dataclasses.replace(figure, low=agreed.low, high=agreed.high)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return the quotient; not finite where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(numerator / np.asarray(denominator))

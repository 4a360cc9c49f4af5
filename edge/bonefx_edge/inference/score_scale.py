"""The score that a reader sees: p_fracture on a scale where the two thresholds never move."""

import math
from typing import Final

UNCERTAIN_FROM: Final = 0.33
"""Score at the threshold `no_fracture_below`, whatever its p_fracture is."""
FRACTURE_FROM: Final = 0.67
"""Score at the threshold `fracture_from`."""
SHOWN: Final = 100
"""Steps of the score that people see: two decimals."""
_END_LOGIT: Final = 8.0
"""|logit| at the ends of the scale, 0 and 1: p_fracture 0.0003 and 0.9997."""
_LEAST_P: Final = 1e-12
"""p_fracture is kept this far from 0 and 1, where the logit is infinite."""


def display_score(p_fracture: float, *, no_fracture_below: float, fracture_from: float) -> float:
    """Return the score of one film: below 0.33 no fracture, from 0.67 fracture, else uncertain.

    Piecewise linear in the logit of `p_fracture`, so it keeps the order of films. Beyond |logit| 8
    it stays 0 or 1.

    Parameters
    ----------
    p_fracture
        [0, 1].
    no_fracture_below, fracture_from
        The thresholds of the finding, 0 <= first <= second <= 1.

    Returns
    -------
    [0, 1]; exactly 0.33 and 0.67 where `p_fracture` is one of two different thresholds.

    Examples
    --------
    >>> display_score(0.25, no_fracture_below=0.25, fracture_from=0.75)
    0.33
    >>> round(display_score(0.5, no_fracture_below=0.25, fracture_from=0.75), 9)
    0.5
    """
    z, low, high = map(_logit, (p_fracture, no_fracture_below, fracture_from))
    # The bands are chosen by the comparisons of `decide`, so that rounding contradicts no state.
    if p_fracture >= fracture_from:
        top = max(_END_LOGIT, high + 1.0)
        return min(1.0, FRACTURE_FROM + (1.0 - FRACTURE_FROM) * (z - high) / (top - high))
    if p_fracture < no_fracture_below:
        bottom = min(-_END_LOGIT, low - 1.0)
        score = UNCERTAIN_FROM * (z - bottom) / (low - bottom)
        return min(max(0.0, score), math.nextafter(UNCERTAIN_FROM, 0.0))
    share = (z - low) / (high - low) if high > low else 0.0
    score = UNCERTAIN_FROM + (FRACTURE_FROM - UNCERTAIN_FROM) * share
    return min(score, math.nextafter(FRACTURE_FROM, 0.0))


def shown(score: float) -> str:
    """Return a score with two decimals, rounded down: 0.669 is uncertain and must not read 0.67.

    >>> shown(0.6699999), shown(0.67), shown(0.33)
    ('0.66', '0.67', '0.33')
    """
    return f"{round_down(score, steps=SHOWN):.2f}"


def round_down(score: float, *, steps: int) -> float:
    """Return the largest multiple of 1 / `steps` that is not above a score.

    >>> round_down(0.66999999, steps=10_000)
    0.6699
    """
    nearest = round(score * steps)
    return (nearest - (nearest / steps > score)) / steps


def _logit(p: float) -> float:
    p = min(max(p, _LEAST_P), 1.0 - _LEAST_P)
    return math.log(p / (1.0 - p))

"""Choose where `no_fracture` ends and `fracture` begins, on tune."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from bonefx_edge.inference.decision import OperatingPoint
from numpy.typing import NDArray

from bonefx_train.errors import DataError
from bonefx_train.evaluation.metrics import wilson

MIN_GAP: Final = 1e-5
"""Scores nearer than this are one score: runtimes differ by about 1e-6 on one float file."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What an operating point is chosen for; both hold on the images it is chosen on."""

    name: str
    sensitivity: float
    """Least share of the fractured images that are not called `no_fracture`, (0, 1]."""
    specificity: float
    """Least share of the images without fracture that are not called `fracture`, (0, 1]."""

    def __str__(self) -> str:
        return (
            f"sensitivity >= {self.sensitivity:.2f} (fractured, not called no_fracture) and "
            f"specificity >= {self.specificity:.2f} (not fractured, not called fracture)"
        )


AIMS: Final = (
    Aim(name="balanced", sensitivity=0.90, specificity=0.93),
    Aim(name="sensitive", sensitivity=0.95, specificity=0.80),
)
"""The first is the default.

The aims bound the two harmful answers; what a weak network cannot tell becomes `uncertain`, not
an error. `balanced`: at most 1 in 10 fractures missed, which a hundred fractured tune images can
still show (Wilson interval about +-6 %), and 7 in 100 false alarms: at another hospital there are
more of them (docs/decisions/0036-tiled-reading.md). `sensitive`: where a missed fracture costs more
than a second look, at most 1 in 20 missed, and three times the false alarms. 0.99 would rest on one
image.
"""


def choose_operating_points(
    p_fracture: NDArray[np.float64], fractured: NDArray[np.bool_], *, chosen_on: str
) -> tuple[OperatingPoint, ...]:
    """Return one operating point per aim in `AIMS`; the first is the default.

    `no_fracture_below` is the highest threshold that holds the sensitivity, `fracture_from` the
    lowest that holds the specificity. Both lie midway between two observed scores, so that float
    noise and the steps of int8 move no image across. Where a good network makes them cross, any
    threshold between them holds both aims; they are swapped, which holds both by more and leaves
    a band of `uncertain` with at most 1 - aim of each class in it.

    Parameters
    ----------
    p_fracture
        (n,), [0, 1], after temperature, on tune.
    fractured
        (n,), both classes present.

    Raises
    ------
    DataError
        If a class is absent, or scores saturate at 1 so that no threshold holds the specificity.
    """
    if fractured.all() or not fractured.any():
        msg = f"operating points: expected images of both classes, got {fractured.size} of one"
        raise DataError(msg)
    candidates = _midpoints(p_fracture)
    return tuple(
        _choose(p_fracture, fractured, aim=aim, candidates=candidates, chosen_on=chosen_on)
        for aim in AIMS
    )


def _midpoints(p_fracture: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the places between observed scores, and one below and above all, ascending."""
    levels = np.concatenate([[0.0], np.unique(p_fracture), [1.0]])
    wide = np.diff(levels) > MIN_GAP
    return np.concatenate([[0.0], ((levels[:-1] + levels[1:]) / 2)[wide]])


def _choose(
    p_fracture: NDArray[np.float64],
    fractured: NDArray[np.bool_],
    *,
    aim: Aim,
    candidates: NDArray[np.float64],
    chosen_on: str,
) -> OperatingPoint:
    broken, intact = np.sort(p_fracture[fractured]), np.sort(p_fracture[~fractured])
    sensitivity = 1 - np.searchsorted(broken, candidates) / broken.size  # (candidates,), falls
    specificity = np.searchsorted(intact, candidates) / intact.size  # (candidates,), rises
    if specificity[-1] < aim.specificity:
        msg = (
            f"operating point {aim.name}: expected scores below 1 for images without fracture, got "
            f"{intact.size - int(specificity[-1] * intact.size)} at 1; the network is saturated, "
            "fit it again"
        )
        raise DataError(msg)
    below = candidates[sensitivity >= aim.sensitivity].max()
    above = candidates[specificity >= aim.specificity].min()
    below, above = sorted((float(below), float(above)))
    return OperatingPoint(
        name=aim.name,
        no_fracture_below=below,
        fracture_from=above,
        chosen_for=str(aim),
        chosen_on=chosen_on,
        sensitivity=wilson(int((broken >= below).sum()), broken.size),
        specificity=wilson(int((intact < above).sum()), intact.size),
    )

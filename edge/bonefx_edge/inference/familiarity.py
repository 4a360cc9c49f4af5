"""Answer `uncertain` where a film is unlike those the model was made with."""

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.inference.decision import Caution, Decision, State


class Kind(StrEnum):
    """What a detector finds."""

    CHILD = "child"
    """A limb with open growth plates: they resemble fractures."""
    CHEST = "chest"


WORDS = {Kind.CHILD: "that of a growing child", Kind.CHEST: "a chest radiograph"}


@dataclass(frozen=True, slots=True)
class Detector:
    """A linear classifier on the network's features: score = mean of weights . features + bias."""

    kind: Kind
    weights: tuple[float, ...]
    """(k,), finite."""
    bias: float
    limit: float
    """Films with a higher score are found."""
    unless_from: float | None
    """p_fracture, [0, 1], from which a film that is found is still called `fracture`; None:
    none is."""
    mode: str | None = None
    """Name of the mode whose inputs it was fitted on, and in which alone it is used; None: every
    mode."""

    def __post_init__(self) -> None:
        numbers = (*self.weights, self.bias, self.limit)
        if not self.weights or not all(math.isfinite(number) for number in numbers):
            msg = f"detector {self.kind}: expected finite weights, bias and limit"
            raise ValueError(msg)
        if self.unless_from is not None and not 0.0 <= self.unless_from <= 1.0:
            msg = f"detector {self.kind}: expected 0 <= unless_from <= 1, got {self.unless_from}"
            raise ValueError(msg)

    def score(self, features: NDArray[np.float32]) -> float:
        """Return the mean score of the inputs of one film, (n, k) features."""
        return float(features.mean(axis=0, dtype=np.float64) @ np.array(self.weights)) + self.bias


@dataclass(frozen=True, slots=True)
class Familiarity:
    """Which films the model may answer with more than `uncertain`."""

    distance_limit: float
    """Largest mean of squares of the features of the whole film; > 0. Above the limit of the input
    check a film is refused, between both it is unfamiliar."""
    detectors: tuple[Detector, ...]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.distance_limit) and self.distance_limit > 0):
            msg = f"familiarity: expected a finite distance_limit > 0, got {self.distance_limit}"
            raise ValueError(msg)


def apply_familiarity(
    decision: Decision,
    familiarity: Familiarity | None,
    features: NDArray[np.float32] | None,
    *,
    mode: str,
) -> Decision:
    """Return the decision, or `uncertain` with the caution `unfamiliar` and why.

    Parameters
    ----------
    familiarity
        None: every film is familiar.
    features
        (n, k), of the whole film, then of its tiles; None for a network without them.
    mode
        Name of the mode: detectors of other modes are not used.
    """
    if familiarity is None or features is None:
        return decision
    why = _why_unfamiliar(decision, familiarity, features, mode)
    if why is None:
        return decision
    return dataclasses.replace(
        decision,
        state=State.UNCERTAIN,
        caution=Caution.UNFAMILIAR,
        detail=f"Unlike the films that this model was made with ({why}). Read it by eye.",
    )


def _why_unfamiliar(
    decision: Decision, familiarity: Familiarity, features: NDArray[np.float32], mode: str
) -> str | None:
    distance = float(np.mean(np.square(features[0], dtype=np.float64)))
    if distance > familiarity.distance_limit:
        return f"distance {distance:.2f}, limit {familiarity.distance_limit:.2f}"
    for detector in familiarity.detectors:
        if detector.mode not in (None, mode):
            continue
        least = detector.unless_from
        # The state, too: an operating point or a site profile can have a higher threshold.
        is_clear = least is not None and decision.p_fracture >= least
        if decision.state is State.FRACTURE and is_clear:
            continue
        if detector.score(features) > detector.limit:
            return f"it resembles {WORDS[detector.kind]}"
    return None

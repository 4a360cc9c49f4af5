"""From the network's logit to a probability of fracture and a state; polarity is decided here."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bonefx_edge.errors import InterpreterError

BROKEN: Final = 0
"""Class index of a broken bone, as the original presentation prints it."""
NOT_BROKEN: Final = 1
"""Class index of a bone that is not broken; the network's logit is the logit of this class."""


class State(StrEnum):
    """The answer for one file."""

    FRACTURE = "fracture"
    UNCERTAIN = "uncertain"
    NO_FRACTURE = "no_fracture"
    REFUSED = "refused"


class Caution(StrEnum):
    """Why a film is `uncertain` whatever its score. The values are stable."""

    UNFAMILIAR = "unfamiliar"
    """Unlike the films that the model was made with."""
    AGE_OUT_OF_RANGE = "age_out_of_range"
    """The patient's age in the DICOM header is one that the model was not evaluated at."""
    NO_OPERATING_POINT = "no_operating_point"
    """The model file has no thresholds: it was converted without labelled films."""


CAUTION_ADVICE: Final = {
    Caution.NO_OPERATING_POINT: "no thresholds; commission the model",
    Caution.UNFAMILIAR: "unlike the films this model was made with; read it by eye",
    Caution.AGE_OUT_OF_RANGE: "this model was not evaluated at the patient's age; read it by eye",
}
"""What a person should do, in a few words."""

CLASS_OF_STATE: Final = {State.FRACTURE: BROKEN, State.NO_FRACTURE: NOT_BROKEN}
"""The class that a state means; the other states have none."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """A measured share with its 95 % interval."""

    value: float
    """[0, 1]."""
    low: float
    """Lower end of the 95 % interval, [0, 1]."""
    high: float
    """Upper end of the 95 % interval, [0, 1]."""
    n: int
    """Radiographs it was measured on."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Two thresholds on p_fracture, what they were chosen for, and on which data."""

    name: str
    no_fracture_below: float
    """p_fracture under this is `no_fracture`; [0, 1]."""
    fracture_from: float
    """p_fracture from this on is `fracture`; [0, 1], >= no_fracture_below; between: `uncertain`."""
    chosen_for: str
    """The aim in words, such as "sensitivity >= 0.95 of not-no_fracture"."""
    chosen_on: str
    """The data set and split, such as "fracatlas tune"."""
    sensitivity: Proportion
    """Share of the fractured films that are not called `no_fracture`, on that data."""
    specificity: Proportion
    """Share of the films without fracture that are not called `fracture`, on that data."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.no_fracture_below <= self.fracture_from <= 1.0:
            msg = (
                f"operating point {self.name!r}: expected 0 <= no_fracture_below <= fracture_from"
                f" <= 1, got {self.no_fracture_below} and {self.fracture_from}"
            )
            raise ValueError(msg)


_UNKNOWN: Final = Proportion(value=0.0, low=0.0, high=1.0, n=0)
NO_OPERATING_POINT: Final = OperatingPoint("none", 0.0, 1.0, "", "", _UNKNOWN, _UNKNOWN)
"""Of a mode without operating points: each film is `uncertain`, with the caution that says so."""


@dataclass(frozen=True, slots=True)
class SiteProfileId:
    """The site profile whose thresholds an operating point has."""

    sha256: str
    """First 12 digits of the hash of the file, hexadecimal."""
    date: str
    """Of the commissioning, YYYY-MM-DD."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Probability and state of one logit."""

    state: State
    p_fracture: float
    """[0, 1], after temperature."""
    original_class: int
    """0 broken, 1 not broken: what `predict().round()` of the original presentation gives for this
    logit. It knows no operating point, so it may differ from `state`."""
    caution: Caution | None = None
    """Why the state is `uncertain` whatever `p_fracture` is; None: the thresholds made it."""
    detail: str | None = None
    """The caution in words."""


_NO_POINT_DETAIL: Final = (
    "The model file has no operating point, so no state can be given. Commission it with labelled "
    "films (edge-admin commission), or convert it again with labelled films."
)


def decide(logit: float, *, temperature: float, operating_point: OperatingPoint) -> Decision:
    """Return the decision for one logit.

    Parameters
    ----------
    logit
        Of class 1 = not broken, as the interpreter gives it; finite.
    temperature
        > 0; the logit is divided by it (Guo et al., ICML 2017). Keeps the order of films.

    Raises
    ------
    InterpreterError
        If the logit is not finite.
    """
    if not math.isfinite(logit):
        msg = f"expected a finite logit, got {logit}; the model file or the interpreter is broken"
        raise InterpreterError(msg)
    p_fracture = sigmoid(-logit / temperature)
    has_point = operating_point != NO_OPERATING_POINT
    return Decision(
        state=state_of(p_fracture, operating_point) if has_point else State.UNCERTAIN,
        p_fracture=p_fracture,
        # numpy rounds 0.5 to 0, so the presentation calls a tie broken; so do we.
        original_class=BROKEN if logit <= 0.0 else NOT_BROKEN,
        caution=None if has_point else Caution.NO_OPERATING_POINT,
        detail=None if has_point else _NO_POINT_DETAIL,
    )


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)) in [0, 1] without overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def state_of(p_fracture: float, point: OperatingPoint) -> State:
    """Return the state of a film that is not refused."""
    if p_fracture >= point.fracture_from:
        return State.FRACTURE
    if p_fracture < point.no_fracture_below:
        return State.NO_FRACTURE
    return State.UNCERTAIN

"""Scored images: what parity compares, and the operating points that fit one network."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from bonefx_edge.inference.decision import Decision, OperatingPoint, decide, sigmoid
from bonefx_edge.inference.tiling import WHOLE
from bonefx_train.data.pixels import Pixels
from bonefx_train.evaluation import predict
from bonefx_train.evaluation.metrics import wilson
from bonefx_train.evaluation.operating_points import choose_operating_points
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scored:
    """One network's outputs for n images."""

    kind: str
    """keras, float32, float16, dynamic or int8."""
    logit: NDArray[np.float64]
    """(n,), of "not broken"."""
    temperature: float
    """> 0; divides the logit."""
    operating_point: OperatingPoint
    """The network's default one."""
    mode: str = WHOLE
    """Name of the mode that these logits come from."""
    lowest: float = -np.inf
    """Least logit the output can hold; -inf for float."""
    highest: float = np.inf
    """Largest logit the output can hold; inf for float."""
    step: float = 0.0
    """Logit per output step, of all outputs of the mode at once; 0 for float."""

    @property
    def p_fracture(self) -> NDArray[np.float64]:
        """(n,), [0, 1], after temperature."""
        return predict.p_fracture(self.logit, temperature=self.temperature)

    @property
    def called(self) -> NDArray[np.bool_]:
        """(n,), whether the image is called fracture."""
        return np.asarray(self.p_fracture >= self.operating_point.fracture_from)

    @property
    def cleared(self) -> NDArray[np.bool_]:
        """(n,), whether the image is called no_fracture."""
        return np.asarray(self.p_fracture < self.operating_point.no_fracture_below)

    @property
    def decisions(self) -> list[Decision]:
        """What the device would say of each image."""
        return [
            decide(value, temperature=self.temperature, operating_point=self.operating_point)
            for value in self.logit.tolist()
        ]


def choose_points(
    logit: NDArray[np.float64], tune: Pixels, *, temperature: float, chosen_on: str, spread: float
) -> tuple[OperatingPoint, ...]:
    """Return operating points chosen on this network's own tune logits.

    Parameters
    ----------
    logit
        (n,), of this network; int8 logits are steps, and a threshold of the float network may
        fall where no step is.
    spread
        Largest difference in logit between interpreters running this network. Each `uncertain`
        band is at least this wide: then no two of them give `fracture` and `no_fracture`.
    """
    p = predict.p_fracture(logit, temperature=temperature)
    points = choose_operating_points(p, tune.fractured, chosen_on=chosen_on)
    return tuple(_widen(point, p, tune.fractured, width=spread / temperature) for point in points)


def band_width(point: OperatingPoint, *, temperature: float) -> float:
    """Return the width of the `uncertain` band, in logit; infinite where it reaches 0 or 1."""
    ends = (point.fracture_from, point.no_fracture_below)
    above, below = (float(log_odds(end)) for end in ends)
    return temperature * (above - below)


def _widen(
    point: OperatingPoint, p: NDArray[np.float64], fractured: NDArray[np.bool_], *, width: float
) -> OperatingPoint:
    """Return `point` with a band of at least `width` log-odds, widened at both ends alike."""
    missing = width - band_width(point, temperature=1.0)
    if missing <= 0:
        return point
    below = sigmoid(log_odds(point.no_fracture_below) - missing / 2)
    above = sigmoid(log_odds(point.fracture_from) + missing / 2)
    return dataclasses.replace(
        point,
        no_fracture_below=below,
        fracture_from=above,
        sensitivity=wilson(int((p[fractured] >= below).sum()), int(fractured.sum())),
        specificity=wilson(int((p[~fractured] < above).sum()), int((~fractured).sum())),
    )


def log_odds(p: Any) -> Any:
    """Return log(p / (1 - p)) of a number or an array in [0, 1]; infinite at the ends."""
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)

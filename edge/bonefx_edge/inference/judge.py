"""From a network's outputs for one film to its decision."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.inference.ages import AgeRange, apply_ages
from bonefx_edge.inference.decision import Decision, OperatingPoint, decide
from bonefx_edge.inference.familiarity import Familiarity, apply_familiarity
from bonefx_edge.inference.tiling import InferenceMode, NetworkOutputs, all_features, image_logit


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decision for one film is made from, whatever the thresholds."""

    logit: float
    """Of class 1 = not broken, in `mode`."""
    features: NDArray[np.float32] | None
    """(n, k), of the whole film, then of its tiles; None for a network without them."""
    age_years: float | None
    """Of the patient; None where the file does not say."""

    @classmethod
    def of(
        cls,
        mode: InferenceMode,
        *,
        whole: NetworkOutputs,
        tiles: NetworkOutputs | None,
        age_years: float | None,
    ) -> "Evidence":
        """Return the evidence of the outputs for one film.

        `whole` is of one input; `tiles` of n >= 1, None in a mode without tiles.
        """
        logit = image_logit(mode, whole=whole, tiles=tiles)
        return cls(logit, all_features(whole, tiles), age_years)


@dataclass(frozen=True, slots=True)
class Rules:
    """How evidence becomes a decision."""

    mode: InferenceMode
    operating_point: OperatingPoint
    familiarity: Familiarity | None
    ages: tuple[AgeRange, ...]
    """Ages at which the model may answer; none: all."""

    def judge(self, evidence: Evidence) -> Decision:
        """Return the decision for one film.

        Raises
        ------
        InterpreterError
            If the logit is not finite.
        """
        decision = decide(
            evidence.logit,
            temperature=self.mode.temperature,
            operating_point=self.operating_point,
        )
        decision = apply_familiarity(
            decision, self.familiarity, evidence.features, mode=self.mode.name
        )
        return apply_ages(decision, evidence.age_years, self.ages)

"""Answer `uncertain` at an age of the patient at which the model was not evaluated."""

import dataclasses
import math
from dataclasses import dataclass

from bonefx_edge.inference.decision import Caution, Decision, Proportion, State


@dataclass(frozen=True, slots=True)
class AgeRange:
    """Ages in years: from the first on, below the second."""

    from_years: float
    """>= 0."""
    below_years: float | None
    """None: no upper end."""

    def __post_init__(self) -> None:
        below = math.inf if self.below_years is None else self.below_years
        if not 0.0 <= self.from_years < below:
            msg = f"ages: expected 0 <= from_years < below_years, got {self.from_years} and {below}"
            raise ValueError(msg)

    def holds(self, age_years: float) -> bool:
        """Return whether an age lies in it."""
        return self.from_years <= age_years and (
            self.below_years is None or age_years < self.below_years
        )

    def __str__(self) -> str:
        """Return it in words."""
        if self.below_years is None:
            return f"{self.from_years:g} years and over"
        return f"{self.from_years:g} to below {self.below_years:g} years"


@dataclass(frozen=True, slots=True)
class AgeBand:
    """What the model does with the films of patients of some ages."""

    ages: AgeRange
    source: str
    """The films, and whether their ages are those of the patients or of their bones."""
    called_fracture: Proportion
    """Share of the films without fracture whose score is in the range of `fracture`, cautions not
    counted."""
    missed: Proportion | None
    """Share of the fractured films whose score is in the range of `no_fracture`; None: there are
    no fractured films with known ages."""


@dataclass(frozen=True, slots=True)
class EvaluatedAges:
    """The ages at which the model may answer, and the figures from which they follow."""

    answered: AgeRange
    bands: tuple[AgeBand, ...]
    rule: str
    """How `answered` follows from the bands, in words."""


def apply_ages(
    decision: Decision, age_years: float | None, accepted: tuple[AgeRange, ...]
) -> Decision:
    """Return the decision, or `uncertain` with the caution `age_out_of_range`.

    It stands before `unfamiliar` where both apply: it is certain, and says what would help; the
    detail has both. No text has the age.

    Parameters
    ----------
    age_years
        None where the file does not say: nothing changes.
    accepted
        Ages at which the model may answer; none: all.
    """
    if age_years is None or not accepted or any(each.holds(age_years) for each in accepted):
        return decision
    ages = " or ".join(map(str, accepted))
    detail = (
        f"The model was not evaluated at the age of this patient (evaluated: {ages}). Read it by "
        "eye, or commission the model with films of such patients."
    )
    return dataclasses.replace(
        decision,
        state=State.UNCERTAIN,
        caution=Caution.AGE_OUT_OF_RANGE,
        detail=f"{detail} {decision.detail}" if decision.caution else detail,
    )

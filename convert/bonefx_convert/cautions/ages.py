"""At which ages a model may answer: measured on hands of known bone age, by score alone."""

from typing import Final

from bonefx_edge.inference.ages import AgeBand, AgeRange, EvaluatedAges
from bonefx_edge.inference.decision import State, decide
from bonefx_edge.inference.tiling import InferenceMode
from bonefx_train.evaluation.metrics import wilson

from bonefx_convert.cautions.films import Film

BANDS: Final = ((0, 3), (3, 6), (6, 9), (9, 12), (12, 15), (15, 17), (17, 20))
"""Years of bone age, from and below."""
MOST_CALLED: Final = 0.20
"""Share of the normal films of a band whose score may be that of `fracture`."""
SOURCE: Final = "boneage, hands without fracture; bone age, not age by date of birth"
RULE: Final = (
    f"from the youngest band on whose normal films, and those of all older bands, at most "
    f"{MOST_CALLED:.0%} score as fracture; no upper end: nothing was measured there. No fractured "
    "film with a known age was at hand"
)


def evaluate_ages(hands: list[Film], mode: InferenceMode) -> EvaluatedAges:
    """Return the figures of each band that has films, and the ages that follow.

    Parameters
    ----------
    hands
        Not fractured, with bone ages. The network was not fitted on them.
    mode
        Its first operating point is measured.
    """
    bands = []
    for low, below in BANDS:
        ages = AgeRange(float(low), float(below))
        called = [_is_called(film, mode) for film in hands if ages.holds(film.months / 12)]
        if called:
            bands.append(AgeBand(ages, SOURCE, wilson(sum(called), len(called)), None))
    start = float(BANDS[-1][1])
    for band in reversed(bands):
        if band.called_fracture.value > MOST_CALLED:
            break
        start = band.ages.from_years
    return EvaluatedAges(AgeRange(start, None), tuple(bands), RULE)


def _is_called(film: Film, mode: InferenceMode) -> bool:
    decision = decide(
        film.evidence(mode).logit,
        temperature=mode.temperature,
        operating_point=mode.operating_points[0],
    )
    return decision.state is State.FRACTURE

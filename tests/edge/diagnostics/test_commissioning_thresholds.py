"""The thresholds of a site: films with the score of the film that chose one are not beyond it."""

import math
from types import SimpleNamespace

from bonefx_edge.diagnostics.commissioning.guarantee import Rule
from bonefx_edge.diagnostics.commissioning.thresholds import (
    MIN_PATIENTS,
    Wish,
    fracture_limit,
    no_fracture_limit,
)

WISH = Wish(specificity=0.9, sensitivity=0.95, confidence=0.9, rule=Rule.EXPECTED)


def test_equal_scores_are_on_the_right_side_also_with_the_rounding_of_another_processor() -> None:
    score = 0.4
    films = [SimpleNamespace(p_fracture=score, patient=str(i)) for i in range(MIN_PATIENTS)]
    upper, lower = fracture_limit(films, WISH), no_fracture_limit(films, WISH)
    assert lower.p_fracture <= math.nextafter(score, 0.0)
    assert math.nextafter(score, 1.0) < upper.p_fracture
    assert upper.p_fracture - lower.p_fracture < 1e-8

"""The score of a reader: thresholds at fixed places, films in the order of p_fracture."""

import pytest
from bonefx_edge.inference.score_scale import (
    FRACTURE_FROM,
    UNCERTAIN_FROM,
    display_score,
    shown,
)
from hypothesis import given
from hypothesis import strategies as st

SHARES = st.floats(0.0, 1.0)
THRESHOLDS = st.tuples(SHARES, SHARES).map(sorted)


def score(p: float, thresholds) -> float:
    return display_score(p, no_fracture_below=thresholds[0], fracture_from=thresholds[1])


@given(SHARES, SHARES, THRESHOLDS)
def test_a_higher_p_fracture_never_has_a_lower_score(p, q, thresholds) -> None:
    low, high = sorted((p, q))
    assert 0.0 <= score(low, thresholds) <= score(high, thresholds) <= 1.0


@given(THRESHOLDS)
def test_the_thresholds_have_exactly_their_places(thresholds) -> None:
    below, from_ = thresholds
    assert score(from_, thresholds) == FRACTURE_FROM
    if below < from_:
        assert score(below, thresholds) == UNCERTAIN_FROM


@given(SHARES, THRESHOLDS)
def test_score_and_shown_score_agree_with_the_state(p, thresholds) -> None:
    for value in (score(p, thresholds), float(shown(score(p, thresholds)))):
        assert (value >= FRACTURE_FROM) == (p >= thresholds[1])
        assert (value < UNCERTAIN_FROM) == (p < thresholds[0] and p < thresholds[1])


def test_between_the_thresholds_the_score_is_linear_in_the_logit() -> None:
    thresholds = (0.2, 0.8)  # logits -ln 4 and ln 4; 1/3 is -ln 2, a quarter of the way up
    assert score(1 / 3, thresholds) == pytest.approx(0.33 + 0.34 / 4)
    assert score(0.5, thresholds) == pytest.approx(0.5)

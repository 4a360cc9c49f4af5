"""Polarity, thresholds and temperature."""

import math

import pytest
from bonefx_edge.errors import InterpreterError
from bonefx_edge.inference.decision import State, decide, sigmoid
from hypothesis import given
from hypothesis import strategies as st
from toy import toy_operating_points

BALANCED = toy_operating_points()[0]  # uncertain from 0.25 to 0.75
logits = st.floats(-50, 50)
temperatures = st.floats(0.05, 20)


def logit_of(p_fracture: float) -> float:
    """Return the logit of class 1 (not broken) that means this p_fracture at temperature 1."""
    return math.log((1 - p_fracture) / p_fracture)


@pytest.mark.parametrize(
    ("logit", "state", "class_index"),
    [(-5.0, State.FRACTURE, 0), (0.0, State.UNCERTAIN, 0), (5.0, State.NO_FRACTURE, 1)],
)
def test_a_low_logit_means_broken(logit: float, state: State, class_index: int) -> None:
    decision = decide(logit, temperature=1.0, operating_point=BALANCED)
    assert (decision.state, decision.original_class) == (state, class_index)
    assert decision.p_fracture == pytest.approx(1 / (1 + math.exp(logit)), abs=1e-12)


@pytest.mark.parametrize(
    ("p_fracture", "state"),
    [
        (0.2499, State.NO_FRACTURE),
        (0.2501, State.UNCERTAIN),
        (0.7499, State.UNCERTAIN),
        (0.7501, State.FRACTURE),
    ],
)
def test_states_turn_at_the_operating_point(p_fracture: float, state: State) -> None:
    decision = decide(logit_of(p_fracture), temperature=1.0, operating_point=BALANCED)
    assert decision.state is state


@given(logits, logits, temperatures)
def test_the_decision_is_monotone_in_the_logit_at_any_temperature(a, b, temperature) -> None:
    order = [State.FRACTURE, State.UNCERTAIN, State.NO_FRACTURE]
    low, high = (
        decide(logit, temperature=temperature, operating_point=BALANCED) for logit in sorted((a, b))
    )
    assert low.p_fracture >= high.p_fracture
    assert order.index(low.state) <= order.index(high.state)
    assert low.original_class <= high.original_class


@given(logits, temperatures)
def test_temperature_never_moves_the_class_index(logit: float, temperature: float) -> None:
    plain = decide(logit, temperature=1.0, operating_point=BALANCED)
    softened = decide(logit, temperature=temperature, operating_point=BALANCED)
    assert plain.original_class == softened.original_class


@pytest.mark.parametrize("logit", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_never_becomes_an_answer(logit: float) -> None:
    with pytest.raises(InterpreterError, match="expected a finite logit"):
        decide(logit, temperature=1.0, operating_point=BALANCED)


@given(st.floats(-1e4, 1e4))
def test_sigmoid_is_a_probability_without_overflow(x: float) -> None:
    assert 0.0 <= sigmoid(x) <= 1.0
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1.0)

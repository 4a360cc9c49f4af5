import numpy as np
import pytest
from bonefx_edge.inference.decision import State, decide
from bonefx_train.errors import DataError
from bonefx_train.evaluation.operating_points import AIMS, choose_operating_points
from hypothesis import given
from hypothesis import strategies as st


def draw(separation, *, n=600, seed=1):
    """Return scores and truth of 17 % fractured; separation in standard deviations."""
    rng = np.random.default_rng(seed)
    fractured = rng.random(n) < 0.17
    return 1 / (1 + np.exp(-rng.normal(separation * fractured - 1.6, 1.0))), fractured


@given(st.floats(-1, 8), st.integers(0, 1000), st.sampled_from([0, 2, 64]))
def test_every_point_reaches_its_aims_where_it_was_chosen(separation, seed, steps):
    """Continuous scores and the few values of an int8 output, useless to perfect networks."""
    p, fractured = draw(separation, n=200, seed=seed)
    if steps:
        p = np.round(p * steps) / (steps + 1)
    points = choose_operating_points(p, fractured, chosen_on="x tune")
    for point, aim in zip(points, AIMS, strict=True):
        assert point.sensitivity.value >= aim.sensitivity - 1e-12
        assert point.specificity.value >= aim.specificity - 1e-12
        assert 0 <= point.no_fracture_below <= point.fracture_from <= 1
        assert point.sensitivity.value == (p[fractured] >= point.no_fracture_below).mean()
        assert point.specificity.value == (p[~fractured] < point.fracture_from).mean()


def test_the_default_is_balanced_and_sensitive_clears_fewer_and_calls_more():
    balanced, sensitive = choose_operating_points(*draw(0.8), chosen_on="x tune")
    assert (balanced.name, sensitive.name) == ("balanced", "sensitive")
    assert sensitive.no_fracture_below < balanced.no_fracture_below
    assert sensitive.fracture_from < balanced.fracture_from
    assert balanced.chosen_on == "x tune"
    assert "0.90" in balanced.chosen_for


def test_no_wider_thresholds_would_hold_the_aims():
    """One score further in on either side, and the aim is missed."""
    p, fractured = draw(0.8)
    point = choose_operating_points(p, fractured, chosen_on="x")[0]
    next_up = p[p > point.no_fracture_below].min()
    assert (p[fractured] > next_up).mean() < 0.90
    next_down = p[p < point.fracture_from].max()
    assert (p[~fractured] < next_down).mean() < 0.93


def test_noise_on_the_scores_moves_no_image_across():
    """Scores on 64 steps, as an int8 output gives them: thresholds lie between the steps."""
    p, fractured = draw(1.0)
    p = np.round(p * 64) / 65
    for point in choose_operating_points(p, fractured, chosen_on="x"):
        for threshold in (point.no_fracture_below, point.fracture_from):
            assert np.abs(p - threshold).min() == pytest.approx(0.5 / 65, abs=1e-9)


def test_where_the_aims_cross_both_hold_by_more_and_little_is_uncertain():
    p, fractured = draw(5.0)
    point = choose_operating_points(p, fractured, chosen_on="x")[0]
    uncertain = (p >= point.no_fracture_below) & (p < point.fracture_from)
    assert point.sensitivity.value > 0.95
    assert point.specificity.value > 0.95
    assert uncertain[fractured].mean() <= 0.1
    assert uncertain[~fractured].mean() <= 0.11


def test_the_device_reads_the_point_as_it_was_chosen():
    logit = np.linspace(-4, 4, 81)  # of not broken
    p = 1 / (1 + np.exp(logit))
    fractured = logit < -1
    point = choose_operating_points(p, fractured, chosen_on="x")[0]
    states = [decide(z, temperature=1.0, operating_point=point).state for z in logit]
    missed = [s is State.NO_FRACTURE for s, f in zip(states, fractured, strict=True) if f]
    assert 1 - np.mean(missed) == pytest.approx(point.sensitivity.value)


def test_one_class_and_saturated_scores_are_refused():
    with pytest.raises(DataError, match="both classes"):
        choose_operating_points(np.array([0.1, 0.2]), np.array([True, True]), chosen_on="x")
    with pytest.raises(DataError, match="saturated"):
        choose_operating_points(np.ones(9), np.arange(9) < 3, chosen_on="x")

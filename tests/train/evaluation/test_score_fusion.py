import numpy as np
import pytest
from bonefx_train.errors import DataError
from bonefx_train.evaluation.score_fusion import fit_fusion
from hypothesis import given, settings
from hypothesis import strategies as st


def draw(weights, *, offset=0.5, n=20_000, seed=0):
    """Return scores of different widths, and classes drawn from the logit that they make."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, len(weights))) * np.linspace(1, 3, len(weights)) + 1
    p = 1 / (1 + np.exp(-(offset + scores @ np.array(weights))))
    return scores, (rng.random(n) < p).astype(np.uint8)


def test_known_weights_and_offset_are_recovered():
    fitted = fit_fusion(*draw([1.0, 0.5, 0.2]))
    assert fitted.weights == pytest.approx([1.0, 0.5, 0.2], abs=0.06)
    assert fitted.offset == pytest.approx(0.5, abs=0.1)


def test_evidence_that_carries_nothing_gets_next_to_no_weight():
    assert fit_fusion(*draw([1.0, 0.0])).weights[1] < 0.02


def test_evidence_that_points_the_wrong_way_gets_weight_0_and_the_rest_is_fitted_without_it():
    scores, class_index = draw([1.0, -0.5])
    fitted = fit_fusion(scores, class_index)
    alone = fit_fusion(scores[:, :1], class_index)
    assert fitted.weights == (pytest.approx(alone.weights[0]), 0.0)
    assert fitted.offset == pytest.approx(alone.offset)


@settings(deadline=None, max_examples=30)  # a training run beside it takes the time
@given(st.integers(0, 10_000))
def test_no_weight_is_ever_negative_and_all_are_finite(seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(30, 3)) * rng.uniform(0, 100, 3)
    class_index = (np.arange(30) % 5 == 0).astype(np.uint8)
    fitted = fit_fusion(scores, class_index)
    assert min(fitted.weights) >= 0
    assert np.isfinite([fitted.offset, *fitted.weights]).all()


def test_images_told_apart_without_error_leave_the_weights_finite():
    class_index = (np.arange(40) % 2).astype(np.uint8)
    fitted = fit_fusion(np.where(class_index == 1, 5.0, -5.0)[:, np.newaxis], class_index)
    assert 0.1 < fitted.weights[0] < 10


def test_a_constant_carries_nothing_and_the_offset_is_the_share_of_images():
    class_index = np.array([1, 1, 1, 0] * 10, np.uint8)
    fitted = fit_fusion(np.full((40, 1), 7.0), class_index)
    assert fitted.weights == (0.0,)
    assert fitted.offset == pytest.approx(np.log(3), abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "class_index"),
    [([[1.0], [2.0]], [1, 1]), ([[np.nan], [2.0]], [0, 1]), (np.empty((0, 1)), [])],
    ids=["one class", "nan", "none"],
)
def test_one_class_and_broken_numbers_are_refused(scores, class_index):
    with pytest.raises(DataError, match="images of both classes"):
        fit_fusion(np.array(scores), np.array(class_index, np.uint8))

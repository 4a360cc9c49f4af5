import numpy as np
import pytest
from bonefx_train.errors import DataError
from bonefx_train.evaluation.temperature import HIGHEST, LOWEST, fit_temperature


@pytest.mark.parametrize("true_temperature", [0.3, 1.0, 4.0])
def test_a_known_temperature_is_recovered(true_temperature):
    """Outcomes drawn from the logits divided by it; 40,000 images leave about 2 %."""
    rng = np.random.default_rng(1)
    logit = rng.normal(1.5, 2.0, 40_000) * true_temperature
    class_index = (rng.random(40_000) < 1 / (1 + np.exp(-logit / true_temperature))).astype(
        np.uint8
    )
    assert fit_temperature(logit, class_index) == pytest.approx(true_temperature, rel=0.04)


def test_the_search_finds_the_least_loss_of_a_fine_grid():
    rng = np.random.default_rng(2)
    logit = rng.normal(1, 3, 200)
    class_index = (rng.random(200) < 0.7).astype(np.uint8)
    grid = np.exp(np.linspace(np.log(LOWEST), np.log(HIGHEST), 20_000))
    towards = np.where(class_index == 1, logit, -logit)
    losses = [np.logaddexp(0, -towards / t).mean() for t in grid]
    assert fit_temperature(logit, class_index) == pytest.approx(grid[np.argmin(losses)], rel=1e-3)


def test_logits_that_are_right_or_wrong_throughout_end_at_the_border():
    logit = np.array([2.0, -2.0])
    assert fit_temperature(logit, np.array([1, 0], np.uint8)) == pytest.approx(LOWEST)
    assert fit_temperature(logit, np.array([0, 1], np.uint8)) == pytest.approx(HIGHEST)


@pytest.mark.parametrize("logit", [[], [np.nan], [np.inf, 1.0]])
def test_logits_that_are_no_numbers_are_refused(logit):
    with pytest.raises(DataError, match="finite logits"):
        fit_temperature(np.array(logit), np.ones(len(logit), np.uint8))

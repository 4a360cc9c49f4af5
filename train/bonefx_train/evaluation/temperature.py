"""Fit the one number that makes p_fracture mean a probability."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bonefx_train.errors import DataError

LOWEST: Final = 0.05
HIGHEST: Final = 50.0
"""Beyond these the network is a step or a constant; the search ends at the border."""
STEPS: Final = 60
"""Golden-section steps: the bracket of log temperature shrinks by 0.618**60, to 2e-12."""


def fit_temperature(logit: NDArray[np.float64], class_index: NDArray[np.uint8]) -> float:
    """Return the temperature with the least negative log-likelihood, in [0.05, 50].

    One number only, no offset: the order of images stays (Guo et al., ICML 2017). The likelihood
    is concave in 1 / temperature, so that it has one peak and a bracket search finds it.

    Parameters
    ----------
    logit
        (n,), of class 1 = not broken, on tune.
    class_index
        (n,), 0 broken, 1 not broken.

    Raises
    ------
    DataError
        If the images are none or their logits not finite.
    """
    if logit.size == 0 or not np.isfinite(logit).all():
        msg = f"temperature: expected finite logits of at least one image, got {logit.size} images"
        raise DataError(msg)
    towards_truth = np.where(class_index == 1, logit, -logit)
    low, high = math.log(LOWEST), math.log(HIGHEST)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _loss(towards_truth, math.exp(left)) <= _loss(towards_truth, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _loss(towards_truth: NDArray[np.float64], temperature: float) -> float:
    """Return the mean negative log-likelihood, in nats."""
    return float(np.logaddexp(0.0, -towards_truth / temperature).mean())

"""Logits and probabilities of many films from a Keras network."""

from typing import Final

import keras
import numpy as np
from bonefx_edge.decision import sigmoid
from numpy.typing import NDArray

from bonefx_train.networks import logits_model
from bonefx_train.pixels import to_network_range

BATCH_SIZE: Final = 64
"""Films per call; bounds memory, changes nothing else."""


def logits(
    keras_model: keras.Model, x: NDArray[np.float32] | NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the logit of "not broken" per film, shape (n,).

    Parameters
    ----------
    keras_model
        Ends in a sigmoid; it is taken off.
    x
        (n, height, width, 1), float32 in [0, 1] or uint8 in [0, 255].
    """
    without_sigmoid = logits_model(keras_model)
    parts = [
        np.asarray(
            without_sigmoid.predict_on_batch(to_network_range(x[start : start + BATCH_SIZE]))
        )
        for start in range(0, len(x), BATCH_SIZE)
    ]
    return np.concatenate(parts).ravel().astype(np.float64)


def p_fracture(logit: NDArray[np.float64], *, temperature: float) -> NDArray[np.float64]:
    """Return the probability of fracture per film, shape (n,), in [0, 1].

    Calls the device's own sigmoid film by film, so that host and device agree to the last bit.
    """
    return np.array([sigmoid(-value / temperature) for value in logit.tolist()])

"""Logits and probabilities of many images from a Keras network."""

from typing import Any, Final

import keras
import numpy as np
from bonefx_edge.inference.decision import sigmoid
from bonefx_edge.inference.tiling import NetworkOutputs
from numpy.typing import NDArray

from bonefx_train.data.pixels import to_network_range
from bonefx_train.networks.lite0 import FEATURES_NAME, MAP_NAME
from bonefx_train.networks.registry import LOGIT_NAME, logits_model
from bonefx_train.progress import track

BATCH_SIZE: Final = 64
"""Images per call; bounds memory, changes nothing else."""


def predict_outputs(
    keras_model: keras.Model,
    x: NDArray[np.float32] | NDArray[np.uint8],
    *,
    label: str = "",
) -> NetworkOutputs:
    """Return logit, map and pooled features of each input; the last two where there is a map.

    Draws a progress bar if it has a `label`.

    Parameters
    ----------
    keras_model
        Its score ends in a sigmoid; it is taken off.
    x
        (n, height, width, 1), float32 in [0, 1] or uint8 in [0, 255].
    """
    without_sigmoid = logits_model(keras_model)
    starts = range(0, len(x), BATCH_SIZE)
    parts = [
        without_sigmoid.predict_on_batch(to_network_range(x[start : start + BATCH_SIZE]))
        for start in track(starts, label=label, show=bool(label))
    ]
    joined: dict[str, NDArray[Any]] = {
        name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]
    }
    maps = joined.get(MAP_NAME)
    return NetworkOutputs(
        logits=joined[LOGIT_NAME].ravel(),
        maps=None if maps is None else maps[..., 0],
        features=joined.get(FEATURES_NAME),
    )


def logits(
    keras_model: keras.Model, x: NDArray[np.float32] | NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the logit of "not broken" per image, (n,); arguments as for `predict_outputs`."""
    return predict_outputs(keras_model, x).logits.astype(np.float64)


def p_fracture(logit: NDArray[np.float64], *, temperature: float) -> NDArray[np.float64]:
    """Return the probability of fracture per image, shape (n,), in [0, 1].

    Calls the device's own sigmoid image by image, so that host and device agree to the last bit.
    """
    return np.array([sigmoid(-value / temperature) for value in logit.tolist()])

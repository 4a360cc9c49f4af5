"""The networks that can be trained, by name."""

from collections.abc import Callable
from typing import Final

import keras
from bonefx_edge.errors import DataError, UsageError
from bonefx_edge.preprocess import InputSpec

SEED_FILTERS: Final = 32
SEED_DROPOUT: Final = 0.2
"""Share of the pooled features set to 0 while fitting."""


def build(name: str, *, spec: InputSpec, seed: int) -> keras.Model:
    """Return a fresh, compiled network; y = 1 means not broken.

    Reads float32 (n, spec.height, spec.width, 1) in [0, 1] and gives (n, 1), the score of "not
    broken" in [0, 1]. Sets the global random seed of Keras, NumPy and Python, so that weights
    and dropout depend on `seed` alone.

    Raises
    ------
    UsageError
        For a name that is not in `NETWORKS`.
    """
    if name not in NETWORKS:
        msg = f"network: expected one of {', '.join(NETWORKS)}, got {name!r}; choose one of these"
        raise UsageError(msg)
    keras.utils.set_random_seed(seed)
    return NETWORKS[name](spec)


def _seed(spec: InputSpec) -> keras.Model:
    """Return the network of the original presentation, layer for layer and compiled alike."""
    keras_model = keras.Sequential(
        [
            keras.Input((spec.height, spec.width, 1)),
            keras.layers.Conv2D(SEED_FILTERS, (3, 3), strides=1, padding="same", activation="relu"),
            keras.layers.MaxPool2D((2, 2), strides=2, padding="same"),
            keras.layers.Dropout(SEED_DROPOUT),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ],
        name="seed",
    )
    keras_model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    return keras_model


NETWORKS: Final[dict[str, Callable[[InputSpec], keras.Model]]] = {"seed": _seed}


def logits_model(keras_model: keras.Model) -> keras.Model:
    """Return the network without its last sigmoid, (n, 1): the logit of "not broken".

    The layers before the last are shared, the last one's weights are copied. Nothing is lost to
    a saturated sigmoid, in float or in int8 (pitfall 30).

    Raises
    ------
    DataError
        If the last layer is not a Dense layer of one unit with a sigmoid.
    """
    last = keras_model.layers[-1]
    is_dense = isinstance(last, keras.layers.Dense)
    if not is_dense or last.units != 1 or last.activation is not keras.activations.sigmoid:
        msg = (
            "last layer: expected Dense(1, activation='sigmoid'), got "
            f"{type(last).__name__} {last.name!r}; bonefx reads one logit of 'not broken'"
        )
        raise DataError(msg)
    head = keras.layers.Dense(1, name=f"{last.name}_logit")
    without_sigmoid = keras.Model(keras_model.inputs, head(last.input), name=keras_model.name)
    head.set_weights(last.get_weights())
    return without_sigmoid

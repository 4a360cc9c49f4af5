"""The networks that can be trained, by name."""

from collections.abc import Callable
from typing import Final

import keras
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.preprocess import InputSpec

from bonefx_train.errors import DataError
from bonefx_train.networks.imagenet import load_imagenet, weights_path
from bonefx_train.networks.lite0 import (
    FEATURES_NAME,
    INPUT_CHECK_LAYERS,
    MAP_NAME,
    SCORE_NAME,
    lite0,
)

LOGIT_NAME: Final = "logit"
"""Of the output that `logits_model` gives in place of the score."""
SEED_FILTERS: Final = 32
SEED_DROPOUT: Final = 0.2
"""Share of the pooled features set to 0 while fitting."""


def build(name: str, *, spec: InputSpec, seed: int) -> keras.Model:
    """Return a fresh network; y = 1 means not broken.

    Reads float32 (n, spec.height, spec.width, 1) in [0, 1] and gives (n, 1), the score of "not
    broken" in [0, 1]; `lite0` gives it beside a map, see `lite0.lite0`. `seed` is compiled.
    Sets the global random seed of Keras, NumPy and Python, so that weights and dropout depend on
    `seed` alone.

    Raises
    ------
    UsageError
        For a name that is not in `NETWORKS`.
    DataError
        If the ImageNet weights that `lite0` begins with are not installed.
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


def _lite0(spec: InputSpec) -> keras.Model:
    """Return EfficientNet-Lite0 with ImageNet weights; the two last layers are random."""
    keras_model = lite0(spec)
    load_imagenet(keras_model, weights_path())
    return keras_model


NETWORKS: Final[dict[str, Callable[[InputSpec], keras.Model]]] = {"seed": _seed, "lite0": _lite0}


def has_map(keras_model: keras.Model) -> bool:
    """Return whether the network says where, too: outputs `score` and `map`, and features."""
    return len(keras_model.outputs) > 1


def logits_model(keras_model: keras.Model) -> keras.Model:
    """Return the network without its last sigmoid, outputs by name.

    `logit`, (n, 1): of "not broken". A network with a map also gives `map`, (n, rows, columns, 1),
    as it is, and `features`, (n, channels): the means over the input of `lite0.INPUT_CHECK_LAYERS`,
    side by side. The layers before the last are shared, the last one's
    weights are copied. Nothing is lost to a saturated sigmoid, in float or in int8. A network whose
    output is named `logit` has no sigmoid and is given back as it is.

    Raises
    ------
    DataError
        If the score does not come from a Dense layer of one unit with a sigmoid, or a network with
        a map lacks one of the input check's layers.
    """
    if not isinstance(keras_model, keras.Sequential):  # of which `output` may not be defined
        output = keras_model.output
        if isinstance(output, dict) and LOGIT_NAME in output:
            return keras_model
    mapped = has_map(keras_model)
    last = keras_model.get_layer(SCORE_NAME) if mapped else keras_model.layers[-1]
    is_dense = isinstance(last, keras.layers.Dense)
    if not is_dense or last.units != 1 or last.activation is not keras.activations.sigmoid:
        msg = (
            "last layer: expected Dense(1, activation='sigmoid'), got "
            f"{type(last).__name__} {last.name!r}; bonefx reads one logit of 'not broken'"
        )
        raise DataError(msg)
    head = keras.layers.Dense(1, name=f"{last.name}_logit")
    outputs = {LOGIT_NAME: head(last.input)}
    if mapped:
        outputs[MAP_NAME] = keras_model.output[MAP_NAME]
        pooled = [
            keras.layers.GlobalAveragePooling2D()(layer.output)
            for layer in _input_check_layers(keras_model)
        ]
        outputs[FEATURES_NAME] = keras.layers.Concatenate()(pooled)
    without_sigmoid = keras.Model(keras_model.inputs, outputs, name=keras_model.name)
    head.set_weights(last.get_weights())
    return without_sigmoid


def feature_widths(keras_model: keras.Model) -> tuple[int, ...]:
    """Return how many of the features of `logits_model` each of the input check's layers gives."""
    return tuple(int(layer.output.shape[-1]) for layer in _input_check_layers(keras_model))


def _input_check_layers(keras_model: keras.Model) -> list[keras.layers.Layer]:
    found = {layer.name: layer for layer in keras_model.layers if layer.name in INPUT_CHECK_LAYERS}
    if len(found) != len(INPUT_CHECK_LAYERS):
        msg = (
            f"input check: expected a network with the layers {', '.join(INPUT_CHECK_LAYERS)}, got "
            f"{', '.join(found) or 'none'} in {keras_model.name!r}; name its layers so"
        )
        raise DataError(msg)
    return [found[name] for name in INPUT_CHECK_LAYERS]

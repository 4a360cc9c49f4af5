"""From a fitted Keras network to its .tflite forms, on the logit."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from bonefx_edge.model.native_log import without_lines
from bonefx_train.errors import ParityError
from bonefx_train.networks.lite0 import FEATURES_NAME
from bonefx_train.networks.registry import logits_model
from numpy.typing import NDArray

from bonefx_convert.flatbuffer import Kind, check_kind
from bonefx_convert.int8_rounding.layer_windows import LayersDifferError
from bonefx_convert.int8_rounding.rounding import round_int8
from bonefx_convert.whitening import Whitening

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)
_CONVERTER_INFORMATION = b"fully_quantize: "
"""So begins a line that TensorFlow's converter writes for each int8 network."""


def convert(
    keras_model: "keras.Model",
    *,
    representative: NDArray[np.float32],
    kinds: Sequence[Kind],
    whitening: Whitening | None = None,
) -> tuple[dict[Kind, bytes], dict[str, str]]:
    """Return the .tflite bytes of each kind, and why others could not be made.

    Each is verified to be of its kind: int8 without a float number, for example.

    Parameters
    ----------
    keras_model
        Its score comes from Dense(1, sigmoid). The sigmoid is taken off: in int8 it ends at 0.996
        and ties every image beyond.
    representative
        (n, height, width, 1), float32, [0, 1]; gives full-int8 its activation ranges.
    whitening
        Of the features; needed by a network with a map, and by no other.
    """
    logit_model = _one_image(keras_model, whitening)
    made: dict[Kind, bytes] = {}
    not_made: dict[str, str] = {}
    for kind in kinds:
        try:
            flatbuffer = _convert(logit_model, kind, representative)
            if kind is Kind.INT8:
                original = made.get(Kind.FLOAT32) or made.get(Kind.FLOAT16)
                original = original or _convert(logit_model, Kind.FLOAT32, representative)
                flatbuffer = _round(flatbuffer, original, representative)
            check_kind(flatbuffer, kind=kind)
        except ParityError as err:
            not_made[kind.value] = str(err)
        else:
            made[kind] = flatbuffer
            logger.info("%s: %d bytes", kind, len(flatbuffer))
    return made, not_made


def _one_image(keras_model: "keras.Model", whitening: Whitening | None = None) -> "keras.Model":
    """Return the network that gives logit, map and whitened features of exactly one image."""
    import keras

    bare = logits_model(keras_model)
    # An open batch size leaves SHAPE, STRIDED_SLICE and PACK operators in the .tflite.
    image = keras.Input(batch_shape=(1, *keras_model.input_shape[1:]), name="film")
    outputs = dict(bare(image))
    if whitening is None:
        outputs.pop(FEATURES_NAME, None)
    else:
        whiten = keras.layers.Dense(len(whitening.bias), name="whitened")
        outputs[FEATURES_NAME] = whiten(outputs[FEATURES_NAME])
        whiten.set_weights([whitening.kernel, whitening.bias])
    return keras.Model(image, outputs)


def _convert(logit_model: "keras.Model", kind: Kind, representative: NDArray[np.float32]) -> bytes:
    """Return the .tflite bytes of one kind.

    Raises
    ------
    ParityError
        If TensorFlow cannot make it, such as for an operator that does not exist in int8.
    """
    import keras
    import tensorflow as tf

    # Its "Saved artifact at" would go to standard output, where results go.
    keras.config.disable_interactive_logging()
    # Not from_concrete_functions: that leaves the weights of a Keras 3 network as resource
    # variables, converts without an error, and gives wrong numbers [tried, TF 2.21].
    converter = tf.lite.TFLiteConverter.from_keras_model(logit_model)
    if kind is not Kind.FLOAT32:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind is Kind.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    if kind is Kind.INT8:
        converter.representative_dataset = lambda: _one_by_one(representative)
        # Only these: with TFLITE_BUILTINS beside it, float operators come in silently.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        # The representative data set gives the statistics that this warning misses.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")
        with without_lines(_CONVERTER_INFORMATION):
            return _run_converter(converter, kind)


def _round(flatbuffer: bytes, original: bytes, representative: NDArray[np.float32]) -> bytes:
    """Return the int8 network, its weights rounded so that layers come out as in the float one."""
    x = np.round(representative * 255).astype(np.uint8)
    try:
        return round_int8(flatbuffer, original=original, x=x)
    except LayersDifferError as err:
        # No reason to do without int8: the parity report says what it costs.
        logger.warning("WARNING: int8: each weight is rounded to its nearest step: %s", err)
        return flatbuffer


def _run_converter(converter: Any, kind: Kind) -> bytes:
    from tensorflow.lite.python.convert import ConverterError

    try:
        return bytes(converter.convert())
    except (ConverterError, RuntimeError, ValueError) as err:
        # The cause is in the first line that is not a place in the graph.
        lines = [line.strip() for line in str(err).splitlines() if "error:" in line] or [str(err)]
        msg = f"{kind}: TensorFlow cannot make it: {lines[0][-300:]}"
        raise ParityError(msg) from err


def _one_by_one(images: NDArray[np.float32]) -> Iterator[list[NDArray[Any]]]:
    for image in images:
        yield [image[np.newaxis]]

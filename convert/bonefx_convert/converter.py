"""From a fitted Keras network to its three .tflite forms, on the logit."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bonefx_train.networks import logits_model
from numpy.typing import NDArray

from bonefx_convert.tensors import Kind, check_kind

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)


def convert(
    keras_model: "keras.Model", *, representative: NDArray[np.float32]
) -> dict[Kind, bytes]:
    """Return the .tflite bytes of each kind; each is proved to be of its kind.

    Parameters
    ----------
    keras_model
        Ends in Dense(1, sigmoid). The sigmoid is taken off: in int8 it ends at 0.996 and ties
        every film beyond (pitfall 30).
    representative
        (n, height, width, 1), float32, [0, 1]; gives full-int8 its activation ranges.

    Raises
    ------
    ParityError
        If a converted network holds a number format that its kind must not have.
    """
    with tempfile.TemporaryDirectory(prefix="bonefx-convert-") as folder:
        _export(keras_model, Path(folder))
        flatbuffers = {kind: _convert(Path(folder), kind, representative) for kind in Kind}
    for kind, flatbuffer in flatbuffers.items():
        check_kind(flatbuffer, kind=kind)
        logger.info("%s: %d bytes", kind, len(flatbuffer))
    return flatbuffers


def _export(keras_model: "keras.Model", folder: Path) -> None:
    """Write the network that gives the logit of one film as a SavedModel."""
    import keras

    logit = logits_model(keras_model)
    # A batch of exactly one: an open batch size leaves SHAPE and PACK operators in the .tflite.
    film = keras.Input(batch_shape=(1, *keras_model.input_shape[1:]), name="film")
    keras.Model(film, logit(film)).export(str(folder), verbose=False)


def _convert(saved_model: Path, kind: Kind, representative: NDArray[np.float32]) -> bytes:
    import tensorflow as tf

    # From a SavedModel: from_concrete_functions of a Keras 3 network leaves its weights as
    # resource variables, converts without an error, and answers garbage [tried, TF 2.21].
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    if kind is not Kind.FLOAT32:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind is Kind.INT8:
        converter.representative_dataset = lambda: _one_by_one(representative)
        # Only these: with TFLITE_BUILTINS beside it, float operators come in silently.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        # The representative data set gives the statistics that this warning misses.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")
        return bytes(converter.convert())


def _one_by_one(films: NDArray[np.float32]) -> Iterator[list[NDArray[Any]]]:
    for film in films:
        yield [film[np.newaxis]]

"""Keras on TensorFlow: `predict` for each film, as in the presentation."""

from types import SimpleNamespace

import keras
import tensorflow as tf


def load(options: SimpleNamespace) -> SimpleNamespace:
    model = keras.models.load_model(options.network)
    return SimpleNamespace(
        run=lambda x: model.predict(x, verbose=0),  # without the progress bar, which costs time
        dtype="float32",
        facts={"runtime": f"keras {keras.__version__}, tensorflow {tf.__version__}"},
    )

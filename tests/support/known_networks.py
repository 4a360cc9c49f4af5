"""A seed network that reads the brightness of an image, and the run it could have come from."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

GAIN = 24.0
"""Logit per unit of mean brightness: -7 for the darkest images, 7 for the brightest."""


def write_image(path: Path, gray: np.ndarray) -> None:
    pixels = np.clip(cv2.GaussianBlur(gray, (0, 0), 3), 0, 255).astype(np.uint8)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def brightness_network(*, gain: float = GAIN, offset: float = 0.5):
    """Return the seed network with logit = gain * (mean of 225 spread 2x2 maxima - offset)."""
    from bonefx_edge.inference.preprocess import SPECS
    from bonefx_train.networks.registry import build

    keras_model = build("seed", spec=SPECS["seed"], seed=0)
    kernel, bias, dense, dense_bias = (np.zeros_like(w) for w in keras_model.get_weights())
    kernel[1, 1, 0, 0] = 1.0
    # One filter, and one place in 5x5: with all 180,000 the int32 sums of int8 run over.
    grid = dense.reshape(75, 75, 32)[2::5, 2::5, 0]
    grid[:] = gain / grid.size
    dense_bias[:] = -gain * offset
    # An optimizer that never took a step cannot be loaded again.
    keras_model.optimizer.build(keras_model.trainable_variables)
    keras_model.set_weights([kernel, bias, dense, dense_bias])
    return keras_model


def spot_network():
    """Return a network with the outputs of Lite0, whose map is high where the image is bright.

    Channels of mean brightness above a level each; the score hangs on their mean.
    """
    import keras
    from bonefx_train.networks.lite0 import INPUT_CHECK_LAYERS

    channels = 64  # the converter leaves a layer of fewer than 1,024 weights as it is
    rng = np.random.default_rng(0)
    image = keras.Input((150, 150, 1), name="image")
    x = keras.layers.AveragePooling2D(6)(image)  # (25, 25)
    x = keras.layers.Conv2D(channels, 5, strides=5, padding="same", name="head")(x)
    for name in INPUT_CHECK_LAYERS:  # four times the same: the second changes nothing
        x = keras.layers.ReLU(name=name)(x)
    where = keras.layers.Conv2D(1, 1, name="map")(x)
    pooled = keras.layers.GlobalAveragePooling2D(name="features")(x)
    dropped = keras.layers.Dropout(0.2, name="dropout")(pooled)
    score = keras.layers.Dense(1, activation="sigmoid", name="score")(dropped)
    keras_model = keras.Model(image, {"score": score, "map": where}, name="lite0")
    kernel = rng.normal(1 / 25, 0.01, (5, 5, 1, channels)).astype(np.float32)
    levels = np.linspace(-0.6, 0.0, channels)
    keras_model.get_layer("head").set_weights([kernel, levels])
    where = [np.full((1, 1, channels, 1), 32 / channels), np.array([-6.0])]
    keras_model.get_layer("map").set_weights(where)
    score = [np.full((channels, 1), -40 / channels), np.array([4.0])]
    keras_model.get_layer("score").set_weights(score)
    return keras_model


def make_run(
    folder: Path, *, data: Path, keras_model: Any, network: str = "seed", spec: str = "seed"
) -> Path:
    """Write the run that `bonefx-train fit` would have left with that network."""
    from bonefx_train import run
    from bonefx_train.data.dataset import load_dataset, split_csv

    folder.mkdir()
    table = split_csv(load_dataset(data, seed=1).samples)
    settings = run.FitSettings(
        network=network,
        spec=spec,
        seed=1,
        epochs=1,
        batch_size=8,
        patience=1,
        data_root=str(data),
        data_name="drawn",
        data_sha256="0" * 64,
        software="by construction",
    )
    (folder / run.SETTINGS_NAME).write_text(settings.to_json())
    (folder / run.SPLIT_NAME).write_text(table)
    (folder / run.HISTORY_NAME).write_text("[{}]\n")
    keras_model.save(folder / run.MODEL_NAME)
    return folder

"""Convert a Keras file by the command, or read why it was refused."""

from pathlib import Path

import numpy as np
from bonefx_convert.cli import app
from known_networks import GAIN
from typer.testing import CliRunner

SAID = {"--positive": "0", "--scale": "0..1", "--resize": "bilinear", "--aspect": "squash"}
"""Of the network of the presentation: class 0 is broken."""


def convert(path: Path, data: Path, out: Path, *more: object, **said: str):
    answers = SAID | {f"--{name}": value for name, value in said.items()}
    words = [word for answer in answers.items() for word in answer]
    return CliRunner().invoke(
        app, [str(w) for w in (path, "--data", data, "--out", out, *words, *more)]
    )


def refused(*args: object, code: int = 3, **said: str) -> str:
    """Return the one line of a refusal."""
    done = convert(*args, **said)
    assert (done.exit_code, done.stdout) == (code, "")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def bright(
    outputs: int,
    *,
    channels: int = 1,
    activation: str | None = "sigmoid",
    size: int = 50,
    inner: str = "linear",
):
    """Return a network whose output 0 is high where the image is dark, which is broken.

    One output is low there. Reads gray levels in [0, 1].
    """
    import keras

    image = keras.Input((size, size, channels))
    x = keras.layers.Conv2D(40, 5, strides=5, activation=inner, name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    score = keras.layers.Dense(outputs, activation=activation, name="end")(x)
    keras_model = keras.Model(image, score)
    kernel = np.full((5, 5, channels, 40), 1 / (25 * channels), np.float32)
    keras_model.get_layer("conv").set_weights([kernel, np.zeros(40, np.float32)])
    signs = np.array([[1.0], [-1.0, 1.0], [-1.0, 1.0, 0.0]][outputs - 1])
    weights = np.outer(np.full(40, GAIN / 40 / max(1, outputs - 0)), signs)
    keras_model.get_layer("end").set_weights([weights, -0.5 * GAIN * signs / outputs])
    return keras_model


def own_layer_network(path: Path, *, export: Path | None = None) -> None:
    """Save a network with a layer of a class that Keras does not know."""
    import keras

    class Halve(keras.layers.Layer):
        def call(self, x):
            return x / 2 + x / 2

    image = keras.Input((50, 50, 1))
    keras_model = keras.Model(image, bright(1)(Halve()(image)))
    keras_model.save(path)
    if export is not None:
        keras_model.export(export, verbose=False)

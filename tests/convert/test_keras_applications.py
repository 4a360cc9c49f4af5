"""Networks of keras.applications, from their file to an int8 model file: `make test-networks`.

Minutes for each. They are fitted from random weights, to tell dark images from bright ones. What is
tested is the way through the converter, not the network.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from bonefx_convert.cli import app
from bonefx_edge.classifier import Classifier
from bonefx_edge.inference.preprocess import InputSpec, Resize, Scale
from typer.testing import CliRunner

LONG = os.environ.get("BONEFX_NETWORKS") == "long"
pytestmark = [
    *(pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(3600)),
    pytest.mark.skipif(not LONG, reason="long: make test-networks"),
]

SIDE, EPOCHS = 224, 4
SPEC = InputSpec(height=SIDE, width=SIDE, resize=Resize.BILINEAR, scale=Scale.UNIT_FLOAT32)
NETWORKS = {
    "MobileNetV3Small": ("0..255", 255.0, 0.0, 2),
    "EfficientNetV2B0": ("0..255", 255.0, 0.0, 1),
    "DenseNet121": ("imagenet", 1 / 0.225, -0.45 / 0.225, 1),
}
"""--scale, about the same as factor and offset, units of the last layer."""


def fitted_network(name: str, data: Path):
    """Return a network that was fitted on the train images for a minute or two."""
    import keras
    from bonefx_train.data.dataset import load_dataset
    from bonefx_train.data.pixels import load_pixels

    keras.utils.set_random_seed(1)
    _, factor, offset, units = NETWORKS[name]
    base = getattr(keras.applications, name)(
        input_shape=(SIDE, SIDE, 3), weights=None, include_top=False, pooling="avg"
    )
    train = load_pixels(load_dataset(data, seed=1).of("train"), spec=SPEC)
    x = np.repeat(train.x, 3, axis=-1) * np.float32(factor) + np.float32(offset)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.6  # as few steps as this do not reach the means with 0.99
    softmax = units == 2
    head = keras.layers.Dense(units, activation="softmax" if softmax else "sigmoid")
    keras_model = keras.Sequential([base, head])
    loss = "sparse_categorical_crossentropy" if softmax else "binary_crossentropy"
    keras_model.compile(keras.optimizers.Adam(1e-3), loss)
    keras_model.fit(x, train.class_index, epochs=EPOCHS, batch_size=16, verbose=0)
    return keras_model


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_becomes_an_int8_file_that_the_device_runs(name, data, tmp_path) -> None:
    scale = NETWORKS[name][0]
    fitted_network(name, data).save(tmp_path / f"{name}.keras")
    words = [str(tmp_path / f"{name}.keras"), "--data", str(data), "--out", str(tmp_path / "out")]
    words += ["--positive", "0", "--scale", scale, "--resize", "bilinear"]
    words += ["--aspect", "squash", "--kinds", "float16,int8"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.stderr
    report = json.loads((tmp_path / f"out/{name}-parity.json").read_text())
    failures = {kind["kind"]: kind["failures"] for kind in report["kinds"]}
    assert failures == {"float16": [], "int8": []}
    classifier = Classifier.load(tmp_path / f"out/{name}-int8.tflite")
    findings = [classifier.classify(path) for path in sorted(data.glob("test-*.png"))]
    assert {"fracture", "no_fracture"} <= {str(finding.state) for finding in findings}

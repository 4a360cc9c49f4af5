"""The shipped network in the formats of the peers: Keras, ONNX. Needs TensorFlow.

    python -m benchmarks.peers.networks NAME FOLDER       run.py calls it where FOLDER lacks a file

All are made from the shipped files, so that every peer has the same weights: lite0.keras from
lite0-float16.tflite, lite0.onnx from that by Keras' own export, lite0-int8.onnx from
lite0-int8.tflite by tf2onnx. Keras and its ONNX give the logit alone, without the heat map and the
features of the input check, so they compute a little less than bonefx.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.table import ONNX_TOOLS_AT, ROOT, python_of
from benchmarks.peers.workers import last_error

FILES = {"keras": "lite0.keras", "onnx": "lite0.onnx", "onnx-int8": "lite0-int8.onnx"}
"""By the networks of `table.Row`."""
OPSET = "17"
"""ONNX operator set; int8 per channel needs 13 or more."""


def folder_of(folder: Path, *sources: Path) -> Path:
    """Return the part of `folder` for the networks that are made from these files."""
    hashes = [hashlib.sha256(source.read_bytes()).hexdigest() for source in sources]
    return folder / "-".join(each[:8] for each in hashes)


def make_networks(folder: Path) -> dict[str, str]:
    """Make the networks that `folder` lacks; return why one could not be made, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    ours = [str(ROOT / part) for part in ("edge", "train", "convert", "")]
    search = os.pathsep.join([*ours, str(ONNX_TOOLS_AT)])
    reasons = {}
    for name, file in FILES.items():
        if (folder / file).exists():
            continue
        command = [str(python_of("tensorflow")), "-m", __name__, name, str(folder)]
        variables = os.environ | {"PYTHONPATH": search, "TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=variables)
        if done.returncode:
            reasons[name] = last_error(done.stderr)
    return reasons


def write_keras(folder: Path) -> None:
    import keras
    import numpy as np
    from bonefx_edge.model.bundled import bundled_models
    from bonefx_edge.model.model_file import ModelFile
    from bonefx_train.networks.registry import LOGIT_NAME, logits_model
    from bonefx_train.networks.warm_start import load_lite0

    path = bundled_models()["lite0-float16"]
    spec = ModelFile.read(path).manifest.input
    # The batch norms are taken apart over any patches: the network answers the same.
    shape = (32, spec.height, spec.width, 1)
    patches = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    bare = logits_model(load_lite0(path, spec=spec, patches=patches))
    film = keras.Input((spec.height, spec.width, 1), name="film")
    keras.Model(film, bare(film)[LOGIT_NAME]).save(folder / FILES["keras"])


def write_onnx(folder: Path) -> None:
    import keras

    model = keras.models.load_model(folder / FILES["keras"])
    # One film, and said so: an open batch size is slower for some.
    film = keras.Input(batch_shape=(1, *model.input_shape[1:]), name="film")
    one = keras.Model(film, model(film))
    one(keras.ops.zeros(film.shape))  # the export wants a network that was called
    one.export(str(folder / FILES["onnx"]), format="onnx", verbose=False)


def write_int8_onnx(folder: Path) -> None:
    from bonefx_edge.model.bundled import bundled_models

    source = str(bundled_models()["lite0-int8"])
    command = ["-m", "tf2onnx.convert", "--tflite", source, "--opset", OPSET, "--output"]
    subprocess.run([sys.executable, *command, str(folder / FILES["onnx-int8"])], check=True)


if __name__ == "__main__":
    steps = {"keras": write_keras, "onnx": write_onnx, "onnx-int8": write_int8_onnx}
    steps[sys.argv[1]](Path(sys.argv[2]))

"""The shipped network in the formats of the peers: Keras, ONNX. Needs TensorFlow.

    python -m benchmarks.peers.networks FOLDER        called by peers.py where FOLDER lacks them

All come from the shipped files, so that every peer has the same weights: lite0.keras from
lite0-float16.tflite, lite0.onnx from that by Keras' own export, lite0-int8.onnx from
lite0-int8.tflite by tf2onnx. Keras and its ONNX give the logit alone, without map and input check
features: a little less to compute than ours. What cannot be made is told in FOLDER/reasons.json.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.table import ONNX_TOOLS_AT, ROOT

FILES = {"keras": "lite0.keras", "onnx": "lite0.onnx", "onnx-int8": "lite0-int8.onnx"}
"""By the networks of peers_table.Row."""
REASONS = "reasons.json"
OPSET = "17"
"""ONNX operator set; int8 per channel needs 13 or more."""


def place_of(folder: Path, *sources: Path) -> Path:
    """Return the part of `folder` for networks made from these files: others, other networks."""
    hashes = [hashlib.sha256(source.read_bytes()).hexdigest() for source in sources]
    return folder / "-".join(each[:8] for each in hashes)


def make_networks(folder: Path, *, python: Path) -> dict[str, str]:
    """Return why a network could not be made, by name; make those that `folder` lacks."""
    wanted = {name for name, file in FILES.items() if not (folder / file).exists()}
    if not wanted:
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    ours = [str(ROOT / part) for part in ("edge", "train", "convert")]
    search = os.pathsep.join([*ours, str(ROOT), str(ONNX_TOOLS_AT)])
    command = [str(python), "-m", __name__, str(folder)]
    reasons = folder / REASONS
    reasons.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": search, "TF_CPP_MIN_LOG_LEVEL": "2"},
        )  # fmt: skip
    except OSError as err:
        return dict.fromkeys(wanted, f"no Python at {python}: {err.strerror}")
    if reasons.exists():
        told: dict[str, str] = json.loads(reasons.read_text())
        return {name: told[name] for name in wanted if name in told}
    words = done.stderr.strip().splitlines() or ["ended without a word"]
    return dict.fromkeys(wanted, f"could not be made: {words[-1]}")


def make(folder: Path) -> None:
    """Write the networks that `folder` lacks, and the reasons of those that cannot be."""
    steps: dict[str, Callable[[Path], None]] = {
        "keras": write_keras,
        "onnx": write_onnx,
        "onnx-int8": write_int8_onnx,
    }
    reasons = {}
    for name, step in steps.items():
        if (folder / FILES[name]).exists():
            continue
        try:
            step(folder)
        except (ImportError, OSError, ValueError, RuntimeError, AttributeError, TypeError) as err:
            reasons[name] = f"{type(err).__name__}: {err}"
    (folder / REASONS).write_text(json.dumps(reasons, indent=1) + "\n")


def write_keras(folder: Path) -> None:
    import keras
    import numpy as np
    from bonefx_edge.model.bundled import bundled_models
    from bonefx_edge.model.model_file import ModelFile
    from bonefx_train.networks.registry import LOGIT_NAME, logits_model
    from bonefx_train.networks.warm_start import load_lite0

    path = bundled_models()["lite0-float16"]
    spec = ModelFile.read(path).manifest.input
    # The batch norms are taken apart over any views: the network answers the same.
    shape = (32, spec.height, spec.width, 1)
    views = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    bare = logits_model(load_lite0(path, spec=spec, views=views))
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
    command = ["-m", "tf2onnx.convert", "--tflite", source, "--opset", OPSET]
    target = str(folder / FILES["onnx-int8"])
    done = subprocess.run(
        [sys.executable, *command, "--output", target], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])


if __name__ == "__main__":
    make(Path(sys.argv[1]))

"""Drawn images, and a run on them whose network is known by construction."""

import os

# Before TensorFlow is imported by anything here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from known_networks import brightness_network, make_run, spot_network, write_image

# Where TensorFlow is absent (the device environments) there is nothing to convert with.
collect_ignore_glob = [] if importlib.util.find_spec("keras") else ["test_*.py", "any_keras"]

IMAGES = {"train": 120, "tune": 80, "test": 40}

SPOTS = {"train": 96, "tune": 80, "test": 8}

SPOT_SLOPE = np.linspace(-20, 20, 256).reshape(-1, 1)

SLOPE = np.linspace(-15, 15, 96).reshape(-1, 1)
"""Gray levels down the image: an even image is blank to the input check."""


@pytest.fixture(name="data", scope="session")
def _data(tmp_path_factory) -> Path:
    """Return a folder with manifest.csv: dark images are broken but for a few; pairs are groups."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(3)
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "group", "split"])
        for split, count in IMAGES.items():
            for i in range(count):
                broken = i % 2 == 0
                mean = rng.normal(105 if broken else 150, 20)
                key = f"{split}-{i:03}.png"
                write_image(root / key, rng.normal(mean + SLOPE, 12, (96, 80)))
                label = "fractured" if broken else "not_fractured"
                writer.writerow([key, label, f"{split}-{i // 4}", split])
    return root


@pytest.fixture(name="run_dir", scope="session")
def _run_dir(data: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return make_run(folder, data=data, keras_model=brightness_network())


@pytest.fixture(name="pixels", scope="session")
def _pixels(run_dir: Path) -> dict:
    """Return the images of train and tune as `Pixels`."""
    from bonefx_train.data.pixels import load_pixels
    from bonefx_train.run import Run

    run = Run.open(run_dir)
    spec = run.settings.input_spec
    return {name: load_pixels(run.of(name), spec=spec) for name in ("train", "tune")}


@pytest.fixture(name="flatbuffers", scope="session")
def _flatbuffers(pixels: dict) -> dict:
    """Return every kind of the brightness network."""
    from bonefx_convert.converter import convert
    from bonefx_convert.flatbuffer import Kind
    from bonefx_convert.representative import draw_representative
    from bonefx_train.evaluation.predict import logits
    from bonefx_train.evaluation.tiled_predictions import NetworkInputs

    keras_model = brightness_network()
    train = NetworkInputs.of_whole(pixels["train"])
    drawn = draw_representative(train, logit=logits(keras_model, train.x), seed=1, images=40)
    made, not_made = convert(keras_model, representative=drawn.x, kinds=tuple(Kind))
    assert not_made == {}
    return made


@pytest.fixture(name="models", scope="session")
def _models(run_dir: Path, tmp_path_factory) -> Path:
    """Return the folder that `bonefx-convert run RUN --out` fills."""
    import sys

    from bonefx_convert.cli import app
    from typer.testing import CliRunner

    out = tmp_path_factory.mktemp("converted") / "models"
    words = ["run", str(run_dir), "--out", str(out), "--name", "toy", "--version", "7"]
    words += ["--training-data", "drawn images, CC0", "--verify-with", sys.executable]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(name="spots", scope="session")
def _spots(tmp_path_factory) -> Path:
    """Return a folder with manifest.csv: broken images have a bright spot somewhere."""
    root = tmp_path_factory.mktemp("spots")
    rng = np.random.default_rng(5)
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "group", "split"])
        for split, count in SPOTS.items():
            for i in range(count):
                broken = i % 2 == 0
                image = rng.normal(80 + rng.uniform(-4, 4) + SPOT_SLOPE, 12, (256, 200))
                spot = image[
                    (y := rng.integers(10, 170)) : y + 72, (x := rng.integers(10, 120)) : x + 72
                ]
                spot += rng.normal(90 if broken else 30, 25)
                key = f"{split}-{i:03}.png"
                write_image(root / key, image)
                writer.writerow(
                    [key, "fractured" if broken else "not_fractured", f"{split}-{i // 4}", split]
                )
    return root


@pytest.fixture(name="spot_run", scope="session")
def _spot_run(spots: Path, tmp_path_factory) -> Path:
    """Return the run of a network with a map: outputs and names of Lite0, known by construction."""
    folder = tmp_path_factory.mktemp("runs") / "spot"
    return make_run(
        folder, data=spots, keras_model=spot_network(), network="lite0", spec="area-letterbox"
    )


@pytest.fixture(name="spot_models", scope="session")
def _spot_models(spot_run: Path, tmp_path_factory) -> Path:
    """Return the folder of its models, made by the command."""
    import sys

    from bonefx_convert.cli import app
    from typer.testing import CliRunner

    out = tmp_path_factory.mktemp("converted") / "spots"
    words = [
        "run",
        str(spot_run),
        "--out",
        str(out),
        "--name",
        "spot",
        "--verify-with",
        sys.executable,
        # The finest tiles can lie inside a spot: brighter than all but a few of train's tiles.
        "--tolerance",
        "input_max_steps=64",
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return out

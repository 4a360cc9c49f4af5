"""Drawn films, and a run on them whose network is known by construction."""

import os

# Before TensorFlow is imported by anything here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from brightness import brightness_network, make_run, write_film

# Where TensorFlow is absent (the device environments) there is nothing to convert with.
collect_ignore_glob = [] if importlib.util.find_spec("keras") else ["test_*.py"]

FILMS = {"train": 120, "tune": 80, "test": 40}

SLOPE = np.linspace(-15, 15, 96).reshape(-1, 1)
"""Gray levels down the film: an even film is blank to the gate."""


@pytest.fixture(name="data", scope="session")
def _data(tmp_path_factory) -> Path:
    """Return a folder with manifest.csv: dark films are broken, a few are not; pairs are groups."""
    root = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(3)
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "group", "split"])
        for split, count in FILMS.items():
            for i in range(count):
                broken = i % 2 == 0
                mean = rng.normal(105 if broken else 150, 20)
                key = f"{split}-{i:03}.png"
                write_film(root / key, rng.normal(mean + SLOPE, 12, (96, 80)))
                label = "fractured" if broken else "not_fractured"
                writer.writerow([key, label, f"{split}-{i // 4}", split])
    return root


@pytest.fixture(name="run_dir", scope="session")
def _run_dir(data: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return make_run(folder, data=data, keras_model=brightness_network())


@pytest.fixture(name="pixels", scope="session")
def _pixels(run_dir: Path) -> dict:
    """Return the films of train and tune as `Pixels`."""
    from bonefx_train.pixels import load_pixels
    from bonefx_train.run import Run

    run = Run.open(run_dir)
    spec = run.settings.input_spec
    return {name: load_pixels(run.of(name), spec=spec) for name in ("train", "tune")}


@pytest.fixture(name="flatbuffers", scope="session")
def _flatbuffers(pixels: dict) -> dict:
    """Return the three kinds of the brightness network."""
    from bonefx_convert.converter import convert
    from bonefx_convert.representative import draw_representative
    from bonefx_train.scores import logits

    keras_model = brightness_network()
    train = pixels["train"]
    drawn = draw_representative(train, logit=logits(keras_model, train.x), seed=1, films=40)
    return convert(keras_model, representative=drawn.x)


@pytest.fixture(name="models", scope="session")
def _models(run_dir: Path, tmp_path_factory) -> Path:
    """Return the folder that `bonefx-convert RUN --out` fills."""
    import sys

    from bonefx_convert.cli import app
    from typer.testing import CliRunner

    out = tmp_path_factory.mktemp("converted") / "models"
    words = [str(run_dir), "--out", str(out), "--name", "toy", "--version", "7"]
    words += ["--training-data", "drawn films, CC0", "--prove-with", sys.executable]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return out

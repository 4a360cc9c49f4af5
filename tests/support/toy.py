"""A model whose answer is known by construction, for every test that asks a model something.

    logit(film) = (mean gray - 128) / 16        mean over the 150x150 input, gray in [0, 255]

so the logit runs from -8 (black, p_fracture 0.9997) over 0 (gray 128, p_fracture 0.5) to 7.9375
(white, p_fracture 0.0004), at temperature 1: **dark is broken, bright is not broken**.

- `float32` gives that number in float32.
- `int8` (uint8 in, scale 1/255, zero point 0; int8 out, scale 1/16, zero point 0) gives it for the
  mean *rounded to a whole gray level*, exactly: one output step per gray level.

`tiled-float32` and `tiled-int8` have three outputs, in the order features, logit, map:

    logit       as above
    map         (1, 5, 5, 1): (128 - mean gray of the cell) / 16, positive = fracture
    features    (1, 2): upper less lower, left less right 7/15 of the film, mean gray / 32

and two modes, `tiled` (default) and `whole`. In int8 each output has a scale of its own: map
1/8, zero point -5; features 1/32, zero point 3.

The committed files are complete model files, written by `make_toy_models.py`.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from bonefx_edge.inference.decision import OperatingPoint, Proportion
from bonefx_edge.inference.input_check import InputCheckSpec, Interval
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_edge.inference.tile_grid import TileSpec
from bonefx_edge.inference.tiling import InferenceMode
from bonefx_edge.model.manifest import FORMAT_VERSION, Manifest, OutputSpec, Provenance
from numpy.typing import NDArray

FOLDER: Final = Path(__file__).parents[1] / "toy_models"
KINDS: Final = ("float32", "int8")
TILED_KINDS: Final = ("tiled-float32", "tiled-int8")
FUTURE: Final = FOLDER / "future-operator.bin"
"""A .tflite (no manifest) whose dense operator is of a version that no interpreter has."""
STEP: Final = 1 / 16
"""Logit per gray level of the mean."""
GRAY_AT_ZERO: Final = 128
"""Mean gray level at which the logit is 0."""
CELLS: Final = 5
"""Rows and columns of the map."""
GRAY_PER_FEATURE: Final = 32
"""Difference of mean gray that makes a feature 1."""
DISTANCE_LIMIT: Final = 4.0
"""`film` with contrast 45 has the features (2.8, 0), distance 3.96; with 46, 4.13."""
TOY_INPUT_CHECK: Final = InputCheckSpec(
    mean=Interval(0.02, 0.98),
    std=Interval(0.0, 0.5),
    roughness=Interval(0.0, 0.6),
    excluded_body_parts=("CHEST", "SKULL", "HEAD", "NECK"),
    distance_limit=None,
    familiarity=None,
)
"""Refuses noise, pictures (almost) black or white, chests, skulls, heads and necks."""


def toy_path(kind: str) -> Path:
    """Return the committed model file of that kind."""
    return FOLDER / f"toy-{kind}.tflite"


def toy_logit(x: NDArray[Any], *, kind: str = "float32") -> NDArray[np.float64]:
    """Return the toy's logit (n,) for x (n, height, width, 1), float [0, 1] or uint8 [0, 255]."""
    gray = x.astype(np.float64) * (1.0 if x.dtype == np.uint8 else 255.0)
    mean = gray.reshape(len(x), -1).mean(axis=1)
    if kind == "int8":
        mean = np.floor(mean + 0.5)
    return (mean - GRAY_AT_ZERO) * STEP


def toy_map(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the toy's map (n, 5, 5) for x (n, 150, 150, 1), float [0, 1] or uint8 [0, 255]."""
    gray = x.astype(np.float64) * (1.0 if x.dtype == np.uint8 else 255.0)
    side = x.shape[1] // CELLS
    means = gray.reshape(len(x), CELLS, side, CELLS, side).mean(axis=(2, 4))
    return (GRAY_AT_ZERO - means) * STEP


def film(mean_gray: int, *, height: int = 200, width: int = 160, contrast: int = 20) -> Any:
    """Return (height, width) uint8 of exactly that mean, before and after any resize.

    The upper half is brighter, the lower half darker by `contrast`, so that the input check does
    not call it blank. `height` must be even, and mean_gray +- contrast within [0, 255].
    """
    pixels = np.full((height, width), mean_gray - contrast, np.uint8)
    pixels[: height // 2] = mean_gray + contrast
    return pixels


def toy_operating_points() -> tuple[OperatingPoint, ...]:
    """Return `balanced` (uncertain for mean gray 111 to 145) and `sensitive` (129 to 163)."""
    full = Proportion(value=1.0, low=0.9, high=1.0, n=40)
    return (
        OperatingPoint(
            name="balanced",
            no_fracture_below=0.25,
            fracture_from=0.75,
            chosen_for="by construction",
            chosen_on="toy",
            sensitivity=full,
            specificity=full,
        ),
        OperatingPoint(
            name="sensitive",
            no_fracture_below=0.1,
            fracture_from=0.5,
            chosen_for="by construction",
            chosen_on="toy",
            sensitivity=full,
            specificity=full,
        ),
    )


def toy_whole(**changes: Any) -> InferenceMode:
    """Return the mode `whole` of the toy; `changes` replace fields of it."""
    fields: dict[str, Any] = {
        "name": "whole",
        "tiles": (),
        "tile_selection": None,
        "refinement": None,
        "whole_weight": 1.0,
        "tile_weight": 0.0,
        "map_weight": 0.0,
        "offset": 0.0,
        "temperature": 1.0,
        "operating_points": toy_operating_points(),
    }
    return InferenceMode(**(fields | changes))


def toy_tiled(**changes: Any) -> InferenceMode:
    """Return the mode `tiled` of the toy: 9 tiles on a square film."""
    fields: dict[str, Any] = {
        "name": "tiled",
        "tiles": (TileSpec(longest_px=400, share=0.5, overlap=0.25),),
        "whole_weight": 0.5,
        "tile_weight": 0.25,
        "map_weight": 0.125,
        "offset": 0.375,
        "temperature": 2.0,
    }
    return toy_whole(**(fields | changes))


def toy_manifest(kind: str, *, flatbuffer: bytes, **changes: Any) -> Manifest:
    """Return a manifest for the toy of that kind; `changes` replace fields of it."""
    tiled = kind in TILED_KINDS
    positions = {"features": 0, "logit": 1, "map": 2}
    if not tiled:
        positions = {"features": None, "logit": 0, "map": None}
    fields: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "name": "toy",
        "version": "1.0.0",
        "kind": kind.removeprefix("tiled-"),
        "flatbuffer_sha256": hashlib.sha256(flatbuffer).hexdigest(),
        "input": InputSpec(),
        "output": OutputSpec(**positions, quantity="logit", high_means_class=1),
        "labels": ("broken", "not broken"),
        "modes": (toy_tiled(), toy_whole()) if tiled else (toy_whole(),),
        "input_check": dataclasses.replace(
            TOY_INPUT_CHECK, distance_limit=DISTANCE_LIMIT if tiled else None
        ),
        "verified_runtimes": (),
        "provenance": Provenance(
            created="2026-01-01T00:00:00+00:00",
            network="toy",
            training_data="none: known by construction",
            n_train=0,
            representative_sha256="",
            settings={},
            metrics={},
            converter="tests/support/make_toy_models.py",
        ),
    }
    return Manifest(**(fields | changes))

"""The toy model is what toy.py says, in every interpreter."""

import numpy as np
import pytest
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.inference.decision import State, decide
from bonefx_edge.inference.preprocess import InputSpec, preprocess
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile, check_tensors
from toy import (
    DISTANCE_LIMIT,
    FOLDER,
    KINDS,
    TILED_KINDS,
    film,
    toy_logit,
    toy_map,
    toy_path,
)

FLOAT_TOLERANCE = 1e-4
"""A float32 sum over 22,500 gray levels, in logit."""


def flat_films() -> np.ndarray:
    """Return one even film for each gray level, uint8 (256, 150, 150, 1)."""
    levels = np.arange(256, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return np.broadcast_to(levels, (256, 150, 150, 1))


@pytest.mark.parametrize("kind", [*KINDS, *TILED_KINDS])
def test_toy_file_is_a_complete_model_file(kind: str) -> None:
    model = ModelFile.read(toy_path(kind))
    opened = open_interpreter(model.flatbuffer)
    check_tensors(model.manifest, input_=opened.input, outputs=opened.outputs)


def test_int8_toy_answers_exactly() -> None:
    opened = open_interpreter(ModelFile.read(toy_path("int8")).flatbuffer)
    films = flat_films()
    assert np.array_equal(opened.run(films)[0][:, 0], toy_logit(films, kind="int8"))
    assert opened.run(films[:1])[0][0, 0] == -8.0
    assert opened.run(films[255:])[0][0, 0] == 7.9375


def test_int8_toy_rounds_the_mean_to_a_gray_level() -> None:
    rng = np.random.default_rng(0)
    films = rng.integers(0, 256, (20, 150, 150, 1), dtype=np.uint8)
    opened = open_interpreter(ModelFile.read(toy_path("int8")).flatbuffer)
    assert np.array_equal(opened.run(films)[0][:, 0], toy_logit(films, kind="int8"))


def test_float_toy_answers_to_float_error() -> None:
    opened = open_interpreter(ModelFile.read(toy_path("float32")).flatbuffer)
    rng = np.random.default_rng(0)
    films = np.concatenate([flat_films(), rng.integers(0, 256, (20, 150, 150, 1), dtype=np.uint8)])
    assert np.abs(opened.run(films)[0][:, 0] - toy_logit(films)).max() < FLOAT_TOLERANCE


@pytest.mark.parametrize(
    ("mean_gray", "state"),
    [
        (110, State.FRACTURE),
        (111, State.UNCERTAIN),
        (145, State.UNCERTAIN),
        (146, State.NO_FRACTURE),
    ],
)
def test_balanced_point_of_the_toy_turns_where_it_says(mean_gray: int, state: State) -> None:
    model = ModelFile.read(toy_path("int8"))
    radiograph = Radiograph(film(mean_gray), FileFormat.PNG, GrayMapping.STORED)
    x = preprocess(radiograph, spec=InputSpec())
    (logit,) = open_interpreter(model.flatbuffer).run(x)
    point = model.manifest.mode(None).operating_point(None)
    decision = decide(float(logit[0, 0]), temperature=1.0, operating_point=point)
    assert decision.state is state


@pytest.mark.parametrize(
    # Half an output step each, and half a gray level where int8 rounds the mean of a cell.
    ("kind", "of_map", "of_features"),
    [("tiled-float32", FLOAT_TOLERANCE, FLOAT_TOLERANCE), ("tiled-int8", 3 / 32, 2 / 64)],
)
def test_three_outputs_of_the_tiled_toy_are_what_arithmetic_gives(
    kind: str, of_map: float, of_features: float
) -> None:
    """In int8 each output has another scale and zero point: one for all would be far off."""
    model = ModelFile.read(toy_path(kind))
    rng = np.random.default_rng(0)
    films = rng.integers(0, 256, (3, 150, 150, 1), dtype=np.uint8)
    films[1, :75] //= 2
    films[2, :, :60] //= 3
    got = model.manifest.output.split(open_interpreter(model.flatbuffer).run(films))
    upper, lower = films[:, :70].mean(axis=(1, 2, 3)), films[:, 80:].mean(axis=(1, 2, 3))
    left, right = films[:, :, :70].mean(axis=(1, 2, 3)), films[:, :, 80:].mean(axis=(1, 2, 3))
    features = np.stack([upper - lower, left - right], axis=1) / 32
    logits = toy_logit(films, kind=kind.removeprefix("tiled-"))
    assert np.abs(got.logits - logits).max() < FLOAT_TOLERANCE
    assert np.abs(got.maps - toy_map(films)).max() <= of_map + 1e-6
    assert np.abs(got.features - features).max() <= of_features


@pytest.mark.parametrize("kind", TILED_KINDS)
def test_distance_of_a_toy_film_crosses_the_limit_between_contrast_45_and_46(kind: str) -> None:
    model = ModelFile.read(toy_path(kind))
    opened = open_interpreter(model.flatbuffer)
    distances = []
    for contrast in (45, 46):
        pixels = film(128, height=150, width=150, contrast=contrast)
        features = model.manifest.output.split(opened.run(pixels[None, ..., None])).features
        distances.append(np.mean(features**2))
    assert distances[0] < DISTANCE_LIMIT < distances[1]


@pytest.mark.host
@pytest.mark.parametrize("kind", [*KINDS, *TILED_KINDS])
def test_committed_toy_is_what_the_script_writes(kind: str) -> None:
    pytest.importorskip("flatbuffers")
    from make_toy_models import toy_flatbuffer

    assert ModelFile.read(FOLDER / f"toy-{kind}.tflite").flatbuffer == toy_flatbuffer(kind)

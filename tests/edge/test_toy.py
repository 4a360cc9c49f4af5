"""The toy model is what toy.py says, in every interpreter."""

import numpy as np
import pytest
from bonefx_edge.decision import State, decide
from bonefx_edge.interpreter import open_interpreter
from bonefx_edge.model_file import ModelFile, check_tensors
from bonefx_edge.preprocess import InputSpec, preprocess
from bonefx_edge.radiograph import FileFormat, GrayMapping, Radiograph
from toy import FOLDER, KINDS, film, toy_logit, toy_path

FLOAT_TOLERANCE = 1e-4
"""A float32 sum over 22,500 gray levels, in logit."""


def flat_films() -> np.ndarray:
    """Return one even film for each gray level, uint8 (256, 150, 150, 1)."""
    levels = np.arange(256, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return np.broadcast_to(levels, (256, 150, 150, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_toy_file_is_a_complete_model_file(kind: str) -> None:
    model = ModelFile.read(toy_path(kind))
    opened = open_interpreter(model.flatbuffer)
    check_tensors(model.manifest, input_=opened.input, output=opened.output)


def test_int8_toy_answers_exactly() -> None:
    opened = open_interpreter(ModelFile.read(toy_path("int8")).flatbuffer)
    films = flat_films()
    assert np.array_equal(opened.logits(films)[:, 0], toy_logit(films, kind="int8"))
    assert opened.logits(films[:1])[0, 0] == -8.0
    assert opened.logits(films[255:])[0, 0] == 7.9375


def test_int8_toy_rounds_the_mean_to_a_gray_level() -> None:
    rng = np.random.default_rng(0)
    films = rng.integers(0, 256, (20, 150, 150, 1), dtype=np.uint8)
    opened = open_interpreter(ModelFile.read(toy_path("int8")).flatbuffer)
    assert np.array_equal(opened.logits(films)[:, 0], toy_logit(films, kind="int8"))


def test_float_toy_answers_to_float_error() -> None:
    opened = open_interpreter(ModelFile.read(toy_path("float32")).flatbuffer)
    rng = np.random.default_rng(0)
    films = np.concatenate([flat_films(), rng.integers(0, 256, (20, 150, 150, 1), dtype=np.uint8)])
    assert np.abs(opened.logits(films)[:, 0] - toy_logit(films)).max() < FLOAT_TOLERANCE


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
    logit = open_interpreter(model.flatbuffer).logits(preprocess(radiograph, spec=InputSpec()))
    decision = decide(
        float(logit[0, 0]), temperature=1.0, operating_point=model.manifest.operating_point(None)
    )
    assert decision.state is state


@pytest.mark.host
@pytest.mark.parametrize("kind", KINDS)
def test_committed_toy_is_what_the_script_writes(kind: str) -> None:
    pytest.importorskip("flatbuffers")
    from make_toy_models import toy_flatbuffer

    assert ModelFile.read(FOLDER / f"toy-{kind}.tflite").flatbuffer == toy_flatbuffer(kind)

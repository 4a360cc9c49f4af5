"""One Protocol over both interpreters; numbers in and out of int8 are rounded and clipped."""

import numpy as np
import pytest
from bonefx_edge.errors import InterpreterError
from bonefx_edge.model import interpreter as module
from bonefx_edge.model.interpreter import TensorInfo, open_interpreter
from bonefx_edge.model.model_file import ModelFile
from bonefx_edge.model.runtimes import installed_runtimes
from hypothesis import given
from hypothesis import strategies as st
from toy import FUTURE, toy_logit, toy_path

INT8 = TensorInfo(shape=(1, 1), dtype="int8", scale=0.05, zero_point=-10)


def flatbuffer(kind: str) -> bytes:
    return ModelFile.read(toy_path(kind)).flatbuffer


@given(st.floats(-5.75, 6.75, width=32))
def test_quantizing_is_off_by_at_most_half_a_step_inside_the_range(x: float) -> None:
    back = INT8.dequantize(INT8.quantize(np.array([x], np.float32)))
    assert abs(back[0] - x) <= 0.05 / 2 + 1e-6


def test_quantizing_clips_and_never_wraps_around() -> None:
    far = np.array([-1000.0, 1000.0], np.float32)
    assert INT8.quantize(far).tolist() == [-128, 127]


@pytest.mark.parametrize("info", installed_runtimes(), ids=lambda i: i.name)
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_gray_levels_and_unit_floats_of_one_film_give_one_answer(info, kind: str) -> None:
    gray = np.random.default_rng(3).integers(0, 256, (4, 150, 150, 1), dtype=np.uint8)
    opened = open_interpreter(flatbuffer(kind), runtime=info.name)
    as_gray = opened.run(gray)[0]
    as_unit = opened.run((gray / 255).astype(np.float32))[0]
    assert opened.runtime == info
    assert as_gray.shape == (4, 1)
    assert np.abs(as_gray[:, 0] - toy_logit(gray, kind=kind)).max() < 1e-4
    assert np.abs(as_gray - as_unit).max() < 1e-4


@pytest.mark.parametrize("kind", ["tiled-float32", "tiled-int8"])
def test_each_output_has_a_row_a_view_and_its_own_shape(kind: str) -> None:
    opened = open_interpreter(flatbuffer(kind))
    outputs = opened.run(np.zeros((4, 150, 150, 1), np.uint8))
    assert [tensor.shape for tensor in opened.outputs] == [(1, 2), (1, 1), (1, 5, 5, 1)]
    assert [output.shape for output in outputs] == [(4, 2), (4, 1), (4, 5, 5, 1)]
    assert {output.dtype.name for output in outputs} == {"float32"}


def test_answers_do_not_depend_on_threads_or_on_the_film_before() -> None:
    gray = np.random.default_rng(4).integers(0, 256, (6, 150, 150, 1), dtype=np.uint8)
    one = open_interpreter(flatbuffer("int8"), threads=1)
    two = open_interpreter(flatbuffer("int8"), threads=2)
    alone = np.stack([one.run(film[np.newaxis])[0][0] for film in gray[::-1]])[::-1]
    assert np.array_equal(one.run(gray)[0], alone)
    assert np.array_equal(one.run(gray)[0], two.run(gray)[0])


def test_bytes_that_no_interpreter_opens_are_an_error_that_names_the_interpreter() -> None:
    name = installed_runtimes()[0].name
    with pytest.raises(InterpreterError, match=f"expected {name} .* to open the model"):
        open_interpreter(b"not a flatbuffer" * 10)


def test_an_operation_the_interpreter_does_not_know_is_an_error_with_its_words() -> None:
    with pytest.raises(InterpreterError, match=r"(?s)version.*update the interpreter"):
        open_interpreter(FUTURE.read_bytes())


def test_an_interpreter_that_is_not_installed_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(InterpreterError, match="expected the interpreter nonesuch, installed"):
        open_interpreter(flatbuffer("int8"), runtime="nonesuch")


def test_no_interpreter_at_all_is_an_error_with_the_command_that_mends_it(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InterpreterError, match="pip install ai-edge-litert"):
        open_interpreter(flatbuffer("int8"))


def test_an_interpreter_that_numpy_breaks_is_an_error_not_a_fallback(monkeypatch) -> None:
    def broken(name: str) -> None:
        raise ImportError("numpy.core.multiarray failed to import")

    monkeypatch.setattr(module.importlib, "import_module", broken)
    with pytest.raises(InterpreterError, match=r"under NumPy .*needs 'numpy<2'"):
        open_interpreter(flatbuffer("int8"))

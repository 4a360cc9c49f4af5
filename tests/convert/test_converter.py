"""Each .tflite is of its kind, by its own tensors; what its output means is known."""

import numpy as np
import pytest
from bonefx_convert.converter import _convert, _one_film
from bonefx_convert.tensors import Kind, check_kind, read_network
from bonefx_edge.errors import ParityError
from bonefx_edge.interpreter import open_interpreter
from bonefx_edge.model_file import ModelFile
from brightness import GAIN, brightness_network
from toy import toy_path

pytestmark = pytest.mark.host


def test_full_int8_holds_no_float_tensor(flatbuffers) -> None:
    dtypes = {tensor.dtype for tensor in read_network(flatbuffers[Kind.INT8]).tensors}
    assert dtypes == {"UINT8", "INT8", "INT32"}


def test_full_int8_takes_gray_levels_as_they_are(flatbuffers) -> None:
    opened = open_interpreter(flatbuffers[Kind.INT8])
    assert (opened.input.dtype, opened.input.zero_point) == ("uint8", 0)
    assert opened.input.scale == pytest.approx(1 / 255, rel=1e-6)
    assert opened.output.dtype == "int8"
    gray = np.random.default_rng(0).integers(0, 256, (3, 150, 150, 1), dtype=np.uint8)
    unit = (gray / 255).astype(np.float32)
    assert np.array_equal(opened.logits(gray), opened.logits(unit))


def test_dynamic_range_holds_int8_weights_between_float_activations(flatbuffers) -> None:
    network = read_network(flatbuffers[Kind.DYNAMIC])
    assert (network.input.dtype, network.output.dtype) == ("FLOAT32", "FLOAT32")
    assert "INT8" in {tensor.dtype for tensor in network.tensors}


def test_float32_holds_no_int8_tensor(flatbuffers) -> None:
    dtypes = {tensor.dtype for tensor in read_network(flatbuffers[Kind.FLOAT32]).tensors}
    assert dtypes == {"FLOAT32", "INT32"}


def test_networks_hold_no_operator_for_an_open_batch_size(flatbuffers) -> None:
    names = {op.split()[0] for op in read_network(flatbuffers[Kind.FLOAT32]).operators}
    assert names == {"CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED"}


@pytest.mark.parametrize(("kind", "steps"), [("float32", 0), ("dynamic", 1), ("int8", 2)])
def test_logit_is_the_one_known_by_construction(flatbuffers, kind: str, steps: int) -> None:
    """A flat film of gray g: no sigmoid, GAIN * (g / 255 - 0.5), within steps of the output."""
    levels = np.linspace(90, 165, 20).round().astype(np.uint8)
    flat = np.broadcast_to(levels.reshape(-1, 1, 1, 1), (20, 150, 150, 1))
    opened = open_interpreter(flatbuffers[Kind(kind)])
    step = open_interpreter(flatbuffers[Kind.INT8]).output.scale
    expected = GAIN * (levels / 255 - 0.5)
    assert np.abs(opened.logits(flat)[:, 0] - expected).max() <= steps * step + 1e-4


@pytest.mark.parametrize(
    ("made", "called", "why"),
    [
        ("float32", "int8", "FLOAT32"),
        ("float32", "dynamic", "expected INT8 tensors"),
        ("dynamic", "float32", "INT8"),
        ("dynamic", "int8", "FLOAT32"),
        ("int8", "float32", "UINT8"),
    ],
)
def test_a_network_of_another_kind_is_refused(flatbuffers, made, called, why) -> None:
    with pytest.raises(ParityError, match=why):
        check_kind(flatbuffers[Kind(made)], kind=Kind(called))


def test_toy_int8_passes_as_full_int8() -> None:
    check_kind(ModelFile.read(toy_path("int8")).flatbuffer, kind=Kind.INT8)


def test_an_input_step_that_changes_gray_levels_is_refused() -> None:
    dim = np.random.default_rng(0).random((20, 150, 150, 1), dtype=np.float32) * np.float32(0.9)
    flatbuffer = _convert(_one_film(brightness_network()), Kind.INT8, dim)
    with pytest.raises(ParityError, match="scale 1/255, zero point 0"):
        check_kind(flatbuffer, kind=Kind.INT8)

"""Each .tflite is of its kind, by its own tensors; what its output means is known."""

import itertools

import numpy as np
import pytest
from bonefx_convert.converter import _convert, _one_image
from bonefx_convert.flatbuffer import (
    Kind,
    Network,
    Output,
    Tensor,
    check_kind,
    find_outputs,
    parse_kinds,
    read_network,
)
from bonefx_edge.errors import UsageError
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile
from bonefx_train.errors import ParityError
from known_networks import GAIN, brightness_network
from toy import toy_path

pytestmark = pytest.mark.host


def test_full_int8_holds_no_float_tensor(flatbuffers) -> None:
    dtypes = {tensor.dtype for tensor in read_network(flatbuffers[Kind.INT8]).tensors}
    assert dtypes == {"UINT8", "INT8", "INT32"}


def test_full_int8_takes_gray_levels_as_they_are(flatbuffers) -> None:
    opened = open_interpreter(flatbuffers[Kind.INT8])
    assert (opened.input.dtype, opened.input.zero_point) == ("uint8", 0)
    assert opened.input.scale == pytest.approx(1 / 255, rel=1e-6)
    assert opened.outputs[0].dtype == "int8"
    gray = np.random.default_rng(0).integers(0, 256, (3, 150, 150, 1), dtype=np.uint8)
    unit = (gray / 255).astype(np.float32)
    assert np.array_equal(opened.run(gray)[0], opened.run(unit)[0])


def test_dynamic_range_holds_int8_weights_between_float_activations(flatbuffers) -> None:
    network = read_network(flatbuffers[Kind.DYNAMIC])
    assert (network.input.dtype, network.outputs[0].tensor.dtype) == ("FLOAT32", "FLOAT32")
    assert "INT8" in {tensor.dtype for tensor in network.tensors}


def test_float32_holds_no_int8_tensor(flatbuffers) -> None:
    dtypes = {tensor.dtype for tensor in read_network(flatbuffers[Kind.FLOAT32]).tensors}
    assert dtypes == {"FLOAT32", "INT32"}


def test_networks_hold_no_operator_for_an_open_batch_size(flatbuffers) -> None:
    names = {op.split()[0] for op in read_network(flatbuffers[Kind.FLOAT32]).operators}
    assert names == {"CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED"}


@pytest.mark.parametrize(
    ("kind", "steps"), [("float32", 0), ("float16", 0.1), ("dynamic", 1), ("int8", 2)]
)
def test_logit_is_the_one_known_by_construction(flatbuffers, kind: str, steps: int) -> None:
    """A flat image of gray g: no sigmoid, GAIN * (g / 255 - 0.5), within steps of the output."""
    levels = np.linspace(90, 165, 20).round().astype(np.uint8)
    flat = np.broadcast_to(levels.reshape(-1, 1, 1, 1), (20, 150, 150, 1))
    opened = open_interpreter(flatbuffers[Kind(kind)])
    step = open_interpreter(flatbuffers[Kind.INT8]).outputs[0].scale
    expected = GAIN * (levels / 255 - 0.5)
    assert np.abs(opened.run(flat)[0][:, 0] - expected).max() <= steps * step + 1e-4


def test_float16_holds_weights_of_half_the_size_between_float32_ends(flatbuffers) -> None:
    network = read_network(flatbuffers[Kind.FLOAT16])
    assert (network.input.dtype, network.outputs[0].tensor.dtype) == ("FLOAT32", "FLOAT32")
    assert {tensor.dtype for tensor in network.tensors} == {"FLOAT32", "FLOAT16", "INT32"}
    assert len(flatbuffers[Kind.FLOAT16]) < 0.6 * len(flatbuffers[Kind.FLOAT32])


@pytest.mark.parametrize(
    ("made", "called", "why"),
    [
        ("float32", "float16", "expected FLOAT16 tensors"),
        ("float16", "float32", "FLOAT16"),
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
    flatbuffer = _convert(_one_image(brightness_network()), Kind.INT8, dim)
    with pytest.raises(ParityError, match="scale 1/255, zero point 0"):
        check_kind(flatbuffer, kind=Kind.INT8)


def test_kinds_are_named_by_commas_and_come_in_one_order() -> None:
    assert parse_kinds(None) == ()
    assert parse_kinds("int8,float16") == (Kind.FLOAT16, Kind.INT8)
    with pytest.raises(UsageError, match="expected some of float32,float16,dynamic,int8, got 'x'"):
        parse_kinds("int8,x")


def written(outputs: list[tuple[str, tuple[int, ...]]]) -> Network:
    """Return what is read of a file with these outputs, in this order."""
    tensor = Tensor("t", "FLOAT32", 0.0, 0)
    listed = tuple(Output(name, shape, tensor) for name, shape in outputs)
    return Network((tensor,), (), 1, tensor, listed)


THREE = [("map", (1, 5, 5, 1)), ("logit", (1, 1)), ("features", (1, 32))]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_outputs_are_found_by_name_in_whatever_order_the_converter_left_them(order) -> None:
    found = find_outputs(written([THREE[i] for i in order]))
    at = {THREE[i][0]: position for position, i in enumerate(order)}
    assert (found.logit, found.map, found.features) == (at["logit"], at["map"], at["features"])


@pytest.mark.parametrize(
    "outputs",
    [
        [("logit", (1, 32)), ("features", (1, 1))],
        [("map", (1, 1)), ("logit", (1, 5, 5, 1))],
        [("", (1, 1))],
        [("features", (1, 32))],
        [("logit", (1, 1)), ("logit", (1, 1))],
    ],
    ids=["swapped", "map and logit swapped", "no name", "no logit", "twice"],
)
def test_outputs_whose_name_and_shape_disagree_are_refused(outputs) -> None:
    with pytest.raises(ParityError, match="expected logit"):
        find_outputs(written(outputs))

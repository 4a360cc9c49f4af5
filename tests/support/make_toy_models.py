"""Write the toy model files of `toy.py` into tests/toy_models; needs no TensorFlow.

Run with the packages on the path and the `dev` extra installed (flatbuffers, ai-edge-litert):

    python tests/support/make_toy_models.py
"""

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from bonefx_edge.model.model_file import write_model_file
from toy import (
    CELLS,
    FOLDER,
    FUTURE,
    GRAY_AT_ZERO,
    GRAY_PER_FEATURE,
    KINDS,
    STEP,
    TILED_KINDS,
    toy_manifest,
)

SIDE = 150
"""Pixels; height and width of the input."""
TILE = 10
"""Pixels; side of the first of the two float pools."""


def toy_flatbuffer(kind: str) -> bytes:
    """Return the .tflite bytes of the toy network: average pool over the film, one dense unit."""
    build = {
        "float32": _float_graph,
        "int8": _int8_graph,
        "future": _future_graph,
        "tiled-float32": _tiled_float_graph,
        "tiled-int8": _tiled_int8_graph,
    }[kind]
    model = schema.ModelT()
    model.version = 3
    model.description = f"bonefx toy, {kind}"
    model.buffers = [schema.BufferT()]
    model.operatorCodes = []
    model.subgraphs = [build(model)]
    builder = flatbuffers.Builder(2048)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _float_graph(model: schema.ModelT) -> schema.SubGraphT:
    f32 = schema.TensorType.FLOAT32
    gain = np.full((1, 1), 255 * STEP, np.float32)
    offset = np.full(1, -GRAY_AT_ZERO * STEP, np.float32)
    tensors = [
        _tensor(model, "film", f32, (1, SIDE, SIDE, 1)),
        _tensor(model, "means", f32, (1, SIDE // TILE, SIDE // TILE, 1)),
        _tensor(model, "mean", f32, (1, 1, 1, 1)),
        _tensor(model, "gain", f32, (1, 1), data=gain),
        _tensor(model, "offset", f32, (1,), data=offset),
        _tensor(model, "logit", f32, (1, 1)),
    ]
    # Two pools: one float32 sum over 22,500 pixels is off by up to 1e-3 in the logit.
    operators = [
        _pool(model, 0, 1, side=TILE, version=1),
        _pool(model, 1, 2, side=SIDE // TILE, version=1),
        _dense(model, (2, 3, 4), 5, version=1),
    ]
    return _graph(tensors, operators)


def _future_graph(model: schema.ModelT) -> schema.SubGraphT:
    graph = _float_graph(model)
    model.operatorCodes[-1].version = 99  # no interpreter has it
    return graph


def _int8_graph(model: schema.ModelT) -> schema.SubGraphT:
    i8 = schema.TensorType.INT8
    gain_scale = 255 * STEP / 127
    tensors = [
        _tensor(model, "film", schema.TensorType.UINT8, (1, SIDE, SIDE, 1), scale=1 / 255),
        _tensor(model, "gray", i8, (1, SIDE, SIDE, 1), scale=1 / 255, zero_point=-128),
        _tensor(model, "mean", i8, (1, 1, 1, 1), scale=1 / 255, zero_point=-128),
        _tensor(model, "gain", i8, (1, 1), scale=gain_scale, data=np.full((1, 1), 127, np.int8)),
        # acc = 127 * (mean + 128) + offset = 127 * mean, then / 127: the output is `mean` itself.
        _tensor(
            model,
            "offset",
            schema.TensorType.INT32,
            (1,),
            scale=gain_scale / 255,
            data=np.full(1, -GRAY_AT_ZERO * 127, np.int32),
        ),
        _tensor(model, "logit", i8, (1, 1), scale=STEP),
    ]
    operators = [
        _quantize(model, 0, 1),
        _pool(model, 1, 2, side=SIDE, version=2),
        _dense(model, (2, 3, 4), 5, version=4),
    ]
    return _graph(tensors, operators)


def _sides() -> np.ndarray:
    """Return (2, 225): upper less lower, left less right 7 of 15 rows and columns of the pool."""
    halves = np.sign(SIDE // TILE // 2 - np.arange(SIDE // TILE))
    return np.stack([np.repeat(halves, SIDE // TILE), np.tile(halves, SIDE // TILE)])


GAIN_PER_CELL = 255 / GRAY_PER_FEATURE / 105
"""Of the 225 cells of the pool, 105 lie on each side of the middle."""


def _tiled_float_graph(model: schema.ModelT) -> schema.SubGraphT:
    f32 = schema.TensorType.FLOAT32
    graph = _float_graph(model)
    n = len(graph.tensors)
    gain = np.full((1, 1, 1, 1), -255 * STEP, np.float32)
    graph.tensors += [
        _tensor(model, "cells", f32, (1, CELLS, CELLS, 1)),
        _tensor(model, "cell gain", f32, (1, 1, 1, 1), data=gain),
        _tensor(model, "cell offset", f32, (1,), data=np.full(1, GRAY_AT_ZERO * STEP, np.float32)),
        _tensor(model, "map", f32, (1, CELLS, CELLS, 1)),
        _tensor(model, "sides", f32, (2, 225), data=(_sides() * GAIN_PER_CELL).astype(np.float32)),
        _tensor(model, "no offset", f32, (2,), data=np.zeros(2, np.float32)),
        _tensor(model, "features", f32, (1, 2)),
    ]
    graph.operators += [
        _pool(model, 0, n, side=SIDE // CELLS, version=1),
        _convolve(model, (n, n + 1, n + 2), n + 3, version=1),
        _dense(model, (1, n + 4, n + 5), n + 6, version=1),
    ]
    graph.outputs = [n + 6, n - 1, n + 3]
    return graph


def _tiled_int8_graph(model: schema.ModelT) -> schema.SubGraphT:
    i8, i32 = schema.TensorType.INT8, schema.TensorType.INT32
    graph = _int8_graph(model)
    n = len(graph.tensors)
    gray = {"scale": 1 / 255, "zero_point": -128}
    gain, side_gain = 255 * STEP / 127, GAIN_PER_CELL
    filters = np.full((1, 1, 1, 1), -127, np.int8)
    # acc = -127 * (cell + 128) + offset = -127 * cell, which is 0 for mean gray 128.
    offset = np.full(1, GRAY_AT_ZERO * 127, np.int32)
    graph.tensors += [
        _tensor(model, "cells", i8, (1, CELLS, CELLS, 1), **gray),
        _tensor(model, "cell gain", i8, (1, 1, 1, 1), scale=gain, data=filters),
        _tensor(model, "cell offset", i32, (1,), scale=gain / 255, data=offset),
        _tensor(model, "map", i8, (1, CELLS, CELLS, 1), scale=2 * STEP, zero_point=-5),
        _tensor(model, "means", i8, (1, SIDE // TILE, SIDE // TILE, 1), **gray),
        _tensor(model, "sides", i8, (2, 225), scale=side_gain, data=_sides().astype(np.int8)),
        _tensor(model, "none", i32, (2,), scale=side_gain / 255, data=np.zeros(2, np.int32)),
        _tensor(model, "features", i8, (1, 2), scale=1 / GRAY_PER_FEATURE, zero_point=3),
    ]
    graph.operators += [
        _pool(model, 1, n, side=SIDE // CELLS, version=2),
        _convolve(model, (n, n + 1, n + 2), n + 3, version=3),
        _pool(model, 1, n + 4, side=TILE, version=2),
        _dense(model, (n + 4, n + 5, n + 6), n + 7, version=4),
    ]
    graph.outputs = [n + 7, n - 1, n + 3]
    return graph


def _graph(tensors: list[schema.TensorT], operators: list[schema.OperatorT]) -> schema.SubGraphT:
    graph = schema.SubGraphT()
    graph.tensors = tensors
    graph.inputs = [0]
    graph.outputs = [len(tensors) - 1]
    graph.operators = operators
    return graph


def _tensor(model, name, dtype, shape, *, data=None, scale=None, zero_point=0) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name = name
    tensor.type = dtype
    tensor.shape = list(shape)
    if data is None:
        tensor.buffer = 0
    else:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        model.buffers.append(buffer)
        tensor.buffer = len(model.buffers) - 1
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [scale]
        tensor.quantization.zeroPoint = [zero_point]
    return tensor


def _operator(model, code, inputs, output, *, version, options=None) -> schema.OperatorT:
    entry = schema.OperatorCodeT()
    entry.builtinCode = code
    entry.deprecatedBuiltinCode = code
    entry.version = version
    model.operatorCodes.append(entry)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs = list(inputs)
    operator.outputs = [output]
    if options is not None:
        operator.builtinOptionsType, operator.builtinOptions = options
    return operator


def _pool(model, source, target, *, side, version) -> schema.OperatorT:
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = side
    options.filterHeight = options.filterWidth = side
    pair = (schema.BuiltinOptions.Pool2DOptions, options)
    code = schema.BuiltinOperator.AVERAGE_POOL_2D
    return _operator(model, code, (source,), target, version=version, options=pair)


def _convolve(model, inputs, target, *, version) -> schema.OperatorT:
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    pair = (schema.BuiltinOptions.Conv2DOptions, options)
    code = schema.BuiltinOperator.CONV_2D
    return _operator(model, code, inputs, target, version=version, options=pair)


def _dense(model, inputs, target, *, version) -> schema.OperatorT:
    pair = (schema.BuiltinOptions.FullyConnectedOptions, schema.FullyConnectedOptionsT())
    code = schema.BuiltinOperator.FULLY_CONNECTED
    return _operator(model, code, inputs, target, version=version, options=pair)


def _quantize(model, source, target) -> schema.OperatorT:
    return _operator(model, schema.BuiltinOperator.QUANTIZE, (source,), target, version=1)


def main(folder: Path = FOLDER) -> None:
    """Write the model files of all kinds, and a network that no interpreter opens."""
    folder.mkdir(exist_ok=True)
    for kind in (*KINDS, *TILED_KINDS):
        flatbuffer = toy_flatbuffer(kind)
        manifest = toy_manifest(kind, flatbuffer=flatbuffer)
        write_model_file(folder / f"toy-{kind}.tflite", flatbuffer=flatbuffer, manifest=manifest)
    FUTURE.write_bytes(toy_flatbuffer("future"))


if __name__ == "__main__":
    main()

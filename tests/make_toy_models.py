"""Write the toy model files of `toy.py` into tests/toy_models; needs no TensorFlow.

Run with the packages on the path and the `dev` extra installed (flatbuffers, ai-edge-litert):

    python tests/make_toy_models.py
"""

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from bonefx_edge.model_file import write_model_file
from toy import FOLDER, FUTURE, GRAY_AT_ZERO, KINDS, STEP, toy_manifest

SIDE = 150
"""Pixels; height and width of the input."""
TILE = 10
"""Pixels; side of the first of the two float pools."""


def toy_flatbuffer(kind: str) -> bytes:
    """Return the .tflite bytes of the toy network: average pool over the film, one dense unit."""
    build = {"float32": _float_graph, "int8": _int8_graph, "future": _future_graph}[kind]
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


def _dense(model, inputs, target, *, version) -> schema.OperatorT:
    pair = (schema.BuiltinOptions.FullyConnectedOptions, schema.FullyConnectedOptionsT())
    code = schema.BuiltinOperator.FULLY_CONNECTED
    return _operator(model, code, inputs, target, version=version, options=pair)


def _quantize(model, source, target) -> schema.OperatorT:
    return _operator(model, schema.BuiltinOperator.QUANTIZE, (source,), target, version=1)


def main(folder: Path = FOLDER) -> None:
    """Write the model files of both kinds, and a network that no interpreter opens."""
    folder.mkdir(exist_ok=True)
    for kind in KINDS:
        flatbuffer = toy_flatbuffer(kind)
        manifest = toy_manifest(kind, flatbuffer=flatbuffer)
        write_model_file(folder / f"toy-{kind}.tflite", flatbuffer=flatbuffer, manifest=manifest)
    FUTURE.write_bytes(toy_flatbuffer("future"))


if __name__ == "__main__":
    main()

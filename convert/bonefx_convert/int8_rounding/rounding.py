"""Round the weights of an int8 network so that each layer comes out as in the float network.

TFLite's converter rounds each weight to its nearest step. Two things are better. The error of one
weight can be made up by the weights that are rounded after it (Frantar et al., "GPTQ", ICLR 2023,
arXiv:2210.17323). What then is left of the mean error of a channel is taken off its bias (Nagel et
al., "Data-free quantization through weight equalization and bias correction", ICCV 2019,
arXiv:1906.04721). Steps, sizes and operators stay as they are, and so does the time of a pass:
docs/decisions/0046-int8-rounding.md.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from bonefx_train.progress import track
from numpy.typing import NDArray

from bonefx_convert.int8_rounding.layer_windows import (
    CONVOLUTION,
    DENSE,
    DEPTHWISE,
    Doubles,
    LayersDifferError,
    from_groups,
    group,
    to_groups,
    windows,
)

INPUTS: Final = 48
"""Network inputs that suffice: the smallest maps have 25 places in each."""
PLACES: Final = 400
"""Of a layer's map, drawn in each input: neighbors are alike and add little."""
DAMPING: Final = 0.01
"""Share of the mean square of a layer's inputs that is added to each: inputs that are always 0
would make the system singular."""
MOST_TOGETHER: Final = 4096
"""Weights of an output that are rounded together: their products take the square of it, 134 MB. A
dense layer behind a flattened map may have 180,000, and keeps the nearest steps."""
LARGEST: Final = 127
"""Largest int8 weight: TFLite's weights are symmetric."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """An operator with weights of the first graph of a .tflite."""

    operator: Any
    """Of flatbuffers' object tree."""
    position: int
    """Among the operators."""
    kind: str
    input: int
    """Index of the tensor; so are the next ones."""
    weights: int
    """(out, rows, columns, in), depthwise (1, rows, columns, out), dense (out, in)."""
    bias: int | None
    output: int


@dataclass(frozen=True, slots=True)
class _Original:
    """A layer of the float network."""

    weights: Doubles
    bias: Doubles | None
    maps: list[NDArray[np.float16]]
    """What goes in, for each network input."""


def round_int8(int8: bytes, *, original: bytes, x: NDArray[np.uint8]) -> bytes:
    """Return the int8 network with its weights and biases set anew.

    Parameters
    ----------
    int8
        The .tflite of a full-int8 network that reads uint8.
    original
        The .tflite of the same network as float32 or float16, which reads gray levels / 255.
    x
        (n, height, width, channels), n >= 1, inputs of the train split as the device cuts them;
        `INPUTS` of them are drawn.

    Raises
    ------
    LayersDifferError
        If the two do not have the same layers in the same order, or filters are dilated.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(int8, 0)
    wanted, found = _shapes(schema.ModelT.InitFromPackedBuf(original, 0)), _shapes(model)
    if wanted != found:
        msg = f"expected layers with weights of the shapes {wanted}, got {found}"
        raise LayersDifferError(msg)
    x = x[np.random.default_rng(0).permutation(len(x))[:INPUTS]]
    pairs = list(zip(_layers(model), _run_original(original, x), strict=True))
    for layer, of_original in track(pairs, label="rounding the layers of int8"):
        _round_layer(model, layer, of_original, x)
    return _pack(model)


def _layers(model: Any) -> list[_Layer]:
    """Return the operators with weights, in the order of the file."""
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    graph = model.subgraphs[0]
    found = []
    for position, operator in enumerate(graph.operators):
        code = model.operatorCodes[operator.opcodeIndex]
        kind = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind not in (CONVOLUTION, DEPTHWISE, DENSE):
            continue
        image, weights, *rest = (int(index) for index in operator.inputs)
        bias = rest[0] if rest and rest[0] >= 0 else None
        output = int(operator.outputs[0])
        found.append(_Layer(operator, position, kind, image, weights, bias, output))
    return found


def _shapes(model: Any) -> list[tuple[int, ...]]:
    tensors = model.subgraphs[0].tensors
    return [tuple(map(int, tensors[layer.weights].shape)) for layer in _layers(model)]


def _run_original(original: bytes, x: NDArray[np.uint8]) -> list[_Original]:
    from ai_edge_litert import schema_py_generated as schema

    layers = _layers(schema.ModelT.InitFromPackedBuf(original, 0))
    interpreter = _open(original)
    maps: list[list[NDArray[np.float16]]] = [[] for _ in layers]
    for image in x:
        _run(interpreter, image.astype(np.float32) / 255)
        for of_layer, layer in zip(maps, layers, strict=True):
            of_layer.append(interpreter.get_tensor(layer.input).astype(np.float16))

    def read(index: int) -> Doubles:
        """After a run: weights stored as float16 are tensors that an operator writes."""
        return np.asarray(interpreter.get_tensor(index), np.float64)

    return [
        _Original(read(layer.weights), None if layer.bias is None else read(layer.bias), of_layer)
        for layer, of_layer in zip(layers, maps, strict=True)
    ]


def _round_layer(model: Any, layer: _Layer, original: _Original, x: NDArray[np.uint8]) -> None:
    """Set weights and bias of one layer; those of the layers before it are set."""
    graph = model.subgraphs[0]
    products, mean, original_mean = _gather(model, layer, original, x)
    tensor = graph.tensors[layer.weights]
    weights = to_groups(original.weights, layer.kind)
    outputs = weights.shape[0] * weights.shape[1]
    steps = np.broadcast_to(np.asarray(tensor.quantization.scale, np.float64), (outputs,))
    steps = steps.reshape(weights.shape[:2])
    rounded = round_weights(weights, products, steps)
    _store(model, tensor, from_groups(rounded, layer.kind, original.weights.shape))
    if layer.bias is None or original.bias is None:
        return
    wanted = np.einsum("gok,gk->go", weights, original_mean)
    given = np.einsum("gok,gk->go", rounded * steps[..., np.newaxis], mean)
    bias = original.bias + (wanted - given).ravel()
    step = graph.tensors[layer.input].quantization.scale[0] * steps.ravel()
    _store(model, graph.tensors[layer.bias], np.round(bias / step).astype(np.int32))


def round_weights(weights: Doubles, products: Doubles | None, steps: Doubles) -> NDArray[np.int8]:
    """Return weights in steps, rounded one after the other, the error of each made up by the next.

    An output for which the nearest steps leave less error keeps those: rounding one after the
    other is greedy, and may be led astray.

    Parameters
    ----------
    weights
        (groups, outputs, k).
    products
        (groups, k, k): sums over places of the products of two inputs; None: the nearest steps.
    steps
        (groups, outputs), > 0.
    """
    k = weights.shape[-1]
    nearest = np.clip(np.round(weights / steps[..., np.newaxis]), -LARGEST, LARGEST)
    if products is None:
        return nearest.astype(np.int8)
    damped = DAMPING * np.trace(products, axis1=1, axis2=2) / k + 1e-12
    inverse = np.linalg.inv(products + damped[:, np.newaxis, np.newaxis] * np.eye(k))
    # inverse = upper' upper: row j says how the weights from j on make up for an error of j.
    upper = np.linalg.cholesky(inverse).transpose(0, 2, 1)
    left = weights.copy()
    rounded = np.empty(weights.shape, np.int8)
    for j in range(k):
        whole = np.clip(np.round(left[:, :, j] / steps), -LARGEST, LARGEST)
        rounded[:, :, j] = whole
        error = (left[:, :, j] - whole * steps) / upper[:, j, j, np.newaxis]
        left[:, :, j + 1 :] -= error[:, :, np.newaxis] * upper[:, np.newaxis, j, j + 1 :]
    errors = [
        np.einsum("gok,gkl,gol->go", off, products, off, optimize=True)
        for off in (weights - whole * steps[..., np.newaxis] for whole in (rounded, nearest))
    ]
    return np.where((errors[0] < errors[1])[..., np.newaxis], rounded, nearest).astype(np.int8)


def _gather(
    model: Any, layer: _Layer, original: _Original, x: NDArray[np.uint8]
) -> tuple[Doubles | None, Doubles, Doubles]:
    """Return what goes into a layer of the int8 network, and its mean in the float one.

    Products (groups, k, k), None where k is above `MOST_TOGETHER`; mean (groups, k); and the float
    network's mean (groups, k); over places. A depthwise layer has a group of k = rows * columns for
    each channel, others have one.
    """
    graph = model.subgraphs[0]
    quantization = graph.tensors[layer.input].quantization
    step, zero = quantization.scale[0], quantization.zeroPoint[0]
    interpreter = _open(_up_to(model, layer))
    rng = np.random.default_rng(0)
    shape = tuple(graph.tensors[layer.weights].shape)
    together = math.prod(shape[1:3] if layer.kind == DEPTHWISE else shape[1:]) <= MOST_TOGETHER
    products, mean, original_mean, places = 0.0, 0.0, 0.0, 0
    for image, of_original in zip(x, original.maps, strict=True):
        _run(interpreter, image)
        own = (interpreter.get_tensor(layer.input).astype(np.float64) - zero) * step
        seen = windows(own, layer.kind, layer.operator.builtinOptions, shape)
        chosen = rng.permutation(len(seen))[:PLACES]
        grouped = group(seen[chosen], layer.kind)
        if together:
            products = products + np.einsum("gnk,gnl->gkl", grouped, grouped, optimize=True)
        mean = mean + grouped.sum(axis=1)
        whole = of_original.astype(np.float64)
        theirs = windows(whole, layer.kind, layer.operator.builtinOptions, shape)[chosen]
        original_mean = original_mean + group(theirs, layer.kind).sum(axis=1)
        places += len(chosen)
    found = np.asarray(products) if together else None
    return found, np.asarray(mean) / places, np.asarray(original_mean) / places


def _store(model: Any, tensor: Any, values: NDArray[Any]) -> None:
    model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)


def _up_to(model: Any, layer: _Layer) -> bytes:
    """Return the network that ends with that layer."""
    graph = model.subgraphs[0]
    kept = graph.operators, graph.outputs, model.signatureDefs
    graph.operators, graph.outputs = kept[0][: layer.position + 1], [layer.output]
    model.signatureDefs = None
    try:
        return _pack(model)
    finally:
        graph.operators, graph.outputs, model.signatureDefs = kept


def _pack(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _open(flatbuffer: bytes) -> Any:
    """Return an interpreter that keeps what lies between the layers."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=flatbuffer,
        experimental_preserve_all_tensors=True,
        # A delegate such as XNNPACK keeps its tensors to itself.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def _run(interpreter: Any, image: NDArray[Any]) -> None:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
    interpreter.invoke()

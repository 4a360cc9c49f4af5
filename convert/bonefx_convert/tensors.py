"""Read number formats and operators from the .tflite itself, and refuse what it must not hold."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bonefx_edge.errors import ParityError


class Kind(StrEnum):
    """The three .tflite kinds."""

    FLOAT32 = "float32"
    """Every number float32."""
    DYNAMIC = "dynamic"
    """Dynamic-range: int8 weights, float32 activations, input and output."""
    INT8 = "int8"
    """Full-int8: gray levels in as uint8, logit out as int8, no float number inside."""


ALLOWED_TYPES: Final = {
    Kind.FLOAT32: frozenset({"FLOAT32", "INT32"}),
    Kind.DYNAMIC: frozenset({"FLOAT32", "INT8", "INT32"}),
    Kind.INT8: frozenset({"UINT8", "INT8", "INT32"}),
}
"""Tensor types a kind may hold. INT32: biases and shapes. Never RESOURCE: weights not frozen."""
REQUIRED_TYPE: Final = {Kind.FLOAT32: "FLOAT32", Kind.DYNAMIC: "INT8", Kind.INT8: "INT8"}
"""Without one of these the converter has silently made another kind (pitfall 31)."""
GRAY_SCALE: Final = 1 / 255
"""Input step of a full-int8 network with which a gray level goes in as it is."""
GRAY_SCALE_TOLERANCE: Final = 1e-6
"""Relative: the scale is stored as float32, whose step is 6e-8 relative."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a network, as the .tflite states it."""

    name: str
    dtype: str
    """TFLite name: FLOAT32, INT8, UINT8, INT32, RESOURCE, …"""
    scale: float
    """Step of the first channel; 0 where there is none."""
    zero_point: int


@dataclass(frozen=True, slots=True)
class Network:
    """What a .tflite holds."""

    tensors: tuple[Tensor, ...]
    """All of them, of all subgraphs."""
    operators: tuple[str, ...]
    """Name and version, such as "FULLY_CONNECTED 12"; old runtimes lack the high versions."""
    input: Tensor
    output: Tensor


def read_network(flatbuffer: bytes) -> Network:
    """Return tensors and operators of a .tflite."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(flatbuffer, 0)
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    types = _names_by_value(schema.TensorType)
    codes = _names_by_value(schema.BuiltinOperator)
    opcodes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    main = graphs[0]
    return Network(
        tensors=tuple(
            _tensor(graph.Tensors(i), types)
            for graph in graphs
            for i in range(graph.TensorsLength())
        ),
        operators=tuple(f"{codes[code.BuiltinCode()]} {code.Version()}" for code in opcodes),
        input=_tensor(main.Tensors(main.Inputs(0)), types),
        output=_tensor(main.Tensors(main.Outputs(0)), types),
    )


def check_kind(flatbuffer: bytes, *, kind: Kind) -> None:
    """Return if every tensor of the network has a number format that its kind may hold.

    Raises
    ------
    ParityError
        Names the tensors that do not, or the input step that changes gray levels.
    """
    network = read_network(flatbuffer)
    odd = [t for t in network.tensors if t.dtype not in ALLOWED_TYPES[kind]]
    if odd:
        listed = ", ".join(f"{t.name} ({t.dtype})" for t in odd[:5])
        msg = (
            f"{kind}: expected only {', '.join(sorted(ALLOWED_TYPES[kind]))} tensors, got "
            f"{len(odd)} others: {listed}; use layers that TFLite has in int8"
        )
        raise ParityError(msg)
    found = Counter(t.dtype for t in network.tensors)
    if not found[REQUIRED_TYPE[kind]]:
        msg = (
            f"{kind}: expected {REQUIRED_TYPE[kind]} tensors, got {dict(found)}; nothing to convert"
        )
        raise ParityError(msg)
    if kind is Kind.INT8:
        _check_gray_levels_untouched(network)


def _check_gray_levels_untouched(network: Network) -> None:
    film, logit = network.input, network.output
    exact = abs(film.scale / GRAY_SCALE - 1) < GRAY_SCALE_TOLERANCE and film.zero_point == 0
    if film.dtype != "UINT8" or not exact or logit.dtype != "INT8":
        msg = (
            "int8: expected a UINT8 input of scale 1/255, zero point 0, and an INT8 output, got "
            f"{film.dtype} of scale {film.scale:.8f}, zero point {film.zero_point}, and "
            f"{logit.dtype}; the representative data set must reach from 0 to 1"
        )
        raise ParityError(msg)


def _tensor(tensor: Any, types: dict[int, str]) -> Tensor:
    steps = tensor.Quantization()
    has_step = steps is not None and steps.ScaleLength() > 0
    return Tensor(
        name=tensor.Name().decode() if tensor.Name() else "",
        dtype=types[tensor.Type()],
        scale=float(steps.Scale(0)) if has_step else 0.0,
        zero_point=int(steps.ZeroPoint(0)) if has_step else 0,
    )


def _names_by_value(enum: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}

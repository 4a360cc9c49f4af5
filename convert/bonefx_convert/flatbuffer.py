"""Read number formats and operators from the .tflite itself, and refuse what it must not hold."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bonefx_edge.errors import UsageError
from bonefx_edge.inference.decision import NOT_BROKEN
from bonefx_edge.model.manifest import OutputSpec
from bonefx_train.errors import ParityError
from bonefx_train.networks.lite0 import FEATURES_NAME, MAP_NAME
from bonefx_train.networks.registry import LOGIT_NAME


class Kind(StrEnum):
    """The .tflite kinds."""

    FLOAT32 = "float32"
    """Every number float32."""
    FLOAT16 = "float16"
    """Weights stored as float16, half the size; float32 activations, input and output."""
    DYNAMIC = "dynamic"
    """Dynamic-range: int8 weights, float32 activations, input and output."""
    INT8 = "int8"
    """Full-int8: gray levels in as uint8, logit out as int8, no float number inside."""


def parse_kinds(text: str | None) -> tuple[Kind, ...]:
    """Return the kinds that "int8,float16" names, each once, in the order of `Kind`.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    names = [] if text is None else text.split(",")
    known = [kind.value for kind in Kind]
    if odd := [name for name in names if name not in known]:
        msg = f"--kinds: expected some of {','.join(known)}, got {odd[0]!r}; separate by commas"
        raise UsageError(msg)
    return tuple(kind for kind in Kind if kind in names)


ALLOWED_TYPES: Final = {
    Kind.FLOAT32: frozenset({"FLOAT32", "INT32"}),
    Kind.FLOAT16: frozenset({"FLOAT32", "FLOAT16", "INT32"}),
    Kind.DYNAMIC: frozenset({"FLOAT32", "INT8", "INT32"}),
    Kind.INT8: frozenset({"UINT8", "INT8", "INT32"}),
}
"""Tensor types a kind may hold. INT32: biases and shapes. Never RESOURCE: weights not frozen."""
REQUIRED_TYPE: Final = {
    Kind.FLOAT32: "FLOAT32",
    Kind.FLOAT16: "FLOAT16",
    Kind.DYNAMIC: "INT8",
    Kind.INT8: "INT8",
}
"""Without one of these the converter has made another kind, without an error."""
WITH_WEIGHTS: Final = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL"}
)
"""Operators of layers that have weights."""
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
class Output:
    """One output of a network."""

    name: str
    """As the Keras model called it: logit, map or features."""
    shape: tuple[int, ...]
    tensor: Tensor


@dataclass(frozen=True, slots=True)
class Network:
    """What a .tflite holds."""

    tensors: tuple[Tensor, ...]
    """All of them, of all subgraphs."""
    operators: tuple[str, ...]
    """Name and version, such as "FULLY_CONNECTED 12"; old runtimes lack the high versions."""
    depth: int
    """Layers that have weights, at least 1: what `Tolerances.of_depth` takes."""
    input: Tensor
    outputs: tuple[Output, ...]
    """In the order in which an interpreter lists them."""


def read_network(flatbuffer: bytes) -> Network:
    """Return tensors and operators of a .tflite."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(flatbuffer, 0)
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    types = _names_by_value(schema.TensorType)
    codes = _names_by_value(schema.BuiltinOperator)
    opcodes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    main = graphs[0]
    used = [main.Operators(i).OpcodeIndex() for i in range(main.OperatorsLength())]
    weighted = [index for index in used if codes[opcodes[index].BuiltinCode()] in WITH_WEIGHTS]
    return Network(
        tensors=tuple(
            _tensor(graph.Tensors(i), types)
            for graph in graphs
            for i in range(graph.TensorsLength())
        ),
        operators=tuple(f"{codes[code.BuiltinCode()]} {code.Version()}" for code in opcodes),
        depth=max(1, len(weighted)),
        input=_tensor(main.Tensors(main.Inputs(0)), types),
        outputs=_outputs(model, types),
    )


def find_outputs(network: Network) -> OutputSpec:
    """Return where each output lies: by its name in the file, checked by its shape.

    The converter puts them in any order (features, logit and map came out as map, logit,
    features); only the signature in the file says which is which.

    Raises
    ------
    ParityError
        For an unknown or absent name, or a shape that does not go with it.
    """
    found = {
        output.name: (position, output.shape) for position, output in enumerate(network.outputs)
    }
    listed = ", ".join(f"{output.name} {output.shape}" for output in network.outputs)
    fits = [match_shape(output.name, output.shape) for output in network.outputs]
    if LOGIT_NAME not in found or not all(fits) or len(found) != len(network.outputs):
        msg = (
            "outputs: expected logit (1, 1), and map (1, rows, columns, 1) and features (1, k) or "
            f"neither, got {listed}; this is a bug, report it"
        )
        raise ParityError(msg)
    where = {name: position for name, (position, _) in found.items()}
    return OutputSpec(
        logit=where[LOGIT_NAME],
        map=where.get(MAP_NAME),
        features=where.get(FEATURES_NAME),
        quantity="logit",
        high_means_class=NOT_BROKEN,
    )


def match_shape(name: str, shape: tuple[int, ...]) -> bool:
    """Return whether an output of that name may have that shape."""
    match name, shape:
        case ("logit", (1, 1)) | ("map", (1, _, _, 1)) | ("features", (1, _)):
            return True
    return False


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
    image, outputs = network.input, {output.tensor.dtype for output in network.outputs}
    exact = abs(image.scale / GRAY_SCALE - 1) < GRAY_SCALE_TOLERANCE and image.zero_point == 0
    if image.dtype != "UINT8" or not exact or outputs != {"INT8"}:
        msg = (
            "int8: expected a UINT8 input of scale 1/255, zero point 0, and INT8 outputs, got "
            f"{image.dtype} of scale {image.scale:.8f}, zero point {image.zero_point}, and "
            f"{', '.join(outputs)}; the representative data set must reach from 0 to 1"
        )
        raise ParityError(msg)


def _outputs(model: Any, types: dict[int, str]) -> tuple[Output, ...]:
    """Return the outputs in the order of the main graph, named by its signature."""
    main = model.Subgraphs(0)
    names = {}
    if model.SignatureDefsLength():
        signature = model.SignatureDefs(0)
        listed = [signature.Outputs(i) for i in range(signature.OutputsLength())]
        names = {output.TensorIndex(): output.Name().decode() for output in listed}
    indices = [main.Outputs(i) for i in range(main.OutputsLength())]
    return tuple(
        Output(
            name=names.get(index, ""),
            shape=tuple(int(side) for side in main.Tensors(index).ShapeAsNumpy()),
            tensor=_tensor(main.Tensors(index), types),
        )
        for index in indices
    )


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

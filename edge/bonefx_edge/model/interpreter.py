"""Run a .tflite with whichever interpreter is installed: the only module that imports one."""

import importlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.errors import InterpreterError
from bonefx_edge.model.native_log import LITERT_INFORMATION, without_lines
from bonefx_edge.model.runtimes import RuntimeInfo, installed_names

MIN_SPEEDUP: Final = 1.1
"""More threads must be at least this many times faster: the cores they use are taken from
others."""
TIMED_PASSES: Final = 7
"""Their median is used, so that a short disturbance does not decide. An odd number."""
_GRAY: Final = 90
"""Of the timed input; the time does not depend on it."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Shape and number format of one tensor, as the .tflite states them."""

    shape: tuple[int, ...]
    dtype: str
    """numpy name: float32, uint8 or int8."""
    scale: float
    """Quantization step; 0 for float tensors."""
    zero_point: int

    def quantize(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return float numbers as this tensor stores them: round to nearest, then clip.

        `astype` alone would wrap around: 256 would become 0.
        """
        limits = np.iinfo(self.dtype)
        steps = np.rint(x / self.scale) + self.zero_point
        stored: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        return stored

    def dequantize(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return stored numbers as float32."""
        if self.scale == 0.0:
            return stored.astype(np.float32)
        return ((stored.astype(np.float32) - self.zero_point) * self.scale).astype(np.float32)


class Interpreter(Protocol):
    """One opened network. Not for use by two threads at once."""

    runtime: RuntimeInfo
    threads: int
    """That it was opened with."""
    input: TensorInfo
    outputs: tuple[TensorInfo, ...]
    """In the interpreter's own order, which is that of the .tflite."""

    def run(self, x: NDArray[np.float32] | NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Return each output for n inputs, float32 (n, *shape[1:]).

        Parameters
        ----------
        x
            (n, height, width, 1), n >= 1, float32 in [0, 1] or uint8 in [0, 255]. What the
            network's input tensor takes (float32, uint8 or int8) is made of it here.
        """
        ...


def open_interpreter(
    flatbuffer: bytes, *, threads: int = 1, runtime: str | None = None
) -> Interpreter:
    """Return the network in `flatbuffer`, ready to run.

    Parameters
    ----------
    flatbuffer
        A .tflite. Its integrity must have been checked: interpreters trust it blindly.
    threads
        >= 1. `autotune_threads` measures whether more than one is faster.
    runtime
        One of `runtimes.RUNTIMES`; None takes the first that is installed.

    Raises
    ------
    InterpreterError
        No interpreter is installed, or this one cannot run the network.
    """
    module = import_runtime(runtime)
    name = module.__name__.partition(".")[0]
    info = RuntimeInfo(name=name, version=str(sys.modules[name].__version__))
    try:
        with without_lines(LITERT_INFORMATION):
            engine = module.Interpreter(model_content=flatbuffer, num_threads=threads)
            engine.allocate_tensors()
    except (ValueError, RuntimeError) as err:
        msg = (
            f"expected {info.name} {info.version} to open the model, error: {err}; "
            "update the interpreter, or use a model file whose manifest lists this one"
        )
        raise InterpreterError(msg) from err
    return _TfliteInterpreter(engine, info, threads)


def autotune_threads(
    first: Interpreter, flatbuffer: bytes, *, threads: Sequence[int]
) -> Interpreter:
    """Return `first`, or the same network with more threads where that is faster.

    Each of `threads`, ascending, is timed on this device: one warm-up and `TIMED_PASSES` passes.

    Raises
    ------
    InterpreterError
        As `open_interpreter`.
    """
    best, least_s = first, time_inference(first) if threads else 0.0
    for number in threads:
        other = open_interpreter(flatbuffer, threads=number, runtime=first.runtime.name)
        took_s = time_inference(other)
        if took_s * MIN_SPEEDUP <= least_s:
            best, least_s = other, took_s
    return best


def time_inference(interpreter: Interpreter) -> float:
    """Return the median time of one inference in seconds, after one warm-up."""
    x = np.full((1, *interpreter.input.shape[1:]), _GRAY, np.uint8)
    interpreter.run(x)
    times = []
    for _ in range(TIMED_PASSES):
        began = time.perf_counter()
        interpreter.run(x)
        times.append(time.perf_counter() - began)
    return sorted(times)[TIMED_PASSES // 2]


def import_runtime(name: str | None) -> Any:
    """Return the interpreter module `name`, None for the first that is installed.

    Raises
    ------
    InterpreterError
        It is not installed, or it is broken.
    """
    installed = installed_names()
    if name is not None and name not in installed:
        msg = f"expected the interpreter {name}, installed are {installed or 'none'}; install it"
        raise InterpreterError(msg)
    if not installed:
        msg = "expected an interpreter, found none; run: pip install ai-edge-litert"
        raise InterpreterError(msg)
    chosen = name or installed[0]
    try:
        return importlib.import_module(f"{chosen}.interpreter")
    except (ImportError, AttributeError) as err:
        # tflite-runtime 2.14 is built against NumPy 1 and fails under NumPy 2 in this way.
        msg = (
            f"expected {chosen} to import under NumPy {np.__version__}, error: {err}; "
            "tflite-runtime needs 'numpy<2', or install ai-edge-litert instead"
        )
        raise InterpreterError(msg) from err


class _TfliteInterpreter:
    """The classic TFLite Python API, which both runtimes share."""

    def __init__(self, engine: Any, runtime: RuntimeInfo, threads: int) -> None:
        inputs, outputs = engine.get_input_details(), engine.get_output_details()
        if len(inputs) != 1 or not outputs:
            msg = (
                f"expected a network with one input and some output, got {len(inputs)} and "
                f"{len(outputs)}; convert it with bonefx-convert"
            )
            raise InterpreterError(msg)
        self.runtime = runtime
        self.threads = threads
        self.input = _tensor_info(inputs[0])
        self.outputs = tuple(_tensor_info(output) for output in outputs)
        self._engine = engine
        self._input_index: int = inputs[0]["index"]
        self._output_indices: tuple[int, ...] = tuple(output["index"] for output in outputs)

    def run(self, x: NDArray[np.float32] | NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        results = [self._run_one(one[np.newaxis]) for one in x]
        return tuple(np.concatenate(output) for output in zip(*results, strict=True))

    def _run_one(self, x: NDArray[Any]) -> list[NDArray[np.float32]]:
        self._engine.set_tensor(self._input_index, _as_stored(x, tensor=self.input))
        self._engine.invoke()
        # get_tensor copies; the array that `tensor()` gives would block the next invoke.
        pairs = zip(self.outputs, self._output_indices, strict=True)
        return [tensor.dequantize(self._engine.get_tensor(index)) for tensor, index in pairs]


def _as_stored(x: NDArray[Any], *, tensor: TensorInfo) -> NDArray[Any]:
    """Return `x`, float32 [0, 1] or uint8 [0, 255], in the dtype and scale of the input tensor."""
    if x.dtype == np.uint8 and tensor.dtype == "uint8" and takes_gray_levels(tensor):
        return x
    unit = x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x
    return unit if tensor.dtype == "float32" else tensor.quantize(unit)


def takes_gray_levels(tensor: TensorInfo) -> bool:
    """Return whether this tensor takes gray levels unscaled: scale 1/255, zero point 0."""
    # The scale is stored as float32: half a gray level over the range is tolerated.
    return tensor.zero_point == 0 and abs(tensor.scale * 255 - 1) < 0.5 / 255


def _tensor_info(details: dict[str, Any]) -> TensorInfo:
    scale, zero_point = details["quantization"]
    return TensorInfo(
        shape=tuple(int(side) for side in details["shape"]),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(scale),
        zero_point=int(zero_point),
    )

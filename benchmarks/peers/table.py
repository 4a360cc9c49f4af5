"""What benchmarks.peers compares: environments and rows."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENTS_AT: Final = ROOT / ".venvs-peers"
ONNX_TOOLS_AT: Final = ENVIRONMENTS_AT / "onnx-tools"
"""A folder beside TensorFlow's environment, so that TensorFlow is installed once."""
ONNX_TOOLS: Final = ("tf2onnx==1.17.0", "onnx==1.23.2")
_READS_FILMS: Final = ("numpy", "opencv-python-headless")


class Environment(NamedTuple):
    """A Python of its own for one peer."""

    packages: tuple[str, ...]
    """What pip installs; empty: the Python that runs this has it."""
    counted: tuple[str, ...]
    """Distributions whose size, with all that they require, is the size of the peer."""
    constraints: str = "constraints.txt"


def _peer(package: str, constraints: str = "constraints.txt") -> Environment:
    counted = (package.split("=")[0], *_READS_FILMS)
    return Environment((package, *_READS_FILMS), counted, constraints)


ENVIRONMENTS: Final = {
    "bonefx": Environment((str(ROOT),), ("bonefx",)),
    "tensorflow": Environment((), ("tensorflow-cpu", "tensorflow", "opencv-python-headless")),
    "tflite-runtime": _peer("tflite-runtime==2.14.0", "constraints-tflite.txt"),
    "litert": _peer("ai-edge-litert"),
    "onnxruntime": _peer("onnxruntime==1.32.0"),
    "openvino": _peer("openvino==2026.4.1"),
}

FULLSIZE: Final = "fullsize"
SMALL: Final = "small"
SETS: Final = {
    FULLSIZE: "images of 2304x2880 px, `fullsize/*.jpg`",
    SMALL: "images of at most 512 px, nearly all 373x454, `fracatlas/*fractured/*11.jpg`",
}
LINES: Final = {
    "presented": "the presentation's: `imread` gray, / 255, `resize` to 150x150",
    "careful": "`imread` gray, `resize` to 150x150 by `INTER_AREA` on uint8",
    "reduced": "the same after `IMREAD_REDUCED_GRAYSCALE_8`",
    "whole": "bonefx, mode `whole`: one pass of the network",
    "tiled": "bonefx, mode `tiled`, the default: the whole image and its tiles",
}
MADE_FROM: Final = {"keras": "float16", "onnx": "float16", "onnx-int8": "int8"}
"""Networks that are made from a shipped .tflite, and its kind."""
TFLITE_MODULES: Final = {
    "tensorflow": "tensorflow",
    "tflite-runtime": "tflite_runtime.interpreter",
    "litert": "ai_edge_litert.interpreter",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One peer with one network: a process of its own."""

    key: str
    name: str
    environment: str
    adapter: str
    """Module in adapters/."""
    network: str
    """float16, dynamic, int8: the shipped .tflite; else a key of `MADE_FROM`."""
    lines: str
    """Key of `LINES`."""
    choice: str = ""
    """What the adapter leaves open: which module, which precision."""
    sets: tuple[str, ...] = (FULLSIZE, SMALL)

    @property
    def ours(self) -> bool:
        """Whether it is bonefx."""
        return self.environment == "bonefx"

    @property
    def kind(self) -> str:
        """Kind of the shipped file that its network is, or was made from."""
        return MADE_FROM.get(self.network, self.network)

    @property
    def exact(self) -> bool:
        """Whether it computes in float32 throughout."""
        return self.kind == "float16" and self.key != "openvino-default"

    @property
    def title(self) -> str:
        """Name, network and lines."""
        made = {"keras": "float32", "onnx": "float32", "onnx-int8": "int8"}
        return f"{self.name}, {made.get(self.network, self.network)}, {self.lines}"


def _tflite(environment: str, name: str, *networks: str, lines: str = "careful") -> list[Row]:
    suffix = "" if lines == "careful" else f"-{lines}"
    sets = (FULLSIZE,) if lines == "reduced" else (FULLSIZE, SMALL)
    return [
        Row(f"{environment}-{network}{suffix}", name, environment, "tflite_adapter", network,
            lines, TFLITE_MODULES[environment], sets)
        for network in networks
    ]  # fmt: skip


OURS: Final = {"whole": "bonefx-int8-whole", "tiled": "bonefx-int8-tiled"}
"""What every peer is compared with: the shipped default network, in both modes."""
_ORT: Final = ("ONNX Runtime", "onnxruntime", "onnxruntime_adapter")
_OPENVINO: Final = ("openvino", "openvino_adapter")

ROWS: Final = (
    Row("keras-presented", "Keras `predict`", "tensorflow", "keras_adapter", "keras", "presented"),
    *_tflite("tensorflow", "TensorFlow `tf.lite`", "float16", lines="presented"),
    *_tflite("tensorflow", "TensorFlow `tf.lite`", "float16", "int8"),
    *_tflite("tflite-runtime", "tflite-runtime", "float16", "dynamic", "int8"),
    *_tflite("litert", "LiteRT", "float16", "dynamic", "int8"),
    *_tflite("litert", "LiteRT", "int8", lines="reduced"),
    Row("onnxruntime", *_ORT, "onnx", "careful"),
    Row("onnxruntime-int8", *_ORT, "onnx-int8", "careful"),
    Row("openvino", "OpenVINO held to float32", *_OPENVINO, "onnx", "careful", "f32"),
    Row("openvino-default", "OpenVINO", *_OPENVINO, "onnx", "careful"),
    Row("openvino-int8", "OpenVINO", *_OPENVINO, "int8", "careful"),
    *(
        Row(f"bonefx-{kind}-{mode}", "bonefx", "bonefx", "bonefx_adapter", kind, mode)
        for kind in ("float16", "dynamic", "int8")
        for mode in OURS
    ),
)
FLOAT_TOLERANCE: Final = 1e-3
"""Logit. What bonefx_convert.parity.tolerances allows a float32 network: sums in another order."""
THREADS: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
}
"""Of the environment of every worker, ours included."""


def python_of(name: str) -> Path:
    """Return the Python of an environment: its own, or for TensorFlow the one that runs this."""
    own = ENVIRONMENTS_AT / name / "bin" / "python"
    return own if ENVIRONMENTS[name].packages else Path(sys.executable)

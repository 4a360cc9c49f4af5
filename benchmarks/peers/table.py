"""Who is compared in benchmarks/peers: environments, rows, bars. Tables, no code that runs."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENTS_AT: Final = ROOT / ".venvs-peers"
ONNX_TOOLS_AT: Final = ENVIRONMENTS_AT / "onnx-tools"
"""Not an environment: a folder beside TensorFlow's, so that there is one TensorFlow only."""
ONNX_TOOLS: Final = ("tf2onnx==1.17.0", "onnx==1.23.2")


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python of its own for one peer."""

    name: str
    packages: tuple[str, ...]
    """What pip installs; empty: not installed here, a Python that has it is named instead."""
    constraints: str | None
    """File of this repository, or None."""
    counted: tuple[str, ...]
    """Distributions whose size, with all they require, is the peer's."""
    only_python: tuple[int, int] | None = None
    """The one version that the peer has wheels for."""

    @property
    def python(self) -> Path:
        """Its own, where `install` puts it."""
        return ENVIRONMENTS_AT / self.name / "bin" / "python"


_READS_FILMS: Final = ("numpy", "opencv-python-headless")

ENVIRONMENTS: Final = (
    Environment("bonefx", (str(ROOT),), "constraints.txt", ("bonefx",)),
    Environment(
        "tensorflow", (), None, ("tensorflow-cpu", "tensorflow", "opencv-python-headless")
    ),
    Environment(
        "tflite-runtime",
        ("tflite-runtime==2.14.0", *_READS_FILMS),
        "constraints-tflite.txt",
        ("tflite-runtime", *_READS_FILMS),
        only_python=(3, 11),
    ),
    Environment(
        "litert", ("ai-edge-litert", *_READS_FILMS), "constraints.txt",
        ("ai-edge-litert", *_READS_FILMS),
    ),
    Environment(
        "onnxruntime", ("onnxruntime==1.32.0", *_READS_FILMS), "constraints.txt",
        ("onnxruntime", *_READS_FILMS),
    ),
    Environment(
        "openvino", ("openvino==2026.4.1", *_READS_FILMS), "constraints.txt",
        ("openvino", *_READS_FILMS),
    ),
)  # fmt: skip

FULLSIZE: Final = "fullsize"
SMALL: Final = "small"
SETS: Final = {
    FULLSIZE: "films of 2304x2880 px, `fullsize/*.jpg`",
    SMALL: "films of at most 512 px, nearly all 373x454, `fracatlas/*fractured/*11.jpg`",
}

LINES: Final = {
    "presented": "the presentation's: `imread` gray, / 255, `resize` to 150x150",
    "careful": "`imread` gray, `resize` to 150x150 by `INTER_AREA` on uint8",
    "reduced": "the same after `IMREAD_REDUCED_GRAYSCALE_8`",
    "whole": "ours, reading `whole`: one pass of the network",
    "closer": "ours, reading `closer`, the default: the whole film and its tiles",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One peer with one network: a process of its own."""

    key: str
    title: str
    environment: str
    script: str
    """In adapters/."""
    network: str
    """float16, dynamic, int8: the shipped .tflite; keras, onnx, onnx-int8: made from it."""
    lines: str
    """Key of `LINES`."""
    choice: str = ""
    sets: tuple[str, ...] = (FULLSIZE, SMALL)

    @property
    def ours(self) -> bool:
        return self.environment == "bonefx"

    @property
    def kind(self) -> str:
        """Kind of the shipped file that its network is, or was made from."""
        made = {"keras": "float16", "onnx": "float16", "onnx-int8": "int8"}
        return made.get(self.network, self.network)

    @property
    def exact(self) -> bool:
        """Whether it computes in float32 throughout."""
        return self.kind == "float16" and self.key != "openvino-default"


def _tflite(environment: str, title: str, network: str, lines: str, **more: object) -> Row:
    key = f"{environment}-{network}" + ("" if lines == "careful" else f"-{lines}")
    choice = {"tensorflow": "tensorflow", "litert": "ai-edge-litert"}.get(environment, environment)
    return Row(key, title, environment, "tflite_adapter.py", network, lines, choice, **more)  # type: ignore[arg-type]


def _bonefx(network: str, lines: str) -> Row:
    return Row(f"bonefx-{network}-{lines}", "bonefx", "bonefx", "bonefx_adapter.py", network, lines)


OURS: Final = {"whole": "bonefx-int8-whole", "closer": "bonefx-int8-closer"}
"""What every peer is held against: the shipped default network, in both readings."""
PRESENTATION: Final = "keras-presented"
PRESENTATION_TFLITE: Final = "tensorflow-float16-presented"

ROWS: Final = (
    Row(PRESENTATION, "Keras `predict`", "tensorflow", "keras_adapter.py", "keras", "presented"),
    _tflite("tensorflow", "TensorFlow `tf.lite`", "float16", "presented"),
    _tflite("tensorflow", "TensorFlow `tf.lite`", "float16", "careful"),
    _tflite("tensorflow", "TensorFlow `tf.lite`", "int8", "careful"),
    _tflite("tflite-runtime", "tflite-runtime", "float16", "careful"),
    _tflite("tflite-runtime", "tflite-runtime", "dynamic", "careful"),
    _tflite("tflite-runtime", "tflite-runtime", "int8", "careful"),
    _tflite("litert", "LiteRT", "float16", "careful"),
    _tflite("litert", "LiteRT", "dynamic", "careful"),
    _tflite("litert", "LiteRT", "int8", "careful"),
    _tflite("litert", "LiteRT", "int8", "reduced", sets=(FULLSIZE,)),
    Row("onnxruntime", "ONNX Runtime", "onnxruntime", "onnxruntime_adapter.py", "onnx", "careful"),
    Row(
        "onnxruntime-int8", "ONNX Runtime", "onnxruntime", "onnxruntime_adapter.py",
        "onnx-int8", "careful",
    ),
    Row("openvino", "OpenVINO held to float32", "openvino", "openvino_adapter.py", "onnx",
        "careful", "f32"),
    Row("openvino-default", "OpenVINO", "openvino", "openvino_adapter.py", "onnx", "careful"),
    Row("openvino-int8", "OpenVINO", "openvino", "openvino_adapter.py", "int8", "careful"),
    *(_bonefx(kind, reading) for kind in ("float16", "dynamic", "int8") for reading in OURS),
)  # fmt: skip

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
"""Of every worker's environment, ours included."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What was promised: a peer takes at least so many times what ours takes."""

    says: str
    set_name: str
    peers: tuple[str, ...]
    """Keys of rows; the least ratio of them counts."""
    least: float


BARS: Final = (
    Bar("the presentation's code with Keras `predict`", FULLSIZE, (PRESENTATION,), 20.0),
    Bar("the same code with `tf.lite`", FULLSIZE, (PRESENTATION_TFLITE,), 2.0),
    Bar(
        "the fastest of all peers", SMALL,
        tuple(row.key for row in ROWS if not row.ours and SMALL in row.sets), 1.0,
    ),
)  # fmt: skip


def environment(name: str) -> Environment:
    return next(each for each in ENVIRONMENTS if each.name == name)


def python_of(name: str, named: dict[str, Path]) -> Path:
    """Return the Python of an environment: a named one, its own, or for TensorFlow this one."""
    if name in named:
        return named[name]
    found = environment(name)
    return found.python if found.packages else Path(sys.executable)

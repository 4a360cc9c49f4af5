"""Worker: ours, file to finding, as `edge-classify` calls it."""

import hashlib
from pathlib import Path

from protocol import Options, serve

options = Options.from_command()

import bonefx_edge  # noqa: E402 -- after the protocol took standard output
import cv2  # noqa: E402
import numpy as np  # noqa: E402
from bonefx_edge.classifier import Classifier  # noqa: E402
from bonefx_edge.model.interpreter import open_interpreter  # noqa: E402
from bonefx_edge.model.model_file import ModelFile  # noqa: E402

model = ModelFile.read(Path(options.network))
interpreter = open_interpreter(model.flatbuffer, threads=1)
classifier = Classifier(model, interpreter, views=options.lines)


def ask(x: np.ndarray) -> float:
    return float(model.manifest.output.split(interpreter.run(x)).logits[0])


def source_sha256() -> str:
    """Return the hash of the installed code: the driver holds it against the checkout's."""
    files = sorted(Path(bonefx_edge.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


serve(
    answer=lambda path: classifier.classify(Path(path)).state.value,
    ask=ask,
    facts={
        "runtime": f"bonefx {bonefx_edge.__version__}, {classifier.runtime.name} "
        f"{classifier.runtime.version}",
        "reading": classifier.reading.name,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "cv_threads": cv2.getNumThreads(),
        "source_sha256": source_sha256(),
    },
)

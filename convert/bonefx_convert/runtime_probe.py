"""Run a .tflite in this Python's interpreter; `runtime_check` starts it in another environment.

Usage: python -P runtime_probe.py FOLDER, where FOLDER holds network.tflite and images.npy; writes
outputs.npz and runtime.json there. Imports nothing but NumPy and bonefx_edge: TensorFlow is absent.
Exit codes: 0 ran, 3 the interpreter cannot run the network (said on standard output: TFLite
itself writes to standard error).
"""

import dataclasses
import json
import platform
import sys
from pathlib import Path
from typing import Final

import numpy as np
from bonefx_edge.errors import InterpreterError
from bonefx_edge.model.interpreter import open_interpreter

NETWORK_NAME: Final = "network.tflite"
IMAGES_NAME: Final = "images.npy"
OUTPUTS_NAME: Final = "outputs.npz"
"""Every output in the order of the network, for every input."""
RUNTIME_NAME: Final = "runtime.json"
CANNOT_RUN: Final = 3
"""Exit code; not 1, which a Python without bonefx gives."""


def main(folder: Path) -> int:
    """Return the exit code."""
    try:
        opened = open_interpreter((folder / NETWORK_NAME).read_bytes())
    except InterpreterError as err:
        sys.stdout.write(str(err))
        return CANNOT_RUN
    np.savez(folder / OUTPUTS_NAME, *opened.run(np.load(folder / IMAGES_NAME)))
    runtime = dataclasses.asdict(opened.runtime) | {"machine": platform.machine()}
    (folder / RUNTIME_NAME).write_text(json.dumps(runtime), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

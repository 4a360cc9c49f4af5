"""Worker: a .tflite under TensorFlow's tf.lite, tflite-runtime or LiteRT, by their one API."""

import importlib
import importlib.metadata

from protocol import Options, serve

options = Options.from_command()

import numpy as np  # noqa: E402 -- after the protocol took standard output
from lines import LINES, as_input, facts  # noqa: E402

# Import path and attribute by the driver's name for it.
MODULES = {
    "tensorflow": "tensorflow",
    "tflite-runtime": "tflite_runtime.interpreter",
    "ai-edge-litert": "ai_edge_litert.interpreter",
}
module = importlib.import_module(MODULES[options.choice])
home = module.lite if options.choice == "tensorflow" else module
interpreter = home.Interpreter(options.network, num_threads=1)
interpreter.allocate_tensors()
film = interpreter.get_input_details()[0]
logit = interpreter.get_output_details()[options.logit]


def ask(x: object) -> float:
    interpreter.set_tensor(film["index"], as_input(x, dtype=np.dtype(film["dtype"])))
    interpreter.invoke()
    return options.dequantize(interpreter.get_tensor(logit["index"]))


def version() -> str:
    found = importlib.metadata.packages_distributions()[MODULES[options.choice].split(".")[0]][0]
    return f"{found} {importlib.metadata.version(found)}"


serve(
    answer=lambda path: ask(LINES[options.lines](path, options.side)),
    ask=ask,
    facts=facts() | {"runtime": version()},
)

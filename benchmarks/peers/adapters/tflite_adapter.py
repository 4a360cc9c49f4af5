"""A .tflite under TensorFlow's tf.lite, tflite-runtime or LiteRT, which share one API."""

import importlib
import importlib.metadata
from types import SimpleNamespace
from typing import Any


def load(options: SimpleNamespace) -> SimpleNamespace:
    module = importlib.import_module(options.choice)
    home = module.lite if options.choice == "tensorflow" else module
    interpreter = home.Interpreter(options.network, num_threads=1)
    interpreter.allocate_tensors()
    film = interpreter.get_input_details()[0]
    logit = interpreter.get_output_details()[options.logit]["index"]

    def run(x: Any) -> Any:
        interpreter.set_tensor(film["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(logit)

    packages = importlib.metadata.packages_distributions()
    name = packages[options.choice.split(".")[0]][0]
    runtime = f"{name} {importlib.metadata.version(name)}"
    return SimpleNamespace(run=run, dtype=film["dtype"], facts={"runtime": runtime})

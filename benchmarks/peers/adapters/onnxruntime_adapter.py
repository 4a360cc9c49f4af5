"""Worker: ONNX Runtime on the converted network, one thread."""

from protocol import Options, serve

options = Options.from_command()

import numpy as np  # noqa: E402 -- after the protocol took standard output
import onnxruntime  # noqa: E402
from lines import LINES, as_input, facts  # noqa: E402

settings = onnxruntime.SessionOptions()
settings.intra_op_num_threads = settings.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    options.network, settings, providers=["CPUExecutionProvider"]
)
film = session.get_inputs()[0]
logit = session.get_outputs()[options.logit].name
dtype = np.dtype("uint8" if film.type == "tensor(uint8)" else "float32")


def ask(x: object) -> float:
    return options.dequantize(session.run([logit], {film.name: as_input(x, dtype=dtype)})[0])


serve(
    answer=lambda path: ask(LINES[options.lines](path, options.side)),
    ask=ask,
    facts=facts() | {"runtime": f"onnxruntime {onnxruntime.__version__}"},
)

"""Worker: OpenVINO on the converted network or the .tflite itself, one thread, least latency."""

from importlib.metadata import version

from protocol import Options, serve

options = Options.from_command()

import numpy as np  # noqa: E402 -- after the protocol took standard output
import openvino  # noqa: E402
from lines import LINES, as_input, facts  # noqa: E402

settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
if options.choice:  # else what OpenVINO takes for this processor, such as bfloat16
    settings["INFERENCE_PRECISION_HINT"] = options.choice
compiled = openvino.Core().compile_model(options.network, "CPU", settings)
request = compiled.create_infer_request()
dtype = compiled.inputs[0].element_type.to_dtype()


def ask(x: object) -> float:
    request.infer([as_input(x, dtype=np.dtype(dtype))])
    return options.dequantize(request.get_output_tensor(options.logit).data)


precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
serve(
    answer=lambda path: ask(LINES[options.lines](path, options.side)),
    ask=ask,
    facts=facts() | {"runtime": f"openvino {version('openvino')}, {precision}"},
)

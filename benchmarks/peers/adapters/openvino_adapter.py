"""OpenVINO on the converted network or the .tflite itself, one thread, lowest latency."""

from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import openvino


def load(options: SimpleNamespace) -> SimpleNamespace:
    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    if options.choice:  # else what OpenVINO takes for this processor, such as bfloat16
        settings["INFERENCE_PRECISION_HINT"] = options.choice
    compiled = openvino.Core().compile_model(options.network, "CPU", settings)
    request = compiled.create_infer_request()

    def run(x: Any) -> Any:
        request.infer([x])
        return request.get_output_tensor(options.logit).data

    precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    return SimpleNamespace(
        run=run,
        dtype=compiled.inputs[0].element_type.to_dtype(),
        facts={"runtime": f"openvino {version('openvino')}, {precision}"},
    )

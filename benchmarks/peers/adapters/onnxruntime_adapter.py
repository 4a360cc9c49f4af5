"""ONNX Runtime on the converted network, one thread."""

from types import SimpleNamespace

import onnxruntime


def load(options: SimpleNamespace) -> SimpleNamespace:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(options.network, settings, providers=providers)
    film = session.get_inputs()[0]
    logit = session.get_outputs()[options.logit].name
    return SimpleNamespace(
        run=lambda x: session.run([logit], {film.name: x})[0],
        dtype="uint8" if film.type == "tensor(uint8)" else "float32",
        facts={"runtime": f"onnxruntime {onnxruntime.__version__}"},
    )

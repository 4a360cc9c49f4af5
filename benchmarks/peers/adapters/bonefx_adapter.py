"""bonefx: file to finding, as `edge-classify` does it."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import bonefx_edge
from bonefx_edge.classifier import Classifier
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile


def load(options: SimpleNamespace) -> SimpleNamespace:
    model = ModelFile.read(Path(options.network))
    interpreter = open_interpreter(model.flatbuffer, threads=1)
    classifier = Classifier(model, interpreter, mode=options.lines)
    runtime = classifier.runtime
    sources = sorted(Path(bonefx_edge.__file__).parent.rglob("*.py"))
    facts = {
        "runtime": f"bonefx {bonefx_edge.__version__}, {runtime.name} {runtime.version}",
        "mode": classifier.mode.name,
        "source_sha256": hashlib.sha256(b"".join(s.read_bytes() for s in sources)).hexdigest(),
    }
    return SimpleNamespace(
        run=lambda x: model.manifest.output.split(interpreter.run(x)).logits,
        dtype="uint8",
        classify=lambda path: classifier.classify(Path(path)).state.value,
        facts=facts,
    )

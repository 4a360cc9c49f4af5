"""Logits of this machine and interpreter on a set of films: one column of the table of runtimes.

    python -m benchmarks.runtimes [MODEL ...] --data DIR [--mode whole] [--films 200] --out FILE

The same int8 file gives different results on different interpreters and processors, because their
kernels round sums differently. Run this on every machine with every interpreter (with the same DIR,
a copy of FracAtlas), then compare the files with benchmarks.runtimes_report.

The films are `--films` of a split that chooses nothing, evenly spaced in the order of its manifest;
no label is used. Of a folder without manifest.csv: of all its files. Needs the device package only.
No times are taken: they have no meaning under emulation.
"""

import csv
import dataclasses
import hashlib
import json
import math
import os
import sys
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from bonefx_edge import __version__
from bonefx_edge.classifier import Classifier
from bonefx_edge.cli.files import list_files
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import BonefxError
from bonefx_edge.finding import Finding
from bonefx_edge.inference.preprocess import preprocess
from bonefx_edge.model.bundled import find_model
from bonefx_edge.model.interpreter import TensorInfo, open_interpreter
from bonefx_edge.model.model_file import ModelFile

MODELS = ("lite0-int8", "lite0-float16", "seed-int8")
"""Of the kinds that every runtime opens; tflite-runtime does not open `dynamic`."""


def choose(data: Path, *, split: str, films: int) -> list[str]:
    """Return at most that many films of the split, as paths inside `data`; the same everywhere."""
    if split == "test":
        sys.exit("error: expected the split tune or train, got test: it is kept for its one use")
    manifest = data / "manifest.csv"
    if manifest.is_file():
        with manifest.open(newline="") as file:
            found = [row["path"] for row in csv.DictReader(file) if row["split"] == split]
    else:
        found = sorted(str(path.relative_to(data)) for path in list_files([data]).files)
    if not found:
        sys.exit(f"error: expected films of {split} in {data}, found none; see --data")
    every = np.unique(np.linspace(0, len(found) - 1, films).astype(int))
    return [found[index] for index in every]


def pixels_sha256(path: Path, classifier: Classifier, *, tensor: TensorInfo) -> str:
    """Return a hash over all that the network is shown of one film that was answered.

    Pixels in float32 (of `seed`) as the input tensor stores them where it is an integer one: their
    last bit is the processor's, and is rounded away there.
    """
    manifest = classifier.manifest
    radiograph = decode(read_file(path), allow_downscale=manifest.input.allow_downscale)
    shown = [preprocess(radiograph, spec=manifest.input)]
    if classifier.mode.tiles:
        shown.append(classifier.mode.extract_tiles(radiograph, manifest.input).x)
    if shown[0].dtype == np.float32 and tensor.scale:
        shown = [tensor.quantize(x) for x in shown]
    return hashlib.sha256(b"".join(x.tobytes() for x in shown)).hexdigest()


def logit_of(finding: Finding, *, temperature: float) -> float | None:
    """Return the logit of "not broken" before temperature; None for a refused film."""
    p = finding.p_fracture
    return None if p is None else -temperature * (math.log(p) - math.log1p(-p))


def measure(model: str, films: list[str], *, data: Path, mode: str | None) -> dict[str, object]:
    """Return what one model says of each film, with all that a comparison must know."""
    model_file = ModelFile.read(find_model(model))
    interpreter = open_interpreter(model_file.flatbuffer)
    classifier = Classifier(model_file, interpreter, mode=mode)
    rows = []
    for key in films:
        finding = classifier.classify(data / key)
        logit = logit_of(finding, temperature=classifier.mode.temperature)
        seen = None
        if logit is not None:
            seen = pixels_sha256(data / key, classifier, tensor=interpreter.input)
        rows.append([key, logit, finding.reason, seen])
    print(f"{model}, {classifier.mode.name}: {len(rows)} films", file=sys.stderr)
    return {
        "model": f"{classifier.manifest.name}-{classifier.manifest.kind}",
        "sha256": classifier.model.sha256,
        "mode": classifier.mode.name,
        "runtime": dataclasses.asdict(classifier.runtime),
        "films": [dict(zip(("film", "logit", "reason", "pixels"), r, strict=True)) for r in rows],
    }


def main(
    models: Annotated[list[str] | None, typer.Argument(help=f"Default: {MODELS}.")] = None,
    *,
    data: Annotated[Path, typer.Option(help="Folder of films, FracAtlas or your own.")],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    split: str = "tune",
    films: Annotated[int, typer.Option(min=1, help="So many, evenly spaced.")] = 200,
    mode: Annotated[str | None, typer.Option(help="tiled or whole; default: model's.")] = None,
    place: Annotated[str, typer.Option(help="What machine: a board, or qemu-user.")] = "",
) -> None:
    """Classify, write."""
    chosen = choose(data, split=split, films=films)
    try:
        results = [measure(model, chosen, data=data, mode=mode) for model in models or list(MODELS)]
    except BonefxError as err:
        sys.exit(f"error: {err}")
    report = {
        "machine": os.uname().machine,
        "place": place,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "bonefx": __version__,
        "data": data.resolve().name,
        "split": split,
        "results": results,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)

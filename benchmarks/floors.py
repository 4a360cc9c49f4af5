"""Floors: each stage compared with what libraries and machine can do at best, as ratios of one run.

    python -m benchmarks.floors DATA [--model lite0-int8] [--environment .venv] [--out FILE]

- film: a film in a warm process, compared with libjpeg's decode (at the scale that is used) and the
  bare `invoke()` of as many inputs, one thread each; the three alternate film by film
- start: `edge-classify FILM` in a new process, compared with the import of NumPy, OpenCV and
  interpreter
- folder: films per second of `edge-classify FOLDER`, compared with its cores times one process
- size: peak memory of one classification; disk space of the environment, without pip
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import simplejpeg
import typer
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.downscale import downscale_factor
from bonefx_edge.decode.jpeg.reader import read_header
from bonefx_edge.model.bundled import find_model
from bonefx_edge.model.model_file import ModelFile

from benchmarks.machine import AS_INSTALLED, PROGRAM, circumstances, measure, rate, report

ROUNDS = 5
STARTS = 11
IMPORTS = "import numpy, cv2; from {runtime}.interpreter import Interpreter"
FOLDER_FILMS = 600
NOT_THE_DEVICE = ("pip", "setuptools", "data_store", "pydicom_data")
"""In the environment of `make demo`: what installs, and the demo's films."""
_MIB = 1 << 20


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare_decode(data: bytes) -> Callable[[], object]:
    """Return what decodes a JPEG at the product's scale and does nothing else."""
    header = read_header(data)
    factor = downscale_factor(header.height, header.width)
    height, width = -(-header.height // factor), -(-header.width // factor)
    return lambda: simplejpeg.decode_jpeg(
        data, "GRAY", min_height=height, min_width=width, strict=True
    )


def bare_invoke(model: Path, runtime: str) -> Callable[[int], None]:
    """Return what runs the network n times on an input that lies there already."""
    module = __import__(f"{runtime}.interpreter", fromlist=["Interpreter"])
    engine = module.Interpreter(model_content=ModelFile.read(model).flatbuffer, num_threads=1)
    engine.allocate_tensors()
    index = engine.get_input_details()[0]["index"]
    engine.set_tensor(index, np.full(engine.get_input_details()[0]["shape"], 90, np.uint8))

    def invoke(n: int) -> None:
        for _ in range(n):
            engine.invoke()

    return invoke


def films(model: Path, paths: Sequence[Path], mode: str) -> dict[str, object]:
    """Return the medians in milliseconds, and the median of the films' own ratios."""
    classifier = Classifier.load(model, mode=mode)
    invoke = bare_invoke(model, classifier.runtime.name)
    rows = []
    for path in paths:
        data = path.read_bytes()
        tiles = classifier.analyze(path).tiles
        passes, at_best = 1 + (len(tiles.x) if tiles else 0), bare_decode(data)
        times = [
            (
                seconds(at_best),
                seconds(lambda n=passes: invoke(n)),
                seconds(lambda p=path: classifier.classify(p)),
            )
            for _ in range(ROUNDS)
        ]
        rows.append([statistics.median(column) * 1e3 for column in zip(*times, strict=True)])
    decoding, invoking, ours = np.array(rows).T
    ratios = ours / (decoding + invoking)
    return {
        "films": len(rows),
        "decode_ms": round(float(np.median(decoding)), 2),
        "invoke_ms": round(float(np.median(invoking)), 2),
        "ours_ms": round(float(np.median(ours)), 2),
        "ratio": round(float(np.median(ratios)), 3),
        "ratio_p95": round(float(np.percentile(ratios, 95)), 3),
    }


def run(words: Sequence[str]) -> None:
    subprocess.run(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=AS_INSTALLED, check=False
    )


def starts(film: Path, runtime: str, model: str) -> dict[str, float]:
    """Return medians of whole processes, milliseconds, alternating."""
    commands = {
        "imports": (sys.executable, "-c", IMPORTS.format(runtime=runtime)),
        "film": (*PROGRAM, str(film), "--model", model),
        "film_whole": (*PROGRAM, str(film), "--model", model, "--mode", "whole"),
        "help": (*PROGRAM, "--help"),
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for words in commands.values():
        run(words)  # unrecorded: it compiles, and fills the disk cache
    for _ in range(STARTS):
        for name, words in commands.items():
            times[name].append(seconds(lambda words=words: run(words)))
    found = {f"{k}_ms": round(statistics.median(v) * 1e3, 1) for k, v in times.items()}
    for name in ("film", "film_whole"):
        found[f"{name}_ratio"] = round(found[f"{name}_ms"] / found["imports_ms"], 2)
    return found


def folder(paths: Sequence[Path], model: str) -> dict[str, object]:
    """Return the rates of one process and of as many as there are cores; alternating, medians."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            shutil.copy(path, scratch)
        pairs = [
            [
                rate(Path(scratch), len(paths), "--model", model, "--jobs", str(jobs))
                for jobs in (1, cores)
            ]
            for _ in range(3)
        ]
    one, several = (statistics.median(column) for column in zip(*pairs, strict=True))
    share = statistics.median(b / (a * cores) for a, b in pairs)
    return {
        "films": len(paths),
        "cores": cores,
        "one_process_per_s": round(one, 1),
        "all_cores_per_s": round(several, 1),
        "share_of_cores_times_one": round(share, 3),
    }


def disk_mib(environment: Path) -> float:
    """Return the space of an environment on disk, MiB; hard links count once."""
    seen, total = set(), 0
    for path in environment.rglob("*"):
        if any(part.split("-")[0] in NOT_THE_DEVICE for part in path.parts):
            continue
        status = path.lstat()
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_blocks * 512
    return round(total / _MIB, 1)


def main(
    data: Path,
    model: Annotated[str, typer.Option(help="A model file or the name of a shipped one.")] = (
        "lite0-int8"
    ),
    environment: Annotated[
        Path | None, typer.Option(help="Of the device (make demo makes .venv): its size.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Measure and print."""
    full = sorted((data / "fullsize").glob("IMG*.jpg"))
    small = sorted((data / "fracatlas").glob("*fractured/*11.jpg"))
    many = sorted((data / "fracatlas").glob("*fractured/*.jpg"))[:FOLDER_FILMS]
    path = find_model(model)
    runtime = Classifier.load(path).runtime.name
    found: dict[str, object] = {**circumstances(), "model": model, "rounds": ROUNDS}
    for mode in ("tiled", "whole"):
        found[f"full_size_{mode}"] = films(path, full, mode)
        found[f"small_{mode}"] = films(path, small, mode)
    found["start"] = starts(small[0], runtime, model)
    found["folder"] = folder(many, model)
    found["peak_mib"] = {
        name: round(measure(str(film), "--model", model)[0], 1)
        for name, film in (("small", small[0]), ("full_size", full[0]))
    }
    if environment:
        found["environment_mib"] = disk_mib(environment)
    report(found, out)


if __name__ == "__main__":
    typer.run(main)

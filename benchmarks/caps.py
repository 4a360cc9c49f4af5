"""How much memory does the largest film take that is not refused? 100 megapixel, kind by kind.

    python benchmarks/caps.py [--pixels 100000000] [--model lite0-int8 ...] [--out FILE]

Peak memory (resident) and wall time of the whole command `edge-classify FILM`, a new process for
each kind of file. The film is the shipped canary, enlarged. Needs the development environment and
2 GB of memory to draw it: not for a small board.
"""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from bonefx_edge.limits import DEFAULT_LIMITS
from latency import circumstances, report

CANARY = files("bonefx_edge.watch") / "canary.jpg"
"""Drawn, and answered by the shipped models."""
TESTS = Path(__file__).resolve().parents[1] / "tests"
PROGRAM = (sys.executable, "-c", "from bonefx_edge.cli import main; main()")
ASK = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=-1, stderr=-3, check=False)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([peak / 1024, time.perf_counter() - began, done.stdout.decode()]))
"""
"""Another process for each film: the maximum of a process' children only ever grows."""


def kinds(pixels: int) -> dict[str, Callable[[], bytes]]:
    """Return what writes each kind of file; the film has at most so many pixels."""
    sys.path.insert(0, str(TESTS))
    from builders import dicom_file, dicom_jpeg_2000, jpeg_file, with_pillow

    small = cv2.imread(str(CANARY), cv2.IMREAD_GRAYSCALE)
    factor = math.sqrt(pixels / small.size)
    size = (int(small.shape[1] * factor), int(small.shape[0] * factor))
    gray = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    deep = gray.astype(np.uint16) << 4
    color = np.repeat(gray[..., np.newaxis], 3, axis=2)
    return {
        "JPEG, baseline": lambda: jpeg_file(gray, quality=90),
        "JPEG, progressive": lambda: jpeg_file(gray, quality=90, progressive=True),
        "JPEG, color, progressive": lambda: jpeg_file(color, quality=90, progressive=True),
        "PNG, 8 bit": lambda: cv2.imencode(".png", gray)[1].tobytes(),
        "PNG, 16 bit": lambda: cv2.imencode(".png", deep << 4)[1].tobytes(),
        "TIFF, 16 bit, Deflate": lambda: with_pillow(
            deep << 4, "TIFF", compression="tiff_adobe_deflate"
        ),
        "DICOM, 16 bit, plain": lambda: dicom_file(deep, bits=12),
        "DICOM, 16 bit, JPEG 2000": lambda: dicom_jpeg_2000(deep, bits=12),
    }


def ask(film: Path, model: str) -> dict[str, object]:
    """Return peak memory, time and answer of one command."""
    words = [sys.executable, "-c", ASK, *PROGRAM, str(film), "--json", "--model", model]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    peak_mib, took_s, said = json.loads(done.stdout)
    finding = json.loads(said)
    return {
        "model": model,
        "peak_mib": round(peak_mib),
        "s": round(took_s, 2),
        "answer": finding["reason"] or "answered",
    }


def main(
    pixels: Annotated[int, typer.Option(help="Of the film.")] = DEFAULT_LIMITS.max_pixels,
    model: Annotated[list[str] | None, typer.Option(help="Model files or names.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Measure and print."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        film = Path(scratch) / "film"
        for kind, write in kinds(pixels).items():
            film.write_bytes(write())
            for name in model or ["lite0-int8", "seed-int8"]:
                row = {"kind": kind, "file_mib": round(film.stat().st_size / (1 << 20), 1)}
                rows.append(row | ask(film, name))
    report({**circumstances(), "pixels": pixels, "rows": rows}, out)


if __name__ == "__main__":
    typer.run(main)

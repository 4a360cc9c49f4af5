"""Memory and rate of the watching service while it works through a whole archive.

    python -m benchmarks.backfill [--films 100000] [--model NAME] [--out FILE]

Small drawn films, all different, are in the folder before the service starts. The toy model makes
this a measurement of the service, not of a network; for the rate with a real one see watching.py.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from benchmarks.machine import circumstances, report
from benchmarks.watching import Service

SIDE = 96
SAMPLE_S = 5.0
FOLDERS = 100


def draw(folder: Path, n: int) -> None:
    """Write n PNG films, spread over sub-folders as an archive is over days."""
    noise = np.random.default_rng(0).integers(40, 220, (SIDE, SIDE)).astype(np.uint8)
    film = cv2.GaussianBlur(noise, (0, 0), 3)
    for number in range(n):
        day = folder / str(number % FOLDERS)
        day.mkdir(parents=True, exist_ok=True)
        digits = np.frombuffer(number.to_bytes(4, "big"), np.uint8)
        film[0, :4] = digits
        (day / f"{number}.png").write_bytes(cv2.imencode(".png", film)[1].tobytes())


def main(
    films: Annotated[int, typer.Option(min=1)] = 100_000,
    model: Annotated[str, typer.Option()] = "tests/toy_models/toy-int8.tflite",
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        draw(place / "in", films)
        service = Service(place, "--model", model)
        service.wait_ready()
        began, samples = time.monotonic(), []
        while (done := service.results()) < films:
            samples.append((done, round(service.memory_mib(), 1)))
            time.sleep(SAMPLE_S)
        took = time.monotonic() - began
        samples.append((films, round(service.memory_mib(), 1)))
        service.stop()
    quarter = [mib for done, mib in samples if done >= films // 4]
    found = {
        **circumstances(),
        "films": films,
        "seconds": round(took),
        "films_per_second": round(films / took, 1),
        "memory_mib_first_quarter": max(mib for done, mib in samples if done <= films // 4),
        "memory_mib_later": max(quarter),
        "memory_mib_end": samples[-1][1],
    }
    report(found, out)


if __name__ == "__main__":
    typer.run(main)

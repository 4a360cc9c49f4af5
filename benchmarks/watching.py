"""Cost of the watching service and waiting time of a film, on this board.

    python -m benchmarks.watching DATA [--films 1000] [--archive 100000] [--out FILE]

- ready: start of the command until a worker is ready
- idle: processor time and memory (proportional set size) of all processes while no file arrives
- latency: file closed until its result is on disk, minus the settle time; films of 2 megapixel made
  of full-size ones, one per second
- burst: many files at once, compared with `edge-classify FOLDER` over the same ones with as many
  processes as the service has workers; the two alternate
- archive: rate and memory while the service works through that many small drawn films, which are in
  the folder before it starts; with the toy model, so that the service is measured and no network
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from benchmarks.machine import AS_INSTALLED, PROGRAM, circumstances, rate, report, spread

SETTLE_S = 2.0
IDLE_S = 30.0
LATENCY_FILMS = 30
ROUNDS = 3
SAMPLE_S = 5.0
ARCHIVE_SIDE = 96
ARCHIVE_FOLDERS = 100
TOY_MODEL = "tests/toy_models/toy-int8.tflite"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Service:
    """`edge-classify --watch` on a new folder."""

    def __init__(self, place: Path, *options: str) -> None:
        self.folder, self.out = place / "in", place / "out"
        self.folder.mkdir(parents=True, exist_ok=True)
        own = ("--watch", str(self.folder), "--out", str(self.out), "--settle", str(SETTLE_S))
        self.log = place / "log"
        self.began = time.monotonic()
        with self.log.open("w") as log:  # not a pipe: nobody would empty it
            self.process = subprocess.Popen(
                [*PROGRAM, *own, *options], stderr=log, env=AS_INSTALLED
            )

    def wait_ready(self) -> float:
        """Return the seconds from start until the first worker is ready."""
        while "worker ready" not in self.log.read_text():
            if self.process.poll() is not None:
                sys.exit("the service ended before it was ready")
            time.sleep(0.005)
        return time.monotonic() - self.began

    def processes(self) -> list[int]:
        pid = self.process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *(int(child) for child in listed.split())]

    def cpu_s(self) -> float:
        """Return the processor time of all its processes until now, seconds."""
        fields = [
            Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split() for p in self.processes()
        ]
        return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS_PER_S

    def memory_mib(self) -> float:
        """Return the proportional set size of all its processes, MiB: shared pages count once."""
        pages = [Path(f"/proc/{p}/smaps_rollup").read_text() for p in self.processes()]
        lines = [line for page in pages for line in page.splitlines() if line.startswith("Pss:")]
        return sum(int(line.split()[1]) for line in lines) / 1024

    def results(self) -> int:
        return sum(1 for _ in self.out.glob("*.json"))

    def wait_results(self, n: int) -> None:
        while self.results() < n:
            if self.process.poll() is not None:
                sys.exit("the service ended")
            time.sleep(0.002)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def two_megapixel(data: Path, n: int) -> list[bytes]:
    """Return n different JPEG films of 2 megapixel, cut down from full-size ones."""
    films = sorted((data / "fullsize").glob("IMG*.jpg"))
    made = []
    for i in range(n):
        film = cv2.imread(str(films[i % len(films)]), cv2.IMREAD_GRAYSCALE)
        scale = (2e6 / film.size) ** 0.5
        small = cv2.resize(film, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small[0, i % small.shape[1]] ^= 1 + i  # so that no two are the same film
        made.append(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return made


def latency(service: Service, films: list[bytes]) -> dict[str, float]:
    """Return the spread in milliseconds, settle time taken off."""
    waits = []
    for number, film in enumerate(films):
        before = service.results()
        path = service.folder / f"{number}.jpg"
        path.write_bytes(film)
        closed = time.monotonic()
        service.wait_results(before + 1)
        waits.append((time.monotonic() - closed - SETTLE_S) * 1e3)
    return spread(waits)


def burst(place: Path, films: list[Path], *options: str) -> float:
    """Return the films a second of the service, from the first file closed to the last result."""
    service = Service(place, *options)
    service.wait_ready()
    began = time.monotonic()
    for film in films:
        shutil.copy(film, service.folder)
    service.wait_results(len(films))
    took = time.monotonic() - began - SETTLE_S
    service.stop()
    return len(films) / took


def draw_archive(folder: Path, n: int) -> None:
    """Write n different PNG films, spread over sub-folders as an archive is over days."""
    noise = np.random.default_rng(0).integers(40, 220, (ARCHIVE_SIDE, ARCHIVE_SIDE))
    film = cv2.GaussianBlur(noise.astype(np.uint8), (0, 0), 3)
    for number in range(n):
        day = folder / str(number % ARCHIVE_FOLDERS)
        day.mkdir(parents=True, exist_ok=True)
        film[0, :4] = np.frombuffer(number.to_bytes(4, "big"), np.uint8)
        (day / f"{number}.png").write_bytes(cv2.imencode(".png", film)[1].tobytes())


def archive_figures(place: Path, films: int) -> dict[str, float]:
    """Return the rate and the memory of the service, early and later, on an archive."""
    draw_archive(place / "in", films)
    service = Service(place, "--model", TOY_MODEL)
    service.wait_ready()
    began, samples = time.monotonic(), [(0, round(service.memory_mib(), 1))]
    while samples[-1][0] < films:
        time.sleep(SAMPLE_S)
        samples.append((service.results(), round(service.memory_mib(), 1)))
    took = time.monotonic() - began
    service.stop()
    return {
        "films": films,
        "seconds": round(took),
        "films_per_second": round(films / took, 1),
        "memory_mib_first_quarter": max(mib for done, mib in samples if done <= films // 4),
        "memory_mib_later": max(mib for done, mib in samples if done >= films // 4),
        "memory_mib_end": samples[-1][1],
    }


def main(
    data: Path,
    films: Annotated[int, typer.Option(help="In the burst.")] = 1000,
    workers: Annotated[int, typer.Option(help="Of the service.")] = 1,
    archive: Annotated[int, typer.Option(help="Films of the archive; 0: none.")] = 0,
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Measure and print."""
    options = ("--workers", str(workers))
    chosen = sorted((data / "fracatlas").glob("*fractured/*.jpg"))[:films]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        service = Service(place / "one", *options)
        found: dict[str, object] = {**circumstances(), "workers": workers}
        found["ready_s"] = round(service.wait_ready(), 2)
        time.sleep(3.0)
        before = service.cpu_s()
        time.sleep(IDLE_S)
        found["idle_cpu_percent"] = round((service.cpu_s() - before) / IDLE_S * 100, 2)
        found["idle_memory_mib"] = round(service.memory_mib(), 1)
        found["latency_ms"] = latency(service, two_megapixel(data, LATENCY_FILMS))
        found["memory_after_mib"] = round(service.memory_mib(), 1)
        service.stop()
        folder = place / "films"
        folder.mkdir()
        for film in chosen:
            shutil.copy(film, folder)
        ratios, rates = [], []
        for number in range(ROUNDS):
            alone = rate(folder, len(chosen), "--jobs", str(workers))
            watched = burst(place / f"burst-{number}", chosen, *options)
            ratios.append(watched / alone)
            rates.append({"plain": round(alone, 2), "watched": round(watched, 2)})
        found["burst"] = {"films": len(chosen), "per_second": rates}
        found["burst_ratio"] = round(float(np.median(ratios)), 3)
        if archive:
            found["archive"] = archive_figures(place / "archive", archive)
    report(found, out)


if __name__ == "__main__":
    typer.run(main)

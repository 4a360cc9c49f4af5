"""Which altered copies of films does the audit find, what else does it flag, and how long it takes.

    python benchmarks/copies.py DATA [--copies N] [--seed N] [--out FILE]

DATA is a data set as for bonefx-train. N films, all at most, are altered, each in one way, and
written beside the others in a temporary folder; the audit's search runs over all. A copy is found
if it is in the cluster of its own film: of no film are there two copies, so none is found through
another copy. A cluster that joins two films of DATA is flagged with or without copies:
look at those with bonefx-train audit DATA --out FOLDER. Writes Markdown; prints it.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from bonefx_edge.decode import decode, read_file
from bonefx_train.dataset import find_samples
from bonefx_train.duplicates import Cluster, find_clusters
from bonefx_train.film_facts import read_films
from bonefx_train.metrics import wilson
from bonefx_train.progress import track
from bonefx_train.sample import Sample
from numpy.typing import NDArray

Film = NDArray[np.uint8]


def turn(film: Film, degrees: float, *, enlarge: bool) -> Film:
    """Return the film turned with black fill, on its own canvas or on one that holds it all."""
    height, width = film.shape
    to = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), degrees, 1)
    size = (width, height)
    if enlarge:
        cos, sin = abs(to[0, 0]), abs(to[0, 1])
        size = (int(height * sin + width * cos), int(height * cos + width * sin))
        to[:, 2] += (np.array(size) - (width, height)) / 2
    return cv2.warpAffine(film, to, size)


def gamma(film: Film, exponent: float) -> Film:
    return cv2.LUT(film, np.round(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8))


def shrink(film: Film, factor: float) -> Film:
    return cv2.resize(film, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def crop(film: Film, share: float) -> Film:
    rows, columns = (round(side * share / 2) for side in film.shape)
    return film[rows:-rows, columns:-columns].copy()


def noise(film: Film) -> Film:
    grain = np.random.default_rng(film.size).normal(0, 8, film.shape)
    return np.clip(film + grain, 0, 255).astype(np.uint8)


def everything(film: Film) -> Film:
    return shrink(gamma(turn(film[:, ::-1].copy(), 33, enlarge=False), 1.4), 0.7)


WAYS: dict[str, tuple[Callable[[Film], Film], int]] = {
    "turned 90°": (lambda f: np.rot90(f).copy(), 90),
    "turned 180°": (lambda f: np.rot90(f, 2).copy(), 90),
    "turned 270°": (lambda f: np.rot90(f, 3).copy(), 90),
    "mirrored": (lambda f: f[:, ::-1].copy(), 90),
    "mirrored, turned 90°": (lambda f: np.rot90(f[:, ::-1]).copy(), 90),
    "turned 7°, own canvas": (lambda f: turn(f, 7, enlarge=False), 90),
    "turned 33°, own canvas": (lambda f: turn(f, 33, enlarge=False), 90),
    "turned 145°, own canvas": (lambda f: turn(f, 145, enlarge=False), 90),
    "turned 7°, larger canvas": (lambda f: turn(f, 7, enlarge=True), 90),
    "turned 33°, larger canvas": (lambda f: turn(f, 33, enlarge=True), 90),
    "gamma 0.7": (lambda f: gamma(f, 0.7), 90),
    "gamma 1.4": (lambda f: gamma(f, 1.4), 90),
    "resized 0.7": (lambda f: shrink(f, 0.7), 90),
    "resized 0.4": (lambda f: shrink(f, 0.4), 90),
    "stretched to 224x224": (lambda f: cv2.resize(f, (224, 224)), 90),
    "JPEG 40": (lambda f: f, 40),
    "mirrored, 33°, gamma 1.4, resized 0.7, JPEG 40": (everything, 40),
    "negative": (lambda f: 255 - f, 90),
    "noise, sd 8": (noise, 90),
    "CLAHE 3, 8x8": (lambda f: cv2.createCLAHE(3, (8, 8)).apply(f), 90),
    "cropped by 5 %": (lambda f: crop(f, 0.05), 90),
    "cropped by 10 %": (lambda f: crop(f, 0.10), 90),
}
"""What is done to the film, and the JPEG quality of its copy."""


def write_copies(originals: Sequence[Sample], folder: Path) -> list[tuple[Sample, str, str]]:
    """Return (copy, key of its original, way) of one copy per film, each in the next way."""
    made = []
    for number, original in enumerate(track(originals, label="writing copies")):
        way = list(WAYS)[number % len(WAYS)]
        alter, quality = WAYS[way]
        film = alter(decode(read_file(original.path)).pixels)
        path = folder / f"{number}.jpg"
        _, encoded = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])
        path.write_bytes(encoded.tobytes())
        made.append((replace(original, path=path, key=f"copies/{number}"), original.key, way))
    return made


def report(
    made: Sequence[tuple[Sample, str, str]], clusters: Sequence[Cluster], samples: Sequence[Sample]
) -> list[str]:
    of = {key: number for number, cluster in enumerate(clusters) for key in cluster.keys}
    lines = ["| copy | found | 95 % interval | n |", "|---|---|---|---|"]
    for way in WAYS:
        found = [
            of.get(copy.key, -1) == of.get(original, -2) for copy, original, w in made if w == way
        ]
        if found:
            share = wilson(sum(found), len(found))
            lines.append(
                f"| {way} | {share.value:.3f} | {share.low:.3f} to {share.high:.3f} | {share.n} |"
            )
    own = {sample.key for sample in samples}
    joined = [keys for c in clusters if len(keys := [key for key in c.keys if key in own]) > 1]
    lines += ["", f"Clusters that join films of the data itself: {len(joined)}"]
    return [*lines, *(f"- {', '.join(keys)}" for keys in joined)]


def main(
    data: Path,
    *,
    copies: Annotated[int, typer.Option(min=1, help="One per film at most.")] = 1100,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    out: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Measure the audit's search for copies."""
    samples, _, _ = find_samples(data)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(samples))  # a second copy could be found through the first
    with tempfile.TemporaryDirectory() as folder:
        made = write_copies([samples[i] for i in order[:copies]], Path(folder))
        started = time.monotonic()
        films, refused = read_films([*samples, *(copy for copy, _, _ in made)])
        read = time.monotonic() - started
        clusters = find_clusters(films)
        searched = time.monotonic() - started - read
    head = (
        f"{len(samples)} films and {len(made)} copies, seed {seed}: {len(refused)} refused, "
        f"read in {read:.0f} s, searched in {searched:.0f} s."
    )
    text = "\n".join([head, "", *report(made, clusters, samples)]) + "\n"
    typer.echo(text)
    if out:
        out.write_text(text, "utf-8")


if __name__ == "__main__":
    typer.run(main)

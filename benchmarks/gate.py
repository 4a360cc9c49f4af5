"""What does a model's gate stop? Films it should answer, and pictures it should not.

    python benchmarks/gate.py DATA [--model NAME]

DATA is a folder that holds the sets named in `SETS`; absent ones are said to be absent. Prints one
row per set: films, refused, and the states of those that were answered. The table of
docs/decisions/0006-gate.md is this.
"""

import csv
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from bonefx_edge.classifier import Classifier
from bonefx_edge.cli import DEFAULT_MODEL, find_model

SETS = {
    "films of other hospitals, fractured": "elsewhere/web_pool/*",
    "films of other hospitals, not fractured": "elsewhere/btxrd_normal/*",
    "full-size films": "fullsize/*.jpg",
    "tight crops of knees": "oai_knee/*.jpg",
    "chest films without DICOM header": "ood/*.png",
}
STATES = ("refused", "uncertain", "no_fracture", "fracture")
NOISE = 20
"""Pictures of pure noise."""


def tune_films(data: Path) -> list[Path]:
    """Return the FracAtlas tune films."""
    with (data / "fracatlas" / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "tune"]
    return [data / "fracatlas" / row["path"] for row in rows]


def made(folder: Path, tune: list[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Yield sets that are made here: negatives of the tune films, and noise."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (300, 300), dtype=np.uint8) for _ in range(NOISE)]
    negatives = (255 - cv2.imread(str(film), cv2.IMREAD_GRAYSCALE) for film in tune)
    for name, pictures in (("negatives of tune films", negatives), ("noise", iter(noise))):
        paths = []
        for number, picture in enumerate(pictures):
            paths.append(folder / f"{name}-{number}.png")
            cv2.imwrite(str(paths[-1]), picture)
        yield name, paths


def print_row(name: str, films: list[Path], classifier: Classifier) -> None:
    """Print how many films are refused and what is said of the others."""
    states = Counter(classifier.classify(film).state.value for film in films)
    cells = " ".join(f"{states[state]:>11}" for state in STATES)
    print(f"{name:<40} {len(films) or 'absent':>6} {cells}")


def main(
    data: Path, *, model: Annotated[str, typer.Option(help="A model file or name.")] = DEFAULT_MODEL
) -> None:
    """Classify every set, print a row each."""
    classifier = Classifier.load(find_model(model))
    print(f"{'films':<40} {'n':>6} {' '.join(f'{title:>11}' for title in STATES)}")
    tune = tune_films(data)
    print_row("FracAtlas tune", tune, classifier)
    for name, pattern in SETS.items():
        print_row(name, sorted(data.glob(pattern)), classifier)
    with tempfile.TemporaryDirectory() as folder:
        for name, films in made(Path(folder), tune):
            print_row(name, films, classifier)


if __name__ == "__main__":
    typer.run(main)

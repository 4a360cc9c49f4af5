"""What does a model's gate stop? Films it should answer, and pictures it should not.

    python -m bonefx_train.studies.out_of_scope DATA [--model NAME] [--out FOLDER]

DATA is a folder that holds the sets named in `SETS`; absent ones are said to be absent. Prints one
row per set: n, refused, share refused with 95 % Wilson interval, and the states of those that were
answered. The gate looks at the whole film, so the films are read without tiles. The table of
docs/decisions/0006-gate.md is this; out_of_scope.json holds the same. Photographs need scikit-image
(extra `dev`).
"""

import csv
import dataclasses
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import skimage.data
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.tiling import WHOLE
from bonefx_edge.model.bundled import DEFAULT_MODEL, find_model
from numpy.typing import NDArray

from bonefx_train.evaluation.metrics import wilson

SETS = {
    "films of other hospitals, fractured": "elsewhere/web_pool/*",
    "films of other hospitals, not fractured": "elsewhere/btxrd_normal/*",
    "full-size films": "fullsize/*.jpg",
    "tight crops of knees": "oai_knee/*.jpg",
    "chest films without DICOM header": "ood/*.png",
}
STATES = ("uncertain", "no_fracture", "fracture")
PHOTOGRAPHS = (
    "astronaut", "brick", "camera", "cat", "cell", "chelsea", "clock", "coffee", "coins",
    "colorwheel", "grass", "gravel", "hubble_deep_field", "immunohistochemistry", "logo", "moon",
    "motorcycle_left", "page", "retina", "rocket", "shepp_logan_phantom", "text",
)  # fmt: skip
"""Of scikit-image; those that its installation does not bring along are left out."""
GRAY_AXES = 2
EACH = 20
"""Pictures of each kind that is drawn."""
SIDE = 300
"""Pixels, of drawn pictures."""
LINES = ("Expected a radiograph.", "This page holds words", "0123456789 mm, kV, mAs", "Dear Sir")

Picture = NDArray[np.uint8]


def tune_films(data: Path) -> list[Path]:
    """Return the FracAtlas tune films."""
    with (data / "fracatlas" / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "tune"]
    return [data / "fracatlas" / row["path"] for row in rows]


def photographs() -> Iterator[Picture]:
    """Yield scikit-image's pictures in gray: color alone would be refused before any network."""
    for name in PHOTOGRAPHS:
        try:
            picture = np.asarray(getattr(skimage.data, name)())
        except (AttributeError, ModuleNotFoundError, OSError):  # not in this version, or a download
            continue
        if picture.ndim > GRAY_AXES:
            picture = picture[..., :3].mean(axis=2)
        scale = 255.0 if picture.dtype != np.uint8 and picture.max() <= 1 else 1.0
        yield np.clip(picture * scale, 0, 255).astype(np.uint8)


def text_page(rng: np.random.Generator) -> Picture:
    """Return a page of black words on white."""
    page = np.full((SIDE, SIDE), 255, np.uint8)
    size = rng.uniform(0.35, 0.8)
    for y in range(30, SIDE - 10, int(40 * size)):
        words = LINES[rng.integers(len(LINES))]
        cv2.putText(page, words, (12, y), cv2.FONT_HERSHEY_SIMPLEX, size, 20, 1, cv2.LINE_AA)
    return page


def noise(rng: np.random.Generator) -> Picture:
    """Return gray levels drawn pixel by pixel."""
    return rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def clouds(rng: np.random.Generator) -> Picture:
    """Return smooth noise: as soft as a film, and nothing of a limb."""
    soft = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)), (0, 0), rng.uniform(5, 30))
    low, high = soft.min(), soft.max()
    return np.asarray((soft - low) * (255 / (high - low)), np.uint8)


def blank(rng: np.random.Generator) -> Picture:
    """Return one gray level with the noise of a detector."""
    return np.clip(rng.normal(rng.uniform(0, 255), 3, (SIDE, SIDE)), 0, 255).astype(np.uint8)


def ramp(rng: np.random.Generator) -> Picture:
    """Return a gradient from one gray level to another: an exposure without a patient."""
    low, high = np.sort(rng.uniform(0, 255, 2))
    return np.tile(np.linspace(low, high, SIDE), (SIDE, 1)).astype(np.uint8)


DRAWN: dict[str, Callable[[np.random.Generator], Picture]] = {
    "noise": noise,
    "smooth noise": clouds,
    "blank": blank,
    "gradients": ramp,
    "pages of text": text_page,
}


def made(tune: list[Path]) -> Iterator[tuple[str, Iterator[Picture]]]:
    """Yield sets that are made here."""
    yield "photographs of scikit-image, gray", photographs()
    for number, (name, draw) in enumerate(DRAWN.items()):
        rng = np.random.default_rng(number)
        yield name, (draw(rng) for _ in range(EACH))
    yield (
        "negatives of tune films",
        (255 - decode(read_file(film)).pixels for film in tune),
    )


def measure(name: str, films: list[Path], classifier: Classifier) -> dict[str, object]:
    """Print how many films are refused and what is said of the others; return it."""
    if not films:
        typer.echo(f"| {name} | absent | | | | | |")
        return {"films": name, "n": 0, "refused": None, **dict.fromkeys(STATES)}
    states = Counter(classifier.classify(film).state.value for film in films)
    share = wilson(states["refused"], len(films))
    cells = [str(states[state]) for state in STATES]
    interval = f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
    typer.echo(
        f"| {name} | {len(films)} | {states['refused']} | {interval} | {' | '.join(cells)} |"
    )
    return {
        "films": name,
        "n": len(films),
        "refused": dataclasses.asdict(share),
        **{state: states[state] for state in STATES},
    }


def rows(data: Path, classifier: Classifier) -> Iterator[dict[str, object]]:
    """Yield the row of each set."""
    tune = tune_films(data)
    yield measure("FracAtlas tune", tune, classifier)
    for name, pattern in SETS.items():
        yield measure(name, sorted(data.glob(pattern)), classifier)
    for name, pictures in made(tune):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, picture in enumerate(pictures):
                paths.append(Path(folder) / f"{number}.png")
                cv2.imwrite(str(paths[-1]), picture)
            yield measure(name, paths, classifier)


def main(
    data: Path,
    *,
    model: Annotated[str, typer.Option(help="A model file or name.")] = DEFAULT_MODEL,
    out: Annotated[Path, typer.Option(help="Folder of out_of_scope.json.")] = Path(
        "benchmarks/reference"
    ),
) -> None:
    """Classify every set, print a row each, write out_of_scope.json."""
    classifier = Classifier.load(find_model(model), views=WHOLE)
    typer.echo(f"| films | n | refused | share (95 %) | {' | '.join(STATES)} |")
    typer.echo("|---" * (4 + len(STATES)) + "|")
    report = {
        "notice": NOTICE,
        "model": dataclasses.asdict(classifier.model),
        "rows": list(rows(data, classifier)),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "out_of_scope.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)

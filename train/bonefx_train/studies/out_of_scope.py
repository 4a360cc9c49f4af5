"""Input check: how many limb radiographs and how many other images a model refuses.

    python -m bonefx_train.studies.out_of_scope DATA [--model NAME] [--out FOLDER]

DATA is a folder that holds the sets named in `SETS`; an absent set is reported as absent. For each
set: n, refused with a 95 % Wilson interval, and the states of the films that were answered. The
input check uses the whole film, so no tiles are read. Writes out_of_scope.json and .md; prints the
page. Photographs need scikit-image (extra `dev`).
"""

import csv
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

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
from bonefx_train.studies.command import run
from bonefx_train.studies.pages import REFERENCES, describe_model, write

SETS = {
    "images of other hospitals, fractured": "elsewhere/web_pool/*",
    "images of other hospitals, not fractured": "elsewhere/btxrd_normal/*",
    "full-size images": "fullsize/*.jpg",
    "tight crops of knees": "oai_knee/*.jpg",
    "chest images without DICOM header": "ood/*.png",
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


def photographs(*, in_color: bool = False) -> Iterator[Picture]:
    """Yield scikit-image's pictures, (height, width) in gray or BGR (height, width, 3) as stored.

    In gray, since color alone is refused before any network; as stored, as people have them.
    """
    for name in PHOTOGRAPHS:
        try:
            picture = np.asarray(getattr(skimage.data, name)())
        except (AttributeError, ModuleNotFoundError, OSError):  # not in this version, or a download
            continue
        if picture.ndim > GRAY_AXES:
            picture = picture[..., 2::-1] if in_color else picture[..., :3].mean(axis=2)
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
    """Return smooth noise, as soft as a film."""
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
    yield (
        "photographs of scikit-image, as stored (color where they have it)",
        photographs(in_color=True),
    )
    for number, (name, draw) in enumerate(DRAWN.items()):
        rng = np.random.default_rng(number)
        yield name, (draw(rng) for _ in range(EACH))
    yield (
        "negatives of tune images",
        (255 - decode(read_file(film)).pixels for film in tune),
    )


def measure(name: str, films: list[Path], classifier: Classifier) -> dict[str, Any]:
    """Return how many films are refused, and the states of the others; n 0 for an absent set."""
    states = Counter(classifier.classify(film).state.value for film in films)
    return {
        "films": name,
        "n": len(films),
        "refused": wilson(states["refused"], len(films)) if films else None,
        **{state: states[state] for state in STATES},
    }


def rows(data: Path, classifier: Classifier) -> Iterator[dict[str, Any]]:
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
    data: Annotated[Path, typer.Argument(help="Folder that holds the sets.")],
    *,
    model: Annotated[str, typer.Option(help="A model file or name.")] = DEFAULT_MODEL,
    out: Path = REFERENCES,
) -> None:
    """Classify every set, write."""
    classifier = Classifier.load(find_model(model), mode=WHOLE)
    report = {
        "notice": NOTICE,
        "model": describe_model(classifier),
        "rows": list(rows(data, classifier)),
    }
    write(out, "out_of_scope", report)


if __name__ == "__main__":
    run(main)

"""Robustness: how answers change when the same films are disturbed in ten ways.

    python -m bonefx_train.studies.robustness MODEL --data DIR [--split tune] [--mode MODE]
        [--out FOLDER]

DIR is a data set that states its splits, or the run that the model was made from. Every film is
decoded, disturbed, written as PNG without loss, and classified as on the device, input check
included. All changes are against the same films without disturbance. Writes robustness.json and
.md; prints the page. The test split is refused, because this table is used to make choices.
"""

import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.finding import Finding
from bonefx_edge.inference.decision import State
from bonefx_edge.model.bundled import find_model
from numpy.typing import NDArray

from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError
from bonefx_train.evaluation.evaluate import measure_figure
from bonefx_train.evaluation.metrics import auc
from bonefx_train.evaluation.report import Figure
from bonefx_train.progress import track
from bonefx_train.studies.command import read_split, run
from bonefx_train.studies.pages import REFERENCES, describe_model, write

Gray = NDArray[np.uint8]
Disturbance = Callable[[Gray, np.random.Generator], Gray]

UNDISTURBED = "undisturbed"
ANSWERS = {State.FRACTURE, State.NO_FRACTURE}
FIGURES = {
    "auc": "AUC of the images answered disturbed and undisturbed",
    "auc_change": "that minus the AUC of the same images, undisturbed",
    "state_changed": "share of these images with another state than undisturbed",
    "opposite": "share of these images from fracture to no_fracture or back",
    "refused": "share of the images answered undisturbed that is refused",
}


def gamma(exponent: float) -> Disturbance:
    """255 * (gray / 255) ** exponent: under 1 brighter, over 1 darker."""
    curve = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return lambda film, _: np.asarray(cv2.LUT(film, curve), np.uint8)


def invert(film: Gray, _: np.random.Generator) -> Gray:
    """Return the negative."""
    return np.asarray(255 - film, np.uint8)


def blur(film: Gray, _: np.random.Generator) -> Gray:
    """Gaussian, sigma 1.5 px of a film that is 512 px long."""
    return np.asarray(cv2.GaussianBlur(film, (0, 0), 1.5 * max(film.shape) / 512), np.uint8)


def noise(film: Gray, rng: np.random.Generator) -> Gray:
    """Gaussian, standard deviation 10 gray levels, each pixel on its own."""
    return np.rint(film + rng.normal(0, 10, film.shape)).clip(0, 255).astype(np.uint8)


def jpeg(film: Gray, _: np.random.Generator) -> Gray:
    """Through JPEG of quality 30."""
    data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def crop(film: Gray, _: np.random.Generator) -> Gray:
    """Cut a tenth of the film off on each of its four sides."""
    rows, columns = (side // 10 for side in film.shape)
    return film[rows : film.shape[0] - rows, columns : film.shape[1] - columns]


def rotate(film: Gray, _: np.random.Generator) -> Gray:
    """Counterclockwise by 10 degrees around the center, corners black, size kept."""
    height, width = film.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 10, 1)
    return np.asarray(cv2.warpAffine(film, turn, (width, height)), np.uint8)


def mark(film: Gray, _: np.random.Generator) -> Gray:
    """White "R" at the top left, black "17" on a white plate at the bottom right, on every film."""
    height, width = film.shape
    unit = max(film.shape) / 512
    thickness = max(1, round(2 * unit))
    font, white = cv2.FONT_HERSHEY_SIMPLEX, 255
    out = film.copy()
    at = (round(12 * unit), round(40 * unit))
    cv2.putText(out, "R", at, font, 1.2 * unit, white, thickness, cv2.LINE_AA)
    left, top = width - round(60 * unit), height - round(40 * unit)
    cv2.rectangle(
        out, (left, top), (width - round(10 * unit), height - round(10 * unit)), white, -1
    )
    at = (left + round(6 * unit), height - round(15 * unit))
    cv2.putText(out, "17", at, font, 0.8 * unit, 0, thickness, cv2.LINE_AA)
    return out


def halve(film: Gray, _: np.random.Generator) -> Gray:
    """Half as many pixels along each side, averaged."""
    size = tuple(max(1, side // 2) for side in film.shape[::-1])
    return np.asarray(cv2.resize(film, size, interpolation=cv2.INTER_AREA), np.uint8)


DISTURBANCES: dict[str, Disturbance] = {
    UNDISTURBED: lambda film, _: film,
    "gamma 0.6": gamma(0.6),
    "gamma 1.6": gamma(1.6),
    "inverted": invert,
    "blur, sigma 1.5 px at 512 px": blur,
    "noise, sd 10": noise,
    "JPEG quality 30": jpeg,
    "10 % cropped on each side": crop,
    "turned by 10 degrees": rotate,
    "markers painted in": mark,
    "half the resolution": halve,
}


def classify_disturbed(
    samples: tuple[Sample, ...], classifier: Classifier
) -> tuple[list[Sample], dict[str, list[Finding]]]:
    """Return the films that can be decoded, and their findings by disturbance."""
    decoded: list[Sample] = []
    findings: dict[str, list[Finding]] = {name: [] for name in DISTURBANCES}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.png"
        for sample in track(samples, label="classifying"):
            try:
                film = decode(read_file(sample.path)).pixels
            except DecodeError as err:
                sys.stderr.write(f"left out: {sample.key}: {err}\n")
                continue
            decoded.append(sample)
            for name, disturb in DISTURBANCES.items():
                # Of the film's name: the same noise whichever films are drawn beside it.
                rng = np.random.default_rng(zlib.crc32(sample.key.encode()))
                picture = np.ascontiguousarray(disturb(film, rng))
                path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
                findings[name].append(classifier.classify(path))
    return decoded, findings


def compare(
    name: str, disturbed: list[Finding], plain: list[Finding], samples: list[Sample]
) -> dict[str, Any]:
    """Return the figures of one disturbance, against the same films undisturbed."""
    answered = np.array([finding.p_fracture is not None for finding in plain])
    still = np.array([finding.p_fracture is not None for finding in disturbed])
    both = np.flatnonzero(answered & still)
    p, q = (np.array([f[i].p_fracture for i in both], np.float64) for f in (disturbed, plain))
    fractured = np.array([samples[i].label is Label.FRACTURED for i in both], bool)
    groups = [samples[i].group for i in both]
    pairs = [(plain[i].state, disturbed[i].state) for i in both]
    changed = [before != after for before, after in pairs]
    opposite = [set(pair) == ANSWERS for pair in pairs]
    figures = (
        measure_figure("auc", FIGURES["auc"], lambda w: auc(p, fractured, w), groups=groups),
        measure_figure(
            "auc_change",
            FIGURES["auc_change"],
            lambda w: auc(p, fractured, w) - auc(q, fractured, w),
            groups=groups,
            is_share=False,
        ),
        count("state_changed", sum(changed), len(pairs)),
        count("opposite", sum(opposite), len(pairs)),
        count("refused", int((answered & ~still).sum()), int(answered.sum())),
    )
    return {
        "disturbance": name,
        "fractured": int(fractured.sum()),
        "figures": figures,
        "opposite": [samples[i].key for i, yes in zip(both, opposite, strict=True) if yes],
    }


def count(name: str, hits: int, n: int) -> Figure:
    """Return a share; without interval, for resampling gives 0 to 0 where nothing was seen."""
    return Figure(name, FIGURES[name], hits / n if n else None, None, None, n)


def main(
    model: Annotated[str, typer.Argument(help="A model file or name.")],
    *,
    data: Annotated[Path, typer.Option(help="Labelled films with splits, or a run.")],
    split: str = "tune",
    mode: Annotated[str | None, typer.Option(help="Default: that of the model.")] = None,
    out: Path = REFERENCES,
) -> None:
    """Disturb, classify, compare, write."""
    if split == "test":
        msg = "expected train or tune, got test: the test split chooses nothing"
        raise DataError(msg)
    data_name, available = read_split(data, split)
    classifier = Classifier.load(find_model(model), mode=mode)
    samples, findings = classify_disturbed(available, classifier)
    if not samples:
        msg = f"expected films in {data}, split {split}, got none that can be decoded"
        raise DataError(msg)
    plain = findings[UNDISTURBED]
    report = {
        "notice": NOTICE,
        "data": data_name,
        "split": split,
        "films": len(samples),
        "films_of_the_split": len(available),
        "model": describe_model(classifier),
        "mode": classifier.mode.name,
        "operating_point": classifier.operating_point.name,
        "runtime": classifier.runtime,
        "refused_undisturbed": sum(finding.p_fracture is None for finding in plain),
        "rows": [compare(name, found, plain, samples) for name, found in findings.items()],
    }
    write(out, "robustness", report)


if __name__ == "__main__":
    run(main)

"""Fit what makes a film unfamiliar on films of several sources, and write it into model files.

Uses, besides the films that the network was fitted on: `boneage` (hands of children, with bone
ages), `oai_knee`, `shoulder_implants` (adults) and `ood_chest_children` (chest films).
"""

import csv
import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from bonefx_edge.classifier import Classifier
from bonefx_edge.inference.decision import sigmoid
from bonefx_edge.inference.familiarity import Detector, Familiarity, Kind
from bonefx_edge.inference.input_check import InputCheckSpec
from bonefx_edge.inference.tiling import all_features
from bonefx_edge.model.model_file import ModelFile, write_model_file
from bonefx_train.evaluation.score_fusion import fit_logistic
from bonefx_train.progress import track
from numpy.typing import NDArray

from bonefx_convert.whitening import LIMIT_REFUSALS

REFUSED_FROM: Final = 1.6
"""Times the distance that 2 % of the tune films lie above: from there a film is refused. Between
both it is unfamiliar. A lower leg of another hospital lies at 1.5 times."""
GROWING_UNTIL_MONTHS: Final = 162
"""Bone age until which the growth plates of hand and wrist are plainly open."""
GROWN_FROM_MONTHS: Final = 180
"""Bone age from which they are about closed; those between teach nothing."""
RIDGE: Final = 0.2
"""Nats per half a squared weight, of features with variance 1. Strong: a weaker one follows the
source, see docs/decisions/0037-input-check.md."""
TUNE_SHARE: Final = {Kind.CHILD: 0.025, Kind.CHEST: 0.005}
"""Of the tune films that a detector may find; there are children among them."""
CLEARLY: Final = 1.5
"""Logits above the fracture threshold from which a child's film stays `fracture`."""

Films = Sequence[NDArray[np.float32]]
Floats = NDArray[np.float64]


def write_familiar(paths: Sequence[Path], *, data: Path, out: Path) -> list[Path]:
    """Write each model file with detectors and limits on its own features; return the paths.

    Parameters
    ----------
    data
        Folder with `fracatlas` and the sets named above, each with a manifest.csv.

    Raises
    ------
    OSError
        If a set is absent.
    ModelFileError
        If a file is no model file.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for path in paths:
        model = ModelFile.read(path)
        check = _input_check(Classifier.load(path), data=data)
        target = out / path.name
        manifest = dataclasses.replace(model.manifest, input_check=check)
        write_model_file(target, flatbuffer=model.flatbuffer, manifest=manifest)
        written.append(target)
    return written


def _input_check(classifier: Classifier, *, data: Path) -> InputCheckSpec:
    """Return the model's input check with limits for refused and unfamiliar films."""
    own = classifier.manifest.input_check
    # Nothing is refused for its features here: those of refused films count, too.
    classifier.manifest = dataclasses.replace(
        classifier.manifest, input_check=dataclasses.replace(own, distance_limit=1e9)
    )

    def read(name: str, wanted: Callable[[dict[str, str]], bool]) -> Films:
        return _features(classifier, data / name, wanted)

    tune = read("fracatlas", lambda row: row["split"] == "tune")
    train = read("fracatlas", lambda row: _is_train(row) and row["label"] != "fractured")
    knees, shoulders = (read(name, lambda _: True) for name in ("oai_knee", "shoulder_implants"))
    growing = read("boneage", lambda row: _is_train(row) and _months(row) <= GROWING_UNTIL_MONTHS)
    grown = read("boneage", lambda row: _is_train(row) and _months(row) >= GROWN_FROM_MONTHS)
    chests = read("ood_chest_children", _is_train)
    child = _fit([(growing, 1.0)], [(grown, 1.0), (knees, 0.1), (shoulders, 0.1)])
    hands = [*growing, *grown]
    chest = _fit([(chests, 0.5)], [(train, 0.2), (knees, 0.1), (shoulders, 0.1), (hands, 0.1)])
    distances = [float(np.mean(np.square(film[0], dtype=np.float64))) for film in tune]
    limit = float(np.quantile(distances, 1 - LIMIT_REFUSALS))
    fracture_from = classifier.operating_point.fracture_from
    clearly = sigmoid(math.log(fracture_from / (1 - fracture_from)) + CLEARLY)
    detectors = (
        _detector(Kind.CHILD, child, tune, unless_from=clearly),
        _detector(Kind.CHEST, chest, tune, unless_from=None),
    )
    return dataclasses.replace(
        own, distance_limit=REFUSED_FROM * limit, familiarity=Familiarity(limit, detectors)
    )


def _is_train(row: dict[str, str]) -> bool:
    return row["split"] == "train"


def _months(row: dict[str, str]) -> int:
    return int(row["bone_age_months"])


def _features(
    classifier: Classifier, folder: Path, wanted: Callable[[dict[str, str]], bool]
) -> Films:
    """Return of each film (n, k) features; of those whose pixels are refused none."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        paths = [folder / row["path"] for row in csv.DictReader(file) if wanted(row)]
    films = []
    for path in track(paths, label=folder.name):
        found = classifier.analyze(path)
        if found.whole is not None:
            features = all_features(found.whole, found.tile_outputs)
            assert features is not None  # noqa: S101 -- for mypy: checked by the caller
            films.append(features)
    return films


def _fit(found: list[tuple[Films, float]], others: list[tuple[Films, float]]) -> Floats:
    """Return weights (k + 1,), the bias last: of the films to be found against others.

    Each set of films has the weight beside it, each film of a set the same, each input of a film
    the same: a film with many tiles counts no more than another.
    """
    rows, positive, weights = [], [], []
    for sets, label in ((found, 1), (others, 0)):
        for films, weight in sets:
            for film in films:
                rows.append(film.astype(np.float64))
                positive.append(np.full(len(film), label))
                weights.append(np.full(len(film), weight / len(films) / len(film)))
    x = np.concatenate(rows)
    design = np.column_stack([x, np.ones(len(x))])
    ridge = np.full(design.shape[1], RIDGE)
    ridge[-1] = 0.0
    fitted, _ = fit_logistic(
        design, np.concatenate(positive), ridge=ridge, weight=np.concatenate(weights)
    )
    return fitted


def _detector(kind: Kind, fitted: Floats, tune: Films, *, unless_from: float | None) -> Detector:
    """Return the detector with the limit that `TUNE_SHARE` of the tune films lie above."""
    weights = tuple(float(number) for number in fitted[:-1])
    scores = [Detector(kind, weights, float(fitted[-1]), 0.0, None).score(film) for film in tune]
    limit = float(np.quantile(scores, 1 - TUNE_SHARE[kind]))
    return Detector(kind, weights, float(fitted[-1]), limit, unless_from)

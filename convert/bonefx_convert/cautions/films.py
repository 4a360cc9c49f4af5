"""Films of several sets through a model, once: what detectors are fitted on, and measured by.

Besides the films that the network was fitted on: `boneage` (hands of children, with bone ages),
`oai_knee`, `shoulder_implants` (adults) and `ood_chest_children` (chest films).
"""

import csv
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from bonefx_edge.classifier import Classifier
from bonefx_edge.inference.judge import Evidence
from bonefx_edge.inference.tiling import TILED, InferenceMode, NetworkOutputs, all_features
from bonefx_train.progress import track
from numpy.typing import NDArray

TUNE: Final = "tune"
MONTHS: Final = "bone_age_months"


@dataclass(frozen=True, slots=True)
class Film:
    """One film: its row of the manifest, and the outputs of the network."""

    row: dict[str, str]
    whole: NetworkOutputs
    tiles: NetworkOutputs | None

    def evidence(self, mode: InferenceMode) -> Evidence:
        """Return what the device decides by in a mode."""
        tiles = self.tiles if mode.tiles else None
        return Evidence.of(mode, whole=self.whole, tiles=tiles, age_years=None)

    def features(self, mode: InferenceMode) -> NDArray[np.float32]:
        """Return (n, k) features of the inputs that a mode has, the whole film first."""
        features = all_features(self.whole, self.tiles if mode.tiles else None)
        if features is None:
            msg = "expected a network with features, got one without"
            raise ValueError(msg)
        return features

    @property
    def distance(self) -> float:
        """Mean square of the features of the whole film, as the device measures it."""
        assert self.whole.features is not None  # noqa: S101 -- for mypy: checked by the caller
        return float(np.mean(np.square(self.whole.features[0], dtype=np.float64)))

    @property
    def months(self) -> int:
        """Bone age."""
        return int(self.row[MONTHS])


@dataclass(frozen=True, slots=True)
class Films:
    """The films of each set whose pixels are not refused."""

    tune: list[Film]
    """FracAtlas; it chooses limits."""
    normal: list[Film]
    """FracAtlas train, not fractured."""
    hands: list[Film]
    """boneage, train and test."""
    knees: list[Film]
    shoulders: list[Film]
    chests: list[Film]
    """Train."""


def read_films(model: Path, data: Path) -> Films:
    """Return the films below `data`, a folder with the sets, each with a manifest.csv.

    Raises
    ------
    OSError
        If a set is absent.
    ModelFileError
        If `model` is no model file.
    """
    classifier = Classifier.load(model)
    manifest = classifier.manifest
    if any(mode.name == TILED for mode in manifest.modes):
        classifier.mode = manifest.mode(TILED)  # with the whole film, these are all inputs
    # Nothing is refused for its features here: those of refused films count, too.
    classifier.manifest = dataclasses.replace(
        manifest, input_check=dataclasses.replace(manifest.input_check, distance_limit=1e9)
    )

    def read(name: str, wanted: Callable[[dict[str, str]], bool]) -> list[Film]:
        return _read(classifier, data / name, wanted)

    return Films(
        tune=read("fracatlas", lambda row: row["split"] == TUNE),
        normal=read("fracatlas", lambda row: is_train(row) and row["label"] != "fractured"),
        hands=read("boneage", lambda _: True),
        knees=read("oai_knee", lambda _: True),
        shoulders=read("shoulder_implants", lambda _: True),
        chests=read("ood_chest_children", is_train),
    )


def is_train(row: dict[str, str]) -> bool:
    """Return whether a film may be fitted on."""
    return row["split"] == "train"


def _read(
    classifier: Classifier, folder: Path, wanted: Callable[[dict[str, str]], bool]
) -> list[Film]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if wanted(row)]
    films = []
    for row in track(rows, label=folder.name):
        found = classifier.analyze(folder / row["path"])
        if found.whole is not None:
            films.append(Film(row, found.whole, found.tile_outputs))
    return films

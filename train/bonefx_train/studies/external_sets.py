"""The external test sets: their films, and the boxes of the fractured ones."""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bonefx_edge.decode.reader import decode, read_file

from bonefx_train.data.boxes import Box
from bonefx_train.data.dataset import find_samples
from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError

FOLDER: Final = "elsewhere"
"""Below the data folder: the sets that are not licensed for redistribution."""
WEB, BTXRD, OAI = "web_pool", "btxrd_normal", "oai_knee"
SETS: Final = {
    WEB: "fractured, web-collected, mostly hands, wrists, forearms; a few drawn arrows, metal",
    BTXRD: "not fractured limbs and pelves, stretched to 256x256 by their source",
    OAI: "knees of an osteoarthritis study in tight crops, no fracture reading, taken as not "
    "fractured",
}
BOX_CLASSES: Final = ("fracture", "line", "angle", "messed_up_angle")
"""All that the file has. Checked on the films: each marks a fracture (a break, a hairline, a bent
cortex, a displaced break). The meaning of another class is unknown, so it stops the run."""


def read_sets(data: Path) -> dict[str, list[Sample]]:
    """Return the films of each set, without body part, which is not known for every film.

    Raises
    ------
    DataError
        If a film is in no known set, or a set is empty or holds films of the other class.
    """
    sets: dict[str, list[Sample]] = {name: [] for name in SETS}
    for sample in find_samples(data / FOLDER)[0]:
        folder = sample.key.split("/")[0]
        if folder not in (WEB, BTXRD):
            msg = f"{data / FOLDER}: expected {WEB} and {BTXRD}, got {sample.key}"
            raise DataError(msg)
        sets[folder].append(sample)
    sets[OAI] += find_samples(data / OAI)[0]
    for name, samples in sets.items():
        expected = Label.FRACTURED if name == WEB else Label.NOT_FRACTURED
        if not samples or {sample.label for sample in samples} != {expected}:
            msg = f"{name}: expected {expected} films only, got {len(samples)} films"
            raise DataError(msg)
    return {
        name: [dataclasses.replace(s, body_part="") for s in samples]
        for name, samples in sets.items()
    }


def read_corner_boxes(path: Path, samples: Sequence[Sample]) -> dict[str, tuple[Box, ...]]:
    """Return the boxes of each film in shares of it, from corners in the file's pixels.

    Raises
    ------
    DataError
        If a class is unknown, a film has no box, or a box lies outside its film.
    """
    rows: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["class"] not in BOX_CLASSES:
                msg = f"{path}: expected a class of {BOX_CLASSES}, got {row['class']}"
                raise DataError(msg)
            rows.setdefault(row["path"], []).append(row)
    boxes = {}
    for sample in samples:
        height, width = decode(read_file(sample.path)).pixels.shape
        corners = [
            [float(row[name]) for name in ("x0", "y0", "x1", "y1")]
            for row in rows.get(sample.key, [])
        ]
        inside = [0 <= a < c <= width and 0 <= b < d <= height for a, b, c, d in corners]
        if not inside or not all(inside):
            msg = f"{path}: expected boxes inside {sample.key}, got {corners}"
            raise DataError(msg)
        boxes[sample.key] = tuple(
            Box(a / width, b / height, c / width, d / height) for a, b, c, d in corners
        )
    return boxes

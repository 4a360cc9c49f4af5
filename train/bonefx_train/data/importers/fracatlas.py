"""FracAtlas: dataset.csv, images/Fractured, images/Non_fractured, Annotations/YOLO."""

import re
from pathlib import Path
from typing import Final

from bonefx_train.data.importers.films import Film, Found, files_by_stem, read_table, read_yolo
from bonefx_train.data.sample import BODY_PART_SEPARATOR, Label
from bonefx_train.errors import DataError

PARTS: Final = ("hand", "leg", "hip", "shoulder")
COLUMNS: Final = ("image_id", *PARTS, "hardware", "fractured")
FOLDERS: Final = {"1": "Fractured", "0": "Non_fractured"}
BOX_CLASS: Final = 0
"""The only class of its YOLO files: fractured."""


def find_fracatlas(root: Path) -> Found:
    """Return the films of the folder FracAtlas.

    The set has no patients. A group is a run of neighbouring numbers of the same body parts: views
    of one patient are numbered in a row, whatever their label. A run never ends between two views
    of a patient, unless the set numbers them apart.

    Raises
    ------
    DataError
        The layout is another one.
    """
    labels = files_by_stem([root / "Annotations" / "YOLO"], suffixes=(".txt",))
    if not labels:
        msg = f"{root}: expected boxes in Annotations/YOLO, got none; unpack the whole archive"
        raise DataError(msg)
    found = Found()
    last: tuple[int, str] | None = None
    group = ""
    rows = read_table(root / "dataset.csv", columns=COLUMNS)
    for row in sorted(rows, key=lambda row: _number(row["image_id"])):
        number, parts = _number(row["image_id"]), _parts(row)
        if last is None or number > last[0] + 1 or parts != last[1]:
            group = Path(row["image_id"]).stem
        last = number, parts
        film = _film(root, row, group=group, labels=labels)
        if film is None:
            found.left_out["not there"] += 1
        else:
            found.films.append(film)
    return found


def _film(root: Path, row: dict[str, str], *, group: str, labels: dict[str, Path]) -> Film | None:
    """Return the film of a row, None if its image is not there."""
    name, fractured = row["image_id"], row["fractured"]
    if fractured not in FOLDERS:
        msg = f"{root / 'dataset.csv'}: expected fractured 0 or 1, got {fractured!r} of {name}"
        raise DataError(msg)
    path = root / "images" / FOLDERS[fractured] / name
    if not path.is_file():
        return None
    is_fractured = fractured == "1"
    boxes = labels.get(path.stem) if is_fractured else None
    return Film(
        path=path,
        label=Label.FRACTURED if is_fractured else Label.NOT_FRACTURED,
        group=group,
        body_part=_parts(row),
        hardware=row["hardware"] == "1",
        boxes=read_yolo(boxes, box_class=BOX_CLASS) if boxes else (),
    )


def _parts(row: dict[str, str]) -> str:
    return BODY_PART_SEPARATOR.join(part for part in PARTS if row[part] == "1")


def _number(image_id: str) -> int:
    """Return 19 of IMG0000019.jpg."""
    digits = re.search(r"\d+", image_id)
    if digits is None:
        msg = f"dataset.csv: expected image_id such as IMG0000019.jpg, got {image_id!r}"
        raise DataError(msg)
    return int(digits[0])

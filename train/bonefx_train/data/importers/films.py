"""What every reader of a public set shares: a film, tables, files by name, YOLO boxes."""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bonefx_train.data.boxes import Box
from bonefx_train.data.class_folders import is_junk
from bonefx_train.data.sample import Label
from bonefx_train.errors import DataError


@dataclass(frozen=True, slots=True)
class Film:
    """One image of a public set."""

    path: Path
    label: Label
    group: str
    """Patient, or what stands for one, unique within the set."""
    body_part: str
    """Several joined by `+`."""
    hardware: bool = False
    """Whether the set says that metal is in the image."""
    boxes: tuple[Box, ...] = ()
    """Around fractures."""


@dataclass(slots=True)
class Found:
    """The films of a set, and how many were left out, by reason."""

    films: list[Film] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def read_table(path: Path, *, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV of the set; cells are stripped, absent ones are empty.

    Raises
    ------
    DataError
        There is no such file, or a column lacks.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            present = reader.fieldnames or []
            rows = [{name: (row[name] or "").strip() for name in present} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        msg = f"{path}: expected the table of the set, got {err}; give the folder that holds it"
        raise DataError(msg) from err
    absent = [name for name in columns if name not in present]
    if absent:
        msg = (
            f"{path}: expected the columns {', '.join(columns)}, absent: {', '.join(absent)}; "
            "take the file as its authors publish it"
        )
        raise DataError(msg)
    return rows


def files_by_stem(folders: Iterable[Path], *, suffixes: Sequence[str]) -> dict[str, Path]:
    """Return the files below the folders by name without suffix; of equal names the first.

    Parameters
    ----------
    folders
        In order of preference; those that are not there are passed over.
    suffixes
        Lower case, with the dot.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for parent, folder_names, names in os.walk(folder):
            folder_names.sort()
            for path in (Path(parent, name) for name in sorted(names)):
                if path.suffix.lower() in suffixes and not is_junk(path):
                    found.setdefault(path.stem, path)
    return found


def read_yolo(path: Path, *, box_class: int) -> tuple[Box, ...]:
    """Return the boxes of one class in a label file of YOLO, cut at the edges of the image.

    A line is class, center x, center y, width, height, as shares of the image. An empty file has
    no boxes.

    Raises
    ------
    DataError
        A line is none of that kind.
    """
    boxes = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            name, x, y, width, height = line.split()
            of_class, numbers = int(name), [float(cell) for cell in (x, y, width, height)]
        except ValueError as err:
            msg = (
                f"{path}, line {number}: expected class, x, y, width, height, got {line!r}; "
                "take the file as its authors publish it"
            )
            raise DataError(msg) from err
        if of_class == box_class:
            boxes.append(_box(numbers, where=f"{path}, line {number}"))
    return tuple(boxes)


def _box(numbers: list[float], *, where: str) -> Box:
    x, y, width, height = numbers
    box = Box(
        left=max(0.0, x - width / 2),
        top=max(0.0, y - height / 2),
        right=min(1.0, x + width / 2),
        bottom=min(1.0, y + height / 2),
    )
    if not (box.left < box.right and box.top < box.bottom):
        msg = f"{where}: expected a box inside the image, got {x}, {y}, {width}, {height}; fix it"
        raise DataError(msg)
    return box

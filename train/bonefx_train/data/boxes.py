"""Where the fractures are: boxes.csv, rectangles drawn around fractures by a reader."""

import csv
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from bonefx_train.errors import DataError

BOXES_NAME: Final = "boxes.csv"
COLUMNS: Final = ("path", "x_center", "y_center", "width", "height")


class Box(NamedTuple):
    """An upright rectangle, edges as shares of the image's width and height, [0, 1]."""

    left: float
    top: float
    right: float
    bottom: float


def read_boxes(path: Path) -> dict[str, tuple[Box, ...]]:
    """Return the boxes of each image that has any, by the image's path in the file.

    Each row gives an image's path, and the center and the size of a box as shares of the image.

    Raises
    ------
    DataError
        If columns lack, or a number is none or lies outside the image.
    """
    boxes = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        absent = set(COLUMNS) - set(rows.fieldnames or ())
        if absent:
            msg = f"{path}: expected the columns {', '.join(COLUMNS)}, absent: {sorted(absent)}"
            raise DataError(msg)
        for row in rows:
            image = PurePosixPath(row["path"]).as_posix()  # as in the manifest: without "./"
            boxes[image].append(_box(row, where=f"{path}, line {rows.line_num}"))
    return {image: tuple(of_image) for image, of_image in boxes.items()}


def _box(row: dict[str, str], *, where: str) -> Box:
    try:
        x, y, width, height = (float(row[name]) for name in COLUMNS[1:])
    except ValueError as err:
        msg = f"{where}: expected four numbers, got {err}"
        raise DataError(msg) from err
    if not (0 <= x <= 1 and 0 <= y <= 1 and 0 < width <= 1 and 0 < height <= 1):
        msg = f"{where}: expected shares of the image in [0, 1], got {x}, {y}, {width}, {height}"
        raise DataError(msg)
    return Box(
        left=max(0.0, x - width / 2),
        top=max(0.0, y - height / 2),
        right=min(1.0, x + width / 2),
        bottom=min(1.0, y + height / 2),
    )

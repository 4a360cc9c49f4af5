"""Display Shutter of a DICOM image (PS3.3 C.7.6.11): outside of it is background."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from bonefx_edge.decode.dicom.numbers import read_numbers

_INSIDE: Final = 255
_FARTHEST: Final = 100_000
"""Pixels: coordinates beyond are no edge of a picture, and OpenCV draws with 32 bits."""
_MOST_VERTICES: Final = 1000
_SMALLEST_PART: Final = 64
"""A shutter that leaves less than one part in this of the picture is a fault of the header."""
_EDGES: Final = (
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
)


def read_shutter(dataset: Dataset, *, rows: int, columns: int) -> NDArray[np.uint8] | None:
    """Return the picture's part inside the shutter: (rows, columns), 255 inside, 0 outside.

    None without a shutter, and where it cannot be read or would leave next to nothing. With
    several shapes the part inside all of them. Edges belong to the picture.
    """
    shape = str(dataset.get("ShutterShape") or "").upper()
    inside: NDArray[np.uint8] | None = None
    for name, draw in _SHAPES.items():
        if name not in shape:
            continue
        drawn = draw(dataset, np.zeros((rows, columns), np.uint8))
        if drawn is not None:
            inside = drawn if inside is None else np.bitwise_and(inside, drawn, out=inside)
    if inside is None or np.count_nonzero(inside) * _SMALLEST_PART < inside.size:
        return None
    return inside


def _rectangle(dataset: Dataset, canvas: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    edges = [_coordinates(dataset, keyword, count=1) for keyword in _EDGES]
    if not all(edges):
        return None
    left, right, upper, lower = (edge[0] for edge in edges)
    canvas[max(0, upper) : max(0, lower + 1), max(0, left) : max(0, right + 1)] = _INSIDE
    return canvas


def _circle(dataset: Dataset, canvas: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    center = _coordinates(dataset, "CenterOfCircularShutter", count=2)
    radius = read_numbers(dataset, "RadiusOfCircularShutter")
    if not center or not radius or not 0 < radius[0] < _FARTHEST:
        return None
    cv2.circle(canvas, center[::-1], round(radius[0]), _INSIDE, thickness=cv2.FILLED)
    return canvas


def _polygon(dataset: Dataset, canvas: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    numbers = read_numbers(dataset, "VerticesOfThePolygonalShutter")
    count = min(len(numbers), 2 * _MOST_VERTICES) // 2 * 2
    pairs = _coordinates(dataset, "VerticesOfThePolygonalShutter", count=count)
    if not pairs:
        return None
    vertices = np.array(pairs, np.int32).reshape(-1, 2)[:, ::-1]
    cv2.fillPoly(canvas, [vertices], _INSIDE)
    return canvas


def _coordinates(dataset: Dataset, keyword: str, *, count: int) -> list[int]:
    """Return `count` rows or columns, from 0 (the standard counts from 1), or [] if unusable."""
    numbers = read_numbers(dataset, keyword)[:count]
    if len(numbers) < count or any(math.isnan(n) or abs(n) > _FARTHEST for n in numbers):
        return []
    return [round(number) - 1 for number in numbers]


_SHAPES: Final = {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon}

"""Where a patch lies in its image: a square, turned, flipped and stretched, as an affine map."""

import math
from typing import Final

import cv2
import numpy as np
from bonefx_edge.inference.preprocess import InputSpec
from numpy.typing import NDArray

from bonefx_train.data.boxes import Box

TURN_SD: Final = 15.0
"""Of the angle, degrees."""
QUARTER_TURN_CHANCE: Final = 0.15
"""That a patch is also turned by 0, 90, 180 or 270 degrees: images come in any orientation."""
STRETCH_SD: Final = 0.10
"""Of the log of the stretch: images that somebody squashed."""
MOST_OVERSAMPLING: Final = 4
"""A patch is drawn at most this many times larger before it is averaged down."""
MAP_STRIDE: Final = 32
"""Pixels of the patch per cell of the map."""

Matrix = NDArray[np.float64]
Gray = NDArray[np.uint8]


def draw_matrix(
    center: NDArray[np.float64], side: float, *, spec: InputSpec, rng: np.random.Generator
) -> Matrix:
    """Return an affine map, (2, 3), from image pixels (x, y) to patch pixels (x, y).

    Parameters
    ----------
    center
        (2,), x and y of the middle of the patch in the image, pixels.
    side
        Of the patch in the image, pixels, before it is stretched.
    """
    quarters = int(rng.integers(4)) if rng.random() < QUARTER_TURN_CHANCE else 0
    turn = math.radians(rng.normal(0, TURN_SD) + 90 * quarters)
    rotate = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    flip = np.diag([float(rng.choice([-1.0, 1.0])), 1.0])
    stretch = math.exp(rng.normal(0, STRETCH_SD))
    scale = np.diag([spec.width * stretch, spec.height / stretch]) / side
    linear = scale @ flip @ rotate
    offset = np.array([spec.width, spec.height]) / 2 - linear @ center
    return np.column_stack([linear, offset])


def extract_patch(pixels: Gray, to_patch: Matrix, *, spec: InputSpec) -> Gray:
    """Return the patch, (spec.height, spec.width); black where it reaches beyond the image.

    Where the image has more pixels than the patch, the patch is drawn larger first and averaged
    down: bilinear sampling alone would alias.
    """
    shrink = 1 / math.sqrt(abs(np.linalg.det(to_patch[:, :2])))
    # A quarter of a pixel of aliasing is let pass: up to 1.25 image pixels per patch pixel.
    times = min(MOST_OVERSAMPLING, max(1, math.ceil(shrink - 0.25)))
    size = (spec.width * times, spec.height * times)
    large = cv2.warpAffine(pixels, to_patch * times, size, flags=cv2.INTER_LINEAR)
    patch = cv2.resize(large, (spec.width, spec.height), interpolation=cv2.INTER_AREA)
    return np.asarray(patch, np.uint8)


def project_box(
    box: Box, shape: tuple[int, ...], to_patch: Matrix, *, spec: InputSpec
) -> tuple[float, NDArray[np.float64]]:
    """Return the share of a box that a patch shows, and the upright rectangle it takes up there.

    The rectangle is (2, 2), its low and its high corner (x, y) in patch pixels, inside the patch.
    """
    height, width = shape
    x, y = (box.left * width, box.right * width), (box.top * height, box.bottom * height)
    corners = np.array([[a, b, 1.0] for a in x for b in y]) @ to_patch.T  # (4, 2)
    low, high = corners.min(axis=0), corners.max(axis=0)
    inner = np.clip([low, high], 0, [spec.width, spec.height])
    return float(np.prod(inner[1] - inner[0]) / np.prod(high - low)), inner


def cells_of(rectangles: list[NDArray[np.float64]], *, spec: InputSpec) -> NDArray[np.float32]:
    """Return what the map should show, (rows, columns), [0, 1].

    The area that cell and rectangle have in common, as share of the smaller of the two.
    """
    rows, columns = math.ceil(spec.height / MAP_STRIDE), math.ceil(spec.width / MAP_STRIDE)
    cell = np.array([spec.width / columns, spec.height / rows])
    cells = np.zeros((rows, columns))
    for low, high in rectangles:
        x = _overlap(low[0], high[0], step=cell[0], n=columns)
        y = _overlap(low[1], high[1], step=cell[1], n=rows)
        smaller = min(float(np.prod(high - low)), float(np.prod(cell)))
        cells = np.maximum(cells, np.outer(y, x) / max(smaller, 1.0))
    return cells.astype(np.float32)


def _overlap(low: float, high: float, *, step: float, n: int) -> NDArray[np.float64]:
    """Return the length of [low, high] inside each of `n` intervals of length `step`."""
    edges = np.arange(n + 1) * step
    shared = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    return np.asarray(np.clip(shared, 0, None), np.float64)

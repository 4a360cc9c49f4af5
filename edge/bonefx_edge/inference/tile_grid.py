"""Grids of tiles over an image, and which tiles the network gets: those that show anatomy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.downscale import MIN_LONGEST_SIDE_PX
from bonefx_edge.inference.preprocess import stretch_percentiles

Box = tuple[int, int, int, int]
"""(top, bottom, left, right) in pixels; bottom and right are the first ones outside."""
_ROUNDING: Final = 1e-6
"""Pixels, tiles: 0.55 * 400 is slightly above 220 in floating point and means 220."""


@dataclass(frozen=True, slots=True)
class TileSpec:
    """A grid of overlapping square tiles that covers the image."""

    longest_px: int
    """[1, `downscale.MIN_LONGEST_SIDE_PX`]: longest side in pixels that the image is downscaled to;
    a smaller image is not enlarged."""
    share: float
    """Side of a tile as share of that longest side, (0, 1]."""
    overlap: float
    """Least overlap of neighbors, as share of the tile, [0, 1)."""

    def __post_init__(self) -> None:
        if (
            not 1 <= self.longest_px <= MIN_LONGEST_SIDE_PX
            or not 0.0 < self.share <= 1.0
            or not 0.0 <= self.overlap < 1.0
        ):
            msg = (
                f"tiles: expected 1 <= longest_px <= {MIN_LONGEST_SIDE_PX}, 0 < share <= 1 and "
                f"0 <= overlap < 1, got {self.longest_px}, {self.share} and {self.overlap}"
            )
            raise ValueError(msg)

    @property
    def max_tiles(self) -> int:
        """Tiles of a square image; any other image has at most as many."""
        return self.tiles_along(1.0, longest=1.0) ** 2

    def tiles_along(self, side: float, *, longest: float) -> int:
        """Return how many tiles lie along a side of the image; both lengths in the same unit."""
        tile = self.share * longest
        steps = (side - tile) / (tile * (1.0 - self.overlap))
        return 1 + max(0, math.ceil(steps - _ROUNDING))


@dataclass(frozen=True, slots=True)
class TileSelection:
    """Leaves out tiles of which too little is brighter than the background."""

    gray_level: int
    """[0, 254], after the stretch of the whole image; brighter pixels count as anatomy."""
    min_share: float
    """[0, 1]: a tile with a smaller share of such pixels is left out."""

    def __post_init__(self) -> None:
        if not 0 <= self.gray_level <= 254 or not 0.0 <= self.min_share <= 1.0:  # noqa: PLR2004
            msg = (
                "tile_selection: expected 0 <= gray_level <= 254 and 0 <= min_share <= 1, got "
                f"{self.gray_level} and {self.min_share}"
            )
            raise ValueError(msg)


def tile_boxes(shape: tuple[int, int], spec: TileSpec) -> list[Box]:
    """Return top, bottom, left and right of each tile in the downscaled image, row by row."""
    rows, columns = (_along(side, longest=max(shape), spec=spec) for side in shape)
    return [(*row, *column) for row in rows for column in columns]


def _along(side: int, *, longest: int, spec: TileSpec) -> list[tuple[int, int]]:
    """Return start and end of each tile along one side of the downscaled image, in its pixels.

    Rounding up the tile and rounding down the starts leaves no gap: starts are at most
    ceil(tile) apart, and the last tile ends where the image does.
    """
    tile = min(side, math.ceil(spec.share * longest - _ROUNDING))
    n = spec.tiles_along(side, longest=longest)
    starts = [i * (side - tile) // max(1, n - 1) for i in range(n)]
    return [(start, start + tile) for start in starts]


def select_tiles(
    gray: NDArray[np.uint8], boxes: Sequence[Box], selection: TileSelection | None
) -> list[Box]:
    """Return the tiles of one grid that the network gets, in the order of `boxes`.

    The 1st percentile of the whole image becomes 0 and the 99th 255, so a share means the same for
    every detector. If all tiles would be left out, the one with the largest share stays: the first
    of equal ones. Counts are integers, so every machine selects the same tiles.

    Parameters
    ----------
    gray
        (height, width) uint8, the image as the grid divides it.
    boxes
        n >= 1 tiles, each inside the image and not empty.
    selection
        None selects all.
    """
    if selection is None:
        return list(boxes)
    bright = (stretch_percentiles(gray) > selection.gray_level).astype(np.uint8)
    sums = cv2.integral(bright)  # (height + 1, width + 1) int32
    shares = [_share(sums, box) for box in boxes]
    kept = [box for box, share in zip(boxes, shares, strict=True) if share >= selection.min_share]
    return kept or [boxes[shares.index(max(shares))]]


def _share(sums: NDArray[Any], box: Box) -> float:
    """Return the share of ones in a box, from the integral image."""
    top, bottom, left, right = box
    ones = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return int(ones) / ((bottom - top) * (right - left))

"""Grids of tiles over an image, which tiles show anatomy, and which finer tiles follow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.downscale import MIN_LONGEST_SIDE_PX
from bonefx_edge.inference.regions import Rectangle

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
    """[0, 254], of the network's input, after the stretch of the tile itself; brighter pixels count
    as anatomy."""
    min_share: float
    """[0, 1]: a tile with a smaller share of such pixels is left out."""

    def __post_init__(self) -> None:
        if not 0 <= self.gray_level <= 254 or not 0.0 <= self.min_share <= 1.0:  # noqa: PLR2004
            msg = (
                "tile_selection: expected 0 <= gray_level <= 254 and 0 <= min_share <= 1, got "
                f"{self.gray_level} and {self.min_share}"
            )
            raise ValueError(msg)

    def share(self, x: NDArray[np.uint8]) -> float:
        """Return the share of anatomy in one network input, uint8 of any shape; [0, 1].

        Counts are integers, so every machine selects the same tiles.
        """
        return int(np.count_nonzero(x > self.gray_level)) / x.size


@dataclass(frozen=True, slots=True)
class Refinement:
    """A finer grid, of which the network gets only the tiles where the others found most."""

    grid: TileSpec
    tiles: int
    """>= 1: how many of its tiles at most."""

    def __post_init__(self) -> None:
        if self.tiles < 1:
            msg = f"refinement: expected tiles >= 1, got {self.tiles}"
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
    # Where rounding up made the tile as long as the side, two would be the same.
    n = 1 if tile == side else spec.tiles_along(side, longest=longest)
    starts = [i * (side - tile) // max(1, n - 1) for i in range(n)]
    return [(start, start + tile) for start in starts]


def rank_finer_tiles(
    coarse: Sequence[Rectangle], logits: NDArray[np.floating[Any]], finer: Sequence[Rectangle]
) -> list[int]:
    """Return the indices of finer tiles, the most suspicious first; one code for device and host.

    Tiles are ranked by the mean odds of fracture of the coarse tiles that hold their center. Those
    whose center is in no coarse tile (all left out as background) are not in the list. Equal ones
    stay in order.

    Parameters
    ----------
    coarse, finer
        Left, top, right, bottom, in pixels of the same image.
    logits
        (n,), of "not broken", of the coarse tiles, n >= 1.
    """
    boxes = np.asarray(coarse, np.int64)
    # Twice the center, in integers.
    x, y = (np.array([each[i] + each[i + 2] for each in finer])[:, np.newaxis] for i in (0, 1))
    left, top, right, bottom = 2 * boxes.T
    holds = (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
    fracture = -logits.astype(np.float64)
    odds = np.exp(fracture - fracture.max())  # no overflow
    # Rounded: sums in another order differ in the last digits, and must be equal all the same.
    mean = np.round((holds * odds).sum(axis=1) / np.maximum(holds.sum(axis=1), 1), 12)
    order = np.argsort(-mean, kind="stable")
    return [int(i) for i in order if holds[i].any()]

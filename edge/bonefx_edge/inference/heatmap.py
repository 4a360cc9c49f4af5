"""The heat map: the network's maps of the image and of its tiles, on one grid over the image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.inference.preprocess import Extent, InputSpec, input_extent
from bonefx_edge.inference.tiles import Tiles
from bonefx_edge.inference.tiling import NetworkOutputs

GRID_CELLS: Final = 64
"""Along the longer side: finer than the cells of any tile. The map of a whole image has five."""
TIE: Final = 1e-6
"""Values this close are equal: the rounding of float32 interpolation."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Score of fracture of each part of an image, by the network."""

    values: NDArray[np.float32]
    """(rows, columns), [0, 1], read-only: the grid covers the image evenly."""
    height: int
    """Of the image, pixels."""
    width: int
    """Of the image, pixels."""

    def __post_init__(self) -> None:
        inside = self.values.size and ((self.values >= 0) & (self.values <= 1)).all()
        if not inside or self.values.dtype != np.float32:
            msg = (
                "HeatMap.values: expected a non-empty float32 array in [0, 1], "
                f"got shape {self.values.shape} dtype {self.values.dtype}"
            )
            raise ValueError(msg)
        self.values.flags.writeable = False

    def peak(self) -> tuple[float, float]:
        """Return (x, y), center of the strongest cell in pixels of the image.

        Of equal cells the one nearest to their middle: values are constant beyond the outermost
        cell centers of an input, so a fracture at its edge gives many equal cells.
        """
        tied = np.argwhere(self.values >= self.values.max() - TIE)
        row, column = tied[np.square(tied - tied.mean(axis=0)).sum(axis=1).argmin()]
        rows, columns = self.values.shape
        return float(column + 0.5) * self.width / columns, float(row + 0.5) * self.height / rows


def heat_map(
    shape: tuple[int, int],
    extents: Sequence[Extent],
    maps: Sequence[NDArray[np.float32]],
) -> HeatMap:
    """Return the mean over the inputs of sigmoid(logit), where they cover the image.

    Between the cell centers of an input the value is interpolated bilinearly; beyond the
    outermost centers it is constant. An input is weighted by the share of a grid cell that it
    covers. Where there is no input, the value is 0.

    Parameters
    ----------
    shape
        (height, width) of the image, pixels.
    extents
        Of each input on the image, black bars of a letterbox included.
    maps
        (rows, columns) float32 of each input: logit of "the fracture is in this cell", finite.
        The cells divide the input evenly, as in training.
    """
    # About square cells, at least one pixel of the image each.
    scale = min(1.0, GRID_CELLS / max(shape))
    rows, columns = (max(1, round(side * scale)) for side in shape)
    total, covered = np.zeros((rows, columns)), np.zeros((rows, columns))
    for (left, top, right, bottom), logits in zip(extents, maps, strict=True):
        down = _Axis(shape[0], rows, top, bottom)
        across = _Axis(shape[1], columns, left, right)
        value = (
            down.weights(logits.shape[0])
            @ (0.5 + 0.5 * np.tanh(logits.astype(np.float64) / 2))  # sigmoid without overflow
            @ across.weights(logits.shape[1]).T
        )
        cover = np.outer(down.cover(), across.cover())
        total += cover * value
        covered += cover
    values = np.divide(total, covered, out=np.zeros_like(total), where=covered > 0)
    return HeatMap(values.astype(np.float32), height=shape[0], width=shape[1])


def draw_heat_map(
    shape: tuple[int, int],
    *,
    whole: NetworkOutputs,
    tiles: Tiles | None,
    tile_outputs: NetworkOutputs | None,
    spec: InputSpec,
) -> HeatMap:
    """Return the heat map of an image: of the whole image and of its tiles, if it has any."""
    extents = [input_extent(shape, spec=spec)]
    maps = [whole.maps]
    if tiles and tile_outputs:
        extents += tiles.extents
        maps += [tile_outputs.maps]
    cells = np.concatenate([each for each in maps if each is not None])
    return heat_map(shape, extents, list(cells))


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of the image: `cells` equal grid cells, and an input from `low` to `high`."""

    side: int
    """Of the image, pixels."""
    cells: int
    low: float
    """Pixels of the image."""
    high: float
    """Pixels of the image; > low."""

    def cover(self) -> NDArray[np.float64]:
        """Return the share of each grid cell that the input covers, (cells,)."""
        edges = np.arange(self.cells + 1) * self.side / self.cells
        common: NDArray[np.float64] = np.minimum(self.high, edges[1:]) - np.maximum(
            self.low, edges[:-1]
        )
        return np.maximum(common, 0.0) * (self.cells / self.side)

    def weights(self, n: int) -> NDArray[np.float64]:
        """Return the weight of each of the input's `n` cells in each grid cell, (cells, n)."""
        centers = (np.arange(self.cells) + 0.5) * self.side / self.cells
        position = (centers - self.low) / (self.high - self.low) * n - 0.5
        position = np.clip(position, 0.0, n - 1.0)  # constant beyond the outermost centers
        weights: NDArray[np.float64] = 1.0 - np.abs(position[:, None] - np.arange(n))
        return np.maximum(weights, 0.0)

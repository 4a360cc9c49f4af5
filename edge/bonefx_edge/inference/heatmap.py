"""Where the network looked: the maps of all views of a film, laid over the film as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_edge.inference.preprocess import Extent, InputSpec, input_extent
from bonefx_edge.inference.tiling import NetworkOutputs, Tiles

LEGEND: Final = (
    "bonefx: where the network looked. Decision aid, not a diagnosis, not a medical device."
)
"""Burnt in, for a picture travels without its result."""
GRID_CELLS: Final = 64
"""Along the longer side: finer than the cells of any view, a whole film has five."""
TIE: Final = 1e-6
"""Values this close are equal: a few steps of float32 below 1, which interpolation costs."""
PICTURE_PX: Final = 1024
"""Longest side of the film in the picture: fits a screen."""
NARROWEST_PX: Final = 64
"""Least width of the picture: the legend's longest word is readable in it."""
TRANSPARENT_BELOW: Final = 0.2
"""Under this the film is untouched: most cells say a little, and a haze would hide the bone."""
OPAQUENESS: Final = (0.15, 0.55)
"""Share of color where the value is `TRANSPARENT_BELOW` and 1: the bone must stay visible."""
COLORS: Final = ((0.0, 220.0, 255.0), (0.0, 0.0, 255.0))
"""BGR where the value is `TRANSPARENT_BELOW` and 1: yellow, red."""
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALES: Final = (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2)
"""Tried in this order until the longest word fits."""
MARGIN_PX: Final = 4
"""Around the legend, and between its lines."""
STRIP_GRAY: Final = 40
INK_GRAY: Final = 235


@dataclass(frozen=True, slots=True)
class HeatMap:
    """How much each part of a film looks like a fracture to the network."""

    values: NDArray[np.float32]
    """(rows, columns), [0, 1], read-only: the grid covers the film evenly."""
    height: int
    """Of the film, pixels."""
    width: int
    """Of the film, pixels."""

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
        """Return (x, y), center of the strongest cell in pixels of the film.

        Of equal cells the one nearest to their middle: the value stays beyond the outermost
        centers of a view, so a fracture at its edge makes a field of them.
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
    """Return the mean over the views of sigmoid(logit), where they cover the film.

    Between the centers of a view's cells the value is interpolated bilinearly; beyond the
    outermost centers it stays. A view counts for a cell of the grid by the share of it that it
    covers. Where no view is, the value is 0.

    Parameters
    ----------
    shape
        (height, width) of the film, pixels.
    extents
        What the whole input of each view shows, margins of a letterbox included.
    maps
        (rows, columns) float32 of each view: logit of "the fracture is in this cell", finite.
        The cells divide the input evenly, as in fitting.
    """
    rows, columns = _grid(shape)
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
    """Return the maps of a whole film and of its tiles, if it has any, laid over the film."""
    extents = [input_extent(shape, spec=spec)]
    maps = [whole.maps]
    if tiles and tile_outputs:
        extents += tiles.extents
        maps += [tile_outputs.maps]
    cells = np.concatenate([each for each in maps if each is not None])
    return heat_map(shape, extents, list(cells))


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of the film: `cells` even cells of the grid, and a view from `low` to `high`."""

    side: int
    """Of the film, pixels."""
    cells: int
    low: float
    """Pixels of the film."""
    high: float
    """Pixels of the film; > low."""

    def cover(self) -> NDArray[np.float64]:
        """Return the share of each cell of the grid that the view covers, (cells,)."""
        edges = np.arange(self.cells + 1) * self.side / self.cells
        common: NDArray[np.float64] = np.minimum(self.high, edges[1:]) - np.maximum(
            self.low, edges[:-1]
        )
        return np.maximum(common, 0.0) * (self.cells / self.side)

    def weights(self, n: int) -> NDArray[np.float64]:
        """Return how much of each of the view's `n` cells is in each of the grid, (cells, n)."""
        centers = (np.arange(self.cells) + 0.5) * self.side / self.cells
        position = (centers - self.low) / (self.high - self.low) * n - 0.5
        position = np.clip(position, 0.0, n - 1.0)  # beyond the outermost centers it stays
        weights: NDArray[np.float64] = 1.0 - np.abs(position[:, None] - np.arange(n))
        return np.maximum(weights, 0.0)


def _grid(shape: tuple[int, int]) -> tuple[int, int]:
    """Return (rows, columns) of about square cells, at least one pixel of the film each."""
    scale = min(1.0, GRID_CELLS / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))

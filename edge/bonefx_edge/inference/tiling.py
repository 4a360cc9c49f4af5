"""A reading: which views of a film the network is shown, and how its answers become one logit."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.downscale import MIN_LONGEST_SIDE_PX
from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.decision import OperatingPoint
from bonefx_edge.inference.preprocess import (
    Extent,
    InputSpec,
    downscale_to,
    input_extent,
    preprocess,
)
from bonefx_edge.inference.regions import Rectangle

CLOSER: Final = "closer"
"""Name of the reading that looks at the whole film and at its tiles."""
WHOLE: Final = "whole"
"""Name of the reading that looks at the whole film only: one pass of the network."""
MAX_TILES: Final = 64
"""Passes that a closer reading may cost on any film: minutes for a folder, if a manifest errs."""
_ROUNDING: Final = 1e-6
"""Pixels, tiles: 0.55 * 400 is a hair above 220 in floating point and means 220."""

Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class TileSpec:
    """A grid of overlapping square tiles that covers the film."""

    film_px: int
    """[1, `downscale.MIN_LONGEST_SIDE_PX`]: longest side in pixels that the image is downscaled to;
    a smaller image is not enlarged."""
    share: float
    """Side of a tile as share of that longest side, (0, 1]."""
    overlap: float
    """Least overlap of neighbors, as share of the tile, [0, 1)."""

    def __post_init__(self) -> None:
        if (
            not 1 <= self.film_px <= MIN_LONGEST_SIDE_PX
            or not 0.0 < self.share <= 1.0
            or not 0.0 <= self.overlap < 1.0
        ):
            msg = (
                f"tiles: expected 1 <= film_px <= {MIN_LONGEST_SIDE_PX}, 0 < share <= 1 and "
                f"0 <= overlap < 1, got {self.film_px}, {self.share} and {self.overlap}"
            )
            raise ValueError(msg)

    @property
    def most(self) -> int:
        """Tiles of a square film; any other film has at most as many."""
        return self.along(1.0, longest=1.0) ** 2

    def along(self, side: float, *, longest: float) -> int:
        """Return how many tiles lie along a side of the film, lengths in any one unit."""
        tile = self.share * longest
        steps = (side - tile) / (tile * (1.0 - self.overlap))
        return 1 + max(0, math.ceil(steps - _ROUNDING))


@dataclass(frozen=True, slots=True)
class Reading:
    """How a film is read, and what the logit that comes out of it means.

    logit of "not broken" = offset + whole_weight * logit of the whole film
                          + tile_weight * logit of the tiles' mean odds of fracture
                          - map_weight * highest cell in the maps of all these views
    """

    name: str
    """closer or whole."""
    tiles: tuple[TileSpec, ...]
    """Grids of tiles that are looked at beside the whole film; none for the reading `whole`."""
    whole_weight: float
    """>= 0."""
    tile_weight: float
    """>= 0; 0 where there are no tiles."""
    map_weight: float
    """>= 0; 0 where the network has no map."""
    offset: float
    temperature: float
    """> 0; divides the logit."""
    operating_points: tuple[OperatingPoint, ...]
    """The first is the default."""

    def __post_init__(self) -> None:
        _check_views(self)
        weights = (self.whole_weight, self.tile_weight, self.map_weight)
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
            msg = f"reading {self.name}: expected finite weights >= 0, got {weights}"
            raise ValueError(msg)
        if not math.isfinite(self.offset):
            msg = f"reading {self.name}: expected a finite offset, got {self.offset}"
            raise ValueError(msg)
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            msg = f"temperature: expected a finite number > 0, got {self.temperature}"
            raise ValueError(msg)
        names = [point.name for point in self.operating_points]
        if not names or len(set(names)) != len(names):
            msg = f"operating_points: expected at least one, with distinct names, got {names}"
            raise ValueError(msg)

    @property
    def is_network_output(self) -> bool:
        """Whether the logit is the network's own, as in the original presentation."""
        return not self.tiles and (self.offset, self.whole_weight, self.map_weight) == (0, 1, 0)

    def operating_point(self, name: str | None) -> OperatingPoint:
        """Return the operating point of that name, or the default one for None.

        Raises
        ------
        UsageError
            If the reading has no such operating point; the message lists those it has.
        """
        if name is None:
            return self.operating_points[0]
        for point in self.operating_points:
            if point.name == name:
                return point
        known = ", ".join(point.name for point in self.operating_points)
        msg = f"operating point: expected one of {known}, got {name!r}; choose one of these"
        raise UsageError(msg)


def _check_views(reading: Reading) -> None:
    """Raise ValueError if views and weights do not go together."""
    if reading.name not in (CLOSER, WHOLE):
        msg = f"reading: expected the name {CLOSER} or {WHOLE}, got {reading.name!r}"
        raise ValueError(msg)
    if (reading.name == CLOSER) != bool(reading.tiles):
        msg = (
            f"reading {reading.name}: expected tiles in {CLOSER} and none in {WHOLE}, "
            f"got {len(reading.tiles)} grids"
        )
        raise ValueError(msg)
    if sum(spec.most for spec in reading.tiles) > MAX_TILES:
        msg = (
            f"reading {reading.name}: expected at most {MAX_TILES} tiles on a square film, "
            f"got {[spec.most for spec in reading.tiles]}"
        )
        raise ValueError(msg)
    used = reading.tile_weight + reading.map_weight
    if reading.tiles and not used > 0:
        msg = f"reading {reading.name}: expected tile_weight or map_weight > 0 for its tiles, got 0"
        raise ValueError(msg)
    if not reading.tiles and (reading.tile_weight != 0 or reading.whole_weight + used == 0):
        msg = (
            f"reading {reading.name}: expected tile_weight 0, and another > 0, got "
            f"{reading.tile_weight}, {reading.whole_weight} and {reading.map_weight}"
        )
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class NetworkOutputs:
    """What the network says of n views."""

    logits: NDArray[np.float32]
    """(n,), logit of class 1, not broken."""
    maps: NDArray[np.float32] | None
    """(n, rows, columns): logit of fracture of each cell of the view; None without that output."""
    features: NDArray[np.float32] | None
    """(n, k): mean 0, variance 1 over the training films; None without that output."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tiles of one film, n in all, in the order of the specs, row by row."""

    x: NDArray[np.float32] | NDArray[np.uint8]
    """(n, height, width, 1), as `preprocess` gives it."""
    rectangles: tuple[Rectangle, ...]
    """Of each tile in the film as decoded: left, top, right, bottom; every one inside the film."""
    extents: tuple[Extent, ...]
    """Of each network input, black bars included, in the same pixels; may reach outside."""


def cut_tiles(radiograph: Radiograph, tiles: tuple[TileSpec, ...], spec: InputSpec) -> Tiles:
    """Return the tiles of one film; together they cover each pixel of it.

    Tiles lie evenly along each side. Where the film is narrower than a tile, the tile is as narrow
    as the film, and the aspect mode of `spec` says what becomes of it.
    """
    parts = [part for tile_spec in tiles for part in _cut(radiograph, tile_spec, spec=spec)]
    if not parts:
        return Tiles(preprocess(radiograph, spec=spec)[:0], (), ())
    x, rectangles, extents = zip(*parts, strict=True)
    return Tiles(np.concatenate(x), rectangles, extents)


def combine(reading: Reading, *, whole: Number, tile: Number, cell: Number) -> Number:
    """Return the film's logit of "not broken", before temperature: the sum of `Reading`.

    One implementation for device and host: for one film as floats, for n films as arrays (n,).

    Parameters
    ----------
    whole
        Logit of the whole film.
    tile
        `logit_of_tiles` of its tiles; any finite number without tiles (its weight is 0 then).
    cell
        Highest cell in the maps of all views; any finite number where there is no map.
    """
    return (
        reading.offset
        + reading.whole_weight * whole
        + reading.tile_weight * tile
        - reading.map_weight * cell
    )


def logit_of_tiles(logits: NDArray[np.floating[Any]]) -> float:
    """Return what the tiles of one film come to: -log(mean(exp(-logit))), n >= 1 tiles.

    The mean of their odds of fracture, as a logit of "not broken". It lies between the lowest
    logit, which a single odd tile decides, and the mean, in which a single fracture drowns; on
    films of other hospitals it told more than the lowest (docs/decisions/0015-recipe.md).
    """
    towards = -logits.astype(np.float64)
    top = float(towards.max())  # no overflow
    return -(top + math.log(float(np.exp(towards - top).mean())))


def read(reading: Reading, *, whole: NetworkOutputs, tiles: NetworkOutputs | None) -> float:
    """Return the film's logit of "not broken" from the answers to its views.

    Parameters
    ----------
    whole
        To the whole film: n is 1.
    tiles
        To its tiles, n >= 1; None for a reading without tiles.
    """
    views = [whole] if tiles is None else [whole, tiles]
    cells = [float(view.maps.max()) for view in views if view.maps is not None]
    return combine(
        reading,
        whole=float(whole.logits[0]),
        tile=0.0 if tiles is None else logit_of_tiles(tiles.logits),
        cell=max(cells, default=0.0),
    )


def _cut(
    radiograph: Radiograph, tile_spec: TileSpec, *, spec: InputSpec
) -> list[tuple[NDArray[Any], Rectangle, Extent]]:
    """Return input, rectangle and extent of each tile of one grid."""
    small = downscale_to(radiograph.pixels, longest_px=tile_spec.film_px)
    height, width = small.shape
    film_height, film_width = radiograph.shape
    parts = []
    for top, bottom in _spans(height, longest=max(small.shape), spec=tile_spec):
        for left, right in _spans(width, longest=max(small.shape), spec=tile_spec):
            piece = np.ascontiguousarray(small[top:bottom, left:right])
            x = preprocess(
                dataclasses.replace(radiograph, pixels=piece, original_shape=None), spec=spec
            )
            # Outwards to whole pixels, in whole numbers: the last tile ends where the film does.
            rectangle = (
                *(left * film_width // width, top * film_height // height),
                *(-(-right * film_width // width), -(-bottom * film_height // height)),
            )
            x0, y0, x1, y1 = input_extent(piece.shape, spec=spec)
            across, down = film_width / width, film_height / height
            extent = (
                *((left + x0) * across, (top + y0) * down),
                *((left + x1) * across, (top + y1) * down),
            )
            parts.append((x, rectangle, extent))
    return parts


def _spans(side: int, *, longest: int, spec: TileSpec) -> list[tuple[int, int]]:
    """Return start and end of each tile along one side of the shrunk film, in its pixels.

    Rounding up the tile and rounding down the starts leaves no gap: starts are at most
    ceil(tile) apart, and the last tile ends where the film does.
    """
    tile = min(side, math.ceil(spec.share * longest - _ROUNDING))
    n = spec.along(side, longest=longest)
    starts = [i * (side - tile) // max(1, n - 1) for i in range(n)]
    return [(start, start + tile) for start in starts]

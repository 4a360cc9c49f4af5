"""Tiled inference: the image and overlapping tiles of it through the network, then one logit."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

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
from bonefx_edge.inference.tile_grid import TileSelection, TileSpec, select_tiles, tile_boxes

TILED: Final = "tiled"
"""Name of the mode that runs the network on the whole image and on its tiles."""
WHOLE: Final = "whole"
"""Name of the mode that runs the network on the whole image only: one inference."""
MAX_TILES: Final = 64
"""Most tiles per image that a manifest may ask for: each is one inference."""

Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class InferenceMode:
    """Which inputs the network gets for an image, and how its outputs become one logit.

    logit of "not broken" = offset + whole_weight * logit of the whole image
                          + tile_weight * logit of the tiles' mean odds of fracture
                          - map_weight * highest cell in the maps of all these inputs
    """

    name: str
    """tiled or whole."""
    tiles: tuple[TileSpec, ...]
    """Grids of tiles beside the whole image; none in the mode `whole`."""
    tile_selection: TileSelection | None
    """Which of these tiles the network gets; None: all."""
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
        _check_weights(self)
        weights = (self.whole_weight, self.tile_weight, self.map_weight)
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
            msg = f"mode {self.name}: expected finite weights >= 0, got {weights}"
            raise ValueError(msg)
        if not math.isfinite(self.offset):
            msg = f"mode {self.name}: expected a finite offset, got {self.offset}"
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

    def extract_tiles(self, radiograph: Radiograph, spec: InputSpec) -> "Tiles":
        """Return the tiles of one image that the network gets; spec: of its input."""
        return extract_tiles(radiograph, self.tiles, spec, selection=self.tile_selection)

    def operating_point(self, name: str | None) -> OperatingPoint:
        """Return the operating point of that name, or the default one for None.

        Raises
        ------
        UsageError
            If the mode has no such operating point; the message lists those it has.
        """
        if name is None:
            return self.operating_points[0]
        for point in self.operating_points:
            if point.name == name:
                return point
        known = ", ".join(point.name for point in self.operating_points)
        msg = f"operating point: expected one of {known}, got {name!r}; choose one of these"
        raise UsageError(msg)


def _check_weights(mode: InferenceMode) -> None:
    """Raise ValueError if name, tiles and weights do not go together."""
    if mode.name not in (TILED, WHOLE):
        msg = f"mode: expected the name {TILED} or {WHOLE}, got {mode.name!r}"
        raise ValueError(msg)
    if (mode.name == TILED) != bool(mode.tiles):
        msg = (
            f"mode {mode.name}: expected tiles in {TILED} and none in {WHOLE}, "
            f"got {len(mode.tiles)} grids"
        )
        raise ValueError(msg)
    if mode.tile_selection is not None and not mode.tiles:
        msg = f"mode {mode.name}: expected no tile_selection without tiles, got one"
        raise ValueError(msg)
    if sum(spec.max_tiles for spec in mode.tiles) > MAX_TILES:
        msg = (
            f"mode {mode.name}: expected at most {MAX_TILES} tiles on a square image, "
            f"got {[spec.max_tiles for spec in mode.tiles]}"
        )
        raise ValueError(msg)
    used = mode.tile_weight + mode.map_weight
    if mode.tiles and not used > 0:
        msg = f"mode {mode.name}: expected tile_weight or map_weight > 0 for its tiles, got 0"
        raise ValueError(msg)
    if not mode.tiles and (mode.tile_weight != 0 or mode.whole_weight + used == 0):
        msg = (
            f"mode {mode.name}: expected tile_weight 0, and another > 0, got "
            f"{mode.tile_weight}, {mode.whole_weight} and {mode.map_weight}"
        )
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class NetworkOutputs:
    """What the network gives for n inputs."""

    logits: NDArray[np.float32]
    """(n,), logit of class 1, not broken."""
    maps: NDArray[np.float32] | None
    """(n, rows, columns): logit of fracture of each cell of the input; None without that output."""
    features: NDArray[np.float32] | None
    """(n, k): mean 0, variance 1 over the training images; None without that output."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tiles of one image, n in all, in the order of the specs, row by row."""

    x: NDArray[np.float32] | NDArray[np.uint8]
    """(n, height, width, 1), as `preprocess` gives it."""
    rectangles: tuple[Rectangle, ...]
    """Of each tile, in pixels of the original image: left, top, right, bottom; all inside it."""
    extents: tuple[Extent, ...]
    """Of each network input, black bars included, in the same pixels; may reach outside."""


def extract_tiles(
    radiograph: Radiograph,
    tiles: tuple[TileSpec, ...],
    spec: InputSpec,
    *,
    selection: TileSelection | None = None,
) -> Tiles:
    """Return the tiles of one image; without `selection` they cover each pixel of it.

    Tiles lie evenly along each side. Where the image is narrower than a tile, the tile is as narrow
    as the image, and is fitted to the input as `spec.aspect` says. `selection` leaves tiles out;
    of each grid at least one stays.
    """
    parts = [part for grid in tiles for part in _extract_grid(radiograph, grid, selection, spec)]
    if not parts:
        return Tiles(preprocess(radiograph, spec=spec)[:0], (), ())
    x, rectangles, extents = zip(*parts, strict=True)
    return Tiles(np.concatenate(x), rectangles, extents)


def fuse_logits(mode: InferenceMode, *, whole: Number, tile: Number, cell: Number) -> Number:
    """Return the image's logit of "not broken", before temperature: the sum of `InferenceMode`.

    One implementation for device and host: for one image as floats, for n images as arrays (n,).

    Parameters
    ----------
    tile
        `pool_tile_logits` of its tiles; any finite number without tiles (its weight is 0 then).
    cell
        Highest cell in the maps of all inputs; any finite number where there is no map.
    """
    return (
        mode.offset + mode.whole_weight * whole + mode.tile_weight * tile - mode.map_weight * cell
    )


def pool_tile_logits(logits: NDArray[np.floating[Any]]) -> float:
    """Return the pooled logit of the tiles of one image: -log(mean(exp(-logit))), n >= 1 tiles.

    This log-mean-exp is the mean of their odds of fracture, as a logit of "not broken". It lies
    between the lowest logit and the mean. On images of other hospitals it separated better than
    the lowest (docs/decisions/0015-recipe.md).
    """
    fracture = -logits.astype(np.float64)
    top = float(fracture.max())  # no overflow
    return -(top + math.log(float(np.exp(fracture - top).mean())))


def image_logit(
    mode: InferenceMode, *, whole: NetworkOutputs, tiles: NetworkOutputs | None
) -> float:
    """Return the image's logit of "not broken" from the outputs for its inputs.

    `whole` is of one input; `tiles` of n >= 1, None in a mode without tiles.
    """
    all_outputs = [whole] if tiles is None else [whole, tiles]
    cells = [float(each.maps.max()) for each in all_outputs if each.maps is not None]
    return fuse_logits(
        mode,
        whole=float(whole.logits[0]),
        tile=0.0 if tiles is None else pool_tile_logits(tiles.logits),
        cell=max(cells, default=0.0),
    )


def _extract_grid(
    radiograph: Radiograph, tile_spec: TileSpec, selection: TileSelection | None, spec: InputSpec
) -> list[tuple[NDArray[Any], Rectangle, Extent]]:
    """Return input, rectangle and extent of each selected tile of one grid."""
    small = downscale_to(radiograph.pixels, longest_px=tile_spec.longest_px)
    height, width = small.shape
    image_height, image_width = radiograph.shape
    parts = []
    boxes = tile_boxes((height, width), tile_spec)
    for top, bottom, left, right in select_tiles(small, boxes, selection):
        piece = np.ascontiguousarray(small[top:bottom, left:right])
        x = preprocess(
            dataclasses.replace(radiograph, pixels=piece, original_shape=None), spec=spec
        )
        # Outwards to whole pixels, in integers: the last tile ends where the image does.
        rectangle = (
            *(left * image_width // width, top * image_height // height),
            *(-(-right * image_width // width), -(-bottom * image_height // height)),
        )
        x0, y0, x1, y1 = input_extent(piece.shape, spec=spec)
        across, down = image_width / width, image_height / height
        extent = (
            *((left + x0) * across, (top + y0) * down),
            *((left + x1) * across, (top + y1) * down),
        )
        parts.append((x, rectangle, extent))
    return parts

"""Cut the tiles of an image, and fit each to the network's input."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.inference.preprocess import (
    Extent,
    InputSpec,
    downscale_to,
    input_extent,
    preprocess,
)
from bonefx_edge.inference.regions import Rectangle
from bonefx_edge.inference.tile_grid import (
    Box,
    Refinement,
    TileSelection,
    TileSpec,
    rank_finer_tiles,
    tile_boxes,
)


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tiles of one image, n in all, in the order of the specs, row by row."""

    x: NDArray[np.float32] | NDArray[np.uint8]
    """(n, height, width, 1), as `preprocess` gives it."""
    rectangles: tuple[Rectangle, ...]
    """Of each tile, in pixels of the original image: left, top, right, bottom; all inside it."""
    extents: tuple[Extent, ...]
    """Of each network input, black bars included, in the same pixels; may reach outside."""

    def joined(self, other: "Tiles") -> "Tiles":
        """Return these tiles and then the others, of the same image."""
        return Tiles(
            np.concatenate([self.x, other.x]),
            self.rectangles + other.rectangles,
            self.extents + other.extents,
        )


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
    return _tiles(parts)


def extract_finer_tiles(
    radiograph: Radiograph,
    refinement: Refinement,
    spec: InputSpec,
    tiles: Tiles,
    logits: NDArray[np.float32],
    *,
    selection: TileSelection | None = None,
) -> Tiles | None:
    """Return the tiles of the finer grid where `tiles`, with `logits`, (n,), are most suspicious.

    See `rank_finer_tiles`. Those that `selection` leaves out do not count. None if none remains.
    """
    small, boxes = _grid(radiograph, refinement.grid)
    finer = [_rectangle(radiograph, small, box) for box in boxes]
    ranked = rank_finer_tiles(tiles.rectangles, logits, finer)
    # Lazily: a tile that is not wanted any more is not cut either.
    cut = (_extract(radiograph, small, boxes[i], spec) for i in ranked)
    parts = list(itertools.islice(_with_anatomy(cut, selection), refinement.tiles))
    return _tiles(parts) if parts else None


def extract_all_finer_tiles(
    radiograph: Radiograph,
    refinement: Refinement,
    spec: InputSpec,
    *,
    selection: TileSelection | None = None,
) -> Tiles | None:
    """Return all tiles of which `extract_finer_tiles` takes some; None if there are none."""
    small, boxes = _grid(radiograph, refinement.grid)
    cut = (_extract(radiograph, small, box, spec) for box in boxes)
    parts = list(_with_anatomy(cut, selection))
    return _tiles(parts) if parts else None


_Part = tuple[NDArray[Any], Rectangle, Extent]
"""Network input, rectangle and extent of one tile."""


def _with_anatomy(parts: Iterable[_Part], selection: TileSelection | None) -> Iterator[_Part]:
    return (p for p in parts if selection is None or selection.share(p[0]) >= selection.min_share)


def _tiles(parts: list[_Part]) -> Tiles:
    x, rectangles, extents = zip(*parts, strict=True)
    return Tiles(np.concatenate(x), rectangles, extents)


def _grid(radiograph: Radiograph, grid: TileSpec) -> tuple[NDArray[np.uint8], list[Box]]:
    """Return the image as the grid divides it, and its tiles."""
    small = downscale_to(radiograph.pixels, longest_px=grid.longest_px)
    height, width = small.shape
    return small, tile_boxes((height, width), grid)


def _extract_grid(
    radiograph: Radiograph, grid: TileSpec, selection: TileSelection | None, spec: InputSpec
) -> list[_Part]:
    """Return each selected tile of one grid; the first of those with most anatomy if none is."""
    small, boxes = _grid(radiograph, grid)
    parts = [_extract(radiograph, small, box, spec) for box in boxes]
    kept = list(_with_anatomy(parts, selection))
    if kept or selection is None:
        return kept
    return [max(parts, key=lambda part: selection.share(part[0]))]  # the first of equal ones


def _extract(radiograph: Radiograph, small: NDArray[np.uint8], box: Box, spec: InputSpec) -> _Part:
    """Return one tile of the image, which was downscaled to `small`."""
    top, bottom, left, right = box
    piece = np.ascontiguousarray(small[top:bottom, left:right])
    x = preprocess(dataclasses.replace(radiograph, pixels=piece, original_shape=None), spec=spec)
    x0, y0, x1, y1 = input_extent(piece.shape, spec=spec)
    across, down = radiograph.shape[1] / small.shape[1], radiograph.shape[0] / small.shape[0]
    extent = (
        *((left + x0) * across, (top + y0) * down),
        *((left + x1) * across, (top + y1) * down),
    )
    return x, _rectangle(radiograph, small, box), extent


def _rectangle(radiograph: Radiograph, small: NDArray[np.uint8], box: Box) -> Rectangle:
    """Return where a tile lies in the image, in its pixels.

    Outwards to whole pixels, in integers: the last tile ends where the image does.
    """
    (height, width), (image_height, image_width) = small.shape, radiograph.shape
    top, bottom, left, right = box
    return (
        *(left * image_width // width, top * image_height // height),
        *(-(-right * image_width // width), -(-bottom * image_height // height)),
    )

"""Tiled inference: the image and overlapping tiles of it through the network, then one logit."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.decision import NO_OPERATING_POINT, OperatingPoint
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_edge.inference.tile_grid import Refinement, TileSelection, TileSpec
from bonefx_edge.inference.tiles import Tiles, extract_finer_tiles, extract_tiles

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
    refinement: Refinement | None
    """Further tiles where the first ones found most; None: no further ones."""
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
    """The first is the default; none where the model was converted without labelled films."""

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
        if len(set(names)) != len(names):
            msg = f"operating_points: expected distinct names, got {names}"
            raise ValueError(msg)

    @property
    def is_network_output(self) -> bool:
        """Whether the logit is the network's own, as in the original presentation."""
        return not self.tiles and (self.offset, self.whole_weight, self.map_weight) == (0, 1, 0)

    def extract_tiles(self, radiograph: Radiograph, spec: InputSpec) -> Tiles:
        """Return the tiles of one image that the network gets; spec: of its input."""
        return extract_tiles(radiograph, self.tiles, spec, selection=self.tile_selection)

    def extract_finer_tiles(
        self, radiograph: Radiograph, spec: InputSpec, tiles: Tiles, logits: NDArray[np.float32]
    ) -> Tiles | None:
        """Return the further tiles of one image, or None where there are none.

        `tiles` and `logits`, (n,), are those that `extract_tiles` and the network gave.
        """
        if self.refinement is None:
            return None
        return extract_finer_tiles(
            radiograph, self.refinement, spec, tiles, logits, selection=self.tile_selection
        )

    def operating_point(self, name: str | None) -> OperatingPoint:
        """Return the operating point of that name, or the default one for None.

        `NO_OPERATING_POINT` is the default of a mode that has none.

        Raises
        ------
        UsageError
            If the mode has no such operating point; the message lists those it has.
        """
        if name is None:
            return self.operating_points[0] if self.operating_points else NO_OPERATING_POINT
        for point in self.operating_points:
            if point.name == name:
                return point
        known = ", ".join(point.name for point in self.operating_points) or "none at all"
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
    if not mode.tiles and (mode.tile_selection, mode.refinement) != (None, None):
        msg = f"mode {mode.name}: expected no tile_selection and no refinement without tiles"
        raise ValueError(msg)
    counts = [spec.max_tiles for spec in mode.tiles]
    if mode.refinement is not None:
        counts.append(mode.refinement.tiles)
    if sum(counts) > MAX_TILES:
        msg = f"mode {mode.name}: expected at most {MAX_TILES} tiles, got {counts}"
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

    def joined(self, other: "NetworkOutputs") -> "NetworkOutputs":
        """Return the outputs for these inputs and then for the others, of the same network."""
        return NetworkOutputs(
            np.concatenate([self.logits, other.logits]),
            _join(self.maps, other.maps),
            _join(self.features, other.features),
        )


def all_features(whole: NetworkOutputs, tiles: NetworkOutputs | None) -> NDArray[np.float32] | None:
    """Return (n, k) features of the whole image, then of its tiles; None without that output."""
    return whole.features if tiles is None else _join(whole.features, tiles.features)


def _join(
    one: NDArray[np.float32] | None, other: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    return None if one is None or other is None else np.concatenate([one, other])


def infer_tiles(
    mode: InferenceMode,
    radiograph: Radiograph,
    *,
    spec: InputSpec,
    infer: Callable[[NDArray[Any]], NetworkOutputs],
) -> tuple[Tiles, NetworkOutputs]:
    """Return the tiles of one image that the network got, and its outputs; the finer ones last.

    `infer` runs the network on (n, height, width, 1), n >= 1. `mode` has tiles.
    """
    tiles = mode.extract_tiles(radiograph, spec)
    outputs = infer(tiles.x)
    finer = mode.extract_finer_tiles(radiograph, spec, tiles, outputs.logits)
    if finer is None:
        return tiles, outputs
    return tiles.joined(finer), outputs.joined(infer(finer.x))


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

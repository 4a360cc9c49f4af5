"""Tiled inference: every image as a whole and in tiles, and what a network's outputs come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_edge.inference.tile_grid import TileSelection, TileSpec
from bonefx_edge.inference.tiling import NetworkOutputs, extract_tiles, pool_tile_logits
from numpy.typing import NDArray

from bonefx_train.data.pixels import Pixels, load_pixels
from bonefx_train.data.sample import Sample
from bonefx_train.progress import track


@dataclass(frozen=True, slots=True)
class TileMode:
    """What an image is judged by."""

    tiles: tuple[TileSpec, ...]
    """None: the whole image only."""
    terms: tuple[str, ...]
    """Fields of `TileScores` that are weighed; the others get no weight."""
    selection: TileSelection | None = None
    """Which of the tiles the network gets; None: all."""


TILED_MODE: Final = TileMode(
    tiles=(TileSpec(longest_px=512, share=0.4, overlap=0.5),), terms=("whole", "tile")
)
"""Of networks with a map; why so: docs/decisions/0015-recipe.md."""
WHOLE_MODE: Final = TileMode(tiles=(), terms=("whole",))
"""One pass of the network."""


@dataclass(frozen=True, slots=True)
class NetworkInputs:
    """The inputs of n images: first each image as a whole, in order, then tiles, image by image."""

    images: Pixels
    x: NDArray[np.float32] | NDArray[np.uint8]
    """(v, height, width, 1), v >= n; as `preprocess` gives it."""
    image_index: NDArray[np.intp]
    """(v,), index of each input's image."""

    @classmethod
    def of_whole(cls, images: Pixels) -> "NetworkInputs":
        """Return one input of each image: the whole."""
        return cls(images, images.x, np.arange(len(images.x)))

    def take(self, images: NDArray[np.intp]) -> "NetworkInputs":
        """Return the inputs of some images, whose indices ascend."""
        kept = np.flatnonzero(np.isin(self.image_index, images))
        samples = tuple(self.images.samples[i] for i in images)
        pixels = Pixels(self.images.x[images], self.images.class_index[images], samples, ())
        return NetworkInputs(pixels, self.x[kept], np.searchsorted(images, self.image_index[kept]))


def load_inputs(
    samples: Sequence[Sample],
    *,
    spec: InputSpec,
    tiles: tuple[TileSpec, ...],
    selection: TileSelection | None = None,
    per_image: int | None = None,
    seed: int = 0,
) -> NetworkInputs:
    """Return the images as wholes and tiles, cut by the device's own code.

    Files that are no radiographs are left out, see `Pixels.refused`. Images x tiles lie in memory:
    590 images with 9 tiles each take 0.13 GB as uint8.

    Parameters
    ----------
    tiles
        Without any, nothing but the wholes.
    selection
        Which of them the network gets, as on the device; None: all.
    per_image
        Tiles of each image, drawn at random; None takes them all.

    Raises
    ------
    DataError
        If no image at all could be read.
    """
    images = load_pixels(samples, spec=spec)
    if not tiles:
        return NetworkInputs.of_whole(images)
    rng = np.random.default_rng(seed)
    parts: list[NDArray[Any]] = [images.x]
    image = [np.arange(len(images.x))]
    for index, sample in enumerate(track(images.samples, label="cutting tiles")):
        radiograph = decode(read_file(sample.path), allow_downscale=spec.allow_downscale)
        x = extract_tiles(radiograph, tiles, spec, selection=selection).x
        if per_image is not None:
            x = x[rng.permutation(len(x))[:per_image]]
        parts.append(x)
        image.append(np.full(len(x), index))
    return NetworkInputs(images, np.concatenate(parts), np.concatenate(image))


@dataclass(frozen=True, slots=True)
class TileScores:
    """One network's numbers about n images: the arguments of `tiling.fuse_logits`."""

    whole: NDArray[np.float64]
    """(n,), logit of "not broken" of the whole image."""
    tile: NDArray[np.float64]
    """(n,), `bonefx_edge.inference.tiling.pool_tile_logits` of its tiles; 0 without tiles."""
    cell: NDArray[np.float64]
    """(n,), highest cell in the maps of its inputs, positive = fracture; 0 without map."""

    def oriented(self, terms: Sequence[str]) -> NDArray[np.float64]:
        """Return some of the numbers, (n, terms): larger = rather not broken."""
        signs = {"whole": 1.0, "tile": 1.0, "cell": -1.0}
        return np.column_stack([signs[term] * getattr(self, term) for term in terms])


def pool_scores(inputs: NetworkInputs, outputs: NetworkOutputs, tile_mode: TileMode) -> TileScores:
    """Return what a network's outputs to `inputs` come to under `tile_mode`.

    `inputs` hold the tiles of `tile_mode`, all of them; a mode without tiles leaves them out.
    """
    n = len(inputs.images.x)
    seen = slice(None) if tile_mode.tiles else slice(n)
    image, tiles = inputs.image_index[seen], slice(n, None if tile_mode.tiles else n)
    cells = np.zeros(len(image)) if outputs.maps is None else outputs.maps[seen].max(axis=(1, 2))
    return TileScores(
        whole=outputs.logits[:n].astype(np.float64),
        tile=_of_tiles(outputs.logits[tiles], inputs.image_index[tiles], n=n),
        cell=_highest(cells, image, n=n),
    )


def _of_tiles(
    logits: NDArray[np.floating[Any]], image: NDArray[np.intp], *, n: int
) -> NDArray[np.float64]:
    """Return what each image's tiles come to, 0 where it has none; the tiles lie image by image."""
    ends = np.searchsorted(image, np.arange(n), side="right")
    groups = zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)
    return np.array([pool_tile_logits(logits[a:b]) if b > a else 0.0 for a, b in groups])


def _highest(
    values: NDArray[np.floating[Any]], image: NDArray[np.intp], *, n: int
) -> NDArray[np.float64]:
    """Return the highest value of each image, 0 where it has none; NaN and inf stay."""
    highest = np.full(n, -np.inf)
    with np.errstate(invalid="ignore"):  # of NaN, which is to stay
        np.maximum.at(highest, image, values.astype(np.float64))
    return np.where(np.isneginf(highest), 0.0, highest)

"""Tiled inference: every image as a whole and in tiles, and what a network's outputs come to."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_edge.inference.tile_grid import Refinement, TileSelection, TileSpec, rank_finer_tiles
from bonefx_edge.inference.tiles import extract_all_finer_tiles, extract_tiles
from bonefx_edge.inference.tiling import NetworkOutputs, pool_tile_logits
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
    refinement: Refinement | None = None
    """Further tiles where the first ones found most; None: no further ones."""


TILED_MODE: Final = TileMode(
    tiles=tuple(TileSpec(longest_px=512, share=share, overlap=0.5) for share in (0.6, 0.4)),
    terms=("tile",),
    selection=TileSelection(gray_level=60, min_share=0.25),
    refinement=Refinement(TileSpec(longest_px=512, share=0.28, overlap=0.5), tiles=4),
)
"""Of networks with a map; why so: docs/decisions/0036-tiled-reading.md."""
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
    rectangles: NDArray[np.int64]
    """(v, 4): left, top, right, bottom in pixels of the image; zeros for a whole image."""
    finer: NDArray[np.bool_]
    """(v,): whether an input is a tile of the refinement's grid."""

    @classmethod
    def of_whole(cls, images: Pixels) -> "NetworkInputs":
        """Return one input of each image: the whole."""
        n = len(images.x)
        none = np.zeros((n, 4), np.int64)
        return cls(images, images.x, np.arange(n), none, np.zeros(n, np.bool_))

    def take(self, images: NDArray[np.intp]) -> "NetworkInputs":
        """Return the inputs of some images, whose indices ascend."""
        kept = np.flatnonzero(np.isin(self.image_index, images))
        samples = tuple(self.images.samples[i] for i in images)
        pixels = Pixels(self.images.x[images], self.images.class_index[images], samples, ())
        return NetworkInputs(
            pixels,
            self.x[kept],
            np.searchsorted(images, self.image_index[kept]),
            self.rectangles[kept],
            self.finer[kept],
        )


def load_inputs(
    samples: Sequence[Sample],
    *,
    spec: InputSpec,
    tile_mode: TileMode,
    per_image: int | None = None,
    seed: int = 0,
) -> NetworkInputs:
    """Return the images as wholes and tiles, cut by the device's own code.

    Of a refinement all tiles that show anatomy: which of them count depends on the network, see
    `pool_scores`. Files that are no radiographs are left out, see `Pixels.refused`. Images x tiles
    lie in memory: 590 images with 45 tiles each take 0.6 GB as uint8.

    Parameters
    ----------
    tile_mode
        Without tiles, nothing but the wholes.
    per_image
        Tiles of each image, drawn at random; None takes them all.

    Raises
    ------
    DataError
        If no image at all could be read.
    """
    images = load_pixels(samples, spec=spec)
    whole = NetworkInputs.of_whole(images)
    if not tile_mode.tiles:
        return whole
    rng = np.random.default_rng(seed)
    parts = [(whole.x, whole.image_index, whole.rectangles, whole.finer)]
    for index, sample in enumerate(track(images.samples, label="cutting tiles")):
        radiograph = decode(read_file(sample.path), allow_downscale=spec.allow_downscale)
        tiles = extract_tiles(radiograph, tile_mode.tiles, spec, selection=tile_mode.selection)
        finer = np.zeros(len(tiles.x), np.bool_)
        more = None
        if tile_mode.refinement is not None:
            more = extract_all_finer_tiles(
                radiograph, tile_mode.refinement, spec, selection=tile_mode.selection
            )
        if more is not None:
            tiles = tiles.joined(more)
            finer = np.arange(len(tiles.x)) >= len(finer)
        kept = slice(None) if per_image is None else rng.permutation(len(tiles.x))[:per_image]
        x, where = tiles.x[kept], np.array(tiles.rectangles, np.int64)[kept]
        parts.append((x, np.full(len(x), index), where, finer[kept]))
    x, image, rectangles, of_finer = (np.concatenate(each) for each in zip(*parts, strict=True))
    return NetworkInputs(images, x, image, rectangles, of_finer)


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
    tiles = _judged_tiles(inputs, outputs, tile_mode)
    seen = np.concatenate([np.arange(n), tiles])
    image = inputs.image_index[seen]
    cells = np.zeros(len(image)) if outputs.maps is None else outputs.maps[seen].max(axis=(1, 2))
    return TileScores(
        whole=outputs.logits[:n].astype(np.float64),
        tile=_of_tiles(outputs.logits[tiles], inputs.image_index[tiles], n=n),
        cell=_highest(cells, image, n=n),
    )


def _judged_tiles(
    inputs: NetworkInputs, outputs: NetworkOutputs, tile_mode: TileMode
) -> NDArray[np.intp]:
    """Return the inputs that are tiles which the device would give the network, image by image."""
    n = len(inputs.images.x)
    if not tile_mode.tiles:
        return np.zeros(0, np.intp)
    if tile_mode.refinement is None:
        return n + np.flatnonzero(~inputs.finer[n:])
    ends = np.searchsorted(inputs.image_index[n:], np.arange(n + 1))
    chosen = []
    for start, end in itertools.pairwise(n + ends):
        mine = np.arange(start, end)
        coarse, finer = mine[~inputs.finer[mine]], mine[inputs.finer[mine]]
        ranked = rank_finer_tiles(
            inputs.rectangles[coarse].tolist(),
            outputs.logits[coarse],
            inputs.rectangles[finer].tolist(),
        )
        chosen += [coarse, finer[ranked[: tile_mode.refinement.tiles]]]
    return np.concatenate(chosen)


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

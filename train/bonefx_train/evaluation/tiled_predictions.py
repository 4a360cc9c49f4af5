"""Tiled inference: every film as a whole and in tiles, and what a network's answers come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_edge.inference.tiling import NetworkOutputs, TileSpec, extract_tiles, pool_tile_logits
from numpy.typing import NDArray

from bonefx_train.data.pixels import Pixels, load_pixels
from bonefx_train.data.sample import Sample
from bonefx_train.progress import track


@dataclass(frozen=True, slots=True)
class Look:
    """What a film is judged by."""

    tiles: tuple[TileSpec, ...]
    """None: the whole film only."""
    terms: tuple[str, ...]
    """Fields of `Evidence` that are weighed; the others get no weight."""


CLOSER_LOOK: Final = Look(
    tiles=(TileSpec(longest_px=512, share=0.4, overlap=0.5),), terms=("whole", "tile")
)
"""Of networks with a map; why so: docs/decisions/0015-recipe.md."""
WHOLE_LOOK: Final = Look(tiles=(), terms=("whole",))
"""One pass of the network."""


@dataclass(frozen=True, slots=True)
class Views:
    """The views of n films: first each film as a whole, in order, then tiles, film by film."""

    films: Pixels
    x: NDArray[np.float32] | NDArray[np.uint8]
    """(v, height, width, 1), v >= n; as `preprocess` gives it."""
    film: NDArray[np.intp]
    """(v,), index of each view's film."""

    @classmethod
    def of_whole(cls, films: Pixels) -> "Views":
        """Return one view of each film: the whole."""
        return cls(films, films.x, np.arange(len(films.x)))

    def take(self, films: NDArray[np.intp]) -> "Views":
        """Return the views of some films, whose indices ascend."""
        kept = np.flatnonzero(np.isin(self.film, films))
        samples = tuple(self.films.samples[i] for i in films)
        pixels = Pixels(self.films.x[films], self.films.class_index[films], samples, ())
        return Views(pixels, self.x[kept], np.searchsorted(films, self.film[kept]))


def load_views(
    samples: Sequence[Sample],
    *,
    spec: InputSpec,
    tiles: tuple[TileSpec, ...],
    per_film: int | None = None,
    seed: int = 0,
) -> Views:
    """Return the films as wholes and tiles, cut by the device's own code.

    Files that are no radiographs are left out, see `Pixels.refused`. Films x tiles lie in memory:
    590 films with 9 tiles each take 0.13 GB as uint8.

    Parameters
    ----------
    samples, spec, tiles
        Without tiles, nothing but the wholes.
    per_film
        Tiles of each film, drawn at random; None takes them all.
    seed
        Of that draw.

    Raises
    ------
    DataError
        If no film at all could be read.
    """
    films = load_pixels(samples, spec=spec)
    if not tiles:
        return Views.of_whole(films)
    rng = np.random.default_rng(seed)
    pieces: list[NDArray[Any]] = [films.x]
    film = [np.arange(len(films.x))]
    for index, sample in enumerate(track(films.samples, label="cutting tiles")):
        x = extract_tiles(
            decode(read_file(sample.path), allow_downscale=spec.allow_downscale), tiles, spec
        ).x
        if per_film is not None:
            x = x[rng.permutation(len(x))[:per_film]]
        pieces.append(x)
        film.append(np.full(len(x), index))
    return Views(films, np.concatenate(pieces), np.concatenate(film))


@dataclass(frozen=True, slots=True)
class Evidence:
    """One network's numbers about n films: the arguments of `tiling.fuse_logits`."""

    whole: NDArray[np.float64]
    """(n,), logit of "not broken" of the whole film."""
    tile: NDArray[np.float64]
    """(n,), `bonefx_edge.inference.tiling.pool_tile_logits` of its tiles; 0 without tiles."""
    cell: NDArray[np.float64]
    """(n,), highest cell in the maps of its views, positive = fracture; 0 without map."""

    def towards_not_broken(self, terms: Sequence[str]) -> NDArray[np.float64]:
        """Return some of the numbers, (n, terms): larger = rather not broken."""
        signs = {"whole": 1.0, "tile": 1.0, "cell": -1.0}
        return np.column_stack([signs[term] * getattr(self, term) for term in terms])


def gather(views: Views, answers: NetworkOutputs, look: Look) -> Evidence:
    """Return what a network's answers to `views` come to under `look`.

    `views` hold the tiles of `look`, all of them; a look without tiles leaves them out.
    """
    n = len(views.films.x)
    seen = slice(None) if look.tiles else slice(n)
    film, tiles = views.film[seen], slice(n, None if look.tiles else n)
    cells = np.zeros(len(film)) if answers.maps is None else answers.maps[seen].max(axis=(1, 2))
    return Evidence(
        whole=answers.logits[:n].astype(np.float64),
        tile=_of_tiles(answers.logits[tiles], views.film[tiles], n=n),
        cell=_highest(cells, film, n=n),
    )


def _of_tiles(
    logits: NDArray[np.floating[Any]], film: NDArray[np.intp], *, n: int
) -> NDArray[np.float64]:
    """Return what each film's tiles come to, 0 where it has none; the tiles lie film by film."""
    ends = np.searchsorted(film, np.arange(n), side="right")
    groups = zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)
    return np.array([pool_tile_logits(logits[a:b]) if b > a else 0.0 for a, b in groups])


def _highest(
    values: NDArray[np.floating[Any]], film: NDArray[np.intp], *, n: int
) -> NDArray[np.float64]:
    """Return the highest value of each film, 0 where it has none; NaN and inf stay."""
    highest = np.full(n, -np.inf)
    with np.errstate(invalid="ignore"):  # of NaN, which is to stay
        np.maximum.at(highest, film, values.astype(np.float64))
    return np.where(np.isneginf(highest), 0.0, highest)

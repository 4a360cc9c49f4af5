"""Views: what the network is fitted on, square pieces of films from a joint to the whole film.

A fracture takes up a thirteenth of a film: in the film shrunk to 150 pixels it is a few pixels
wide, and everything around it (which limb, which cassette, which hospital) is more telling. In
a piece around the fracture the fracture itself is what sets the classes apart.
"""

import math
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

import cv2
import numpy as np
from bonefx_edge.inference.preprocess import Gray, InputSpec, stretch_percentiles
from numpy.typing import NDArray

from bonefx_train.data.boxes import Box
from bonefx_train.patches.affine import Matrix, cells_of, cut, draw_matrix, place
from bonefx_train.patches.augment import disturb
from bonefx_train.patches.synthetic_fractures import bend_bone, break_bone

LONGEST_PX: Final = 512
"""Films are kept at most this long: the resolution of tiled inference."""
FRACTURED_SHARE: Final = 0.4
"""Of the views; films are 17 % fractured, and a fracture is in few of their pieces."""
SYNTHETIC_SHARE: Final = 0.3
"""Of the views with a fracture show a synthetic one, in a film without."""
BONELESS: Final = 10
"""Films in which no bone was found to break, before a fracture that is there is shown instead."""
BENT_SHARE: Final = 0.3
"""Of the views without fracture are to have a bone bent; in about half of them one is found."""
WHOLE_SHARE: Final = 0.35
"""Of the views show the whole film, about."""
WHOLE_SHARE_OF_ANY: Final = 0.5
"""The same of the views for the input check: it looks at whole films, but the tightly collimated
film of another hospital looks like a piece."""
BESIDE_SHARE: Final = 0.2
"""Of the pieces without fracture come from fractured films, beside the boxes."""
SMALLEST_PX: Final = 90.0
"""Side of the smallest piece, in pixels of a film of `LONGEST_PX`."""
LARGEST_PX: Final = 330.0
"""Side of the largest piece that is not a whole film."""
AROUND_BOX: Final = 1.15
"""Least side of a piece around a fracture, in longest sides of its box."""
SHOWN: Final = 0.6
"""Least share of a box inside the view for the view to count as fractured."""
HIDDEN: Final = 0.1
"""Largest share of a box inside the view for the view to count as not fractured."""
PART_EXPONENT: Final = 0.7
"""Body parts are drawn in proportion to their fractured films to this power, for both classes:
which limb it is says little about fracture then, and rare limbs are not drawn to death."""
AIR_SHARE: Final = 0.1
"""Of the pieces without fracture are taken anywhere; the others where there is detail, as there
is around every fracture: else "there is a bone" would pass for "there is a fracture"."""
DETAIL_CELLS: Final = 16
"""Along each side of the film, for `_detail`."""
TRIES: Final = 20
"""Per film, before another one is drawn."""


@dataclass(frozen=True, slots=True)
class Film:
    """One film in memory."""

    pixels: NDArray[np.uint8]
    """(height, width), at most LONGEST_PX long."""
    boxes: tuple[Box, ...]
    """Where the fractures are; none where nobody said."""
    fractured: bool
    body_part: str
    """Empty where unknown."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step of the optimizer sees."""

    x: NDArray[np.uint8]
    """(n, height, width, 1)."""
    class_index: NDArray[np.uint8]
    """(n,), 0 broken, 1 not broken."""
    cells: NDArray[np.float32]
    """(n, rows, columns, 1), see `cells_of`; [0, 1]."""
    cells_known: NDArray[np.float32]
    """(n,), 0 where a view shows a fracture and nobody said where, else 1."""


class _View(NamedTuple):
    """One row of a batch."""

    pixels: NDArray[np.uint8]
    cells: NDArray[np.float32]
    fractured: bool
    cells_known: bool


class _Shows(Enum):
    """What a view is drawn for."""

    FRACTURE = auto()
    SYNTHETIC = auto()
    """A fracture made here, in a film that has none."""
    NOTHING = auto()


class ViewSampler:
    """Draws views of films, classes and body parts balanced."""

    def __init__(self, films: list[Film], *, spec: InputSpec) -> None:
        self._films = films
        self._spec = spec
        self._boxed = [i for i, film in enumerate(films) if film.boxes]
        self._detail = [_detail(film.pixels) for film in films]
        self._by_label = {
            fractured: [i for i, film in enumerate(films) if film.fractured is fractured]
            for fractured in (True, False)
        }
        self._chances = {label: self._balance(of) for label, of in self._by_label.items()}

    def draw(self, rng: np.random.Generator, *, n: int) -> Batch:
        """Return `n` views."""
        views = [self._view(rng) for _ in range(n)]
        return Batch(
            x=np.stack([view.pixels for view in views])[..., np.newaxis],
            class_index=np.array([not view.fractured for view in views], np.uint8),
            cells=np.stack([view.cells for view in views])[..., np.newaxis],
            cells_known=np.array([view.cells_known for view in views], np.float32),
        )

    def draw_any(self, rng: np.random.Generator, *, n: int) -> NDArray[np.uint8]:
        """Return n views, (n, height, width, 1), of films drawn alike, whatever they show.

        Some are whole films. Disturbed as other hospitals might, but no negatives, nothing broken
        or bent: what a limb looks like, for the input check.
        """
        views = [self._view_of_any(rng) for _ in range(n)]
        return np.stack(views)[..., np.newaxis]

    def _view_of_any(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        index = int(rng.integers(len(self._films)))
        if rng.random() < WHOLE_SHARE_OF_ANY:
            to_view = self._whole(self._films[index], rng)
        else:
            to_view = self._piece(index, rng, fractured=False)
        pixels = cut(self._films[index].pixels, to_view, spec=self._spec)
        return self._finish(disturb(pixels, rng, negatives=False))

    def _finish(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the view as the device would give it to the network."""
        return stretch_percentiles(pixels) if self._spec.gray is Gray.STRETCH else pixels

    def _balance(self, of: list[int]) -> NDArray[np.float64]:
        fractured = Counter(film.body_part for film in self._films if film.fractured)
        parts = [self._films[i].body_part for i in of]
        here = Counter(parts)
        # Half a film for limbs that have none fractured: they are seen, but seldom.
        weights = np.array([max(fractured[p], 0.5) ** PART_EXPONENT / here[p] for p in parts])
        return np.asarray(weights / weights.sum(), np.float64)

    def _view(self, rng: np.random.Generator) -> _View:
        shows = _draw_shows(rng)
        films = 0
        while True:  # ends: whole views come up, which show a film's fractures or have none
            films += 1
            if films > BONELESS and shows is _Shows.SYNTHETIC:
                shows = _Shows.FRACTURE
            whole = bool(rng.random() < WHOLE_SHARE)
            can_be_beside = bool(self._boxed) and shows is _Shows.NOTHING and not whole
            beside = can_be_beside and rng.random() < BESIDE_SHARE
            index = self._film(rng, fractured=shows is _Shows.FRACTURE, beside=beside)
            for _ in range(TRIES):
                view = self._try(index, rng, shows=shows, whole=whole)
                if view is not None:
                    return view

    def _film(self, rng: np.random.Generator, *, fractured: bool, beside: bool) -> int:
        """Return the index of a film, body parts balanced."""
        if beside:
            return int(rng.choice(self._boxed))
        return int(rng.choice(self._by_label[fractured], p=self._chances[fractured]))

    def _try(
        self, index: int, rng: np.random.Generator, *, shows: _Shows, whole: bool
    ) -> _View | None:
        """Return a view of a film, or None where it does not show what it should."""
        film, spec = self._films[index], self._spec
        if whole or (shows is _Shows.FRACTURE and not film.boxes):
            # Where nobody said where the fracture is, no piece can be labelled.
            to_view = self._whole(film, rng)
        else:
            to_view = self._piece(index, rng, fractured=shows is _Shows.FRACTURE)
        seen = [place(box, film.pixels.shape, to_view, spec=spec) for box in film.boxes]
        shown = max((share for share, _ in seen), default=float(film.fractured))
        if (shown < SHOWN) if shows is _Shows.FRACTURE else (shown > HIDDEN):
            return None
        pixels = cut(film.pixels, to_view, spec=spec)
        rectangles = [rectangle for share, rectangle in seen if share > HIDDEN]
        if shows is _Shows.SYNTHETIC:
            broken = break_bone(pixels, rng)
            if broken is None:
                return None
            pixels, rectangles = broken[0], [broken[1]]
        elif shows is _Shows.NOTHING and rng.random() < BENT_SHARE:
            pixels = bend_bone(pixels, rng)
        pixels = self._finish(disturb(pixels, rng))
        fractured = shows is not _Shows.NOTHING
        return _View(
            pixels, cells_of(rectangles, spec=spec), fractured, bool(rectangles) or not fractured
        )

    def _whole(self, film: Film, rng: np.random.Generator) -> Matrix:
        height, width = film.pixels.shape
        side = max(height, width) * rng.uniform(0.8, 1.15)
        center = np.array([width, height]) / 2 + rng.uniform(-0.08, 0.08, 2) * side
        return draw_matrix(center, side, spec=self._spec, rng=rng)

    def _piece(self, index: int, rng: np.random.Generator, *, fractured: bool) -> Matrix:
        film = self._films[index]
        size = np.array(film.pixels.shape[::-1])  # width, height
        high = min(LARGEST_PX, float(size.max()))
        if fractured:
            box = film.boxes[rng.integers(len(film.boxes))]
            extent = np.array([box.right - box.left, box.bottom - box.top]) * size
            low = min(max(SMALLEST_PX, AROUND_BOX * extent.max()), high)
            side = _log_uniform(rng, low, high)
            middle = np.array([box.left + box.right, box.top + box.bottom]) / 2 * size
            # The box stays inside but for a sixth: a fracture may well be at the edge of a tile.
            room = np.maximum(side - extent, 0) / 2 + 0.15 * extent
        else:
            side = _log_uniform(rng, min(SMALLEST_PX, high), high)
            middle = self._somewhere(index, rng) * size
            room = np.full(2, 0.3 * side)
        center = middle + rng.uniform(-1, 1, 2) * room
        return draw_matrix(center, side, spec=self._spec, rng=rng)

    def _somewhere(self, index: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a place in a film, (x, y) as shares of its sides."""
        if rng.random() < AIR_SHARE:
            return rng.random(2)
        row, column = divmod(int(rng.choice(DETAIL_CELLS**2, p=self._detail[index])), DETAIL_CELLS)
        return (np.array([column, row]) + rng.random(2)) / DETAIL_CELLS


def _draw_shows(rng: np.random.Generator) -> _Shows:
    if rng.random() >= FRACTURED_SHARE:
        return _Shows.NOTHING
    return _Shows.SYNTHETIC if rng.random() < SYNTHETIC_SHARE else _Shows.FRACTURE


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _detail(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how much there is to see in each cell of the film: (DETAIL_CELLS ** 2,), sum 1."""
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1.5).astype(np.float32)
    slope = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    margin = max(1, max(pixels.shape) // 24)  # edges of the cassette are no bones
    slope[:margin], slope[-margin:], slope[:, :margin], slope[:, -margin:] = 0, 0, 0, 0
    cells = cv2.resize(slope, (DETAIL_CELLS, DETAIL_CELLS), interpolation=cv2.INTER_AREA)
    weights = cells.astype(np.float64).ravel() ** 1.5 + 1e-6
    return np.asarray(weights / weights.sum(), np.float64)

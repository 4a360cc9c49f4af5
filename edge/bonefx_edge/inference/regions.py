"""Where on the film the tiles call fracture: a few rectangles for the person who reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bonefx_edge.inference.decision import sigmoid

MOST_PLACES: Final = 3
"""A reader checks a few places; tiles that overlap less than half are few on one film anyhow."""
SAME_PLACE_OVERLAP: Final = 0.5
"""Two tiles that share more than this of the smaller one point at the same place."""

Rectangle = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels of the film; right and bottom are the first ones outside."""


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle of the film whose tile calls fracture on its own."""

    left: int
    """Pixels of the film as decoded, from its left edge; >= 0."""
    top: int
    """Pixels of the film as decoded, from its top edge; >= 0."""
    right: int
    """First column to the right of the place; > left."""
    bottom: int
    """First row below the place; > top."""
    score: float
    """Sigmoid of the tile's own logit of fracture, [0, 1]; without temperature: no p_fracture."""

    def __post_init__(self) -> None:
        inside = 0 <= self.left < self.right and 0 <= self.top < self.bottom
        if not inside or not 0.0 <= self.score <= 1.0:
            msg = (
                f"place: expected 0 <= left < right, 0 <= top < bottom, score in [0, 1]; got {self}"
            )
            raise ValueError(msg)


def suspicious(
    rectangles: Sequence[Rectangle], logits: Sequence[float], *, limit: int = MOST_PLACES
) -> tuple[Place, ...]:
    """Return the tiles that call fracture on their own, strongest first; empty where none does.

    A tile that overlaps a stronger one by more than half of the smaller is the same place and
    left out (greedy non-maximum suppression). Of equal tiles, the first given comes first.

    Parameters
    ----------
    rectangles
        (left, top, right, bottom) of each tile, in pixels of the film.
    logits
        Of "not broken", one per tile; finite. <= 0 calls fracture, as `decide` rounds.
    limit
        At most so many places; >= 0.
    """
    kept: list[Place] = []
    tiles = zip(logits, rectangles, strict=True)
    for logit, rectangle in sorted(tiles, key=lambda tile: tile[0]):
        if logit > 0.0 or len(kept) >= limit:
            break
        place = Place(*rectangle, score=sigmoid(-logit))
        if not any(_overlap(place, stronger) > SAME_PLACE_OVERLAP for stronger in kept):
            kept.append(place)
    return tuple(kept)


def _overlap(a: Place, b: Place) -> float:
    """Return the intersection as share of the smaller of two places, [0, 1]."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    return max(0, width) * max(0, height) / min(_area(a), _area(b))


def _area(place: Place) -> int:
    return (place.right - place.left) * (place.bottom - place.top)

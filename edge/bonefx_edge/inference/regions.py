"""Suspicious regions: rectangles of the image whose tiles call fracture, for the reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bonefx_edge.inference.decision import sigmoid

MAX_REGIONS: Final = 3
"""More would not be read."""
MAX_OVERLAP: Final = 0.5
"""Two tiles that share more than this of the smaller one are the same region."""

Rectangle = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels of the film; right and bottom are the first ones outside."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the film whose tile calls fracture on its own."""

    left: int
    """Pixels of the film as decoded, from its left edge; >= 0."""
    top: int
    """Pixels of the film as decoded, from its top edge; >= 0."""
    right: int
    """First column to the right of the region; > left."""
    bottom: int
    """First row below the region; > top."""
    score: float
    """Sigmoid of the tile's own logit of fracture, [0, 1]; without temperature: no p_fracture."""

    def __post_init__(self) -> None:
        inside = 0 <= self.left < self.right and 0 <= self.top < self.bottom
        if not inside or not 0.0 <= self.score <= 1.0:
            msg = (
                "region: expected 0 <= left < right, 0 <= top < bottom and score in [0, 1], "
                f"got {self}"
            )
            raise ValueError(msg)


def select_regions(
    rectangles: Sequence[Rectangle], logits: Sequence[float], *, limit: int = MAX_REGIONS
) -> tuple[Region, ...]:
    """Return the tiles that call fracture on their own, strongest first; empty where none does.

    A tile that overlaps a stronger one by more than half of the smaller is the same region and
    left out (greedy non-maximum suppression). Of equal tiles, the first given comes first.

    Parameters
    ----------
    rectangles
        (left, top, right, bottom) of each tile, in pixels of the film.
    logits
        Of "not broken", one per tile; finite. <= 0 calls fracture, as `decide` rounds.
    limit
        Maximum number of regions; >= 0.
    """
    kept: list[Region] = []
    tiles = zip(logits, rectangles, strict=True)
    for logit, rectangle in sorted(tiles, key=lambda tile: tile[0]):
        if logit > 0.0 or len(kept) >= limit:
            break
        region = Region(*rectangle, score=sigmoid(-logit))
        if not any(_overlap(region, stronger) > MAX_OVERLAP for stronger in kept):
            kept.append(region)
    return tuple(kept)


def _overlap(a: Region, b: Region) -> float:
    """Return the intersection as share of the smaller of two regions, [0, 1]."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    return max(0, width) * max(0, height) / min(_area(a), _area(b))


def _area(region: Region) -> int:
    return (region.right - region.left) * (region.bottom - region.top)

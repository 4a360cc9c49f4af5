"""Regions: the tiles that call fracture on their own, strongest first, each region once."""

import math

import pytest
from bonefx_edge.inference.regions import Region, select_regions
from hypothesis import given
from hypothesis import strategies as st

A, B, C, D = (0, 0, 10, 10), (100, 0, 110, 10), (0, 100, 10, 110), (100, 100, 110, 110)
"""Far from each other."""


@st.composite
def tiles(draw) -> tuple[list[tuple[int, int, int, int]], list[float]]:
    corner, side = st.integers(0, 60), st.integers(1, 60)
    corners = draw(st.lists(st.tuples(corner, corner, side, side), max_size=12))
    logits = [draw(st.floats(-9, 9)) for _ in corners]
    return [(x, y, x + w, y + h) for x, y, w, h in corners], logits


def overlap(a: Region, b: Region) -> float:
    """Count pixels: slow, and nothing to get wrong."""
    pixels = [
        {(x, y) for x in range(p.left, p.right) for y in range(p.top, p.bottom)} for p in (a, b)
    ]
    return len(pixels[0] & pixels[1]) / min(len(p) for p in pixels)


def test_tiles_that_call_fracture_come_strongest_first_with_the_sigmoid_of_their_logit() -> None:
    regions = select_regions([A, B, C], [-1.0, 0.5, -2.0])
    assert [(p.left, p.top, p.right, p.bottom) for p in regions] == [C, A]
    expected = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))]
    assert [p.score for p in regions] == pytest.approx(expected)


def test_a_logit_of_zero_calls_fracture_as_the_class_index_does() -> None:
    assert select_regions([A, B], [0.0, 1e-9]) == (Region(*A, score=0.5),)


def test_no_tile_or_none_that_calls_fracture_gives_no_place() -> None:
    assert select_regions([], []) == select_regions([A], [3.0]) == ()


def test_at_most_three_regions_or_as_many_as_asked_for() -> None:
    logits = [-1.0, -4.0, -2.0, -3.0]
    assert [p.left for p in select_regions([A, B, C, D], logits)] == [100, 100, 0]
    assert len(select_regions([A, B, C, D], logits, limit=1)) == 1
    assert select_regions([A, B, C, D], logits, limit=0) == ()


@pytest.mark.parametrize(("shift", "kept"), [(4, 1), (5, 2), (6, 2)])
def test_more_than_half_in_common_is_the_same_place(shift: int, kept: int) -> None:
    # 10 x 10 tiles: 60, 50 and 40 of 100 pixels in common.
    regions = select_regions([(0, 0, 10, 10), (shift, 0, shift + 10, 10)], [-1.0, -2.0])
    assert len(regions) == kept
    assert regions[0].left == shift  # the stronger one stays


def test_the_overlap_is_measured_on_the_smaller_tile() -> None:
    # 16 of its 16 pixels lie in the large tile, though they are a small share of that one.
    assert [p.right for p in select_regions([(0, 0, 100, 100), (3, 3, 7, 7)], [-2.0, -1.0])] == [
        100
    ]


def test_a_tile_like_a_dropped_one_only_is_kept() -> None:
    row = [(0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10)]  # each like its neighbor
    assert [p.left for p in select_regions(row, [-3.0, -2.0, -1.0])] == [0, 8]


def test_of_equal_tiles_the_first_given_comes_first() -> None:
    assert [p.left for p in select_regions([B, A], [-1.0, -1.0])] == [100, 0]


def test_tiles_and_logits_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="zip"):
        select_regions([A, B], [1.0])


@pytest.mark.parametrize("field", [{"left": 10}, {"top": -1}, {"bottom": 0}, {"score": 1.1}])
def test_an_impossible_place_cannot_be_made(field: dict[str, float]) -> None:
    fields = {"left": 0, "top": 0, "right": 10, "bottom": 10, "score": 0.5}
    with pytest.raises(ValueError, match="region: expected"):
        Region(**fields | field)


@given(tiles(), st.integers(0, 5))
def test_regions_are_ordered_apart_and_from_the_tiles(drawn, limit: int) -> None:
    rectangles, logits = drawn
    regions = select_regions(rectangles, logits, limit=limit)
    assert len(regions) <= limit
    scores = [region.score for region in regions]
    assert scores == sorted(scores, reverse=True)
    assert all(score >= 0.5 for score in scores)
    assert {(p.left, p.top, p.right, p.bottom) for p in regions} <= set(rectangles)
    pairs = [(a, b) for i, a in enumerate(regions) for b in regions[:i]]
    assert all(overlap(a, b) <= 0.5 for a, b in pairs)


@given(tiles())
def test_the_strongest_tile_is_always_a_place_where_it_calls_fracture(drawn) -> None:
    rectangles, logits = drawn
    regions = select_regions(rectangles, logits)
    assert bool(regions) == any(logit <= 0 for logit in logits)
    if regions:
        assert regions[0].score == pytest.approx(1 / (1 + math.exp(min(logits))))

"""Tiles cover the film, and one sum makes one logit of all views."""

import dataclasses
import itertools
import math

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.inference.preprocess import SPECS, input_extent, preprocess
from bonefx_edge.inference.tile_grid import TileSpec
from bonefx_edge.inference.tiles import extract_tiles
from bonefx_edge.inference.tiling import NetworkOutputs, fuse_logits, image_logit, pool_tile_logits
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from make_golden_vectors import draw
from toy import toy_tiled, toy_whole

AREA = SPECS["area"]
LETTERBOX = SPECS["area-letterbox"]
NINE = TileSpec(longest_px=400, share=0.5, overlap=0.25)


def radiograph(pixels: np.ndarray) -> Radiograph:
    return Radiograph(pixels, FileFormat.PNG, GrayMapping.STORED)


sides = st.integers(64, 3000)
grids = st.builds(
    TileSpec,
    longest_px=st.integers(64, 512),
    share=st.floats(0.2, 1.0),
    overlap=st.floats(0.0, 0.7),
).filter(lambda spec: spec.max_tiles <= 64)


@settings(deadline=None, max_examples=60)
@given(sides, sides, grids)
def test_every_pixel_of_any_film_is_in_a_tile_and_every_tile_in_the_film(
    height: int, width: int, spec: TileSpec
) -> None:
    tiles = extract_tiles(radiograph(np.full((height, width), 9, np.uint8)), (spec,), LETTERBOX)
    seen = np.zeros((height, width), bool)
    for left, top, right, bottom in tiles.rectangles:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        seen[top:bottom, left:right] = True
    assert seen.all()
    assert len(tiles.rectangles) == len(tiles.extents) == len(tiles.x) <= spec.max_tiles


@pytest.mark.parametrize("shape", [(64, 64), (3000, 300), (300, 3000), (2304, 2880)])
def test_films_at_the_ends_of_the_range_are_covered_by_few_tiles(shape: tuple[int, int]) -> None:
    tiles = extract_tiles(radiograph(np.full(shape, 9, np.uint8)), (NINE,), AREA)
    assert tiles.x.shape[1:] == (150, 150, 1)
    assert 3 <= len(tiles.x) <= NINE.max_tiles == 9


@settings(deadline=None, max_examples=40)
@given(st.integers(64, 512), st.integers(64, 512), grids)
def test_neighbors_overlap_by_at_least_the_share_asked_for(height, width, spec) -> None:
    # Not shrunk: a tile is rounded up to a whole pixel, its start down, which costs one at most.
    spec = dataclasses.replace(spec, longest_px=512)
    tiles = extract_tiles(radiograph(np.zeros((height, width), np.uint8)), (spec,), AREA)
    side = spec.share * max(height, width)
    lefts = sorted({(left, right) for left, _, right, _ in tiles.rectangles})
    for (_, right), (left, _) in itertools.pairwise(lefts):
        assert right - left >= spec.overlap * side - 1


def test_tiles_lie_where_arithmetic_puts_them() -> None:
    """200x160, not shrunk: tiles of 100, steps of at most 75."""
    pixels = draw(200, 160)
    tiles = extract_tiles(radiograph(pixels), (NINE,), AREA)
    assert tiles.rectangles == (
        *((0, 0, 100, 100), (60, 0, 160, 100)),
        *((0, 50, 100, 150), (60, 50, 160, 150)),
        *((0, 100, 100, 200), (60, 100, 160, 200)),
    )
    for x, (left, top, right, bottom) in zip(tiles.x, tiles.rectangles, strict=True):
        piece = radiograph(np.ascontiguousarray(pixels[top:bottom, left:right]))
        assert np.array_equal(x, preprocess(piece, spec=AREA)[0])
    assert tiles.extents == tiles.rectangles  # squashed: the input shows the tile and no more


def test_a_small_film_is_never_enlarged_before_it_is_cut() -> None:
    pixels = draw(200, 160)
    larger = dataclasses.replace(NINE, longest_px=512)
    one, other = (extract_tiles(radiograph(pixels), (spec,), AREA) for spec in (NINE, larger))
    assert np.array_equal(one.x, other.x)


def test_a_large_film_is_shrunk_antialiased_before_it_is_cut() -> None:
    lines = np.zeros((3000, 3000), np.uint8)
    lines[::20] = 255  # at 400 px, a pixel is 7.5 rows: a line is at most 255 / 7.5 = 34
    tiles = extract_tiles(radiograph(lines), (NINE,), AREA)
    assert tiles.x.max() <= 35
    assert np.abs(tiles.x.mean(axis=(1, 2)) - 255 / 20).max() < 2


@pytest.mark.parametrize("shape", [(2880, 2304), (1009, 733), (200, 160)])
def test_a_rectangle_is_what_the_tile_shows_rounded_outwards(shape: tuple[int, int]) -> None:
    tiles = extract_tiles(radiograph(np.zeros(shape, np.uint8)), (NINE,), AREA)
    for rectangle, extent in zip(tiles.rectangles, tiles.extents, strict=True):
        outwards = np.subtract(rectangle, extent) * (-1, -1, 1, 1)
        assert outwards.min() > -1e-9
        assert outwards.max() < 1


def test_several_grids_give_their_tiles_one_after_the_other() -> None:
    film = radiograph(draw(200, 160))
    small = TileSpec(longest_px=400, share=1.0, overlap=0.0)
    both = extract_tiles(film, (small, NINE), AREA)
    assert both.rectangles[0] == (0, 0, 160, 200)
    assert both.rectangles[1:] == extract_tiles(film, (NINE,), AREA).rectangles


@pytest.mark.parametrize("name", SPECS)
def test_no_grid_gives_no_tile(name: str) -> None:
    tiles = extract_tiles(radiograph(draw(200, 160)), (), SPECS[name])
    assert tiles.x.shape == (0, 150, 150, 1)
    assert (tiles.rectangles, tiles.extents) == ((), ())


@pytest.mark.parametrize("name", SPECS)
def test_a_large_film_and_its_shrunk_copy_give_nearly_the_same_tiles(name: str) -> None:
    """2880x2304 and the same at 512 px: the network must not see which detector it was."""
    large = cv2.GaussianBlur(draw(2880, 2304), (0, 0), 6)
    small = cv2.resize(large, (410, 512), interpolation=cv2.INTER_AREA)
    ours, theirs = (extract_tiles(radiograph(p), (NINE,), SPECS[name]) for p in (large, small))
    gray = 1 if SPECS[name].scale.value == "uint8" else 255
    differences = np.abs(ours.x.astype(float) - theirs.x.astype(float)) * gray
    # Each of three resizes rounds to a gray level; a shift of half a pixel of 400 costs the rest.
    assert differences.mean() < 2
    # A pixel of the shrunk film, 320 wide, and one of rounding outwards.
    shares = np.array(ours.rectangles) / (2304, 2880, 2304, 2880)
    others = np.array(theirs.rectangles) / (410, 512, 410, 512)
    assert np.abs(shares - others).max() < 2 / 320


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 700), st.integers(1, 700))
def test_the_region_of_a_letterboxed_picture_is_the_square_around_it(height, width) -> None:
    left, top, right, bottom = input_extent((height, width), spec=LETTERBOX)
    # The inner side is rounded to a whole pixel of 150, and is at least one.
    assume(min(height, width) * 150 >= max(height, width) * 10)
    longest = max(height, width)
    assert right - left == pytest.approx(longest, rel=0.06)
    assert bottom - top == pytest.approx(longest, rel=0.06)
    assert (left + right) / 2 == pytest.approx(width / 2, abs=longest / 150)
    assert (top + bottom) / 2 == pytest.approx(height / 2, abs=longest / 150)


@pytest.mark.parametrize("name", ["area", "area-letterbox"])
@pytest.mark.parametrize("shape", [(900, 300), (300, 900), (600, 600), (2000, 500)])
def test_a_spot_of_the_film_is_where_the_region_of_each_view_says(name: str, shape) -> None:
    """So the cells of a map are laid over the film where the network saw them."""
    spec = SPECS[name]
    y, x = int(shape[0] * 0.45), int(shape[1] * 0.55)
    pixels = np.zeros(shape, np.uint8)
    cv2.circle(pixels, (x, y), 12, 255, -1)
    film = radiograph(pixels)
    tiles = extract_tiles(film, (NINE,), spec)
    views = [preprocess(film, spec=spec)[0], *tiles.x]
    extents = [input_extent(shape, spec=spec), *tiles.extents]
    rectangles = [(0, 0, shape[1], shape[0]), *tiles.rectangles]
    found = 0
    for view, extent, rectangle in zip(views, extents, rectangles, strict=True):
        left, top, right, bottom = rectangle
        if not (left + 20 < x < right - 20 and top + 20 < y < bottom - 20):
            continue  # cut off, or not in this view
        rows, columns = np.mgrid[:150, :150] + 0.5
        weight = view[:, :, 0].astype(float)
        at_x = (columns * weight).sum() / weight.sum() / 150
        at_y = (rows * weight).sum() / weight.sum() / 150
        # A pixel of the view is up to max(shape) / 150 of the film.
        near = max(shape) / 150
        assert extent[0] + at_x * (extent[2] - extent[0]) == pytest.approx(x + 0.5, abs=near)
        assert extent[1] + at_y * (extent[3] - extent[1]) == pytest.approx(y + 0.5, abs=near)
        found += 1
    assert found >= 2


# ---- the sum ----


def answers(logits: list[float], cells: list[float] | None = None) -> NetworkOutputs:
    """Return answers whose maps have one high cell each."""
    maps = None
    if cells is not None:
        maps = np.full((len(cells), 5, 5), -9.0, np.float32)
        maps[:, 3, 1] = cells
    return NetworkOutputs(np.array(logits, np.float32), maps, None)


@pytest.mark.parametrize(
    ("whole", "tiles", "logit"),
    [
        # 0.375 + 0.5 whole + 0.25 tiles - 0.125 highest cell of all views
        (answers([2.0], [-1.0]), answers([-4.0, -4.0, -4.0], [0.0, 2.0, 1.0]), 0.125),
        (answers([2.0], [4.0]), answers([-4.0, -4.0, -4.0], [0.0, 2.0, 1.0]), -0.125),
        (answers([2.0]), answers([3.0, 3.0]), 2.125),
    ],
)
def test_the_logit_is_the_sum_that_the_mode_states(whole, tiles, logit: float) -> None:
    assert image_logit(toy_tiled(), whole=whole, tiles=tiles) == logit


def test_tiles_come_to_the_logit_of_their_mean_odds_of_fracture() -> None:
    odds = np.array([3.0, 1 / 3, 5 / 3])
    assert pool_tile_logits(-np.log(odds)) == pytest.approx(-math.log(5 / 3))
    assert pool_tile_logits(np.array([-2.5], np.float32)) == -2.5
    assert pool_tile_logits(np.array([-900.0, 900.0])) == pytest.approx(-900 + math.log(2))


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_tiles_come_to_no_less_than_the_lowest_and_no_more_than_their_mean(values) -> None:
    found = pool_tile_logits(np.array(values))
    assert min(values) - 1e-9 <= found <= np.mean(values) + 1e-9


def test_the_whole_mode_is_the_networks_own_logit() -> None:
    assert image_logit(toy_whole(), whole=answers([-1.25], [3.0]), tiles=None) == -1.25


def test_a_whole_mode_may_weigh_its_map() -> None:
    mode = toy_whole(map_weight=0.5)
    assert image_logit(mode, whole=answers([-1.25], [3.0]), tiles=None) == -2.75


numbers = st.floats(-20, 20)


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=5))
def test_many_films_at_once_give_the_same_as_one_by_one(films) -> None:
    whole, tile, cell = np.array(films).T
    at_once = fuse_logits(toy_tiled(), whole=whole, tile=tile, cell=cell)
    alone = [fuse_logits(toy_tiled(), whole=w, tile=t, cell=c) for w, t, c in films]
    assert at_once.tolist() == alone


@given(numbers, numbers, numbers, st.floats(0.01, 5))
def test_an_input_that_is_more_broken_never_makes_the_image_less_broken(w, t, c, more) -> None:
    before = fuse_logits(toy_tiled(), whole=w, tile=t, cell=c)
    assert fuse_logits(toy_tiled(), whole=w - more, tile=t, cell=c) < before
    assert fuse_logits(toy_tiled(), whole=w, tile=t - more, cell=c) < before
    assert fuse_logits(toy_tiled(), whole=w, tile=t, cell=c + more) < before

"""Tiles without anatomy are left out, the same ones on every machine, and never all of a grid."""

import dataclasses

import numpy as np
import pytest
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.inference.preprocess import SPECS, downscale_to, stretch_percentiles
from bonefx_edge.inference.tile_grid import TileSelection, TileSpec, select_tiles, tile_boxes
from bonefx_edge.inference.tiling import extract_tiles
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import toy_tiled

SPEC = SPECS["stretch-letterbox"]
GRIDS = tuple(TileSpec(longest_px=512, share=share, overlap=0.5) for share in (0.6, 0.4))
ANATOMY = TileSelection(gray_level=60, min_share=0.25)

selections = st.builds(TileSelection, gray_level=st.integers(0, 254), min_share=st.floats(0.0, 1.0))
grids = st.builds(
    TileSpec, longest_px=st.integers(16, 128), share=st.floats(0.2, 1.0), overlap=st.floats(0, 0.6)
)


def radiograph(pixels: np.ndarray) -> Radiograph:
    return Radiograph(pixels, FileFormat.PNG, GrayMapping.STORED)


def noise(height: int, width: int, seed: int) -> np.ndarray:
    """Return a film with blobs and a black part, uint8."""
    rng = np.random.default_rng(seed)
    blobs = np.kron(rng.integers(0, 256, (height // 8 + 1, width // 8 + 1)), np.ones((8, 8)))
    blobs[:, : rng.integers(0, width)] = 0
    return np.ascontiguousarray(blobs[:height, :width].astype(np.uint8))


def half(*, bright: int) -> np.ndarray:
    """Return 400x400 with a black left and a bright right half."""
    pixels = np.zeros((400, 400), np.uint8)
    pixels[:, 200:] = bright
    return pixels


@settings(deadline=None, max_examples=100)
@given(st.integers(16, 200), st.integers(16, 200), st.integers(0, 9), grids, selections)
def test_some_tiles_of_all_in_their_order_and_at_least_one(height, width, seed, grid, selection):
    gray = downscale_to(noise(height, width, seed), longest_px=grid.longest_px)
    boxes = tile_boxes(gray.shape, grid)
    kept = select_tiles(gray, boxes, selection)
    assert kept
    rest = iter(boxes)
    assert all(box in rest for box in kept)  # a subset, in order, each once
    assert select_tiles(gray, boxes, None) == boxes


@settings(deadline=None, max_examples=100)
@given(st.integers(16, 200), st.integers(16, 200), st.integers(0, 9), grids, selections)
def test_the_shares_are_those_of_the_film_after_its_own_stretch(
    height, width, seed, grid, selection
) -> None:
    gray = downscale_to(noise(height, width, seed), longest_px=grid.longest_px)
    boxes = tile_boxes(gray.shape, grid)
    bright = stretch_percentiles(gray) > selection.gray_level
    shares = [np.mean(bright[top:bottom, left:right]) for top, bottom, left, right in boxes]
    above = [box for box, share in zip(boxes, shares, strict=True) if share >= selection.min_share]
    assert select_tiles(gray, boxes, selection) == (above or [boxes[np.argmax(shares)]])


@settings(deadline=None, max_examples=30)
@given(st.integers(64, 300), st.integers(64, 300), st.integers(0, 9), selections)
def test_the_tiles_of_a_film_are_those_without_selection_but_for_some(
    height, width, seed, selection
) -> None:
    film = radiograph(noise(height, width, seed))
    for grid in GRIDS:
        every = extract_tiles(film, (grid,), SPEC)
        some = extract_tiles(film, (grid,), SPEC, selection=selection)
        at = [every.rectangles.index(each) for each in some.rectangles]
        assert len(some.x) >= 1
        assert at == sorted(set(at))
        assert some.extents == tuple(every.extents[i] for i in at)
        np.testing.assert_array_equal(some.x, every.x[at])


def test_half_a_film_of_background_loses_its_tiles() -> None:
    film = radiograph(half(bright=180))
    tiles = extract_tiles(film, (GRIDS[1],), SPEC, selection=ANATOMY)
    # Tiles of 160 start at 0, 80, 160 and 240: 0, 40, 120 and 160 of their columns are bright.
    assert {left for left, *_ in tiles.rectangles} == {80, 160, 240}


def test_each_grid_of_a_film_that_is_dark_everywhere_keeps_its_brightest_tile() -> None:
    pixels = np.zeros((400, 400), np.uint8)
    pixels[370:380, 370:380] = 200
    tiles = extract_tiles(radiograph(pixels), GRIDS, SPEC, selection=ANATOMY)
    assert tiles.rectangles == ((160, 160, 400, 400), (240, 240, 400, 400))


def test_brightness_and_contrast_of_the_detector_change_no_selection() -> None:
    ramp = np.tile(np.arange(0, 256, dtype=np.uint8), (300, 1))
    dull = (ramp // 3 + 50).astype(np.uint8)
    boxes = tile_boxes(ramp.shape, GRIDS[1])
    brighter = TileSelection(gray_level=128, min_share=0.25)
    kept = select_tiles(ramp, boxes, brighter)
    assert kept == select_tiles(dull, boxes, brighter)
    assert len(kept) < len(boxes)


def test_a_mode_extracts_the_tiles_that_it_selects() -> None:
    film = radiograph(half(bright=180))
    mode = toy_tiled(tiles=GRIDS, tile_selection=ANATOMY)
    some = mode.extract_tiles(film, SPEC)
    every = dataclasses.replace(mode, tile_selection=None).extract_tiles(film, SPEC)
    assert 2 <= len(some.x) < len(every.x) == len(extract_tiles(film, GRIDS, SPEC).x)


@pytest.mark.parametrize("changes", [{"gray_level": 255}, {"gray_level": -1}, {"min_share": 1.01}])
def test_a_selection_that_makes_no_sense_is_refused(changes) -> None:
    with pytest.raises(ValueError, match="tile_selection: expected 0 <= gray_level <= 254"):
        dataclasses.replace(ANATOMY, **changes)

"""Tiles without anatomy are left out, the same ones on every machine, and never all of a grid."""

import dataclasses

import numpy as np
import pytest
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.inference.preprocess import SPECS
from bonefx_edge.inference.tile_grid import Refinement, TileSelection, TileSpec, rank_finer_tiles
from bonefx_edge.inference.tiles import extract_tiles
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
        shares = [selection.share(x) for x in every.x]
        expected = [i for i, share in enumerate(shares) if share >= selection.min_share]
        assert at == (expected or [int(np.argmax(shares))])


def test_half_a_film_of_background_loses_its_tiles() -> None:
    film = radiograph(half(bright=180))
    tiles = extract_tiles(film, (GRIDS[1],), SPEC, selection=ANATOMY)
    # Tiles of 160 start at 0, 80, 160 and 240: 0, 40, 120 and 160 of their columns are bright. The
    # last ones are one gray level, which the stretch of the tile makes black.
    assert {left for left, *_ in tiles.rectangles} == {80, 160}


def test_each_grid_of_a_film_that_is_dark_everywhere_keeps_its_brightest_tile() -> None:
    pixels = np.zeros((400, 400), np.uint8)
    pixels[370:380, 370:380] = 200
    tiles = extract_tiles(radiograph(pixels), GRIDS, SPEC, selection=ANATOMY)
    assert tiles.rectangles == ((160, 160, 400, 400), (240, 240, 400, 400))


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


# ---- a finer grid where the others found most ----

FINER = TileSpec(longest_px=512, share=0.28, overlap=0.5)


@settings(deadline=None, max_examples=50)
@given(st.integers(100, 300), st.integers(100, 300), st.integers(0, 9), st.integers(1, 6))
def test_finer_tiles_are_few_show_anatomy_and_lie_where_most_was_found(
    height, width, seed, count
) -> None:
    film = radiograph(noise(height, width, seed))
    mode = toy_tiled(tiles=GRIDS, tile_selection=ANATOMY, refinement=Refinement(FINER, tiles=count))
    tiles = mode.extract_tiles(film, SPEC)
    logits = np.random.default_rng(seed).normal(size=len(tiles.x)).astype(np.float32)
    finer = mode.extract_finer_tiles(film, SPEC, tiles, logits)
    every = extract_tiles(film, (FINER,), SPEC)
    ranked = rank_finer_tiles(tiles.rectangles, logits, every.rectangles)
    shown = [i for i in ranked if ANATOMY.share(every.x[i]) >= ANATOMY.min_share][:count]
    assert (finer is None) == (not shown)
    if finer is not None:
        assert finer.rectangles == tuple(every.rectangles[i] for i in shown)
        np.testing.assert_array_equal(finer.x, every.x[shown])


def test_finer_tiles_are_ranked_by_the_mean_odds_of_the_tiles_that_hold_their_center() -> None:
    coarse = [(0, 0, 100, 100), (50, 0, 150, 100)]
    finer = [(0, 0, 40, 40), (60, 0, 90, 40), (110, 0, 150, 40), (160, 0, 200, 40)]
    logits = np.array([2.0, -1.0], np.float32)  # the second one is suspicious
    assert rank_finer_tiles(coarse, logits, finer) == [2, 1, 0]
    assert rank_finer_tiles(coarse, np.zeros(2, np.float32), finer) == [0, 1, 2]
    assert rank_finer_tiles(coarse, np.array([900.0, -900.0]), finer)[0] == 2


def test_a_refinement_without_tiles_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="refinement: expected tiles >= 1, got 0"):
        Refinement(FINER, tiles=0)

"""The heat map: a hot cell lies where the network saw it, and the film stays readable."""

import math

import numpy as np
import pytest
from bonefx_edge.inference.heatmap import HeatMap, heat_map
from hypothesis import given, settings
from hypothesis import strategies as st

COLD = -20.0
"""Sigmoid 2e-9: nothing."""
HOT = 20.0
LAST_DIGIT = 1e-6
"""Values are float32, whose step below 1 is 6e-8; a mean of a few of them is a few steps off."""

ODD_SIDES = [(1, 1), (1, 3000), (3000, 1), (64, 63), (65, 64), (511, 410), (2880, 2304)]


def cold_map(rows: int = 5, columns: int = 5) -> np.ndarray:
    return np.full((rows, columns), COLD, np.float32)


def hot_at(row: int, column: int, *, rows: int = 5, columns: int = 5) -> np.ndarray:
    cells = cold_map(rows, columns)
    cells[row, column] = HOT
    return cells


def at(heat: HeatMap, x: float, y: float) -> float:
    """Return the value of the cell that pixel (x, y) lies in."""
    rows, columns = heat.values.shape
    return float(heat.values[int(y / heat.height * rows), int(x / heat.width * columns)])


def cell_px(heat: HeatMap) -> float:
    return max(heat.height / heat.values.shape[0], heat.width / heat.values.shape[1])


# ---- where ----


@pytest.mark.parametrize(("row", "column"), [(1, 1), (2, 2), (3, 1), (1, 3)])
def test_a_hot_cell_of_a_letterboxed_whole_film_lies_where_it_was_seen(row, column) -> None:
    # 200 wide, 100 high: the input shows a square of 200, 50 px of black above and below.
    # A cell is 40 px, so the centers are at x = 20, 60, ... and y = -30, 10, 50, 90, 130.
    heat = heat_map((100, 200), [(0, -50, 200, 150)], [hot_at(row, column)])
    assert heat.peak() == pytest.approx((20 + 40 * column, -30 + 40 * row), abs=cell_px(heat))


@pytest.mark.parametrize(("row", "column"), [(1, 0), (2, 4), (3, 4)])
def test_a_hot_cell_at_the_edge_of_the_film_lies_there(row, column) -> None:
    # From the outermost centers, 20 px from the edge, the value stays: the middle of that is 10 px.
    heat = heat_map((100, 200), [(0, -50, 200, 150)], [hot_at(row, column)])
    expected = (10 if column == 0 else 190, -30 + 40 * row)
    assert heat.peak() == pytest.approx(expected, abs=cell_px(heat))


def test_a_hot_cell_in_the_black_margin_is_not_on_the_film() -> None:
    # The margin's cell centers at y = -30; the film begins at 0, three quarters of a cell on.
    heat = heat_map((100, 200), [(0, -50, 200, 150)], [hot_at(0, 2)])
    assert heat.values.max() < 0.25
    assert at(heat, 100, 50) == pytest.approx(0, abs=LAST_DIGIT)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 3), (4, 4)])
def test_a_hot_cell_of_a_tile_lies_inside_the_tile(row, column) -> None:
    # A tile of 100 px at (200, 300): centers at 210, 230, ... and 310, 330, ...
    whole, tile = (-51, 0, 461, 512), (200, 300, 300, 400)
    heat = heat_map((512, 410), [whole, tile], [cold_map(), hot_at(row, column)])
    assert heat.peak() == pytest.approx((210 + 20 * column, 310 + 20 * row), abs=cell_px(heat))
    rows, columns = np.nonzero(heat.values > LAST_DIGIT)
    half = cell_px(heat) / 2  # a cell of the grid is partly outside where the tile's edge cuts it
    y, x = (rows + 0.5) * 512 / 64, (columns + 0.5) * 410 / 51
    assert ((y > 300 - half) & (y < 400 + half) & (x > 200 - half) & (x < 300 + half)).all()


def test_a_film_smaller_than_the_grid_has_one_cell_a_pixel() -> None:
    heat = heat_map((3, 2), [(0, 0, 2, 3)], [np.array([[HOT, COLD]], np.float32)])
    assert heat.values == pytest.approx(np.array([[1.0, 0.0]] * 3), abs=LAST_DIGIT)
    assert heat.peak() == (0.5, 1.5)  # of three equal ones the middle one


def test_the_peak_of_two_equal_spots_is_on_one_of_them() -> None:
    values = np.zeros((5, 9), np.float32)
    values[2, 1] = values[2, 8] = 0.5
    assert HeatMap(values, height=5, width=9).peak() in [(1.5, 2.5), (8.5, 2.5)]


# ---- how much ----


def test_between_two_centers_the_value_is_interpolated() -> None:
    # Centers at x = 16 and 48; the grid's cells are pixels, with centers at 0.5, 1.5, ...
    heat = heat_map((64, 64), [(0, 0, 64, 64)], [np.array([[HOT, COLD]], np.float32)])
    expected = np.clip(1 - (np.arange(64) + 0.5 - 16) / 32, 0, 1)
    assert heat.values == pytest.approx(np.tile(expected, (64, 1)), abs=LAST_DIGIT)


def test_where_views_overlap_the_value_is_the_mean_of_their_sigmoids() -> None:
    one, three = (np.full((2, 2), math.log(odds), np.float32) for odds in (1, 3))
    heat = heat_map((64, 64), [(0, 0, 64, 64), (0, 0, 32, 32)], [one, three])
    assert at(heat, 10, 10) == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert at(heat, 50, 10) == pytest.approx(1 / 2)


def test_where_no_view_is_the_value_is_zero() -> None:
    heat = heat_map((64, 64), [(0, 0, 32, 64)], [np.full((1, 1), HOT, np.float32)])
    assert heat.values[:, :32] == pytest.approx(1.0)
    assert not heat.values[:, 32:].any()


def test_a_view_counts_by_the_share_of_the_cell_that_it_covers() -> None:
    # The grid's cell 0 is 2 px wide. The tile covers half of it: weights 1 and 1/2.
    whole, tile = np.full((1, 1), COLD, np.float32), np.full((1, 1), HOT, np.float32)
    heat = heat_map((128, 128), [(0, 0, 128, 128), (0, 0, 1, 128)], [whole, tile])
    assert at(heat, 0, 0) == pytest.approx((1 * 0 + 0.5 * 1) / 1.5)


@pytest.mark.parametrize("logit", [-1e30, -800.0, 800.0, 1e30])
def test_huge_logits_are_zero_or_one_without_a_warning(logit: float) -> None:
    heat = heat_map((64, 64), [(0, 0, 64, 64)], [np.full((5, 5), logit, np.float32)])
    assert heat.values == pytest.approx(float(logit > 0))


@pytest.mark.parametrize("shape", ODD_SIDES)
def test_the_grid_has_at_most_64_cells_along_the_longer_side(shape) -> None:
    heat = heat_map(shape, [(0, 0, shape[1], shape[0])], [hot_at(4, 4)])
    assert max(heat.values.shape) == min(64, max(shape))
    assert min(heat.values.shape) >= 1
    assert (heat.height, heat.width) == shape


# ---- properties ----


@st.composite
def seen_films(draw):
    """A film, the whole of it letterboxed and up to three tiles, with logits."""
    height, width = draw(st.integers(1, 700)), draw(st.integers(1, 700))
    side = max(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    squares = [(left, top, left + side, top + side)]
    for _ in range(draw(st.integers(0, 3))):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        tile = draw(st.integers(1, 300))
        squares.append((x, y, x + tile, y + tile))
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    maps = [rng.normal(0, 3, (rows, columns)).astype(np.float32) for _ in squares]
    return (height, width), squares, maps


@settings(deadline=None)
@given(seen_films())
def test_turning_film_and_maps_together_turns_the_result(seen) -> None:
    (height, width), squares, maps = seen
    turned = heat_map(
        (width, height),
        [(top, width - right, bottom, width - left) for left, top, right, bottom in squares],
        [np.rot90(cells) for cells in maps],
    )
    expected = np.rot90(heat_map((height, width), squares, maps).values)
    assert turned.values == pytest.approx(expected, abs=1e-5)


@settings(deadline=None)
@given(seen_films())
def test_values_are_between_the_least_and_the_greatest_sigmoid(seen) -> None:
    shape, squares, maps = seen
    heat = heat_map(shape, squares, maps)
    logits = np.concatenate([cells.ravel() for cells in maps]).astype(np.float64)
    assert heat.values.dtype == np.float32
    assert heat.values.min() >= 1 / (1 + np.exp(-logits.min())) - LAST_DIGIT
    assert heat.values.max() <= 1 / (1 + np.exp(-logits.max())) + LAST_DIGIT


@settings(deadline=None)
@given(seen_films())
def test_the_order_of_the_views_does_not_matter(seen) -> None:
    shape, squares, maps = seen
    backwards = heat_map(shape, squares[::-1], maps[::-1]).values
    assert backwards == pytest.approx(heat_map(shape, squares, maps).values, abs=LAST_DIGIT)


@settings(deadline=None)
@given(seen_films())
def test_the_peak_lies_on_the_film(seen) -> None:
    (height, width), squares, maps = seen
    x, y = heat_map((height, width), squares, maps).peak()
    assert 0 < x < width
    assert 0 < y < height


@pytest.mark.parametrize(
    "values",
    [np.full((2, 2), 1.1, np.float32), np.full((2, 2), np.nan, np.float32), np.zeros((2, 2))],
)
def test_values_out_of_range_or_of_another_type_make_no_heat_map(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"HeatMap.values: expected a non-empty float32"):
        HeatMap(values, height=2, width=2)

import dataclasses

import numpy as np
import pytest
from bonefx_edge.preprocess import InputSpec
from bonefx_train.boxes import Box
from bonefx_train.view_geometry import cells_of, cut, draw_matrix, place
from bonefx_train.views import FRACTURED_SHARE, HIDDEN, Film, ViewSampler

SPEC = InputSpec(height=96, width=96)


def speckled(seed=0, shape=(300, 240)):
    return np.random.default_rng(seed).integers(40, 90, shape).astype(np.uint8)


def film_with_white_fracture(seed=0):
    """White nowhere but inside the box."""
    pixels, box = speckled(seed), Box(0.40, 0.55, 0.55, 0.65)
    pixels[165:195, 96:132] = 255
    return Film(pixels, (box,), fractured=True, body_part="hand")


def intact(seed=0, body_part="hand"):
    return Film(speckled(seed), (), fractured=False, body_part=body_part)


@pytest.fixture(name="undisturbed")
def _undisturbed(monkeypatch):
    monkeypatch.setattr("bonefx_train.views.disturb", lambda view, _: view)


def draw(films, *, n=300, seed=0):
    return ViewSampler(films, spec=SPEC).draw(np.random.default_rng(seed), n=n)


def test_views_are_network_input_and_every_draw_depends_on_the_seed_alone():
    films = [film_with_white_fracture(), intact(1), intact(2)]
    a, b, c = draw(films, n=40), draw(films, n=40), draw(films, n=40, seed=1)
    assert (a.x.shape, a.x.dtype) == ((40, 96, 96, 1), np.uint8)
    assert (a.cells.shape, a.cells.dtype) == ((40, 3, 3, 1), np.float32)
    for name in (field.name for field in dataclasses.fields(a)):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert not np.array_equal(a.x, c.x)


@pytest.mark.usefixtures("undisturbed")
def test_a_view_called_broken_shows_a_fracture_and_any_other_view_does_not():
    batch = draw([film_with_white_fracture(), intact(1)])
    whites = (batch.x == 255).any(axis=(1, 2, 3))
    broken = batch.class_index == 0
    assert whites[broken].all()
    # At most a tenth of the box may be in a view that is called intact.
    most = (batch.x[~broken] == 255).mean(axis=(1, 2, 3)).max()
    least = (batch.x[broken] == 255).mean(axis=(1, 2, 3)).min()
    assert most < 0.1
    assert least > 0
    assert whites[~broken].mean() < 0.2
    # Pieces beside the fracture are among the intact ones: those films teach what it is not.
    beside = batch.x[~broken]
    assert len(beside) == pytest.approx(300 * (1 - FRACTURED_SHARE), abs=35)


@pytest.mark.usefixtures("undisturbed")
def test_the_map_is_hot_where_the_fracture_is_and_cold_in_every_other_view():
    batch = draw([film_with_white_fracture(), intact(1)])
    broken = batch.class_index == 0
    assert batch.cells[~broken].max() <= 1e-6 + HIDDEN or not batch.cells[~broken].any()
    for x, cells in zip(batch.x[broken], batch.cells[broken], strict=True):
        white = (x[..., 0] == 255).reshape(3, 32, 3, 32).sum(axis=(1, 3))
        hottest = np.unravel_index(white.argmax(), white.shape)
        assert cells[(*hottest, 0)] > 0.2
    assert batch.cells.min() >= 0
    assert batch.cells.max() <= 1
    assert batch.cells_known.all()


def test_a_fractured_film_without_boxes_is_shown_whole_and_its_map_is_not_taught():
    unboxed = dataclasses.replace(film_with_white_fracture(), boxes=())
    batch = draw([unboxed, intact(1)])
    np.testing.assert_array_equal(batch.cells_known == 0, batch.class_index == 0)
    assert not batch.cells.any()


def test_body_parts_are_drawn_alike_for_both_classes():
    """All legs are intact, all hands broken: views of legs must become rare, not half of all."""
    films = [film_with_white_fracture(i) for i in range(4)]
    films += [intact(i, "leg") for i in range(40)]
    films += [intact(100 + i) for i in range(2)]
    sampler = ViewSampler(films, spec=SPEC)
    rng = np.random.default_rng(0)
    drawn = [films[sampler._film(rng, fractured=False, beside=False)] for _ in range(500)]
    assert np.mean([film.body_part == "leg" for film in drawn]) < 0.3


def test_an_upright_view_is_the_film_itself_and_boxes_keep_their_place():
    film = speckled(3, (96, 96))
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(cut(film, identity, spec=SPEC), film)
    share, inner = place(Box(0.5, 0.25, 0.75, 0.5), film.shape, identity, spec=SPEC)
    assert share == 1.0
    np.testing.assert_allclose(inner, [[48, 24], [72, 48]])
    shifted = identity + np.array([[0, 0, -60], [0, 0, 0]])
    share, inner = place(Box(0.5, 0.25, 0.75, 0.5), film.shape, shifted, spec=SPEC)
    assert share == pytest.approx(0.5)  # 48..72 becomes -12..12
    np.testing.assert_allclose(inner, [[0, 24], [12, 48]])


def test_a_view_of_more_film_than_it_has_pixels_is_averaged_not_picked():
    checkers = np.indices((384, 384)).sum(axis=0) % 2 * 255
    quarter = np.array([[0.25, 0, 0], [0, 0.25, 0]])
    view = cut(checkers.astype(np.uint8), quarter, spec=SPEC)
    # Picking single pixels would give 0 or 255.
    assert abs(view[8:-8, 8:-8].astype(float) - 127.5).max() < 40


def test_a_turned_view_keeps_the_size_of_the_film():
    rng = np.random.default_rng(0)
    for _ in range(50):
        matrix = draw_matrix(np.array([120.0, 150.0]), 96.0, spec=SPEC, rng=rng)
        # Stretch takes from one side what it gives to the other: the area stays.
        assert abs(np.linalg.det(matrix[:, :2])) == pytest.approx(1)
        np.testing.assert_allclose(matrix @ [120.0, 150.0, 1.0], [48, 48])


def test_cells_are_shares_of_the_smaller_of_cell_and_box():
    small_inside_one = np.array([[34.0, 2.0], [44.0, 12.0]])
    np.testing.assert_allclose(
        cells_of([small_inside_one], spec=SPEC), [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    )
    half_of_four = np.array([[16.0, 0.0], [48.0, 64.0]])
    np.testing.assert_allclose(
        cells_of([half_of_four], spec=SPEC), [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 0]]
    )

import numpy as np
import pytest
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.preprocess import SPECS, preprocess
from bonefx_edge.inference.tiling import NetworkOutputs, TileSpec, extract_tiles, pool_tile_logits

pytestmark = pytest.mark.host
pytest.importorskip("keras")

from bonefx_train.data.dataset import load_dataset  # noqa: E402
from bonefx_train.evaluation.tiled_predictions import Look, Views, gather, load_views  # noqa: E402 (Keras)

TILES = (TileSpec(longest_px=64, share=0.5, overlap=0.5),)
SPEC = SPECS["area-letterbox"]


@pytest.fixture(name="films")
def _films(tmp_path, write_folders):
    return load_dataset(write_folders(tmp_path, ["stable", "broken"], films=6), seed=1).samples


def test_views_are_those_of_the_device_wholes_first(films):
    views = load_views(films, spec=SPEC, tiles=TILES)
    for i, sample in enumerate(views.films.samples):
        film = decode(read_file(sample.path))
        mine = views.x[views.film == i]
        np.testing.assert_array_equal(mine[0], preprocess(film, spec=SPEC)[0])
        np.testing.assert_array_equal(mine[1:], extract_tiles(film, TILES, SPEC).x)
    assert list(views.film[:12]) == list(range(12))


def test_as_many_tiles_per_film_as_asked_for_are_drawn_by_the_seed(films):
    drawn = [load_views(films, spec=SPEC, tiles=TILES, per_film=1, seed=s) for s in (1, 1, 2)]
    assert [len(views.x) for views in drawn] == [24, 24, 24]
    np.testing.assert_array_equal(drawn[0].x, drawn[1].x)
    assert (drawn[0].x != drawn[2].x).any()


def test_a_film_that_cannot_be_read_shifts_no_tile_to_another_film(films):
    films[2].path.write_bytes(b"no picture at all")
    views = load_views(films, spec=SPEC, tiles=TILES)
    assert (len(views.films.x), views.film.max()) == (11, 10)
    film = decode(read_file(views.films.samples[10].path))
    np.testing.assert_array_equal(views.x[views.film == 10][1:], extract_tiles(film, TILES, SPEC).x)


def test_evidence_is_whole_tiles_and_highest_cell_of_each_film(films):
    whole = Views.of_whole(load_views(films[:2], spec=SPEC, tiles=()).films)
    views = Views(whole.films, np.concatenate([whole.x] * 3), np.array([0, 1, 0, 0, 1, 1]))
    logits = np.array([1.0, 2.0, -3.0, 4.0, 5.0, 6.0], np.float32)
    tiles = [pool_tile_logits(logits[2:4]), pool_tile_logits(logits[4:])]
    assert tiles == pytest.approx([-2.308, 5.380], abs=1e-3)
    maps = np.arange(6, dtype=np.float32).reshape(6, 1, 1) * [[[1.0, -1.0]]]
    answers = NetworkOutputs(logits, maps.astype(np.float32), None)
    tiled = gather(views, answers, Look(TILES, ()))
    assert (list(tiled.whole), list(tiled.tile), list(tiled.cell)) == ([1, 2], tiles, [3, 5])
    alone = gather(views, answers, Look((), ()))
    assert (list(alone.whole), list(alone.tile), list(alone.cell)) == ([1, 2], [0, 0], [0, 1])
    table = tiled.towards_not_broken(("whole", "cell"))
    np.testing.assert_array_equal(table, [[1, -3], [2, -5]])


def test_films_are_taken_with_all_their_views(films):
    views = load_views(films, spec=SPEC, tiles=TILES)
    some = views.take(np.array([3, 7]))
    np.testing.assert_array_equal(some.x[some.film == 1], views.x[views.film == 7])
    assert some.films.samples == (views.films.samples[3], views.films.samples[7])

import numpy as np
import pytest
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.preprocess import SPECS, preprocess
from bonefx_edge.inference.tile_grid import Refinement, TileSelection, TileSpec
from bonefx_edge.inference.tiles import extract_tiles
from bonefx_edge.inference.tiling import NetworkOutputs, pool_tile_logits
from toy import toy_tiled

pytestmark = pytest.mark.host
pytest.importorskip("keras")

from bonefx_train.data.dataset import load_dataset  # noqa: E402
from bonefx_train.evaluation.tiled_predictions import (  # noqa: E402 (Keras)
    WHOLE_MODE,
    NetworkInputs,
    TileMode,
    load_inputs,
    pool_scores,
)

TILES = (TileSpec(longest_px=64, share=0.5, overlap=0.5),)
TILED = TileMode(TILES, ())
SPEC = SPECS["area-letterbox"]


@pytest.fixture(name="images")
def _images(tmp_path, write_folders):
    return load_dataset(write_folders(tmp_path, ["stable", "broken"], images=6), seed=1).samples


def test_views_are_those_of_the_device_wholes_first(images):
    inputs = load_inputs(images, spec=SPEC, tile_mode=TILED)
    for i, sample in enumerate(inputs.images.samples):
        image = decode(read_file(sample.path))
        mine = inputs.x[inputs.image_index == i]
        np.testing.assert_array_equal(mine[0], preprocess(image, spec=SPEC)[0])
        np.testing.assert_array_equal(mine[1:], extract_tiles(image, TILES, SPEC).x)
    assert list(inputs.image_index[:12]) == list(range(12))


def test_the_tiles_of_a_selection_are_those_of_the_device(images):
    selection = TileSelection(gray_level=100, min_share=0.6)
    inputs = load_inputs(images, spec=SPEC, tile_mode=TileMode(TILES, (), selection))
    assert len(images) < len(inputs.x) < len(load_inputs(images, spec=SPEC, tile_mode=TILED).x)
    for i, sample in enumerate(inputs.images.samples):
        image = decode(read_file(sample.path))
        mine = inputs.x[inputs.image_index == i][1:]
        expected = extract_tiles(image, TILES, SPEC, selection=selection).x
        np.testing.assert_array_equal(mine, expected)


def test_as_many_tiles_per_image_as_asked_for_are_drawn_by_the_seed(images):
    drawn = [
        load_inputs(images, spec=SPEC, tile_mode=TILED, per_image=1, seed=s) for s in (1, 1, 2)
    ]
    assert [len(inputs.x) for inputs in drawn] == [24, 24, 24]
    np.testing.assert_array_equal(drawn[0].x, drawn[1].x)
    assert (drawn[0].x != drawn[2].x).any()


def test_a_image_that_cannot_be_read_shifts_no_tile_to_another_image(images):
    images[2].path.write_bytes(b"no picture at all")
    inputs = load_inputs(images, spec=SPEC, tile_mode=TILED)
    assert (len(inputs.images.x), inputs.image_index.max()) == (11, 10)
    image = decode(read_file(inputs.images.samples[10].path))
    np.testing.assert_array_equal(
        inputs.x[inputs.image_index == 10][1:], extract_tiles(image, TILES, SPEC).x
    )


def test_evidence_is_whole_tiles_and_highest_cell_of_each_image(images):
    whole = NetworkInputs.of_whole(load_inputs(images[:2], spec=SPEC, tile_mode=WHOLE_MODE).images)
    inputs = NetworkInputs(
        whole.images,
        np.concatenate([whole.x] * 3),
        np.array([0, 1, 0, 0, 1, 1]),
        np.zeros((6, 4), np.int64),
        np.zeros(6, np.bool_),
    )
    logits = np.array([1.0, 2.0, -3.0, 4.0, 5.0, 6.0], np.float32)
    tiles = [pool_tile_logits(logits[2:4]), pool_tile_logits(logits[4:])]
    assert tiles == pytest.approx([-2.308, 5.380], abs=1e-3)
    maps = np.arange(6, dtype=np.float32).reshape(6, 1, 1) * [[[1.0, -1.0]]]
    outputs = NetworkOutputs(logits, maps.astype(np.float32), None)
    tiled = pool_scores(inputs, outputs, TileMode(TILES, ()))
    assert (list(tiled.whole), list(tiled.tile), list(tiled.cell)) == ([1, 2], tiles, [3, 5])
    alone = pool_scores(inputs, outputs, TileMode((), ()))
    assert (list(alone.whole), list(alone.tile), list(alone.cell)) == ([1, 2], [0, 0], [0, 1])
    table = tiled.oriented(("whole", "cell"))
    np.testing.assert_array_equal(table, [[1, -3], [2, -5]])


def test_images_are_taken_with_all_their_views(images):
    inputs = load_inputs(images, spec=SPEC, tile_mode=TILED)
    some = inputs.take(np.array([3, 7]))
    np.testing.assert_array_equal(some.x[some.image_index == 1], inputs.x[inputs.image_index == 7])
    assert some.images.samples == (inputs.images.samples[3], inputs.images.samples[7])


def test_the_finer_tiles_that_count_are_those_of_the_device(images) -> None:
    """On the host all are there, and the network's own logits say which ones count."""
    refinement = Refinement(TileSpec(longest_px=64, share=0.3, overlap=0.5), tiles=3)
    tile_mode = TileMode(TILES, ("tile",), TileSelection(60, 0.1), refinement)
    inputs = load_inputs(images, spec=SPEC, tile_mode=tile_mode)
    logits = np.random.default_rng(0).normal(size=len(inputs.x)).astype(np.float32)
    found = pool_scores(inputs, NetworkOutputs(logits, None, None), tile_mode)
    mode = toy_tiled(
        tiles=TILES, tile_selection=tile_mode.selection, refinement=tile_mode.refinement
    )
    n = len(inputs.images.x)
    for i, sample in enumerate(inputs.images.samples):
        image = decode(read_file(sample.path))
        mine = n + np.flatnonzero(inputs.image_index[n:] == i)
        coarse = mine[~inputs.finer[mine]]
        tiles = mode.extract_tiles(image, SPEC)
        finer = mode.extract_finer_tiles(image, SPEC, tiles, logits[coarse])
        assert finer is not None
        at = [
            next(j for j in mine if inputs.finer[j] and tuple(inputs.rectangles[j]) == rectangle)
            for rectangle in finer.rectangles
        ]
        np.testing.assert_array_equal(finer.x, inputs.x[at])
        assert found.tile[i] == pool_tile_logits(logits[[*coarse, *at]])


def test_finer_tiles_without_anatomy_count_on_the_host_no_more_than_on_the_device(images) -> None:
    refinement = Refinement(TileSpec(longest_px=64, share=0.3, overlap=0.5), tiles=3)
    nothing = TileSelection(gray_level=254, min_share=1.0)
    tile_mode = TileMode(TILES, ("tile",), nothing, refinement)
    inputs = load_inputs(images[:2], spec=SPEC, tile_mode=tile_mode)
    assert not inputs.finer.any()
    assert len(inputs.x) == 4  # of each image the whole, and one tile of the first grid

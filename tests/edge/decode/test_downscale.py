"""Large films are decoded smaller: what that must keep, and what it may change."""

import json

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.downscale import MIN_LONGEST_SIDE_PX, downscale_by_mean, downscale_factor
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import DecodeError, Reason
from bonefx_edge.inference.preprocess import SPECS, preprocess
from bonefx_edge.inference.tile_grid import TileSpec
from bonefx_edge.inference.tiles import extract_tiles
from image_files import deep_film, dicom_file, exif, gray_film, jpeg_file, with_pillow
from make_golden_vectors import JPEG_PATH, REDUCED_PATH, reduced
from toy import film, toy_path

AREA = SPECS["area-letterbox"]
TILES = (TileSpec(longest_px=512, share=0.4, overlap=0.5),)
LARGE = gray_film(1500, 2100)


def inside(pixels):
    """Leave out what lies at the edges, where a last block may be partly empty."""
    return pixels[8:-8, 8:-8].astype(int)


@pytest.mark.parametrize(
    ("height", "width", "factor"),
    [
        (1, 1, 1),
        (454, 373, 1),  # FracAtlas: as before
        (2 * MIN_LONGEST_SIDE_PX - 1, 10, 1),
        (2 * MIN_LONGEST_SIDE_PX, 10, 2),
        (10, 4 * MIN_LONGEST_SIDE_PX - 1, 2),
        (10, 4 * MIN_LONGEST_SIDE_PX, 4),
        (2880, 2304, 4),
        (8 * MIN_LONGEST_SIDE_PX, 8 * MIN_LONGEST_SIDE_PX, 8),
        (100_000, 1, 8),
    ],
)
def test_the_factor_leaves_the_longest_side_long_enough(height, width, factor):
    assert downscale_factor(height, width) == factor
    assert factor == 1 or max(height, width) / factor >= MIN_LONGEST_SIDE_PX


def test_the_mean_is_of_whole_squares_and_a_thin_film_keeps_a_row():
    pixels = np.arange(6 * 9, dtype=np.uint8).reshape(6, 9)
    small = downscale_by_mean(pixels, factor=4)
    assert small.shape == (1, 2)
    assert abs(int(small[0, 0]) - pixels[:4, :4].mean()) <= 0.5
    assert abs(int(small[0, 1]) - pixels[:4, 4:8].mean()) <= 0.5
    assert downscale_by_mean(np.full((3, 4096), 7, np.uint8), factor=8).shape == (1, 512)


def test_small_films_are_the_same_with_and_without():
    data = jpeg_file(gray_film(454, 373))
    whole, reduced_ = decode(data), decode(data, allow_downscale=True)
    assert np.array_equal(whole.pixels, reduced_.pixels)
    assert whole.shape == reduced_.shape == (454, 373)
    # A film that is not reduced says so: the seed path takes it.
    assert whole.original_shape is None
    assert reduced_.original_shape is None


FILES = {
    "jpeg": jpeg_file(LARGE),
    "progressive": jpeg_file(LARGE, progressive=True),
    "color jpeg": with_pillow(np.dstack([LARGE] * 3), "JPEG", quality=95),
    "png": with_pillow(LARGE, "PNG"),
    "16-bit png": with_pillow(deep_film(1500, 2100), "PNG"),
    "tiff": with_pillow(LARGE, "TIFF"),
    "dicom": dicom_file(deep_film(1500, 2100)),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_reduced_film_is_the_whole_one_seen_from_further_away(kind):
    whole, small = decode(FILES[kind]), decode(FILES[kind], allow_downscale=True)
    assert small.pixels.shape == (375, 525)
    assert small.shape == whole.shape == (1500, 2100)
    assert (small.gray_mapping, small.chroma) == (whole.gray_mapping, whole.chroma)
    mean = cv2.resize(whole.pixels, (525, 375), interpolation=cv2.INTER_AREA)
    # Of grain of 12 levels little is left in a mean of 16 pixels.
    assert np.abs(inside(small.pixels) - inside(mean)).mean() < 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_film_is_reduced_and_turned_like_the_whole_one(orientation):
    ramp = np.add.outer(np.arange(1500) // 10, np.arange(2100) // 50).astype(np.uint8)
    data = jpeg_file(ramp, exif=exif(orientation))
    whole, small = decode(data), decode(data, allow_downscale=True)
    assert small.shape == whole.shape
    mean = cv2.resize(whole.pixels, small.pixels.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(inside(small.pixels) - inside(mean)).mean() < 0.5


def test_a_large_jpeg_that_ends_early_is_refused_all_the_same():
    with pytest.raises(DecodeError) as caught:
        decode(FILES["jpeg"][: len(FILES["jpeg"]) * 9 // 10], allow_downscale=True)
    assert caught.value.reason is Reason.TRUNCATED


def test_reduced_pixels_equal_the_golden_vectors():
    """A JPEG that lies here, and the means of its pixels: the same numbers on every machine."""
    assert reduced(JPEG_PATH.read_bytes()) == json.loads(REDUCED_PATH.read_text())


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if spec.allow_downscale])
def test_the_network_sees_nearly_the_same(name):
    data = JPEG_PATH.read_bytes()
    whole = preprocess(decode(data), spec=SPECS[name]).astype(int)
    small = preprocess(decode(data, allow_downscale=True), spec=SPECS[name]).astype(int)
    assert np.abs(whole - small).mean() < 1.0


def test_the_presentation_s_own_path_is_never_given_a_reduced_film():
    assert not SPECS["seed"].allow_downscale
    with pytest.raises(ValueError, match="expected full size"):
        preprocess(decode(FILES["jpeg"], allow_downscale=True), spec=SPECS["seed"])


def test_tiles_lie_where_they_lay_in_the_pixels_of_the_film():
    whole = extract_tiles(decode(FILES["png"]), TILES, AREA)
    small = extract_tiles(decode(FILES["png"], allow_downscale=True), TILES, AREA)
    assert small.rectangles == whole.rectangles
    assert np.allclose(small.extents, whole.extents)
    assert np.abs(small.x.astype(int) - whole.x.astype(int)).mean() < 1.0


def test_tiles_finer_than_a_reduced_film_are_no_mode():
    with pytest.raises(ValueError, match="longest_px <= 512"):
        TileSpec(longest_px=MIN_LONGEST_SIDE_PX + 1, share=0.4, overlap=0.5)


def test_a_long_thin_film_is_refused_for_its_own_side_not_for_the_reduced_one(tmp_path):
    """100 pixels are enough; the 12 that remain of them would not be."""
    path = tmp_path / "thin.png"
    path.write_bytes(with_pillow(gray_film(5000, 100), "PNG"))
    finding = Classifier.load(toy_path("int8")).classify(path)
    assert finding.reason is not Reason.TOO_SMALL


def test_a_heat_map_is_drawn_over_the_whole_film(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(with_pillow(film(200, height=1300, width=1100), "PNG"))
    explained = Classifier.load(toy_path("tiled-int8")).explain(path)
    assert explained.radiograph.pixels.shape == (1300, 1100)
    assert (explained.heat_map.height, explained.heat_map.width) == (1300, 1100)

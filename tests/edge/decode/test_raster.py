"""PNG, TIFF, BMP: 8-bit gray untouched, 16 bit over percentiles, color and alpha over black."""

import struct
import tracemalloc

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.gray_levels import (
    composite_over_black,
    count_values,
    mean_chroma,
    percentile_range,
)
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import Reason
from image_files import (
    bmp_file,
    color_picture,
    deep_film,
    exif,
    gray_film,
    jpeg_file,
    tiff_file,
    with_pillow,
)
from PIL import Image
from refusals import refusal


def imread(data, flag=cv2.IMREAD_GRAYSCALE):
    return cv2.imdecode(np.frombuffer(data, np.uint8), flag)


GRAY_FILES = {
    "png": with_pillow(gray_film(), "PNG"),
    "png odd size": with_pillow(gray_film(7, 3), "PNG"),
    "png 1 bit": with_pillow(Image.fromarray(gray_film() > 100), "PNG"),
    "bmp": bmp_file(gray_film()),
    "bmp odd width": bmp_file(gray_film(5, 7)),
    "bmp by Pillow": with_pillow(gray_film(), "BMP"),
    "tiff": tiff_file(gray_film()),
    "tiff big endian": tiff_file(gray_film(), order=">"),
    "tiff deflate": tiff_file(gray_film(), compression=8),
    "tiff deflate predictor": tiff_file(gray_film(), compression=32946, predictor=2),
    "tiff one strip": tiff_file(gray_film(), rows_per_strip=40),
    "tiff MinIsWhite": tiff_file(gray_film(), photometric=0),
    "tiff by Pillow": with_pillow(gray_film(), "TIFF"),
}


@pytest.mark.parametrize("kind", GRAY_FILES)
def test_8_bit_gray_equals_imread_gray(kind):
    radiograph = decode(GRAY_FILES[kind])
    np.testing.assert_array_equal(radiograph.pixels, imread(GRAY_FILES[kind]))
    assert radiograph.gray_mapping is GrayMapping.STORED
    assert radiograph.chroma == 0.0


def test_min_is_white_is_turned_round():
    stored = gray_film()
    np.testing.assert_array_equal(decode(tiff_file(stored, photometric=0)).pixels, 255 - stored)
    deep = deep_film(bits=16)
    np.testing.assert_array_equal(
        decode(tiff_file(deep, photometric=0)).pixels, decode(tiff_file(65535 - deep)).pixels
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_in_png_and_tiff_as_imread_gray_does(orientation):
    png = with_pillow(gray_film(), "PNG", exif=exif(orientation))
    tiff = tiff_file(gray_film(), tags=[(274, 3, [orientation])])
    for data in (png, tiff):
        np.testing.assert_array_equal(decode(data).pixels, imread(data))
    deep = with_pillow(deep_film(), "PNG", exif=exif(orientation))
    assert decode(deep).pixels.shape == decode(png).pixels.shape


@pytest.mark.parametrize(
    ("kind", "flag", "turned"),
    [
        ("JPEG", cv2.IMREAD_GRAYSCALE, True),
        ("JPEG", cv2.IMREAD_UNCHANGED, False),
        ("PNG", cv2.IMREAD_GRAYSCALE, True),
        ("PNG", cv2.IMREAD_ANYDEPTH, True),
        ("PNG", cv2.IMREAD_UNCHANGED, False),
        ("TIFF", cv2.IMREAD_GRAYSCALE, True),
        ("TIFF", cv2.IMREAD_UNCHANGED, True),
    ],
)
def test_opencv_turns_pictures_by_flag_and_format_as_known(kind, flag, turned):
    """Why orientation is applied by us: OpenCV 4.11 and 5.0 agree, but only flag by flag."""
    data = {
        "JPEG": jpeg_file(gray_film(), exif=exif(6)),
        "PNG": with_pillow(gray_film(), "PNG", exif=exif(6)),
        "TIFF": tiff_file(gray_film(), tags=[(274, 3, [6])]),
    }[kind]
    assert imread(data, flag).shape == ((56, 40) if turned else (40, 56))


def by_percentiles(film):
    """Return what a 16-bit film must become, written with numpy.percentile."""
    low, high = np.percentile(film.astype(np.float64), [0.5, 99.5])
    return np.rint(np.clip((film - low) / (high - low), 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "write",
    [
        lambda film: with_pillow(film, "PNG"),
        tiff_file,
        lambda film: tiff_file(film, order=">", compression=8, predictor=2),
    ],
    ids=["png", "tiff", "tiff deflate"],
)
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_16_bit_films_are_scaled_over_their_percentiles(bits, write):
    film = deep_film(bits=bits)
    radiograph = decode(write(film))
    np.testing.assert_array_equal(radiograph.pixels, by_percentiles(film))
    assert radiograph.gray_mapping is GrayMapping.PERCENTILES
    assert len(np.unique(radiograph.pixels)) > 100  # value >> 8 would leave 4 to 16 levels


def test_a_hot_pixel_does_not_darken_a_16_bit_film():
    film = deep_film(bits=12)
    hot = film.copy()
    hot[3, 4] = 65535
    difference = (
        decode(with_pillow(hot, "PNG")).pixels.astype(int) - decode(with_pillow(film, "PNG")).pixels
    )
    difference[3, 4] = 0
    assert np.abs(difference).max() <= 1


def test_a_16_bit_film_of_one_value_is_black_not_an_error():
    assert decode(with_pillow(np.full((9, 9), 777, np.uint16), "PNG")).pixels.max() == 0


def test_percentile_range_equals_numpy_percentile():
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 200, 5000):
        film = rng.integers(0, 65536, size).astype(np.uint16)
        result = percentile_range(np.arange(65536.0), count_values(film))
        expected = np.percentile(film.astype(np.float64), [0.5, 99.5])
        np.testing.assert_allclose([result.low, result.high], expected, rtol=1e-12)


def test_transparent_areas_are_black_and_do_not_show_what_lies_under_them():
    gray = np.full((4, 6), 200, np.uint8)
    alpha = np.zeros((4, 6), np.uint8)
    alpha[:2] = 255
    alpha[2] = 51
    expected = np.array([200, 200, 40, 0], np.uint8)[:, np.newaxis].repeat(6, axis=1)
    gray_alpha = Image.merge("LA", [Image.fromarray(gray), Image.fromarray(alpha)])
    rgba = np.dstack([gray, gray, gray, alpha])
    files = {
        "gray + alpha": with_pillow(gray_alpha, "PNG"),
        "rgba": with_pillow(rgba, "PNG"),
        "tiff gray + alpha": tiff_file(np.dstack([gray, alpha]), tags=[(338, 3, [2])]),
        "tiff gray + alpha by Pillow": with_pillow(gray_alpha, "TIFF"),
        "tiff rgba": tiff_file(rgba, photometric=2, tags=[(338, 3, [2])]),
    }
    for kind, data in files.items():
        np.testing.assert_array_equal(decode(data).pixels, expected, err_msg=kind)


def test_premultiplied_tiff_alpha_is_not_multiplied_twice():
    rgba = np.dstack([np.full((4, 6), 40, np.uint8)] * 3 + [np.full((4, 6), 51, np.uint8)])
    gray_alpha = np.ascontiguousarray(rgba[..., 2:])
    for data in (
        tiff_file(rgba, photometric=2, tags=[(338, 3, [1])]),
        tiff_file(gray_alpha, tags=[(338, 3, [1])]),
    ):
        assert (decode(data).pixels == 40).all()


def test_compositing_is_exact_at_both_ends_in_16_bit():
    samples = np.full((1, 3, 1), 65535, np.uint16)
    alpha = np.array([[0, 1, 65535]], np.uint16)
    assert composite_over_black(samples, alpha=alpha).ravel().tolist() == [0, 1, 65535]


@pytest.mark.parametrize("channels", [3, 4])
def test_a_film_of_several_bands_is_grayed_as_in_one_piece(channels):
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 256, (1100, 1100, channels)).astype(np.uint8)
    color, alpha = samples[..., :3], samples[..., 3:]
    shown = composite_over_black(color, alpha=alpha[..., 0]) if channels == 4 else color
    film = decode(with_pillow(samples, "PNG"))
    np.testing.assert_array_equal(film.pixels, cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY))
    assert film.chroma == pytest.approx(mean_chroma(shown))


def test_a_tiff_directory_of_huge_tags_is_not_read_into_memory():
    # 100 unknown tags, each of them the same mebibyte: 100 MiB of tuples from a 1 MiB file.
    count, size = 100, 1 << 20
    entries = [struct.pack("<HHII", 1000 + tag, 1, size, 8) for tag in range(count)]
    start = struct.pack("<IH", 8 + size, count)
    data = b"II*\0" + start[:4] + bytes(size) + start[4:] + b"".join(entries) + bytes(4)
    tracemalloc.start()
    reason, message = refusal(data)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (reason, "tag 262" in message) == (Reason.CORRUPT, True)
    assert peak_bytes < size


def test_a_png_palette_with_transparency_is_composited():
    palette = Image.fromarray(np.full((4, 4), 150, np.uint8)).convert("P")
    assert (decode(with_pillow(palette, "PNG")).pixels == 150).all()
    assert (decode(with_pillow(palette, "PNG", transparency=150)).pixels == 0).all()


def test_color_becomes_the_same_gray_in_every_format():
    picture = color_picture()
    expected = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    palette = Image.fromarray(picture).quantize(256)
    same = np.array(palette.convert("RGB"))
    color_map = np.array(palette.getpalette(), np.uint16).reshape(-1, 3)
    color_map = np.vstack([color_map, np.zeros((256 - len(color_map), 3), np.uint16)])
    files = {
        "png": (with_pillow(picture, "PNG"), expected),
        "tiff": (tiff_file(picture, photometric=2), expected),
        "bmp": (bmp_file(picture), expected),
        "bmp 32 bit": (bmp_32(picture), expected),
        "bmp top down": (bmp_top_down(picture), expected),
        "png palette": (with_pillow(palette, "PNG"), cv2.cvtColor(same, cv2.COLOR_RGB2GRAY)),
        "bmp palette": (with_pillow(palette, "BMP"), cv2.cvtColor(same, cv2.COLOR_RGB2GRAY)),
        "tiff palette": (
            tiff_file(
                np.array(palette),
                photometric=3,
                tags=[(320, 3, list(color_map.T.ravel().astype(int) * 257))],
            ),
            cv2.cvtColor(same, cv2.COLOR_RGB2GRAY),
        ),
    }
    for kind, (data, gray) in files.items():
        np.testing.assert_array_equal(decode(data).pixels, gray, err_msg=kind)


def bmp_32(picture):
    """Return a 32-bit BMP whose fourth bytes are 0: reserved, and no transparency."""
    height, width = picture.shape[:2]
    pixels = np.dstack([picture[..., ::-1], np.zeros((height, width), np.uint8)])[::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + header + pixels


def bmp_top_down(picture):
    """Return a 24-bit BMP (width a multiple of 4) with negative height: first row first."""
    height, width = picture.shape[:2]
    pixels = picture[..., ::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + header + pixels


def test_16_bit_color_is_grayed_and_scaled_and_measured_in_8_bit_units():
    deep = color_picture().astype(np.uint16) * 257
    radiograph = decode(tiff_file(deep, photometric=2))
    gray = cv2.cvtColor(deep, cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(radiograph.pixels, by_percentiles(gray))
    assert radiograph.chroma == pytest.approx(decode(with_pillow(color_picture(), "PNG")).chroma)

"""PNG, TIFF, BMP: 8-bit gray untouched, 16 bit over percentiles, color and alpha over black."""

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from bonefx_edge.decode import decode
from bonefx_edge.errors import DecodeError, Reason
from bonefx_edge.levels import composite_over_black, count_values, percentile_range
from bonefx_edge.radiograph import GrayMapping
from builders import (
    bmp_file,
    color_picture,
    deep_film,
    exif,
    gray_film,
    jpeg_file,
    png_chunk,
    png_file,
    tiff_file,
    with_pillow,
)
from PIL import Image


def imread(data, flag=cv2.IMREAD_GRAYSCALE):
    return cv2.imdecode(np.frombuffer(data, np.uint8), flag)


def refusal(data):
    with pytest.raises(DecodeError) as caught:
        decode(data)
    return caught.value.reason, str(caught.value)


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


def test_compositing_needs_little_more_memory_than_its_result():
    samples = np.full((4096, 4096, 3), 200, np.uint8)
    alpha = np.full((4096, 4096), 128, np.uint8)
    tracemalloc.start()
    composited = composite_over_black(samples, alpha=alpha)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (composited == 100).all()
    # 64-bit products of the whole film would be 8 times its size, several times over.
    assert peak_bytes < 2 * samples.nbytes


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


def png_with(extra, **options):
    settings = {"width": 4, "height": 2, "bits": 8, "color_type": 0, "rows": [b"abcd"] * 2}
    return png_file(**{**settings, **options}, extra=extra)


def two_pages():
    first, second = Image.fromarray(gray_film()), Image.fromarray(gray_film(seed=1))
    return with_pillow(first, "TIFF", save_all=True, append_images=[second])


UNSUPPORTED = {
    "animated png": (png_with(png_chunk(b"acTL", bytes(8))), "got an animation"),
    "png gray key": (png_with(png_chunk(b"tRNS", b"\0a")), "gray with one value made transparent"),
    "tiff two pages": (two_pages(), "one page, got several"),
    "tiff float": (tiff_file(np.zeros((4, 4), np.float32), tags=[(339, 3, [3])]), "8 or 16 bits"),
    "tiff signed": (tiff_file(np.zeros((4, 4), np.int16), tags=[(339, 3, [2])]), "unsigned"),
    "tiff 32 bit": (tiff_file(np.zeros((4, 4), np.uint32)), "8 or 16 bits"),
    "tiff jpeg": (with_pillow(gray_film(), "TIFF", compression="jpeg"), "Deflate or PackBits"),
    "tiff bits reversed": (tiff_file(gray_film(), tags=[(266, 3, [2])]), "the highest bit first"),
    "tiff MinIsWhite with alpha": (
        tiff_file(np.zeros((4, 4, 2), np.uint8), photometric=0, tags=[(338, 3, [1])]),
        "gray + alpha",
    ),
    "tiff second channel of no known meaning": (
        tiff_file(np.zeros((4, 4, 2), np.uint8), tags=[(338, 3, [0])]),
        "gray + alpha",
    ),
    "tiff 1 bit": (with_pillow(Image.fromarray(gray_film() > 9), "TIFF"), "8 or 16 bits"),
    "tiff cmyk": (tiff_file(np.zeros((4, 4, 4), np.uint8), photometric=5), "RGB or RGBA"),
    "tiff planar": (
        tiff_file(color_picture(), photometric=2, tags=[(284, 3, [2])]),
        "side by side",
    ),
    "bigtiff": (with_pillow(gray_film(), "TIFF", big_tiff=True), "got BigTIFF"),
    "tiled tiff": (tiff_file(gray_film(), tags=[(322, 4, [16])]), "without tiles"),
    "bmp 16 bit": (
        bmp_file(gray_film())[:28] + b"\x10\0" + bmp_file(gray_film())[30:],
        "got 16 bit, compression 0",
    ),
}


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_a_kind_that_is_not_read_is_refused_by_name(kind):
    data, words = UNSUPPORTED[kind]
    reason, message = refusal(data)
    assert reason is Reason.UNSUPPORTED
    assert words in message
    assert "; save it again" in message


def test_every_wrong_png_checksum_is_corrupt():
    data = bytearray(GRAY_FILES["png"])
    data[data.index(b"IDAT") + 10] ^= 1
    reason, message = refusal(bytes(data))
    assert reason is Reason.CORRUPT
    assert "chunk b'IDAT' does not" in message


def test_png_pixel_data_that_ends_early_with_right_checksums_is_corrupt(capfd):
    data = png_file(width=4, height=9, bits=8, color_type=0, rows=[b"abcd"] * 5)
    assert refusal(data)[0] is Reason.CORRUPT
    capfd.readouterr()  # libpng prints on standard error, past OpenCV's log level


@pytest.mark.parametrize("compression", [1, 8])
def test_a_damaged_tiff_strip_is_refused_not_filled_up(compression):
    """OpenCV 4.11 and 5.0 return a picture here, with the rest made up."""
    data = bytearray(tiff_file(gray_film(), compression=compression, rows_per_strip=40))
    if compression == 1:
        data = bytearray(tiff_file(gray_film(), tags=[(279, 4, [896, 896, 100])]))
    else:
        data[300:310] = bytes(10)
    reason, message = refusal(bytes(data))
    assert reason is Reason.CORRUPT
    assert "bytes in TIFF strip" in message


def test_a_deflate_bomb_in_a_strip_is_cut_off():
    data = tiff_file(np.zeros((4000, 4000), np.uint8), compression=8, rows_per_strip=4000)
    small = data.replace(struct.pack("<HHII", 256, 4, 1, 4000), struct.pack("<HHII", 256, 4, 1, 4))
    assert refusal(small)[0] is Reason.CORRUPT


@pytest.mark.parametrize("tag", [256, 257, 262, 273, 279])
def test_a_tiff_without_a_needed_tag_is_refused(tag):
    data = tiff_file(gray_film())
    other = data.replace(struct.pack("<HH", tag, 4), struct.pack("<HH", 60000, 4))
    other = other.replace(struct.pack("<HH", tag, 3), struct.pack("<HH", 60000, 3))
    assert refusal(other)[0] is Reason.CORRUPT


BROKEN = {
    "png without header": (
        GRAY_FILES["png"][:8] + png_chunk(b"IDAT", b""),
        Reason.CORRUPT,
        "starts with its one IHDR, got chunk type b'IDAT'",
    ),
    "png wider than OpenCV allows": (
        png_with(b"", width=(1 << 20) + 1, height=1),
        Reason.CORRUPT,
        "expected a readable PNG",
    ),
    "bmp header cut": (b"BM" + bytes(30), Reason.TRUNCATED, "expected a whole BMP header"),
    "bmp palette too long": (
        GRAY_FILES["bmp"][:46] + struct.pack("<I", 300) + GRAY_FILES["bmp"][50:],
        Reason.CORRUPT,
        "palette of at most 256 colors, got 300",
    ),
    "tiff strips missing": (
        tiff_file(gray_film(), tags=[(273, 4, [8])]),
        Reason.CORRUPT,
        "expected one TIFF strip offset and size per strip",
    ),
    "tiff strip beyond the end": (
        tiff_file(gray_film(), tags=[(273, 4, [8, 904, 99_999])]),
        Reason.TRUNCATED,
        "expected TIFF strip 2 up to byte 100447",
    ),
    "tiff color map short": (
        tiff_file(gray_film(), photometric=3, tags=[(320, 3, [0, 1, 2])]),
        Reason.CORRUPT,
        "expected 768 values in the TIFF color map, got 3",
    ),
    "tiff directory cut": (b"II*\0\x08\0\0\0\x09\0", Reason.TRUNCATED, "whole TIFF directory"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_structure_is_refused_with_what_was_expected(kind, capfd):
    data, reason, words = BROKEN[kind]
    got, message = refusal(data)
    assert got is reason
    assert words in message
    capfd.readouterr()  # libpng prints on standard error


def test_a_tiff_orientation_out_of_range_means_upright():
    data = tiff_file(gray_film(), tags=[(274, 3, [9])])
    np.testing.assert_array_equal(decode(data).pixels, gray_film())


def test_an_opencv_error_is_translated(monkeypatch):
    def fail(*_):
        raise cv2.error("Insufficient memory")

    monkeypatch.setattr(cv2, "imdecode", fail)
    reason, message = refusal(GRAY_FILES["png"])
    assert reason is Reason.CORRUPT
    assert message.startswith("expected a readable PNG, OpenCV refuses it")


def test_a_deflate_strip_without_its_checksum_is_refused():
    data = tiff_file(gray_film(), compression=8, rows_per_strip=40)
    size = len(zlib.compress(gray_film().tobytes()))
    without = tiff_file(gray_film(), compression=8, rows_per_strip=40, tags=[(279, 4, [size - 4])])
    assert decode(data).pixels.shape == (40, 56)
    assert refusal(without)[0] is Reason.CORRUPT

"""PNG, TIFF and BMP that are not read, or are damaged: refused by name, never filled up."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import Reason
from image_files import (
    bmp_file,
    color_picture,
    gray_film,
    png_chunk,
    png_file,
    tiff_file,
    with_pillow,
)
from PIL import Image
from refusals import refusal

PNG, BMP = with_pillow(gray_film(), "PNG"), bmp_file(gray_film())


def png_with(extra, **options):
    settings = {"width": 4, "height": 2, "bits": 8, "color_type": 0, "rows": [b"abcd"] * 2}
    return png_file(**{**settings, **options}, extra=extra)


def two_pages():
    first, second = Image.fromarray(gray_film()), Image.fromarray(gray_film(seed=1))
    return with_pillow(first, "TIFF", save_all=True, append_images=[second])


UNSUPPORTED = {
    "animated png": (png_with(png_chunk(b"acTL", bytes(8))), "(an animation)"),
    "png gray key": (png_with(png_chunk(b"tRNS", b"\0a")), "gray with one value made transparent"),
    "tiff two pages": (two_pages(), "2 pages"),
    "tiff float": (tiff_file(np.zeros((4, 4), np.float32), tags=[(339, 3, [3])]), "8 or 16 bits"),
    "tiff signed": (tiff_file(np.zeros((4, 4), np.int16), tags=[(339, 3, [2])]), "unsigned"),
    "tiff 32 bit": (tiff_file(np.zeros((4, 4), np.uint32)), "8 or 16 bits"),
    "tiff jpeg": (with_pillow(gray_film(), "TIFF", compression="jpeg"), "(JPEG compression)"),
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
    "bigtiff": (with_pillow(gray_film(), "TIFF", big_tiff=True), "BigTIFF"),
    "bmp of OS/2": (BMP[:14] + b"\x0c\0\0\0" + BMP[18:], "OS/2 bitmap"),
    "bmp 16 bit": (
        bmp_file(gray_film())[:28] + b"\x10\0" + bmp_file(gray_film())[30:],
        "16 bit, compression 0",
    ),
}


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_a_kind_that_is_not_read_is_refused_by_name(kind):
    data, words = UNSUPPORTED[kind]
    reason, message = refusal(data)
    assert reason is Reason.UNSUPPORTED
    assert words in message
    assert ". Save the image as " in message


def test_every_wrong_png_checksum_is_corrupt():
    data = bytearray(PNG)
    data[data.index(b"IDAT") + 10] ^= 1
    reason, message = refusal(bytes(data))
    assert reason is Reason.CORRUPT
    assert "that of chunk b'IDAT' is wrong" in message


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
        PNG[:8] + png_chunk(b"IDAT", b""),
        Reason.CORRUPT,
        "starts with its one IHDR, got chunk type b'IDAT'",
    ),
    "png wider than OpenCV allows": (
        png_with(b"", width=(1 << 20) + 1, height=1),
        Reason.CORRUPT,
        "expected PNG pixel data that libpng reads",
    ),
    "bmp header cut": (b"BM" + bytes(30), Reason.TRUNCATED, "expected a whole BMP header"),
    "bmp palette too long": (
        BMP[:46] + struct.pack("<I", 300) + BMP[50:],
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
    reason, message = refusal(PNG)
    assert reason is Reason.CORRUPT
    assert "expected a PNG that OpenCV reads" in message


def test_a_deflate_strip_without_its_checksum_is_refused():
    data = tiff_file(gray_film(), compression=8, rows_per_strip=40)
    size = len(zlib.compress(gray_film().tobytes()))
    without = tiff_file(gray_film(), compression=8, rows_per_strip=40, tags=[(279, 4, [size - 4])])
    assert decode(data).pixels.shape == (40, 56)
    assert refusal(without)[0] is Reason.CORRUPT

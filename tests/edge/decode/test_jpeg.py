"""JPEG: the pixels of cv2.imread(path, IMREAD_GRAYSCALE), or a refusal."""

import struct

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import Reason
from image_files import color_picture, exif, gray_film, jpeg_file
from PIL import Image
from refusals import refusal


def imread_gray(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)


KINDS = {
    "gray": (gray_film(), {}),
    "color 4:2:0": (color_picture(), {"subsampling": 2}),
    "color 4:4:4": (color_picture(), {"subsampling": 0}),
    "progressive gray": (gray_film(), {"progressive": True}),
    "progressive color": (color_picture(), {"progressive": True}),
    "stored as RGB": (color_picture(), {"keep_rgb": True}),
    "restart markers": (gray_film(), {"restart_marker_blocks": 2}),
    "odd size": (gray_film(41, 3), {}),
    "one pixel": (gray_film(1, 1), {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_are_those_of_imread_gray(kind):
    pixels, options = KINDS[kind]
    data = jpeg_file(pixels, **options)
    radiograph = decode(data)
    np.testing.assert_array_equal(radiograph.pixels, imread_gray(data))
    assert radiograph.gray_mapping is GrayMapping.STORED


@pytest.mark.parametrize("pixels", [gray_film(), color_picture()], ids=["gray", "color"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_imread_does(orientation, pixels):
    data = jpeg_file(pixels, exif=exif(orientation))
    np.testing.assert_array_equal(decode(data).pixels, imread_gray(data))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_out_of_range_means_upright(orientation):
    data = jpeg_file(gray_film(), exif=exif(orientation))
    assert decode(data).pixels.shape == (40, 56)


BROKEN_EXIF = {
    "no byte order": b"XX*\0\x08\0\0\0",
    "directory beyond the end": b"II*\0\xff\xff\xff\x7f",
    "directory cut": b"MM\0*\0\0\0\x08\0\x05",
    "empty": b"",
    "orientation of another type": b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0\x06\0\0\0",
}


@pytest.mark.parametrize("kind", BROKEN_EXIF)
def test_damaged_exif_means_upright(kind):
    content = b"Exif\0\0" + BROKEN_EXIF[kind]
    data = jpeg_file(gray_film())
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    assert decode(data[:2] + segment + data[2:]).pixels.shape == (40, 56)


def test_exif_behind_an_xmp_segment_is_found():
    data = jpeg_file(gray_film(), exif=exif(6))
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x/>"
    segment = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    assert decode(data[:2] + segment + data[2:]).pixels.shape == (56, 40)


def test_cmyk_is_unsupported():
    data = jpeg_file(Image.fromarray(color_picture()).convert("CMYK"))
    assert refusal(data) == (
        Reason.UNSUPPORTED,
        (
            "This kind of JPEG is not read (4 components (CMYK)). "
            "Export the image as DICOM without compression, or as 8-bit JPEG or PNG."
        ),
    )


def patched(*, marker=None, bits=None):
    """Return a gray JPEG whose frame header claims another process or sample size."""
    data = bytearray(jpeg_file(gray_film()))
    at = data.index(b"\xff\xc0")
    data[at + 1] = marker or data[at + 1]
    data[at + 4] = bits or data[at + 4]
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (patched(bits=12), "12 bits per sample"),
        (patched(marker=0xC3), "coding process SOF3"),
        (patched(marker=0xC9), "coding process SOF9"),
    ],
    ids=["12 bit", "lossless", "arithmetic"],
)
def test_other_kinds_of_jpeg_are_unsupported(data, got):
    reason, message = refusal(data)
    assert reason is Reason.UNSUPPORTED
    assert got in message


def test_damage_inside_is_corrupt_and_names_what_the_decoder_said():
    data = bytearray(jpeg_file(gray_film()))
    at = data.index(b"\xff\xda") + 30
    data[at : at + 20] = b"\xff\x00" * 10
    reason, message = refusal(bytes(data))
    assert reason in (Reason.CORRUPT, Reason.TRUNCATED)
    assert "expected a whole, undamaged JPEG, the decoder says: " in message


def test_a_progressive_jpeg_that_lacks_its_last_scan_is_truncated():
    """Libjpeg itself shows it without a warning: only less sharp, as if nothing were missing."""
    data = jpeg_file(gray_film(), progressive=True)
    last_scan = data.rindex(b"\xff\xda")
    reason, message = refusal(data[:last_scan] + b"\xff\xd9")
    assert reason is Reason.TRUNCATED
    assert "expected a progressive JPEG with all its scans" in message


def test_thousands_of_scans_are_refused():
    data = jpeg_file(gray_film(), progressive=True)
    first, last = data.index(b"\xff\xda"), data.rindex(b"\xff\xda")
    scan = data[first : data.index(b"\xff\xc4", first)]
    reason, message = refusal(data[:first] + scan * 1000 + data[last:])
    assert "at most 200" in message
    assert reason in (Reason.CORRUPT, Reason.TRUNCATED)


SCANS = {
    "empty": b"",
    "no component": bytes([0, 0, 63, 0]),
    "components cut": bytes([3, 1, 0]),
    "five components": bytes([5, *[1, 0] * 5, 0, 0, 0]),
    "one byte too many": bytes([1, 1, 0, 0, 0, 0, 0]),
    "coefficients backwards": bytes([1, 1, 0, 5, 1, 0]),
    "coefficient 64": bytes([1, 1, 0, 0, 64, 0]),
}


@pytest.mark.parametrize("kind", SCANS)
@pytest.mark.parametrize("which", ["first", "last"])
def test_a_damaged_scan_header_of_a_progressive_jpeg_is_corrupt(kind, which):
    data = jpeg_file(color_picture(), progressive=True)
    at = data.index(b"\xff\xda") if which == "first" else data.rindex(b"\xff\xda")
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    reason, message = refusal(data[:at] + segment(0xDA, SCANS[kind]) + data[end:])
    assert reason is Reason.CORRUPT
    assert "expected a JPEG scan header of 1 to 4 components" in message


def test_real_films_equal_imread_byte_for_byte(data_root):
    files = sorted((data_root / "fullsize").glob("*.jpg"))[:3]
    files += sorted((data_root / "fracatlas").rglob("*.jpg"))[:30]
    assert len(files) == 33
    for file in files:
        data = file.read_bytes()
        np.testing.assert_array_equal(decode(data).pixels, imread_gray(data))


def segment(marker, content=b""):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


GRAY = jpeg_file(gray_film())


@pytest.mark.parametrize(
    ("data", "expected", "words"),
    [
        (b"\xff\xd8" + segment(0xDA, bytes(6)), Reason.CORRUPT, "a frame header (SOF) before"),
        (b"\xff\xd8\xff\xd9" + bytes(9), Reason.CORRUPT, "expected a JPEG marker at byte 2"),
        (b"\xff\xd8\xff\xe0\0\4abcdef", Reason.CORRUPT, "at byte 8, got 0x6364"),
        (b"\xff\xd8\xff\xe0\0\1abcdef", Reason.CORRUPT, "its length 1 does not fit"),
        (b"\xff\xd8\xff\xe0\0\x99abc", Reason.TRUNCATED, "its length 153 does not fit"),
        (GRAY[:20], Reason.TRUNCATED, "with at least one scan"),
        (b"\xff\xd8\xff\xe0\0", Reason.TRUNCATED, "expected a JPEG header at byte 4"),
    ],
    ids=[
        "no frame",
        "end at once",
        "no marker",
        "length 1",
        "segment cut",
        "cut between segments",
        "length cut",
    ],
)
def test_what_is_no_marker_structure_is_refused(data, expected, words):
    reason, message = refusal(data)
    assert reason is expected
    assert words in message


def test_fill_bytes_before_a_marker_are_skipped():
    """T.81 B.1.1.2: any marker may be preceded by any number of FF."""
    at = GRAY.index(b"\xff\xdb")
    np.testing.assert_array_equal(
        decode(GRAY[:at] + b"\xff\xff" + GRAY[at:]).pixels, decode(GRAY).pixels
    )


def test_a_parameterless_marker_between_segments_is_skipped():
    at = GRAY.index(b"\xff\xdb")
    with_tem = GRAY[:at] + b"\xff\x01" + GRAY[at:]
    np.testing.assert_array_equal(decode(with_tem).pixels, decode(GRAY).pixels)

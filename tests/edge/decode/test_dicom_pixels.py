"""DICOM pixel data: every transfer syntax gives the stored values, or says why not."""

import struct
import sys

import numpy as np
import pytest
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import Reason
from image_files import (
    EXPLICIT,
    IMPLICIT,
    color_picture,
    deep_film,
    dicom_file,
    dicom_jpeg,
    dicom_jpeg_2000,
    dicom_jpeg_ls,
    dicom_rle,
    gray_film,
    jpeg_file,
    rle_stream,
)
from pydicom.data import get_testdata_file
from refusals import refusal

RLE, BASELINE, EXTENDED = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"


LOSSLESS = {
    "implicit": lambda film, **options: dicom_file(film, syntax=IMPLICIT, **options),
    "rle": dicom_rle,
    "jpeg-ls": dicom_jpeg_ls,
    "jpeg 2000": dicom_jpeg_2000,
}


@pytest.mark.parametrize(
    ("film", "bits"),
    [(gray_film(), 8), (deep_film(bits=12), 12), (deep_film(bits=16), 16), (deep_film(33, 47), 12)],
    ids=["8 bit", "12 bit", "16 bit", "odd size"],
)
@pytest.mark.parametrize("kind", LOSSLESS)
def test_every_lossless_syntax_gives_the_picture_of_the_uncompressed_one(kind, film, bits):
    plain = decode(dicom_file(film, bits=bits))
    packed = decode(LOSSLESS[kind](film, bits=bits))
    np.testing.assert_array_equal(packed.pixels, plain.pixels)


@pytest.mark.parametrize("kind", ["implicit", "rle"])
def test_signed_values_survive_every_syntax(kind):
    film = (deep_film(bits=12).astype(np.int16) - 2048).astype(np.int16)
    elements = {"bits": 12, "WindowCenter": 0, "WindowWidth": 4096}
    plain = decode(dicom_file(film, **elements))
    np.testing.assert_array_equal(decode(LOSSLESS[kind](film, **elements)).pixels, plain.pixels)


@pytest.mark.parametrize("syntax", [BASELINE, EXTENDED])
def test_a_jpeg_frame_gives_the_pixels_of_the_jpeg_file(syntax):
    radiograph = decode(dicom_jpeg(gray_film(), syntax=syntax))
    np.testing.assert_array_equal(radiograph.pixels, decode(jpeg_file(gray_film())).pixels)
    assert radiograph.gray_mapping is GrayMapping.STORED


def test_odd_native_8_bit_pixels_need_no_padding_of_ours():
    film = gray_film(5, 3)
    np.testing.assert_array_equal(decode(dicom_file(film)).pixels, film)


# The lossy files were made from a JPEG 2000 stream that is rounded: 3 of 255 levels at most, and
# 0.5 on average, is what the compression changed (measured: 3 and 0.43; 3 and 0.18).
@pytest.mark.parametrize("film", ["RG1", "RG3"])
def test_real_films_show_the_same_picture_in_all_four_syntaxes(film):
    pixels = {}
    for kind in ("UNCR", "J2KR", "UNCI", "J2KI"):
        path = get_testdata_file(f"{film}_{kind}.dcm", download=False)
        if path is None:
            pytest.skip("needs the package pydicom-data")
        with open(path, "rb") as file:  # noqa: PTH123 - pydicom gives a str
            radiograph = decode(file.read())
        assert radiograph.gray_mapping is GrayMapping.VOI_WINDOW
        assert radiograph.body_part == {"RG1": "CHEST", "RG3": "EXTREMITY"}[film]
        pixels[kind] = radiograph.pixels.astype(int)
    np.testing.assert_array_equal(pixels["J2KR"], pixels["UNCR"])
    assert np.abs(pixels["J2KI"] - pixels["UNCI"]).max() <= 1
    difference = np.abs(pixels["UNCI"] - pixels["UNCR"])
    assert difference.max() <= 3
    assert difference.mean() <= 0.5


def test_a_real_lower_leg_has_bright_bone():
    """RG3 is MONOCHROME1: shaft of the tibia against the air inside the collimated field."""
    path = get_testdata_file("RG3_UNCR.dcm", download=False)
    if path is None:
        pytest.skip("needs the package pydicom-data")
    with open(path, "rb") as file:  # noqa: PTH123 - pydicom gives a str
        pixels = decode(file.read()).pixels
    air, bone = pixels[200:600, 460:560].mean(), pixels[600:1000, 850:950].mean()
    assert air < 30
    assert bone > 90


@pytest.mark.parametrize(
    ("syntax", "words"),
    [
        ("1.2.840.10008.1.2.2", "(Explicit VR Big Endian (retired)). Send the file uncompressed."),
        ("1.2.840.10008.1.2.4.201", "is not read (another one). Send the file uncompressed."),
    ],
)
def test_other_syntaxes_are_unsupported(syntax, words):
    reason, message = refusal(dicom_file(gray_film(), syntax=syntax, stream=b"\xff\xd8"))
    assert reason is Reason.UNSUPPORTED
    assert words in message


@pytest.mark.parametrize(
    ("module", "build", "name"),
    [("jpeg_ls", dicom_jpeg_ls, "JPEG-LS"), ("openjpeg", dicom_jpeg_2000, "JPEG 2000")],
)
def test_a_missing_decoder_is_named_with_the_extra_that_brings_it(module, build, name, monkeypatch):
    data = build(deep_film(), bits=12)
    monkeypatch.setitem(sys.modules, module, None)
    assert refusal(data) == (
        Reason.MISSING_CODEC,
        f"The decoder for {name} is not installed. Run: pip install pylibjpeg-openjpeg pyjpegls",
    )


def stream_of(data):
    """Return the compressed frame of a file of `dicom_file`: after its empty offset table."""
    at = data.rindex(b"\xfe\xff\x00\xe0")
    (length,) = struct.unpack_from("<I", data, at + 4)
    return data[at + 8 : at + 8 + length]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(
    ("build", "syntax", "end"),
    [
        (dicom_jpeg, BASELINE, b"\xff\xd9"),
        (dicom_jpeg_ls, JPEG_LS, b"\xff\xd9"),
        (dicom_jpeg_2000, JPEG_2000, b"\xff\xd9"),
        (dicom_rle, RLE, b""),
    ],
    ids=["jpeg", "jpeg-ls", "jpeg 2000", "rle"],
)
def test_a_cut_stream_in_a_whole_file_is_refused_even_with_an_end_marker(build, syntax, end, share):
    film = gray_film()
    stream = stream_of(build(film)).rstrip(b"\0")
    for glued in {b"", end}:
        cut = stream[: int(len(stream) * share)] + glued
        reason, _ = refusal(dicom_file(film, syntax=syntax, stream=cut))
        assert reason in (Reason.TRUNCATED, Reason.CORRUPT)
        if syntax == JPEG_2000:
            assert reason is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("build", "syntax"),
    [(dicom_jpeg, BASELINE), (dicom_jpeg_ls, JPEG_LS), (dicom_jpeg_2000, JPEG_2000)],
    ids=["jpeg", "jpeg-ls", "jpeg 2000"],
)
def test_a_stream_of_another_size_than_the_header_is_corrupt(build, syntax):
    reason, message = refusal(build(gray_film(), Rows=56, Columns=40))
    assert reason is Reason.CORRUPT
    assert "expected a stream of 40 x 56 pixels, got 56 x 40" in message
    assert syntax


def test_a_color_jpeg_in_a_gray_header_is_read_where_its_picture_is_gray():
    film = gray_film()
    gray = dicom_file(film, syntax=BASELINE, stream=jpeg_file(np.dstack([film] * 3)))
    assert np.abs(decode(gray).pixels.astype(int) - film).max() < 16
    reason, message = refusal(dicom_file(film, syntax=BASELINE, stream=jpeg_file(color_picture())))
    assert reason is Reason.UNSUPPORTED
    assert "in color" in message


def test_a_stream_with_more_bits_than_the_header_says_is_corrupt():
    reason, message = refusal(dicom_rle(deep_film(bits=16), bits=12))
    assert reason is Reason.CORRUPT
    assert "expected values of 12 bits" in message


def test_an_rle_frame_with_the_wrong_number_of_segments_is_corrupt():
    stream = rle_stream(gray_film())
    reason, message = refusal(dicom_file(deep_film(), syntax=RLE, stream=stream))
    assert reason is Reason.CORRUPT
    assert "expected 2 RLE segments, got 1" in message


def test_fragments_of_one_frame_are_joined():
    data = dicom_jpeg_2000(deep_film(), bits=12)
    stream = stream_of(data)
    half = len(stream) // 2 & ~1
    parts = [
        b"\xfe\xff\x00\xe0" + struct.pack("<I", len(part)) + part
        for part in (stream[:half], stream[half:])
    ]
    at = data.rindex(b"\xfe\xff\x00\xe0")
    split = data[:at] + b"".join(parts) + data[at + 8 + len(stream) :]
    np.testing.assert_array_equal(decode(split).pixels, decode(data).pixels)


def test_native_pixels_under_a_compressed_syntax_are_corrupt_and_the_reverse():
    native = dicom_file(gray_film())
    packed = dicom_rle(gray_film())
    uid = EXPLICIT.encode() + b"\0", RLE.encode() + b"\0"
    for data in (native.replace(*uid), packed.replace(*reversed(uid))):
        reason, message = refusal(data)
        assert reason is Reason.CORRUPT
        assert "expected pixel data of defined length where native" in message


def damaged_jpeg_2000():
    stream = stream_of(dicom_jpeg_2000(gray_film()))
    return stream.replace(b"\xff\x52", b"\xff\x6f", 1)  # no coding style: cannot be decoded


DAMAGED = {
    "no fragment item": (
        lambda: dicom_rle(gray_film()).replace(b"\xfe\xff\x00\xe0", b"\xfe\xff\x01\xe0"),
        Reason.CORRUPT,
        "expected a fragment item at byte",
    ),
    "rle header cut": (
        lambda: dicom_file(gray_film(), syntax=RLE, stream=b"\1\0"),
        Reason.TRUNCATED,
        "expected an RLE header of 64 bytes",
    ),
    "jpeg 2000 without its start": (
        lambda: dicom_file(gray_film(), syntax=JPEG_2000, stream=b"\0" * 60),
        Reason.CORRUPT,
        "expected a JPEG 2000 codestream",
    ),
    "jpeg 2000 in color": (
        lambda: dicom_file(gray_film(), syntax=JPEG_2000, stream=jpeg_2000_color()),
        Reason.CORRUPT,
        "expected one JPEG 2000 component, got 3",
    ),
    "jpeg 2000 without coding style": (
        lambda: dicom_file(gray_film(), syntax=JPEG_2000, stream=damaged_jpeg_2000()),
        Reason.CORRUPT,
        "that OpenJPEG reads",
    ),
    "jpeg-ls in color": (
        lambda: dicom_file(gray_film(), syntax=JPEG_LS, stream=jpeg_ls_color()),
        Reason.CORRUPT,
        "expected 2240 pixels, the decoder gives 6720",
    ),
    "jpeg-ls without its end": (
        lambda: dicom_file(gray_film(), syntax=JPEG_LS, stream=jpeg_ls_color()[:-2]),
        Reason.TRUNCATED,
        "expected a JPEG-LS stream up to its EOI",
    ),
}


def jpeg_2000_color():
    utils = pytest.importorskip("openjpeg.utils")
    return bytes(utils.encode_array(color_picture(), photometric_interpretation=1))


def jpeg_ls_color():
    jpeg_ls = pytest.importorskip("jpeg_ls")
    return bytes(jpeg_ls.encode_array(color_picture(), interleave_mode=2))


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_pixel_data_is_refused_with_what_was_expected(kind):
    build, reason, words = DAMAGED[kind]
    got, message = refusal(build())
    assert got is reason
    assert words in message


def test_an_rle_control_byte_128_does_nothing():
    stream = rle_stream(gray_film())
    idle = stream[:64] + b"\x80\x80" + stream[64:]
    np.testing.assert_array_equal(
        decode(dicom_file(gray_film(), syntax=RLE, stream=idle)).pixels, gray_film()
    )


def test_pixel_data_that_is_a_sequence_is_corrupt():
    data = dicom_file(gray_film())
    at = data.rindex(b"\xe0\x7f\x10\x00OW") + 4
    sequence = b"SQ\0\0\xff\xff\xff\xff\xfe\xff\xdd\xe0" + bytes(4)
    reason, message = refusal(data[:at] + sequence)
    assert reason is Reason.CORRUPT
    assert "expected Pixel Data (7FE0,0010) as bytes" in message

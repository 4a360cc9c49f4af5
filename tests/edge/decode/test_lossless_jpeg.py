"""Lossless JPEG: every pixel as stored, and nothing answered of a stream that is cut or damaged."""

import hashlib

import numpy as np
import pytest
from bonefx_edge.decode import decode
from bonefx_edge.decode.dicom.lossless_jpeg import MAX_PIXELS, decode_lossless
from bonefx_edge.decode.dicom.lossless_predictors import PREDICTORS
from bonefx_edge.decode.jpeg import reader as jpeg
from bonefx_edge.errors import DecodeError, Reason
from hypothesis import given
from hypothesis import strategies as st
from image_files import dicom_file, gray_film, jpeg_file
from lossless_jpeg_files import ANY_PREDICTOR, SV1, dicom_lossless_jpeg, lossless_stream
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

pytestmark = pytest.mark.any_runtime


def unpack(stream):
    return decode_lossless(stream, header=jpeg.read_header(stream))


def reason(stream):
    with pytest.raises(DecodeError) as caught:
        unpack(stream)
    return caught.value.reason


def refused(stream):
    try:
        unpack(stream)
    except DecodeError:
        return True
    return False


def deep(height=24, width=31, *, bits=12):
    rng = np.random.default_rng(bits)
    steps = rng.integers(-(1 << bits >> 4) - 1, (1 << bits >> 4) + 2, (height, width)).cumsum(
        axis=1
    )
    return (steps % (1 << bits)).astype(np.uint16)


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("bits", [2, 8, 12, 15, 16])
def test_every_predictor_gives_the_stored_pixels(predictor, bits):
    pixels = deep(bits=bits)
    got = unpack(lossless_stream(pixels, bits=bits, predictor=predictor))
    np.testing.assert_array_equal(got, pixels)
    assert got.dtype == (np.uint8 if bits <= 8 else np.uint16)


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    bits=st.integers(2, 16),
    predictor=st.sampled_from(PREDICTORS),
    rows=st.integers(0, 12),
    seed=st.integers(0, 99),
)
def test_any_film_with_any_restart_interval_gives_the_stored_pixels(
    height, width, bits, predictor, rows, seed
):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 1 << bits, (height, width)).astype(np.uint16)
    stream = lossless_stream(pixels, bits=bits, predictor=predictor, rows_per_interval=rows)
    np.testing.assert_array_equal(unpack(stream), pixels)


def test_a_point_transform_leaves_the_lowest_bits_zero():
    pixels = deep()
    np.testing.assert_array_equal(
        unpack(lossless_stream(pixels, bits=12, shift=3)), pixels >> 3 << 3
    )


@pytest.mark.parametrize("rest", [b"\xff\xd9\0", b"\xff\xd9\xff", b"\xff\xff\xff\xd9", b"\xff\xd9"])
@pytest.mark.parametrize("padding", "01")
def test_padding_and_fill_bytes_are_no_damage(rest, padding):
    pixels = deep(5, 3)
    got = unpack(lossless_stream(pixels, bits=12, padding=padding, rest=rest))
    np.testing.assert_array_equal(got, pixels)


def test_codes_across_the_chunks_of_a_long_stream():
    """Chunks are 65,536 bytes; the film is coded in more than three of them."""
    pixels = np.tile(deep(40, 64, bits=16), (10, 5))
    stream = lossless_stream(pixels)
    assert len(stream) > 200_000
    np.testing.assert_array_equal(unpack(stream), pixels)


# SHA-256 of what dcmdjpeg of dcmtk 3.6.7 writes as Pixel Data, without its padding.
REAL = {
    "JPEG-LL.dcm": "a6e9d32143339d3f5748b5520aa4e6c6ffb3550b6f71fdf17bdb2ebb44bc2611",
    "JPGLosslessP14SV1_1s_1f_8b.dcm": (
        "36e27e4f1e87a7d50407463323ddc3736736ecff35eb4e4a4c1b74646938835d"
    ),
    "bad_sequence.dcm": "ef7120ddfc77c166ecdc5ffb99715deff8be9f3e7c0409021c0e06b962d2a61a",
}


@pytest.mark.parametrize("name", REAL)
def test_files_of_other_encoders_are_bit_exact(name):
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("needs the package pydicom-data")
    stream = next(generate_frames(dcmread(path, force=True).PixelData, number_of_frames=1))
    assert hashlib.sha256(unpack(stream).tobytes()).hexdigest() == REAL[name]


@pytest.mark.parametrize(("syntax", "predictor"), [(SV1, 1), (ANY_PREDICTOR, 6), (SV1, 6)])
def test_a_dicom_film_is_shown_as_the_uncompressed_one(syntax, predictor):
    film = deep(80, 70)
    packed = decode(dicom_lossless_jpeg(film, bits=12, syntax=syntax, predictor=predictor))
    np.testing.assert_array_equal(packed.pixels, decode(dicom_file(film, bits=12)).pixels)


def test_a_stream_cut_anywhere_is_refused_closed_or_not():
    stream = lossless_stream(deep(9, 7), bits=12)
    for end in range(4, len(stream) - 2):
        assert reason(stream[:end]) in (Reason.TRUNCATED, Reason.CORRUPT), end
        with pytest.raises(DecodeError):
            unpack(stream[:end] + b"\xff\xd9")


def test_bytes_too_many_or_too_few_are_refused_but_for_one_in_a_hundred():
    """There is no checksum: now and then the codes behind them make up for the difference."""
    stream = lossless_stream(deep(20, 30), bits=12)
    start, outcomes = stream.index(b"\xff\xda") + 10, []
    for at in range(start, len(stream) - 2 - 9):
        for count in (1, 2, 9):
            inserted = stream[:at] + b"\x5a" * count + stream[at:]
            taken_out = stream[:at] + stream[at + count :]
            outcomes += [refused(inserted), refused(taken_out)]
    assert outcomes.count(False) <= len(outcomes) / 100


SCAN = b"\xff\xda\0\x08\x01\x01"


@pytest.mark.parametrize(
    ("stored", "damaged", "expected"),
    [
        (b"\xff\xd0", b"\xff\xd1", Reason.CORRUPT),  # restart markers out of order
        (b"\xff\xd0", b"\xff\xd9", Reason.CORRUPT),  # data behind EOI
        (b"\xff\xd0", b"", Reason.CORRUPT),  # a restart interval too few
        (b"\xff\xd0", b"\xff\xd0\xff\xd1", Reason.CORRUPT),  # one too many
        (b"\xff\xdd\0\x04\0", b"\xff\xdd\0\x04\1", Reason.CORRUPT),  # intervals of no whole rows
        (SCAN + b"\0\x01", SCAN + b"\0\0", Reason.CORRUPT),  # predictor 0
        (SCAN + b"\0\x01", SCAN + b"\x10\x01", Reason.CORRUPT),  # a Huffman table that is missing
        (SCAN, b"\xff\xda\0\x08\x02\x01", Reason.CORRUPT),  # two components
        (b"\xff\xc3\0\x0b\x0c", b"\xff\xc3\0\x0b\x11", Reason.CORRUPT),  # 17 bits
        (b"\0\0\0\x07\x08", b"\x03\0\0\x07\x08", Reason.CORRUPT),  # more codes than there are
        (b"\xff\xc3", b"\xff\xc7", Reason.UNSUPPORTED),  # hierarchical
        (b"\x01\x01\x11\0\xff", b"\x03\x01\x11\0\xff", Reason.UNSUPPORTED),  # three components
    ],
)
def test_a_stream_that_contradicts_itself_is_refused(stored, damaged, expected):
    stream = lossless_stream(deep(9, 7), bits=12, rows_per_interval=3)
    assert stored in stream
    assert reason(stream.replace(stored, damaged, 1)) is expected


def test_a_sample_above_its_bits_is_damage():
    stream = lossless_stream(deep(9, 7, bits=13), bits=13)
    assert reason(stream.replace(b"\xff\xc3\0\x0b\x0d", b"\xff\xc3\0\x0b\x0c")) is Reason.CORRUPT


def test_bits_that_are_no_code_are_refused():
    stream = lossless_stream(deep(9, 7), bits=12)
    start = stream.index(b"\xff\xda") + 10
    assert reason(stream[:start] + b"\xff\0" * 90 + b"\xff\xd9") is Reason.CORRUPT


def test_a_film_that_would_take_too_long_is_refused_before_it_is_decoded():
    stream = bytearray(lossless_stream(deep(9, 7), bits=12))
    at = stream.index(b"\xff\xc3") + 5
    stream[at : at + 4] = b"\x20\0\x20\0"
    assert MAX_PIXELS < 0x2000 * 0x2000
    assert reason(bytes(stream)) is Reason.TOO_LARGE


def test_another_process_in_such_a_file_is_named():
    data = dicom_file(gray_film(), syntax=SV1, stream=jpeg_file(gray_film()))
    with pytest.raises(DecodeError, match="This kind of JPEG is not read") as caught:
        decode(data)
    assert caught.value.reason is Reason.UNSUPPORTED

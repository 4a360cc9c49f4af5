"""Whatever bytes come: a radiograph or a DecodeError, quickly, and never from a file cut short."""

import re
import struct
import time

import numpy as np
import pytest
from bonefx_edge.decode.options import DecodeOptions, SiteSwitch
from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.decode.reader import Limits, decode
from bonefx_edge.errors import DecodeError
from image_files import (
    bmp_file,
    color_picture,
    deep_film,
    dicom_file,
    dicom_jpeg,
    dicom_jpeg_2000,
    dicom_jpeg_ls,
    dicom_rle,
    exif,
    gray_film,
    jpeg_file,
    lut_item,
    png_chunk,
    tiff_file,
    tiled_tiff,
    with_pillow,
    without_preamble,
)
from lossless_jpeg_files import dicom_lossless_jpeg

ROUNDS = 60
"""Files per kind and mutation: 60 * 6 * 30 kinds is 10,800 files."""
SLOWEST_S = 5.0
LIMITS = Limits(max_pixels=1_000_000)
"""A mutated size may claim 100 megapixels of zeros; the pixel cap has its own tests."""

ACCEPT_ALL = DecodeOptions(frozenset(SiteSwitch))

SEEDS = {
    "jpeg": lambda: jpeg_file(gray_film(), exif=exif(6)),
    "jpeg color": lambda: jpeg_file(color_picture()),
    "jpeg progressive": lambda: jpeg_file(color_picture(), progressive=True),
    "png": lambda: with_pillow(gray_film(), "PNG"),
    "png 16 bit": lambda: with_pillow(deep_film(), "PNG", exif=exif(3)),
    "png rgba": lambda: with_pillow(np.dstack([color_picture(), gray_film()]), "PNG"),
    "tiff": lambda: tiff_file(gray_film()),
    "tiff deflate": lambda: tiff_file(deep_film(), compression=8, predictor=2, order=">"),
    "tiff lzw": lambda: tiff_file(deep_film(), compression=5, predictor=2),
    "tiff packbits": lambda: tiff_file(gray_film() // 32 * 32, compression=32773),
    "tiff tiles": lambda: tiled_tiff(deep_film(33, 70), compression=8, predictor=2),
    "tiff rgb": lambda: tiff_file(color_picture(), photometric=2),
    "bmp": lambda: bmp_file(gray_film()),
    "bmp color": lambda: bmp_file(color_picture()),
    "dicom": lambda: dicom_file(gray_film(16, 20)),
    "dicom window": lambda: dicom_file(
        deep_film(16, 20),
        bits=12,
        WindowCenter=[2000, 3],
        WindowWidth=[4000, 3],
        RescaleSlope=2,
        RescaleIntercept=-100,
        PixelPaddingValue=0,
        PixelPaddingRangeLimit=9,
    ),
    "dicom luts": lambda: dicom_file(
        deep_film(16, 20),
        bits=12,
        ModalityLUTSequence=lut_item(range(99)),
        VOILUTSequence=lut_item(range(50), bits=10),
        PhotometricInterpretation="MONOCHROME1",
    ),
    "dicom shutter": lambda: dicom_file(
        deep_film(16, 20),
        bits=12,
        PhotometricInterpretation="MONOCHROME1",
        PixelPaddingValue=0,
        ShutterShape=["RECTANGULAR", "CIRCULAR", "POLYGONAL"],
        ShutterLeftVerticalEdge=2,
        ShutterRightVerticalEdge=18,
        ShutterUpperHorizontalEdge=2,
        ShutterLowerHorizontalEdge=15,
        CenterOfCircularShutter=[8, 10],
        RadiusOfCircularShutter=9,
        VerticesOfThePolygonalShutter=[1, 1, 1, 20, 16, 20, 16, 1],
        overlay_bit=12,
    ),
    "dicom rgb": lambda: dicom_file(
        gray_film(16, 60),
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        Columns=20,
    ),
    "dicom color jpeg": lambda: dicom_file(
        gray_film(16, 20),
        syntax="1.2.840.10008.1.2.4.50",
        stream=jpeg_file(np.dstack([gray_film(16, 20)] * 3)),
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
    ),
    "dicom implicit": lambda: dicom_file(deep_film(16, 20), bits=12, syntax="1.2.840.10008.1.2"),
    "dicom rle": lambda: dicom_rle(deep_film(16, 20), bits=12),
    "dicom jpeg": lambda: dicom_jpeg(gray_film(16, 20)),
    "dicom jpeg lossless": lambda: dicom_lossless_jpeg(deep_film(16, 20), bits=12),
    "dicom jpeg-ls": lambda: dicom_jpeg_ls(deep_film(16, 20), bits=12),
    "dicom jpeg 2000": lambda: dicom_jpeg_2000(deep_film(32, 36), bits=12),
    "dicom shape": lambda: dicom_file(gray_film(16, 20), PresentationLUTShape="INVERSE"),
    "dicom meta first": lambda: without_preamble(dicom_jpeg_ls(deep_film(16, 20), bits=12)),
    "dicom data set": lambda: without_preamble(
        dicom_file(deep_film(16, 20), bits=12, PresentationLUTShape="INVERSE"), begins="dataset"
    ),
    "dicom data set implicit": lambda: without_preamble(
        dicom_file(deep_film(16, 20), bits=12, syntax="1.2.840.10008.1.2"), begins="dataset"
    ),
}


def flip_bytes(data, rng):
    changed = bytearray(data)
    for _ in range(rng.integers(1, 8)):
        changed[rng.integers(len(data))] = rng.integers(256)
    return bytes(changed)


def flip_a_bit(data, rng):
    changed = bytearray(data)
    changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return bytes(changed)


def overwrite_a_block(data, rng):
    start = rng.integers(len(data))
    length = min(int(rng.integers(1, 64)), len(data) - start)
    filling = bytes([rng.choice([0, 255])]) * length if rng.integers(2) else rng.bytes(length)
    return data[:start] + filling + data[start + length :]


def take_out(data, rng):
    start = rng.integers(len(data))
    return data[:start] + data[start + rng.integers(1, 32) :]


def insert(data, rng):
    start = rng.integers(len(data))
    return data[:start] + rng.bytes(int(rng.integers(1, 32))) + data[start:]


def repair_png(data, rng):
    """Return a mutated PNG whose checksums are right again: deeper than the first check."""
    changed = flip_bytes(data, rng)
    repaired, at = changed[:8], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        repaired += png_chunk(changed[at + 4 : at + 8], changed[at + 8 : at + 8 + length])
        at += 12 + length
    return repaired


MUTATIONS = (flip_bytes, flip_a_bit, overwrite_a_block, take_out, insert, repair_png)


def outcome(data):
    """Return the radiograph or the refusal; fail on any other exception and on slowness."""
    start = time.perf_counter()
    try:
        result = decode(data, limits=LIMITS, options=ACCEPT_ALL)
    except DecodeError as err:
        result = err
    assert time.perf_counter() - start < SLOWEST_S
    message = str(result) if isinstance(result, DecodeError) else "."
    assert message.endswith(".")
    assert "secret" not in message.lower()
    return result


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
@pytest.mark.parametrize("kind", SEEDS)
def test_a_mutated_file_is_a_radiograph_or_a_decode_error(kind, mutate, capfd):
    if mutate is repair_png and not kind.startswith("png"):
        mutate = flip_bytes
    rng = np.random.default_rng([len(kind), MUTATIONS.index(mutate)])
    data = SEEDS[kind]()
    for _ in range(ROUNDS):
        assert isinstance(outcome(mutate(data, rng)), Radiograph | DecodeError)
    capfd.readouterr()  # libpng prints warnings on standard error, past OpenCV's log level


@pytest.mark.parametrize("kind", SEEDS)
def test_a_file_that_ends_early_is_never_answered(kind, capfd):
    data = SEEDS[kind]()
    step = max(1, len(data) // 150)
    for length in [*range(0, len(data), step), *range(len(data) - 12, len(data))]:
        assert isinstance(outcome(data[:length]), DecodeError), length
    capfd.readouterr()


@pytest.mark.parametrize("kind", [kind for kind in SEEDS if kind.startswith("jpeg")])
def test_a_cut_jpeg_with_an_end_marker_is_never_answered(kind):
    data = SEEDS[kind]()
    for length in range(2, len(data) - 2):
        assert isinstance(outcome(data[:length] + b"\xff\xd9"), DecodeError), length


def scan_headers(data):
    """Return the position behind each SOS marker: its length, components and coefficients."""
    return [found.end() for found in re.finditer(rb"\xff\xda", data)]


@pytest.mark.parametrize("kind", [kind for kind in SEEDS if "jpeg" in kind and "2000" not in kind])
def test_any_value_in_a_scan_header_is_a_radiograph_or_a_decode_error(kind):
    data = SEEDS[kind]()
    headers = scan_headers(data)
    assert headers
    for start in headers:
        (length,) = struct.unpack_from(">H", data, start)
        for at in range(start, start + length):
            for value in (*range(16), 63, 64, 127, 128, 255):
                changed = bytearray(data)
                changed[at] = value
                assert isinstance(outcome(bytes(changed)), Radiograph | DecodeError), (at, value)


@pytest.mark.parametrize("kind", [kind for kind in SEEDS if kind.startswith("png")])
def test_a_cut_png_with_an_end_chunk_is_never_answered(kind):
    data = SEEDS[kind]()
    for length in range(8, len(data) - 12, 3):
        cut = data[:length] + png_chunk(b"IEND", b"")
        assert isinstance(outcome(cut), DecodeError), length

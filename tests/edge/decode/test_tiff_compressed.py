"""LZW and PackBits TIFF: the very pixels of the uncompressed file, or a refusal."""

import io
import struct
import tracemalloc

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.limits import DEFAULT_LIMITS, Limits
from bonefx_edge.decode.reader import decode
from bonefx_edge.decode.tiff.lzw import unpack_lzw
from bonefx_edge.decode.tiff.reader import read_tiff
from bonefx_edge.errors import DecodeError, Reason
from image_files import (
    color_picture,
    deep_film,
    gray_film,
    lzw_codes,
    tiff_file,
    with_pillow,
)
from PIL import Image
from refusals import refusal

LZW, PACK_BITS = 5, 32773
CLEAR, END = 256, 257


def by_opencv(pixels):
    """Return the file of cv2.imwrite("film.tif", …) without options: LZW with predictor 2."""
    bgr = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    data = cv2.imencode(".tif", bgr)[1].tobytes()
    assert tag(data, 259) == LZW
    assert tag(data, 317) == 2
    return data


def tag(data, number):
    """Return the first value of a tag, read by Pillow."""
    with Image.open(io.BytesIO(data)) as image:
        value = image.tag_v2[number]
    return value[0] if isinstance(value, tuple) else value


def samples(data):
    return read_tiff(data, limits=DEFAULT_LIMITS).samples


def reason_of(unpack, *arguments, **options):
    with pytest.raises(DecodeError) as caught:
        unpack(*arguments, **options)
    return caught.value.reason


PICTURES = {
    "8 bit": gray_film(300, 211),
    "8 bit black": np.zeros((300, 211), np.uint8),
    "8 bit noise": np.random.default_rng(0).integers(0, 256, (300, 211), np.uint8),
    "16 bit": deep_film(300, 211, bits=16),
    "16 bit noise": np.random.default_rng(1).integers(0, 65536, (300, 211), np.uint16),
    "1 x 1": np.full((1, 1), 7, np.uint8),
    "rgb": color_picture(300, 211),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_what_imwrite_writes_by_default_is_read_to_the_last_bit(kind):
    np.testing.assert_array_equal(samples(by_opencv(PICTURES[kind])), PICTURES[kind])


def test_16_bit_color_by_imwrite_is_read_to_the_last_bit():
    deep = np.random.default_rng(2).integers(0, 65536, (90, 71, 3), np.uint16)
    np.testing.assert_array_equal(samples(by_opencv(deep)), deep)


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits"])
@pytest.mark.parametrize("rows", [1, 37, 300])
def test_what_pillow_compresses_is_read_to_the_last_bit(kind, compression, rows):
    data = with_pillow(PICTURES[kind], "TIFF", compression=compression, tiffinfo={278: rows})
    assert tag(data, 259) == {"tiff_lzw": LZW, "packbits": PACK_BITS}[compression]
    np.testing.assert_array_equal(samples(data), PICTURES[kind])


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("compression", "predictor"), [(LZW, 1), (LZW, 2), (PACK_BITS, 1)])
def test_both_byte_orders_are_read_to_the_last_bit(kind, order, compression, predictor):
    picture = PICTURES[kind]
    data = tiff_file(
        picture,
        photometric=1 if picture.ndim == 2 else 2,
        order=order,
        compression=compression,
        predictor=predictor,
    )
    np.testing.assert_array_equal(samples(data), picture)
    np.testing.assert_array_equal(np.array(samples(data)), opened(data))


def opened(data):
    """Return OpenCV's pixels of an undamaged file, RGB: a second opinion on our own builder."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits"])
@pytest.mark.parametrize("mode", ["P", "LA", "RGBA"])
def test_palette_and_alpha_look_the_same_compressed(mode, compression):
    image = Image.fromarray(np.dstack([color_picture(), gray_film()]))
    image = image.convert("RGB").quantize(64) if mode == "P" else image.convert(mode)
    plain = decode(with_pillow(image, "TIFF"))
    packed = decode(with_pillow(image, "TIFF", compression=compression))
    np.testing.assert_array_equal(packed.pixels, plain.pixels)
    assert len(np.unique(plain.pixels)) > 20


STRIPS = {
    "lzw by OpenCV": lambda: by_opencv(deep_film(16, 56)),
    "lzw": lambda: tiff_file(gray_film(), compression=LZW, rows_per_strip=40),
    "packbits": lambda: tiff_file(gray_film(), compression=PACK_BITS, rows_per_strip=40),
}
"""Files of one strip."""


def with_strip(data, strip):
    """Return the file of one strip with another strip in its place: appended, entries changed."""
    changed = bytearray(data)
    for number, value in ((273, len(data)), (279, len(strip))):
        entry = data.index(struct.pack("<H", number) + b"\x04\0\x01\0\0\0")
        changed[entry + 8 : entry + 12] = struct.pack("<I", value)
    return bytes(changed) + strip


def strip_of(data):
    """Return the bytes of the only strip."""
    return data[tag(data, 273) : tag(data, 273) + tag(data, 279)]


@pytest.mark.parametrize("kind", STRIPS)
def test_a_strip_cut_anywhere_is_truncated_not_filled_up(kind):
    data = STRIPS[kind]()
    strip = strip_of(data)
    np.testing.assert_array_equal(samples(with_strip(data, strip)), samples(data))
    for cut in [len(strip) * tenth // 10 for tenth in range(10)] + [len(strip) - 3]:
        assert reason_of(decode, with_strip(data, strip[:cut])) is Reason.TRUNCATED, cut


@pytest.mark.parametrize("kind", STRIPS)
@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"\x80"])
def test_a_strip_whose_rest_never_arrived_is_refused(kind, filling):
    """A half-copied file may keep its length; what is missing reads as one byte, repeated."""
    data = STRIPS[kind]()
    strip = strip_of(data)
    for there in [len(strip) * tenth // 10 for tenth in range(10)]:
        damaged = with_strip(data, strip[:there].ljust(len(strip), filling))
        assert reason_of(decode, damaged) in (Reason.TRUNCATED, Reason.CORRUPT), there


@pytest.mark.parametrize("kind", STRIPS)
def test_a_damaged_strip_raises_nothing_but_a_decode_error(kind):
    data = STRIPS[kind]()
    strip = strip_of(data)
    rng = np.random.default_rng(3)
    reasons = []
    for _ in range(500):
        damaged = bytearray(strip)
        for _ in range(rng.integers(1, 5)):
            damaged[rng.integers(len(strip))] = rng.integers(256)
        try:
            decode(with_strip(data, bytes(damaged)))
        except DecodeError as err:
            reasons.append(err.reason)
    assert len(reasons) > 100
    assert set(reasons) <= {Reason.TRUNCATED, Reason.CORRUPT}


LZW_STRIPS = {
    "no Clear code first": ([65, 66, END], Reason.CORRUPT),
    "a code two ahead of the table": ([CLEAR, 65, 66, 260, END], Reason.CORRUPT),
    "a string before there is one": ([CLEAR, 258, END], Reason.CORRUPT),
    "a string of the table that was cleared": ([CLEAR, 65, 66, CLEAR, 258, END], Reason.CORRUPT),
    "more than the strip holds": ([CLEAR, 65, 66, 67, 68, 69, END], Reason.CORRUPT),
    "end before the strip is full": ([CLEAR, 65, 66, 67, END], Reason.TRUNCATED),
    "no end": ([CLEAR, 65, 66, 67, 68], Reason.TRUNCATED),
    "nothing": ([], Reason.TRUNCATED),
    "a table that is never cleared": ([CLEAR, *[65] * 5000, END], Reason.CORRUPT),
}


@pytest.mark.parametrize("kind", LZW_STRIPS)
def test_impossible_lzw_codes_are_refused(kind):
    codes, expected = LZW_STRIPS[kind]
    assert unpack_lzw(lzw_codes([CLEAR, 65, 66, 258, END]), wanted=4) == b"ABAB"
    assert unpack_lzw(lzw_codes([CLEAR, 65, 258, 66, END]), wanted=4) == b"AAAB"
    assert reason_of(unpack_lzw, lzw_codes(codes), wanted=4) is expected


def test_an_lzw_table_may_be_used_up_to_its_last_entry():
    codes = [CLEAR, *[65] * 3839, CLEAR, 66, END]
    assert unpack_lzw(lzw_codes(codes), wanted=3840) == b"A" * 3839 + b"B"
    full = lzw_codes([CLEAR, *[65] * 3840, END])
    assert reason_of(unpack_lzw, full, wanted=3840) is Reason.CORRUPT


def test_repeated_clear_codes_change_nothing():
    codes = [CLEAR, CLEAR, 65, CLEAR, CLEAR, 66, END]
    assert unpack_lzw(lzw_codes(codes), wanted=2) == b"AB"


BOMBS = {
    LZW: lambda: lzw_codes([*[CLEAR, 0, *range(258, 4095)] * 8, END]),
    PACK_BITS: lambda: bytes([129, 0]) * 460_000,
}
"""Strips of 59 MB of zeros."""


@pytest.mark.parametrize("compression", BOMBS)
def test_a_bomb_in_a_strip_is_cut_off(compression):
    data = tiff_file(gray_film(), rows_per_strip=40, compression=compression)
    bombed = with_strip(data, BOMBS[compression]())
    tracemalloc.start()
    reason = reason_of(decode, bombed)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason is Reason.CORRUPT
    # Of LZW one table: its strings and the same bytes unpacked, 7.4 MB each, grown by steps.
    assert peak_bytes < 20_000_000


@pytest.mark.parametrize("more", [-1, 0])
@pytest.mark.parametrize("rows", [7, 40], ids=["strips", "one strip"])
def test_more_lzw_bytes_than_can_be_unpacked_in_time_are_too_large(more, rows):
    """Pure Python needs as long as there are packed bytes, whatever they unpack to."""
    data = tiff_file(gray_film(), rows_per_strip=rows, compression=LZW)
    with Image.open(io.BytesIO(data)) as image:
        packed = sum(image.tag_v2[279])
    limits = Limits(max_lzw_bytes=packed + more)
    if more < 0:
        reason, message = refusal(data, limits=limits)
        assert reason is Reason.TOO_LARGE
        assert f"Too much LZW data ({packed:,} bytes, limit {packed - 1:,})" in message
        assert "Save the image as PNG, or as TIFF with Deflate" in message
    else:
        assert decode(data, limits=limits).shape == (40, 56)


def test_a_strip_of_clear_codes_alone_counts_by_its_bytes():
    data = with_strip(tiff_file(gray_film(), rows_per_strip=40, compression=LZW), b"\x80" * 50_000)
    reason, _ = refusal(data, limits=Limits(max_lzw_bytes=49_999))
    assert reason is Reason.TOO_LARGE


def test_packbits_left_over_are_corrupt_but_for_one_byte_of_padding():
    packed = bytes([1, 10, 20])
    for rest, fits in [(b"", True), (b"\x80", True), (b"\0", True), (b"\0\x1e", False)]:
        picture = tiff_file(np.zeros((1, 2), np.uint8), compression=PACK_BITS)
        data = with_strip(picture, packed + rest)
        if fits:
            assert samples(data).tolist() == [[10, 20]]
        else:
            assert reason_of(decode, data) is Reason.CORRUPT


def test_a_packbits_run_across_the_end_of_its_strip_is_corrupt():
    data = tiff_file(np.full((1, 100), 7, np.uint8), compression=PACK_BITS)
    longer = data.replace(bytes([157, 7]), bytes([156, 7]))
    assert decode(data).pixels.shape == (1, 100)
    assert longer != data
    assert reason_of(decode, longer) is Reason.CORRUPT

"""What devices write wrongly into DICOM headers: the value that is meant, or a refusal."""

import math
import struct

import numpy as np
import pytest
from bonefx_edge.decode.dicom.numbers import optional_integer, read_numbers
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import DecodeError, Reason
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from image_files import deep_film, dicom_file, dicom_rle, gray_film, lut_item
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from refusals import refusal

TEXT_VRS = ["DS", "IS", "LO", "SH", "CS", "LT", "ST", "UT", "UC", "UN", "OB"]
BINARY_VRS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
FULL = {"WindowCenter": 2048, "WindowWidth": 4096}
"""The whole of 12 bits."""


def element(vr: str, value: bytes, keyword: str = "WindowCenter") -> Dataset:
    tag = Tag(keyword)
    kinds = {"is_implicit_VR": False, "is_little_endian": True}
    return Dataset({tag: RawDataElement(tag, vr, len(value), value, 0, **kinds)})


def raw(data: bytes, old: bytes, new: bytes) -> bytes:
    """Return the file with one value replaced by another of the same length."""
    assert data.count(old) == 1
    assert len(old) == len(new)
    return data.replace(old, new)


# --- numbers

NUMBERS = st.floats(-1e6, 1e6).map(lambda number: float(f"{number:.6g}"))
FORMS = [
    lambda number: f"{number:.6g}",
    lambda number: f"{number:.6g} ",
    lambda number: f" {number:+.6e}",
    lambda number: f"{number:.6g}".replace(".", ","),
    lambda number: f"{number:.5E}\0".replace(".", ","),
]


@given(NUMBERS, st.sampled_from(FORMS), st.sampled_from(TEXT_VRS))
def test_a_number_as_text_is_read_under_any_vr(number, form, vr):
    text = form(number)
    (read,) = read_numbers(element(vr, text.encode()), "WindowCenter")
    assert read == float(text.strip(" \0").replace(",", "."))
    assert read == pytest.approx(number, rel=1e-5)


@given(st.lists(NUMBERS, min_size=1, max_size=4), st.sampled_from(TEXT_VRS))
def test_several_numbers_are_read_as_several(numbers, vr):
    text = "\\".join(f"{number:.6g}".replace(".", ",") for number in numbers)
    assert read_numbers(element(vr, text.encode()), "WindowCenter") == numbers


@given(st.integers(0, 32767), st.sampled_from([*BINARY_VRS]))
def test_a_binary_number_is_read_under_any_vr(number, vr):
    value = struct.pack("<" + BINARY_VRS[vr], number)
    assert read_numbers(element(vr, value), "WindowCenter") == [number]


@given(st.text(st.characters(max_codepoint=255), min_size=1), st.sampled_from(TEXT_VRS))
def test_a_text_that_is_no_number_is_none(text, vr):
    read = read_numbers(element(vr, text.encode("latin-1")), "WindowCenter")
    for part, number in zip(text.strip("\0 \t\r\n").split("\\"), read, strict=bool(read)):
        try:
            wanted = float(part.strip("\0 \t\r\n").replace(",", "."))
        except ValueError:
            assert math.isnan(number)
        else:
            assert math.isnan(number) or number == wanted


@pytest.mark.parametrize(
    "text", ["NaN", "inf", "1e999", "2 048", "1.024,5", "1_000", "0x10", "20\u00b2", "2048 HU", "-"]
)
def test_what_only_begins_like_a_number_is_none(text):
    assert math.isnan(read_numbers(element("LO", text.encode("latin-1")), "WindowCenter")[0])


def test_an_integer_may_stand_as_text_but_must_be_whole():
    assert optional_integer(element("IS", b"12,0", "NumberOfFrames"), "NumberOfFrames") == 12
    with pytest.raises(DecodeError, match="expected one integer as NumberOfFrames"):
        optional_integer(element("IS", b"1.5 ", "NumberOfFrames"), "NumberOfFrames")


def test_a_decimal_comma_in_window_and_rescale_is_a_point():
    film = deep_film()
    elements = {"WindowCenter": "1023.5", "WindowWidth": "2047.5", "RescaleSlope": "0.5"}
    data = dicom_file(film, bits=12, RescaleIntercept="0", **elements)
    comma = data
    for text in elements.values():
        comma = raw(comma, text.encode(), text.replace(".", ",").encode())
    np.testing.assert_array_equal(decode(comma).pixels, decode(data).pixels)


def test_a_slope_that_is_no_number_is_refused():
    data = dicom_file(deep_film(), bits=12, RescaleSlope="1.25", RescaleIntercept="0")
    reason, message = refusal(raw(data, b"1.25", b"high"))
    assert reason is Reason.CORRUPT
    assert "expected a finite number as RescaleSlope" in message
    assert "high" not in message


# --- VOI LUT


@given(st.integers(8, 16), st.integers(8, 16))
@settings(deadline=None)
def test_a_voi_lut_is_scaled_by_what_its_entries_use_not_by_its_declared_bits(used, declared):
    curve = np.sqrt(np.arange(4096) / 4095)
    item = lut_item(np.rint(curve * ((1 << used) - 1)), bits=declared)
    radiograph = decode(dicom_file(deep_film(), bits=12, VOILUTSequence=item))
    assert radiograph.gray_mapping is GrayMapping.VOI_LUT
    expected = np.rint(255 * curve[deep_film()])
    assert np.abs(radiograph.pixels - expected).max() <= 1


@given(st.integers(-4096, 0), st.sampled_from([1, -1]))
@settings(deadline=None)
def test_the_first_mapped_value_is_signed_where_only_that_meets_the_pixels(intercept, slope):
    film = deep_film()
    first = intercept if slope > 0 else intercept - 4095
    elements = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    entries = np.arange(4096) * 16
    item = lut_item(entries, first=first % 65536)
    shown = decode(dicom_file(film, bits=12, VOILUTSequence=item, **elements)).pixels
    expected = np.rint(255 * entries[film if slope > 0 else 4095 - film] / entries[-1])
    np.testing.assert_array_equal(shown, expected)


# --- windows and LUTs that cannot be used

UNUSABLE = {
    "1/1": (1, 1),
    "width -9": (2048, -9),
    "beside the pixels": (-600, 1000),
    "above the pixels": (60000, 1500),
    "8 bit": (127, 255),
    "far too wide": (0, 500_000),
    "threshold": (2048, 1),
}


def as_without_window(film, **elements):
    return decode(dicom_file(film, bits=12, **elements)).pixels


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_window_that_cannot_be_used_is_left_out_and_said(kind, photometric):
    center, width = UNUSABLE[kind]
    film = deep_film()
    radiograph = decode(
        dicom_file(
            film,
            bits=12,
            WindowCenter=center,
            WindowWidth=width,
            PhotometricInterpretation=photometric,
        )
    )
    assert radiograph.gray_mapping is GrayMapping.VOI_UNUSABLE
    np.testing.assert_array_equal(
        radiograph.pixels, as_without_window(film, PhotometricInterpretation=photometric)
    )


@pytest.mark.parametrize("text", ["NaN ", "inf ", "auto", "1e99"])
def test_a_window_that_is_no_number_is_left_out_and_said(text):
    data = dicom_file(deep_film(), bits=12, WindowCenter="2049", WindowWidth="4096")
    radiograph = decode(raw(data, b"2049", text.encode()))
    assert radiograph.gray_mapping is GrayMapping.VOI_UNUSABLE
    np.testing.assert_array_equal(radiograph.pixels, as_without_window(deep_film()))


@pytest.mark.parametrize("kind", UNUSABLE)
def test_the_second_window_counts_where_the_first_cannot_be_used(kind):
    center, width = UNUSABLE[kind]
    windows = {"WindowCenter": [center, 2048], "WindowWidth": [width, 4096]}
    radiograph = decode(dicom_file(deep_film(), bits=12, **windows))
    assert radiograph.gray_mapping is GrayMapping.VOI_ALTERNATIVE
    np.testing.assert_array_equal(
        radiograph.pixels, decode(dicom_file(deep_film(), bits=12, **FULL)).pixels
    )


def shortened(item):
    item[0].LUTDescriptor = [4096, 0, 16]
    return item


BROKEN_LUTS = {
    "shorter than it says": lambda: shortened(lut_item(range(4000))),
    "all zero": lambda: lut_item([0] * 4096),
    "all white": lambda: lut_item([65535] * 4096),
    "one entry": lambda: lut_item([9]),
    "beside the pixels": lambda: lut_item(range(4096), first=30_000),
}


@pytest.mark.parametrize("kind", BROKEN_LUTS)
def test_a_good_window_counts_where_the_lut_beside_it_cannot_be_used(kind):
    radiograph = decode(
        dicom_file(deep_film(), bits=12, VOILUTSequence=BROKEN_LUTS[kind](), **FULL)
    )
    assert radiograph.gray_mapping is GrayMapping.VOI_ALTERNATIVE
    np.testing.assert_array_equal(
        radiograph.pixels, decode(dicom_file(deep_film(), bits=12, **FULL)).pixels
    )


def test_a_lut_item_without_a_lut_is_none():
    item = Dataset()
    item.LUTExplanation = "NORMAL"
    radiograph = decode(dicom_file(deep_film(), bits=12, VOILUTSequence=[item], **FULL))
    assert radiograph.gray_mapping is GrayMapping.VOI_WINDOW


@given(st.floats(-1e5, 1e5), st.floats(0, 1e5), st.sampled_from(["MONOCHROME1", "MONOCHROME2"]))
@settings(deadline=None)
def test_no_window_makes_a_film_blank(center, width, photometric):
    windows = {"WindowCenter": f"{center:.6g}", "WindowWidth": f"{width:.6g}"}
    radiograph = decode(
        dicom_file(deep_film(), bits=12, PhotometricInterpretation=photometric, **windows)
    )
    assert radiograph.pixels.std() > 8


@given(st.floats(0.25, 1), st.floats(0.3, 1.5), st.sampled_from(["LINEAR", "SIGMOID"]))
@settings(deadline=None)
def test_a_window_over_the_bright_part_of_the_film_is_used(top, width, function):
    film = deep_film()
    high = film.max() * (0.75 + top / 4)
    assume(high - width * 4096 < np.percentile(film, 40))
    windows = {"WindowCenter": high - width * 2048, "WindowWidth": width * 4096}
    windows = {keyword: f"{value:.5f}" for keyword, value in windows.items()}
    radiograph = decode(dicom_file(film, bits=12, VOILUTFunction=function, **windows))
    assert radiograph.gray_mapping is GrayMapping.VOI_WINDOW


@pytest.mark.parametrize("noise", [1, 4])
def test_a_blank_film_with_a_full_window_stays_blank(noise):
    film = (2000 + np.random.default_rng(0).integers(0, noise, (40, 56))).astype(np.uint16)
    assert decode(dicom_file(film, bits=12, **FULL)).pixels.std() < 2


# --- Bits Stored


@pytest.mark.parametrize("write", [dicom_file, dicom_rle])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("declared", range(8, 16))
def test_a_picture_that_goes_on_above_bits_stored_is_refused(declared, signed, write):
    for bits in range(declared + 1, 17):
        film = deep_film(80, 112, bits=bits) if bits > 8 else gray_film(80, 112)
        if signed:
            film = (film.astype(np.int32) - (1 << (bits - 1))).astype(np.int16)
        reason, message = refusal(write(film, bits=declared))
        assert reason is Reason.CORRUPT
        assert f"Bits Stored is {declared}" in message or f"of {declared} bits" in message


@given(
    st.integers(9, 15),
    st.sampled_from(["overlay", "garbage", "constant", "few pixels"]),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_what_else_lies_above_bits_stored_is_masked(bits, kind, seed):
    rng = np.random.default_rng(seed)
    film = deep_film(bits=bits)
    above = 0xFFFF & ~((1 << bits) - 1)
    rows, columns = np.mgrid[:40, :56]
    foreign = {
        "overlay": np.where((rows // 6 + columns // 9) % 2, 1 << rng.integers(bits, 16), 0),
        "garbage": rng.integers(0, 65536, film.shape) & above,
        "constant": np.full(film.shape, above),
        "few pixels": np.where(rng.random(film.shape) < 0.002, above, 0),
    }[kind].astype(np.uint16)
    clean = decode(dicom_file(film, bits=bits))
    np.testing.assert_array_equal(
        decode(dicom_file(film | foreign, bits=bits)).pixels, clean.pixels
    )


def test_signed_values_may_fill_the_bits_above_with_their_sign():
    film = (deep_film(bits=12).astype(np.int16) - 2048).astype(np.int16)
    filled = decode(dicom_file(film, bits=12))
    cut = decode(dicom_file(film & 0x0FFF, bits=12))
    np.testing.assert_array_equal(filled.pixels, cut.pixels)


def test_bits_that_an_overlay_claims_are_masked_whatever_they_hold():
    film = deep_film(bits=12)
    assert refusal(dicom_file(film, bits=11))[0] is Reason.CORRUPT
    claimed = decode(dicom_file(film, bits=11, overlay_bit=11)).pixels
    np.testing.assert_array_equal(claimed, decode(dicom_file(film & 0x07FF, bits=11)).pixels)

"""DICOM gray levels: modality LUT, then VOI, then 8 bit, then MONOCHROME1; and what is refused."""

import warnings

import numpy as np
import pytest
from bonefx_edge.decode.dicom.luts import window_to_unit
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.decode.reader import decode
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import deep_film, dicom_file, gray_film, lut_item
from pydicom.dataset import Dataset


def ramp(*values, dtype=np.uint16):
    """Return one row of these stored values."""
    return np.array([values], dtype)


def shown(pixels, **elements):
    """Return the gray levels of the DICOM file, as a list of the first row."""
    return decode(dicom_file(pixels, **elements)).pixels[0].tolist()


# Window center 50.5, width 101 (LINEAR): 0 shows as 0, 100 as 255, x as 2.55 x.
@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        # PS3.3 C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5) * 255
        ({"WindowCenter": 50.5, "WindowWidth": 101}, [0, 0, 51, 128, 255, 255]),
        # LINEAR_EXACT (C.11.2.1.3.2): ((x - c) / w + 0.5) * 255, here from 0 to 100 as well
        (
            {"WindowCenter": 50, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"},
            [0, 0, 51, 128, 255, 255],
        ),
        # SIGMOID (C.11.2.1.3.1): 255 / (1 + exp(-4 (x - c) / w)); exp(2) = 7.389
        (
            {"WindowCenter": 50, "WindowWidth": 100, "VOILUTFunction": "SIGMOID"},
            [30, 30, 59, 128, 225, 255],
        ),
        # width 1: a threshold; values up to center - 0.5 are black
        ({"WindowCenter": 50.5, "WindowWidth": 1}, [0, 0, 0, 0, 255, 255]),
        # stored 0 20 50 100 -> rescaled -100 -90 -75 -50; the window shows 2.55 (x + 102)
        (
            {
                "RescaleSlope": 0.5,
                "RescaleIntercept": -100,
                "WindowCenter": -51.5,
                "WindowWidth": 101,
            },
            [5, 5, 31, 69, 133, 255],
        ),
        # a negative slope turns dark and bright round before the window
        (
            {"RescaleSlope": -1, "RescaleIntercept": 100, "WindowCenter": 50.5, "WindowWidth": 101},
            [255, 255, 204, 128, 0, 0],
        ),
        # of several windows the first counts
        ({"WindowCenter": [50.5, 9], "WindowWidth": [101, 2]}, [0, 0, 51, 128, 255, 255]),
        # MONOCHROME1 is inverted last: 255 - the levels of the first row of this table
        (
            {
                "WindowCenter": 50.5,
                "WindowWidth": 101,
                "PhotometricInterpretation": "MONOCHROME1",
                "PresentationLUTShape": "INVERSE",
            },
            [255, 255, 204, 127, 0, 0],
        ),
    ],
    ids=[
        "linear",
        "linear exact",
        "sigmoid",
        "width 1",
        "rescale before window",
        "negative slope",
        "several windows",
        "monochrome1",
    ],
)
def test_window_levels_follow_the_standard(elements, expected):
    pixels = ramp(0, 0, 20, 50, 100, 300)
    radiograph = decode(dicom_file(pixels, **elements))
    assert radiograph.pixels[0].tolist() == expected
    assert radiograph.gray_mapping is GrayMapping.VOI_WINDOW


def test_voi_lut_is_looked_up_from_its_first_mapped_value_on():
    # 10 -> entry 0, 11 -> 1, 12 -> 2; below the first and above the last the end entries
    item = lut_item([0, 1023, 511], first=10, bits=10)
    elements = {"VOILUTSequence": item}
    assert shown(ramp(0, 10, 11, 12, 13, 60000), **elements) == [0, 0, 255, 127, 127, 127]


def test_an_8_bit_voi_lut_does_not_wrap_around():
    """Pydicom 3.0 shows entry (300 - 0) % 256 = 44 for stored 300."""
    item = lut_item(list(range(256)), bits=8)
    assert shown(ramp(0, 44, 255, 300, 65535), VOILUTSequence=item) == [0, 44, 255, 255, 255]


def test_a_packed_8_bit_lut_is_read_as_bytes():
    item = lut_item([0] * 4, bits=8)
    item[0]["LUTData"].value = bytes([0, 10, 20, 255])
    assert shown(ramp(0, 1, 2, 3), VOILUTSequence=item) == [0, 10, 20, 255]


def test_a_voi_lut_goes_before_a_window():
    item = lut_item([0, 65535], first=5)
    radiograph = decode(
        dicom_file(ramp(4, 5, 6), VOILUTSequence=item, WindowCenter=1000, WindowWidth=9)
    )
    assert radiograph.pixels[0].tolist() == [0, 0, 255]
    assert radiograph.gray_mapping is GrayMapping.VOI_LUT


def test_the_voi_lut_takes_rescaled_values():
    # stored 200 201 -> 0.5 x - 100 = 0, 0.5 (rounds to 0), 202 -> 1
    item = lut_item([0, 65535])
    elements = {"VOILUTSequence": item, "RescaleSlope": 0.5, "RescaleIntercept": -100}
    assert shown(ramp(0, 200, 201, 202), **elements) == [0, 0, 0, 255]


def test_a_modality_lut_goes_before_the_window():
    item = lut_item([100, 50, 0], first=1)
    elements = {"ModalityLUTSequence": item, "WindowCenter": 50.5, "WindowWidth": 101}
    assert shown(ramp(0, 1, 2, 3, 4), **elements) == [255, 255, 128, 0, 0]


def test_a_lut_with_a_signed_first_value_is_read_as_signed():
    item = lut_item([0, 32768, 65535], first=65535)  # -1 written as US
    elements = {"VOILUTSequence": item}
    assert shown(ramp(-2, -1, 0, 1, 2, dtype=np.int16), **elements) == [0, 0, 128, 255, 255]


def test_a_window_of_width_0_is_how_some_exporters_write_none():
    film = decode(dicom_file(ramp(1, 2), WindowCenter=0, WindowWidth=0))
    assert film.gray_mapping is GrayMapping.PERCENTILES


@given(
    st.floats(-1e4, 1e4),
    st.floats(1, 1e4),
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_every_window_is_monotone_within_0_and_1(center, width, function):
    values = np.arange(-2000.0, 2000.0, 7)
    unit = window_to_unit(values, center=center, width=width, function=function)
    assert unit.min() >= 0
    assert unit.max() <= 1
    assert (np.diff(unit) >= 0).all()


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom_after_its_output_range_is_taken_off(function):
    processing = pytest.importorskip("pydicom.pixels.processing")
    dataset = Dataset()
    dataset.update({})
    dataset.PhotometricInterpretation, dataset.VOILUTFunction = "MONOCHROME2", function
    dataset.WindowCenter, dataset.WindowWidth = 600, 800
    dataset.BitsStored, dataset.PixelRepresentation = 12, 0
    values = np.arange(4096.0)
    expected = processing.apply_windowing(values, dataset) / 4095
    unit = window_to_unit(values, center=600, width=800, function=function)
    np.testing.assert_allclose(unit, expected, atol=1e-12)


def test_without_window_the_percentiles_of_the_film_are_used():
    film = deep_film(bits=12)
    radiograph = decode(dicom_file(film, bits=12))
    low, high = np.percentile(film.astype(float), [0.5, 99.5])
    expected = np.rint(np.clip((film - low) / (high - low), 0, 1) * 255)
    np.testing.assert_array_equal(radiograph.pixels, expected)
    assert radiograph.gray_mapping is GrayMapping.PERCENTILES


def test_percentiles_of_a_negative_slope_turn_the_film_round():
    film = deep_film(bits=12)
    turned = decode(dicom_file(film, bits=12, RescaleSlope=-1, RescaleIntercept=4095)).pixels
    straight = decode(dicom_file((4095 - film).astype(np.uint16), bits=12)).pixels
    np.testing.assert_array_equal(turned, straight)


def test_8_bits_without_any_transformation_are_shown_as_stored():
    radiograph = decode(dicom_file(gray_film()))
    np.testing.assert_array_equal(radiograph.pixels, gray_film())
    assert radiograph.gray_mapping is GrayMapping.STORED


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_count_in_the_percentiles(photometric):
    film = deep_film(bits=12)
    padded = np.hstack([film, np.full((40, 30), 4000, np.uint16)])
    options = {"bits": 12, "PhotometricInterpretation": photometric}
    alone = decode(dicom_file(film, **options)).pixels
    with_padding = decode(dicom_file(padded, PixelPaddingValue=4000, **options)).pixels
    np.testing.assert_array_equal(with_padding[:, :56], np.where(film == 4000, 0, alone))
    assert (with_padding[:, 56:] == 0).all()


def test_a_padding_range_is_padding_whichever_end_comes_first():
    elements = {"WindowCenter": 50.5, "WindowWidth": 101}
    for first, last in ((60, 90), (90, 60)):
        padding = {"PixelPaddingValue": first, "PixelPaddingRangeLimit": last}
        assert shown(ramp(60, 75, 90, 50, 100), **elements, **padding) == [0, 0, 0, 128, 255]


def test_a_padding_value_of_the_wrong_signedness_is_understood():
    elements = {"WindowCenter": 0.5, "WindowWidth": 201}
    pixels = ramp(-100, 0, 100, dtype=np.int16)
    data = bytearray(dicom_file(pixels, PixelPaddingValue=-100, **elements))
    at = data.index(b"\x28\x00\x20\x01SS")
    data[at + 4 : at + 6] = b"US"
    assert decode(bytes(data)).pixels[0].tolist() == [0, 128, 255]


def test_a_film_of_padding_only_is_black():
    assert shown(ramp(7, 7), PixelPaddingValue=7) == [0, 0]


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_the_full_range_of_every_depth_is_shown_by_its_full_window(bits):
    dtype = np.uint8 if bits == 8 else np.uint16
    top = (1 << bits) - 1
    elements = {"bits": bits, "WindowCenter": (top + 1) / 2, "WindowWidth": top + 1}
    assert shown(ramp(0, top // 2 + 1, top, dtype=dtype), **elements) == [0, 128, 255]


@pytest.mark.parametrize("bits", [12, 16])
def test_signed_values_are_shown_by_their_window(bits):
    low = -(1 << (bits - 1))
    pixels = ramp(low, 0, -low - 1, dtype=np.int16)
    assert shown(pixels, bits=bits, WindowCenter=0, WindowWidth=-2 * low) == [0, 128, 255]


def test_an_overlay_in_the_unused_high_bits_does_not_show():
    elements = {"bits": 12, "WindowCenter": 2048, "WindowWidth": 4096}
    clean, dirty = ramp(0, 2048, 4095), ramp(0x1000, 0x8000 | 2048, 0xF000 | 4095)
    assert shown(dirty, **elements) == shown(clean, **elements) == [0, 128, 255]


@settings(deadline=None)  # the machine may be busy
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["window", "lut", "percentiles", "stored"]),
    st.sampled_from([0.5, 1, -2]),
)
def test_monochrome1_is_the_mirror_of_monochrome2(seed, mapping, slope):
    rng = np.random.default_rng(seed)
    dtype, bits = (np.uint8, 8) if mapping == "stored" else (np.uint16, 12)
    film = rng.integers(0, 1 << bits, (5, 7)).astype(dtype)
    elements = {
        "window": {"WindowCenter": 900, "WindowWidth": 1500, "RescaleSlope": slope},
        "lut": {"VOILUTSequence": lut_item(sorted(rng.integers(0, 4096, 4096)), bits=12)},
        "percentiles": {"RescaleSlope": slope, "RescaleIntercept": -100},
        "stored": {},
    }[mapping]
    bright, dark = (
        decode(dicom_file(film, bits=bits, PhotometricInterpretation=photometric, **elements))
        for photometric in ("MONOCHROME2", "MONOCHROME1")
    )
    assert bright.gray_mapping is dark.gray_mapping
    np.testing.assert_array_equal(dark.pixels, 255 - bright.pixels)


@pytest.mark.parametrize(
    ("value", "years"),
    [("045Y", 45), ("018M", 1.5), ("", None), ("45", None), ("045y ", 45), ("8Y", 8), ("45Y", 45)],
)
def test_the_age_of_the_patient_is_in_years_or_none(value, years):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom, of the values that are no age
        data = dicom_file(gray_film(), PatientAge=value)
    assert decode(data).age_years == years


@pytest.mark.parametrize(
    ("value", "expected"), [(" hand ", "HAND"), ("", None), (None, None), ("Knee", "KNEE")]
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_body_part_is_in_capitals_or_none(value, expected):
    assert decode(dicom_file(gray_film(), BodyPartExamined=value)).body_part == expected


def test_lut_data_as_integers_is_read_like_lut_data_as_words():
    item = lut_item([0, 65535, 32768])
    item[0].add_new(0x00283006, "US", [0, 65535, 32768])
    assert shown(ramp(0, 1, 2), VOILUTSequence=item) == [0, 255, 128]

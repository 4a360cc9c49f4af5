"""Slips in JPEG headers about no pixel: the film is read, and damage beside them still refused."""

import numpy as np
import pytest
from bonefx_edge.decode import decode
from bonefx_edge.errors import DecodeError, Reason
from image_files import color_picture, dicom_file, gray_film, jpeg_file


def scan_of_nothing(data):
    """Return it with a scan header for the coefficients 0 to 0, as some phones write it."""
    at = data.index(b"\xff\xda")
    end = at + 2 + data[at + 3]
    return data[: end - 3] + b"\0\0\0" + data[end:]


def version_2_01(data):
    return data.replace(b"JFIF\0\x01\x01", b"JFIF\0\x02\x01", 1)


def color_profile_of_nothing(data):
    """Return it with part 9 of 2 of a color profile."""
    part = b"ICC_PROFILE\0\x09\x02abc"
    return data[:2] + b"\xff\xe2" + (len(part) + 2).to_bytes(2, "big") + part + data[2:]


def all_of_them(data):
    return color_profile_of_nothing(version_2_01(scan_of_nothing(data)))


SLIPS = [scan_of_nothing, version_2_01, color_profile_of_nothing, all_of_them]
FILMS = {
    "gray": jpeg_file(gray_film()),
    "color": jpeg_file(color_picture()),
    "restarts": jpeg_file(gray_film(), restart_marker_rows=1),
}


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("film", FILMS)
def test_a_slip_in_the_header_changes_nothing(film, slip):
    right, slipped = decode(FILMS[film]), decode(slip(FILMS[film]))
    np.testing.assert_array_equal(slipped.pixels, right.pixels)
    assert slipped.chroma == right.chroma


def test_a_slip_inside_dicom_changes_nothing():
    syntax = "1.2.840.10008.1.2.4.50"
    data = dicom_file(gray_film(), syntax=syntax, stream=scan_of_nothing(FILMS["gray"]))
    np.testing.assert_array_equal(decode(data).pixels, decode(FILMS["gray"]).pixels)


def test_a_progressive_scan_header_is_not_put_right():
    data = scan_of_nothing(
        jpeg_file(gray_film(), progressive=True).replace(b"\xff\xc2", b"\xff\xc0")
    )
    with pytest.raises(DecodeError):
        decode(data)


@pytest.mark.parametrize("slip", SLIPS)
def test_a_file_with_a_slip_that_is_cut_is_truncated(slip):
    data = slip(FILMS["gray"])
    for end in range(data.index(b"\xff\xda") + 12, len(data) - 2, 7):
        for cut in (data[:end], data[:end] + b"\xff\xd9"):
            with pytest.raises(DecodeError) as caught:
                decode(cut)
            assert caught.value.reason in (Reason.TRUNCATED, Reason.CORRUPT), end


@pytest.mark.parametrize("film", FILMS)
def test_damage_behind_a_slip_is_found_as_without_it(film):
    data, rng = FILMS[film], np.random.default_rng(0)
    start = data.index(b"\xff\xda") + 14
    for _ in range(200):
        damaged = bytearray(data)
        damaged[rng.integers(start, len(data))] = rng.integers(256)
        assert outcome(scan_of_nothing(bytes(damaged))) == outcome(bytes(damaged))


def outcome(data):
    try:
        return decode(data).pixels.tobytes()
    except DecodeError as err:
        return err.reason

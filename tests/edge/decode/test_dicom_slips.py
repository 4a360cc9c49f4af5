"""Harmless slips of DICOM writers: padding, frames, boxes, color that is gray, shutters."""

import struct

import numpy as np
import pytest
from bonefx_edge.decode.options import DecodeOptions, SiteSwitch
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import Reason, UsageError
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import (
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
    without_preamble,
)
from refusals import refusal

FULL = {"WindowCenter": 2048, "WindowWidth": 4096}
"""The whole of 12 bits."""
ALL = DecodeOptions(frozenset(SiteSwitch))
RLE, JPEG_2000 = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"


# --- padding values


@pytest.mark.parametrize("windows", [FULL, {}], ids=["window", "percentiles"])
@pytest.mark.parametrize(
    ("photometric", "padding"), [("MONOCHROME1", 0), ("MONOCHROME2", 4095)], ids=["one", "two"]
)
def test_bright_padding_is_black_only_where_it_reaches_a_corner(photometric, padding, windows):
    film = np.clip(deep_film(), 1, 4000)
    film[10:14, 20:26] = padding  # metal within the limb
    film[30:, 10:16] = padding  # bone that runs off the film
    film[:, 50:] = padding  # collimated
    elements = {"bits": 12, "PhotometricInterpretation": photometric, **windows}
    shown = decode(dicom_file(film, PixelPaddingValue=padding, **elements)).pixels
    assert (shown[:, 50:] == 0).all()
    assert (shown[10:14, 20:26] == 255).all()
    assert (shown[30:, 10:16] == 255).all()


@pytest.mark.parametrize("padding", [65535, 4096, -32768])
def test_padding_outside_bits_stored_is_black_wherever_it_lies(padding):
    """Masked to Bits Stored, 65535 would be the white of 12 bits."""
    film = deep_film()
    elements = FULL
    if padding < 0:
        film = (film.astype(np.int16) - 2048).astype(np.int16)
        elements = {"WindowCenter": 0, "WindowWidth": 4096}
    whole = decode(dicom_file(film, bits=12, **elements)).pixels
    film[:5] = padding
    film[20:30, 20:30] = padding
    shown = decode(dicom_file(film, bits=12, PixelPaddingValue=padding, **elements)).pixels
    expected = whole.copy()
    expected[:5] = expected[20:30, 20:30] = 0
    np.testing.assert_array_equal(shown, expected)


@given(
    st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    st.integers(0, 4095),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_no_padding_value_turns_bright_pixels_within_the_picture_black(
    photometric, padding, signed, seed
):
    """Each value may be padding: brighter than a dark gray, it shows as it is without padding."""
    film = np.random.default_rng(seed).integers(0, 4096, (12, 16)).astype(np.uint16)
    film[5:8, 5:8] = padding
    film[1:-1, 1:-1] = np.where(film[1:-1, 1:-1] == padding, padding ^ 1, film[1:-1, 1:-1])
    film[5:8, 5:8] = padding
    if signed:
        film = (film.astype(np.int32) - 2048).astype(np.int16)
        elements = {"PixelPaddingValue": padding - 2048, "WindowCenter": 0, "WindowWidth": 4096}
    else:
        elements = {"PixelPaddingValue": padding, **FULL}
    elements |= {"bits": 12, "PhotometricInterpretation": photometric}
    shown = decode(dicom_file(film, **elements)).pixels[5:8, 5:8]
    del elements["PixelPaddingValue"]
    plain = decode(dicom_file(film, **elements)).pixels[5:8, 5:8]
    np.testing.assert_array_equal(shown, np.where(plain < 64, 0, plain))


# --- around the compressed stream


def stream_of(data):
    """Return the compressed frame of a file of `dicom_file`: after its empty offset table."""
    at = data.rindex(b"\xfe\xff\x00\xe0")
    (length,) = struct.unpack_from("<I", data, at + 4)
    return data[at + 8 : at + 8 + length].rstrip(b"\0")


@pytest.mark.parametrize("build", [dicom_jpeg, dicom_jpeg_ls, dicom_jpeg_2000])
@pytest.mark.parametrize("padding", ["00", "ff", "20", "0000", "ffff", "ff00", "00" * 9, "ff" * 64])
def test_padding_after_the_end_marker_is_no_damage(build, padding):
    film = gray_film()
    data = build(film)
    syntax = next(
        uid
        for uid in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80", JPEG_2000)
        if uid.encode() in data
    )
    padded = dicom_file(film, syntax=syntax, stream=stream_of(data) + bytes.fromhex(padding))
    np.testing.assert_array_equal(decode(padded).pixels, decode(data).pixels)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 7])
def test_the_length_of_the_sequence_delimiter_does_not_matter(length):
    data = dicom_rle(gray_film())
    assert data.endswith(b"\xfe\xff\xdd\xe0" + bytes(4))
    odd = data[:-4] + struct.pack("<I", length)
    np.testing.assert_array_equal(decode(odd).pixels, decode(data).pixels)


def box(kind: bytes, content: bytes, *, length: int | None = None, long: bool = False) -> bytes:
    """Return a JP2 box; `length` 0 means up to the end of the file."""
    if long:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    length = len(content) + 8 if length is None else length
    return struct.pack(">I4s", length, kind) + content


@pytest.mark.parametrize("kind", ["short", "long", "to the end", "a box behind"])
def test_jp2_boxes_around_the_codestream_are_left_out(kind):
    data = dicom_jpeg_2000(deep_film(), bits=12)
    stream = stream_of(data)
    last = {
        "short": box(b"jp2c", stream),
        "long": box(b"jp2c", stream, long=True),
        "to the end": box(b"jp2c", stream, length=0),
        "a box behind": box(b"jp2c", stream) + box(b"uuid", b"\0" * 20),
    }[kind]
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    boxed = start + box(b"jp2h", b"\0" * 30, long=True) + last
    shown = decode(dicom_file(deep_film(), syntax=JPEG_2000, stream=boxed, bits=12)).pixels
    np.testing.assert_array_equal(shown, decode(data).pixels)


@pytest.mark.parametrize("cut", [5, 13, 30, 60, 90])
def test_jp2_boxes_without_a_whole_codestream_are_refused(cut):
    stream = stream_of(dicom_jpeg_2000(deep_film(), bits=12))
    boxed = box(b"jP  ", b"\r\n\x87\n") + box(b"jp2h", b"\0" * 30) + box(b"jp2c", stream)
    reason, _ = refusal(dicom_file(deep_film(), syntax=JPEG_2000, stream=boxed[:cut], bits=12))
    assert reason in (Reason.CORRUPT, Reason.TRUNCATED)


# --- what kind of picture


def test_0_frames_are_one():
    np.testing.assert_array_equal(
        decode(dicom_file(gray_film(), NumberOfFrames=0)).pixels, gray_film()
    )


def rgb_dicom(channels, *, planar=0, compressed=False):
    """Return RGB DICOM of (height, width, 3) pixels."""
    stored = channels.transpose(2, 0, 1) if planar else channels
    elements = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": planar,
        "Rows": channels.shape[0],
        "Columns": channels.shape[1],
    }
    if compressed:
        planes = rle_planes(channels)
        return dicom_file(channels, syntax=RLE, stream=planes, **elements)
    return dicom_file(np.ascontiguousarray(stored), **elements)


def rle_planes(channels):
    """Return an RLE frame of three segments."""
    single = [rle_stream(np.ascontiguousarray(channels[..., index]))[64:] for index in range(3)]
    offsets = np.cumsum([64, *(len(segment) for segment in single)])[:-1]
    return struct.pack("<16I", 3, *offsets, *[0] * 12) + b"".join(single)


@pytest.mark.parametrize(
    "options", [{}, {"planar": 1}, {"compressed": True}], ids=["by pixel", "by plane", "rle"]
)
def test_rgb_of_three_equal_samples_is_the_gray_picture(options):
    film = gray_film()
    radiograph = decode(rgb_dicom(np.dstack([film] * 3), **options))
    np.testing.assert_array_equal(radiograph.pixels, film)
    assert radiograph.gray_mapping is GrayMapping.STORED
    reason, message = refusal(rgb_dicom(color_picture(), **options))
    assert reason is Reason.UNSUPPORTED
    assert "in color" in message


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422"])
def test_a_gray_picture_in_color_jpeg_is_read_and_a_colorful_one_refused(photometric):
    def color_dicom(picture):
        return dicom_file(
            picture[..., 0],
            syntax="1.2.840.10008.1.2.4.50",
            stream=jpeg_file(picture),
            SamplesPerPixel=3,
            PhotometricInterpretation=photometric,
        )

    gray = np.dstack([gray_film()] * 3)
    np.testing.assert_array_equal(decode(color_dicom(gray)).pixels, decode(jpeg_file(gray)).pixels)
    reason, message = refusal(color_dicom(color_picture()))
    assert reason is Reason.UNSUPPORTED
    assert "in color" in message


def test_luminance_and_chroma_without_compression_is_no_gray_image():
    elements = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL"}
    reason, message = refusal(dicom_file(gray_film(), **elements))
    assert reason is Reason.UNSUPPORTED
    assert "3 samples per pixel, YBR_FULL" in message


def test_rgb_that_differs_in_one_sample_is_color():
    film = np.dstack([gray_film()] * 3)
    film[-1, -1, 2] += 1
    assert refusal(rgb_dicom(film))[0] is Reason.UNSUPPORTED


@pytest.mark.parametrize(("stored", "high_bit"), [(12, 15), (12, 13), (8, 15), (12, 0)])
def test_pixels_that_are_not_in_the_lowest_bits_get_advice_that_can_be_followed(stored, high_bit):
    reason, message = refusal(dicom_file(deep_film(), bits=stored, HighBit=high_bit))
    assert reason is Reason.UNSUPPORTED
    assert message.endswith(f"Export the image as PNG, or with High Bit {stored - 1}.")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
@pytest.mark.parametrize("begins", ["magic", "meta", "dataset"])
def test_dicom_without_preamble_is_named_and_with_the_switch_answered(syntax, begins):
    whole = dicom_file(deep_film(), bits=12, syntax=syntax)
    data = without_preamble(whole, begins=begins)
    for options in (DecodeOptions(), DecodeOptions.of(["presentation-lut-shape"])):
        reason, message = refusal(data, options=options)
        assert reason is Reason.NOT_AN_IMAGE
        assert message.startswith("This is DICOM without its preamble")
        assert "--accept no-preamble" in message
    radiograph = decode(data, options=ALL)
    assert radiograph.accepted == (SiteSwitch.NO_PREAMBLE,)
    assert (radiograph.pixels == decode(whole).pixels).all()


def test_the_switches_do_nothing_for_a_file_without_the_fault():
    data = dicom_file(deep_film(), bits=12, PresentationLUTShape="IDENTITY")
    radiograph = decode(data, options=ALL)
    assert radiograph.accepted == ()
    assert (radiograph.pixels == decode(data).pixels).all()


def test_a_compressed_data_set_without_its_transfer_syntax_is_refused():
    data = without_preamble(dicom_rle(deep_film(), bits=12), begins="dataset")
    assert refusal(data, options=ALL)[0] is Reason.CORRUPT


@pytest.mark.parametrize("begins", ["magic", "meta", "dataset"])
def test_without_preamble_all_else_is_refused_as_ever(begins):
    data = without_preamble(dicom_file(deep_film(), bits=12, Modality="CT"), begins=begins)
    assert refusal(data, options=ALL)[0] is Reason.WRONG_MODALITY


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_contradicting_shape_is_accepted_by_its_switch_and_changes_no_gray_level(
    photometric, kept
):
    shape = {"MONOCHROME1": "IDENTITY", "MONOCHROME2": "INVERSE"}[photometric]
    words = {"bits": 12, "PhotometricInterpretation": photometric, "WindowWidth": 4000}
    words |= {"WindowCenter": 2000}
    data = dicom_file(deep_film(), PresentationLUTShape=shape, **words)
    for options in (DecodeOptions(), DecodeOptions.of(["no-preamble"])):
        reason, message = refusal(data, options=options)
        assert reason is Reason.UNSUPPORTED
        assert f"({photometric} with Presentation LUT Shape {shape})" in message
        assert "--accept presentation-lut-shape" in message
    found = decode(data if kept else without_preamble(data), options=ALL)
    expected = (SiteSwitch.PRESENTATION_LUT_SHAPE,)
    assert found.accepted == (expected if kept else (SiteSwitch.NO_PREAMBLE, *expected))
    assert (found.pixels == decode(dicom_file(deep_film(), **words)).pixels).all()


def test_a_shape_that_is_no_word_of_the_standard_stays_refused():
    data = dicom_file(deep_film(), bits=12, PresentationLUTShape="SECRET")
    reason, message = refusal(data, options=ALL)
    assert reason is Reason.UNSUPPORTED
    assert message.endswith("another value). Correct the header, or export it again.")


def test_a_switch_that_does_not_exist_is_named():
    with pytest.raises(UsageError, match="expected one of presentation-lut-shape, no-preamble"):
        DecodeOptions.of(["no-preamble", "no-header"])


@pytest.mark.parametrize("start", [b"\x08\0", b"\x02\0\0\0ul", b"\x08\0\x05\0" + b"\xff" * 9])
def test_what_only_begins_like_dicom_is_not_said_to_be_dicom(start):
    reason, message = refusal(start + bytes(100))
    assert reason is Reason.NOT_AN_IMAGE
    assert message.startswith("Not a JPEG")


# --- display shutter

EDGES = dict(
    zip(
        (
            "ShutterLeftVerticalEdge",
            "ShutterRightVerticalEdge",
            "ShutterUpperHorizontalEdge",
            "ShutterLowerHorizontalEdge",
        ),
        (11, 40, 6, 30),
        strict=True,
    )
)
ROWS, COLUMNS = np.mgrid[1:41, 1:57]
"""Counted from 1, as the standard does."""
SHUTTERS = {
    "RECTANGULAR": (
        EDGES,
        (COLUMNS >= 11) & (COLUMNS <= 40) & (ROWS >= 6) & (ROWS <= 30),
    ),
    "CIRCULAR": (
        {"CenterOfCircularShutter": [20, 28], "RadiusOfCircularShutter": 12},
        (ROWS - 20) ** 2 + (COLUMNS - 28) ** 2 <= 12**2,
    ),
    "POLYGONAL": (
        {"VerticesOfThePolygonalShutter": [1, 1, 40, 1, 1, 40]},
        ROWS + COLUMNS <= 41,
    ),
}


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", SHUTTERS)
def test_outside_the_shutter_is_black_and_does_not_count_in_the_percentiles(shape, photometric):
    elements, inside = SHUTTERS[shape]
    film = np.where(inside, deep_film(), 65535).astype(np.uint16)
    options = {"PhotometricInterpretation": photometric}
    shown = decode(dicom_file(film, ShutterShape=shape, **elements, **options)).pixels
    # OpenCV draws the edge of a circle to within half a pixel.
    assert (shown != 0)[~inside].mean() < 0.02
    low, high = np.percentile(film[inside], [0.5, 99.5])
    unit = np.rint(np.clip((film - low) / (high - low), 0, 1) * 255)
    expected = unit if photometric == "MONOCHROME2" else 255 - unit
    assert np.abs(shown - expected)[inside & (shown > 0)].max() <= 3


def test_of_two_shutters_the_common_part_is_the_picture():
    elements = SHUTTERS["RECTANGULAR"][0] | SHUTTERS["POLYGONAL"][0]
    shown = decode(
        dicom_file(
            np.full((40, 56), 255, np.uint8), ShutterShape=["RECTANGULAR", "POLYGONAL"], **elements
        )
    ).pixels
    inside = SHUTTERS["RECTANGULAR"][1] & SHUTTERS["POLYGONAL"][1]
    np.testing.assert_array_equal(shown, np.where(inside, 255, 0))


@pytest.mark.parametrize(
    "edges",
    [
        {"ShutterLeftVerticalEdge": 41},
        {"ShutterLeftVerticalEdge": 40, "ShutterUpperHorizontalEdge": 30},
        {"ShutterLeftVerticalEdge": None},
        {"ShutterLeftVerticalEdge": 2**31 - 1},
        {"ShutterShape": "BITMAP"},
        {"ShutterShape": "CIRCULAR"},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [2, 2]},
    ],
    ids=["crossed", "one pixel", "one edge less", "far away", "bitmap", "no circle", "a point"],
)
def test_a_shutter_that_would_leave_nothing_is_left_out(edges):
    elements = {"ShutterShape": "RECTANGULAR", **EDGES, **edges}
    np.testing.assert_array_equal(decode(dicom_file(gray_film(), **elements)).pixels, gray_film())

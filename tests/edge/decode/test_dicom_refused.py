"""DICOM that is no single gray radiograph, or makes no sense; and nothing of a patient leaks."""

import logging
import struct

import numpy as np
import pytest
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import Reason
from image_files import deep_film, dicom_file, gray_film, lut_item, write_dicom
from pydicom.dataset import Dataset
from refusals import refusal


def ramp(*values, dtype=np.uint16):
    """Return one row of these stored values."""
    return np.array([values], dtype)


def header_only():
    dataset = Dataset()
    dataset.Modality = "DX"
    dataset.Rows = dataset.Columns = 2
    return write_dicom(dataset, syntax="1.2.840.10008.1.2.1")


REFUSED = {
    "ct": ({"Modality": "CT"}, Reason.WRONG_MODALITY, "DICOM modality CT. Send CR, DX"),
    "no modality": ({"Modality": None}, Reason.WRONG_MODALITY, "DICOM modality none"),
    "odd modality": (
        {"Modality": "SECRETNAME"},
        Reason.WRONG_MODALITY,
        "DICOM modality another value",
    ),
    "raw": (
        {"PresentationIntentType": "FOR PROCESSING"},
        Reason.NOT_FOR_PRESENTATION,
        "Raw detector data (FOR PROCESSING). Send the image",
    ),
    "raw by its SOP class alone": (
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1"},
        Reason.NOT_FOR_PRESENTATION,
        "Raw detector data (FOR PROCESSING). Send the image",
    ),
    "frames": ({"NumberOfFrames": 3}, Reason.UNSUPPORTED, "(3 frames"),
    "rgb": (
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
        Reason.UNSUPPORTED,
        "in color (RGB of 16 bits)",
    ),
    "palette": (
        {"PhotometricInterpretation": "PALETTE COLOR"},
        Reason.UNSUPPORTED,
        "1 samples per pixel, PALETTE COLOR",
    ),
    "no photometric": (
        {"PhotometricInterpretation": None},
        Reason.UNSUPPORTED,
        "per pixel, none",
    ),
    "inverse twice": (
        {"PresentationLUTShape": "INVERSE"},
        Reason.UNSUPPORTED,
        "(MONOCHROME2 with Presentation LUT Shape INVERSE)",
    ),
    "32 bit": ({"BitsAllocated": 32}, Reason.UNSUPPORTED, "32 bits allocated"),
    "high bit": ({"HighBit": 14}, Reason.UNSUPPORTED, "high bit 14"),
    "bits": ({"BitsStored": 17, "HighBit": 16}, Reason.UNSUPPORTED, "17 stored"),
    "1 bit": ({"BitsStored": 1, "HighBit": 0}, Reason.UNSUPPORTED, "1 stored"),
    "no rows": ({"Rows": None}, Reason.CORRUPT, "expected Rows in the DICOM header"),
    "zero rows": ({"Rows": 0}, Reason.CORRUPT, "at least 1 x 1 pixels"),
    "more rows": ({"Rows": 41}, Reason.TRUNCATED, "expected 4592 bytes of pixels, got 4480"),
    "two rows": ({"Rows": [40, 40]}, Reason.CORRUPT, "expected one integer as Rows"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_single_gray_radiograph_is_refused_with_its_reason(kind):
    elements, reason, words = REFUSED[kind]
    got, message = refusal(dicom_file(deep_film(bits=16), **elements))
    assert got is reason
    assert words in message
    assert "SECRET" not in message.upper()


def test_a_whole_object_without_pixel_data_is_no_radiograph():
    reason, message = refusal(header_only())
    assert reason is Reason.WRONG_MODALITY
    assert "holds no image: it is whole, without Pixel Data" in message


def test_a_whole_object_may_end_with_a_sequence_of_undefined_length():
    sequence = struct.pack("<HH2sHI", 0x0070, 0x0087, b"SQ", 0, 0xFFFFFFFF)
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    assert refusal(header_only() + sequence + end)[0] is Reason.WRONG_MODALITY


@pytest.mark.parametrize("cut", range(1, 10))
def test_an_object_cut_before_its_pixel_data_is_truncated(cut):
    reason, message = refusal(header_only()[:-cut])
    assert reason is Reason.TRUNCATED
    assert "expected whole Pixel Data (7FE0,0010)" in message


def test_a_dicomdir_is_no_radiograph():
    reason, message = refusal(dicom_file(gray_film(), SOPClassUID="1.2.840.10008.1.3.10"))
    assert reason is Reason.WRONG_MODALITY
    assert "DICOMDIR" in message


def test_nothing_of_the_patient_is_warned_printed_or_logged(capfd, recwarn, caplog):
    caplog.set_level(logging.DEBUG)
    data = bytearray(dicom_file(gray_film(), BodyPartExamined="SECRETPART"))
    data[data.index(b"SECRETPART") + 3] = 0x80  # not a legal code string: pydicom would warn
    decode(bytes(data))
    output = capfd.readouterr()
    assert output.out == output.err == ""
    assert not recwarn.list
    assert "SECRET" not in caplog.text.upper()


def test_a_value_that_is_no_number_is_corrupt_and_not_quoted():
    data = dicom_file(ramp(1, 2), RescaleSlope="1.25", RescaleIntercept="0")
    reason, message = refusal(data.replace(b"1.25", b"Eve "))
    assert reason is Reason.CORRUPT
    assert "expected a finite number as RescaleSlope" in message
    assert "Eve" not in message


def test_a_file_without_transfer_syntax_is_corrupt():
    data = dicom_file(ramp(1, 2)).replace(b"\2\0\x10\0UI", b"\2\0\x11\0UI", 1)
    reason, message = refusal(data)
    assert reason is Reason.CORRUPT
    assert "expected Transfer Syntax UID (0002,0010), it is missing" in message


@pytest.mark.parametrize(
    "item",
    [[], [Dataset()]],
    ids=["no item", "empty item"],
)
def test_a_modality_lut_without_content_is_none(item):
    assert decode(dicom_file(gray_film(), ModalityLUTSequence=item)).gray_mapping == "stored"


def test_a_modality_lut_shorter_than_it_says_is_corrupt():
    item = lut_item([1, 2, 3])
    item[0].LUTDescriptor = [4, 0, 16]
    reason, message = refusal(dicom_file(ramp(1, 2), ModalityLUTSequence=item))
    assert reason is Reason.CORRUPT
    assert "expected 4 LUT entries, got 3" in message


def test_a_slope_of_0_is_corrupt():
    assert refusal(dicom_file(ramp(1, 2), RescaleSlope=0))[0] is Reason.CORRUPT


def test_deflated_dicom_is_refused_before_it_is_inflated():
    data = dicom_file(np.zeros((2000, 2000), np.uint8), syntax="1.2.840.10008.1.2.1.99")
    assert len(data) < 10_000
    reason, message = refusal(data)
    assert reason is Reason.UNSUPPORTED
    assert "deflated as a whole" in message


def test_big_endian_dicom_is_unsupported_by_name():
    reason, message = refusal(dicom_file(gray_film(), syntax="1.2.840.10008.1.2.2"))
    assert reason is Reason.UNSUPPORTED
    assert "not read (Explicit VR Big Endian (retired)). Send the file uncompressed" in message

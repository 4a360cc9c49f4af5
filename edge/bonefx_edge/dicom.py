"""DICOM Part 10 to a radiograph as its maker wants it shown: modality LUT, VOI, then polarity."""

import logging
import struct
import warnings
from io import BytesIO
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset

from bonefx_edge import voi
from bonefx_edge.dicom_frame import PixelLayout, read_stored
from bonefx_edge.errors import DecodeError, Reason
from bonefx_edge.levels import count_values, percentile_range, scale_to_unit, unit_to_gray
from bonefx_edge.limits import Limits, check_pixels
from bonefx_edge.radiograph import FileFormat, GrayMapping, Radiograph

# pydicom quotes element values in its warnings and log records; none of them may reach a log.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

MODALITIES: Final = frozenset({"CR", "DX", "RG"})
"""Computed radiography, digital radiography, digitized film: Modality (0008,0060)."""
_KEYWORDS: Final = [
    "SpecificCharacterSet",
    "PresentationIntentType",
    "Modality",
    "BodyPartExamined",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "WindowCenter",
    "WindowWidth",
    "RescaleIntercept",
    "RescaleSlope",
    "VOILUTFunction",
    "ModalityLUTSequence",
    "LUTDescriptor",
    "LUTData",
    "VOILUTSequence",
    "PresentationLUTShape",
    "PixelData",
]
"""All that is ever read: name, identifier and dates of the patient never enter memory as values."""
_TRANSFER_SYNTAX: Final = 0x00020010
_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""Media Storage SOP Class UID of a DICOMDIR: an index without an image."""
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_META_AT: Final = 132
"""Bytes before the file meta information: preamble and "DICM"."""
_META_BYTES: Final = 1 << 16
"""The file meta information is a few hundred bytes."""
_MAX_BITS: Final = 16
_SHOWN_BITS: Final = 8
_INVERSES: Final = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}
"""The only Presentation LUT Shape that fits each photometric interpretation (PS3.3 C.7.6.1)."""
_QUOTABLE: Final = frozenset(
    [
        "CR",
        "DX",
        "RG",
        "CT",
        "MR",
        "US",
        "MG",
        "NM",
        "PT",
        "XA",
        "RF",
        "SR",
        "PR",
        "KO",
        "OT",
        "DOC",
        "SEG",
        "IO",
        "PX",
        "ECG",
        "REG",
        "XC",
        "ES",
        "OP",
        "SM",
        "RTDOSE",
        "RTIMAGE",
        "RTPLAN",
        "RTSTRUCT",
        "RGB",
        "YBR_FULL",
        "YBR_FULL_422",
        "YBR_ICT",
        "YBR_RCT",
        "MONOCHROME1",
        "MONOCHROME2",
        "IDENTITY",
        "INVERSE",
    ]
) | {"PALETTE COLOR"}
"""Header values that may stand in a message: words of the standard, none of a person."""
_PYDICOM_ERRORS: Final = (
    # What pydicom 3.0 raises on damaged files, found by fuzzing: it promises no single type.
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    OSError,
)


def decode_dicom(data: bytes, *, limits: Limits) -> Radiograph:
    """Return the radiograph of a single-frame CR, DX or RG image for presentation.

    Raises
    ------
    DecodeError
        WRONG_MODALITY, NOT_FOR_PRESENTATION, UNSUPPORTED, MISSING_CODEC, TOO_LARGE, TRUNCATED,
        CORRUPT. No message holds a value that could name a patient.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns, with values, about harmless oddities
        try:
            return _decode(data, limits=limits)
        except EOFError as err:
            msg = "expected whole DICOM, the file ends inside an element; send it again"
            raise DecodeError(Reason.TRUNCATED, msg) from err
        except _PYDICOM_ERRORS as err:
            msg = f"expected readable DICOM, got damage ({type(err).__name__}); send the file again"
            raise DecodeError(Reason.CORRUPT, msg) from err


def _decode(data: bytes, *, limits: Limits) -> Radiograph:
    dataset, transfer_syntax = _read(data)
    _check_kind(dataset)
    layout = _read_layout(dataset)
    check_pixels(layout.rows, layout.columns, limits=limits)
    stored = read_stored(dataset.PixelData, layout=layout, transfer_syntax=transfer_syntax)
    table, mapping = _gray_table(dataset, layout=layout, stored=stored)
    return Radiograph(
        pixels=table[stored],
        file_format=FileFormat.DICOM,
        gray_mapping=mapping,
        body_part=_text(dataset, "BodyPartExamined") or None,
    )


def _read(data: bytes) -> tuple[Dataset, str]:
    """Return the elements of `_KEYWORDS` and the transfer syntax UID."""
    meta = read_dataset(
        BytesIO(data[_META_AT : _META_AT + _META_BYTES]),
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag >> 16 != 2,  # noqa: PLR2004 - group 0002
    )
    transfer_syntax = str(meta.get("TransferSyntaxUID", ""))
    if transfer_syntax == _DEFLATED:
        msg = "expected DICOM that is not deflated as a whole, got Deflated Explicit VR"
        raise DecodeError(Reason.UNSUPPORTED, f"{msg} Little Endian; send it uncompressed")
    if not transfer_syntax:
        msg = "expected Transfer Syntax UID (0002,0010), it is missing; send the file again"
        raise DecodeError(Reason.CORRUPT, msg)
    if meta.get("MediaStorageSOPClassUID") == _DIRECTORY:
        msg = "expected a radiograph, got a DICOMDIR (an index); give the image files"
        raise DecodeError(Reason.WRONG_MODALITY, msg)
    return pydicom.dcmread(BytesIO(data), specific_tags=list(_KEYWORDS)), transfer_syntax


def _check_kind(dataset: Dataset) -> None:
    """Refuse everything but one gray picture of a radiograph, meant to be looked at."""
    modality = _text(dataset, "Modality")
    if modality not in MODALITIES and (modality or "PixelData" in dataset):
        msg = f"expected Modality (0008,0060) CR, DX or RG, got {_quote(modality)}"
        raise DecodeError(Reason.WRONG_MODALITY, f"{msg}; send radiographs only")
    if _text(dataset, "PresentationIntentType") == "FOR PROCESSING":
        msg = "expected Presentation Intent Type (0008,0068) FOR PRESENTATION, got FOR PROCESSING"
        raise DecodeError(Reason.NOT_FOR_PRESENTATION, f"{msg}; send the processed image")
    if "PixelData" not in dataset:
        msg = "expected Pixel Data (7FE0,0010), the file ends before it is whole"
        raise DecodeError(Reason.TRUNCATED, f"{msg}; send the file again")
    frames = _integer(dataset, "NumberOfFrames", default=1)
    samples = _integer(dataset, "SamplesPerPixel", default=1)
    photometric = _text(dataset, "PhotometricInterpretation")
    if frames != 1 or samples != 1 or photometric not in _INVERSES:
        msg = (
            "expected one frame, one sample per pixel, MONOCHROME1 or MONOCHROME2, got "
            f"{frames} frames, {samples} samples, {_quote(photometric)}; send single gray images"
        )
        raise DecodeError(Reason.UNSUPPORTED, msg)
    shape = _text(dataset, "PresentationLUTShape")
    if shape not in ("", _INVERSES[photometric]):
        # Viewers disagree: dcm4che follows the shape, others the photometric interpretation.
        msg = (
            f"expected Presentation LUT Shape (2050,0020) {_INVERSES[photometric]} with "
            f"{photometric}, got {_quote(shape)}: what is bright is not certain; correct the header"
        )
        raise DecodeError(Reason.UNSUPPORTED, msg)


def _read_layout(dataset: Dataset) -> PixelLayout:
    """Return the pixel layout (PS3.3 C.7.6.3.1); refuse what PS3.5 section 8.1.1 does not allow."""
    layout = PixelLayout(
        rows=_integer(dataset, "Rows"),
        columns=_integer(dataset, "Columns"),
        bits_allocated=_integer(dataset, "BitsAllocated"),
        bits_stored=_integer(dataset, "BitsStored"),
        signed=_integer(dataset, "PixelRepresentation", default=0) == 1,
    )
    high_bit = _integer(dataset, "HighBit", default=layout.bits_stored - 1)
    if (
        layout.bits_allocated not in (8, _MAX_BITS)
        or not 1 < layout.bits_stored <= layout.bits_allocated
        or high_bit != layout.bits_stored - 1
    ):
        msg = (
            "expected 8 or 16 Bits Allocated (0028,0100) with the lowest ones stored, got "
            f"{layout.bits_allocated} allocated, {layout.bits_stored} stored, high bit {high_bit}; "
            "send it with 16 bits allocated"
        )
        raise DecodeError(Reason.UNSUPPORTED, msg)
    return layout


def _gray_table(
    dataset: Dataset, *, layout: PixelLayout, stored: NDArray[Any]
) -> tuple[NDArray[np.uint8], GrayMapping]:
    """Return the gray level of each stored bit pattern, uint8 (65536,) or (256,), and its origin.

    Modality LUT or rescale (PS3.3 C.11.1), VOI LUT or window (C.11.2), 8 bit, and only then the
    inversion of MONOCHROME1 (C.7.6.3.1.2: "after any VOI gray scale transformations"). As a
    table the chain costs 65,536 evaluations however large the film is. Padding becomes black.
    """
    patterns = np.arange(1 << layout.bits_allocated) & layout.mask
    sign = 1 << (layout.bits_stored - 1)
    values = (patterns ^ sign) - sign if layout.signed else patterns
    is_padding = _padding(dataset, layout=layout, values=values)
    modality_values = voi.apply_modality_lut(dataset, stored=values)
    unit, mapping = voi.apply_voi(dataset, values=modality_values)
    if unit is None and voi.has_no_modality_lut(dataset) and layout.bits_stored == _SHOWN_BITS:
        unit, mapping = (values - values.min()) / 255.0, GrayMapping.STORED
    if unit is None:
        counts = np.where(is_padding, 0, count_values(stored))
        unit = scale_to_unit(modality_values, black_white=percentile_range(modality_values, counts))
    gray = unit_to_gray(unit)
    if _text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        gray = ~gray
    gray[is_padding] = 0
    return gray, mapping


def _padding(
    dataset: Dataset, *, layout: PixelLayout, values: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which stored values are padding: Pixel Padding Value (0028,0120) to its limit (,0121).

    PS3.3 C.7.5.1.1.2: such pixels are not part of the image.
    """
    ends = [
        _resign(end, layout=layout)
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
        if (end := _optional_integer(dataset, keyword)) is not None
    ]
    if "PixelPaddingValue" not in dataset or not ends:
        return np.zeros(values.shape, np.bool_)
    return (values >= min(ends)) & (values <= max(ends))


def _resign(value: int, *, layout: PixelLayout) -> int:
    """Return `value` in the signedness of the pixels: files often mix up US and SS."""
    modulus = 1 << layout.bits_allocated
    if layout.signed and value >= modulus // 2:
        return value - modulus
    return value + modulus if not layout.signed and value < 0 else value


def _text(dataset: Dataset, keyword: str) -> str:
    """Return a text value in capitals without spaces at its ends; "" where absent."""
    return str(dataset.get(keyword) or "").strip().upper()


def _quote(text: str) -> str:
    """Return a value for a message, or a stand-in: a damaged file may hold anything there."""
    return text if text in _QUOTABLE else "another value" if text else "none"


def _integer(dataset: Dataset, keyword: str, *, default: int | None = None) -> int:
    """Return an integer value; refuse a file where it is missing and has no default."""
    value = _optional_integer(dataset, keyword)
    if value is None:
        value = default
    if value is None:
        msg = f"expected {keyword} in the DICOM header, it is missing; send the file again"
        raise DecodeError(Reason.CORRUPT, msg)
    return value


def _optional_integer(dataset: Dataset, keyword: str) -> int | None:
    value = dataset.get(keyword)
    if value is None or value == "":
        return None
    if not isinstance(value, int):
        msg = f"expected one integer as {keyword} in the DICOM header, got another type"
        raise DecodeError(Reason.CORRUPT, f"{msg}; send the file again")
    return int(value)

"""DICOM Part 10 to a radiograph as its maker wants it shown: modality LUT, VOI, then polarity."""

import logging
import struct
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from bonefx_edge.decode import dicom_luts as voi
from bonefx_edge.decode.dicom_header import (
    check_kind,
    optional_integer,
    read_elements,
    read_layout,
    text_value,
)
from bonefx_edge.decode.dicom_pixels import PixelLayout, decode_pixel_data
from bonefx_edge.decode.gray_levels import (
    apply_lut,
    count_values,
    percentile_range,
    scale_to_unit,
    unit_to_gray,
)
from bonefx_edge.decode.limits import Limits, check_pixels
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.decode.refusals import refuse_corrupt

# pydicom quotes element values in its warnings and log records; none of them may reach a log.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

_SHOWN_BITS: Final = 8
_PYDICOM_ERRORS: Final = (
    # What pydicom 3.0 raises on damaged files, found by fuzzing: it promises no single type.
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    BytesLengthException,
    EOFError,
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
        except _PYDICOM_ERRORS as err:
            refuse_corrupt(f"DICOM that pydicom reads, got {type(err).__name__}")


def _decode(data: bytes, *, limits: Limits) -> Radiograph:
    dataset, transfer_syntax = read_elements(data)
    check_kind(dataset)
    layout = read_layout(dataset)
    check_pixels(layout.rows, layout.columns, limits=limits)
    element: object = dataset.get_item("PixelData", keep_deferred=True)
    if not isinstance(element, RawDataElement):
        refuse_corrupt("Pixel Data (7FE0,0010) as bytes, got another type")
    # Position and length, not the value: pydicom gives pixel data that lacks its end all the same.
    stored = decode_pixel_data(
        data,
        start=element.value_tell,
        length=element.length,
        layout=layout,
        transfer_syntax=transfer_syntax,
    )
    table, mapping = _gray_table(dataset, layout=layout, stored=stored)
    return Radiograph(
        pixels=apply_lut(stored, table=table),
        file_format=FileFormat.DICOM,
        gray_mapping=mapping,
        body_part=text_value(dataset, "BodyPartExamined") or None,
    )


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
    if text_value(dataset, "PhotometricInterpretation") == "MONOCHROME1":
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
        if (end := optional_integer(dataset, keyword)) is not None
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

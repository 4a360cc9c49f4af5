"""DICOM Part 10 to a radiograph as its maker wants it shown: modality LUT, VOI, then polarity."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from bonefx_edge.decode.dicom.age import read_age
from bonefx_edge.decode.dicom.gray import blacken_padding_at_corners, make_gray_table
from bonefx_edge.decode.dicom.guard import PYDICOM_ERRORS
from bonefx_edge.decode.dicom.header import (
    check_kind,
    check_shape,
    read_anatomic_region,
    read_elements,
    text_value,
)
from bonefx_edge.decode.dicom.layout import (
    PixelLayout,
    check_bits_stored,
    overlay_bits,
    padding_patterns,
    read_layout,
)
from bonefx_edge.decode.dicom.pixels import decode_pixel_data
from bonefx_edge.decode.dicom.shutter import read_shutter
from bonefx_edge.decode.gray_levels import apply_lut
from bonefx_edge.decode.limits import Limits, check_pixels
from bonefx_edge.decode.options import DecodeOptions
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.decode.refusals import refuse_corrupt


def decode_dicom(data: bytes, *, limits: Limits, options: DecodeOptions) -> Radiograph:
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
            return _decode(data, limits=limits, options=options)
        except PYDICOM_ERRORS as err:
            refuse_corrupt(f"DICOM that pydicom reads, got {type(err).__name__}")


def _decode(data: bytes, *, limits: Limits, options: DecodeOptions) -> Radiograph:
    dataset, transfer_syntax = read_elements(data)
    check_kind(dataset, transfer_syntax=transfer_syntax)
    accepted = check_shape(dataset, options=options)
    layout = read_layout(dataset)
    check_pixels(layout.rows, layout.columns, limits=limits, pixel_bytes=layout.samples)
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
    is_padding = padding_patterns(dataset, layout=layout)
    check_bits_stored(stored, layout=layout, overlays=overlay_bits(dataset), is_padding=is_padding)
    inside = read_shutter(dataset, rows=layout.rows, columns=layout.columns)
    if layout.samples != 1:
        pixels, mapping = np.array(stored), GrayMapping.STORED  # a VOI is for monochrome (C.11.2)
    else:
        pixels, mapping = _to_gray(
            dataset, layout=layout, stored=stored, is_padding=is_padding, inside=inside
        )
    if inside is not None:
        np.bitwise_and(pixels, inside, out=pixels)
    return Radiograph(
        pixels=pixels,
        file_format=FileFormat.DICOM,
        gray_mapping=mapping,
        body_part=text_value(dataset, "BodyPartExamined") or None,
        age_years=read_age(dataset),
        anatomic_region=read_anatomic_region(dataset),
        accepted=accepted,
    )


def _to_gray(
    dataset: Dataset,
    *,
    layout: PixelLayout,
    stored: NDArray[Any],
    is_padding: NDArray[np.bool_],
    inside: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.uint8], GrayMapping]:
    """Return the gray levels of the stored bit patterns, padding black, and their origin."""
    inverted = text_value(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    table = make_gray_table(
        dataset,
        layout=layout,
        stored=stored,
        is_padding=is_padding,
        inside=inside,
        inverted=inverted,
    )
    pixels = apply_lut(stored, table=table.gray)
    if table.bright_padding.any():
        blacken_padding_at_corners(pixels, stored=stored, is_padding=table.bright_padding)
    return pixels, table.mapping

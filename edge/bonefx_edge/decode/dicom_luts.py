"""DICOM gray scale transformations on a table of values: modality LUT, VOI LUT, window.

pydicom.pixels.processing has the same functions for whole pictures. They are not used: they need
8 to 16 bytes per pixel, and their lookup wraps around where a value lies more than 255 (8-bit
LUT) or 65,535 above the first mapped value, instead of showing the last entry.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.decode.refusals import refuse_corrupt
from bonefx_edge.errors import DecodeError, Reason

_LUT_BITS: Final = range(8, 17)
"""Bits per LUT entry (PS3.3 C.11.1.1.1, C.11.2.1.1)."""
_BYTE_BITS: Final = 8
_FULL_TABLE: Final = 1 << 16
"""Entries of a LUT whose descriptor says 0."""
_SIGN_BIT: Final = 1 << 15
_DESCRIPTOR_VALUES: Final = 3


def has_no_modality_lut(dataset: Dataset) -> bool:
    """Return whether stored values are output values: no modality LUT, slope 1 or absent."""
    return not dataset.get("ModalityLUTSequence") and _rescale(dataset) == (1.0, 0.0)


def apply_modality_lut(dataset: Dataset, *, stored: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return output values of Modality LUT Sequence (0028,3000) or Rescale (0028,1052 and 1053).

    PS3.3 C.11.1: the sequence or the linear function, never both. Unchanged where both are absent.
    """
    if dataset.get("ModalityLUTSequence"):
        table, _ = _apply_lut(dataset, keyword="ModalityLUTSequence", values=stored)
        return table
    slope, intercept = _rescale(dataset)
    return stored.astype(np.float64) * slope + intercept


def apply_voi(
    dataset: Dataset, *, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64] | None, GrayMapping]:
    """Return brightness in [0, 1] by the first VOI LUT, else the first window, else None.

    PS3.3 C.11.2.1 calls a LUT and a window in one file alternatives. The LUT goes first: it is
    the curve that the maker's processing chose, the window its straight approximation.
    """
    if dataset.get("VOILUTSequence"):
        table, white = _apply_lut(dataset, keyword="VOILUTSequence", values=values)
        return table / white, GrayMapping.VOI_LUT
    center, width = _first_number(dataset, "WindowCenter"), _first_number(dataset, "WindowWidth")
    # Width 0 is not allowed (C.11.2.1.2.1); exporters write 0/0 where they have no window.
    if center is None or width is None or width == 0:
        return None, GrayMapping.PERCENTILES
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    return (
        window_to_unit(values, center=center, width=width, function=function),
        GrayMapping.VOI_WINDOW,
    )


def window_to_unit(
    values: NDArray[np.float64], *, center: float, width: float, function: str = "LINEAR"
) -> NDArray[np.float64]:
    """Return brightness in [0, 1] of a window (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Parameters
    ----------
    values
        Output values of the modality LUT.
    center, width
        Window Center (0028,1050) and Width (0028,1051), in those values.
    function
        VOI LUT Function (0028,1056): LINEAR, LINEAR_EXACT or SIGMOID.

    Examples
    --------
    The standard's own: LINEAR with center 2048 and width 4096 is the whole 12-bit range.

    >>> window_to_unit(np.array([0.0, 4095.0]), center=2048, width=4096).tolist()
    [0.0, 1.0]
    """
    if function == "LINEAR":
        center, span = center - 0.5, width - 1.0
    elif function in ("LINEAR_EXACT", "SIGMOID"):
        span = width
    else:
        msg = "This VOI LUT Function (0028,1056) is not read. Send the image with a plain window."
        raise DecodeError(Reason.UNSUPPORTED, msg)
    if span < 0 or (span == 0 and function != "LINEAR"):
        refuse_corrupt(f"a positive Window Width (0028,1051), got {width:g}")
    if function == "SIGMOID":
        # tanh form of 1 / (1 + exp(-4 (x - c) / w)): cannot overflow.
        return 0.5 + 0.5 * np.tanh(2.0 * (values - center) / span)
    if span == 0:
        return (values > center).astype(np.float64)
    return np.clip((values - center) / span + 0.5, 0.0, 1.0)


def _rescale(dataset: Dataset) -> tuple[float, float]:
    """Return Rescale Slope and Intercept; 1 and 0 where absent."""
    slope = _first_number(dataset, "RescaleSlope")
    intercept = _first_number(dataset, "RescaleIntercept")
    if slope == 0:
        refuse_corrupt("a Rescale Slope (0028,1053) other than 0")
    return (1.0 if slope is None else slope, 0.0 if intercept is None else intercept)


def _first_number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of a decimal string element, or None where it is absent or empty."""
    value = dataset.get(keyword)
    if isinstance(value, (list, tuple)) or hasattr(value, "__getitem__"):
        value = value[0] if value else None
    if value is None or value == "":
        return None
    number = float(value)
    if not math.isfinite(number):
        refuse_corrupt(f"a finite number as {keyword} in the DICOM header")
    return number


def _apply_lut(
    dataset: Dataset, *, keyword: str, values: NDArray[Any]
) -> tuple[NDArray[np.float64], int]:
    """Return the LUT entries for `values`, float64, and the largest entry that its bits allow.

    Values below the first mapped one get the first entry, values beyond the last one the last
    (PS3.3 C.11.1.1.1).
    """
    item = dataset[keyword].value[0]
    descriptor = [int(number) for number in item.LUTDescriptor]
    if len(descriptor) != _DESCRIPTOR_VALUES or descriptor[2] not in _LUT_BITS:
        refuse_corrupt(f"{keyword} with a descriptor of three values with 8 to 16 bits per entry")
    count, first, bits = descriptor[0] or _FULL_TABLE, descriptor[1], descriptor[2]
    if dataset.get("PixelRepresentation") == 1 and first >= _SIGN_BIT:
        first -= _FULL_TABLE  # signed, but written or read as US
    entries = _entries(item.LUTData, count=count, bits=bits)
    if entries.size != count:
        refuse_corrupt(f"{keyword} with {count} entries, got {entries.size}")
    white = (1 << bits) - 1
    if int(entries.max()) > white:
        refuse_corrupt(f"{keyword} with entries up to {white}, got {int(entries.max())}")
    index = np.clip(np.rint(values) - first, 0, count - 1).astype(np.int64)
    return entries[index].astype(np.float64), white


def _entries(lut_data: Any, *, count: int, bits: int) -> NDArray[np.int64]:
    """Return LUT Data (0028,3006): integers (US), or bytes (OW) of little-endian words.

    8-bit entries may be packed two to a word, with one byte of padding.
    """
    if isinstance(lut_data, bytes):
        packed = bits == _BYTE_BITS and len(lut_data) in (count, count + 1)
        layout = np.dtype(np.uint8 if packed else "<u2")
        return np.frombuffer(lut_data, layout)[:count].astype(np.int64)
    return np.atleast_1d(np.array(lut_data, dtype=np.int64))

"""DICOM gray scale transformations on a table of values: modality LUT, VOI LUT, window.

pydicom.pixels.processing has the same functions for whole pictures. They are not used: they need
8 to 16 bytes per pixel, and their lookup wraps around where a value lies more than 255 (8-bit
LUT) or 65,535 above the first mapped value, instead of showing the last entry.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from bonefx_edge.decode.dicom.numbers import first_number, read_numbers
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.decode.refusals import refuse_corrupt
from bonefx_edge.errors import DecodeError

_FULL_TABLE: Final = 1 << 16
"""Entries of a LUT whose descriptor says 0; also what a signed 16-bit number wraps around at."""
_DESCRIPTOR_VALUES: Final = 3


def has_no_modality_lut(dataset: Dataset) -> bool:
    """Return whether stored values are output values: no modality LUT, slope 1 or absent."""
    return not _lut_items(dataset, "ModalityLUTSequence") and _rescale(dataset) == (1.0, 0.0)


def apply_modality_lut(dataset: Dataset, *, stored: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return output values of Modality LUT Sequence (0028,3000) or Rescale (0028,1052 and 1053).

    PS3.3 C.11.1: the sequence or the linear function, never both. Unchanged where both are absent.

    Raises
    ------
    DecodeError
        CORRUPT where they cannot be read: without them what is bright is not certain.
    """
    items = _lut_items(dataset, "ModalityLUTSequence")
    if items:
        return _look_up(items[0], values=stored)
    slope, intercept = _rescale(dataset)
    return stored.astype(np.float64) * slope + intercept


def voi_transformations(
    dataset: Dataset, *, values: NDArray[np.float64]
) -> Iterator[tuple[GrayMapping, NDArray[np.float64] | None]]:
    """Yield brightness in [0, 1] by each VOI LUT, then by each window; None where it is unusable.

    PS3.3 C.11.2.1 calls the LUTs and windows of one file alternatives. A LUT goes first: it is
    the curve that the maker's processing chose, the window its straight approximation.

    A LUT's white is its largest entry, as in other viewers: descriptors say 16 bits where the
    entries use 12 (C.11.2.1.1 asks for the bits that are used).
    """
    for item in _lut_items(dataset, "VOILUTSequence"):
        try:
            table = _look_up(item, values=values)
            white = _read_entries(item)[1].max()
        except DecodeError:
            yield GrayMapping.VOI_LUT, None
        else:
            yield GrayMapping.VOI_LUT, table / white if white else None
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    centers, widths = (read_numbers(dataset, name) for name in ("WindowCenter", "WindowWidth"))
    for center, width in zip(centers, widths, strict=False):
        if width == 0:
            continue  # not allowed (C.11.2.1.2.1); exporters write 0/0 where they have no window
        yield (
            GrayMapping.VOI_WINDOW,
            window_to_unit(values, center=center, width=width, function=function),
        )


def window_to_unit(
    values: NDArray[np.float64], *, center: float, width: float, function: str = "LINEAR"
) -> NDArray[np.float64] | None:
    """Return brightness in [0, 1] of a window (PS3.3 C.11.2.1.2 and C.11.2.1.3), None if invalid.

    Parameters
    ----------
    values
        Output values of the modality LUT.
    center, width
        Window Center (0028,1050) and Width (0028,1051), in those values; NaN is invalid, and so
        is a width below 1 (LINEAR), or of 0 and below (the others).
    function
        VOI LUT Function (0028,1056): LINEAR, LINEAR_EXACT or SIGMOID; another one is invalid.

    Examples
    --------
    The standard's own: LINEAR with center 2048 and width 4096 is the whole 12-bit range.

    >>> window_to_unit(np.array([0.0, 4095.0]), center=2048, width=4096).tolist()
    [0.0, 1.0]
    """
    if function == "LINEAR":
        center, width = center - 0.5, width - 1.0
        is_valid = width >= 0
    else:
        is_valid = width > 0 and function in ("LINEAR_EXACT", "SIGMOID")
    if not is_valid or math.isnan(center):
        return None
    if function == "SIGMOID":
        # tanh form of 1 / (1 + exp(-4 (x - c) / w)): cannot overflow.
        return 0.5 + 0.5 * np.tanh(2.0 * (values - center) / width)
    if width == 0:
        return (values > center).astype(np.float64)
    return np.clip((values - center) / width + 0.5, 0.0, 1.0)


def _rescale(dataset: Dataset) -> tuple[float, float]:
    """Return Rescale Slope and Intercept; 1 and 0 where absent."""
    slope = first_number(dataset, "RescaleSlope")
    intercept = first_number(dataset, "RescaleIntercept")
    if slope == 0:
        refuse_corrupt("a Rescale Slope (0028,1053) other than 0")
    return (1.0 if slope is None else slope, 0.0 if intercept is None else intercept)


def _lut_items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a LUT sequence that hold anything of a LUT.

    Exporters write items without descriptor and data where they have no LUT.
    """
    items: object = dataset.get(keyword) or Sequence()
    if not isinstance(items, Sequence):
        refuse_corrupt(f"a sequence as {keyword}")
    return [item for item in items if _lut_data(item) or read_numbers(item, "LUTDescriptor")]


def _look_up(item: Dataset, *, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the LUT entries for `values`, float64.

    Values below the first mapped one get the first entry, values beyond the last one the last
    (PS3.3 C.11.1.1.1).
    """
    first, entries = _read_entries(item)
    # US or SS, often the wrong one: the one of both that maps more of the values.
    other = first - _FULL_TABLE if first >= 0 else first + _FULL_TABLE
    low, high = values.min(), values.max()
    first = max(
        (first, other), key=lambda start: min(high, start + entries.size - 1) - max(low, start)
    )
    index = np.clip(np.rint(values) - first, 0, entries.size - 1).astype(np.int64)
    looked_up: NDArray[np.float64] = entries[index].astype(np.float64)
    return looked_up


def _read_entries(item: Dataset) -> tuple[int, NDArray[Any]]:
    """Return the first mapped value of a LUT, as its descriptor says it, and its entries."""
    descriptor = read_numbers(item, "LUTDescriptor")
    if len(descriptor) != _DESCRIPTOR_VALUES or not all(n.is_integer() for n in descriptor):
        refuse_corrupt("a LUT Descriptor (0028,3002) of three integers")
    count = int(descriptor[0]) % _FULL_TABLE or _FULL_TABLE
    data = _lut_data(item)
    # 8-bit entries may be packed two to a word, with one byte of padding.
    is_packed = len(data) in (count, count + 1)
    entry = np.dtype(np.uint8 if is_packed else "<u2")
    if len(data) < count * entry.itemsize:
        refuse_corrupt(f"{count} LUT entries, got {len(data) // entry.itemsize}")
    return int(descriptor[1]), np.frombuffer(data, entry, count)


def _lut_data(item: Dataset) -> bytes:
    """Return LUT Data (0028,3006): little-endian words or bytes, whatever its VR."""
    element: object = item.get_item(Tag("LUTData"), keep_deferred=True)
    return (element.value or b"") if isinstance(element, RawDataElement) else b""

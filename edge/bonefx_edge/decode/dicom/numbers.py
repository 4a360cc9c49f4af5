"""Numbers of a DICOM header: each is read as what it says, or refused (PS3.5 section 6.2).

pydicom's conversion is not used: where a number stands as text under a VR that is no number, or
with a decimal comma, it gives a text, whose first character a careless reader takes as its value.
"""

import math
import re
from typing import Final

import numpy as np
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from bonefx_edge.decode.refusals import refuse_corrupt

_BINARY: Final = {
    "US": "u2",
    "US or SS": "u2",  # implicit VR; the reader of the value knows which
    "SS": "i2",
    "UL": "u4",
    "SL": "i4",
    "UV": "u8",
    "SV": "i8",
    "FL": "f4",
    "FD": "f8",
}
"""Value representations in binary; all others are read as text."""
_UNTYPED: Final = frozenset({None, "UN", "OB", "OW"})
"""Say nothing about a number: then the VR of the data dictionary counts (PS3.6)."""
_PER_YEAR: Final = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}
"""Units of an age string."""
_NUMBER: Final = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(E[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def read_numbers(dataset: Dataset, name: str | int) -> list[float]:
    """Return every value of an element as a number; NaN where a value is no finite number.

    Any VR will do, text or binary. A comma is a decimal point, as devices of such a locale write
    it. Empty where the element is absent or empty.

    Parameters
    ----------
    dataset
        Whose element was not converted by pydicom yet.
    name
        Keyword or tag.

    Examples
    --------
    >>> dataset = Dataset({Tag(0x00281050): RawDataElement(
    ...     Tag(0x00281050), "LO", 6, b"2047,5", 0, False, True)})
    >>> read_numbers(dataset, "WindowCenter")
    [2047.5]
    """
    element: object = dataset.get_item(Tag(name), keep_deferred=True)
    if element is None:
        return []
    if not isinstance(element, RawDataElement):
        return [math.nan]
    vr = dictionary_VR(element.tag) if element.VR in _UNTYPED else element.VR
    if vr in _BINARY:
        order = "<" if element.is_little_endian else ">"
        dtype = np.dtype(order + _BINARY[vr])
        values = element.value or b""
        if len(values) % dtype.itemsize:
            return [math.nan]
        numbers = [float(number) for number in np.frombuffer(values, dtype)]
        return [number if math.isfinite(number) else math.nan for number in numbers]
    text = (element.value or b"").decode("latin-1").strip("\0 \t\r\n")
    return [_parse(part.strip("\0 \t\r\n")) for part in text.split("\\")] if text else []


def _parse(text: str) -> float:
    """Return the number that all of the text is, or NaN."""
    if not _NUMBER.fullmatch(text):
        return math.nan
    number = float(text.replace(",", "."))
    return number if math.isfinite(number) else math.nan


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of an element, or None where it is absent or empty.

    Raises
    ------
    DecodeError
        CORRUPT where it is no finite number.
    """
    numbers = read_numbers(dataset, keyword)
    if not numbers:
        return None
    if math.isnan(numbers[0]):
        refuse_corrupt(f"a finite number as {keyword} in the DICOM header, got something else")
    return numbers[0]


def optional_integer(dataset: Dataset, name: str | int) -> int | None:
    """Return the one integer of an element, or None where it is absent or empty.

    Raises
    ------
    DecodeError
        CORRUPT where it is no integer, or several.
    """
    numbers = read_numbers(dataset, name)
    if not numbers:
        return None
    if len(numbers) > 1 or not numbers[0].is_integer():
        keyword = name if isinstance(name, str) else keyword_for_tag(name)
        refuse_corrupt(f"one integer as {keyword} in the DICOM header, got something else")
    return int(numbers[0])


def integer_value(dataset: Dataset, keyword: str, *, default: int | None = None) -> int:
    """Return the one integer of an element; refuse a file where it is missing without default.

    Raises
    ------
    DecodeError
        CORRUPT.
    """
    value = optional_integer(dataset, keyword)
    if value is None:
        value = default
    if value is None:
        refuse_corrupt(f"{keyword} in the DICOM header, it is missing")
    return value


def age_string_years(text: str) -> float | None:
    """Return the years of an age string (PS3.5 6.2, AS), such as 018M; None for any other text.

    Devices also write fewer digits than three.

    >>> age_string_years("045Y"), age_string_years("018M"), age_string_years("45")
    (45.0, 1.5, None)
    """
    match = re.fullmatch(r"(\d{1,3})([YMWD])", text)
    return int(match[1]) / _PER_YEAR[match[2]] if match else None

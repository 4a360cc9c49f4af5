"""DICOM without its preamble: recognize it, and put in front what is missing. No pydicom here."""

import struct
from typing import Final

MAGIC: Final = b"DICM"
MAGIC_AT: Final = 128
"""Bytes of preamble before the magic of a DICOM Part 10 file (PS3.10 section 7.1)."""
_ELEMENT: Final = struct.Struct("<HH2sH")
"""Group, element, value representation and length of a DICOM element (PS3.5 section 7.1)."""
_META_GROUP: Final = 0x0002
_FIRST_GROUPS: Final = (_META_GROUP, 0x0008)
_SHORT_VALUE_BYTES: Final = 128
"""Elements that come first are numbered below, and short: texts and UIDs of 64 bytes."""
_EXPLICIT: Final = b"1.2.840.10008.1.2.1\0"
_IMPLICIT: Final = b"1.2.840.10008.1.2\0"
"""Transfer Syntax UIDs of even length."""


def lacks_preamble(data: bytes) -> bool:
    """Return whether the data begin with a DICOM element of group 0002 or 0008, or with "DICM"."""
    if data.startswith(MAGIC):
        return True
    if len(data) < _ELEMENT.size:
        return False
    group, element, vr, length = _ELEMENT.unpack_from(data)
    is_implicit = vr[1] == 0 and length == 0 and 0 < vr[0] <= _SHORT_VALUE_BYTES
    is_first = group in _FIRST_GROUPS and element <= _SHORT_VALUE_BYTES
    return is_first and (_is_explicit(vr) or is_implicit)


def add_preamble(data: bytes) -> bytes:
    """Return data of which `lacks_preamble` is true as a DICOM Part 10 file.

    A data set without file meta information is uncompressed little endian, as its first element
    shows with or without value representations: its sender had no place to name another syntax.
    """
    preamble = bytes(MAGIC_AT)
    if data.startswith(MAGIC):
        return preamble + data
    group, _, vr, _ = _ELEMENT.unpack_from(data)
    if group == _META_GROUP:
        return preamble + MAGIC + data
    syntax = _EXPLICIT if _is_explicit(vr) else _IMPLICIT
    named = _ELEMENT.pack(_META_GROUP, 0x0010, b"UI", len(syntax)) + syntax
    counted = _ELEMENT.pack(_META_GROUP, 0x0000, b"UL", 4) + struct.pack("<I", len(named))
    return preamble + MAGIC + counted + named + data


def _is_explicit(vr: bytes) -> bool:
    return vr.isalpha() and vr.isupper()

"""Whether a picture was taken by a camera, by its EXIF block: then it is a photograph."""

import struct
from collections.abc import Iterator
from typing import Final

_EXIF_DIRECTORY: Final = 0x8769
"""Tag in the first directory: where the one about the exposure stands (EXIF 2.3, 4.6.3)."""
_EXPOSURE: Final = frozenset({0x829D, 0x9202, 0x920A})
"""FNumber, ApertureValue and FocalLength: of a lens, which an X-ray device has not."""
_ENTRY_BYTES: Final = 12
_MAX_ENTRIES: Final = 1000
"""Directories of cameras have about 40 entries; more is damage."""


def has_lens(tiff: bytes) -> bool:
    """Return whether an EXIF block (from its "II" or "MM" on) tells of a lens.

    A damaged block tells nothing: EXIF is an annotation.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return False
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        found = dict(_entries(tiff, start, order))
        at = found.get(_EXIF_DIRECTORY)
        return at is not None and not _EXPOSURE.isdisjoint(dict(_entries(tiff, at, order)))
    except struct.error:
        return False


def _entries(tiff: bytes, start: int, order: str) -> Iterator[tuple[int, int]]:
    """Yield tag and value of the entries of a directory; values as 32 bits, whatever their type."""
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for index in range(min(entries, _MAX_ENTRIES)):
        tag, _, _, value = struct.unpack_from(
            order + "HHII", tiff, start + 2 + index * _ENTRY_BYTES
        )
        yield tag, value

"""EXIF / TIFF orientation: find the tag, turn the pixels the way a viewer shows them."""

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

UPRIGHT: Final = 1
"""Orientation value of an image that is stored as it is shown."""
LAST: Final = 8
"""Largest orientation value."""
_TRANSPOSED: Final = frozenset({5, 6, 7, 8})
_STEPS: Final = {
    1: (1, 1),
    2: (1, -1),
    3: (-1, -1),
    4: (-1, 1),
    5: (1, 1),
    6: (1, -1),
    7: (-1, -1),
    8: (-1, 1),
}
"""Direction of rows and columns, after the transposition of 5 to 8."""
_TAG: Final = 0x0112
_SHORT: Final = 3
_ENTRY_BYTES: Final = 12
_MAX_ENTRIES: Final = 1000
"""Image file directories of cameras have about 20 entries; more is damage."""


def orient(pixels: NDArray[Any], *, orientation: int) -> NDArray[Any]:
    """Return (height, width) `pixels` upright, C-contiguous; `orientation` is 1 to 8 (EXIF 2.3)."""
    if orientation in _TRANSPOSED:
        pixels = pixels.T
    rows, columns = _STEPS[orientation]
    return np.ascontiguousarray(pixels[::rows, ::columns])


def oriented_shape(shape: tuple[int, int], *, orientation: int) -> tuple[int, int]:
    """Return the (height, width) that `orient` gives pixels of this (height, width)."""
    height, width = shape
    return (width, height) if orientation in _TRANSPOSED else (height, width)


def exif_orientation(tiff: bytes) -> int:
    """Return the orientation of an EXIF block (from its "II" or "MM" on), 1 to 8.

    A block without the tag, a damaged block and a value out of range all mean upright: EXIF is an
    annotation, and OpenCV reads such files the same way.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        for index in range(min(entries, _MAX_ENTRIES)):
            at = start + 2 + index * _ENTRY_BYTES
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, at)
            if tag == _TAG and kind == _SHORT:
                return value if UPRIGHT <= value <= LAST else UPRIGHT
    except struct.error:
        return UPRIGHT
    return UPRIGHT

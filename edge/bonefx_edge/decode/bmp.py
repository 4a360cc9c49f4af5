"""BMP files: uncompressed, 8, 24 or 32 bit."""

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.limits import Limits, check_pixels
from bonefx_edge.decode.raster import Raster
from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated
from bonefx_edge.errors import DecodeError, Reason

BMP_MAGIC: Final = b"BM"


_INFO_BYTES: Final = 40
"""Smallest header that is read: BITMAPINFOHEADER; V4 and V5 begin with the same fields."""


_OS2_BYTES: Final = (12, 16, 64)
"""Headers of OS/2, whose fields have other widths."""


_FILE_HEADER_BYTES: Final = 14


_PALETTE_BITS: Final = 8


_BMP_BITS: Final = (_PALETTE_BITS, 24, 32)


def read_bmp(data: bytes, *, limits: Limits) -> Raster:
    """Return the pixels of an uncompressed 8, 24 or 32 bit Windows bitmap.

    The fourth byte of 32-bit pixels is reserved, not alpha, and is left out.

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT, TOO_LARGE, or UNSUPPORTED (OS/2 header, run lengths, bit fields).
    """
    try:
        (offset, header_bytes) = struct.unpack_from("<II", data, 10)
        if header_bytes in _OS2_BYTES:
            msg = "This kind of BMP is not read (OS/2 bitmap). Save the image as PNG."
            raise DecodeError(Reason.UNSUPPORTED, msg)
        width, signed_height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
        (colors,) = struct.unpack_from("<I", data, 46)
    except struct.error:
        refuse_truncated(f"a whole BMP header, got {len(data)} bytes")
    if header_bytes < _INFO_BYTES:
        refuse_corrupt(f"a BMP header of at least {_INFO_BYTES} bytes, got {header_bytes}")
    if bits not in _BMP_BITS or compression != 0:
        msg = (
            f"This kind of BMP is not read ({bits} bit, compression {compression}; read are "
            "uncompressed 8, 24 and 32 bit). Save the image as PNG."
        )
        raise DecodeError(Reason.UNSUPPORTED, msg)
    height = abs(signed_height)  # negative: rows run from top to bottom
    check_pixels(height, width, limits=limits, pixel_bytes=3)
    row_bytes = (width * bits + 31) // 32 * 4  # rows are padded to 4 bytes
    if offset + height * row_bytes > len(data):
        refuse_truncated(f"{offset + height * row_bytes} bytes of BMP, got {len(data)}")
    rows = np.frombuffer(data, np.uint8, height * row_bytes, offset).reshape(height, row_bytes)
    rows = rows if signed_height < 0 else rows[::-1]
    pixels = rows[:, : width * bits // 8].reshape(height, width, bits // 8)
    if bits != _PALETTE_BITS:
        return Raster(pixels[:, :, 2::-1])
    palette = _read_palette(data, at=_FILE_HEADER_BYTES + header_bytes, colors=colors or 256)
    return Raster(palette[pixels[:, :, 0]])


def _read_palette(data: bytes, *, at: int, colors: int) -> NDArray[np.uint8]:
    """Return RGB, uint8 (256, 3); colors beyond those in the file are black."""
    if colors > 256 or at + colors * 4 > len(data):  # noqa: PLR2004 - 8-bit indices
        refuse_corrupt(f"a BMP palette of at most 256 colors, got {colors}")
    palette = np.zeros((256, 3), np.uint8)
    stored = np.frombuffer(data, np.uint8, colors * 4, at).reshape(colors, 4)
    palette[:colors] = stored[:, 2::-1]
    return palette

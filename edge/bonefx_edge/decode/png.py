"""PNG: every chunk whole and every checksum right before the pixels are trusted to libpng."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.limits import Limits, check_pixels
from bonefx_edge.decode.orientation import exif_orientation
from bonefx_edge.decode.raster import Raster
from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated
from bonefx_edge.errors import DecodeError, Reason

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_IHDR_BYTES: Final = 13
_CHUNK_OVERHEAD: Final = 12
"""Length, type and CRC, 4 bytes each."""
_GRAY, _RGB, _GRAY_ALPHA = 0, 2, 4
_CHANNELS: Final = {_GRAY: 1, _RGB: 3}
"""That OpenCV gives, by color type; gray with alpha and palettes, which may have it, have four."""
_ALPHA_CHANNELS: Final = 4


def read_png(data: bytes, *, limits: Limits) -> Raster:
    """Return the pixels of a PNG file; palette and 1 to 4 bit samples come out as 8 bit.

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT, TOO_LARGE, or UNSUPPORTED (animation, gray with a transparent value).
    """
    chunks = dict(_walk(data, limits=limits))
    color_type = chunks[b"IHDR"][9]
    if b"acTL" in chunks or (color_type == _GRAY and b"tRNS" in chunks):
        # OpenCV drops the tRNS of gray files and would show what is meant to be hidden.
        kind = "an animation" if b"acTL" in chunks else "gray with one value made transparent"
        msg = f"This kind of PNG is not read ({kind}). Save the image as plain gray."
        raise DecodeError(Reason.UNSUPPORTED, msg)
    pixels = _decode(data)
    orientation = exif_orientation(chunks.get(b"eXIf", b""))
    if pixels.ndim == 2:  # noqa: PLR2004 - gray
        return Raster(pixels, orientation=orientation)
    has_alpha = pixels.shape[2] == _ALPHA_CHANNELS
    # OpenCV gives BGR(A); gray with alpha comes as four channels, three of them equal.
    samples = pixels[:, :, 0] if color_type == _GRAY_ALPHA else pixels[:, :, 2::-1]
    return Raster(samples, alpha=pixels[:, :, 3] if has_alpha else None, orientation=orientation)


def _walk(data: bytes, *, limits: Limits) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each chunk up to IEND, IDAT content left out; refuse damage."""
    at, kind = len(MAGIC), b""
    while kind != b"IEND":
        if at + _CHUNK_OVERHEAD > len(data):
            refuse_truncated(f"a PNG up to its IEND, got one up to the chunk at byte {at}")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + _CHUNK_OVERHEAD + length
        if (kind == b"IHDR") != (at == len(MAGIC)) or (kind == b"IHDR" and length != _IHDR_BYTES):
            refuse_corrupt(f"a PNG that starts with its one IHDR, got chunk type {kind!r}")
        if end > len(data):
            refuse_truncated(f"a PNG up to its IEND, got one up to the chunk at byte {at}")
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != checksum:
            refuse_corrupt(f"correct PNG checksums, that of chunk {kind!r} is wrong")
        if kind == b"IHDR":
            width, height, bits, color_type = struct.unpack_from(">IIBB", data, at + 8)
            pixel_bytes = _CHANNELS.get(color_type, _ALPHA_CHANNELS) * -(-bits // 8)
            check_pixels(height, width, limits=limits, pixel_bytes=pixel_bytes)
        yield kind, b"" if kind == b"IDAT" else data[at + 8 : end - 4]
        at = end


def _decode(data: bytes) -> NDArray[Any]:
    """Return OpenCV's array: never rotated, never reduced to 8 bits (IMREAD_UNCHANGED)."""
    try:
        pixels: NDArray[Any] | None = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED
        )
    except cv2.error as err:
        if err.code == cv2.Error.StsNoMem:  # the machine's trouble, not the file's
            msg = "Not enough memory to decode a PNG. Close other programs."
            raise MemoryError(msg) from err
        refuse_corrupt("a PNG that OpenCV reads")
    if pixels is None:
        # Chunks and checksums are right, so the compressed stream itself is short or damaged.
        refuse_corrupt("PNG pixel data that libpng reads")
    return pixels

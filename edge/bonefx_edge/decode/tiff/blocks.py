"""Strips and tiles of a TIFF page to samples; each must fit to the byte.

OpenCV returns a picture for an LZW or Deflate strip that libtiff could not decode, with the rest
made up (4.11 and 5.0), so they are unpacked here.
"""

import itertools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.limits import Limits, check_pixels
from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated
from bonefx_edge.decode.tiff.lzw import unpack_lzw
from bonefx_edge.decode.tiff.packbits import unpack_bits
from bonefx_edge.decode.tiff.tags import (
    COMPRESSION,
    PREDICTOR,
    ROWS_PER_STRIP,
    STRIP_BYTES,
    STRIP_OFFSETS,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_WIDTH,
    Tags,
    first,
)
from bonefx_edge.errors import DecodeError, Reason

_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACK_BITS = 1, 5, 8, 32946, 32773
HORIZONTAL: Final = 2
"""Predictor 2: each sample is stored as the difference to its left neighbor."""
_TILE_STEP: Final = 16
"""TIFF 6.0 section 15: both sides of a tile are multiples of 16."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Shape of the stored samples."""

    height: int
    width: int
    channels: int
    dtype: np.dtype[Any]

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return self.channels * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.width * self.pixel_bytes


def read_samples(data: bytes, *, tags: Tags, layout: Layout, limits: Limits) -> NDArray[Any]:
    """Return (height, width, channels), uint8 or uint16 in this machine's byte order, as stored.

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT or TOO_LARGE.
    """
    _check_lzw_bytes(tags, limits=limits)
    if TILE_WIDTH in tags:
        return _read_tiles(data, tags=tags, layout=layout, limits=limits)
    rows = min(max(first(tags, ROWS_PER_STRIP, layout.height), 1), layout.height)
    return _undo_prediction(_read_strips(data, tags=tags, layout=layout, rows=rows), tags=tags)


def _check_lzw_bytes(tags: Tags, *, limits: Limits) -> None:
    """Refuse more LZW bytes than are unpacked in time; strips that overlap count each."""
    packed = sum(tags.get(TILE_BYTES if TILE_WIDTH in tags else STRIP_BYTES, ()))
    if first(tags, COMPRESSION, _NONE) == _LZW and packed > limits.max_lzw_bytes:
        msg = (
            f"Too much LZW data ({packed:,} bytes, limit {limits.max_lzw_bytes:,}). Save the image "
            "as PNG, or as TIFF with Deflate or without compression."
        )
        raise DecodeError(Reason.TOO_LARGE, msg)


def _read_strips(data: bytes, *, tags: Tags, layout: Layout, rows: int) -> NDArray[Any]:
    total = layout.height * layout.row_bytes
    wanted = [
        min(rows, layout.height - top) * layout.row_bytes for top in range(0, layout.height, rows)
    ]
    offsets, sizes = tags.get(STRIP_OFFSETS, ()), tags.get(STRIP_BYTES, ())
    strips = _unpack(data, offsets=offsets, sizes=sizes, wanted=wanted, tags=tags)
    strip = next(strips)  # before there is room for all: a header may say anything
    if len(strip) == total:
        stored = np.frombuffer(strip, np.uint8)
    else:
        stored, end = np.empty(total, np.uint8), 0
        for part in itertools.chain([strip], strips):
            stored[end : end + len(part)] = np.frombuffer(part, np.uint8)
            end += len(part)
    samples = stored.view(layout.dtype).reshape(layout.height, layout.width, layout.channels)
    return samples.astype(layout.dtype.newbyteorder("="), copy=False)


def _read_tiles(data: bytes, *, tags: Tags, layout: Layout, limits: Limits) -> NDArray[Any]:
    """Return the samples of a page in tiles, row by row of them; those at the edges are cut."""
    height, width = first(tags, TILE_HEIGHT), first(tags, TILE_WIDTH)
    if height % _TILE_STEP or width % _TILE_STEP or not height or not width:
        refuse_corrupt(f"TIFF tiles with sides of multiples of 16, got {width} x {height}")
    down, across = -(-layout.height // height), -(-layout.width // width)
    # What all tiles hold, beyond the edges too.
    check_pixels(down * height, across * width, limits=limits, pixel_bytes=layout.pixel_bytes)
    wanted = [height * width * layout.pixel_bytes] * (down * across)
    offsets, sizes = tags.get(TILE_OFFSETS, ()), tags.get(TILE_BYTES, ())
    tiles = _unpack(data, offsets=offsets, sizes=sizes, wanted=wanted, tags=tags)
    tile = next(tiles)  # before there is room for all
    samples = np.empty(
        (layout.height, layout.width, layout.channels), layout.dtype.newbyteorder("=")
    )
    places = itertools.product(range(0, layout.height, height), range(0, layout.width, width))
    for (top, left), part in zip(places, itertools.chain([tile], tiles), strict=True):
        shown = samples[top : top + height, left : left + width]
        pixels = np.frombuffer(part, layout.dtype).reshape(height, width, layout.channels)
        whole = _undo_prediction(pixels.astype(samples.dtype, copy=False), tags=tags)
        shown[:] = whole[: shown.shape[0], : shown.shape[1]]
    return samples


def _undo_prediction(samples: NDArray[Any], *, tags: Tags) -> NDArray[Any]:
    compression = first(tags, COMPRESSION, _NONE)
    if first(tags, PREDICTOR, 1) == HORIZONTAL and compression in _PREDICTED:
        return np.cumsum(samples, axis=1, dtype=samples.dtype)
    return samples


def _unpack(
    data: bytes,
    *,
    offsets: tuple[int, ...],
    sizes: tuple[int, ...],
    wanted: list[int],
    tags: Tags,
) -> Iterator[bytes | memoryview]:
    """Yield the bytes of each strip or tile, as many as `wanted`; all lie within the file."""
    name = "tile" if TILE_WIDTH in tags else "strip"
    if not len(offsets) == len(sizes) == len(wanted):
        refuse_corrupt(f"one TIFF {name} offset and size per {name}")
    for index, (offset, size) in enumerate(zip(offsets, sizes, strict=True)):
        if offset + size > len(data):
            refuse_truncated(
                f"TIFF {name} {index} up to byte {offset + size}, got {len(data)} bytes"
            )
    unpack, view = UNPACKERS[first(tags, COMPRESSION, _NONE)], memoryview(data)
    for index, (offset, size, count) in enumerate(zip(offsets, sizes, wanted, strict=True)):
        block = unpack(view[offset : offset + size], count)
        if len(block) != count:
            refuse_corrupt(f"{count} bytes in TIFF {name} {index}")
        yield block


def _cut(strip: memoryview, wanted: int) -> memoryview:
    """Return the `wanted` bytes of an uncompressed strip, or fewer where it is shorter."""
    return strip[:wanted]


def _inflate(strip: memoryview, wanted: int) -> bytes:
    """Return the `wanted` bytes of a Deflate strip, or b"" where it holds fewer, more or damage."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(strip, wanted + 1)
    except zlib.error:
        return b""
    # eof says that the Adler-32 checksum came and fits.
    return unpacked if unpacker.eof else b""


def _unpack_runs(strip: memoryview, wanted: int) -> bytes:
    """Return the `wanted` bytes of a PackBits strip, or b"" where runs or bytes are left over."""
    unpacked, rest = unpack_bits(bytes(strip), wanted=wanted)
    if len(unpacked) < wanted:
        refuse_truncated(f"{wanted} bytes in a PackBits strip, got {len(unpacked)}")
    # One byte may pad the strip to an even length.
    return unpacked if len(rest) <= 1 else b""


UNPACKERS: Final[dict[int, Callable[[memoryview, int], bytes | memoryview]]] = {
    _NONE: _cut,
    _LZW: lambda strip, wanted: unpack_lzw(bytes(strip), wanted=wanted),
    _DEFLATE: _inflate,
    _OLD_DEFLATE: _inflate,
    _PACK_BITS: _unpack_runs,
}
"""By compression: a strip and the bytes wanted in, these bytes or another number of them out."""
_PREDICTED: Final = (_LZW, _DEFLATE, _OLD_DEFLATE)
"""Compressions to which the Predictor tag applies (TIFF 6.0 section 14); libtiff has the same."""

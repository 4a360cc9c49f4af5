"""Baseline TIFF (gray, palette, RGB; plain, LZW, Deflate or PackBits), read without libtiff.

OpenCV returns a picture for an LZW or Deflate strip that libtiff could not decode, with the rest
made up (4.11 and 5.0), so the strips are unpacked here and must fit to the byte.
"""

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.limits import Limits, check_pixels
from bonefx_edge.decode.lzw import unpack_lzw
from bonefx_edge.decode.orientation import LAST, UPRIGHT
from bonefx_edge.decode.packbits import unpack_bits
from bonefx_edge.decode.raster import Raster
from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated
from bonefx_edge.errors import DecodeError, Reason

MAGICS: Final = (b"II*\x00", b"MM\x00*")
BIG_MAGICS: Final = (b"II+\x00", b"MM\x00+")
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 274, 277, 278, 279
_PLANAR, _PREDICTOR, _COLOR_MAP, _TILE_WIDTH, _EXTRA, _FORMAT = 284, 317, 320, 322, 338, 339
_TAGS_READ: Final = frozenset(
    (
        *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER),
        *(_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES),
        *(_PLANAR, _PREDICTOR, _COLOR_MAP, _TILE_WIDTH, _EXTRA, _FORMAT),
    )
)
"""Others stay unread: 65,535 of them with a million values each would fill any memory."""
_TYPES: Final = {1: "B", 3: "H", 4: "I"}
"""BYTE, SHORT, LONG: the only types of the tags read here (TIFF 6.0 section 2)."""
_MAX_VALUES: Final = 1 << 20
"""Values per tag: one strip per row of the tallest film, with room to spare."""
_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACK_BITS = 1, 5, 8, 32946, 32773
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = 0, 1, 2, 3
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ALPHAS: Final = (_ASSOCIATED, _UNASSOCIATED)
_COLORS: Final = 3
_UNSIGNED: Final = 1
_ENTRY_BYTES: Final = 12
_INLINE_BYTES: Final = 4
"""A value that fits stands in the directory entry itself."""
_KINDS: Final = {
    (_MIN_IS_WHITE, 1, True),
    (_MIN_IS_WHITE, 1, False),
    (_MIN_IS_BLACK, 1, True),
    (_MIN_IS_BLACK, 1, False),
    (_PALETTE, 1, True),
    (_RGB, 3, True),
    (_RGB, 3, False),
}
"""Photometric interpretation, samples per pixel, whether 8 bit."""
_WITH_ALPHA: Final = {(_MIN_IS_BLACK, 2, True), (_MIN_IS_BLACK, 2, False)} | {
    (_RGB, 4, True),
    (_RGB, 4, False),
}
"""The same with alpha last. MinIsWhite is left out: what its premultiplied values mean is open."""
_HORIZONTAL: Final = 2
"""Predictor 2: each sample is stored as the difference to its left neighbor."""

Tags = dict[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Shape of the stored samples."""

    height: int
    width: int
    channels: int
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        return self.width * self.channels * self.dtype.itemsize


def read_tiff(data: bytes, *, limits: Limits) -> Raster:
    """Return the pixels of a one-page TIFF, larger = brighter (MinIsWhite is turned round).

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT, TOO_LARGE, or UNSUPPORTED (BigTIFF, several pages, tiles, other
        compressions, float or signed samples).
    """
    if data[:4] in BIG_MAGICS:
        _refuse_kind("BigTIFF")
    order = "<" if data[:2] == b"II" else ">"
    tags = _read_tags(data, order=order)
    layout = _check_kind(tags, order=order)
    pixel_bytes = layout.channels * layout.dtype.itemsize
    check_pixels(layout.height, layout.width, limits=limits, pixel_bytes=pixel_bytes)
    _check_lzw_bytes(tags, limits=limits)
    return _show(_read_strips(data, tags=tags, layout=layout), tags=tags)


def _refuse_kind(kind: str) -> NoReturn:
    msg = f"This kind of TIFF is not read ({kind}). Save the image as PNG or uncompressed TIFF."
    raise DecodeError(Reason.UNSUPPORTED, msg)


def _read_tags(data: bytes, *, order: str) -> Tags:
    """Return those of `_TAGS_READ` in the only image file directory; refuse a second one."""
    tags: Tags = {}
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (entries,) = struct.unpack_from(order + "H", data, start)
        for at in range(start + 2, start + 2 + entries * _ENTRY_BYTES, _ENTRY_BYTES):
            tag, kind, count = struct.unpack_from(order + "HHI", data, at)
            if tag not in _TAGS_READ or kind not in _TYPES or count > _MAX_VALUES:
                continue
            layout = f"{order}{count}{_TYPES[kind]}"
            inline = struct.calcsize(layout) <= _INLINE_BYTES
            where = at + 8 if inline else struct.unpack_from(order + "I", data, at + 8)[0]
            tags[tag] = struct.unpack_from(layout, data, where)
        (following,) = struct.unpack_from(order + "I", data, start + 2 + entries * _ENTRY_BYTES)
    except struct.error:
        refuse_truncated("a whole TIFF directory")
    if following:
        _refuse_kind("several pages")
    return tags


def _first(tags: Tags, tag: int, default: int | None = None) -> int:
    """Return the first value of a tag; refuse a file that lacks a tag without default."""
    values = tags.get(tag, () if default is None else (default,))
    if not values:
        refuse_corrupt(f"TIFF tag {tag}, it is missing or empty")
    return values[0]


def _check_kind(tags: Tags, *, order: str) -> _Layout:
    """Return the layout of the samples; refuse every kind that is not read here."""
    bits = set(tags.get(_BITS, (1,)))
    channels = _first(tags, _SAMPLES, 1)
    photometric = _first(tags, _PHOTOMETRIC)
    extra = _first(tags, _EXTRA, 0)
    pairs = {
        "one page without tiles": _TILE_WIDTH not in tags,
        "8 or 16 bits per sample": bits in ({8}, {16}),
        "unsigned integer samples": set(tags.get(_FORMAT, (_UNSIGNED,))) == {_UNSIGNED},
        "no compression, LZW, Deflate or PackBits": _first(tags, _COMPRESSION, _NONE) in _UNPACKERS,
        "predictor 1 or 2": _first(tags, _PREDICTOR, 1) in (1, _HORIZONTAL),
        "the highest bit first": _first(tags, _FILL_ORDER, 1) == 1,
        "samples of a pixel side by side": channels == 1 or _first(tags, _PLANAR, 1) == 1,
        "gray, gray + alpha, 8-bit palette, RGB or RGBA": (photometric, channels, bits == {8})
        in (_KINDS | _WITH_ALPHA if extra in _ALPHAS else _KINDS),
    }
    for wanted, fits in pairs.items():
        if not fits:
            _refuse_kind(f"expected {wanted}, got another kind")
    dtype = np.dtype(f"{order}u{bits.pop() // 8}")
    return _Layout(_first(tags, _HEIGHT), _first(tags, _WIDTH), channels, dtype)


def _check_lzw_bytes(tags: Tags, *, limits: Limits) -> None:
    """Refuse more LZW bytes than are unpacked in time; strips that overlap count each."""
    packed = sum(tags.get(_STRIP_BYTES, ()))
    if _first(tags, _COMPRESSION, _NONE) == _LZW and packed > limits.max_lzw_bytes:
        msg = (
            f"Too much LZW data ({packed:,} bytes, limit {limits.max_lzw_bytes:,}). Save the image "
            "as PNG, or as TIFF with Deflate or without compression."
        )
        raise DecodeError(Reason.TOO_LARGE, msg)


def _read_strips(data: bytes, *, tags: Tags, layout: _Layout) -> NDArray[Any]:
    """Return (height, width, channels), uint8 or uint16 in this machine's byte order, as stored."""
    strips = _unpack_strips(data, tags=tags, layout=layout)
    first = next(strips)  # before there is room for all: a header may say anything
    total = layout.height * layout.row_bytes
    if len(first) == total:
        stored = np.frombuffer(first, np.uint8)
    else:
        stored, end = np.empty(total, np.uint8), 0
        for strip in itertools.chain([first], strips):
            stored[end : end + len(strip)] = np.frombuffer(strip, np.uint8)
            end += len(strip)
    samples = stored.view(layout.dtype).reshape(layout.height, layout.width, layout.channels)
    samples = samples.astype(layout.dtype.newbyteorder("="), copy=False)
    compression = _first(tags, _COMPRESSION, _NONE)
    if _first(tags, _PREDICTOR, 1) == _HORIZONTAL and compression in _PREDICTED:
        return np.cumsum(samples, axis=1, dtype=samples.dtype)
    return samples


def _unpack_strips(data: bytes, *, tags: Tags, layout: _Layout) -> Iterator[bytes | memoryview]:
    """Yield the bytes of each strip, as many as its rows have; all lie within the file."""
    rows = min(max(_first(tags, _ROWS_PER_STRIP, layout.height), 1), layout.height)
    offsets, sizes = tags.get(_STRIP_OFFSETS, ()), tags.get(_STRIP_BYTES, ())
    if not len(offsets) == len(sizes) == -(-layout.height // rows):
        refuse_corrupt("one TIFF strip offset and size per strip")
    for index, (offset, size) in enumerate(zip(offsets, sizes, strict=True)):
        if offset + size > len(data):
            refuse_truncated(
                f"TIFF strip {index} up to byte {offset + size}, got {len(data)} bytes"
            )
    unpack, view = _UNPACKERS[_first(tags, _COMPRESSION, _NONE)], memoryview(data)
    for index, (offset, size) in enumerate(zip(offsets, sizes, strict=True)):
        wanted = min(rows, layout.height - index * rows) * layout.row_bytes
        strip = unpack(view[offset : offset + size], wanted)
        if len(strip) != wanted:
            refuse_corrupt(f"{wanted} bytes in TIFF strip {index}")
        yield strip


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


_UNPACKERS: Final[dict[int, Callable[[memoryview, int], bytes | memoryview]]] = {
    _NONE: _cut,
    _LZW: lambda strip, wanted: unpack_lzw(bytes(strip), wanted=wanted),
    _DEFLATE: _inflate,
    _OLD_DEFLATE: _inflate,
    _PACK_BITS: _unpack_runs,
}
"""By compression: a strip and the bytes wanted in, these bytes or another number of them out."""
_PREDICTED: Final = (_LZW, _DEFLATE, _OLD_DEFLATE)
"""Compressions to which the Predictor tag applies (TIFF 6.0 section 14); libtiff has the same."""


def _show(samples: NDArray[Any], *, tags: Tags) -> Raster:
    """Return the samples as they are meant to be seen: colors looked up, larger = brighter."""
    orientation = _first(tags, _ORIENTATION, UPRIGHT)
    if not UPRIGHT <= orientation <= LAST:
        orientation = UPRIGHT
    photometric = _first(tags, _PHOTOMETRIC)
    # Associated alpha (1) is already multiplied in, which is what "over black" means.
    has_alpha = samples.shape[2] in (2, 4) and _first(tags, _EXTRA, 0) == _UNASSOCIATED
    alpha = samples[:, :, -1] if has_alpha else None
    if photometric == _PALETTE:
        return Raster(_color_map(tags)[samples[:, :, 0]], orientation=orientation)
    if photometric != _RGB:
        gray = samples[:, :, 0]
        gray = ~gray if photometric == _MIN_IS_WHITE else gray
        return Raster(gray, alpha=alpha, orientation=orientation)
    return Raster(samples[:, :, :_COLORS], alpha=alpha, orientation=orientation)


def _color_map(tags: Tags) -> NDArray[np.uint8]:
    """Return the palette, uint8 (256, 3); TIFF 6.0 stores 16-bit values, all red ones first."""
    values = tags.get(_COLOR_MAP, ())
    if len(values) != _COLORS * 256:
        refuse_corrupt(f"768 values in the TIFF color map, got {len(values)}")
    # Some writers store 8-bit values; libtiff guesses in the same way.
    shift = 8 if max(values) > 255 else 0  # noqa: PLR2004 - largest 8-bit value
    return (np.array(values, np.uint16).reshape(_COLORS, 256).T >> shift).astype(np.uint8)

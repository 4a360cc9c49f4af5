"""Directories of a TIFF file: which page is the film, and the tags that are read of it."""

import struct
from typing import Final, NoReturn

from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated
from bonefx_edge.errors import DecodeError, Reason

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = 273, 274, 277, 278, 279
PLANAR, PREDICTOR, COLOR_MAP, EXTRA, FORMAT = 284, 317, 320, 338, 339
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
_NEW_SUBFILE, _SUBFILE = 254, 255
_PAGE_TAGS: Final = frozenset((_NEW_SUBFILE, _SUBFILE))
_TAGS_READ: Final = frozenset(
    (
        *(WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER),
        *(STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES),
        *(PLANAR, PREDICTOR, COLOR_MAP, EXTRA, FORMAT),
        *(TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES),
    )
)
"""Others stay unread: 65,535 of them with a million values each would fill any memory."""
_TYPES: Final = {1: "B", 3: "H", 4: "I"}
"""BYTE, SHORT, LONG: the only types of the tags read here (TIFF 6.0 section 2)."""
_MAX_VALUES: Final = 1 << 20
"""Values per tag: one strip per row of the tallest film, with room to spare."""
_MAX_PAGES: Final = 16
_ENTRY_BYTES: Final = 12
_INLINE_BYTES: Final = 4
"""A value that fits stands in the directory entry itself."""
_REDUCED: Final = 1
"""Bit of NewSubfileType: a smaller picture of another page."""
_OLD_REDUCED: Final = 2
"""SubfileType of the same."""

Tags = dict[int, tuple[int, ...]]


def read_tags(data: bytes, *, order: str) -> Tags:
    """Return the tags of the only page that is no thumbnail; `order` is "<" or ">".

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT, or UNSUPPORTED where several pages are films, or none of several.
    """
    starts = _page_starts(data, order=order)
    full = [start for start in starts if not _is_thumbnail(data, start, order=order)]
    films = full or starts
    if len(films) > 1:
        refuse_kind(f"{len(films)} pages")
    return _read_directory(data, films[0], order=order, wanted=_TAGS_READ)[0]


def first(tags: Tags, tag: int, default: int | None = None) -> int:
    """Return the first value of a tag; refuse a file that lacks a tag without default."""
    values = tags.get(tag, () if default is None else (default,))
    if not values:
        refuse_corrupt(f"TIFF tag {tag}, it is missing or empty")
    return values[0]


def refuse_kind(kind: str) -> NoReturn:
    """Refuse a TIFF of a kind that is not read."""
    msg = f"This kind of TIFF is not read ({kind}). Save the image as PNG or uncompressed TIFF."
    raise DecodeError(Reason.UNSUPPORTED, msg)


def _page_starts(data: bytes, *, order: str) -> list[int]:
    """Return the byte position of each directory."""
    starts: list[int] = []
    if len(data) < 8:  # noqa: PLR2004 - the header
        refuse_truncated("a whole TIFF header")
    (start,) = struct.unpack_from(order + "I", data, 4)
    while start or not starts:
        if start in starts:
            refuse_corrupt("TIFF directories that follow each other, got a circle")
        if len(starts) == _MAX_PAGES:
            refuse_kind(f"more than {_MAX_PAGES} pages")
        starts.append(start)
        start = _read_directory(data, start, order=order, wanted=_PAGE_TAGS)[1]
    return starts


def _is_thumbnail(data: bytes, start: int, *, order: str) -> bool:
    tags, _ = _read_directory(data, start, order=order, wanted=_PAGE_TAGS)
    return bool(first(tags, _NEW_SUBFILE, 0) & _REDUCED or first(tags, _SUBFILE, 1) == _OLD_REDUCED)


def _read_directory(
    data: bytes, start: int, *, order: str, wanted: frozenset[int]
) -> tuple[Tags, int]:
    """Return the tags `wanted` of the directory at byte `start`, and where the next one is."""
    tags: Tags = {}
    try:
        (entries,) = struct.unpack_from(order + "H", data, start)
        for at in range(start + 2, start + 2 + entries * _ENTRY_BYTES, _ENTRY_BYTES):
            tag, kind, count = struct.unpack_from(order + "HHI", data, at)
            if tag not in wanted or kind not in _TYPES or count > _MAX_VALUES:
                continue
            layout = f"{order}{count}{_TYPES[kind]}"
            inline = struct.calcsize(layout) <= _INLINE_BYTES
            where = at + 8 if inline else struct.unpack_from(order + "I", data, at + 8)[0]
            tags[tag] = struct.unpack_from(layout, data, where)
        (following,) = struct.unpack_from(order + "I", data, start + 2 + entries * _ENTRY_BYTES)
    except struct.error:
        refuse_truncated("a whole TIFF directory")
    return tags, following

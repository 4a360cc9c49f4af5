"""Marker segments of JPEG and JPEG-LS streams (T.81 annex B.1.1)."""

import re
import struct
from typing import Final

from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated

EOI, SOS, DHT, DRI = 0xD9, 0xDA, 0xC4, 0xDD
MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Ends entropy-coded data: no stuffed zero, fill byte or restart marker."""
_TEM: Final = 0x01
_RST: Final = range(0xD0, 0xD8)


def next_segment(data: bytes, at: int) -> tuple[int, int, int]:
    """Return marker, position and length in bytes of the next segment's payload."""
    while True:
        if at + 1 >= len(data):
            refuse_truncated("a JPEG with at least one scan")
        filler, marker = data[at], data[at + 1]
        if filler != 0xFF or marker in (0x00, EOI):  # noqa: PLR2004 - marker syntax, T.81 B.1.1.2
            refuse_corrupt(f"a JPEG marker at byte {at}, got 0x{filler:02x}{marker:02x}")
        if marker == 0xFF:  # noqa: PLR2004 - fill byte
            at += 1
        elif marker == _TEM or marker in _RST:
            at += 2
        else:
            break
    (length,) = unpack(">H", data, at + 2)
    if length < 2 or at + 2 + length > len(data):  # noqa: PLR2004 - the length counts itself
        refuse = refuse_corrupt if length < 2 else refuse_truncated  # noqa: PLR2004
        refuse(f"a whole JPEG segment at byte {at}, its length {length} does not fit")
    return marker, at + 4, length - 2


def unpack(layout: str, data: bytes, at: int) -> tuple[int, ...]:
    """Return the numbers at byte `at`, or refuse the file as truncated."""
    try:
        return struct.unpack_from(layout, data, at)
    except struct.error:
        refuse_truncated(f"a JPEG header at byte {at}")

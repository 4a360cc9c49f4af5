"""Slips in the headers of JPEG files that libjpeg warns of, though no pixel depends on them.

bonefx takes each warning of libjpeg as damage: it completes what is missing and only warns. These
slips are put right in a copy of the file, so that a second decode finds real damage alone.
"""

import re
from typing import Final

from bonefx_edge.decode.jpeg.segments import EOI, MARKER, SOS, next_segment

_HARMLESS: Final = re.compile("Invalid SOS parameters|unknown JFIF revision|bad ICC marker")
"""In the warning; libjpeg writes of damage with other words."""
_APP0, _APP2 = 0xE0, 0xE2
_JFIF, _ICC = b"JFIF\x00", b"ICC_PROFILE\x00"
_WHOLE_SCAN: Final = b"\x00\x3f\x00"
"""Ss, Se and Ah/Al of a sequential scan: all 64 coefficients, all bits (T.81 table B.3)."""


def is_harmless(warning: str) -> bool:
    """Return whether `mend` puts right what libjpeg warns of."""
    return _HARMLESS.search(warning) is not None


def mend(data: bytes) -> bytes:
    """Return a sequential JPEG with its scan headers, JFIF version and ICC profile put right.

    Phones write a scan header for coefficients 0 to 0; a sequential scan always has all 64. Scan
    headers that cannot stem from such a slip stay as they are.

    Raises
    ------
    DecodeError
        TRUNCATED or CORRUPT where the segments do not follow each other.
    """
    mended = bytearray(data)
    at = 2
    while True:
        marker, at, length = next_segment(data, at)
        payload, end = data[at : at + length], at + length
        if marker == SOS and payload[-3:-2] + payload[-1:] == b"\x00\x00":
            mended[end - 3 : end] = _WHOLE_SCAN
        elif marker == _APP0 and payload.startswith(_JFIF) and length > len(_JFIF):
            mended[at + len(_JFIF)] = 1
        elif marker == _APP2 and payload.startswith(_ICC):
            mended[at : at + len(_ICC)] = bytes(len(_ICC))  # the profile of a gray film is not used
        at = end
        if marker == SOS:
            found = MARKER.search(data, at)
            if found is None or data[found.start() + 1] == EOI:
                return bytes(mended)
            at = found.start()

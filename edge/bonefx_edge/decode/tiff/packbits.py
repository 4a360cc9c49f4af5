"""PackBits run lengths: compression 32773 of TIFF and the segments of DICOM RLE."""

from typing import Final

_NOTHING: Final = 128
"""Control byte without data (-128 as two's complement): skipped."""


def unpack_bits(packed: bytes, *, wanted: int) -> tuple[bytes, bytes]:
    """Return the unpacked bytes and the packed ones that were not needed for them.

    TIFF 6.0 section 9, DICOM PS3.5 G.3.2. Stops with the run that reaches `wanted` bytes, so that
    at most 127 more come back; fewer come back where the packed bytes end before. Both are for
    the caller to refuse.

    Examples
    --------
    >>> unpack_bits(bytes([1, 65, 66, 254, 67, 99]), wanted=5)
    (b'ABCCC', b'c')
    """
    unpacked = bytearray()
    at = 0
    while len(unpacked) < wanted and at + 1 < len(packed):
        control = packed[at]
        if control < _NOTHING:
            unpacked += packed[at + 1 : at + 2 + control]
            at += 2 + control
        elif control > _NOTHING:
            unpacked += packed[at + 1 : at + 2] * (257 - control)
            at += 2
        else:
            at += 1
    return bytes(unpacked), packed[at:]

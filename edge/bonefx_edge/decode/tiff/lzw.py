"""LZW strips of TIFF (compression 5): what cv2.imwrite("film.tif") writes.

A noisy film of 2 megapixels takes 0.3 to 0.6 s at 8 bit and 0.7 to 1.1 s at 16 bit, with and
without predictor: 0.21 to 0.26 s per MB of strip (one x86 core). `Limits.max_lzw_bytes` caps it.
A strip that holds more than its bytes is refused at the next Clear code: one table of strings
(7 MB) later at most.
"""

import struct
from collections.abc import Iterator
from typing import Final

from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated

_CLEAR, _END = 256, 257
_ROOTS: Final = (*(bytes([value]) for value in range(256)), b"", b"")
"""The table after a Clear code; Clear and EndOfInformation stand in it as empty strings."""
_WIDTHS: Final = (*(9,) * 254, *(10,) * 512, *(11,) * 1024, *(12,) * 2050)
"""Bits of each code after a Clear code.

The width grows one entry early: to 10 bits with entry 510, not 511. Entry 4095 is the last that
12 bits can name, so the last code here must be Clear or EndOfInformation. TIFF 6.0 has Clear two
codes earlier; up to here a later one leaves no doubt either.
"""
_WORD: Final = struct.Struct(">I")
_WORD_BITS: Final = 32


def unpack_lzw(strip: bytes, *, wanted: int) -> bytes:
    """Return exactly `wanted` bytes of a strip (TIFF 6.0 section 13, most significant bit first).

    Raises
    ------
    DecodeError
        TRUNCATED where the codes end before the strip is full, or without EndOfInformation;
        CORRUPT for a code that cannot stand where it does, or more than `wanted` bytes.
    """
    unpacked, table = bytearray(), list(_ROOTS)
    code, previous = _CLEAR, b""
    for code in _read_codes(strip):
        if code < len(table):
            string = table[code]
            if previous and string:
                table.append(previous + string[:1])
        elif code == len(table) and previous:
            string = previous + previous[:1]  # the very string that this code adds
            table.append(string)
        else:
            refuse_corrupt(f"LZW codes up to {len(table) - 1}, got {code}")
        unpacked += string
        previous = string
        if not string:
            del table[len(_ROOTS) :]
            if code == _END or len(unpacked) > wanted:
                break
    _check_end(code, unpacked=len(unpacked), wanted=wanted)
    return bytes(unpacked)


def _check_end(code: int, *, unpacked: int, wanted: int) -> None:
    """Refuse a strip whose last code is no EndOfInformation or that has another length."""
    if unpacked > wanted:
        refuse_corrupt(f"LZW codes for {wanted} bytes, got more")
    if unpacked < wanted or code != _END:
        refuse_truncated(f"{wanted} bytes and an end code in an LZW strip, got {unpacked} bytes")


def _read_codes(strip: bytes) -> Iterator[int]:
    """Yield the codes of a strip; bits too few for another code end it."""
    if len(strip) > 1 and int.from_bytes(strip[:2], "big") >> 7 != _CLEAR:
        refuse_corrupt("an LZW strip that starts with a Clear code, got another one")
    odd = len(strip) % _WORD.size  # bytes before the whole words
    words = _WORD.iter_unpack(memoryview(strip)[odd:])
    pending, bits = int.from_bytes(strip[:odd], "big"), odd * 8
    while True:
        for width in _WIDTHS:
            if bits < width:
                word = next(words, None)
                if word is None:
                    return
                pending, bits = pending << _WORD_BITS | word[0], bits + _WORD_BITS
            bits -= width
            code = pending >> bits
            pending &= (1 << bits) - 1
            yield code
            if code == _CLEAR:
                break
        else:
            refuse_corrupt(f"an LZW Clear code after {len(_WIDTHS)} codes, got none")

"""Entropy-coded differences of lossless JPEG (T.81 annexes F.2.2 and H.1.2.2), vectorized.

A Huffman code can only be found after the one before it. So the bits that four codes and their
extra bits take are looked up for every bit of the stream at once; the walk from code to code, all
that is left to Python, is one addition per four pixels.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated

_BYTE_BITS: Final = 8
_CODE_BITS: Final = 16
"""Longest Huffman code."""
_CATEGORIES: Final = 17
"""SSSS of a lossless difference: 0 to 16 (T.81 table H.2)."""
_NO_CODE: Final = 255
"""Stands for the bits taken by a pattern that is no code; real ones take at most 31."""
_CHUNK_BYTES: Final = 1 << 16
"""Of the stream, looked up at once: half a million bit positions."""
_MARGIN_BYTES: Final = 5
"""Bytes behind a position that its code and extra bits may reach into."""
_BEYOND_BYTES: Final = 2 * _NO_CODE // _BYTE_BITS + 1
"""Behind the last code of a chunk: where two codes may lead, with 0 bits to go on."""


@dataclass(frozen=True, slots=True)
class HuffmanTable:
    """One DC table, by the 16 bits that follow a position: arrays of 65,536."""

    length: NDArray[np.uint8]
    """Bits of the code; `_NO_CODE` where the bits begin no code."""
    category: NDArray[np.uint8]
    """SSSS: how large the difference is."""
    taken: NDArray[np.uint8]
    """Bits of the code and of the extra bits behind it; `_NO_CODE` as above."""
    difference: NDArray[np.uint16]
    """Modulo 65,536; right where `taken` is at most 16."""


def read_table(counts: bytes, categories: bytes) -> HuffmanTable:
    """Return the table of a DHT segment: codes per length, 1 to 16, and their categories.

    Raises
    ------
    DecodeError
        CORRUPT for codes that do not fit in their bits or categories above 16.
    """
    length = np.full(1 << _CODE_BITS, _NO_CODE, np.uint8)
    category = np.zeros(1 << _CODE_BITS, np.uint8)
    at, index = 0, 0
    for bits, count in enumerate(counts, start=1):
        share = 1 << (_CODE_BITS - bits)
        for value in categories[index : index + count]:
            length[at : at + share], category[at : at + share] = bits, value
            at += share
        index += count
    # The code of ones only is reserved (T.81 C.2), so the patterns are never used up.
    if at >= 1 << _CODE_BITS or max(categories, default=_CATEGORIES) >= _CATEGORIES:
        refuse_corrupt("a Huffman table of lossless JPEG, got impossible codes")
    extra = category % _CODE_BITS  # 16 is the difference 32768, without extra bits
    taken = np.where(length == _NO_CODE, length, length + extra).astype(np.uint8)
    patterns = np.arange(1 << _CODE_BITS, dtype=np.uint64) << np.uint64(_CODE_BITS)
    difference = _extend(patterns, length=length, category=category)
    return HuffmanTable(length, category, taken, difference)


def decode_differences(coded: bytes, *, table: HuffmanTable, wanted: int) -> NDArray[np.uint16]:
    """Return the `wanted` differences modulo 65,536 of one restart interval, unstuffed.

    Raises
    ------
    DecodeError
        TRUNCATED where the bits end before, CORRUPT for bits that are no code and for anything
        but padding behind the last code.
    """
    padded = np.frombuffer(coded + b"\xff" * (_MARGIN_BYTES + 1), np.uint8)
    differences = np.empty(wanted, np.uint16)
    bit, done = 0, 0
    for start in range(0, len(coded), _CHUNK_BYTES):
        if done == wanted:
            break
        chunk = padded[start : start + _CHUNK_BYTES + _MARGIN_BYTES]
        windows = _windows(chunk[: len(coded) - start + _MARGIN_BYTES])
        at, bit = _walk(windows, table=table, first=bit - start * _BYTE_BITS, most=wanted - done)
        bit += start * _BYTE_BITS
        differences[done : done + len(at)] = _differences(windows, at=at, table=table)
        done += len(at)
    spare = len(coded) * _BYTE_BITS - bit
    if done < wanted or spare < 0:
        refuse_truncated(f"{wanted} coded pixels of lossless JPEG, got {done}")
    # T.81 F.1.2.3 pads the last byte with ones; some encoders write zeros.
    padding = coded[-1] & ((1 << spare) - 1) if spare < _BYTE_BITS else -1
    if padding not in (0, (1 << spare) - 1):
        refuse_corrupt(f"lossless JPEG that ends with its last pixel, {spare} bits are left")
    return differences


def _windows(chunk: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return for each byte but the last 5 the 40 bits from it on."""
    count = len(chunk) - _MARGIN_BYTES
    windows = np.zeros(count, np.uint64)
    for index in range(_MARGIN_BYTES):
        windows <<= np.uint64(8)
        windows |= chunk[index : index + count]
    return windows


def _walk(
    windows: NDArray[np.uint64], *, table: HuffmanTable, first: int, most: int
) -> tuple[NDArray[np.int64], int]:
    """Return the bit positions of up to `most` codes that begin in `windows`, and the next one."""
    top = (windows >> np.uint64(_CODE_BITS)).astype(np.uint32)  # a code at any of 8 positions
    steps = np.zeros((len(top) + _BEYOND_BYTES, _BYTE_BITS), np.uint16)
    for shift in range(_BYTE_BITS):
        steps[: len(top), shift] = table.taken[(top >> (_BYTE_BITS - shift)) & 0xFFFF]
    one = steps.reshape(-1)
    end = len(top) * _BYTE_BITS
    places = np.arange(end)
    two = one.copy()
    two[:end] += one[places + one[:end]]
    four = two[:end] + two[places + two[:end]]
    taken, at = four.tolist(), first
    fourths: list[int] = []
    add = fourths.append
    while at < end:
        add(at)
        at += taken[at]
    found = np.empty((len(fourths), 4), np.int64)
    found[:, 0] = fourths
    for column in range(3):
        found[:, column + 1] = found[:, column] + one[found[:, column]]
    codes = found.reshape(-1)
    codes = codes[codes < end][:most]
    if (one[codes] == _NO_CODE).any():
        refuse_corrupt("Huffman codes of lossless JPEG, got bits that are none")
    return codes, int(codes[-1] + one[codes[-1]]) if len(codes) else first


def _differences(
    windows: NDArray[np.uint64], *, at: NDArray[np.int64], table: HuffmanTable
) -> NDArray[np.uint16]:
    """Return the differences whose codes begin at these bit positions, modulo 65,536."""
    bits = windows[at >> 3] >> (_BYTE_BITS - (at & 7)).astype(np.uint64)
    code = (bits >> np.uint64(_CODE_BITS)).astype(np.uint16)
    differences: NDArray[np.uint16] = table.difference[code]
    long = np.flatnonzero(table.taken[code] > _CODE_BITS)
    length, category = table.length[code[long]], table.category[code[long]]
    differences[long] = _extend(bits[long], length=length, category=category)
    return differences


def _extend(
    bits: NDArray[np.uint64], *, length: NDArray[np.uint8], category: NDArray[np.uint8]
) -> NDArray[np.uint16]:
    """Return the differences in 32 bits each that begin with a code (T.81 F.2.2.1, EXTEND)."""
    rest = (bits << length.astype(np.uint64)) & np.uint64(0xFFFFFFFF)
    extra = (rest >> _SHIFTS[category]).astype(np.int64)
    return np.where(extra < _HALVES[category], extra + _LOWEST[category], extra).astype(np.uint16)


_SHIFTS: Final = np.array([32 - bits % 16 for bits in range(_CATEGORIES)], np.uint64)
"""By category: behind how many of 32 bits the extra bits end."""
_HALVES: Final = np.array([0, *(1 << bits - 1 for bits in range(1, 17))], np.int64)
"""By category: extra bits below this are a negative difference."""
_LOWEST: Final = np.array([*(1 - (1 << bits) for bits in range(16)), 1 << 15], np.int64)
"""By category: what is added to extra bits below `_HALVES`; 16 has none and means 32768."""

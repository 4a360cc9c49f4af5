"""Lossless JPEG (T.81 annex H, SOF3) of one gray component, strict: docs/decisions/0026.

A stream is answered only if its codes give exactly as many samples as the picture has, within its
bits per sample, and use up every bit between the scan header and EOI.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.dicom.lossless_huffman import HuffmanTable, decode_differences, read_table
from bonefx_edge.decode.dicom.lossless_predictors import PREDICTORS, undo_prediction
from bonefx_edge.decode.jpeg.reader import JpegHeader
from bonefx_edge.decode.jpeg.segments import DHT, DRI, EOI, SOS, next_segment
from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated
from bonefx_edge.errors import DecodeError, Reason

SOF_LOSSLESS: Final = 0xC3
MAX_PIXELS: Final = 20_000_000
"""A larger film would take a slow board longer than the 30 s after which a service ends it."""
_RST: Final = 0xD0
_RESTARTS: Final = 8
_MARKER: Final = re.compile(rb"\xff+([^\x00\xff])")
_SCAN: Final = struct.Struct(">BBBBBB")
"""Scan header of one component: Ns, Cs, Td/Ta, Ss (predictor), Se, Ah/Al (point transform)."""
_TABLE_BYTES: Final = 17
_MAX_BITS: Final = 16


@dataclass(slots=True)
class _Scan:
    """What the segments before the entropy-coded data say."""

    tables: dict[int, HuffmanTable] = field(default_factory=dict)
    restart_interval: int = 0
    """Samples; 0 = one interval."""
    header: bytes = b""
    coded_at: int = 0
    """Byte position of the entropy-coded data."""


def decode_lossless(stream: bytes, *, header: JpegHeader) -> NDArray[Any]:
    """Return the samples, (height, width), uint8 up to 8 bits per sample, uint16 above.

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT, TOO_LARGE, or UNSUPPORTED (another process, several components).
    """
    _check_header(header)
    scan = _read_segments(stream)
    if len(scan.header) != _SCAN.size:
        refuse_corrupt("a scan header of one component")
    count, _, tables, predictor, end, approximation = _SCAN.unpack(scan.header)
    table, shift = scan.tables.get(tables >> 4), approximation
    if table is None or predictor not in PREDICTORS or (count, end) != (1, 0):
        refuse_corrupt("a scan header with a predictor of 1 to 7 and its Huffman table")
    if shift >= header.bits:
        refuse_corrupt(f"a point transform below {header.bits} bits, got {shift}")
    bits = header.bits - shift
    intervals = _split(stream, start=scan.coded_at)
    rows = _rows_per_interval(scan.restart_interval, header=header)
    if len(intervals) != -(-header.height // rows):
        refuse_corrupt(f"{-(-header.height // rows)} restart intervals, got {len(intervals)}")
    samples = np.empty((header.height, header.width), np.uint16)
    for interval, top in zip(intervals, range(0, header.height, rows), strict=True):
        block = samples[top : top + rows]
        coded = interval.replace(b"\xff\x00", b"\xff")
        differences = decode_differences(coded, table=table, wanted=block.size)
        block[:] = undo_prediction(
            differences.reshape(block.shape), predictor=predictor, first=1 << (bits - 1)
        )
    if int(samples.max()) >> bits:
        refuse_corrupt(f"lossless JPEG samples of {bits} bits, got larger ones")
    samples <<= np.uint16(shift)
    return samples.astype(np.uint8) if header.bits <= 8 else samples  # noqa: PLR2004 - bits


def _check_header(header: JpegHeader) -> None:
    if header.process != SOF_LOSSLESS or header.components != 1:
        msg = (
            f"This kind of JPEG is not read (SOF{header.process - 0xC0}, {header.components} "
            "components where lossless JPEG of one is expected). Send the file uncompressed."
        )
        raise DecodeError(Reason.UNSUPPORTED, msg)
    if not 1 < header.bits <= _MAX_BITS or not header.width:
        refuse_corrupt(f"2 to {_MAX_BITS} bits per sample, got {header.bits}")
    if header.height * header.width > MAX_PIXELS:
        msg = (
            f"The image is too large ({header.width} x {header.height} pixels, limit of lossless "
            f"JPEG {MAX_PIXELS:,}). Send the file uncompressed."
        )
        raise DecodeError(Reason.TOO_LARGE, msg)


def _read_segments(stream: bytes) -> _Scan:
    """Return the Huffman tables, restart interval and scan header before the first scan."""
    scan, at = _Scan(), 2
    while True:
        marker, at, length = next_segment(stream, at)
        payload = stream[at : at + length]
        at += length
        if marker == DHT:
            _read_tables(payload, tables=scan.tables)
        elif marker == DRI:
            scan.restart_interval = int.from_bytes(payload, "big")
        elif marker == SOS:
            scan.header, scan.coded_at = payload, at
            return scan


def _read_tables(payload: bytes, *, tables: dict[int, HuffmanTable]) -> None:
    """Add the tables of a DHT segment, by their identifier."""
    at = 0
    while at < len(payload):
        counts = payload[at + 1 : at + _TABLE_BYTES]
        end = at + _TABLE_BYTES + sum(counts)
        if len(counts) < _TABLE_BYTES - 1 or end > len(payload):
            refuse_corrupt("a whole Huffman table of lossless JPEG")
        tables[payload[at]] = read_table(counts, payload[at + _TABLE_BYTES : end])
        at = end


def _split(stream: bytes, *, start: int) -> list[bytes]:
    """Return the entropy-coded data between the restart markers, from `start` up to EOI."""
    intervals: list[bytes] = []
    code = None
    for marker in _MARKER.finditer(stream, start):
        intervals.append(stream[start : marker.start()])
        start, code = marker.end(), marker[1][0]
        if code == EOI:
            break
        if code != _RST + (len(intervals) - 1) % _RESTARTS:
            refuse_corrupt(f"restart markers in order and then EOI, got marker 0x{code:02x}")
    if code != EOI:
        refuse_truncated("lossless JPEG up to its end marker (EOI)")
    # Frames are padded to an even length, by some with FF.
    if stream[start:].strip(b"\x00\xff"):
        refuse_corrupt("nothing behind the end marker (EOI) of lossless JPEG")
    return intervals


def _rows_per_interval(samples: int, *, header: JpegHeader) -> int:
    """Return the rows of a restart interval; all where there is none (T.81 H.1.1: whole rows)."""
    if samples % header.width:
        refuse_corrupt(f"restart intervals of whole rows of {header.width} samples, got {samples}")
    return samples // header.width or header.height

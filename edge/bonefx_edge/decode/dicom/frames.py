"""The compressed stream of one frame, out of what DICOM and its writers put around it."""

import struct
from typing import Final

from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated

_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_ITEM_HEADER_BYTES: Final = 8
_END: Final = b"\xff\xd9"
"""EOI of JPEG and JPEG-LS, EOC of JPEG 2000."""
_JP2_SIGNATURE: Final = b"\x00\x00\x00\x0cjP  "
_JP2_CODESTREAM: Final = b"jp2c"
_BOX_HEADER_BYTES: Final = 8
_LONG_BOX_HEADER_BYTES: Final = 16


def join_fragments(data: bytes, *, start: int) -> bytes:
    """Return the one frame of encapsulated Pixel Data (PS3.5 A.4), offset table left out.

    Not pydicom.encaps: `generate_fragments` of pydicom 3.0.2 ends without an error where a file
    is cut short.
    """
    fragments = []
    at = start
    # The delimiter has length 0; some devices write FFFFFFFF.
    while not (header := data[at : at + _ITEM_HEADER_BYTES]).startswith(_DELIMITER):
        length = int.from_bytes(header[len(_ITEM) :], "little")
        end = at + _ITEM_HEADER_BYTES + length
        if len(header) < _ITEM_HEADER_BYTES or end > len(data):
            refuse_truncated("pixel data up to its sequence delimiter")
        if not header.startswith(_ITEM):
            refuse_corrupt(f"a fragment item at byte {at} of the file, got something else")
        fragments.append(data[at + _ITEM_HEADER_BYTES : end])
        at = end
    if len(header) < _ITEM_HEADER_BYTES:
        refuse_truncated("a whole sequence delimiter")
    return b"".join(fragments[1:])


def without_padding(stream: bytes) -> bytes:
    """Return a stream up to its end marker, where only padding follows it.

    PS3.5 A.4 pads a fragment to even length by a 0 byte; devices also write FF, or several bytes.
    """
    end = len(stream.rstrip(b"\x00\xff"))
    if stream.endswith(_END, 0, len(stream) - 1):
        end = len(stream) - 1
    return stream[:end] if stream.endswith(_END, 0, end) else stream


def jpeg_2000_codestream(frame: bytes) -> bytes:
    """Return the codestream of a JP2 file (T.800 annex I), or the frame where it is none.

    PS3.5 8.2.4 wants the codestream alone; some devices leave the boxes around it.
    """
    if not frame.startswith(_JP2_SIGNATURE):
        return frame
    at = 0
    while at + _LONG_BOX_HEADER_BYTES <= len(frame):
        length, kind = struct.unpack_from(">I4s", frame, at)
        header = _BOX_HEADER_BYTES
        if length == 1:
            (length,) = struct.unpack_from(">Q", frame, at + _BOX_HEADER_BYTES)
            header = _LONG_BOX_HEADER_BYTES
        end = at + length if length else len(frame)
        if kind == _JP2_CODESTREAM:
            return frame[at + header : end]
        at = max(end, at + header)
    return frame

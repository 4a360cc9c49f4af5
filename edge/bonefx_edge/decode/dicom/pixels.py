"""Pixel Data (7FE0,0010) of one frame to stored values, native or compressed (PS3.5 annex A).

Each transfer syntax has exactly one decoder: two decoders of one syntax need not agree.
"""

import importlib
import struct
from collections.abc import Callable
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.dicom.frames import (
    join_fragments,
    jpeg_2000_codestream,
    without_padding,
)
from bonefx_edge.decode.dicom.layout import PixelLayout
from bonefx_edge.decode.dicom.lossless_jpeg import decode_lossless
from bonefx_edge.decode.dicom.syntaxes import (
    JPEG_2000,
    JPEG_2000_CODEC,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_LS_CODEC,
    NATIVE,
    RLE,
)
from bonefx_edge.decode.gray_levels import CHUNK_PX
from bonefx_edge.decode.jpeg import reader as jpeg
from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated
from bonefx_edge.decode.tiff.packbits import unpack_bits
from bonefx_edge.errors import DecodeError, Reason

_UNDEFINED: Final = 0xFFFFFFFF
_BYTE_BITS: Final = 8
_RLE_HEADER: Final = struct.Struct("<16I")
_GRAY_CHROMA: Final = 1.0
"""Mean chroma of a gray picture in color JPEG, gray levels: what rounding leaves."""
_SOC_SIZ: Final = b"\xff\x4f\xff\x51"
_SOT: Final = b"\xff\x90"
_EOC: Final = b"\xff\xd9"
_SOT_SEGMENT_BYTES: Final = 12


Decoder = Callable[[bytes, PixelLayout], NDArray[Any]]


def decode_pixel_data(
    data: bytes, *, start: int, length: int, layout: PixelLayout, transfer_syntax: str
) -> NDArray[Any]:
    """Return the stored bit patterns, (rows, columns), uint8 or uint16 by Bits Allocated.

    Parameters
    ----------
    data
        The whole file.
    start, length
        Position and length in bytes of the value of Pixel Data; 0xFFFFFFFF = undefined length.

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT, UNSUPPORTED or MISSING_CODEC.
    """
    native, decoder = transfer_syntax in NATIVE, _DECODERS.get(transfer_syntax)
    if not native and decoder is None:
        name = _UNREAD.get(transfer_syntax, "another one")
        msg = f"This DICOM compression is not read ({name}). Send the file uncompressed."
        raise DecodeError(Reason.UNSUPPORTED, msg)
    if native == (length == _UNDEFINED):
        refuse_corrupt(
            "pixel data of defined length where native, undefined where compressed (PS3.5 A.4)"
        )
    if decoder is None:
        return _read_native(data, start=start, length=length, layout=layout)
    if layout.samples != 1 and transfer_syntax not in (RLE, JPEG_BASELINE):
        _refuse_color("RGB in another compression than RLE or baseline JPEG")
    decoded = decoder(join_fragments(data, start=start), layout)
    if decoded.size != layout.rows * layout.columns:
        refuse_corrupt(f"{layout.rows * layout.columns} pixels, the decoder gives {decoded.size}")
    if not layout.signed and int(decoded.max()) > layout.mask:
        refuse_corrupt(f"values of {layout.bits_stored} bits, the decoder gives larger ones")
    # A signed 8-bit stream in 16 allocated bits: astype extends the sign, as it should.
    stored = decoded.reshape(layout.rows, layout.columns)
    patterns = np.uint8 if layout.bits_allocated == _BYTE_BITS else np.uint16
    return stored.astype(patterns, copy=False)


def _read_native(data: bytes, *, start: int, length: int, layout: PixelLayout) -> NDArray[Any]:
    there = min(length, len(data) - start)
    if there < layout.frame_bytes:
        refuse_truncated(f"{layout.frame_bytes} bytes of pixels, got {there}")
    pixels = layout.rows * layout.columns
    if layout.samples != 1:
        samples = np.frombuffer(data, np.uint8, pixels * layout.samples, start)
        shape = (layout.samples, pixels) if layout.planar else (pixels, layout.samples)
        channels = samples.reshape(shape)
        gray = _only_gray(channels if layout.planar else channels.T)
        return gray.reshape(layout.rows, layout.columns)
    dtype = np.dtype(f"<u{layout.bits_allocated // _BYTE_BITS}")
    return np.frombuffer(data, dtype, pixels, start).reshape(layout.rows, layout.columns)


def _only_gray(channels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the one picture that all channels hold, (pixels,); refuse color.

    Parameters
    ----------
    channels
        (3, pixels), red, green, blue.
    """
    for start in range(0, channels.shape[1], CHUNK_PX):
        chunk = channels[:, start : start + CHUNK_PX]
        if (chunk[1:] != chunk[0]).any():
            _refuse_color("red, green and blue differ")
    return np.ascontiguousarray(channels[0])


def _refuse_color(what: str) -> NoReturn:
    msg = f"The image is in color ({what}). Send single gray images."
    raise DecodeError(Reason.UNSUPPORTED, msg)


def _decode_rle(frame: bytes, layout: PixelLayout) -> NDArray[Any]:
    """Return the values of an RLE frame (PS3.5 annex G): one segment per byte, highest first."""
    if len(frame) < _RLE_HEADER.size:
        refuse_truncated("an RLE header of 64 bytes, the frame is shorter")
    count, *offsets = _RLE_HEADER.unpack_from(frame)
    segments = layout.samples * layout.bits_allocated // _BYTE_BITS
    if count != segments:
        refuse_corrupt(f"{segments} RLE segments, got {count}")
    ends = [*offsets[1:count], len(frame)]
    pixels = layout.rows * layout.columns
    values = np.empty((pixels, count), np.uint8)
    for column, (start, end) in enumerate(zip(offsets, ends, strict=False)):
        plane = _unpack_segment(frame[start:end], wanted=pixels)
        values[:, count - 1 - column] = np.frombuffer(plane, np.uint8)
    if layout.samples != 1:
        return _only_gray(values.T)
    return values.reshape(-1).view(f"<u{count}")


def _unpack_segment(segment: bytes, *, wanted: int) -> bytes:
    """Return exactly `wanted` bytes of an RLE segment (PS3.5 G.3.2).

    Not pydicom.pixels: its decoder (3.0.2) unpacks all of a segment, up to 64 times its size,
    before it checks the size of the image, and reports cut and damaged segments alike.
    """
    plane, _ = unpack_bits(segment, wanted=wanted)
    if len(plane) < wanted:
        refuse_truncated(f"{wanted} bytes per RLE segment, got {len(plane)}")
    # A run may not cross the end of the plane; some encoders pad it by a byte nevertheless.
    return plane[:wanted]


def _check_size(height: int, width: int, *, layout: PixelLayout) -> None:
    """Refuse a compressed stream of another size than the header's, before it is decoded."""
    if (height, width) != (layout.rows, layout.columns):
        refuse_corrupt(
            f"a stream of {layout.columns} x {layout.rows} pixels, got {width} x {height}"
        )


def _decode_jpeg(frame: bytes, layout: PixelLayout) -> NDArray[Any]:
    """Return the values of an 8-bit DCT JPEG, by the strict decoder of JPEG files."""
    frame = without_padding(frame)
    header = jpeg.read_header(frame)
    _check_size(header.height, header.width, layout=layout)
    gray = jpeg.decode_gray(frame, header=header)
    if header.components != 1 and jpeg.measure_chroma(frame) > _GRAY_CHROMA:
        _refuse_color("red, green and blue differ")
    return gray


def _decode_jpeg_lossless(frame: bytes, layout: PixelLayout) -> NDArray[Any]:
    frame = without_padding(frame)
    header = jpeg.read_header(frame)
    _check_size(header.height, header.width, layout=layout)
    return decode_lossless(frame, header=header)


def _decode_jpeg_ls(frame: bytes, layout: PixelLayout) -> NDArray[Any]:
    frame = without_padding(frame)
    header = jpeg.read_header(frame)
    _check_size(header.height, header.width, layout=layout)
    if not jpeg.ends_whole(frame):
        refuse_truncated("a JPEG-LS stream up to its EOI")
    jpeg_ls = _import_codec(JPEG_LS_CODEC, name="JPEG-LS")
    try:
        decoded, _ = jpeg_ls.decode_pixel_data(frame)
    except RuntimeError:
        refuse_corrupt("a JPEG-LS stream that CharLS reads")
    return np.frombuffer(decoded, np.uint8 if header.bits <= _BYTE_BITS else "<u2")


def _decode_jpeg_2000(frame: bytes, layout: PixelLayout) -> NDArray[Any]:
    frame = without_padding(jpeg_2000_codestream(frame))
    if not frame.startswith(_SOC_SIZ):
        refuse_corrupt("a JPEG 2000 codestream, got something else")
    left, top = struct.unpack_from(">II", frame, 16)
    right, bottom = struct.unpack_from(">II", frame, 8)
    _check_size(bottom - top, right - left, layout=layout)
    (components, precision) = struct.unpack_from(">HB", frame, 40)
    if components != 1:
        refuse_corrupt(f"one JPEG 2000 component, got {components}")
    _check_tile_parts(frame)
    openjpeg = _import_codec(JPEG_2000_CODEC, name="JPEG 2000")
    try:
        decoded = openjpeg.decode_pixel_data(frame, version=2)
    except (RuntimeError, ValueError):
        refuse_corrupt("a JPEG 2000 stream that OpenJPEG reads")
    bits = (precision & 0x7F) + 1  # the top bit says signed, T.800 A.5.1
    signed = layout.signed and precision > 0x7F  # noqa: PLR2004 - the same bit
    kind = "i" if signed else "u"
    return np.frombuffer(decoded, f"<{kind}{1 if bits <= _BYTE_BITS else 2}")


def _check_tile_parts(frame: bytes) -> None:
    """Refuse a codestream that is cut, EOC glued on or not, as what it is: truncated.

    OpenJPEG 2.5 refuses it as well, but only in its default strict mode, and as damaged.
    T.800 A.4.2: each tile-part says its length in Psot; after the last one follows EOC.
    """
    at = frame.find(_SOT)
    while frame[at : at + 2] == _SOT and at + _SOT_SEGMENT_BYTES <= len(frame):
        (length,) = struct.unpack_from(">I", frame, at + 6)
        # 0 is allowed for the last tile-part: up to EOC, after which one byte may pad the frame.
        at = at + max(length, _SOT_SEGMENT_BYTES) if length else frame.find(_EOC, len(frame) - 3)
    if at < 0 or frame[at : at + 2] != _EOC:
        refuse_truncated("a JPEG 2000 stream up to its EOC")


def _import_codec(module: str, *, name: str) -> Any:
    """Return a decoder module of the `codecs` extra; only called for a file that needs it."""
    try:
        return importlib.import_module(module)
    except ImportError as err:
        msg = (
            f"The decoder for {name} is not installed. Run: pip install pylibjpeg-openjpeg pyjpegls"
        )
        raise DecodeError(Reason.MISSING_CODEC, msg) from err


_UNREAD: Final = {"1.2.840.10008.1.2.2": "Explicit VR Big Endian (retired)"}
"""Syntaxes that are known and not read."""
_DECODERS: Final[dict[str, Decoder]] = {
    RLE: _decode_rle,
    JPEG_BASELINE: _decode_jpeg,
    JPEG_EXTENDED: _decode_jpeg,
    **dict.fromkeys(JPEG_LOSSLESS, _decode_jpeg_lossless),
    **dict.fromkeys(JPEG_LS, _decode_jpeg_ls),
    **dict.fromkeys(JPEG_2000, _decode_jpeg_2000),
}
"""12-bit JPEG Extended reaches `jpeg.decode_gray`, which refuses it as UNSUPPORTED."""

"""JPEG to gray, refusing whatever libjpeg would silently complete."""

from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from bonefx_edge.decode.camera import has_lens
from bonefx_edge.decode.downscale import downscale_factor
from bonefx_edge.decode.gray_levels import mean_chroma
from bonefx_edge.decode.jpeg.segments import EOI, MARKER, SOS, next_segment, unpack
from bonefx_edge.decode.jpeg.slips import is_harmless, mend
from bonefx_edge.decode.limits import Limits, check_pixels
from bonefx_edge.decode.orientation import UPRIGHT, exif_orientation, orient, oriented_shape
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated
from bonefx_edge.errors import DecodeError, Reason

MAGIC: Final = b"\xff\xd8\xff"
_SOF_PROGRESSIVE: Final = 0xC2
_SOF_HUFFMAN_DCT: Final = frozenset({0xC0, 0xC1, _SOF_PROGRESSIVE})
_NOT_SOF: Final = frozenset({0xC4, 0xC8, 0xCC})
"""DHT, JPG and DAC lie inside the SOF marker range C0 to CF."""
_SOF_RANGE: Final = range(0xC0, 0xD0)
_SOF_JPEG_LS: Final = 0xF7
_APP1: Final = 0xE1
_EXIF: Final = b"Exif\x00\x00"
_SAMPLE_BITS: Final = 8
_COEFFICIENTS: Final = 64
_MAX_SCAN_COMPONENTS: Final = 4
_SCAN_BYTES: Final = 4
"""Of a scan header with no component: their number, Ss, Se and Ah/Al."""
_MAX_SCANS: Final = 200
"""Encoders write about 10; thousands would keep a Raspberry Pi busy for hours."""


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What a JPEG or JPEG-LS stream says about itself before its first scan."""

    process: int
    """Low byte of the SOF marker, 0xC0 (baseline) to 0xF7 (JPEG-LS)."""
    bits: int
    """Bits per sample."""
    height: int
    """Pixels, as stored."""
    width: int
    """Pixels, as stored."""
    components: int
    """1 = gray, 3 = color, 4 = CMYK."""
    orientation: int
    """EXIF orientation, 1 to 8; 1 where absent."""
    scans_at: int
    """Byte position of the first SOS marker."""
    has_lens: bool
    """Whether its EXIF tells of a lens: a camera took it."""


def decode_jpeg(data: bytes, *, limits: Limits, allow_downscale: bool = False) -> Radiograph:
    """Return the radiograph of a JPEG file: the pixels of cv2.imread(path, IMREAD_GRAYSCALE).

    With `allow_downscale` a large one is decoded smaller, see `decode.downscale`.

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT, TOO_LARGE, or UNSUPPORTED (CMYK, 12 bit, lossless, arithmetic).
    """
    header = read_header(data)
    check_pixels(header.height, header.width, limits=limits)
    size = (header.height, header.width)
    factor = downscale_factor(*size) if allow_downscale else 1
    gray = decode_gray(data, header=header, factor=factor)
    return Radiograph(
        pixels=orient(gray, orientation=header.orientation),
        file_format=FileFormat.JPEG,
        gray_mapping=GrayMapping.STORED,
        chroma=measure_chroma(data) if header.components > 1 else 0.0,
        original_shape=oriented_shape(size, orientation=header.orientation) if factor > 1 else None,
        has_lens=header.has_lens,
    )


def decode_gray(data: bytes, *, header: JpegHeader, factor: int = 1) -> NDArray[np.uint8]:
    """Return the luminance of an 8-bit Huffman DCT JPEG, as stored, 1/`factor` of its size.

    uint8 (ceil(height / factor), ceil(width / factor)); `factor` is 1, 2, 4 or 8.

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT, or UNSUPPORTED. Never a picture with an invented part: libjpeg
        completes a short file with gray and only warns; here each of its warnings is an error,
        but for those that `slips` knows to be about no pixel.
    """
    _check_kind(header)
    if header.process == _SOF_PROGRESSIVE:
        _check_scans(data, header=header)
    size = (-(-header.height // factor), -(-header.width // factor))
    return _decode(data, colorspace="GRAY", least=size)[:, :, 0]


def read_header(data: bytes) -> JpegHeader:
    """Return what stands before the first scan of a JPEG or JPEG-LS stream.

    Raises
    ------
    DecodeError
        TRUNCATED where the stream ends first, CORRUPT where it is no marker structure.
    """
    frame: tuple[int, ...] | None = None
    orientation, lens = UPRIGHT, False
    at = 2
    while True:
        marker, at, length = next_segment(data, at)
        if marker == SOS:
            break
        payload = data[at : at + min(length, len(_EXIF))]
        if _is_sof(marker):
            frame = (marker, *unpack(">BHHB", data, at))
        elif marker == _APP1 and payload == _EXIF:
            exif = data[at + len(_EXIF) : at + length]
            orientation, lens = exif_orientation(exif), has_lens(exif)
        at += length
    if frame is None:
        refuse_corrupt("a frame header (SOF) before the first JPEG scan, got none")
    process, bits, height, width, components = frame
    scans_at = at - 4
    return JpegHeader(process, bits, height, width, components, orientation, scans_at, lens)


def ends_whole(stream: bytes) -> bool:
    """Return whether a JPEG stream ends with EOI, padding zeros apart."""
    return stream.rstrip(b"\x00").endswith(b"\xff\xd9")


def _is_sof(marker: int) -> bool:
    return (marker in _SOF_RANGE and marker not in _NOT_SOF) or marker == _SOF_JPEG_LS


def _check_kind(header: JpegHeader) -> None:
    """Refuse JPEG kinds whose gray picture would depend on the reader."""
    kind = None
    if header.process not in _SOF_HUFFMAN_DCT:
        kind = f"coding process SOF{header.process - _SOF_RANGE.start} (lossless or arithmetic)"
    elif header.bits != _SAMPLE_BITS:
        kind = f"{header.bits} bits per sample"
    elif header.components not in (1, 3):
        kind = f"{header.components} components (CMYK)"
    if kind is not None:
        msg = (
            f"This kind of JPEG is not read ({kind}). Export the image as DICOM without "
            "compression, or as 8-bit JPEG or PNG."
        )
        raise DecodeError(Reason.UNSUPPORTED, msg)


def _check_scans(data: bytes, *, header: JpegHeader) -> None:
    """Refuse a progressive JPEG that lacks scans: cut between two scans it is only less sharp.

    T.81 G.1.1.1: each scan sends coefficients Ss to Se down to bit Al. The first component is
    the luminance; all its 64 coefficients must arrive at bit 0.
    """
    missing = set(range(_COEFFICIENTS))
    luminance: int | None = None
    at, scans = header.scans_at, 0
    while scans <= _MAX_SCANS:
        marker, at, length = next_segment(data, at)
        if marker == SOS:
            scans += 1
            components, coefficients, bit = _read_scan(data[at : at + length], at=at)
            luminance = components[0] if luminance is None else luminance
            if luminance in components and bit == 0:
                missing -= set(coefficients)
        found = MARKER.search(data, at + length)
        if found is None or data[found.start() + 1] == EOI:
            break
        at = found.start()
    if missing or scans > _MAX_SCANS:
        refuse = refuse_truncated if missing else refuse_corrupt
        refuse(
            f"a progressive JPEG with all its scans (at most {_MAX_SCANS}), got {scans} "
            f"and {len(missing)} of {_COEFFICIENTS} coefficients unfinished"
        )


def _read_scan(header: bytes, *, at: int) -> tuple[bytes, range, int]:
    """Return the component identifiers, the coefficients and the last bit (Al) of a scan.

    T.81 B.2.3: Ns, Ns times (identifier, tables), Ss, Se, Ah/Al; `at` is its position.

    Raises
    ------
    DecodeError
        CORRUPT for a header of another length or with numbers that no scan can have.
    """
    count = header[0] if header else 0
    if not 1 <= count <= _MAX_SCAN_COMPONENTS or len(header) != _SCAN_BYTES + 2 * count:
        _refuse_scan(f"{count} components in {len(header)} bytes", at=at)
    start, end, approximation = header[-3:]
    if not start <= end < _COEFFICIENTS:
        _refuse_scan(f"coefficients {start} to {end}", at=at)
    return header[1:-3:2], range(start, end + 1), approximation & 0x0F


def _refuse_scan(got: str, *, at: int) -> NoReturn:
    refuse_corrupt(
        f"a JPEG scan header of 1 to {_MAX_SCAN_COMPONENTS} components and coefficients "
        f"0 to {_COEFFICIENTS - 1} at byte {at}, got {got}"
    )


def _decode(data: bytes, *, colorspace: str, least: tuple[int, int]) -> NDArray[np.uint8]:
    """Return simplejpeg's strict result, uint8 (height, width, channels).

    Of libjpeg's sizes, eighths of the stored one, the smallest of at least `least` (height, width).
    """
    try:
        return _simplejpeg(data, colorspace=colorspace, least=least)
    except ValueError as err:
        if not is_harmless(str(err)):
            _refuse_damage(err)
    try:
        return _simplejpeg(mend(data), colorspace=colorspace, least=least)
    except ValueError as err:
        _refuse_damage(err)


def _simplejpeg(data: bytes, *, colorspace: str, least: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = least
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, colorspace, min_height=height, min_width=width, strict=True
    )
    return pixels


def _refuse_damage(error: ValueError) -> NoReturn:
    refuse = refuse_truncated if "premature" in str(error).lower() else refuse_corrupt
    refuse(f"a whole, undamaged JPEG, the decoder says: {error}")


def measure_chroma(data: bytes) -> float:
    """Return the mean of max(R,G,B) - min(R,G,B), [0, 255], of the picture shrunk by 8.

    Shrunk by 8 libjpeg needs the DC terms only: 7 to 10 ms instead of 13 to 30 for 6.6 megapixel
    (x86; the gray decode takes 10 to 19).
    """
    return mean_chroma(_decode(data, colorspace="RGB", least=(1, 1)))

"""How large a file may be before it is refused unread."""

from dataclasses import dataclass
from typing import Final

from bonefx_edge.decode.refusals import refuse_corrupt
from bonefx_edge.errors import DecodeError, Reason

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that are checked before anything is decoded."""

    max_bytes: int = 256 * _MIB
    """Bytes per file. The largest films are about 30 megapixel of 16 bit: 60 MiB uncompressed."""
    max_pixels: int = 100_000_000
    """Height times width, pixels. Three times the largest film; as 16 bit 200 MB of memory;
    the seed preprocessing works in float64 and needs 9 bytes per pixel for a moment."""
    max_decoded_bytes: int = 300_000_000
    """Of the decoded samples: 100 megapixel of 8-bit color. A radiograph is gray; 16-bit color of
    that size would be 600 MB before anything is made of it."""
    max_lzw_bytes: int = 16_000_000
    """Of all LZW strips of a TIFF, packed: about 6 megapixel of 16-bit noise, 12 of 8-bit noise,
    18 of a calm 16-bit film. They are unpacked in Python, at 0.21 to 0.26 s per MB whatever they
    hold: 4 s on one x86 core. A watching service ends a film after 30 s, also on a slow board."""


DEFAULT_LIMITS: Final = Limits()


def check_pixels(height: int, width: int, *, limits: Limits, pixel_bytes: int = 1) -> None:
    """Refuse a picture that is empty or larger than `limits` allow.

    `pixel_bytes` is the size of one pixel as the decoder gives it, all channels.

    Raises
    ------
    DecodeError
        TOO_LARGE above the cap, CORRUPT where a side is zero or negative.
    """
    if height <= 0 or width <= 0:
        refuse_corrupt(f"at least 1 x 1 pixels, the header says {width} x {height}")
    if height * width > limits.max_pixels:
        msg = (
            f"The image is too large ({width} x {height} = {height * width:,} pixels, limit "
            f"{limits.max_pixels:,}). Export the radiograph at a normal size."
        )
        raise DecodeError(Reason.TOO_LARGE, msg)
    if height * width * pixel_bytes > limits.max_decoded_bytes:
        msg = (
            f"The image is too large ({width} x {height} pixels of {pixel_bytes} bytes, limit "
            f"{limits.max_decoded_bytes:,} bytes of pixels). Export it as gray, or smaller."
        )
        raise DecodeError(Reason.TOO_LARGE, msg)

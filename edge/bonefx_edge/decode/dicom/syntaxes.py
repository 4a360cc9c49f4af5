"""Transfer syntaxes whose pixels are read (PS3.5 section 10). Imports neither pydicom nor NumPy."""

from importlib.util import find_spec
from typing import Final

NATIVE: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Explicit and Implicit VR Little Endian."""
RLE: Final = "1.2.840.10008.1.2.5"
JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
"""Up to 12 bits; only 8 bits are read."""
JPEG_LOSSLESS: Final = ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.57")
JPEG_LS: Final = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
"""Lossless, near-lossless."""
JPEG_2000: Final = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
"""Lossless, lossy."""
JPEG_LS_CODEC: Final = "jpeg_ls"
JPEG_2000_CODEC: Final = "openjpeg"
"""Modules of the extra `codecs`."""


def readable_syntaxes() -> tuple[str, ...]:
    """Return the UIDs of the syntaxes that are read with the installed codecs, preferred first.

    Without JPEG Extended: 12 bits, its usual content, would be refused.
    """
    found = [*NATIVE, *JPEG_LOSSLESS, RLE, JPEG_BASELINE]
    for codec, syntaxes in ((JPEG_LS_CODEC, JPEG_LS), (JPEG_2000_CODEC, JPEG_2000)):
        if find_spec(codec) is not None:
            found += syntaxes
    return tuple(found)

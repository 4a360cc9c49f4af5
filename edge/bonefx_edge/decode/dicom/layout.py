"""How the pixels of a DICOM image are laid out, and whether they keep to it."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from bonefx_edge.decode.dicom.numbers import (
    integer_value,
    optional_integer,
    read_numbers,
)
from bonefx_edge.errors import DecodeError, Reason

_BYTE_BITS: Final = 8
_MAX_BITS: Final = 16
OVERLAY_BIT_POSITIONS: Final = tuple(0x60000102 + (group << 16) for group in range(0, 0x20, 2))
"""Overlay Bit Position (60xx,0102) of the 16 overlay groups (PS3.3 C.9.2)."""
_SAMPLE_PX: Final = 1 << 18
"""Pixels, in rows, in which foreign bits are looked for."""
_VISIBLE: Final = 0.001
"""Share of the pixels with foreign bits below which they are no part of the picture to be seen."""
_SMALLER_WHOLE: Final = 0.25
"""Share of the crossing neighbors that differ less with the foreign bits than without. Measured on
60 FracAtlas films: a picture that goes on 0.27 and more (all but one), overlays at most 0.13."""
_MANY_LEVELS: Final = 6
"""Successive values of the foreign bits from which they are no overlay planes."""
_SMALL_STEP: Final = 1 / 16
"""Of the range of a picture: larger ones between neighbors are rare, in overlays the rule."""


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """The Image Pixel module (PS3.3 C.7.6.3) of one frame."""

    rows: int
    """Rows (0028,0010)."""
    columns: int
    """Columns (0028,0011)."""
    bits_allocated: int
    """Bits Allocated (0028,0100), 8 or 16."""
    bits_stored: int
    """Bits Stored (0028,0101), the lowest ones; above them may lie an old overlay."""
    signed: bool
    """Pixel Representation (0028,0103) is 1: two's complement."""
    samples: int = 1
    """Samples per Pixel (0028,0002), 1 or 3 (RGB)."""
    planar: bool = False
    """Planar Configuration (0028,0006) is 1: all red samples, then all green, then all blue."""

    @property
    def mask(self) -> int:
        """Bits that belong to the picture."""
        return (1 << self.bits_stored) - 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of the uncompressed frame."""
        return self.rows * self.columns * self.samples * self.bits_allocated // _BYTE_BITS

    def values(self) -> NDArray[np.int64]:
        """Return the stored value of each bit pattern, (65536,) or (256,)."""
        return self.value_of(np.arange(1 << self.bits_allocated))

    def whole_values(self) -> NDArray[np.int64]:
        """Return the same of all bits allocated."""
        return dataclasses.replace(self, bits_stored=self.bits_allocated).values()

    def value_of(self, patterns: NDArray[Any]) -> NDArray[Any]:
        """Return the stored values of bit patterns, in their dtype, bits above Bits Stored off."""
        sign = 1 << (self.bits_stored - 1)
        values = patterns & self.mask
        return (values ^ sign) - sign if self.signed else values


def read_layout(dataset: Dataset) -> PixelLayout:
    """Return the pixel layout (PS3.3 C.7.6.3.1); refuse what PS3.5 section 8.1.1 does not allow."""
    layout = PixelLayout(
        rows=integer_value(dataset, "Rows"),
        columns=integer_value(dataset, "Columns"),
        bits_allocated=integer_value(dataset, "BitsAllocated"),
        bits_stored=integer_value(dataset, "BitsStored"),
        signed=integer_value(dataset, "PixelRepresentation", default=0) == 1,
        samples=integer_value(dataset, "SamplesPerPixel", default=1),
        planar=integer_value(dataset, "PlanarConfiguration", default=0) == 1,
    )
    high_bit = integer_value(dataset, "HighBit", default=layout.bits_stored - 1)
    if (
        layout.bits_allocated not in (_BYTE_BITS, _MAX_BITS)
        or not 1 < layout.bits_stored <= layout.bits_allocated
    ):
        msg = (
            f"These DICOM pixels are not read ({layout.bits_allocated} bits allocated, "
            f"{layout.bits_stored} stored). Send the image with 16 bits allocated."
        )
        raise DecodeError(Reason.UNSUPPORTED, msg)
    if high_bit != layout.bits_stored - 1:
        msg = (
            f"These DICOM pixels are not in the lowest bits ({layout.bits_stored} stored, high bit "
            f"{high_bit}). Export the image as PNG, or with High Bit {layout.bits_stored - 1}."
        )
        raise DecodeError(Reason.UNSUPPORTED, msg)
    if layout.samples != 1 and layout.bits_stored != _BYTE_BITS:
        msg = f"The image is in color (RGB of {layout.bits_stored} bits). Send single gray images."
        raise DecodeError(Reason.UNSUPPORTED, msg)
    return layout


def overlay_bits(dataset: Dataset) -> int:
    """Return the bits of each pixel that the header says to be overlays (PS3.3 C.9.2, retired)."""
    positions = {number for tag in OVERLAY_BIT_POSITIONS for number in read_numbers(dataset, tag)}
    return sum(1 << int(number) for number in positions if 0 < number < _MAX_BITS)


def padding_patterns(dataset: Dataset, *, layout: PixelLayout) -> NDArray[np.bool_]:
    """Return which bit patterns are padding: Pixel Padding Value (0028,0120) to its limit (,0121).

    PS3.3 C.7.5.1.1.2: such pixels are not part of the image. Padding such as 65535 in a picture of
    12 bits lies outside Bits Stored.
    """
    ends = [
        _resign(end, layout=layout)
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
        if (end := optional_integer(dataset, keyword)) is not None
    ]
    if "PixelPaddingValue" not in dataset or not ends:
        return np.zeros(1 << layout.bits_allocated, np.bool_)
    values, whole = layout.values(), layout.whole_values()
    low, high = min(ends), max(ends)
    return ((values >= low) & (values <= high)) | ((whole >= low) & (whole <= high))


def _resign(value: int, *, layout: PixelLayout) -> int:
    """Return `value` in the signedness of the pixels: files often mix up US and SS."""
    modulus = 1 << layout.bits_allocated
    if layout.signed and value >= modulus // 2:
        return value - modulus
    return value + modulus if not layout.signed and value < 0 else value


def check_bits_stored(
    stored: NDArray[Any], *, layout: PixelLayout, overlays: int, is_padding: NDArray[np.bool_]
) -> None:
    """Refuse an image whose picture goes on above Bits Stored: masked, it would wrap around.

    What lies there otherwise is masked (PS3.5 section 8.1.1): overlays, garbage, sign extension.

    Parameters
    ----------
    stored
        (rows, columns), uint8 or uint16 bit patterns.
    overlays
        Bits that overlays claim.
    is_padding
        Of each bit pattern.

    Raises
    ------
    DecodeError
        CORRUPT.
    """
    used = (((1 << layout.bits_allocated) - 1) & ~overlays) | layout.mask
    if used == layout.mask:
        return
    sample = stored[:: -(-stored.size // _SAMPLE_PX), :_SAMPLE_PX]
    if not layout.signed and not (sample & stored.dtype.type(used & ~layout.mask)).any():
        return
    whole = (sample & stored.dtype.type(used)).astype(np.int32)
    if layout.signed:
        whole -= (whole >> (layout.bits_allocated - 1)) << layout.bits_allocated
    masked = layout.value_of(whole)
    whole = np.where(is_padding[sample], masked, whole)
    if _goes_on(whole, masked, bits_stored=layout.bits_stored):
        msg = (
            f"The DICOM header is wrong (Bits Stored is {layout.bits_stored}, the picture uses "
            "more). Correct the header, or export the image as PNG."
        )
        raise DecodeError(Reason.CORRUPT, msg)


def _goes_on(whole: NDArray[np.int32], masked: NDArray[np.int32], *, bits_stored: int) -> bool:
    """Return whether `whole` is the picture, and `masked` the picture wrapped around.

    Where neighbors differ in the foreign bits, a picture that goes on has a small step in whole
    and a large one in masked; an overlay or garbage the reverse. A picture that goes on by so
    many bits that its grain alone crosses them has all values there, and still no large steps.
    """
    foreign = (whole - masked) >> bits_stored
    if np.count_nonzero(foreign) < _VISIBLE * whole.size:
        return False
    crosses = foreign[:, 1:] != foreign[:, :-1]
    if not crosses.any():
        return False
    steps = np.abs(whole[:, 1:] - whole[:, :-1])[crosses]
    wrapped_steps = np.abs(masked[:, 1:] - masked[:, :-1])[crosses]
    if np.count_nonzero(steps < wrapped_steps) > _SMALLER_WHOLE * steps.size:
        return True
    levels = np.unique(foreign)
    is_dense = 2 * levels.size > levels[-1] - levels[0]  # planes far apart leave gaps
    largest = (int(whole.max()) - int(whole.min())) * _SMALL_STEP
    return bool(is_dense and levels.size >= _MANY_LEVELS and np.median(steps) < largest)

"""The gray level of each stored value of a DICOM image, by what its header holds that is usable."""

import itertools
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from bonefx_edge.decode.dicom import luts as luts
from bonefx_edge.decode.dicom.layout import PixelLayout
from bonefx_edge.decode.gray_levels import (
    CHUNK_PX,
    WHITE,
    apply_lut,
    count_values,
    percentile_range,
    scale_to_unit,
    unit_to_gray,
)
from bonefx_edge.decode.radiograph import GrayMapping

_SHOWN_BITS: Final = 8
_SAMPLE_PX: Final = 1 << 18
"""Pixels, in whole rows, on which a window is judged."""
_JUDGED_PX: Final = 256
"""Of fewer pixels, shares say nothing; the input check refuses such pictures as too small."""
_MIDTONES: Final = (0.05, 0.95)
"""Brightness by percentiles of what is neither background nor unexposed: the limb itself."""
_FEW_MIDTONES: Final = 0.02
"""Share of the pixels below which there are no midtones to judge by."""
_DARK_CLIPPED: Final = 0.6
"""Share of the midtones that a usable window may show as black: soft tissue around bone."""
_BRIGHT_CLIPPED: Final = 0.1
"""Share of the midtones that a usable window may show as white: there nothing of bone is seen.
A window of 8 bits on 10-bit pixels clips 0.22 of 150 FracAtlas films (median), real windows 0."""
_LEAST_SPREAD: Final = 32
"""Gray levels from dark to bright; a usable window of an ordinary film gives 100 and more."""
_REACHED: Final = 2
"""Marks padding that was reached from a corner."""
_DARK: Final = 64
"""Padding below this gray level is background without a second look, wherever it lies."""


@dataclass(frozen=True, slots=True)
class GrayTable:
    """What each stored bit pattern shows as."""

    gray: NDArray[np.uint8]
    """(65536,) or (256,), [0, 255]; dark padding is 0."""
    bright_padding: NDArray[np.bool_]
    """Of the same length: patterns of padding that show bright, and may be bone."""
    mapping: GrayMapping
    """What they were made by."""


def make_gray_table(
    dataset: Dataset,
    *,
    layout: PixelLayout,
    stored: NDArray[Any],
    is_padding: NDArray[np.bool_],
    inside: NDArray[np.uint8] | None,
    inverted: bool,
) -> GrayTable:
    """Return the gray level of each stored bit pattern, and its origin.

    Modality LUT or rescale (PS3.3 C.11.1), VOI LUT or window (C.11.2), 8 bit, and only then the
    inversion of MONOCHROME1 (C.7.6.3.1.2: "after any VOI gray scale transformations"). As a
    table the chain costs 65,536 evaluations however large the film is.

    Parameters
    ----------
    stored
        (rows, columns), bit patterns.
    is_padding
        Of each bit pattern.
    inside
        Of the same shape, 0 outside the display shutter; None without shutter.
    inverted
        Whether larger values are darker (MONOCHROME1).
    """
    values = layout.values()
    modality_values = luts.apply_modality_lut(dataset, stored=values)
    step = -(-stored.size // _SAMPLE_PX)
    sample = count_values(stored[::step], inside=None if inside is None else inside[::step])
    counts = np.where(is_padding, 0, sample)
    unit, mapping = _apply_voi(dataset, values=modality_values, counts=counts, inverted=inverted)
    is_shown_as_stored = layout.bits_stored == _SHOWN_BITS and luts.has_no_modality_lut(dataset)
    if unit is None and is_shown_as_stored:
        unit = (values - values.min()) / float(WHITE)
        mapping = GrayMapping.STORED if mapping is GrayMapping.PERCENTILES else mapping
    if unit is None:
        counts = np.where(is_padding, 0, count_values(stored, inside=inside))
        unit = scale_to_unit(modality_values, black_white=percentile_range(modality_values, counts))
    gray = unit_to_gray(unit)
    if inverted:
        gray = ~gray
    # Padding outside Bits Stored is never a part of the picture.
    bright_padding = is_padding & (gray >= _DARK) & (values == layout.whole_values())
    gray[is_padding & ~bright_padding] = 0
    return GrayTable(gray, bright_padding, mapping)


def _apply_voi(
    dataset: Dataset,
    *,
    values: NDArray[np.float64],
    counts: NDArray[np.int64],
    inverted: bool,
) -> tuple[NDArray[np.float64] | None, GrayMapping]:
    """Return brightness in [0, 1] by the first usable VOI LUT or window, or None."""
    unused = 0
    for mapping, unit in luts.voi_transformations(dataset, values=values):
        if unit is not None and shows_the_picture(
            unit, values=values, counts=counts, inverted=inverted
        ):
            return unit, GrayMapping.VOI_ALTERNATIVE if unused else mapping
        unused += 1
    return None, GrayMapping.VOI_UNUSABLE if unused else GrayMapping.PERCENTILES


def shows_the_picture(
    unit: NDArray[np.float64],
    *,
    values: NDArray[np.float64],
    counts: NDArray[np.int64],
    inverted: bool,
) -> bool:
    """Return whether a VOI transformation shows the pixels that there are.

    It does not where too many midtones come out black or white (a window that lies beside the
    pixels, or takes in a small part of them), or all within a few gray levels (a window that is
    several times as wide as the values could ever be).

    Parameters
    ----------
    unit
        Brightness of each value, [0, 1].
    values, counts
        Output values of the modality LUT, and how many pixels have each of them.
    inverted
        Whether brightness is inverted afterwards (MONOCHROME1).
    """
    total = int(counts.sum())
    value_range = values.max() - values.min()
    if total < _JUDGED_PX or value_range == 0:
        return True
    pixels = percentile_range(values, counts)
    brightness = scale_to_unit(values, black_white=pixels)
    midtones = np.where((brightness > _MIDTONES[0]) & (brightness < _MIDTONES[1]), counts, 0)
    gray = unit_to_gray(unit)
    enough = max(1, _FEW_MIDTONES * total)
    if midtones.sum() >= enough:
        ends = (gray.max(), gray.min()) if inverted else (gray.min(), gray.max())
        black, white = (midtones[gray == end].sum() / midtones.sum() for end in ends)
        if black > _DARK_CLIPPED or white > _BRIGHT_CLIPPED:
            return False
    shown = percentile_range(unit * WHITE, counts)
    full_window = WHITE * (pixels.high - pixels.low) / value_range
    return bool(shown.high - shown.low >= min(_LEAST_SPREAD, full_window / 2))


def blacken_padding_at_corners(
    gray: NDArray[np.uint8], *, stored: NDArray[Any], is_padding: NDArray[np.bool_]
) -> None:
    """Set padding that is connected to a corner, through padding only, to black in `gray`.

    What a collimator covers reaches into the corners. Other bright padding may be metal or dense
    bone of the same value, which also runs off the film at its sides.

    Parameters
    ----------
    gray, stored
        (rows, columns), gray levels and bit patterns.
    is_padding
        Of each bit pattern.
    """
    rows, columns = stored.shape
    padding = apply_lut(stored, table=is_padding.astype(np.uint8))
    for corner in itertools.product((0, columns - 1), (0, rows - 1)):
        if padding[corner[::-1]] == 1:
            cv2.floodFill(padding, None, corner, _REACHED)
    step = max(1, CHUNK_PX // columns)
    for top in range(0, rows, step):
        gray[top : top + step][padding[top : top + step] == _REACHED] = 0

"""Stored values to 8-bit gray levels: percentile range, window and lookup tables, all as tables."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WHITE: Final = 255
"""Brightest 8-bit gray level."""
LOW_PERCENT: Final = 0.5
"""Percent of the pixels that may be darker than black: one dead pixel must not set the range."""
HIGH_PERCENT: Final = 99.5
"""Percent of the pixels up to white: one hot pixel or a lead marker must not set the range."""
CHUNK_PX: Final = 1 << 20
"""Pixels counted or looked up at a time: numpy widens both to int64, 8 bytes per pixel."""


@dataclass(frozen=True, slots=True)
class Range:
    """The values that become black and white."""

    low: float
    """Shown as 0."""
    high: float
    """Shown as 255; not below `low`."""


def count_values(
    stored: NDArray[Any], *, inside: NDArray[np.uint8] | None = None
) -> NDArray[np.int64]:
    """Return how often each value occurs: int64, (256,) for uint8, (65536,) for uint16.

    Only where `inside`, of the same shape, is not 0.
    """
    bins = int(np.iinfo(stored.dtype).max) + 1
    counts = np.zeros(bins, np.int64)
    flat = stored.reshape(-1)
    for start in range(0, flat.size, CHUNK_PX):
        chunk = flat[start : start + CHUNK_PX]
        if inside is not None:
            chunk = chunk[inside.reshape(-1)[start : start + CHUNK_PX] != 0]
        counts += np.bincount(chunk, minlength=bins)
    return counts


def percentile_range(values: NDArray[np.float64], counts: NDArray[np.int64]) -> Range:
    """Return the 0.5 and 99.5 percentile of a population given as values with their counts.

    Equal to `numpy.percentile` (linear interpolation) of the pixels themselves, without a sort
    of 30 million of them. An empty population gives the range 0 to 0.

    Examples
    --------
    >>> percentile_range(np.array([0.0, 10.0]), np.array([1, 1]))
    Range(low=0.05, high=9.95)
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    cumulative = np.cumsum(counts[order])
    total = int(cumulative[-1])
    if total == 0:
        return Range(0.0, 0.0)

    def at(percent: float) -> float:
        position = (total - 1) * percent / 100
        below = int(position)
        index = np.searchsorted(cumulative, [below, min(below + 1, total - 1)], side="right")
        first, second = ordered[index]
        return float(first + (second - first) * (position - below))

    return Range(at(LOW_PERCENT), at(HIGH_PERCENT))


def scale_to_unit(values: NDArray[np.float64], *, black_white: Range) -> NDArray[np.float64]:
    """Return `values` with black_white.low at 0 and .high at 1, clipped; 0 for an empty range."""
    span = black_white.high - black_white.low
    if not span > 0:
        return np.zeros_like(values)
    return np.clip((values - black_white.low) / span, 0.0, 1.0)


def unit_to_gray(unit: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return [0, 1] as uint8 [0, 255], rounded to nearest (halves to even)."""
    return np.rint(unit * WHITE).astype(np.uint8)


def uint16_to_gray(film: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return a 16-bit film, larger = brighter, as uint8 over its 0.5 to 99.5 percentile range."""
    counts = count_values(film)
    values = np.arange(counts.size, dtype=np.float64)
    black_white = percentile_range(values, counts)
    table = unit_to_gray(scale_to_unit(values, black_white=black_white))
    return apply_lut(film, table=table)


def apply_lut(stored: NDArray[Any], *, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return table[stored], shape of `stored`, without widening 30 million indices at once."""
    gray = np.empty(stored.shape, np.uint8)
    flat_gray, flat_stored = gray.reshape(-1), stored.reshape(-1)
    for start in range(0, flat_stored.size, CHUNK_PX):
        chunk = slice(start, start + CHUNK_PX)
        flat_gray[chunk] = table[flat_stored[chunk]]
    return gray


def composite_over_black(samples: NDArray[Any], *, alpha: NDArray[Any]) -> NDArray[Any]:
    """Return `samples` * `alpha` / full scale, rounded: what a black light box would show.

    Dropping alpha instead would show the gray hidden under transparent areas.

    Parameters
    ----------
    samples
        (height, width, channels), uint8 or uint16.
    alpha
        (height, width), same dtype; full scale = opaque.
    """
    full = int(np.iinfo(samples.dtype).max)
    # uint32 is enough: 65535 * 65535 + 32767 < 2 ** 32.
    product = samples.astype(np.uint32) * alpha[:, :, np.newaxis]
    rounded: NDArray[Any] = (product + np.uint32(full // 2)) // np.uint32(full)
    return rounded.astype(samples.dtype)


def mean_chroma(color: NDArray[np.uint8] | NDArray[np.uint16]) -> float:
    """Return the mean over pixels of max - min over channels, in 8-bit gray levels [0, 255].

    Parameters
    ----------
    color
        (height, width, 3), uint8 or uint16.
    """
    spread = color.max(axis=2) - color.min(axis=2)
    return float(spread.mean() * (WHITE / np.iinfo(color.dtype).max))

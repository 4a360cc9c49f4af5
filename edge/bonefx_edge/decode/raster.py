"""Stored raster pixels to a radiograph; BMP is simple enough to be read here."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.gray_levels import (
    CHUNK_PX,
    composite_over_black,
    mean_chroma,
    uint16_to_gray,
)
from bonefx_edge.decode.orientation import UPRIGHT, orient
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph

_GRAY_DIMENSIONS: Final = 2


@dataclass(frozen=True, slots=True)
class Raster:
    """Pixels as stored, with what is needed to show them."""

    samples: NDArray[Any]
    """(height, width) gray or (height, width, 3) RGB; uint8 or uint16; larger = brighter."""
    alpha: NDArray[Any] | None = None
    """(height, width), dtype of `samples`, full scale = opaque; None = opaque everywhere."""
    orientation: int = UPRIGHT
    """EXIF / TIFF orientation, 1 to 8."""


def to_radiograph(raster: Raster, *, file_format: FileFormat | None) -> Radiograph:
    """Return what a person would see: over black, gray, 8 bit, upright.

    8-bit gray pixels stay untouched; 16-bit ones are scaled over their percentile range.
    """
    gray, chroma = _to_gray(raster)
    is_film = gray.dtype == np.uint16
    return Radiograph(
        pixels=orient(uint16_to_gray(gray) if is_film else gray, orientation=raster.orientation),
        file_format=file_format,
        gray_mapping=GrayMapping.PERCENTILES if is_film else GrayMapping.STORED,
        chroma=chroma,
    )


def _to_gray(raster: Raster) -> tuple[NDArray[Any], float]:
    """Return (height, width) gray, dtype of the samples, over black, and the mean chroma."""
    samples = raster.samples
    if samples.ndim == _GRAY_DIMENSIONS:
        if raster.alpha is None:
            return samples, 0.0
        samples = samples[..., None]
    height, width, channels = samples.shape
    gray, chroma = np.empty((height, width), samples.dtype), 0.0
    # In bands: each copy of a whole color film would be three times its gray levels.
    rows = max(1, CHUNK_PX // width)
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        shown = samples[band]
        if raster.alpha is not None:
            shown = composite_over_black(shown, alpha=raster.alpha[band])
        if channels == 1:
            gray[band] = shown[:, :, 0]
        else:
            chroma += mean_chroma(shown) * len(shown) / height
            gray[band] = cv2.cvtColor(np.ascontiguousarray(shown), cv2.COLOR_RGB2GRAY)
    return gray, chroma

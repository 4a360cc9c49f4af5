"""Large films, made smaller by a whole factor while they are decoded: no view needs more pixels.

A JPEG is reduced in its cosine transform (libjpeg's scaled decoding), anything else by the mean of
factor x factor pixels. Both are antialiased. Every step after it then costs a fraction.
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_PX: Final = 512
"""The longest side never becomes shorter: as much as the finest tiles are cut from. Part of the
meaning of every spec that resizes by area: another number is another input for deployed models."""
_FACTORS: Final = (8, 4, 2)
"""What libjpeg does fast; largest first."""


def reduction_of(height: int, width: int) -> int:
    """Return 8, 4, 2 or 1: the largest factor that leaves the longest side `LEAST_PX`."""
    longest = max(height, width)
    return next((factor for factor in _FACTORS if longest >= LEAST_PX * factor), 1)


def reduce_by_mean(pixels: NDArray[np.uint8], *, factor: int) -> NDArray[np.uint8]:
    """Return (height // factor, width // factor) means of (height, width) pixels, at least 1x1.

    What does not fill a whole square at the right and lower edge is left out: up to 7 pixels.
    """
    if factor == 1:
        return pixels
    height, width = (max(1, side // factor) for side in pixels.shape)
    whole = pixels[: height * factor, : width * factor]
    small: Any = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)

"""Downscale large images by a whole factor while decoding: the network needs no more pixels.

JPEG is downscaled by libjpeg's scaled decoding, every other format by the mean of factor x factor
pixels. Both are antialiased. All later steps then cost a fraction.
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

MIN_LONGEST_SIDE_PX: Final = 512
"""The longest side is never made shorter than this: the finest tiles are cut from that many pixels.
Changing it changes the input of every deployed model that resizes by area."""
_FACTORS: Final = (8, 4, 2)
"""What libjpeg does fast; largest first."""


def downscale_factor(height: int, width: int) -> int:
    """Return 8, 4, 2 or 1: the largest that keeps the longest side >= `MIN_LONGEST_SIDE_PX`."""
    longest = max(height, width)
    return next((factor for factor in _FACTORS if longest >= MIN_LONGEST_SIDE_PX * factor), 1)


def downscale_by_mean(pixels: NDArray[np.uint8], *, factor: int) -> NDArray[np.uint8]:
    """Return (height // factor, width // factor) means of (height, width) pixels, at least 1x1.

    Up to 7 pixels at the right and lower edge that do not fill a whole square are left out.
    """
    if factor == 1:
        return pixels
    height, width = (max(1, side // factor) for side in pixels.shape)
    whole = pixels[: height * factor, : width * factor]
    small: Any = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)

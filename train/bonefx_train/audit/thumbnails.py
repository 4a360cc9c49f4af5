"""Thumbnails that turning, mirroring and resizing leave alike: the audit compares these.

Each is the square around a disc. What an image and its turned copy share is the middle; so each
image has three frames, and a copy agrees with its original in at least one of them.
"""

from enum import IntEnum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE: Final = 128
"""Pixels; at 96 images of two patients scored nearer to copies, at 160 it took twice as long."""

BLACK: Final = 8
"""Gray levels up to this are taken for fill: black after JPEG is not 0 everywhere."""

SEARCH_SIDE: Final = 160
"""Longest side, pixels, at which the content of the image is looked for."""

MIN_CONTENT: Final = 20
"""Pixels of content below which there is none."""

SAME_FRAME: Final = 0.01
"""Of the radius: frames nearer than this are one."""

Thumbnail = NDArray[np.uint8]
"""(SIDE, SIDE), [0, 255]."""


class Frame(IntEnum):
    """Which disc of the image."""

    CANVAS = 0
    """Around the center, as wide as the short side: kept by turning within the same canvas."""
    SQUASHED = 1
    """The same after stretching the image to a square: kept by `resize((224, 224))`."""
    CONTENT = 2
    """As CANVAS, of the smallest turned rectangle around what is not black: kept by turning with
    a larger canvas and by black bars."""


def make_thumbnails(pixels: NDArray[np.uint8]) -> dict[Frame, Thumbnail]:
    """Return the thumbnails of an image (height, width); a frame equal to CANVAS is left out."""
    height, width = pixels.shape
    canvas = (width / 2, height / 2, min(height, width) / 2)
    thumbnails = {Frame.CANVAS: _cut(pixels, canvas)}
    if height != width:
        squashed = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        thumbnails[Frame.SQUASHED] = np.asarray(squashed, np.uint8)
    content = _content(pixels)
    if content and not np.allclose(content, canvas, rtol=0, atol=SAME_FRAME * canvas[2] + 1):
        thumbnails[Frame.CONTENT] = _cut(pixels, content)
    return thumbnails


def _content(pixels: NDArray[np.uint8]) -> tuple[float, float, float] | None:
    """Return center x, y and half the short side of what is not black, in pixels of the image."""
    height, width = pixels.shape
    scale = SEARCH_SIDE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    y, x = np.nonzero(small > BLACK)
    if len(x) < MIN_CONTENT:
        return None
    (center_x, center_y), sides, _ = cv2.minAreaRect(np.stack([x, y], axis=1).astype(np.float32))
    to_x, to_y = width / size[0], height / size[1]
    # minAreaRect joins pixel centers: a pixel's width is missing all around.
    radius = (min(sides) + 1) / 2 * (to_x + to_y) / 2
    return (center_x + 0.5) * to_x, (center_y + 0.5) * to_y, radius


def _cut(pixels: NDArray[np.uint8], disc: tuple[float, float, float]) -> Thumbnail:
    """Return the square around the disc (center x, y, radius), antialiased; black outside."""
    x, y, radius = disc
    height, width = pixels.shape
    scale = min(1.0, SIDE / (2 * radius))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    scale_x, scale_y = size[0] / width, size[1] / height
    step = 2 * radius / SIDE  # image pixels per thumbnail pixel; -0.5: pixel centers
    to_small = np.array(
        [
            [step * scale_x, 0, (x - radius + step / 2) * scale_x - 0.5],
            [0, step * scale_y, (y - radius + step / 2) * scale_y - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(small, to_small, (SIDE, SIDE), flags=flags), np.uint8)

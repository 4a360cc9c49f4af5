"""Pictures of a film for people: a thumbnail, a large one, and one with the heat map.

JPEG files, named by kind. A film takes at most 60 kB on average.
"""

from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import DecodeError
from bonefx_edge.finding import Analysis
from bonefx_edge.inference.overlay import overlay
from bonefx_edge.inference.preprocess import downscale_to

THUMB_PX: Final = 160
"""Longest side, as of the next two."""
LARGE_PX: Final = 1024
OVERLAY_PX: Final = 640
"""Heat maps are coarse, and color takes more bytes."""
THUMB_BYTES: Final = 6_000
"""The quality is lowered until the file is this small, as of the next two. Together below 60 kB."""
LARGE_BYTES: Final = 32_000
OVERLAY_BYTES: Final = 21_000
QUALITIES: Final = (85, 75, 65, 55, 45, 35, 25)
"""Of JPEG, tried in this order; the last one is taken whatever its size."""


def draw(analysis: Analysis, classifier: Classifier) -> dict[str, bytes]:
    """Return JPEG files by kind: `thumb`, `large`, and `overlay` for a film that was answered.

    Empty for a file that cannot be decoded. Brighter is bone, as the network sees it.
    """
    try:
        film = _pixels(analysis, classifier)
    except DecodeError:
        return {}
    large = downscale_to(film, longest_px=LARGE_PX)
    drawn = {
        "thumb": encode(downscale_to(large, longest_px=THUMB_PX), max_bytes=THUMB_BYTES),
        "large": encode(large, max_bytes=LARGE_BYTES),
    }
    has_map = classifier.manifest.output.map is not None
    heat = analysis.heat_map(classifier.manifest.input) if has_map else None
    if heat is not None:
        height, width = large.shape
        on_large = replace(heat, height=height, width=width)
        picture = overlay(large, on_large, longest_px=OVERLAY_PX)
        drawn["overlay"] = encode(picture, max_bytes=OVERLAY_BYTES)
    return drawn


def _pixels(analysis: Analysis, classifier: Classifier) -> NDArray[np.uint8]:
    """Return the film, decoded again only where the network saw a smaller one, or none."""
    seen = analysis.radiograph
    if seen is not None and (seen.pixels.shape == seen.shape or max(seen.pixels.shape) >= LARGE_PX):
        return seen.pixels
    return decode(analysis.data, options=classifier.decode_options).pixels


def encode(pixels: NDArray[np.uint8], *, max_bytes: int) -> bytes:
    """Return a JPEG of (height, width) gray or (height, width, 3) BGR pixels.

    The best of `QUALITIES` that has at most `max_bytes`, else the last.
    """
    data = b""
    for quality in QUALITIES:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        found: Any = cv2.imencode(".jpg", pixels, options)[1]
        data = found.tobytes()
        if len(data) <= max_bytes:
            break
    return data

"""The overlay: a film with its heat map in warm color, and a legend below it."""

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_edge.inference.heatmap import HeatMap
from bonefx_edge.inference.preprocess import downscale_to

LEGEND: Final = (
    "bonefx heat map: areas that raised the score. Decision aid, not a diagnosis, "
    "not a medical device."
)
"""Drawn into the picture, because it may be copied without its result."""
PICTURE_PX: Final = 1024
"""Longest side of the image in a picture: fits a screen."""
MIN_WIDTH_PX: Final = 64
"""Minimum width of the picture: the longest word of the legend fits."""
TRANSPARENT_BELOW: Final = 0.2
"""Below this the image is not colored: low values are everywhere and would hide the bone."""
OPACITY: Final = (0.15, 0.55)
"""Share of color where the value is `TRANSPARENT_BELOW` and 1: the bone must stay visible."""
COLORS: Final = ((0.0, 220.0, 255.0), (0.0, 0.0, 255.0))
"""BGR where the value is `TRANSPARENT_BELOW` and 1: yellow, red."""
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALES: Final = (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2)
"""Tried in this order until the longest word fits."""
MARGIN_PX: Final = 4
"""Around the legend, and between its lines."""
STRIP_GRAY: Final = 40
INK_GRAY: Final = 235


def overlay(
    pixels: NDArray[np.uint8], heat: HeatMap, *, longest_px: int = PICTURE_PX
) -> NDArray[np.uint8]:
    """Return the film with warm color where the value is high, and the legend below it.

    Parameters
    ----------
    pixels
        (height, width), the film that `heat` belongs to.
    longest_px
        Longest side of the film in the overlay.

    Returns
    -------
    (h, w, 3) uint8, BGR. The film is at the top left, shrunk to `longest_px` where it is longer,
    never enlarged; where the value is below `TRANSPARENT_BELOW` it is as gray as it was.
    """
    if pixels.shape != (heat.height, heat.width):
        msg = f"overlay: expected a film of {heat.height}x{heat.width}, got shape {pixels.shape}"
        raise ValueError(msg)
    film = downscale_to(pixels, longest_px=longest_px)
    height, width = film.shape
    strip = _strip(max(width, MIN_WIDTH_PX))
    picture = np.full((height + len(strip), strip.shape[1], 3), STRIP_GRAY, np.uint8)
    picture[:height, :width] = _tint(film, heat.values)
    picture[height:] = strip
    return picture


def _tint(film: NDArray[Any], values: NDArray[np.float32]) -> NDArray[Any]:
    """Return the film in BGR with its high values colored, (height, width, 3)."""
    heat = cv2.resize(values, film.shape[::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    strength = (heat - TRANSPARENT_BELOW) / (1.0 - TRANSPARENT_BELOW)  # < 0 where transparent
    opacity = OPACITY[0] + strength * (OPACITY[1] - OPACITY[0])
    color = np.array(COLORS[0]) + strength * (np.array(COLORS[1]) - np.array(COLORS[0]))
    gray = np.repeat(film[..., None], 3, axis=-1)
    return np.where(
        strength >= 0.0, np.rint(gray * (1.0 - opacity) + color * opacity), gray
    ).astype(np.uint8)


def _strip(width: int) -> NDArray[np.uint8]:
    """Return the legend on a strip of that width, (height, width, 3)."""
    room = width - 2 * MARGIN_PX
    words = LEGEND.split()
    scale = next((s for s in FONT_SCALES if _fits(words, s, room)), FONT_SCALES[-1])
    lines = _wrap(words, scale, room)
    (_, ascent), descent = cv2.getTextSize(LEGEND, FONT, scale, 1)
    pitch = ascent + descent + MARGIN_PX
    strip = np.full((MARGIN_PX + len(lines) * pitch, width, 3), STRIP_GRAY, np.uint8)
    for number, line in enumerate(lines):
        origin = (MARGIN_PX, MARGIN_PX + number * pitch + ascent)
        cv2.putText(strip, line, origin, FONT, scale, (INK_GRAY,) * 3, 1, cv2.LINE_AA)
    return strip


def _fits(lines: Sequence[str], scale: float, room: int) -> bool:
    return all(cv2.getTextSize(line, FONT, scale, 1)[0][0] <= room for line in lines)


def _wrap(words: Sequence[str], scale: float, room: int) -> list[str]:
    """Return the words in as many lines as they need, each filled as far as it goes."""
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        if _fits([longer], scale, room):
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
